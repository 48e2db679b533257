//! Store and forward: what one card's entries do to another's, and to each other.

use crate::support::*;
use switchyard_core::{Command, CoreConfig, Input, Order};
use switchyard_domain::*;

fn entries(bench: &Bench) -> Vec<(SafId, bool)> {
    let entry = |s: &Sent| match s.what {
        SentWhat::Reversal { saf, repeat }
        | SentWhat::Advice { saf, repeat }
        | SentWhat::Script { saf, repeat } => Some((saf.id, repeat)),
        SentWhat::Request { .. } | SentWhat::Network => None,
    };
    bench.sent.iter().filter_map(entry).collect()
}
/// A card of link A.
fn card(number: u32) -> String {
    format!("622500{number:010}")
}
/// Sales of as many cards that nobody answers in time: a reversal each.
fn unknown(bench: &mut Bench, cards: u32) {
    for number in 0..cards {
        bench.ask(&Ask::sale_a(100 + number, 500).card(Some(card(number).leak())));
    }
    bench.pass(LINK_TIMEOUT_MS);
}
fn last_of(bench: &Bench, id: u64) -> Sent {
    let about = |s: &&Sent| match s.what {
        SentWhat::Reversal { saf, .. } | SentWhat::Advice { saf, .. } => saf.id == SafId(id),
        _ => false,
    };
    *bench.sent.iter().rfind(about).expect("it was sent")
}
fn ids(entries: &[(SafId, bool)]) -> Vec<u64> {
    entries.iter().map(|(id, _)| id.0).collect()
}

#[test]
fn an_entry_that_is_never_taken_holds_nobody_up() {
    for (what, answer) in [("silent", None), ("91", Some("91")), ("96", Some("96"))] {
        let mut bench = Bench::new();
        unknown(&mut bench, 2);
        assert_eq!(ids(&entries(&bench)), [0, 1], "{what}: both go at once");
        for _ in 0..5 {
            let stuck = last_of(&bench, 0);
            answer.into_iter().for_each(|code| bench.answer(&stuck, code));
            bench.pass(bench.config.saf_retry_ms_max);
        }
        let second = last_of(&bench, 1);
        bench.answer(&second, "00");
        assert_eq!(bench.model.outcome(1), Outcome::Reversed, "{what}");
        assert_eq!(bench.model.outcome(0), Outcome::Unknown, "{what}");
        // Whatever comes later passes too.
        bench.ask(&Ask::sale_a(300, 500).card(Some(CARD_A)));
        bench.pass(LINK_TIMEOUT_MS);
        let third = last_of(&bench, 2);
        bench.answer(&third, "00");
        assert_eq!((bench.model.outcome(2), bench.core.state().saf_waiting()), (Outcome::Reversed, 1));
    }
}

#[test]
fn the_entries_of_one_card_go_one_after_the_other() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.ask(&Ask::sale_a(11, 500));
    bench.pass(LINK_TIMEOUT_MS);
    for _ in 0..3 {
        bench.pass(LINK_TIMEOUT_MS);
    }
    assert!(entries(&bench).iter().all(|(id, _)| *id == SafId(0)), "the second waits for the first");
    let first = last_of(&bench, 0);
    bench.answer(&first, "00");
    assert_eq!(entries(&bench).last(), Some(&(SafId(1), false)), "and goes once that is taken");
    bench.drain();
    assert_eq!(bench.core.state().unresolved(), 0);
}

#[test]
fn the_answer_of_a_host_that_has_signed_off_sends_it_nothing_more() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.ask(&Ask::sale_a(11, 500));
    bench.pass(LINK_TIMEOUT_MS);
    let (first, generation) = (last_of(&bench, 0), bench.generations[0]);
    bench.step(Input::HostSigned { link: LINK_A, generation, on: false });
    let seen = bench.sent.len();
    bench.answer(&first, "00");
    bench.pass(bench.config.saf_retry_ms_max);
    assert_eq!(bench.model.outcome(0), Outcome::Reversed, "what it answers counts");
    assert_eq!(bench.sent.len(), seen, "the second waits until it signs on");
    bench.step(Input::HostSigned { link: LINK_A, generation, on: true });
    bench.drain();
    assert_eq!(bench.model.outcome(1), Outcome::Reversed);
}

#[test]
fn a_window_of_entries_is_under_way_and_reversals_go_first() {
    let mut bench = Bench::new();
    bench.disconnect(LINK_A);
    let rule = StandInRule {
        number: 1,
        issuers: vec![],
        about: Scope::default(),
        minor_max: 500,
        day_minor_max: 500,
        day_count_max: 1,
        refuses_pin: false,
    };
    bench
        .command(Command::SetStandInRules(Box::new(StandInRules { version: 1, rules: vec![rule] })))
        .unwrap();
    // Ten advices, then a reversal of something else.
    for number in 0..10 {
        assert_eq!(bench.code(&Ask::sale_a(20 + number, 5).card(Some(card(number).leak()))), "00");
    }
    bench.auto_network = false;
    bench.connect(LINK_A);
    let network = *bench.sent.last().unwrap();
    bench.disconnect(LINK_A);
    assert_eq!(network.what, SentWhat::Network);
    bench.auto_network = true;
    bench.connect(LINK_A);
    bench.pass(0);
    assert_eq!(ids(&entries(&bench)), (0..8).collect::<Vec<_>>(), "a window");
    bench.pass(1_000);
    assert_eq!(entries(&bench).len(), 8, "and no more");
    let sale = Ask::sale_a(50, 500).card(Some(card(77).leak()));
    assert_eq!(bench.link_code(&sale, "00").1, "00");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(entries(&bench).len(), 8, "the window is for everybody");
    let taken = last_of(&bench, 0);
    bench.answer(&taken, "00");
    assert_eq!(ids(&entries(&bench))[8..], [10], "the reversal before the advices that wait");
    let taken = last_of(&bench, 1);
    bench.answer(&taken, "00");
    assert_eq!(ids(&entries(&bench))[9..], [8]);
    bench.drain();
    assert_eq!((bench.core.state().saf_waiting(), bench.core.state().unresolved()), (0, 0));
}

