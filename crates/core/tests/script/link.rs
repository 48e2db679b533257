//! Cards behind a link.

use crate::support::*;
use switchyard_core::{Answer, Input};
use switchyard_domain::{Outcome, Record, TransactionId};

#[test]
fn the_issuers_word_is_the_answer() {
    for (code, told, outcome) in [
        ("00", "00", Outcome::Approved),
        ("08", "00", Outcome::Approved),
        ("11", "11", Outcome::Approved),
        ("16", "00", Outcome::Approved),
        ("51", "51", Outcome::Declined),
        ("91", "91", Outcome::Declined),
    ] {
        let mut bench = Bench::new();
        let ask = Ask::sale_a(10, 500).pin();
        let (ticket, heard) = bench.link_code(&ask, code);
        assert_eq!(heard, told);
        assert_eq!(bench.model.outcome(0), outcome);
        let minor = if outcome == Outcome::Approved { 500 } else { 0 };
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (minor, minor));
        assert_eq!(bench.facts(ticket).auth_code.is_some(), outcome == Outcome::Approved);
        let SentWhat::Request { rrn, has_pin, .. } = bench.last_request().what else { unreachable!() };
        assert_eq!(rrn, bench.facts(ticket).rrn);
        assert!(has_pin);
        assert_eq!(bench.core.state().saf_waiting(), 0);
        bench.pass(100_000);
        assert_eq!(bench.replies[&ticket].len(), 1, "answered once");
    }
}

#[test]
fn a_request_is_recorded_before_it_is_sent() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    assert!(matches!(&bench.records.last().unwrap().record, Record::Opened(o) if o.id == TransactionId(0)));
}

#[test]
fn without_a_signed_on_link_the_answer_is_91() {
    let mut bench = Bench::new();
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(10, 500)), "91");
    assert_eq!(bench.requests(), 0);
    bench.auto_network = false;
    bench.connect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(11, 500)), "91", "connected is not signed on");
    let (network, seen) = (*bench.sent.last().unwrap(), bench.sent.len());
    bench.answer(&network, "05");
    assert_eq!(bench.code(&Ask::sale_a(12, 500)), "91", "refused is not signed on");
    bench.pass(5_000);
    assert_eq!(bench.sent.len(), seen + 1, "and asks again");
    let network = *bench.sent.last().unwrap();
    bench.answer(&network, "00");
    assert_eq!(bench.link_code(&Ask::sale_a(13, 500), "00").1, "00");
    assert_eq!(bench.link_code(&Ask::sale_b(14, 500), "00").1, "00", "the other link never went away");
    let stale = bench.generations[0] - 1;
    bench.step(Input::LinkLost { link: LINK_A, generation: stale });
    assert_eq!(bench.link_code(&Ask::sale_a(15, 500), "00").1, "00", "news of an old connection");
}

