//! Who may speak, and what is refused before anything is recorded.

use crate::support::*;
use switchyard_core::{Body, CoreConfig, Input, KeyForm, MacCheck, Order, ReplyBody};
use switchyard_domain::{
    Actor, Record, ResponseCode, Stamped, TerminalIndex, TerminalOrder, TransactionKind,
};

fn sale() -> Body {
    Body::Financial(Ask::sale(10, 100).financial())
}
fn echo() -> Body {
    Body::Echo
}
fn unsupported() -> Body {
    Body::Unsupported { code: ResponseCode::NOT_SUPPORTED }
}

#[test]
fn what_is_not_admitted_is_refused_and_not_recorded() {
    let good = MacCheck::Verified { version: 1 };
    let (t, m) = (TERMINALS[0].0, MERCHANTS[0]);
    type Row = (&'static str, &'static str, &'static str, MacCheck, fn() -> Body, &'static str, u8);
    let rows: [Row; 10] = [
        ("unknown terminal", "T9999999", m, good, sale, "97", 0),
        ("unknown merchant", t, "M99999999999999", good, sale, "03", 0),
        ("another's merchant", t, MERCHANTS[1], good, sale, "03", 0),
        ("wrong mac", t, m, MacCheck::Wrong, sale, "A0", 3),
        ("stale key", t, m, MacCheck::Verified { version: 0 }, sale, "A0", 3),
        ("key of the future", t, m, MacCheck::Verified { version: 2 }, sale, "A0", 3),
        ("no key", t, m, MacCheck::NoKey, sale, "77", 3),
        ("unsupported", t, m, good, unsupported, "40", 0),
        ("echo with a wrong mac", t, m, MacCheck::Wrong, echo, "A0", 3),
        ("echo", t, m, MacCheck::NotRequired, echo, "00", 0),
    ];
    for (name, terminal, merchant, mac, body, code, requirement) in rows {
        let mut bench = Bench::new();
        let before = bench.records.len();
        let ticket = bench.request_as(terminal, merchant, mac, body());
        let reply = bench.only(ticket);
        assert_eq!((reply.code.as_str(), reply.requirement), (code, requirement), "{name}");
        // That a wrong MAC was tried is recorded, and nothing of what was asked with it.
        let told = |stamped: &&Stamped| !matches!(stamped.record, Record::MacsFailed { in_a_row: 1, .. });
        assert_eq!(bench.records[before..].iter().filter(told).count(), 0, "{name}");
        assert!(matches!(reply.body, ReplyBody::Refused | ReplyBody::Echo { .. }), "{name}");
    }
}

#[test]
fn a_terminal_that_is_not_signed_on_hears_77() {
    let mut bench = Bench::new();
    let off = bench.request(0, Body::SignOff { stan: stan(2) });
    assert_eq!(bench.code_of(off), "00");
    assert_eq!(bench.code(&Ask::sale(10, 100)), "77");
    assert_eq!(bench.reverse_code(&Back::of(&Ask::sale(10, 100))), "77");
    let totals = bench.request(
        0,
        Body::BatchTotals {
            stan: stan(3),
            batch: named::batch(1),
            totals: Default::default(),
            closes: false,
            moment: 0,
        },
    );
    assert_eq!(bench.code_of(totals), "77");
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(10, 100)), "00");
}

#[test]
fn the_wrong_batch_is_refused_and_the_trace_number_stays_free() {
    let mut bench = Bench::new();
    for batch in [0, 2, 999_999] {
        assert_eq!(bench.code(&Ask::sale(10, 100).batch(batch)), "77", "{batch}");
    }
    assert_eq!(bench.code(&Ask::sale(10, 100)), "00");
}

#[test]
fn a_sign_on_that_was_overtaken_is_told_to_try_again() {
    let mut bench = Bench::new();
    bench.hold_keys = true;
    let ask = |bench: &mut Bench| {
        let body = Body::SignOn { stan: stan(1), form: KeyForm::Single };
        bench.request_as(TERMINALS[0].0, MERCHANTS[0], MacCheck::NotRequired, body)
    };
    let (first, second) = (ask(&mut bench), ask(&mut bench));
    let (slow, quick) = (bench.held_keys[0], bench.held_keys[1]);
    assert!(slow.1 < quick.1);
    for (slot, version) in [quick, slow] {
        bench.step(Input::KeysMade { slot, made: Some(Box::new(made_keys(version))) });
    }
    assert_eq!(bench.code_of(second), "00");
    assert_eq!(bench.code_of(first), "77");
    assert_eq!(bench.key_versions[0], quick.1);
    let failed = ask(&mut bench);
    let (slot, _) = bench.held_keys[2];
    bench.step(Input::KeysMade { slot, made: None });
    assert_eq!(bench.code_of(failed), "A7");
    assert_eq!(bench.code(&Ask::sale(10, 100)), "00", "the keys before are still in force");
}

