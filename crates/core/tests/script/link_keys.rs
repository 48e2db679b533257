//! Another PIN key of a link, over the line.

use crate::support::*;
use switchyard_core::{
    Act, Answer, Command, CommandError, CommandOutcome, Input, KeyArrival, KeyBrought, KeyCargo, KeyFault,
    Order, PinJob, PinOutcome, ZonePin,
};
use switchyard_domain::{
    Actor, KeyMessage, KeyName, KeyRecord, KeyUse, LinkOrder, PinBlock, Record, ResponseCode, Role,
    WrappedKey,
};

const TRANSPORT: KeyName = KeyName { usage: KeyUse::Transport, owner: 7 };
const REFUSED: fn(KeyFault) -> KeyArrival = KeyArrival::Refused;

fn record(check: u8) -> KeyRecord {
    KeyRecord { wrapped: WrappedKey(format!("D{check}")), check_value: [check; 4] }
}
fn order(bench: &mut Bench, what: LinkOrder) -> Result<CommandOutcome, CommandError> {
    bench.order(Order::Link { link: "a".into(), what, reason: reason() })
}
/// A bench whose first link takes keys under a transport key.
fn agreed() -> Bench {
    let mut bench = Bench::new();
    let key = record(0x70);
    bench.command_as(Actor::Installer, Command::InstallKey { name: TRANSPORT, key }).unwrap();
    order(&mut bench, LinkOrder::KeyUnder(Some(7))).unwrap();
    bench
}
fn cargo() -> KeyCargo {
    KeyCargo::Ecb { wrapped: [0xA5; 16], check_value: [1, 1, 1] }
}
fn message(stan: u64) -> KeyMessage {
    KeyMessage { stan, transmitted: Some(*b"1123085500"), mark: [0xA5; 8] }
}
fn bring(bench: &mut Bench, message: KeyMessage, cargo: Result<KeyCargo, KeyFault>) {
    let generation = bench.generations[0];
    let brought = Box::new(KeyBrought { message, cargo });
    bench.step(Input::KeyBrought { link: LINK_A, generation, brought });
}
fn open(bench: &mut Bench, opened: Result<KeyRecord, KeyFault>) {
    let (slot, opening) = bench.opens.remove(0);
    bench.step(Input::LinkKeyOpened { slot, link: opening.link, opened });
}
fn in_force(bench: &Bench) -> [u8; 4] {
    bench.core.state().registry().link(LINK_A).unwrap().pin_key.check_value
}
fn changes(bench: &Bench) -> usize {
    let is_change = |record: &Record| matches!(record, Record::LinkKeyChanged(_));
    bench.records.iter().filter(|stamped| is_change(&stamped.record)).count()
}
fn answers(bench: &Bench) -> Vec<&str> {
    bench.key_answers.iter().map(|(_, _, code)| code.as_str()).collect()
}

#[test]
fn a_key_that_a_host_brings_is_recorded_answered_and_in_force() {
    let mut bench = agreed();
    bring(&mut bench, message(5), Ok(cargo()));
    assert!(bench.key_answers.is_empty(), "nobody has looked at it yet");
    assert_eq!(bench.opens[0].1.transport, record(0x70));
    assert_eq!((bench.opens[0].1.under, in_force(&bench)), (TRANSPORT, [1, 2, 3, 4]));
    open(&mut bench, Ok(record(9)));
    assert_eq!((in_force(&bench), changes(&bench)), ([9; 4], 1));
    assert_eq!(bench.key_answers, [(LINK_A, message(5), "00".to_owned())]);
    assert_eq!(bench.arrived, [(LINK_A, KeyArrival::Taken)]);
    let stamped = bench.records.last().unwrap();
    assert_eq!(stamped.actor, Actor::Link(LINK_A));
    assert!(matches!(&stamped.record, Record::LinkKeyChanged(change) if change.under == TRANSPORT));
    let restored = through_image(bench.core.state());
    assert_eq!(restored.registry().link(LINK_A).unwrap().pin_key.check_value, [9; 4]);
}

