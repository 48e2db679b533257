//! Master keys that terminals fetch over the line.

use crate::support::*;
use switchyard_core::{
    Body, Command, CommandError, CommandOutcome, KeyCommand, KeyForm, MacCheck, MasterKeyStep, NewOffer,
    Order, Reply, ReplyBody, Translation,
};
use switchyard_domain::*;

/// Check value of the master key that terminals are registered with.
const FIRST: [u8; 4] = [1, 2, 3, 4];
const HOUR_MS: u64 = 3_600_000;

fn record(check: u8) -> KeyRecord {
    KeyRecord { wrapped: WrappedKey(format!("D{check}")), check_value: [check; 4] }
}
fn offer(terminal: u32, check: u8) -> NewOffer {
    NewOffer {
        terminal: TerminalIndex(terminal),
        key: record(check),
        under: None,
        line: LineKey { wrapped: vec![check; 20], proof: [check; 8] },
        before: FIRST,
        hours: 24,
        reason: reason(),
    }
}
fn command(bench: &mut Bench, command: KeyCommand) -> Result<CommandOutcome, CommandError> {
    bench.command(Command::Key(command))
}
fn give(bench: &mut Bench, new: NewOffer) -> Result<CommandOutcome, CommandError> {
    command(bench, KeyCommand::Offer(Box::new(new)))
}
fn withdraw(bench: &mut Bench) -> Result<CommandOutcome, CommandError> {
    command(bench, KeyCommand::Withdraw { terminal: "T0000001".parse().unwrap(), reason: reason() })
}
/// As a terminal asks: without a MAC.
fn ask(bench: &mut Bench, step: MasterKeyStep) -> Reply {
    let body = Body::MasterKey(step);
    let ticket = bench.request_as("T0000001", MERCHANTS[0], MacCheck::NotRequired, body);
    bench.only(ticket)
}
fn fetch(bench: &mut Bench) -> Result<Vec<u8>, String> {
    match ask(bench, MasterKeyStep::Fetch) {
        Reply { body: ReplyBody::Download { data, .. }, .. } => Ok(data),
        refused => Err(refused.code.to_string()),
    }
}
fn confirm(bench: &mut Bench, check: u8, proof: u8) -> (String, u8) {
    let reply = ask(bench, MasterKeyStep::Confirm { check_value: [check; 4], proof: [proof; 8] });
    (reply.code.to_string(), reply.requirement)
}
fn master(bench: &mut Bench) -> KeyRecord {
    let terminal = "T0000001".parse().unwrap();
    match command(bench, KeyCommand::TerminalFacts { terminal }) {
        Ok(CommandOutcome::Keys(mut keys)) => keys.pop().unwrap().record.unwrap(),
        other => panic!("{other:?}"),
    }
}
fn offered(bench: &Bench) -> Option<[u8; 4]> {
    bench.core.state().registry().offered_key(TerminalIndex(0)).map(|(check_value, _)| check_value)
}
fn fine(code: &str, requirement: u8) -> (String, u8) {
    (code.to_owned(), requirement)
}

#[test]
fn a_key_is_fetched_as_often_as_asked_and_in_force_once_it_is_proven() {
    let mut bench = Bench::new();
    assert_eq!(fetch(&mut bench), Err("25".into()), "nothing waits for it");
    give(&mut bench, offer(0, 7)).unwrap();
    let before = bench.records.len();
    for _ in 0..3 {
        assert_eq!(fetch(&mut bench), Ok(vec![7; 20]));
    }
    bench.crash();
    assert_eq!(fetch(&mut bench), Ok(vec![7; 20]), "a restart has it too");
    // What was overheard is the check value; the proof is not it.
    assert_eq!(confirm(&mut bench, 7, 0), fine("A7", 0));
    assert_eq!(confirm(&mut bench, 8, 8), fine("25", 0), "a key that it was never offered");
    assert_eq!(master(&mut bench).check_value, FIRST);
    let quiet = bench.records[before..].iter().all(|r| matches!(r.record, Record::Started { .. }));
    assert!(quiet, "none of it is recorded");
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00", "its working keys go on meanwhile");

    assert_eq!(confirm(&mut bench, 7, 7), fine("00", 3), "it is to sign on under it");
    let told = bench.records.last().unwrap();
    let taken = Record::TerminalKeyTaken { terminal: TerminalIndex(0), key: record(7) };
    assert_eq!((&told.record, &told.actor), (&taken, &Actor::Terminal(TerminalIndex(0))));
    assert_eq!((master(&mut bench), offered(&bench)), (record(7), None));
    let records = bench.records.len();
    assert_eq!(confirm(&mut bench, 7, 0), fine("00", 3), "its answer was lost: it asks again");
    assert_eq!(bench.records.len(), records);
    assert_eq!(fetch(&mut bench), Err("25".into()), "a key is taken once");
    assert_eq!(bench.code(&Ask::sale(11, 500)), "00", "what is under way ends under its working keys");
    bench.crash();
    assert_eq!(confirm(&mut bench, 7, 7), fine("00", 3));
    bench.sign_on(0);
    assert_eq!(confirm(&mut bench, 7, 7), fine("00", 0), "it has signed on");
}

#[test]
fn wrong_proofs_are_counted_and_change_nothing() {
    let mut bench = Bench::new();
    give(&mut bench, offer(0, 7)).unwrap();
    for _ in 0..5 {
        assert_eq!(confirm(&mut bench, 7, 9), fine("A7", 0));
    }
    bench.pass(60_000);
    let counted = bench.records.iter().rev().find_map(|stamped| match stamped.record {
        Record::Refusals { terminal, code, count } => Some((terminal, code.to_string(), count)),
        _ => None,
    });
    assert_eq!(counted, Some((TerminalIndex(0), "A7".into(), 5)));
    assert_eq!((master(&mut bench).check_value, offered(&bench)), (FIRST, Some([7; 4])));
}