#[test]
fn above_the_limit_requests_are_shed_and_not_remembered() {
    let mut bench = Bench::with(CoreConfig { in_flight_max: 1, ..CoreConfig::default() });
    bench.pins = Pins::Held;
    let first = bench.ask(&Ask::sale(10, 100).pin());
    assert_eq!(bench.code(&Ask::sale(11, 100)), "96");
    let advice = Ask::new(TransactionKind::OfflineSale, 12, 100, ON_US);
    assert_eq!(bench.code(&advice), "00", "what has taken place is never shed");
    bench.pin_done(Pins::Right);
    assert_eq!(bench.code_of(first), "00");
    assert_eq!(bench.code(&Ask::sale(11, 100)), "00");
}

#[test]
fn wrong_macs_are_summed_up_once_a_minute() {
    let mut bench = Bench::new();
    bench.pass(1);
    let before = bench.records.len();
    for _ in 0..50 {
        bench.request_as(TERMINALS[0].0, MERCHANTS[0], MacCheck::Wrong, sale());
        bench.pass(100);
    }
    bench.pass(60_000);
    let new: Vec<_> = bench.records[before..].iter().map(|s| &s.record).collect();
    let new: Vec<_> = new.into_iter().filter(|r| !matches!(r, Record::MacsFailed { .. })).collect();
    let count = |r: &&Record| matches!(r, Record::Refusals { code, .. } if code.as_str() == "A0");
    assert!(new.len() <= 2 && new.iter().all(count), "{new:?}");
    let sum: u32 = new.iter().map(|r| if let Record::Refusals { count, .. } = r { *count } else { 0 }).sum();
    assert_eq!(sum, 50);
}

#[test]
fn messages_without_a_mac_have_a_limit_by_terminal_and_minute() {
    let config = CoreConfig { unkeyed_per_minute_max: 5, ..CoreConfig::default() };
    let mut bench = Bench::with(config);
    let echo = |bench: &mut Bench, terminal: usize| {
        let ticket = bench.request_as(
            TERMINALS[terminal].0,
            MERCHANTS[TERMINALS[terminal].1],
            MacCheck::NotRequired,
            Body::Echo,
        );
        bench.code_of(ticket)
    };
    // The sign-on was the first.
    let codes: Vec<String> = (0..6).map(|_| echo(&mut bench, 0)).collect();
    assert_eq!(codes, ["00", "00", "00", "00", "96", "96"]);
    assert_eq!(echo(&mut bench, 1), "00", "another terminal has its own");
    assert_eq!(bench.code(&Ask::sale(10, 5)), "00", "what is authentic is not held up");
    bench.pass(60_000);
    assert_eq!(echo(&mut bench, 0), "00", "another minute");
    let counted = bench.records.iter().find_map(|r| match r.record {
        switchyard_domain::Record::Refusals { code, count, .. } => Some((code.to_string(), count)),
        _ => None,
    });
    assert_eq!(counted, Some(("96".into(), 2)), "one record for all of them");
}

#[test]
fn wrong_macs_in_a_row_disable_a_terminal_until_an_operator_enables_it() {
    let config = CoreConfig { mac_failures_max: 5, ..CoreConfig::default() };
    let disabled = |bench: &Bench| {
        bench.records.iter().filter(|r| matches!(r.record, Record::TerminalOrdered { .. })).count()
    };
    let ask = |bench: &mut Bench, mac| {
        let ticket = bench.request_as(TERMINALS[0].0, MERCHANTS[0], mac, sale());
        bench.code_of(ticket)
    };
    let mut bench = Bench::with(config.clone());
    for round in 0..3 {
        // A right one between them begins the count anew.
        let codes: Vec<String> = (0..4).map(|_| ask(&mut bench, MacCheck::Wrong)).collect();
        assert_eq!(codes, ["A0"; 4]);
        assert_eq!(bench.code(&Ask::sale(11 + round, 100)), "00");
    }
    assert_eq!(disabled(&bench), 0);
    // A MAC under keys of before is no guess.
    (0..20).for_each(|_| drop(ask(&mut bench, MacCheck::Verified { version: 0 })));
    assert_eq!(disabled(&bench), 0);
    (0..5).for_each(|_| drop(ask(&mut bench, MacCheck::Wrong)));
    assert_eq!(disabled(&bench), 1);
    let last = bench.records.last().unwrap();
    assert_eq!(last.actor, Actor::Switch);
    assert_eq!(ask(&mut bench, MacCheck::Wrong), "58", "no more tries");
    assert_eq!(bench.code(&Ask::sale(20, 100)), "58", "nor its own");
    bench.crash();
    assert_eq!(bench.code(&Ask::sale(20, 100)), "58", "after a restart as well");
    let enable = Order::Terminal {
        terminal: TERMINALS[0].0.parse().unwrap(),
        what: TerminalOrder::Enable,
        reason: "looked at it".parse().unwrap(),
    };
    bench.order(enable).unwrap();
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(20, 100)), "00");
    let mut never = Bench::with(CoreConfig { mac_failures_max: 0, ..config });
    (0..500).for_each(|_| drop(ask(&mut never, MacCheck::Wrong)));
    assert_eq!(disabled(&never), 0);
}