#[test]
fn what_could_not_be_sent_is_declined_with_91() {
    let mut bench = Bench::new();
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    bench.step(Input::NotSent { link: LINK_A, transaction: TransactionId(0), request: None });
    assert_eq!(bench.code_of(ticket), "91");
    assert_eq!(bench.model.outcome(0), Outcome::Declined);
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    bench.step(Input::NotSent { link: LINK_A, transaction: TransactionId(0), request: None });
    bench.step(Input::NotSent { link: LINK_A, transaction: TransactionId(77), request: None });
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn silence_is_98_and_the_reversal_is_repeated_until_it_is_heard() {
    let mut bench = Bench::new();
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS - 1);
    assert!(bench.silent(ticket));
    bench.pass(1);
    assert_eq!(bench.code_of(ticket), "98");
    assert_eq!(bench.model.outcome(0), Outcome::Unknown);
    for _ in 0..3 {
        bench.pass(LINK_TIMEOUT_MS);
    }
    let reversals = bench.reversals();
    assert_eq!(reversals.iter().map(|r| r.2).collect::<Vec<_>>(), [false, true, true, true]);
    let (first, entry, _) = reversals[0];
    assert!(reversals.iter().all(|(s, e, _)| (s.stan, s.at) == (first.stan, first.at) && *e == entry));
    assert_ne!(first.stan, bench.last_request().stan);
    // An answer to something else is no acknowledgement.
    let good = answer_to(&first, "00".parse().unwrap());
    bench.answer_with(&first, Answer { transmitted: Some(*b"0101000000"), ..good.clone() });
    bench.answer_with(&first, Answer { mti: 210, ..good.clone() });
    bench.answer_with(&first, Answer { code: None, ..good.clone() });
    assert_eq!(bench.model.outcome(0), Outcome::Unknown);
    bench.answer_with(&first, good);
    assert_eq!((bench.model.outcome(0), bench.core.state().saf_waiting()), (Outcome::Reversed, 0));
    let again = bench.ask(&Ask::sale_a(10, 500));
    assert_eq!(bench.only(again), bench.only(ticket));
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn a_busy_host_hears_the_reversal_again_and_a_refusal_goes_to_the_operator() {
    for (answers, dead, outcome) in [
        (vec!["91", "96", "98", "68", "90", "00"], 0, Outcome::Reversed),
        (vec!["25"], 0, Outcome::Reversed),
        (vec!["05"], 1, Outcome::Unknown),
    ] {
        let mut bench = Bench::new();
        bench.ask(&Ask::sale_a(10, 500));
        bench.pass(LINK_TIMEOUT_MS);
        for (round, code) in answers.iter().enumerate() {
            let reversals = bench.reversals();
            assert_eq!(reversals.len(), round + 1);
            bench.answer(&reversals[round].0, code);
            bench.pass(bench.config.saf_retry_ms_max);
        }
        assert_eq!(bench.core.state().saf_dead(), dead, "{answers:?}");
        assert_eq!(bench.model.outcome(0), outcome, "{answers:?}");
    }
}

#[test]
fn a_reversal_that_is_never_heard_gives_up() {
    let config = switchyard_core::CoreConfig { saf_attempts_max: 3, ..Default::default() };
    let mut bench = Bench::with(config);
    bench.ask(&Ask::sale_a(10, 500));
    (0..10).for_each(|_| bench.pass(LINK_TIMEOUT_MS));
    assert_eq!(bench.reversals().len(), 3);
    assert_eq!((bench.core.state().saf_waiting(), bench.core.state().saf_dead()), (0, 1));
    let late = bench.reversals()[0].0;
    bench.answer(&late, "00");
    assert_eq!(bench.core.state().saf_dead(), 1);
}

#[test]
fn an_approval_behind_a_reversal_that_found_nothing_is_reversed_again() {
    for (found, again) in [("25", 1), ("00", 0)] {
        let mut bench = Bench::new();
        bench.ask(&Ask::sale_a(10, 500));
        let sent = bench.last_request();
        bench.pass(LINK_TIMEOUT_MS);
        let reversal = bench.reversals()[0].0;
        bench.answer(&reversal, found);
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
        bench.answer(&sent, "00");
        assert_eq!(bench.core.state().saf_waiting(), again, "{found}");
        assert_eq!(bench.reversals().len(), 1 + again);
        bench.drain();
        assert_eq!(bench.core.state().saf_waiting(), 0);
    }
}

#[test]
fn late_answers() {
    // An approval leaves the reversal on its way.
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.disconnect(LINK_B);
    bench.pass(LINK_TIMEOUT_MS);
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!((bench.model.outcome(0), bench.core.state().saf_waiting()), (Outcome::Unknown, 1));
    bench.answer(&sent, "00");
    let late = |b: &Bench| b.records.iter().filter(|s| matches!(s.record, Record::LateAnswer { .. })).count();
    assert_eq!(late(&bench), 1, "once");
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    // A decline after the reversal was sent changes nothing.
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.reversals().len(), 1);
    let sent = bench.last_request();
    bench.answer(&sent, "51");
    assert_eq!((bench.model.outcome(0), bench.core.state().saf_waiting()), (Outcome::Unknown, 1));
    // A decline before it was sent makes it unnecessary: two time out, the second waits behind the first.
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.ask(&Ask::sale_a(11, 500));
    let second = bench.last_request();
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.reversals().len(), 1);
    bench.answer(&second, "51");
    assert_eq!((bench.model.outcome(1), bench.core.state().saf_waiting()), (Outcome::Declined, 1));
    // An issuer that does not know either, or that approves with a condition, has not declined.
    for code in ["98", "09", "08", "16", "A2"] {
        let mut bench = Bench::new();
        bench.ask(&Ask::sale_a(10, 500));
        bench.ask(&Ask::sale_a(11, 500));
        let second = bench.last_request();
        bench.pass(LINK_TIMEOUT_MS);
        bench.answer(&second, code);
        assert_eq!(
            (bench.model.outcome(1), bench.core.state().saf_waiting()),
            (Outcome::Unknown, 2),
            "{code}"
        );
    }
}