#[test]
fn the_same_message_has_the_same_answer_and_no_second_record() {
    let mut bench = agreed();
    bring(&mut bench, message(5), Ok(cargo()));
    // It comes again before it was looked at: one look, one answer.
    bring(&mut bench, message(5), Ok(cargo()));
    assert_eq!(bench.opens.len(), 1);
    open(&mut bench, Ok(record(9)));
    assert_eq!(answers(&bench), ["00"]);
    for restart in [false, true] {
        if restart {
            bench.crash();
            bench.connect(LINK_A);
        }
        bring(&mut bench, message(5), Ok(cargo()));
        assert!(bench.opens.is_empty());
        assert_eq!(bench.key_answers.pop().unwrap().2, "00");
        assert_eq!((changes(&bench), bench.arrived.pop()), (1, Some((LINK_A, KeyArrival::Repeated))));
    }
    // Under the same number, but another key.
    bring(&mut bench, KeyMessage { mark: [1; 8], ..message(5) }, Ok(cargo()));
    assert_eq!(bench.opens.len(), 1);
    open(&mut bench, Ok(record(8)));
    // What brought the key before this one does not bring it back: it is looked at as a new one.
    bring(&mut bench, message(5), Ok(cargo()));
    assert_eq!((bench.opens.len(), in_force(&bench)), (1, [8; 4]));
}

#[test]
fn a_key_that_is_not_taken_leaves_the_one_before_in_force() {
    for (fault, code) in [
        (KeyFault::Absent, "12"),
        (KeyFault::Malformed, "30"),
        (KeyFault::Carrier, "30"),
        (KeyFault::CheckValue, "96"),
        (KeyFault::Weak, "96"),
        (KeyFault::Purpose, "96"),
        (KeyFault::Same, "96"),
        (KeyFault::Failed, "96"),
    ] {
        let mut bench = agreed();
        if matches!(fault, KeyFault::Absent | KeyFault::Malformed) {
            bring(&mut bench, message(5), Err(fault));
        } else {
            bring(&mut bench, message(5), Ok(cargo()));
            open(&mut bench, Err(fault));
        }
        assert_eq!((answers(&bench), &bench.arrived[..]), (vec![code], &[(LINK_A, REFUSED(fault))][..]));
        assert_eq!((in_force(&bench), changes(&bench)), ([1, 2, 3, 4], 0), "{fault}");
        // The next one is looked at as if nothing had been.
        bring(&mut bench, message(6), Ok(cargo()));
        open(&mut bench, Ok(record(9)));
        assert_eq!(in_force(&bench), [9; 4]);
    }
}

#[test]
fn keys_come_under_what_was_agreed_and_one_at_a_time() {
    let mut bench = Bench::new();
    bring(&mut bench, message(5), Ok(cargo()));
    assert_eq!(answers(&bench), ["12"], "nothing is agreed");
    assert_eq!(
        order(&mut bench, LinkOrder::KeyUnder(Some(7))),
        Err(CommandError::Missing { what: "the transport key" })
    );
    let mut bench = agreed();
    assert_eq!(order(&mut bench, LinkOrder::KeyUnder(Some(7))), Ok(CommandOutcome::RecordedBefore));
    bring(&mut bench, message(5), Ok(cargo()));
    bring(&mut bench, message(6), Ok(cargo()));
    assert_eq!(answers(&bench), ["96"], "another one is being looked at");
    // A check value stands for its key: one with that of the key in force is none.
    open(&mut bench, Ok(KeyRecord { wrapped: WrappedKey("D1".into()), check_value: [1, 2, 3, 4] }));
    assert_eq!((answers(&bench), changes(&bench)), (vec!["96", "96"], 0));
    order(&mut bench, LinkOrder::KeyUnder(None)).unwrap();
    bring(&mut bench, message(7), Ok(cargo()));
    assert_eq!(answers(&bench), ["96", "96", "12"]);
    for (what, role, may) in [
        (LinkOrder::KeyUnder(None), Role::Operator, false),
        (LinkOrder::KeyUnder(None), Role::KeyCustodian, true),
        (LinkOrder::NewKey, Role::Operator, true),
        (LinkOrder::NewKey, Role::Risk, false),
    ] {
        let act: Act = Order::Link { link: "a".into(), what, reason: reason() }.act();
        assert_eq!(act.roles().contains(&role), may, "{what:?}");
    }
}

#[test]
fn a_host_that_has_gone_hears_nothing_and_nothing_has_changed() {
    let mut bench = agreed();
    bring(&mut bench, message(5), Ok(cargo()));
    bench.disconnect(LINK_A);
    open(&mut bench, Ok(record(9)));
    assert_eq!((in_force(&bench), changes(&bench), bench.key_answers.len()), ([1, 2, 3, 4], 0, 0));
    bench.connect(LINK_A);
    bring(&mut bench, message(5), Ok(cargo()));
    open(&mut bench, Ok(record(9)));
    assert_eq!((answers(&bench), changes(&bench)), (vec!["00"], 1));
}

