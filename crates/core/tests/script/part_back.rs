//! A part of what was approved is taken back: the transaction stands with the rest, and everything is about that.

use super::unbatched::{Timed, ask as ask_at, bench as generic};
use crate::support::*;
use switchyard_core::{Body, Command, Order, Reversal};
use switchyard_domain::{
    AccountId, AccountKind, AccountRules, Currency, MessageClass, Outcome, Record, ReversalEffect,
    RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest, RiskWindow, SafFinding, SafKind, Scope,
    TerminalIndex, TransactionKind,
};

/// What happens to a sale before a part of it is to be taken back.
type Make = fn(&mut Bench, &Ask);

/// Takes back all of `of` but `stands`.
fn leave(bench: &mut Bench, of: &Ask, stands: u64) -> String {
    bench.reverse_code(&Back { stands: Some(stands), ..Back::of(of) })
}

fn approved(bench: &mut Bench, ask: &Ask) -> u64 {
    let (ticket, code) = bench.link_code(ask, "00");
    assert_eq!(code, "00");
    ticket
}

fn debit(bench: &Bench) -> (u64, u32) {
    let totals = bench.model.recount(TerminalIndex(0), named::batch(1));
    let sides = [totals.domestic.debit, totals.foreign.debit];
    (sides.iter().map(|side| side.amount_minor).sum(), sides.iter().map(|side| side.count).sum())
}

/// What has been sent of the queues, repeats left out.
fn delivered(bench: &Bench) -> Vec<SafKind> {
    let told = |sent: &Sent| match &sent.what {
        SentWhat::Advice { saf, repeat: false } | SentWhat::Reversal { saf, repeat: false } => Some(saf.kind),
        _ => None,
    };
    bench.sent.iter().filter_map(told).collect()
}

#[test]
fn the_rest_stands_whatever_is_repeated() {
    for kind in [TransactionKind::Sale, TransactionKind::CashAdvance, TransactionKind::OfflineSale] {
        for card in [ON_US, CARD_A] {
            let mut bench = Bench::new();
            let sale = Ask::new(kind, 10, 500, card).pin();
            let sale = if kind == TransactionKind::OfflineSale { Ask { pin: false, ..sale } } else { sale };
            let heard = approved(&mut bench, &sale);
            let heard = bench.only(heard);
            let back = Back { stands: Some(300), ..Back::of(&sale) };
            let first = bench.reverse(&back);
            let first = bench.only(first);
            assert_eq!(first.code.as_str(), "00", "{kind:?} {card}");
            for _ in 0..2 {
                let again = bench.reverse(&back);
                assert_eq!(bench.only(again), first, "its repeat");
                bench.crash();
                bench.connect(LINK_A);
            }
            assert_eq!(leave(&mut bench, &sale, 200), "25", "another part");
            assert_eq!((bench.payable(0), debit(&bench)), (300, (300, 1)));
            assert_eq!(bench.model.outcome(0), Outcome::Approved);
            match card {
                ON_US => assert_eq!(bench.available(ON_US), i128::from(BALANCE - 300)),
                _ => assert_eq!(bench.receivable(LINK_A), 300),
            }
            let again = bench.ask(&sale);
            assert_eq!(bench.only(again), heard, "what was approved was approved");
            bench.drain();
            // Behind an advice it waits beyond the first restart, and is a repeat then.
            let told = bench.sent.iter().any(
                |sent| matches!(sent.what, SentWhat::Reversal { saf, .. } if saf.kind == SafKind::PartReversal),
            );
            assert_eq!(told, card == CARD_A, "{kind:?}");
            assert_eq!(bench.core.state().saf_dead(), 0);
            let totals = bench.model.recount(TerminalIndex(0), named::batch(1));
            assert_eq!(bench.totals(0, 1, totals).code.as_str(), "00");
        }
    }
}

