//! Kinds of transactions beside the sale and the pre-authorization: offline sales, advices, tips, cash and services.

use crate::support::*;
use switchyard_domain::{
    Record, RiskAction, RiskRule, RiskRules, RiskTest, RiskVerdict, Rrn, Scope, TransactionId,
    TransactionKind,
};

fn sold(bench: &mut Bench, ask: &Ask) -> Rrn {
    let (ticket, code) = bench.link_code(ask, "00");
    assert_eq!(code, "00");
    bench.facts(ticket).rrn
}
fn advices(bench: &Bench) -> usize {
    bench.sent.iter().filter(|s| matches!(s.what, SentWhat::Advice { .. })).count()
}

#[test]
fn cash_repayments_and_top_ups_are_decided_like_sales() {
    for kind in [TransactionKind::CashAdvance, TransactionKind::CardRepayment, TransactionKind::TopUp] {
        let mut bench = Bench::new();
        let on_us = Ask::new(kind, 10, 700, ON_US);
        assert_eq!(bench.code(&on_us.pin()), "00", "{kind:?}");
        assert_eq!(bench.code(&on_us.stan(11).minor(BALANCE).pin()), "51");
        assert_eq!((bench.payable(0), bench.available(ON_US)), (700, i128::from(BALANCE - 700)));
        assert_eq!(bench.reverse_code(&Back::of(&on_us)), "00");
        assert_eq!(bench.payable(0), 0);
        let linked = Ask::new(kind, 12, 300, CARD_A).pin();
        assert_eq!(bench.link_code(&linked, "00").1, "00");
        assert_eq!(bench.link_code(&linked.stan(13), "51").1, "51");
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (300, 300));
        let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
        assert_eq!((totals.domestic.debit.amount_minor, totals.domestic.debit.count), (300, 1));
    }
}

#[test]
fn an_offline_sale_is_acknowledged_whatever_stands_in_its_way() {
    // On us: covered, not covered, expired, without a PIN above the floor.
    let sale = |stan, minor, card| Ask::new(TransactionKind::OfflineSale, stan, minor, card);
    let mut bench = Bench::new();
    assert_eq!(bench.code(&sale(10, 400, ON_US)), "00");
    assert_eq!((bench.available(ON_US), bench.suspense()), (i128::from(BALANCE - 400), 0));
    assert_eq!(bench.code(&sale(11, 50, ON_US_EMPTY)), "00");
    assert_eq!((bench.available(ON_US_EMPTY), bench.suspense(), bench.payable(0)), (0, 50, 450));
    let uncovered = bench.model.last().opened.rrn;
    let void = sale(11, 50, ON_US_EMPTY).follow(TransactionKind::Void, 20, uncovered, None);
    assert_eq!(bench.code(&void), "00");
    assert_eq!((bench.available(ON_US_EMPTY), bench.suspense(), bench.payable(0)), (0, 0, 400));
    assert_eq!(bench.code(&sale(12, 5, ON_US_EXPIRED)), "00");
    assert_eq!(bench.code(&sale(13, 200_000, ON_US)), "00");
    assert_eq!(bench.code(&sale(14, 5, CARD_NOWHERE)), "15", "nobody to be told");
    // Over a link, up or down: the issuer is told, not asked.
    let mut bench = Bench::new();
    bench.disconnect(LINK_A);
    let offline = sale(10, 600, CARD_A);
    assert_eq!(bench.code(&offline), "00");
    assert_eq!(bench.code(&offline), "00", "its repeat");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A), advices(&bench)), (600, 600, 0));
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!((bench.requests(), bench.core.state().saf_waiting()), (0, 0));
    assert!(advices(&bench) >= 1);
}

#[test]
fn a_rule_holds_the_payout_of_what_it_can_no_longer_decline() {
    let rule = RiskRule {
        number: 1,
        reason: "offline above the floor".into(),
        about: Scope::default(),
        test: RiskTest::AmountOver { minor_max: 100 },
        then: RiskAction::Decline("61".parse().unwrap()),
    };
    let mut bench = Bench::new();
    let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
    bench.command(switchyard_core::Command::SetRiskRules(Box::new(rules))).unwrap();
    assert_eq!(bench.code(&Ask::new(TransactionKind::OfflineSale, 10, 101, ON_US)), "00");
    assert_eq!(bench.code(&Ask::sale(11, 101)), "61");
    let held: Vec<TransactionId> = bench.core.state().held_payouts().map(|(id, ..)| id).collect();
    assert_eq!(held, [TransactionId(0)]);
    let verdicts = bench.records.iter().filter_map(|r| match &r.record {
        switchyard_domain::Record::RiskFlagged { finding, .. } => Some(finding.verdict),
        _ => None,
    });
    let declined = RiskVerdict::Decline("61".parse().unwrap());
    assert_eq!(verdicts.collect::<Vec<_>>(), [RiskVerdict::HoldPayout, declined]);
}

