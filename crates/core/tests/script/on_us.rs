//! Cards of the embedded issuer.

use crate::support::*;
use switchyard_domain::{Amount, Currency, TransactionKind};

#[test]
fn a_sale_is_decided_by_card_pin_and_balance() {
    let floor = 100_000;
    for (name, ask, pins, code) in [
        ("whole balance", Ask::sale(10, BALANCE).pin(), Pins::Right, "00"),
        ("one more", Ask::sale(10, BALANCE + 1).pin(), Pins::Right, "51"),
        ("no money", Ask::sale(10, 1).card(Some(ON_US_EMPTY)), Pins::Right, "51"),
        ("no pin at the floor", Ask::sale(10, floor), Pins::Right, "00"),
        ("no pin above it", Ask::sale(10, floor + 1), Pins::Right, "55"),
        ("wrong pin", Ask::sale(10, 1).pin(), Pins::Wrong, "55"),
        ("malformed pin", Ask::sale(10, 1).pin(), Pins::Malformed, "99"),
        ("key store fails", Ask::sale(10, 1).pin(), Pins::Failed, "A7"),
        ("expired", Ask::sale(10, 1).card(Some(ON_US_EXPIRED)), Pins::Right, "54"),
        ("expired by the message", Ask { expiry: Some("2610"), ..Ask::sale(10, 1) }, Pins::Right, "54"),
        ("last month", Ask { expiry: Some("2611"), ..Ask::sale(10, 1) }, Pins::Right, "00"),
        ("never issued", Ask::sale(10, 1).card(Some(ON_US_UNKNOWN)), Pins::Right, "14"),
        ("no route", Ask::sale(10, 1).card(Some(CARD_NOWHERE)), Pins::Right, "15"),
        ("no card", Ask::sale(10, 1).card(None), Pins::Right, "15"),
        ("no amount", Ask::sale(10, 0), Pins::Right, "13"),
        ("more than DE 4 carries", Ask::sale_a(10, Amount::MINOR_MAX + 1), Pins::Right, "13"),
        ("another currency", Ask { currency: Currency::USD, ..Ask::sale(10, 1) }, Pins::Right, "51"),
    ] {
        let mut bench = Bench::new();
        bench.pins = pins;
        assert_eq!(bench.code(&ask), code, "{name}");
        let taken = if code == "00" { ask.minor } else { 0 };
        assert_eq!(bench.available(ON_US), i128::from(BALANCE - taken), "{name}");
        assert_eq!(bench.payable(0), i128::from(taken), "{name}");
        assert!(bench.sent.iter().all(|s| s.what == SentWhat::Network), "{name}");
    }
}

#[test]
fn three_wrong_pins_lock_the_card_and_a_right_one_forgets_them() {
    let mut bench = Bench::new();
    let mut next = 10;
    let mut sale = |bench: &mut Bench, pins: Pins| {
        next += 1;
        bench.pins = pins;
        bench.code(&Ask::sale(next, 1).pin())
    };
    for (pins, code) in [
        (Pins::Wrong, "55"),
        (Pins::Wrong, "55"),
        (Pins::Right, "00"),
        (Pins::Wrong, "55"),
        (Pins::Malformed, "99"),
        (Pins::Failed, "A7"),
        (Pins::Right, "00"),
        (Pins::Malformed, "99"),
        (Pins::Wrong, "55"),
        (Pins::Failed, "A7"),
        (Pins::Malformed, "99"),
        (Pins::Malformed, "75"),
        (Pins::Right, "75"),
        (Pins::Wrong, "75"),
    ] {
        assert_eq!(sale(&mut bench, pins), code);
    }
    assert_eq!(bench.code(&Ask::sale(90, 1)), "75", "not even without a PIN");
    assert_eq!(bench.code(&Ask::sale(91, 1).card(Some(ON_US_OTHER)).pin()), "55", "another card has its own");
}

#[test]
fn a_right_pin_forgets_the_wrong_ones_even_without_money() {
    let mut bench = Bench::new();
    for (number, (pins, minor, code)) in [
        (Pins::Wrong, 1, "55"),
        (Pins::Wrong, 1, "55"),
        (Pins::Right, BALANCE + 1, "51"),
        (Pins::Wrong, 1, "55"),
        (Pins::Right, 1, "00"),
    ]
    .into_iter()
    .enumerate()
    {
        bench.pins = pins;
        assert_eq!(bench.code(&Ask::sale(10 + number as u32, minor).pin()), code, "{number}");
    }
}

