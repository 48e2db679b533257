//! What a generic terminal tells instead of asking: tips, and holds that it or a voice has approved.

use super::unbatched::{Timed, ask, bench, code, naming, reverse, totals};
use crate::support::*;
use switchyard_core::{Body, Command, CommandError};
use switchyard_domain::{
    BatchVerdict, Outcome, Record, RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest, RiskVerdict,
    RiskWindow, SafKind, Scope, TransactionKind,
};

fn told_hold(number: u32, minor: u64, card: &'static str) -> Ask {
    Ask::new(TransactionKind::PreAuthAdvice, number, minor, card)
}

/// `hold` as it was approved by a voice, which named this code.
fn voiced(hold: Ask, auth_code: &str) -> Ask {
    let mut hold = hold;
    hold.original.auth_code = Some(auth_code.parse().unwrap());
    hold
}

fn advices(bench: &Bench) -> Vec<u16> {
    let told = |sent: &Sent| match &sent.what {
        SentWhat::Advice { saf, .. } => Some(saf.upstream.mti),
        _ => None,
    };
    bench.sent.iter().filter_map(told).collect()
}

#[test]
fn a_tip_follows_the_sale_that_it_names() {
    for card in [ON_US, CARD_A] {
        let mut bench = bench();
        let sale = Timed(Ask::new(TransactionKind::Sale, 10, 1_000, card), 77);
        let first = ask(&mut bench, sale);
        if card == CARD_A {
            let sent = bench.last_request();
            bench.answer(&sent, "00");
        }
        assert_eq!(bench.code_of(first), "00");
        let tip = |number, minor| Ask::new(TransactionKind::Tip, number, minor, card);
        assert_eq!(code(&mut bench, Timed(naming(tip(11, 5), Timed(sale.0, 78)), 80)), "25", "no such sale");
        assert_eq!(code(&mut bench, Timed(naming(tip(12, 201), sale), 81)), "61", "above a fifth");
        let given = Timed(naming(tip(13, 200), sale), 82);
        assert_eq!(
            (code(&mut bench, given), code(&mut bench, given)),
            ("00".into(), "00".into()),
            "once more"
        );
        assert_eq!(code(&mut bench, Timed(naming(tip(14, 1), sale), 83)), "25", "once");
        assert_eq!(bench.payable(0), 1_200);
        bench.drain();
        assert_eq!(advices(&bench).contains(&220), card == CARD_A, "the issuer is told");
        let void = Ask::new(TransactionKind::Void, 15, 1_000, card);
        assert_eq!(code(&mut bench, Timed(naming(void, sale), 84)), "25", "a refund is the way");
        assert_eq!(reverse(&mut bench, sale), "25", "and no reversal");
        assert_eq!(totals(&mut bench, (1_200, 2), (0, 0), false), Some(BatchVerdict::Balanced));
        assert_eq!(code(&mut bench, Timed(naming(tip(16, 5), sale), 85)), "25", "another batch");
    }
}

#[test]
fn a_hold_that_is_told_stands_and_is_completed_voided_or_taken_back() {
    for ends in ["completed", "voided", "reversed"] {
        let mut bench = bench();
        let hold = Timed(voiced(told_hold(10, 1_000, ON_US), "A1B2C3"), 77);
        let first = ask(&mut bench, hold);
        assert_eq!(bench.facts(first).auth_code, "A1B2C3".parse().ok(), "the code that it came with");
        let again = ask(&mut bench, hold);
        assert_eq!(bench.only(again), bench.only(first));
        assert_eq!(code(&mut bench, Timed(hold.0.minor(999), hold.1)), "94");
        assert_eq!((bench.held(), bench.available(ON_US)), (1_000, i128::from(BALANCE - 1_000)));
        bench.crash();
        match ends {
            "completed" => {
                let mut by_code = Ask::new(TransactionKind::Completion, 11, 1_151, ON_US);
                by_code.original.auth_code = "A1B2C3".parse().ok();
                assert_eq!(code(&mut bench, Timed(by_code, 80)), "64", "above 115 %");
                assert_eq!(code(&mut bench, Timed(by_code.stan(12).minor(1_150), 81)), "00");
                assert_eq!((bench.payable(0), bench.held()), (1_150, 0));
                assert_eq!(reverse(&mut bench, hold), "25", "it was completed");
                assert_eq!(totals(&mut bench, (1_150, 1), (0, 0), false), Some(BatchVerdict::Balanced));
            }
            "voided" => {
                let void = naming(Ask::new(TransactionKind::PreAuthVoid, 11, 1_000, ON_US), hold);
                assert_eq!(code(&mut bench, Timed(void.minor(999), 80)), "64");
                assert_eq!(code(&mut bench, Timed(void.stan(12), 81)), "00");
            }
            _ => {
                for _ in 0..2 {
                    assert_eq!(reverse(&mut bench, hold), "00");
                }
            }
        }
        assert_eq!(bench.held(), 0, "{ends}");
        if ends != "completed" {
            assert_eq!((bench.payable(0), bench.available(ON_US)), (0, i128::from(BALANCE)), "{ends}");
            assert_eq!(totals(&mut bench, (0, 0), (0, 0), false), Some(BatchVerdict::Balanced), "no totals");
        }
    }
}