/// Asks for a key, and gives what was sent about it.
fn ask(bench: &mut Bench) -> Sent {
    bench.auto_network = false;
    order(bench, LinkOrder::NewKey).unwrap();
    *bench.sent.last().unwrap()
}
fn give(bench: &mut Bench, sent: &Sent, code: &str, key: Option<Result<KeyCargo, KeyFault>>) {
    let code = code.parse::<ResponseCode>().unwrap();
    bench.answer_with(sent, Answer { mti: 810, key, ..answer_to(sent, code) });
}

#[test]
fn a_key_that_was_asked_for_is_taken_from_the_answer() {
    let mut bench = agreed();
    let sent = ask(&mut bench);
    assert_eq!(sent.what, SentWhat::Network);
    assert!(
        matches!(order(&mut bench, LinkOrder::NewKey), Err(CommandError::NotNow { .. })),
        "one at a time"
    );
    give(&mut bench, &sent, "00", Some(Ok(cargo())));
    open(&mut bench, Ok(record(9)));
    assert_eq!((in_force(&bench), changes(&bench), bench.key_answers.len()), ([9; 4], 1, 0));
    assert_eq!(bench.arrived, [(LINK_A, KeyArrival::Taken)]);
    give(&mut bench, &sent, "00", Some(Ok(cargo())));
    assert!(bench.opens.is_empty(), "it is answered once");
}

#[test]
fn a_key_that_a_host_brings_while_it_is_asked_for_one_is_not_taken() {
    let mut bench = agreed();
    let sent = ask(&mut bench);
    bring(&mut bench, message(5), Ok(cargo()));
    assert_eq!(
        (answers(&bench), bench.opens.len()),
        (vec!["96"], 0),
        "whose key came last, both have to know"
    );
    give(&mut bench, &sent, "00", Some(Ok(cargo())));
    open(&mut bench, Ok(record(9)));
    assert_eq!((in_force(&bench), changes(&bench)), ([9; 4], 1));
    bring(&mut bench, message(6), Ok(cargo()));
    open(&mut bench, Ok(record(8)));
    assert_eq!((in_force(&bench), answers(&bench)), ([8; 4], vec!["96", "00"]));
}

#[test]
fn a_question_without_a_key_in_the_answer_changes_nothing() {
    for (code, key, fault) in [
        ("05", None, KeyFault::HostRefused),
        ("12", Some(Ok(cargo())), KeyFault::HostRefused),
        ("00", None, KeyFault::Absent),
        ("00", Some(Err(KeyFault::Malformed)), KeyFault::Malformed),
    ] {
        let mut bench = agreed();
        let sent = ask(&mut bench);
        give(&mut bench, &sent, code, key);
        assert_eq!((&bench.arrived[..], in_force(&bench)), (&[(LINK_A, REFUSED(fault))][..], [1, 2, 3, 4]));
        order(&mut bench, LinkOrder::NewKey).unwrap();
    }
    // Nobody answers; or the connection ends first.
    for ends in [false, true] {
        let mut bench = agreed();
        let sent = ask(&mut bench);
        if ends {
            bench.disconnect(LINK_A)
        } else {
            bench.pass(100_000)
        }
        assert_eq!(bench.arrived, [(LINK_A, REFUSED(KeyFault::Unanswered))]);
        give(&mut bench, &sent, "00", Some(Ok(cargo())));
        assert!(bench.opens.is_empty(), "too late");
    }
    let mut bench = Bench::new();
    assert!(matches!(order(&mut bench, LinkOrder::NewKey), Err(CommandError::NotNow { .. })), "not agreed");
    let mut bench = agreed();
    bench.disconnect(LINK_A);
    assert!(matches!(order(&mut bench, LinkOrder::NewKey), Err(CommandError::NotNow { .. })), "not there");
}

/// A PIN that was brought under the key before is brought under the new one before its request leaves.
#[test]
fn no_pin_under_the_key_before_follows_the_answer() {
    let mut bench = agreed();
    bench.pins = Pins::Held;
    let ticket = bench.ask(&Ask::sale_a(10, 500).pin());
    bring(&mut bench, message(5), Ok(cargo()));
    open(&mut bench, Ok(record(9)));
    let (slot, request, job) = bench.held_pins.remove(0);
    let PinJob::Translate { link: LINK_A } = job else { panic!("it goes over the link") };
    let under = |key| PinOutcome::Translated(ZonePin { block: PinBlock([7; 8]), key });
    let requests = bench.requests();
    bench.step(Input::PinDone { slot, request, outcome: under([1, 2, 3, 4]) });
    assert_eq!((bench.requests(), bench.held_pins.len()), (requests, 1), "made anew");
    let (slot, request, _) = bench.held_pins.remove(0);
    bench.step(Input::PinDone { slot, request, outcome: under([9; 4]) });
    assert_eq!(bench.requests(), requests + 1);
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!(bench.code_of(ticket), "00");
}
