//! A part that is approved, and an approval that comes after a refusal.

use crate::support::*;
use switchyard_core::{Answer, Order, Reply, ReplyBody};
use switchyard_domain::{
    Outcome, Record, RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest, RiskWindow, Scope,
    TerminalDialect, TerminalOrder, TerminalProfile, TransactionId, TransactionKind,
};

/// Terminal 0 understands from now on that a part was approved.
fn takes_partial(bench: &mut Bench) {
    let profile =
        TerminalProfile { dialect: TerminalDialect::UnionpayPos, carries_mac: true, takes_partial: true };
    let order = Order::Terminal {
        terminal: TERMINALS[0].0.parse().unwrap(),
        what: TerminalOrder::Speak(profile),
        reason: reason(),
    };
    bench.order(order).unwrap();
}

/// Asks, and the issuer approves `part` of it.
fn approve_part(bench: &mut Bench, ask: &Ask, part: Option<u64>) -> u64 {
    let ticket = bench.ask(ask);
    let sent = bench.last_request();
    let answer = answer_to(&sent, "10".parse().unwrap());
    bench.answer_with(&sent, Answer { amount_minor: part, ..answer });
    ticket
}

fn approved(reply: &Reply) -> Option<u64> {
    match &reply.body {
        ReplyBody::Financial { approved, .. } => approved.map(|amount| amount.minor),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_part_stands_where_the_terminal_takes_it() {
    for kind in [TransactionKind::Sale, TransactionKind::CashAdvance] {
        let mut bench = Bench::new();
        takes_partial(&mut bench);
        let ask = Ask::new(kind, 10, 500, CARD_A);
        let ticket = approve_part(&mut bench, &ask, Some(300));
        let heard = bench.only(ticket);
        assert_eq!((heard.code.as_str(), approved(&heard)), ("10", Some(300)));
        assert_eq!(bench.model.outcome(0), Outcome::Approved);
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (300, 300), "the part is posted");
        assert_eq!(bench.core.state().saf_waiting(), 0);
        let again = bench.ask(&ask);
        assert_eq!(bench.only(again), heard, "a repeat asks for the whole and hears of the part");
        assert_eq!(bench.code(&ask.minor(300)), "94", "a request for the part is another request");
        let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
        assert_eq!(totals.domestic.debit.amount_minor, 300, "the batch counts the part");
    }
}

#[test]
fn a_part_that_cannot_stand_is_undone() {
    for (kind, takes, part) in [
        (TransactionKind::Sale, false, Some(300)),
        (TransactionKind::Sale, true, None),
        (TransactionKind::Sale, true, Some(0)),
        (TransactionKind::Sale, true, Some(500)),
        (TransactionKind::Sale, true, Some(501)),
        (TransactionKind::TopUp, true, Some(300)),
        (TransactionKind::CardRepayment, true, Some(300)),
    ] {
        let mut bench = Bench::new();
        if takes {
            takes_partial(&mut bench);
        }
        let ticket = approve_part(&mut bench, &Ask::new(kind, 10, 500, CARD_A), part);
        assert_eq!(bench.code_of(ticket), "98", "{kind:?} {part:?}");
        assert_eq!(bench.model.outcome(0), Outcome::Unknown);
        assert_eq!((bench.payable(0), bench.core.state().saf_waiting()), (0, 1));
        bench.drain();
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    }
}

#[test]
fn what_follows_a_part_is_about_the_part() {
    let mut bench = Bench::new();
    takes_partial(&mut bench);
    let sale = Ask::sale_a(10, 500);
    let ticket = approve_part(&mut bench, &sale, Some(300));
    let rrn = bench.facts(ticket).rrn;
    let refund = sale.follow(TransactionKind::Refund, 11, rrn, None);
    assert_eq!(bench.code(&refund.minor(301)), "61", "more than the part");
    let void = sale.follow(TransactionKind::Void, 12, rrn, None);
    assert_eq!(bench.code(&void.minor(500)), "64", "the whole was never approved");
    assert_eq!(bench.link_code(&void.stan(13).minor(300), "00").1, "00");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
    // A hold of which a part was approved.
    let hold = Ask::new(TransactionKind::PreAuth, 20, 1_000, CARD_A);
    let ticket = approve_part(&mut bench, &hold, Some(400));
    let code = bench.facts(ticket).auth_code;
    let completion = hold.follow(TransactionKind::Completion, 21, bench.facts(ticket).rrn, code);
    assert_eq!(bench.code(&completion.minor(461)), "64", "115 % of the part");
    assert_eq!(bench.link_code(&completion.stan(22).minor(460), "00").1, "00");
}

#[test]
fn a_terminal_takes_back_a_part_by_either_amount() {
    for minor in [300, 500] {
        let mut bench = Bench::new();
        takes_partial(&mut bench);
        let sale = Ask::sale_a(10, 500);
        approve_part(&mut bench, &sale, Some(300));
        let back = Back { minor, ..Back::of(&sale) };
        assert_eq!(bench.reverse_code(&back), "00");
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
        bench.drain();
    }
    let mut bench = Bench::new();
    takes_partial(&mut bench);
    let sale = Ask::sale_a(10, 500);
    approve_part(&mut bench, &sale, Some(300));
    assert_eq!(bench.reverse_code(&Back { minor: 400, ..Back::of(&sale) }), "25");
    assert_eq!(bench.payable(0), 300);
}

#[test]
fn a_part_that_was_taken_back_meanwhile_is_undone() {
    let mut bench = Bench::new();
    takes_partial(&mut bench);
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    let sent = bench.last_request();
    let answer = answer_to(&sent, "10".parse().unwrap());
    bench.answer_with(&sent, Answer { amount_minor: Some(300), ..answer });
    assert_eq!(bench.code_of(ticket), "98");
    assert_eq!((bench.payable(0), bench.core.state().saf_waiting()), (0, 1));
    bench.drain();
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn limits_count_the_part() {
    let mut bench = Bench::new();
    takes_partial(&mut bench);
    let rule = RiskRule {
        number: 1,
        reason: "a card's day".into(),
        about: Scope::default(),
        test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 1_000 },
        then: RiskAction::Decline("61".parse().unwrap()),
    };
    let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
    bench.command(switchyard_core::Command::SetRiskRules(Box::new(rules))).unwrap();
    approve_part(&mut bench, &Ask::sale_a(10, 900), Some(300));
    assert_eq!(bench.code(&Ask::sale_a(11, 701)), "61", "300 and 701 are too much");
    assert_eq!(bench.link_code(&Ask::sale_a(12, 700), "00").1, "00", "900 would have left no room for it");
}

#[test]
fn an_approval_after_a_refusal_is_taken_back() {
    for code in ["91", "51", "05", "96"] {
        let mut bench = Bench::new();
        let (ticket, heard) = bench.link_code(&Ask::sale_a(10, 500), code);
        assert_eq!(heard, code);
        let sent = bench.last_request();
        bench.answer(&sent, "00");
        assert_eq!(bench.replies[&ticket].len(), 1, "the terminal was told already");
        assert_eq!((bench.model.outcome(0), bench.payable(0)), (Outcome::Declined, 0));
        let reversals = bench.reversals();
        assert_eq!(reversals.len(), 1, "{code}: the issuer has posted something");
        assert_eq!(reversals[0].1.transaction, TransactionId(0));
        // Said once more it changes nothing.
        bench.answer(&sent, "00");
        assert_eq!(bench.core.state().saf_waiting(), 1);
        bench.drain();
        assert_eq!((bench.core.state().saf_waiting(), bench.model.outcome(0)), (0, Outcome::Declined));
        let told = |r: &switchyard_domain::Stamped| matches!(r.record, Record::SafDelivered { .. });
        assert_eq!(bench.records.iter().filter(|r| told(r)).count(), 1);
    }
}

#[test]
fn an_inquiry_that_is_approved_after_a_refusal_moved_nothing() {
    let mut bench = Bench::new();
    let ask = Ask::new(TransactionKind::BalanceInquiry, 10, 0, CARD_A);
    bench.link_code(&ask, "91");
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!(bench.core.state().saf_waiting(), 0);
}

#[test]
fn a_refusal_repeated_changes_nothing_and_another_connection_says_nothing() {
    let mut bench = Bench::new();
    bench.link_code(&Ask::sale_a(10, 500), "91");
    let sent = bench.last_request();
    (0..3).for_each(|_| bench.answer(&sent, "91"));
    assert_eq!(bench.core.state().saf_waiting(), 0);
    bench.disconnect(LINK_A);
    bench.connect(LINK_A);
    bench.answer(&sent, "00");
    assert_eq!(bench.core.state().saf_waiting(), 0, "an answer of an older connection is none");
}