#[test]
fn only_a_pin_moves_the_count_of_pins() {
    // Small sales without a PIN must not buy new tries.
    let mut bench = Bench::new();
    bench.pins = Pins::Wrong;
    for round in 0..3 {
        assert_eq!(bench.code(&Ask::sale(10 + round, 1).pin()), "55");
        if round < 2 {
            assert_eq!(bench.code(&Ask::sale(20 + round, 1)), "00");
        }
    }
    assert_eq!(bench.code(&Ask::sale(30, 1).pin()), "75");
    // A refund must not unlock the card.
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 100);
    let ticket = bench.ask(&sale);
    let rrn = bench.facts(ticket).rrn;
    let other = Ask::sale(11, 100);
    let ticket = bench.ask(&other);
    let other_rrn = bench.facts(ticket).rrn;
    bench.pins = Pins::Wrong;
    (0..3).for_each(|n| assert_eq!(bench.code(&Ask::sale(20 + n, 1).pin()), "55"));
    assert_eq!(bench.code(&sale.follow(TransactionKind::Refund, 30, rrn, None)), "00");
    assert_eq!(bench.code(&Ask::sale(31, 1)), "75");
    // Nor may a void go on guessing.
    bench.pins = Pins::Right;
    let void = other.follow(TransactionKind::Void, 32, other_rrn, None);
    assert_eq!(bench.code(&Ask { pin: true, ..void }), "75");
    // A missing PIN is not a wrong one.
    let mut bench = Bench::new();
    (0..5).for_each(|n| assert_eq!(bench.code(&Ask::sale(10 + n, BALANCE)), "55"));
    assert_eq!(bench.code(&Ask::sale(30, 1).pin()), "00");
}

#[test]
fn an_inquiry_tells_the_balance_and_moves_nothing() {
    let mut bench = Bench::new();
    let hold = Ask::new(TransactionKind::PreAuth, 9, 300, ON_US);
    assert_eq!(bench.code(&hold), "00");
    let before = bench.money();
    let ask = Ask::new(TransactionKind::BalanceInquiry, 10, 0, ON_US);
    assert_eq!(bench.code(&ask), "55", "never without a PIN");
    let ticket = bench.ask(&ask.stan(11).pin());
    let facts = bench.facts(ticket);
    assert_eq!(facts.balance, Some((Amount::new(BALANCE - 300, Currency::CNY), true)));
    assert_eq!(facts.auth_code, None);
    assert_eq!(bench.money(), before);
}

#[test]
fn the_world_is_looked_at_again_after_the_pin() {
    // The batch was closed meanwhile.
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let late = bench.ask(&Ask::sale(10, 100).pin());
    let reply = bench.totals(0, 1, Default::default());
    assert_eq!(reply.code.as_str(), "00");
    bench.pin_done(Pins::Right);
    assert_eq!(bench.code_of(late), "77");
    assert_eq!(bench.payable(0), 0);
    // The money was spent meanwhile.
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let second = bench.ask(&Ask::sale(10, BALANCE - 10).pin());
    assert_eq!(bench.code(&Ask::sale(11, 20)), "00");
    bench.pin_done(Pins::Right);
    assert_eq!(bench.code_of(second), "51");
    // The card was locked meanwhile: what was under way cannot try on.
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let tries: Vec<u64> = (0..5).map(|n| bench.ask(&Ask::sale(10 + n, 1).pin())).collect();
    (0..4).for_each(|_| bench.pin_done(Pins::Wrong));
    bench.pin_done(Pins::Right);
    let codes: Vec<String> = tries.iter().map(|t| bench.code_of(*t)).collect();
    assert_eq!(codes, ["55", "55", "55", "75", "75"]);
}

#[test]
fn a_route_that_changed_during_the_pin_work_never_skips_the_pin() {
    use switchyard_core::Command;
    use switchyard_domain::{CardClass, RouteTarget};
    for (ask, target) in [
        (Ask::sale_a(10, 100).pin(), RouteTarget::OnUs),
        (Ask::sale_a(10, 100).pin(), RouteTarget::Link(LINK_B)),
        (Ask::sale(10, 100).pin(), RouteTarget::Link(LINK_A)),
    ] {
        let mut bench = Bench::new();
        if target == RouteTarget::OnUs {
            bench.command(issue(CARD_A, "3012", BALANCE)).unwrap();
        }
        bench.pins = Pins::Held;
        let ticket = bench.ask(&ask);
        let pan: u64 = ask.card.unwrap().parse().unwrap();
        let mut narrow = route(1, CardClass::Debit, target);
        (narrow.low, narrow.high) = (pan * 1_000, pan * 1_000 + 999);
        bench.command(Command::AddRoute(narrow)).unwrap();
        bench.pin_done(Pins::Right);
        assert_eq!(bench.code_of(ticket), "A7", "{target:?}");
        assert_eq!(bench.requests(), 0);
    }
}