#[test]
fn what_is_not_taken_waits_longer_each_time() {
    let mut bench =
        Bench::with(CoreConfig { saf_retry_ms: 1_000, saf_retry_ms_max: 8_000, ..Default::default() });
    unknown(&mut bench, 1);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let stuck = last_of(&bench, 0);
        bench.answer(&stuck, "91");
        let (from, seen) = (bench.now, bench.sent.len());
        while bench.sent.len() == seen {
            bench.pass(500);
        }
        waits.push(bench.now.micros_since(from) / 1_000);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    let all: Vec<Sent> = bench.reversals().iter().map(|(sent, ..)| *sent).collect();
    assert!(all.iter().all(|s| (s.stan, s.at) == (all[0].stan, all[0].at)), "DE 7 and 11 stay");
    // An operator need not wait for it.
    let stuck = last_of(&bench, 0);
    bench.answer(&stuck, "91");
    let seen = bench.sent.len();
    bench.order(Order::RetrySaf { saf: SafId(0), reason: reason() }).unwrap();
    assert_eq!(bench.sent.len(), seen + 1);
}

#[test]
fn order_and_sends_survive_a_restart_and_each_drains_once() {
    let mut bench = Bench::with(CoreConfig {
        saf_retry_ms: 1_000,
        saf_retry_ms_max: 1_000,
        saf_attempts_max: 12,
        ..Default::default()
    });
    unknown(&mut bench, 2);
    bench.ask(&Ask::sale_a(300, 500).card(Some(card(0).leak())));
    bench.pass(LINK_TIMEOUT_MS);
    for _ in 0..8 {
        let stuck = last_of(&bench, 0);
        bench.answer(&stuck, "96");
        bench.pass(1_000);
    }
    let tried = |s: &&Stamped| matches!(s.record, Record::SafTried { id: SafId(0), count: 8 });
    assert_eq!(bench.records.iter().filter(tried).count(), 1, "one in so many sends is recorded");
    bench.crash();
    bench.connect(LINK_A);
    bench.pass(1);
    assert_eq!(entries(&bench), [(SafId(0), true), (SafId(1), true)], "the same card's third waits");
    // Four more sends, and it has had its twelve.
    for _ in 0..4 {
        let stuck = last_of(&bench, 0);
        bench.answer(&stuck, "96");
        bench.pass(1_000);
    }
    assert_eq!(bench.core.state().saf_dead(), 1);
    let gave_up = |s: &&Stamped| matches!(s.record, Record::SafDeadLettered { id: SafId(0), attempts: 12 });
    assert_eq!(bench.records.iter().filter(gave_up).count(), 1);
    bench.drain();
    let delivered = |id| {
        let is =
            |s: &&Stamped| matches!(s.record, Record::SafDelivered { id: done, .. } if done == SafId(id));
        bench.records.iter().filter(is).count()
    };
    assert_eq!([delivered(0), delivered(1), delivered(2)], [0, 1, 1]);
}

#[test]
fn a_reversal_waits_while_its_advice_is_with_an_operator() {
    for retry in [true, false] {
        let mut bench = Bench::new();
        let sale = Ask::new(TransactionKind::OfflineSale, 10, 500, CARD_A);
        assert_eq!(bench.code(&sale), "00");
        let advice = last_of(&bench, 0);
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
        bench.ask(&Ask::sale_a(12, 70));
        bench.pass(LINK_TIMEOUT_MS);
        bench.answer(&advice, "12");
        assert_eq!((bench.core.state().saf_dead(), bench.core.state().saf_waiting()), (1, 2));
        bench.pass(bench.config.saf_retry_ms);
        let other = last_of(&bench, 2);
        bench.answer(&other, "00");
        bench.pass(100_000);
        assert!(!entries(&bench).iter().any(|(id, _)| *id == SafId(1)), "there is nothing to take back yet");
        let order = if retry {
            Order::RetrySaf { saf: SafId(0), reason: reason() }
        } else {
            Order::ResolveSaf { saf: SafId(0), finding: SafFinding::Stands, reason: reason() }
        };
        bench.order(order).unwrap();
        if retry {
            assert_eq!(entries(&bench).last(), Some(&(SafId(0), true)));
            let advice = last_of(&bench, 0);
            bench.answer(&advice, "00");
        }
        bench.pass(bench.config.saf_retry_ms);
        assert_eq!(entries(&bench).last(), Some(&(SafId(1), false)), "retried: {retry}");
        bench.drain();
        assert_eq!(bench.core.state().saf_waiting() + bench.core.state().saf_dead(), 0);
    }
}
