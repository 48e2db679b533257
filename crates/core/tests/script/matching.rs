//! The key that was agreed with a link, and answers that lead to nothing.

use crate::support::*;
use switchyard_core::{Answer, CommandOutcome, Echoed, Order, Stray};
use switchyard_domain::{LinkIndex, LinkOrder, Outcome, Record, TransactionKind, UtcOffset};

const ELEMENTS: [u8; 7] = [3, 7, 11, 12, 32, 37, 41];

fn agree(bench: &mut Bench, keys: &str) {
    let what = LinkOrder::Match(keys.parse().unwrap());
    let order = || Order::Link { link: "a".into(), what, reason: reason() };
    bench.order(order()).unwrap();
    assert_eq!(bench.order(order()), Ok(CommandOutcome::RecordedBefore));
}

/// The answer of a host that repeats everything.
fn whole(sent: &Sent, code: &str) -> Answer {
    let echoed = Echoed {
        processing_code: Some(0),
        local_time: Some(sent.at.local_time_digits(UtcOffset::CHINA)),
        acquirer: Some("48020000".parse().unwrap()),
        terminal: Some("T0000001".parse().unwrap()),
    };
    Answer { echoed, ..answer_to(sent, code.parse().unwrap()) }
}

/// The same with another value in one element.
fn with_other(answer: &Answer, element: u8) -> Answer {
    let mut answer = answer.clone();
    match element {
        3 => answer.echoed.processing_code = Some(200_000),
        7 => answer.transmitted = Some(*b"0101000000"),
        11 => answer.stan = Some(stan(5_000)),
        12 => answer.echoed.local_time = Some(*b"000000"),
        32 => answer.echoed.acquirer = Some("1".parse().unwrap()),
        37 => answer.rrn = Some("000000000000".parse().unwrap()),
        41 => answer.echoed.terminal = Some("T0000002".parse().unwrap()),
        _ => unreachable!("no element of a key"),
    }
    answer
}

/// The same without one element.
fn without(answer: &Answer, element: u8) -> Answer {
    let mut answer = answer.clone();
    match element {
        3 => answer.echoed.processing_code = None,
        7 => answer.transmitted = None,
        11 => answer.stan = None,
        12 => answer.echoed.local_time = None,
        32 => answer.echoed.acquirer = None,
        37 => answer.rrn = None,
        41 => answer.echoed.terminal = None,
        _ => unreachable!("no element of a key"),
    }
    answer
}

#[test]
fn an_answer_has_what_the_key_has_and_the_rest_does_not_matter() {
    for keys in ["7,11,37", "7,11", "11,41", "11,12", "3,7,11,12,32,37,41", "37", "37,41", "3,12,32,37"] {
        let set: Vec<u8> = keys.split(',').map(|element| element.parse().unwrap()).collect();
        for element in ELEMENTS {
            for absent in [false, true] {
                let mut bench = Bench::new();
                agree(&mut bench, keys);
                let ticket = bench.ask(&Ask::sale_a(10, 500));
                let sent = bench.last_request();
                let good = whole(&sent, "00");
                let other = if absent { without(&good, element) } else { with_other(&good, element) };
                bench.answer_with(&sent, other);
                // A reference beside a trace number may be absent.
                let matters = set.contains(&element) && !(absent && element == 37 && set.contains(&11));
                assert_eq!(bench.silent(ticket), matters, "{keys}: {element}, absent: {absent}");
                let strays: &[(LinkIndex, Stray)] = if matters { &[(LINK_A, Stray::Unmatched)] } else { &[] };
                assert_eq!(bench.strays, strays, "{keys}: {element}, absent: {absent}");
                if matters {
                    bench.answer_with(&sent, good);
                }
                assert_eq!(bench.code_of(ticket), "00");
                let another_class = Answer { mti: 110, ..whole(&sent, "00") };
                bench.answer_with(&sent, another_class);
                assert_eq!(bench.payable(0), 500);
            }
        }
    }
}