fn wrong(bench: &mut Bench, terminal: usize) -> String {
    let (id, merchant) = TERMINALS[terminal];
    let ticket = bench.request_as(id, MERCHANTS[merchant], MacCheck::Wrong, sale());
    bench.code_of(ticket)
}

#[test]
fn what_is_under_way_at_a_sign_on_ends_under_its_keys_and_no_later() {
    let ask = |bench: &mut Bench, stan, version| {
        let in_force = std::mem::replace(&mut bench.key_versions[0], version);
        let code = bench.code(&Ask::sale(stan, 100).pin());
        bench.key_versions[0] = in_force;
        code
    };
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let before = bench.ask(&Ask::sale(10, 100).pin());
    bench.sign_on(0);
    bench.pin_done(Pins::Right);
    assert_eq!(bench.code_of(before), "00", "its PIN was looked at when the new keys came");
    bench.pins = Pins::Right;
    assert_eq!(ask(&mut bench, 11, 1), "00");
    assert_eq!(ask(&mut bench, 12, 2), "00");
    assert_eq!(ask(&mut bench, 13, 3), "A0", "keys of the future");
    bench.pass(29_999);
    assert_eq!(ask(&mut bench, 14, 1), "00");
    bench.pass(1);
    assert_eq!(ask(&mut bench, 15, 1), "A0", "the overlap is over");
    assert_eq!(bench.core.state().registry().wrong_macs(TerminalIndex(0)), 0, "and it is no guess");
    bench.sign_on(0);
    bench.sign_on(0);
    assert_eq!(ask(&mut bench, 16, 2), "A0", "two sign-ons ago");
    assert_eq!(ask(&mut bench, 17, 3), "00");
    bench.crash();
    assert_eq!(ask(&mut bench, 18, 3), "A0", "a crash has ended every connection");
    assert_eq!(ask(&mut bench, 19, 4), "00");
    let mut none = Bench::with(CoreConfig { key_overlap_ms: 0, ..CoreConfig::default() });
    none.sign_on(0);
    assert_eq!(ask(&mut none, 11, 1), "A0");
}