#[test]
fn a_hold_that_no_account_covers_stands_in_suspense() {
    for ends in ["completed", "voided", "reversed", "expired"] {
        let mut bench = bench();
        let hold = Timed(told_hold(10, 1_000, ON_US_EMPTY), 77);
        assert_eq!(code(&mut bench, hold), "00", "it has taken place");
        assert_eq!((bench.held(), bench.available(ON_US_EMPTY)), (1_000, 0));
        let before = bench.suspense();
        match ends {
            "completed" => {
                let done = naming(Ask::new(TransactionKind::Completion, 11, 900, ON_US_EMPTY), hold);
                assert_eq!(code(&mut bench, Timed(done, 80)), "00");
                assert_eq!((bench.payable(0), bench.suspense()), (900, 900), "somebody has to collect it");
                let refund = naming(Ask::new(TransactionKind::Refund, 12, 900, ON_US_EMPTY), Timed(done, 80));
                assert_eq!(code(&mut bench, Timed(refund, 81)), "00");
                assert_eq!((bench.payable(0), bench.suspense()), (0, 0));
            }
            "voided" => {
                let void = naming(Ask::new(TransactionKind::PreAuthVoid, 11, 1_000, ON_US_EMPTY), hold);
                assert_eq!(code(&mut bench, Timed(void, 80)), "00");
            }
            "reversed" => assert_eq!(reverse(&mut bench, hold), "00"),
            _ => bench.pass_days(32),
        }
        assert_eq!((bench.held(), bench.suspense(), bench.available(ON_US_EMPTY)), (0, before, 0), "{ends}");
    }
}

#[test]
fn an_issuer_hears_of_a_hold_when_it_can_and_of_what_follows_after_that() {
    let mut bench = bench();
    bench.disconnect(LINK_A);
    let hold = Timed(voiced(told_hold(10, 600, CARD_A), "V00042"), 77);
    assert_eq!(code(&mut bench, hold), "00", "nobody is asked");
    assert_eq!((bench.requests(), bench.payable(0), bench.core.state().saf_waiting()), (0, 0, 1));
    let completion = |number| {
        let mut done = Ask::new(TransactionKind::Completion, number, 600, CARD_A);
        done.original.auth_code = "V00042".parse().ok();
        done
    };
    assert_eq!(code(&mut bench, Timed(completion(11), 80)), "22", "the issuer has not heard of the hold");
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(advices(&bench).first(), Some(&120));
    let ticket = ask(&mut bench, Timed(completion(12), 81));
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!((bench.code_of(ticket), bench.payable(0)), ("00".into(), 600));
}

#[test]
fn a_hold_that_is_taken_back_before_its_issuer_heard_of_it_is_told_and_taken_back() {
    let mut bench = bench();
    bench.disconnect(LINK_A);
    let hold = Timed(told_hold(10, 600, CARD_A), 77);
    assert_eq!((code(&mut bench, hold), reverse(&mut bench, hold)), ("00".into(), "00".into()));
    assert_eq!(bench.core.state().saf_waiting(), 2);
    bench.connect(LINK_A);
    bench.drain();
    let told = |sent: &Sent| match &sent.what {
        SentWhat::Advice { saf, repeat: false } | SentWhat::Reversal { saf, repeat: false } => Some(saf.kind),
        _ => None,
    };
    let order: Vec<SafKind> = bench.sent.iter().filter_map(told).collect();
    assert_eq!(order, [SafKind::Advice, SafKind::Reversal], "the advice first");
    assert_eq!((bench.core.state().saf_waiting(), bench.model.outcome(0)), (0, Outcome::Reversed));
    // A reversal that overtakes what is told shuts it out.
    let late = Timed(told_hold(11, 500, ON_US), 90);
    assert_eq!((reverse(&mut bench, late), code(&mut bench, late)), ("00".into(), "22".into()));
    assert_eq!(bench.held(), 0);
}

#[test]
fn limits_count_a_hold_that_is_told_and_cannot_decline_it() {
    let mut bench = bench();
    let rule = RiskRule {
        number: 1,
        reason: "a card's day".into(),
        about: Scope::default(),
        test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 1_000 },
        then: RiskAction::Decline("61".parse().unwrap()),
    };
    let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
    assert_eq!(bench.command(Command::SetRiskRules(Box::new(rules))).err(), None::<CommandError>);
    let hold = Timed(told_hold(10, 900, ON_US), 77);
    assert_eq!(code(&mut bench, hold), "00");
    assert_eq!(code(&mut bench, Timed(Ask::sale(11, 101), 78)), "61", "900 and 101");
    assert_eq!(code(&mut bench, Timed(told_hold(12, 101, ON_US), 79)), "00", "it has taken place");
    let verdicts = bench.records.iter().filter_map(|r| match &r.record {
        Record::RiskFlagged { finding, .. } => Some(finding.verdict),
        _ => None,
    });
    let declined = RiskVerdict::Decline("61".parse().unwrap());
    assert_eq!(verdicts.collect::<Vec<_>>(), [declined, RiskVerdict::HoldPayout]);
    assert_eq!(reverse(&mut bench, hold), "00");
    assert_eq!(code(&mut bench, Timed(Ask::sale(13, 899), 80)), "00", "what was taken back counts no more");
}

#[test]
fn a_hold_of_no_amount_or_of_a_card_of_nobody_is_refused() {
    let mut bench = bench();
    for (hold, expected) in [(told_hold(10, 0, ON_US), "13"), (told_hold(11, 5, CARD_NOWHERE), "15")] {
        assert_eq!(code(&mut bench, Timed(hold, 77)), expected);
    }
    let body = Body::Financial(told_hold(12, 5, ON_US_EXPIRED).batch(0).financial());
    let ticket = bench.request(0, body);
    assert_eq!(bench.code_of(ticket), "00", "the card was good enough for whoever approved it");
}