/// A host that repeats nothing but the reference, which a request shares with its reversal.
fn reference_alone(sent: &Sent, bench: &Bench, code: &str) -> Answer {
    let id = match sent.what {
        SentWhat::Request { id, .. } => id,
        SentWhat::Reversal { saf, .. } | SentWhat::Advice { saf, .. } | SentWhat::Script { saf, .. } => {
            saf.transaction
        }
        SentWhat::Network => unreachable!("network messages have no reference"),
    };
    let rrn = bench.records.iter().find_map(|stamped| match &stamped.record {
        Record::Opened(opened) | Record::Advised { opened, .. } => (opened.id == id).then_some(opened.rrn),
        _ => None,
    });
    let answer = answer_to(sent, code.parse().unwrap());
    Answer { stan: None, transmitted: None, rrn, ..answer }
}

#[test]
fn a_reference_alone_tells_a_request_from_its_reversal_and_its_advice() {
    let mut bench = Bench::new();
    agree(&mut bench, "37");
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(ticket), "98");
    // The late answer to the request is none to the reversal.
    bench.answer_with(&sent, reference_alone(&sent, &bench, "00"));
    assert_eq!(
        (bench.strays.as_slice(), bench.core.state().saf_waiting()),
        (&[(LINK_A, Stray::Late)][..], 1)
    );
    let (reversal, ..) = bench.reversals()[0];
    bench.answer_with(&reversal, reference_alone(&reversal, &bench, "00"));
    assert_eq!((bench.model.outcome(0), bench.core.state().saf_waiting()), (Outcome::Reversed, 0));
    // An offline sale is told; a crash in between leaves nothing but the queue.
    assert_eq!(bench.code(&Ask::new(TransactionKind::OfflineSale, 11, 700, CARD_A)), "00");
    bench.crash();
    bench.connect(LINK_A);
    bench.pass(60_000);
    let advice = *bench.sent.iter().rfind(|sent| matches!(sent.what, SentWhat::Advice { .. })).unwrap();
    bench.answer_with(&advice, reference_alone(&advice, &bench, "00"));
    assert_eq!(bench.core.state().saf_waiting(), 0);
    assert_eq!(bench.payable(0), 700);
}

#[test]
fn answers_that_lead_to_nothing_are_told_apart() {
    let mut bench = Bench::new();
    let sale = |number| Ask::sale_a(number, 500);
    let records = |bench: &Bench| bench.records.len();
    // Once approved, once refused: each answer comes twice, and leaves no record the second time.
    for (number, code) in [(10, "00"), (11, "51")] {
        bench.link_code(&sale(number), code);
        let (sent, before) = (bench.last_request(), records(&bench));
        bench.answer(&sent, code);
        assert_eq!(
            (bench.strays.pop(), records(&bench)),
            (Some((LINK_A, Stray::Duplicate)), before),
            "{code}"
        );
    }
    bench.ask(&sale(12));
    let sent = bench.last_request();
    bench.pass(LINK_TIMEOUT_MS);
    bench.answer(&sent, "00");
    assert_eq!(bench.strays.pop(), Some((LINK_A, Stray::Late)), "its time was over");
    let (reversal, ..) = bench.reversals()[0];
    bench.answer(&reversal, "00");
    assert_eq!(bench.strays, [], "a reversal is answered");
    bench.answer(&reversal, "00");
    assert_eq!(bench.strays.pop(), Some((LINK_A, Stray::Duplicate)), "and answered again");
    // Every class of answer to what nobody asked.
    for mti in [110, 130, 210, 230, 410, 430, 810] {
        let answer = Answer { mti, stan: Some(stan(500_000)), ..whole(&sent, "00") };
        bench.answer_with(&sent, answer);
        assert_eq!(bench.strays.pop(), Some((LINK_A, Stray::Unmatched)), "{mti}");
    }
    bench.answer_with(&Sent { generation: 0, ..sent }, whole(&sent, "00"));
    assert_eq!(bench.strays.pop(), Some((LINK_A, Stray::Unmatched)), "of another connection");
    assert_eq!(bench.strays, []);
}
