//! What chips said in transactions that were approved without their issuers, on its way there.

use super::stand_in::{rule, stand_in_by};
use super::unbatched::{Timed, ask, bench as generic};
use crate::support::*;
use switchyard_core::{Input, Order};
use switchyard_domain::*;

/// What every advice has to say of a chip that spoke.
fn said() -> Option<ChipData> {
    Some(ChipData { sequence: Some(1), objects: CRYPTOGRAM.to_vec() })
}

fn dipped(kind: TransactionKind, stan: u32) -> Ask {
    Ask { chip: true, ..Ask::new(kind, stan, 500, CARD_A) }
}

/// A bench that stands in for whoever is away.
fn standing_in() -> Bench {
    let mut bench = Bench::new();
    stand_in_by(&mut bench, rule());
    bench
}

/// Restarts, and hears what the advice says then, as a repeat too.
fn hears_the_chip(bench: &mut Bench, name: &str) {
    bench.crash();
    bench.chips_told.clear();
    bench.connect(LINK_A);
    // A first send, and after each silence another one.
    for _ in 0..3 {
        bench.pass(60_000);
    }
    assert!(bench.chips_told.len() >= 2, "{name}: sent and sent again");
    assert!(bench.chips_told.iter().all(|chip| *chip == said()), "{name}: {:?}", bench.chips_told);
    bench.drain();
    assert_eq!((bench.core.state().saf_waiting(), bench.core.state().saf_dead()), (0, 0), "{name}");
}

#[test]
fn an_issuer_hears_what_the_chip_said_whoever_approved_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(&dipped(TransactionKind::OfflineSale, 10)), "00");
    hears_the_chip(&mut bench, "an offline sale");

    let mut bench = generic();
    let hold = ask(&mut bench, Timed(dipped(TransactionKind::PreAuthAdvice, 10), 77));
    assert_eq!(bench.code_of(hold), "00");
    hears_the_chip(&mut bench, "a hold that is told");

    let mut bench = standing_in();
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&dipped(TransactionKind::Sale, 10)), "00");
    hears_the_chip(&mut bench, "a sale while its issuer was away");

    let mut bench = standing_in();
    let ticket = bench.ask(&dipped(TransactionKind::Sale, 10));
    let request = bench.take_request();
    let transaction = request.opened.id;
    bench.disconnect(LINK_A);
    bench.step(Input::NotSent { link: LINK_A, transaction, request: Some(request) });
    assert_eq!(bench.code_of(ticket), "00");
    hears_the_chip(&mut bench, "a sale that could not leave");
}

#[test]
fn nothing_is_kept_of_what_an_issuer_was_asked_about() {
    let mut bench = Bench::new();
    assert_eq!(bench.link_code(&dipped(TransactionKind::Sale, 10), "00").1, "00");
    assert_eq!(bench.code(&Ask { chip: true, ..Ask::sale(11, 500) }), "00", "on us");
    assert_eq!(bench.code(&Ask::new(TransactionKind::OfflineSale, 12, 500, CARD_A)), "00");
    bench.drain();
    assert!(bench.model.chips.is_empty());
    assert!(!bench.chips_told.is_empty() && bench.chips_told.iter().all(Option::is_none));
}

#[test]
fn what_a_chip_said_waits_with_an_advice_that_was_given_up() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(&dipped(TransactionKind::OfflineSale, 10)), "00");
    let advice = *bench.sent.iter().rfind(|sent| matches!(sent.what, SentWhat::Advice { .. })).unwrap();
    bench.answer(&advice, "12");
    assert_eq!(bench.core.state().saf_dead(), 1);
    bench.crash();
    bench.connect(LINK_A);
    let saf = bench.core.state().saf_entries().next().unwrap().entry.id;
    bench.order(Order::RetrySaf { saf, reason: reason() }).unwrap();
    hears_the_chip(&mut bench, "retried");
}
