//! The same key again.

use crate::support::*;
use switchyard_core::{Body, OriginalRef};

#[test]
fn the_same_request_hears_the_same_answer() {
    for (name, ask, issuer) in [
        ("on us", Ask::sale(10, 500), None),
        ("on us with a pin", Ask::sale(10, 500).pin(), None),
        ("declined", Ask::sale(10, BALANCE * 2).pin(), None),
        ("over a link", Ask::sale_a(10, 500), Some("00")),
        ("declined over a link", Ask::sale_a(10, 500).pin(), Some("51")),
    ] {
        let mut bench = Bench::new();
        let first = bench.ask(&ask);
        if let Some(code) = issuer {
            let sent = bench.last_request();
            bench.answer(&sent, code);
        }
        let (heard, records, sent) = (bench.only(first), bench.records.len(), bench.sent.len());
        bench.pass(5_000);
        let again = bench.ask(&ask);
        assert_eq!(bench.only(again), heard, "{name}");
        assert_eq!((bench.records.len(), bench.sent.len()), (records, sent), "{name}");
    }
}

#[test]
fn another_request_under_the_same_key_hears_94() {
    let base = Ask::sale(10, 500);
    let elsewhere = Some((named::batch(1), stan(3)));
    for (name, other) in [
        ("amount", base.minor(501)),
        ("card", base.card(Some(ON_US_OTHER))),
        ("no card", base.card(None)),
        ("processing code", Ask { processing_code: 1, ..base }),
        ("type", Ask { type_code: 23, ..base }),
        ("original", Ask { original: OriginalRef { batch_stan: elsewhere, ..base.original }, ..base }),
        (
            "reference",
            Ask {
                original: OriginalRef { rrn: Some("123456789012".parse().unwrap()), ..base.original },
                ..base
            },
        ),
    ] {
        // Decided already.
        let mut bench = Bench::new();
        assert_eq!(bench.code(&base), "00");
        assert_eq!(bench.code(&other), "94", "{name}: decided");
        // While its PIN is being checked.
        let mut bench = Bench::new();
        bench.pins = Pins::Held;
        let first = bench.ask(&base.pin());
        assert_eq!(bench.code(&other.pin()), "94", "{name}: in PIN work");
        bench.pin_done(Pins::Right);
        assert_eq!(bench.code_of(first), "00");
        // While the issuer thinks.
        let over = |ask: &Ask| if ask.card.is_some() { ask.card(Some(CARD_A)) } else { *ask };
        if name != "card" {
            let mut bench = Bench::new();
            let first = bench.ask(&over(&base));
            assert_eq!(bench.code(&over(&other)), "94", "{name}: upstream");
            let sent = bench.last_request();
            bench.answer(&sent, "00");
            assert_eq!(bench.code_of(first), "00");
        }
    }
}

#[test]
fn a_repeat_in_flight_waits_for_the_same_outcome() {
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let ask = Ask::sale_a(10, 500).pin();
    let (first, second) = (bench.ask(&ask), bench.ask(&ask));
    assert_eq!(bench.held_pins.len(), 1);
    bench.pin_done(Pins::Right);
    let third = bench.ask(&ask);
    assert_eq!(bench.requests(), 1);
    assert!([first, second, third].iter().all(|t| bench.silent(*t)));
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!(bench.only(first), bench.only(second));
    assert_eq!(bench.only(first), bench.only(third));
    assert_eq!(bench.code_of(first), "00");
}

#[test]
fn repeats_in_flight_are_bounded() {
    for ask in [Ask::sale_a(10, 500), Ask::sale(10, 500).pin()] {
        let mut bench = Bench::new();
        bench.pins = Pins::Held;
        let first = bench.ask(&ask);
        let tickets: Vec<u64> = (0..1_000).map(|_| bench.ask(&ask)).collect();
        let waiting = tickets.iter().filter(|t| bench.silent(**t)).count();
        assert!((1..100).contains(&waiting), "{waiting} repeats wait");
        assert!(tickets.iter().filter(|t| !bench.silent(**t)).all(|t| bench.code_of(*t) == "96"));
        if ask.pin {
            bench.pin_done(Pins::Right);
        } else {
            let sent = bench.last_request();
            bench.answer(&sent, "00");
        }
        assert_eq!(bench.code_of(first), "00");
        assert!(tickets.iter().all(|t| !bench.silent(*t)));
    }
}

#[test]
fn what_was_refused_does_not_enter_the_table() {
    let mut bench = Bench::new();
    let mac = switchyard_core::MacCheck::Wrong;
    let ask = Ask::sale(10, 500);
    bench.request_as(TERMINALS[0].0, MERCHANTS[0], mac, Body::Financial(ask.minor(1).financial()));
    assert_eq!(bench.code(&ask.minor(2).batch(7)), "77");
    assert_eq!(bench.code(&ask), "00");
}

#[test]
fn trace_numbers_are_the_terminals_own() {
    let mut bench = Bench::new();
    for terminal in 0..3 {
        assert_eq!(bench.code(&Ask::sale(10, 500 + terminal as u64).terminal(terminal)), "00");
    }
}