#[test]
fn a_completion_advice_captures_its_hold_and_the_issuer_is_told() {
    for (card, minor, code) in [
        (ON_US, 1_000, "00"),
        (ON_US, 1_150, "00"),
        (ON_US, 1_151, "64"),
        (CARD_A, 1_150, "00"),
        (CARD_A, 1_151, "64"),
    ] {
        let mut bench = Bench::new();
        let hold = Ask::new(TransactionKind::PreAuth, 10, 1_000, card);
        let (ticket, heard) = bench.link_code(&hold, "00");
        assert_eq!(heard, "00");
        let facts = bench.facts(ticket);
        let advice = hold.follow(TransactionKind::CompletionAdvice, 11, facts.rrn, facts.auth_code);
        let before = bench.requests();
        assert_eq!(bench.code(&advice.minor(minor)), code, "{card} {minor}");
        assert_eq!(bench.requests(), before, "nobody is asked");
        let gained = if code == "00" { i128::from(minor) } else { 0 };
        assert_eq!(bench.payable(0), gained);
        bench.drain();
        assert_eq!(advices(&bench) > 0, code == "00" && card == CARD_A);
        assert_eq!(bench.held() > 0, code != "00" && card == ON_US);
        // It can be given back like any other.
        if code == "00" {
            let sale = advice.minor(minor);
            let told = bench.model.last().opened.rrn;
            let refund = sale.follow(TransactionKind::Refund, 12, told, None);
            assert_eq!(bench.link_code(&refund, "00").1, "00");
            assert_eq!(bench.payable(0), 0);
        }
    }
}

#[test]
fn a_tip_is_added_once_to_a_sale_of_the_batch_and_has_a_limit() {
    for card in [ON_US, CARD_A] {
        let mut bench = Bench::new();
        let sale = Ask::new(TransactionKind::Sale, 10, 1_000, card);
        let rrn = sold(&mut bench, &sale);
        let tip = sale.follow(TransactionKind::Tip, 11, rrn, None);
        assert_eq!(bench.code(&tip.minor(201)), "61", "above a fifth");
        assert_eq!(bench.code(&tip.stan(12).minor(200)), "00");
        assert_eq!(bench.code(&tip.stan(13).minor(1)), "25", "once");
        assert_eq!(bench.payable(0), 1_200);
        bench.drain();
        let void = sale.follow(TransactionKind::Void, 14, rrn, None);
        assert_eq!(bench.code(&void), "25", "a refund is the way");
        let refund = sale.follow(TransactionKind::Refund, 15, rrn, None);
        assert_eq!(bench.link_code(&refund, "00").1, "00");
        assert_eq!(bench.payable(0), 200);
        let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
        assert_eq!((totals.domestic.debit.amount_minor, totals.domestic.credit.amount_minor), (1_200, 1_000));
    }
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 1_000);
    let rrn = sold(&mut bench, &sale);
    assert_eq!(bench.code(&sale.follow(TransactionKind::Tip, 11, rrn, None).minor(5).terminal(1)), "25");
    let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
    bench.totals(0, 1, totals);
    assert_eq!(bench.code(&sale.follow(TransactionKind::Tip, 12, rrn, None).minor(5).batch(2)), "25");
}

#[test]
fn a_refund_of_a_sale_gives_its_tip_back_too() {
    for (card, over_link) in [(ON_US, false), (CARD_A, true)] {
        let mut bench = Bench::new();
        let send = |bench: &mut Bench, ask: &Ask| {
            if over_link { bench.link_code(ask, "00").1 } else { bench.code(ask) }
        };
        let sale = Ask::new(TransactionKind::Sale, 10, 100, card);
        assert_eq!(send(&mut bench, &sale), "00");
        let rrn = bench.records.iter().rev().find_map(|s| match &s.record {
            Record::Decided { opened, .. } | Record::Opened(opened) => Some(opened.rrn),
            _ => None,
        });
        let rrn = rrn.unwrap();
        let tip = sale.follow(TransactionKind::Tip, 11, rrn, None).minor(20);
        assert_eq!(bench.code(&tip), "00");
        bench.drain();
        let refund = |stan, minor| sale.follow(TransactionKind::Refund, stan, rrn, None).minor(minor);
        assert_eq!(bench.code(&refund(12, 121)), "61", "no more than both");
        assert_eq!(send(&mut bench, &refund(13, 30)), "00");
        assert_eq!(bench.payable(0), 90);
        assert_eq!(send(&mut bench, &refund(14, 90)), "00", "the rest of both");
        assert_eq!(bench.payable(0), 0);
        assert_eq!(bench.code(&refund(15, 1)), "61");
        // The tip is given back already: taking it back as well would do so twice.
        assert_eq!(bench.reverse_code(&Back::of(&tip)), "25");
        assert_eq!(bench.payable(0), 0);
        assert_eq!(bench.reverse_code(&Back::of(&refund(14, 90))), "00", "a refund can be taken back");
        assert_eq!(bench.payable(0), 90);
    }
}