#[test]
fn an_issuer_that_does_not_know_leaves_the_outcome_unknown() {
    for code in ["98", "06", "09"] {
        let mut bench = Bench::new();
        let (_, heard) = bench.link_code(&Ask::sale_a(10, 500), code);
        assert_eq!((heard.as_str(), bench.model.outcome(0)), ("98", Outcome::Unknown), "{code}");
        bench.drain();
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    }
}

#[test]
fn answers_that_are_not_to_this_request_are_ignored() {
    let mut bench = Bench::new();
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    let good = answer_to(&sent, "00".parse().unwrap());
    for wrong in [
        Answer { transmitted: Some(*b"0101000000"), ..good.clone() },
        Answer { rrn: Some("000000000000".parse().unwrap()), ..good.clone() },
        Answer { mti: 110, ..good.clone() },
        Answer { mti: 430, ..good.clone() },
        Answer { stan: Some(stan(5_000)), ..good.clone() },
        Answer { code: None, ..good.clone() },
    ] {
        bench.answer_with(&sent, wrong);
        assert!(bench.silent(ticket));
    }
    bench.answer_with(&Sent { link: LINK_B, generation: 1, ..sent }, good.clone());
    bench.answer_with(&Sent { generation: 0, ..sent }, good.clone());
    assert!(bench.silent(ticket));
    bench.answer_with(&sent, Answer { rrn: None, ..good });
    assert_eq!(bench.code_of(ticket), "00");
}

#[test]
fn an_answer_of_an_older_connection_is_ignored() {
    let mut bench = Bench::new();
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    bench.connect(LINK_A);
    bench.answer(&sent, "00");
    bench.answer(&Sent { generation: sent.generation + 1, ..sent }, "00");
    assert!(bench.silent(ticket), "what was asked on the connection before is not answered on this one");
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(ticket), "98");
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
}

#[test]
fn a_reversal_under_way_when_the_connection_ends_is_repeated_on_the_next() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS);
    bench.disconnect(LINK_A);
    bench.pass(100_000);
    assert_eq!(bench.reversals().len(), 1);
    bench.connect(LINK_A);
    bench.pass(1);
    let reversals = bench.reversals();
    assert_eq!((reversals.len(), reversals[1].2), (2, true));
    bench.answer(&reversals[0].0, "00");
    assert_eq!(bench.model.outcome(0), Outcome::Unknown, "that connection is gone");
    bench.answer(&reversals[1].0, "00");
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
}

#[test]
fn half_an_approval_is_undone() {
    for code in ["10", "A2", "A4", "A5", "A6"] {
        let mut bench = Bench::new();
        let (_, heard) = bench.link_code(&Ask::sale_a(10, 500), code);
        assert_eq!((heard.as_str(), bench.payable(0)), ("98", 0));
        bench.drain();
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    }
}

#[test]
fn an_approval_of_another_amount_is_undone() {
    for (minor, outcome) in [
        (None, Outcome::Approved),
        (Some(500), Outcome::Approved),
        (Some(499), Outcome::Reversed),
        (Some(501), Outcome::Reversed),
    ] {
        let mut bench = Bench::new();
        let ticket = bench.ask(&Ask::sale_a(10, 500));
        let sent = bench.last_request();
        let answer = Box::new(Answer { amount_minor: minor, ..answer_to(&sent, "00".parse().unwrap()) });
        bench.step(Input::Answer { link: sent.link, generation: sent.generation, answer });
        bench.drain();
        assert_eq!(bench.model.outcome(0), outcome, "{minor:?}");
        let stands = outcome == Outcome::Approved;
        assert_eq!(bench.code_of(ticket), if stands { "00" } else { "98" });
        assert_eq!(bench.payable(0), if stands { 500 } else { 0 });
    }
}

#[test]
fn an_inquiry_is_never_reversed_upstream() {
    use switchyard_domain::TransactionKind::BalanceInquiry;
    let mut bench = Bench::new();
    let ask = Ask::new(BalanceInquiry, 10, 0, CARD_A).pin();
    let ticket = bench.ask(&ask);
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!((bench.code_of(ticket).as_str(), bench.core.state().unresolved()), ("98", 0));
    let ask = ask.stan(11);
    bench.link_code(&ask, "00");
    assert_eq!(bench.reverse_code(&Back::of(&ask)), "00");
    let ask = ask.stan(12);
    let pending = bench.ask(&ask);
    assert_eq!(bench.reverse_code(&Back::of(&ask)), "00");
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert!(!bench.silent(pending));
    assert_eq!(bench.core.state().saf_waiting(), 0);
}