#[test]
fn what_follows_is_about_the_rest() {
    let part = |bench: &mut Bench| {
        let sale = Ask::sale_a(10, 500);
        let ticket = approved(bench, &sale);
        let rrn = bench.facts(ticket).rrn;
        assert_eq!(leave(bench, &sale, 300), "00");
        bench.drain();
        (sale, rrn)
    };
    let mut bench = Bench::new();
    let (sale, rrn) = part(&mut bench);
    let follow = |kind, number| sale.follow(kind, number, rrn, None);
    assert_eq!(bench.code(&follow(TransactionKind::Refund, 11).minor(301)), "61", "more than stands");
    assert_eq!(bench.code(&follow(TransactionKind::Void, 12).minor(500)), "64");
    assert_eq!(bench.code(&follow(TransactionKind::Tip, 13).minor(61)), "61", "a fifth of 300");
    assert_eq!(bench.link_code(&follow(TransactionKind::Refund, 14).minor(100), "00").1, "00");
    assert_eq!(bench.link_code(&follow(TransactionKind::Refund, 15).minor(200), "00").1, "00");
    assert_eq!(bench.code(&follow(TransactionKind::Refund, 16).minor(1)), "61");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));

    let mut bench = Bench::new();
    let (sale, rrn) = part(&mut bench);
    let void = sale.follow(TransactionKind::Void, 12, rrn, None).minor(300);
    assert_eq!(bench.link_code(&void, "00").1, "00");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
}

#[test]
fn the_whole_is_taken_back_after_a_part_and_the_issuer_hears_it_in_this_order() {
    for (card, minor) in [(ON_US, 500), (ON_US, 300), (CARD_A, 500), (CARD_A, 300)] {
        let mut bench = Bench::new();
        let before = bench.money();
        let sale = Ask::new(TransactionKind::Sale, 10, 500, card);
        approved(&mut bench, &sale);
        bench.disconnect(LINK_A);
        assert_eq!(leave(&mut bench, &sale, 300), "00");
        let whole = Back { minor, ..Back::of(&sale) };
        assert_eq!(bench.reverse_code(&Back { minor: 299, ..whole }), "25", "neither amount");
        let mut other = Bench::new();
        approved(&mut other, &sale);
        assert_eq!(leave(&mut other, &sale, 300), "00");
        for _ in 0..2 {
            assert_eq!(other.reverse_code(&whole), "00");
        }
        assert_eq!(leave(&mut other, &sale, 300), "00", "the repeat of the first");
        assert_eq!((other.model.outcome(0), other.payable(0), debit(&other)), (Outcome::Reversed, 0, (0, 0)));
        assert_eq!(other.money().1, before.1);
        other.drain();
        if card == CARD_A {
            assert_eq!(delivered(&other), [SafKind::PartReversal, SafKind::Reversal]);
        }
    }
}

#[test]
fn an_advice_goes_before_the_part_and_the_part_before_the_whole() {
    let mut bench = Bench::new();
    bench.disconnect(LINK_A);
    let sale = Ask::new(TransactionKind::OfflineSale, 10, 500, CARD_A);
    assert_eq!((bench.code(&sale), leave(&mut bench, &sale, 300)), ("00".into(), "00".into()));
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(bench.core.state().saf_waiting(), 3);
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(delivered(&bench), [SafKind::Advice, SafKind::PartReversal, SafKind::Reversal]);
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
}

#[test]
fn a_hold_becomes_smaller() {
    for card in [ON_US, CARD_A] {
        let mut bench = Bench::new();
        let hold = Ask::new(TransactionKind::PreAuth, 10, 1_000, card);
        let ticket = approved(&mut bench, &hold);
        let facts = bench.facts(ticket);
        assert_eq!(leave(&mut bench, &hold, 400), "00");
        assert_eq!(bench.held(), if card == ON_US { 400 } else { 0 });
        bench.drain();
        let completion = hold.follow(TransactionKind::Completion, 11, facts.rrn, facts.auth_code);
        assert_eq!(bench.code(&completion.minor(461)), "64", "115 % of what stands");
        assert_eq!(bench.link_code(&completion.stan(12).minor(460), "00").1, "00");
        assert_eq!((bench.payable(0), bench.held()), (460, 0));
    }
    let mut bench = Bench::new();
    let hold = Ask::new(TransactionKind::PreAuth, 10, 1_000, ON_US);
    approved(&mut bench, &hold);
    assert_eq!(
        (leave(&mut bench, &hold, 400), bench.reverse_code(&Back::of(&hold))),
        ("00".into(), "00".into())
    );
    assert_eq!((bench.held(), bench.available(ON_US)), (0, i128::from(BALANCE)));
}

