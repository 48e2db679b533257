//! What chips made of issuers' scripts, on its way to these issuers.

use super::stand_in::{rule, stand_in_by};
use super::unbatched::{Timed, ask, bench as generic, naming, totals};
use crate::support::*;
use switchyard_core::{Answer, Body, Order, OriginalRef, ScriptResult};
use switchyard_domain::*;

/// What the first terminal made of the scripts in the answer to its sale under `place`.
fn told(number: u32, place: u32) -> Body {
    let original = OriginalRef { batch_stan: Some((named::batch(1), stan(place))), ..Default::default() };
    Body::ScriptResult(Box::new(ScriptResult {
        stan: stan(number),
        batch: named::batch(1),
        original,
        results: vec![0x20, 1, 2, 3, 4],
        verification: Some([0; 5]),
        counter: Some(7),
    }))
}

/// Script results that were sent, with whether each was a repeat.
fn scripts(bench: &Bench) -> Vec<(Sent, bool)> {
    let script = |sent: &Sent| match sent.what {
        SentWhat::Script { repeat, .. } => Some((*sent, repeat)),
        _ => None,
    };
    bench.sent.iter().filter_map(script).collect()
}

/// How many entries wait, and how many gave up.
fn queued(bench: &Bench) -> (usize, usize) {
    (bench.core.state().saf_waiting(), bench.core.state().saf_dead())
}

/// What waits or gave up of one kind.
fn entry(bench: &Bench, kind: SafKind) -> SafId {
    let mut entries = bench.core.state().saf_entries().map(|view| *view.entry);
    entries.find(|entry| entry.kind == kind).unwrap().id
}

#[test]
fn whose_scripts_they_were_hears_what_became_of_them_once() {
    let mut bench = Bench::new();
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    let script = vec![0x72, 5, 0x9F, 0x18, 2, 1, 2];
    let approved = Answer { chip: Some(script.clone()), ..answer_to(&sent, "00".parse().unwrap()) };
    bench.answer_with(&sent, approved);
    assert_eq!(bench.only(ticket).chip, Some(script), "scripts go to the terminal as they came");
    let heard = bench.request(0, told(22, 10));
    let again = bench.request(0, told(22, 10));
    assert_eq!(bench.facts(heard), bench.facts(again));
    let [(first, false)] = scripts(&bench)[..] else { panic!("{:?}", scripts(&bench)) };
    assert_eq!(first.link, LINK_A);
    // Silence and a restart: the same message again, until somebody takes it.
    bench.pass(LINK_TIMEOUT_MS);
    bench.crash();
    bench.connect(LINK_A);
    bench.pass(60_000);
    let sent = scripts(&bench);
    let same = |(again, repeat): &(Sent, bool)| *repeat && (again.stan, again.at) == (first.stan, first.at);
    assert!(!sent.is_empty() && sent.iter().all(same), "{sent:?}");
    let last = sent[sent.len() - 1].0;
    bench.answer_with(&last, Answer { mti: 230, ..answer_to(&last, "00".parse().unwrap()) });
    assert_eq!(queued(&bench), (1, 0), "another class is no answer");
    bench.answer(&last, "00");
    assert_eq!((queued(&bench), bench.payable(0)), ((0, 0), 500), "nothing moved");
    let another = bench.request(0, told(23, 10));
    assert_eq!(
        (bench.code_of(another), queued(&bench)),
        ("00".into(), (0, 0)),
        "the first result is the one"
    );
}

#[test]
fn what_no_issuer_behind_a_link_answered_is_the_records_alone() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(&Ask::sale(9, 500)), "00", "on us");
    bench.ask(&Ask::sale_a(10, 500));
    bench.ask(&Ask::sale_a(11, 500));
    bench.pass(LINK_TIMEOUT_MS);
    bench.ask(&Ask::sale_a(12, 500));
    let seen = bench.sent.len();
    for (number, place) in [(20, 9), (21, 99), (22, 10), (23, 12)] {
        let heard = bench.request(0, told(number, place));
        assert_eq!(bench.code_of(heard), "00", "{place}");
    }
    assert!(scripts(&bench).is_empty(), "on us, unheard of, unknown, without an answer yet");
    assert_eq!(bench.sent.len(), seen);
}

#[test]
fn declined_and_reversed_transactions_had_scripts_too() {
    for (code, back) in [("51", false), ("00", true)] {
        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        assert_eq!(bench.link_code(&sale, code).1, code);
        if back {
            assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
        }
        bench.request(0, told(20, 10));
        bench.drain();
        assert_eq!((order(&bench, 0), queued(&bench)), (vec!["script"], (0, 0)), "{code}");
    }
}

#[test]
fn an_issuer_that_takes_no_script_results_leaves_a_dead_letter_for_an_operator() {
    for finding in [SafFinding::Stands, SafFinding::NeverTaken] {
        let mut bench = Bench::new();
        assert_eq!(bench.link_code(&Ask::sale_a(10, 500), "00").1, "00");
        bench.request(0, told(11, 10));
        let (sent, _) = scripts(&bench)[0];
        bench.answer(&sent, "40");
        assert_eq!(queued(&bench), (0, 1));
        let saf = entry(&bench, SafKind::Script);
        bench.crash();
        bench.connect(LINK_A);
        bench.order(Order::RetrySaf { saf, reason: reason() }).unwrap();
        bench.pass(60_000);
        assert!(!scripts(&bench).is_empty(), "sent again, by another process too");
        let before = bench.money();
        bench.order(Order::ResolveSaf { saf, finding, reason: reason() }).unwrap();
        assert_eq!(queued(&bench), (0, 0));
        assert_eq!((bench.money(), bench.model.outcome(0)), (before, Outcome::Approved), "{finding:?}");
    }
}