/// What was recorded about wrong MACs, in order.
fn recorded(bench: &Bench) -> Vec<(u32, u32)> {
    let told = bench.records.iter().filter_map(|stamped| match stamped.record {
        Record::MacsFailed { terminal, in_a_row } => Some((terminal.0, in_a_row)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_crash_gives_no_tries_at_a_mac_back() {
    let mut bench = Bench::with(CoreConfig { mac_failures_max: 6, ..CoreConfig::default() });
    for _ in 0..5 {
        assert_eq!(wrong(&mut bench, 0), "A0");
        bench.crash();
    }
    assert_eq!(recorded(&bench), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    assert_eq!(wrong(&mut bench, 0), "A0");
    assert_eq!(wrong(&mut bench, 0), "58", "six in a row over six lives of the switch");
    bench.crash();
    assert_eq!(wrong(&mut bench, 0), "58");
    // A right one ends the count for good.
    (0..5).for_each(|_| drop(wrong(&mut bench, 1)));
    bench.sign_on(1);
    assert_eq!(bench.code(&Ask::sale(20, 100).terminal(1)), "00");
    bench.crash();
    bench.sign_on(1);
    (0..5).for_each(|_| assert_eq!(wrong(&mut bench, 1), "A0"));
    assert_eq!(bench.code(&Ask::sale(21, 100).terminal(1)), "00");
}

#[test]
fn wrong_macs_do_not_fill_the_ledger() {
    let config = CoreConfig {
        mac_failures_max: 1_000_000,
        mac_records_per_minute_max: 20,
        mac_records_of_all_per_minute_max: 30,
        ..CoreConfig::default()
    };
    let mut bench = Bench::with(config);
    bench.pass(60_000);
    (0..5_000).for_each(|_| drop(wrong(&mut bench, 0)));
    (0..5_000).for_each(|_| drop(wrong(&mut bench, 1)));
    let first = recorded(&bench);
    assert_eq!(first.len(), 30, "twenty of one, ten of the other");
    assert_eq!((first[19], first[29]), ((0, 20), (1, 10)));
    bench.pass(60_000);
    assert_eq!(recorded(&bench)[30..], [(0, 5_000), (1, 5_000)], "and the sum of each");
    wrong(&mut bench, 0);
    assert_eq!(recorded(&bench).last(), Some(&(0, 5_001)), "another minute");
}

#[test]
fn pin_blocks_that_do_not_open_disable_a_terminal_whatever_comes_between() {
    let mut bench = Bench::with(CoreConfig { malformed_pins_max: 6, ..CoreConfig::default() });
    let mut next = 10;
    let mut sale = |bench: &mut Bench, card, pins| {
        next += 1;
        bench.pins = pins;
        bench.code(&Ask::sale(next, 1).card(Some(card)).pin())
    };
    let count = |bench: &Bench| bench.core.state().registry().malformed_pins(TerminalIndex(0)).0;
    for (round, card) in [ON_US, ON_US_OTHER, CARD_A, CARD_A_OTHER, CARD_A].into_iter().enumerate() {
        assert_eq!(sale(&mut bench, card, Pins::Malformed), "99");
        assert_eq!(count(&bench), round as u32 + 1, "a link's cards count as well");
        // The right PIN of a card of one's own, a wrong one and a crash buy nothing.
        assert_eq!(sale(&mut bench, ON_US, Pins::Right), "00");
        assert_eq!(sale(&mut bench, ON_US_OTHER, Pins::Right), "00");
        bench.crash();
        bench.connect(LINK_A);
        bench.sign_on(0);
    }
    assert_eq!(sale(&mut bench, CARD_A, Pins::Malformed), "99", "the last one");
    assert_eq!(sale(&mut bench, ON_US, Pins::Right), "58");
    bench.crash();
    assert_eq!(bench.code(&Ask::sale(90, 1)), "58", "after a restart as well");
    let enable = Order::Terminal {
        terminal: TERMINALS[0].0.parse().unwrap(),
        what: TerminalOrder::Enable,
        reason: "its PIN pad was exchanged".parse().unwrap(),
    };
    bench.order(enable).unwrap();
    bench.sign_on(0);
    assert_eq!((sale(&mut bench, ON_US, Pins::Right), count(&bench)), ("00".to_owned(), 0));
}

#[test]
fn pin_blocks_that_do_not_open_are_counted_by_the_day() {
    let config = CoreConfig { malformed_pins_max: 3, ..CoreConfig::default() };
    let malformed = |bench: &mut Bench, stan| {
        bench.pins = Pins::Malformed;
        bench.code(&Ask::sale(stan, 1).card(Some(if stan % 2 == 0 { ON_US } else { ON_US_OTHER })).pin())
    };
    let mut bench = Bench::with(config.clone());
    for day in 0..3 {
        assert_eq!(malformed(&mut bench, 10 + 2 * day), "99");
        assert_eq!(malformed(&mut bench, 11 + 2 * day), if day < 3 { "99" } else { "75" });
        bench.pass(24 * 3_600_000);
        bench.pins = Pins::Right;
        for (beside, card) in [ON_US, ON_US_OTHER].into_iter().enumerate() {
            let sale = Ask::sale(50 + 2 * day + beside as u32, 1).card(Some(card)).pin();
            assert_eq!(bench.code(&sale), "00", "day {day}");
        }
    }
    let mut never = Bench::with(CoreConfig { malformed_pins_max: 0, ..config });
    for stan in 10..40 {
        assert!(["99", "75"].contains(&malformed(&mut never, stan).as_str()));
    }
    assert!(never.records.iter().all(|stamped| !matches!(stamped.record, Record::PinsMalformed { .. })));
}

#[test]
fn a_wish_for_new_working_keys_outlives_a_crash_and_ends_with_a_sign_on() {
    let mut bench = Bench::new();
    let wants = |bench: &Bench| {
        [0, 1].map(|index| bench.core.state().registry().wants_new_keys(TerminalIndex(index)))
    };
    bench.sign_on(0);
    bench.sign_on(1);
    let renew = Order::Terminal {
        terminal: TERMINALS[0].0.parse().unwrap(),
        what: TerminalOrder::RenewKeys,
        reason: "a test".parse().unwrap(),
    };
    bench.order(renew).unwrap();
    assert_eq!(wants(&bench), [true, false]);
    bench.crash();
    assert_eq!(wants(&bench), [true, false]);
    bench.sign_on(0);
    assert_eq!(wants(&bench), [false, false]);
    bench.crash();
    assert_eq!(wants(&bench), [false, false]);
}