#[test]
fn what_does_not_stand_as_it_was_approved_is_not_divided() {
    let cases: [(&str, Make); 6] = [
        ("declined", |bench, sale| assert_eq!(bench.link_code(sale, "51").1, "51")),
        ("taken back", |bench, sale| {
            approved(bench, sale);
            assert_eq!(bench.reverse_code(&Back::of(sale)), "00");
        }),
        ("unknown", |bench, sale| {
            bench.ask(sale);
            bench.pass(LINK_TIMEOUT_MS + 1);
        }),
        ("voided", |bench, sale| {
            let ticket = approved(bench, sale);
            let void = sale.follow(TransactionKind::Void, 11, bench.facts(ticket).rrn, None);
            approved(bench, &void);
        }),
        ("refunded", |bench, sale| {
            let ticket = approved(bench, sale);
            let refund = sale.follow(TransactionKind::Refund, 11, bench.facts(ticket).rrn, None);
            approved(bench, &refund.minor(1));
        }),
        ("of yesterday", |bench, sale| {
            approved(bench, sale);
            bench.pass_days(1);
        }),
    ];
    for (what, make) in cases {
        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        make(&mut bench, &sale);
        let money = bench.money();
        for _ in 0..2 {
            assert_eq!(leave(&mut bench, &sale, 300), "25", "{what}");
        }
        assert_eq!(bench.money(), money, "{what}");
        let refused = |r: &&switchyard_domain::Stamped| match &r.record {
            Record::ReversalTaken { key, effect, .. } => {
                (key.class, *effect) == (MessageClass::PartReversal, ReversalEffect::Refused)
            }
            _ => false,
        };
        assert_eq!(bench.records.iter().filter(refused).count(), 1, "{what}");
    }
    for (kind, minor, stands) in [
        (TransactionKind::Sale, 499, 300),
        (TransactionKind::Sale, 500, 500),
        (TransactionKind::Sale, 500, 501),
        (TransactionKind::TopUp, 500, 300),
        (TransactionKind::CardRepayment, 500, 300),
    ] {
        let mut bench = Bench::new();
        let sale = Ask::new(kind, 10, 500, CARD_A);
        approved(&mut bench, &sale);
        let back = Back { minor, stands: Some(stands), ..Back::of(&sale) };
        assert_eq!(bench.reverse_code(&back), "25", "{kind:?} {minor} {stands}");
        assert_eq!(bench.payable(0), 500);
    }
}

#[test]
fn what_waits_for_its_answer_is_divided_when_it_has_come() {
    let mut bench = Bench::new();
    let sale = Ask::sale_a(10, 500);
    let records = bench.records.len();
    assert_eq!(leave(&mut bench, &sale, 300), "25", "nothing is known of it");
    assert_eq!(bench.records.len(), records, "and nothing is shut for what comes later");
    let ticket = bench.ask(&sale);
    let sent = bench.last_request();
    assert_eq!(leave(&mut bench, &sale, 300), "22", "nobody has heard an approval");
    bench.answer(&sent, "00");
    assert_eq!((bench.code_of(ticket), leave(&mut bench, &sale, 300)), ("00".into(), "00".into()));
    assert_eq!(bench.payable(0), 300);
    // An approval that comes too late: the whole is undone, and no part of it stands.
    let late = Ask::sale_a(11, 700);
    let ticket = bench.ask(&late);
    let sent = bench.last_request();
    assert_eq!(leave(&mut bench, &late, 300), "22");
    bench.pass(LINK_TIMEOUT_MS + 1);
    bench.answer(&sent, "00");
    assert_eq!((bench.code_of(ticket), leave(&mut bench, &late, 300)), ("98".into(), "25".into()));
    bench.drain();
    assert_eq!((bench.model.outcome(1), bench.payable(0)), (Outcome::Reversed, 300));
    // Its PIN is still being looked at.
    bench.pins = Pins::Held;
    let slow = Ask::sale(12, 100).pin();
    bench.ask(&slow);
    assert_eq!(leave(&mut bench, &slow, 50), "22");
    bench.pin_done(Pins::Right);
    assert_eq!((leave(&mut bench, &slow, 50), bench.payable(0)), ("00".into(), 350));
}