/// An issuer that was away, one sale approved in its place, and what its chip made of scripts.
fn stood_in() -> Bench {
    let mut bench = Bench::new();
    stand_in_by(&mut bench, rule());
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(10, 500)), "00");
    bench.request(0, told(11, 10));
    assert_eq!(queued(&bench), (2, 0));
    bench
}

/// What was sent since, in order.
fn order(bench: &Bench, since: usize) -> Vec<&'static str> {
    let name = |sent: &Sent| match sent.what {
        SentWhat::Advice { .. } => Some("advice"),
        SentWhat::Script { .. } => Some("script"),
        SentWhat::Request { .. } | SentWhat::Reversal { .. } | SentWhat::Network => None,
    };
    let mut names: Vec<_> = bench.sent[since..].iter().filter_map(name).collect();
    names.dedup();
    names
}

#[test]
fn a_script_result_never_overtakes_the_advice_of_its_transaction() {
    let mut bench = stood_in();
    let since = bench.sent.len();
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(order(&bench, since), ["advice", "script"]);
}

#[test]
fn a_script_result_waits_while_the_advice_of_its_transaction_is_given_up() {
    for (name, retried, restarted) in
        [("retried", true, false), ("told otherwise", false, false), ("retried later", true, true)]
    {
        let mut bench = stood_in();
        bench.connect(LINK_A);
        bench.pass(1);
        let advice = *bench.sent.iter().rfind(|sent| matches!(sent.what, SentWhat::Advice { .. })).unwrap();
        bench.answer(&advice, "12");
        assert_eq!(queued(&bench), (1, 1), "{name}");
        bench.pass(600_000);
        assert!(scripts(&bench).is_empty(), "{name}: the issuer has never heard of the transaction");
        if restarted {
            bench.crash();
            bench.connect(LINK_A);
            bench.pass(600_000);
            assert!(scripts(&bench).is_empty(), "{name}: nor has it after a restart");
        }
        let (saf, since) = (entry(&bench, SafKind::Advice), bench.sent.len());
        if retried {
            bench.order(Order::RetrySaf { saf, reason: reason() }).unwrap();
        } else {
            let finding = SafFinding::Stands;
            bench.order(Order::ResolveSaf { saf, finding, reason: reason() }).unwrap();
        }
        bench.drain();
        let expected: &[_] = if retried { &["advice", "script"] } else { &["script"] };
        assert_eq!((order(&bench, since), queued(&bench)), (expected.to_vec(), (0, 0)), "{name}");
    }
}

#[test]
fn a_generic_terminal_tells_what_became_of_scripts_and_is_known_after_its_batch() {
    for name_by_reference in [false, true] {
        let mut bench = generic();
        let sale = Timed(Ask::sale_a(10, 500), 77);
        let ticket = ask(&mut bench, sale);
        let sent = bench.last_request();
        bench.answer(&sent, "00");
        let rrn = bench.facts(ticket).rrn;
        let mut original = naming(Ask::sale_a(11, 500), sale).original;
        if name_by_reference {
            original = OriginalRef { rrn: Some(rrn), ..Default::default() };
        }
        let told = |number, original| {
            let (stan, batch, results) = (stan(number), BatchNumber::OPEN, vec![0x20, 1, 2, 3, 4]);
            let result = ScriptResult { stan, batch, original, results, verification: None, counter: None };
            Body::ScriptResult(Box::new(result))
        };
        let heard = bench.request(0, told(22, original));
        let first = bench.facts(heard);
        assert_eq!(first.code.as_str(), "00");
        // Its answer was lost, and the batch is closed meanwhile: the repeat is no second report.
        assert_eq!(totals(&mut bench, (500, 1), (0, 0), false), Some(BatchVerdict::Balanced));
        bench.crash();
        bench.connect(LINK_A);
        let again = bench.request(0, told(22, original));
        assert_eq!(bench.facts(again), first, "by reference: {name_by_reference}");
        bench.drain();
        assert_eq!((order(&bench, 0), queued(&bench)), (vec!["script"], (0, 0)));
        let reports = |bench: &Bench| {
            let told = |told: &&Stamped| matches!(told.record, Record::ScriptReported { .. });
            bench.records.iter().filter(told).count()
        };
        assert_eq!(reports(&bench), 1);
        // Of another moment under the same number nothing is known: it is kept, and nobody is told.
        let moment = Some(78);
        let other =
            OriginalRef { moment, rrn: None, batch_stan: Some((BatchNumber::OPEN, stan(10))), ..original };
        let heard = bench.request(0, told(23, other));
        assert_eq!((bench.code_of(heard), queued(&bench)), ("00".into(), (0, 0)));
        assert_eq!(reports(&bench), 2);
    }
}