#[test]
fn an_offer_ends_by_its_time_by_an_operator_and_by_another_key() {
    let mut bench = Bench::new();
    let ended = |bench: &Bench| {
        let told = bench.records.last().unwrap();
        match &told.record {
            Record::TerminalKeyWithdrawn { check_value, reason, .. } => {
                (*check_value, reason.is_some(), told.actor.clone())
            }
            other => panic!("{other:?}"),
        }
    };
    give(&mut bench, offer(0, 7)).unwrap();
    bench.pass(24 * HOUR_MS - 1);
    assert_eq!(fetch(&mut bench), Ok(vec![7; 20]));
    bench.pass(1);
    assert_eq!(ended(&bench), ([7; 4], false, Actor::Switch));
    assert_eq!(fetch(&mut bench), Err("25".into()));
    assert_eq!(confirm(&mut bench, 7, 7), fine("25", 0), "it is too late for that");

    give(&mut bench, offer(0, 8)).unwrap();
    let twice = give(&mut bench, offer(0, 9));
    assert_eq!(twice, Err(CommandError::Exists { what: "a key that the terminal may fetch" }));
    withdraw(&mut bench).unwrap();
    assert_eq!(ended(&bench), ([8; 4], true, Actor::Operator("anna".into())));
    assert_eq!(
        withdraw(&mut bench),
        Err(CommandError::Missing { what: "a key that the terminal may fetch" })
    );

    give(&mut bench, offer(0, 9)).unwrap();
    let name = KeyName { usage: KeyUse::TerminalMaster, owner: 0 };
    bench.command(Command::InstallKey { name, key: record(5) }).unwrap();
    assert_eq!(offered(&bench), None, "it was meant to follow the key before");
    assert_eq!(confirm(&mut bench, 9, 9), fine("25", 0));
    assert_eq!(master(&mut bench), record(5));
    bench.crash();
    assert_eq!(offered(&bench), None);
}

#[test]
fn what_cannot_be_fetched_is_not_offered() {
    let mut bench = Bench::new();
    let transport = KeyName { usage: KeyUse::Transport, owner: 1 };
    let refused = [
        NewOffer { terminal: TerminalIndex(99), ..offer(0, 7) },
        NewOffer { under: Some(transport), ..offer(0, 7) },
        NewOffer { before: [2; 4], ..offer(0, 7) },
        NewOffer { hours: 0, ..offer(0, 7) },
        NewOffer { hours: KEY_OFFER_HOURS_MAX + 1, ..offer(0, 7) },
        NewOffer { line: LineKey { wrapped: Vec::new(), proof: [0; 8] }, ..offer(0, 7) },
        NewOffer { line: LineKey { wrapped: vec![0; DOWNLOAD_BYTES_MAX + 1], proof: [0; 8] }, ..offer(0, 7) },
        NewOffer { key: KeyRecord { check_value: FIRST, ..record(7) }, ..offer(0, 7) },
    ];
    for new in refused {
        let before = bench.records.len();
        give(&mut bench, new).unwrap_err();
        assert_eq!(bench.records.len(), before);
    }
    let profile =
        TerminalProfile { dialect: TerminalDialect::Iso(LinkDialect::Iso87Ascii), ..Default::default() };
    let (terminal, what) = ("T0000001".parse().unwrap(), TerminalOrder::Speak(profile));
    bench.order(Order::Terminal { terminal, what, reason: reason() }).unwrap();
    let generic = give(&mut bench, offer(0, 7));
    assert!(matches!(generic, Err(CommandError::NotNow { .. })), "{generic:?}");
    give(&mut bench, offer(1, 7)).unwrap();
}

#[test]
fn who_asks_in_a_terminals_place_is_limited_as_for_other_messages_without_a_mac() {
    let config = switchyard_core::CoreConfig { unkeyed_per_minute_max: 3, ..Default::default() };
    let mut bench = Bench::with(config);
    give(&mut bench, offer(0, 7)).unwrap();
    bench.pass(60_000);
    let heard: Vec<_> = (0..5).map(|_| confirm(&mut bench, 7, 1).0).collect();
    assert_eq!(heard, ["A7", "A7", "A7", "96", "96"]);
    bench.pass(60_000);
    assert_eq!(fetch(&mut bench), Ok(vec![7; 20]));
}

#[test]
fn an_offered_key_goes_under_another_local_master_key() {
    let mut bench = Bench::new();
    give(&mut bench, offer(0, 7)).unwrap();
    let now = KeyRecord { wrapped: WrappedKey("D-anew".into()), ..record(7) };
    let key = WaitingKey::Offered { terminal: TerminalIndex(0) };
    let keys = vec![Translation { key, before: record(7), now: now.clone() }];
    let done = bench.command_as(Actor::Switch, Command::Key(KeyCommand::TranslateWaiting { keys }));
    assert_eq!(done, Ok(CommandOutcome::Changed { count: 1, unchanged: 0 }));
    bench.crash();
    assert_eq!(fetch(&mut bench), Ok(vec![7; 20]), "what travels is under the terminal's key");
    assert_eq!(confirm(&mut bench, 7, 7), fine("00", 3));
    assert_eq!(master(&mut bench), now);
    let body = Body::SignOn { stan: stan(1), form: KeyForm::Double };
    let ticket = bench.request(0, body);
    assert_eq!(bench.code_of(ticket), "00");
}