#[test]
fn limits_have_the_part_back() {
    let mut bench = Bench::new();
    let rule = RiskRule {
        number: 1,
        reason: "a card's day".into(),
        about: Scope::default(),
        test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 1_000 },
        then: RiskAction::Decline("61".parse().unwrap()),
    };
    let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
    bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
    let sale = Ask::sale(10, 900);
    assert_eq!((bench.code(&sale), leave(&mut bench, &sale, 300)), ("00".into(), "00".into()));
    assert_eq!(bench.code(&Ask::sale(11, 701)), "61", "300 and 701 are too much");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(bench.code(&Ask::sale(12, 1_000)), "00", "nothing of it is left");
}

#[test]
fn a_part_that_an_issuer_does_not_take_is_an_operators() {
    for finding in [SafFinding::Undone, SafFinding::NeverTaken, SafFinding::Stands] {
        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        approved(&mut bench, &sale);
        assert_eq!(leave(&mut bench, &sale, 300), "00");
        let (sent, saf, _) = bench.reversals()[0];
        bench.answer(&sent, "12");
        assert_eq!((bench.core.state().saf_waiting(), bench.core.state().saf_dead()), (0, 1));
        bench.order(Order::ResolveSaf { saf: saf.id, finding, reason: reason() }).unwrap();
        let kept = if finding == SafFinding::Stands { 200 } else { 0 };
        // What the issuer keeps beside the rest is somebody's, and stands in suspense until it is known whose.
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (300, 300 + kept), "{finding:?}");
        assert_eq!((bench.model.outcome(0), bench.core.state().saf_dead()), (Outcome::Approved, 0));
    }
}

#[test]
fn what_goes_back_to_an_account_that_was_closed_stands_in_suspense() {
    let close = |bench: &mut Bench| {
        let account = AccountId::of(AccountKind::Cardholder, 0, Currency::CNY);
        let rules = AccountRules { closed: true, ..AccountRules::of(AccountKind::Cardholder) };
        bench.command(Command::SetAccountRules { account, rules }).unwrap();
    };
    let sale = Ask::sale(10, 500);
    for stands in [None, Some(300)] {
        let mut bench = Bench::new();
        assert_eq!(bench.code(&sale), "00");
        close(&mut bench);
        assert_eq!(bench.reverse_code(&Back { stands, ..Back::of(&sale) }), "00");
        let left = i128::from(stands.unwrap_or(0));
        assert_eq!(bench.payable(0), left, "the merchant does not gain by it");
        assert_eq!(bench.suspense(), left - 500, "and the cardholder has it to come");
    }
    let mut bench = Bench::new();
    let hold = Ask::new(TransactionKind::PreAuth, 10, 500, ON_US);
    let ticket = bench.ask(&hold);
    let facts = bench.facts(ticket);
    let completion = hold.follow(TransactionKind::Completion, 11, facts.rrn, facts.auth_code);
    assert_eq!(bench.code(&completion), "00");
    close(&mut bench);
    assert_eq!(bench.reverse_code(&Back::of(&completion)), "00");
    assert_eq!((bench.payable(0), bench.suspense(), bench.held()), (0, -500, 0));
}

#[test]
fn a_generic_terminal_names_what_it_divides_by_number_and_moment() {
    let mut bench = generic();
    let sale = Timed(Ask::new(TransactionKind::CashAdvance, 10, 500, ON_US).pin(), 77);
    ask_at(&mut bench, sale);
    let part = |moment| -> Box<Reversal> {
        let mut part = Back { stands: Some(300), ..Back::of(&sale.0.batch(0)) }.reversal();
        part.original_moment = Some(moment);
        part.echo.de60 = moment;
        // The message says only the class.
        part.kind = TransactionKind::Sale;
        part
    };
    for (moment, expected) in [(76, "25"), (77, "00"), (77, "00")] {
        let ticket = bench.request(0, Body::Reversal(part(moment)));
        assert_eq!(bench.code_of(ticket), expected);
    }
    assert_eq!(bench.payable(0), 300);
}