#[test]
fn a_host_that_signs_off_is_asked_nothing_until_it_signs_on_again() {
    let mut bench = Bench::new();
    let signed = |bench: &mut Bench, on| {
        let generation = bench.generations[0];
        bench.step(Input::HostSigned { link: LINK_A, generation, on });
    };
    let pending = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    signed(&mut bench, false);
    let seen = bench.sent.len();
    assert_eq!(bench.code(&Ask::sale_a(11, 500)), "91");
    bench.pass(20_000);
    assert_eq!(bench.code_of(pending), "98", "what was under way keeps its deadline");
    assert_eq!(bench.sent.len(), seen, "not even a sign-on or a reversal");
    bench.answer(&sent, "00");
    bench.step(Input::HostSigned { link: LINK_A, generation: 0, on: true });
    assert_eq!(bench.code(&Ask::sale_a(12, 500)), "91", "an older connection says nothing of this one");
    signed(&mut bench, true);
    assert_eq!(bench.sent[seen].what, SentWhat::Network, "the switch signs on anew");
    assert_eq!(bench.link_code(&Ask::sale_a(13, 500), "00").1, "00");
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    // A host that never signed off changes nothing by signing on, and a new connection is a new beginning.
    let seen = bench.sent.len();
    signed(&mut bench, true);
    assert_eq!(bench.sent.len(), seen);
    signed(&mut bench, false);
    bench.connect(LINK_A);
    assert_eq!(bench.link_code(&Ask::sale_a(14, 500), "00").1, "00");
}

#[test]
fn what_a_link_takes_is_said_when_it_changes() {
    let config = switchyard_core::CoreConfig { link_timeouts_max: 1, ..Default::default() };
    let mut bench = Bench::with(config);
    bench.pass(100);
    bench.pass(100);
    assert_eq!(bench.told, [(LINK_A, 1, false), (LINK_B, 1, false)], "once each");
    bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS);
    bench.pass(100);
    assert_eq!(bench.told[2..], [(LINK_A, 1, true)], "it rests");
    bench.drain();
    bench.pass(bench.config.link_rest_ms);
    assert_eq!(bench.told[3..], [(LINK_A, 1, false)]);
    // A refused sign-on has a reason.
    bench.auto_network = false;
    bench.connect(LINK_A);
    let network = *bench.sent.last().unwrap();
    bench.answer(&network, "05");
    bench.pass(100);
    assert_eq!(bench.told[4..], [(LINK_A, 0, false)]);
    assert_eq!(bench.refused, [(LINK_A, "05".parse().unwrap())]);
}

#[test]
fn what_a_host_says_to_a_sign_on_of_before_does_not_undo_its_sign_off() {
    let mut bench = Bench::new();
    let signed = |bench: &mut Bench, on| {
        let generation = bench.generations[0];
        bench.step(Input::HostSigned { link: LINK_A, generation, on });
    };
    let asked = |bench: &Bench| *bench.sent.iter().rfind(|s| s.what == SentWhat::Network).unwrap();
    signed(&mut bench, false);
    bench.auto_network = false;
    signed(&mut bench, true);
    let first = asked(&bench);
    signed(&mut bench, false);
    bench.answer(&first, "00");
    assert_eq!(bench.code(&Ask::sale_a(10, 500)), "91", "it has signed off since");
    signed(&mut bench, true);
    bench.answer(&first, "00");
    assert_eq!(bench.code(&Ask::sale_a(11, 500)), "91", "it has not answered the new sign-on");
    let second = asked(&bench);
    bench.answer(&second, "00");
    assert_eq!(bench.link_code(&Ask::sale_a(12, 500), "00").1, "00");
}

#[test]
fn a_refusal_that_comes_again_and_again_is_recorded_once_and_an_approval_after_it_is_seen() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS);
    let sent = bench.last_request();
    let late = |b: &Bench| b.records.iter().filter(|s| matches!(s.record, Record::LateAnswer { .. })).count();
    for _ in 0..3 {
        bench.answer(&sent, "98");
        bench.answer(&sent, "51");
    }
    assert_eq!(late(&bench), 1);
    bench.answer(&sent, "00");
    assert_eq!(late(&bench), 2);
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
}
