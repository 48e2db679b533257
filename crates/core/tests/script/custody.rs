//! Keys that custodians bring together, take out and bring in.

use crate::support::*;
use switchyard_core::{
    Act, Body, Command, CommandError, CommandOutcome, CoreConfig, KeyCommand, KeyFacts, KeyForm, MacCheck,
    Translation, UserCommand,
};
use switchyard_domain::{
    Actor, BusinessDate, KeyCipher, KeyMove, KeyName, KeyPlan, KeyRecord, KeyUse, Link, LmkChange,
    PasswordRecord, Reason, Record, Role, Roles, Terminal, TerminalIndex, UtcOffset, WaitingKey, WrappedKey,
};

const TRANSPORT: KeyName = KeyName { usage: KeyUse::Transport, owner: 1 };

fn why() -> Reason {
    "a test".parse().unwrap()
}
fn plan(components: u8) -> KeyPlan {
    KeyPlan { cipher: KeyCipher::Aes, bytes: 32, components, exportable: true, check_value: None }
}
fn record(check: u8) -> KeyRecord {
    KeyRecord { wrapped: WrappedKey(format!("D{check}")), check_value: [check; 4] }
}
fn user(name: &str) -> Actor {
    Actor::User(name.parse().unwrap())
}
fn root() -> Actor {
    Actor::Operator("root (uid 0)".into())
}
fn ask(bench: &mut Bench, actor: Actor, command: KeyCommand) -> Result<CommandOutcome, CommandError> {
    bench.command_as(actor, Command::Key(command))
}
fn begin(bench: &mut Bench, key: KeyName, plan: KeyPlan) -> Result<CommandOutcome, CommandError> {
    ask(bench, root(), KeyCommand::Begin { key, plan, reason: why() })
}
fn load(
    bench: &mut Bench,
    who: Actor,
    before: usize,
    sum: Option<KeyRecord>,
) -> Result<CommandOutcome, CommandError> {
    ask(bench, who, KeyCommand::Load { key: TRANSPORT, component: record(before as u8), before, sum })
}
fn facts(bench: &mut Bench, key: KeyName) -> KeyFacts {
    match ask(bench, root(), KeyCommand::Facts { key }) {
        Ok(CommandOutcome::Keys(mut keys)) => keys.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}
/// Three custodians and an operator, who have their own passwords.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let people = [
        ("ann", Role::KeyCustodian),
        ("ben", Role::KeyCustodian),
        ("cid", Role::KeyCustodian),
        ("oda", Role::Operator),
    ];
    for (name, role) in people {
        let (user, password) = (name.parse().unwrap(), PasswordRecord("first".into()));
        let add = UserCommand::Add { user, roles: Roles::of([role]).unwrap(), password };
        bench.command_as(root(), Command::User(add)).unwrap();
        let (user, password) = (name.parse().unwrap(), PasswordRecord("own".into()));
        let set = UserCommand::SetPassword { user, password, version: 1 };
        bench.command_as(self::user(name), Command::User(set)).unwrap();
    }
    bench
}
fn not_now(result: Result<CommandOutcome, CommandError>, why: &str) {
    match result {
        Err(CommandError::NotNow { why: said }) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_custodians_make_a_key_and_one_never_does() {
    let mut bench = bench();
    assert_eq!(
        load(&mut bench, user("ann"), 0, None),
        Err(CommandError::Missing { what: "a ceremony for this key" })
    );
    begin(&mut bench, TRANSPORT, plan(2)).unwrap();
    assert_eq!(
        begin(&mut bench, TRANSPORT, plan(2)),
        Err(CommandError::Exists { what: "a ceremony for this key" })
    );
    // Whom the system vouches for may begin a ceremony and has no part in it, nor has an operator.
    let refused = Err(CommandError::Forbidden { act: Act::LoadComponent.name() });
    assert_eq!(load(&mut bench, root(), 0, None), refused);
    assert_eq!(load(&mut bench, user("oda"), 0, None), refused);
    let drawn = KeyCommand::Drawn { key: TRANSPORT, check_value: [9; 4] };
    ask(&mut bench, user("ann"), drawn).unwrap();
    not_now(load(&mut bench, user("ann"), 0, Some(record(7))), "meanwhile");
    load(&mut bench, user("ann"), 0, None).unwrap();
    not_now(load(&mut bench, user("ann"), 1, Some(record(7))), "one custodian brings one component");
    bench.crash();
    not_now(load(&mut bench, user("ann"), 1, Some(record(7))), "one custodian brings one component");
    not_now(load(&mut bench, user("ben"), 0, None), "meanwhile");
    let open = facts(&mut bench, TRANSPORT);
    assert_eq!(open.ceremony.unwrap().components, [("ann".parse().unwrap(), record(0))]);
    assert!(open.record.is_none(), "half a key is none");
    load(&mut bench, user("ben"), 1, Some(record(7))).unwrap();
    let done = facts(&mut bench, TRANSPORT);
    assert_eq!((done.record, done.ceremony), (Some(record(7)), None));
    let told: Vec<_> =
        bench.records.iter().rev().take(4).rev().map(|r| (r.actor.clone(), r.record.clone())).collect();
    assert_eq!(told[2], (user("ben"), Record::KeyComponentLoaded { key: TRANSPORT, component: record(1) }));
    assert_eq!(told[3], (user("ben"), Record::KeyInstalled { name: TRANSPORT, key: record(7) }));
    bench.crash();
    assert_eq!(facts(&mut bench, TRANSPORT).record, Some(record(7)));
}

#[test]
fn three_bring_three_and_what_is_cancelled_begins_anew() {
    let mut bench = bench();
    begin(&mut bench, TRANSPORT, plan(3)).unwrap();
    load(&mut bench, user("ann"), 0, None).unwrap();
    load(&mut bench, user("ben"), 1, None).unwrap();
    not_now(load(&mut bench, user("cid"), 2, None), "meanwhile");
    ask(&mut bench, root(), KeyCommand::Cancel { key: TRANSPORT, reason: why() }).unwrap();
    assert!(load(&mut bench, user("cid"), 2, Some(record(7))).is_err());
    begin(&mut bench, TRANSPORT, plan(3)).unwrap();
    for (who, before, sum) in [("cid", 0, None), ("ann", 1, None), ("ben", 2, Some(record(8)))] {
        load(&mut bench, user(who), before, sum).unwrap();
    }
    assert_eq!(facts(&mut bench, TRANSPORT).record, Some(record(8)));
}

#[test]
fn a_key_with_another_check_value_than_expected_is_refused() {
    let mut bench = bench();
    begin(&mut bench, TRANSPORT, KeyPlan { check_value: Some([7; 3]), ..plan(2) }).unwrap();
    load(&mut bench, user("ann"), 0, None).unwrap();
    not_now(load(&mut bench, user("ben"), 1, Some(record(8))), "check value");
    load(&mut bench, user("ben"), 1, Some(record(7))).unwrap();
}

#[test]
fn ceremonies_are_for_keys_that_people_bring() {
    let mut bench = bench();
    let named = |usage, owner| KeyName { usage, owner };
    for (key, plan, fine) in [
        (named(KeyUse::PinVerification, 0), plan(2), true),
        (named(KeyUse::IssuerCryptogram, 0), plan(2), true),
        (named(KeyUse::ZonePin, 1), plan(2), true),
        (named(KeyUse::ZonePin, 9), plan(2), false),
        (named(KeyUse::ZonePin, 70_000), plan(2), false),
        (named(KeyUse::TerminalMaster, 2), plan(2), true),
        (named(KeyUse::TerminalMaster, 99), plan(2), false),
        (named(KeyUse::TerminalPin, 0), plan(2), false),
        (named(KeyUse::TerminalMac, 0), plan(2), false),
        (named(KeyUse::TerminalTrack, 0), plan(2), false),
        (named(KeyUse::CardData, 2), plan(2), false),
        (named(KeyUse::CardHash, 0), plan(2), false),
        (TRANSPORT, plan(4), false),
        (TRANSPORT, KeyPlan { bytes: 8, ..plan(2) }, false),
    ] {
        assert_eq!(begin(&mut bench, key, plan).is_ok(), fine, "{key} {plan:?}");
    }
}

#[test]
fn keys_move_under_a_transport_key_and_replace_what_they_are() {
    let mut bench = bench();
    let terminal = KeyName { usage: KeyUse::TerminalMaster, owner: 0 };
    let pvk = KeyName { usage: KeyUse::PinVerification, owner: 0 };
    let moving =
        |key, way, record| KeyCommand::Move { key, under: TRANSPORT, way, check_value: [5; 4], record };
    let missing = Err(CommandError::Missing { what: "the transport key" });
    assert_eq!(ask(&mut bench, root(), moving(terminal, KeyMove::Injected, Some(record(5)))), missing);
    let install = || Command::InstallKey { name: TRANSPORT, key: record(1) };
    assert!(bench.command_as(root(), install()).is_err(), "nobody has one without a ceremony");
    bench.command_as(Actor::Installer, install()).unwrap();
    for (key, way, brought, fine) in [
        (terminal, KeyMove::Injected, Some(record(5)), true),
        (terminal, KeyMove::Injected, None, false),
        (pvk, KeyMove::Injected, Some(record(5)), false),
        (pvk, KeyMove::Exported, None, false),
        (pvk, KeyMove::Imported, Some(record(6)), true),
        (pvk, KeyMove::Exported, None, true),
        (pvk, KeyMove::Exported, Some(record(6)), false),
        (TRANSPORT, KeyMove::Imported, Some(record(6)), false),
    ] {
        let before = bench.records.len();
        let said = ask(&mut bench, root(), moving(key, way, brought));
        assert_eq!(said.is_ok(), fine, "{key} {way:?}: {said:?}");
        assert_eq!(bench.records.len() > before, fine, "{key} {way:?}");
    }
    assert_eq!(
        facts(&mut bench, terminal).record,
        Some(record(5)),
        "the terminal's next sign-on is under it"
    );
    bench.crash();
    assert_eq!(facts(&mut bench, terminal).record, Some(record(5)));
    assert_eq!(facts(&mut bench, pvk).record, Some(record(6)));
    let by_operator = moving(terminal, KeyMove::Injected, Some(record(9)));
    ask(&mut bench, user("oda"), by_operator).unwrap();
    let refused = ask(&mut bench, user("oda"), moving(pvk, KeyMove::Exported, None));
    assert_eq!(refused, Err(CommandError::Forbidden { act: "export-key" }));
}

fn change(now: u8, custodians: &[&str]) -> KeyCommand {
    let custodians = custodians.iter().map(|name| (name.parse().unwrap(), [now; 4])).collect();
    let change = LmkChange { before: [0; 4], now: [now; 4], custodians, reason: why() };
    KeyCommand::ChangeLmk(Box::new(change))
}

#[test]
fn two_or_three_custodians_change_the_local_master_key() {
    let mut bench = bench();
    for too_few_or_wrong in [&["ann"][..], &["ann", "ann"], &["ann", "ben", "cid", "ann"], &["ann", "oda"]] {
        ask(&mut bench, root(), change(1, too_few_or_wrong)).unwrap_err();
    }
    ask(&mut bench, user("oda"), change(1, &["ann", "ben"])).unwrap_err();
    // A component of another key goes along: the ceremony comes to its end under the next one.
    begin(&mut bench, TRANSPORT, plan(2)).unwrap();
    load(&mut bench, user("ann"), 0, None).unwrap();
    ask(&mut bench, root(), change(1, &["ann", "ben"])).unwrap();
    ask(&mut bench, root(), change(1, &["ann", "cid"])).unwrap_err();
    ask(&mut bench, root(), change(2, &["ann", "ben", "cid"])).unwrap();
    assert_eq!(bench.core.state().lmk(), Some([2; 4]));
    let retire = |value: u8| KeyCommand::RetireLmk { check_values: vec![[value; 4]], reason: why() };
    ask(&mut bench, root(), retire(2)).unwrap_err();
    ask(&mut bench, root(), retire(1)).unwrap();
    bench.crash();
    assert_eq!(bench.core.state().lmk(), Some([2; 4]), "a restart knows it");
    load(&mut bench, user("ben"), 1, Some(record(7))).unwrap();
    assert_eq!(facts(&mut bench, TRANSPORT).record, Some(record(7)));
}

fn waiting(bench: &mut Bench) -> Vec<(WaitingKey, KeyRecord)> {
    match ask(bench, Actor::Switch, KeyCommand::Waiting) {
        Ok(CommandOutcome::WaitingKeys(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_waits_is_translated_too_and_only_what_still_waits() {
    let mut bench = bench();
    let other = KeyName { owner: 2, ..TRANSPORT };
    begin(&mut bench, TRANSPORT, plan(3)).unwrap();
    begin(&mut bench, other, plan(2)).unwrap();
    load(&mut bench, user("ann"), 0, None).unwrap();
    load(&mut bench, user("ben"), 1, None).unwrap();
    let first = KeyCommand::Load { key: other, component: record(9), before: 0, sum: None };
    ask(&mut bench, user("ann"), first).unwrap();
    let given = waiting(&mut bench);
    assert_eq!(given.len(), 3);
    let anew = |record: &KeyRecord| KeyRecord { wrapped: WrappedKey("D-anew".into()), ..record.clone() };
    let translation =
        |(key, before): (WaitingKey, KeyRecord)| Translation { key, now: anew(&before), before };
    let mut keys: Vec<_> = given.into_iter().map(translation).collect();
    // One says to be another than it was; the ceremony of one ends meanwhile.
    keys[0].now.check_value = [99; 4];
    ask(&mut bench, root(), KeyCommand::Cancel { key: other, reason: why() }).unwrap();
    let outcome = ask(&mut bench, Actor::Switch, KeyCommand::TranslateWaiting { keys });
    assert_eq!(outcome, Ok(CommandOutcome::Changed { count: 1, unchanged: 2 }));
    bench.crash();
    let now: Vec<_> = waiting(&mut bench).into_iter().map(|(_, record)| record).collect();
    assert_eq!(now, [record(0), anew(&record(1))]);
    load(&mut bench, user("cid"), 2, Some(record(7))).unwrap();
    assert_eq!(waiting(&mut bench), []);
    ask(&mut bench, root(), KeyCommand::Waiting).unwrap_err();
    let by_hand = KeyCommand::TranslateWaiting { keys: Vec::new() };
    ask(&mut bench, root(), by_hand).unwrap_err();
}

#[test]
fn every_key_is_given_to_be_translated_and_only_what_is_still_the_same_is() {
    let mut bench = bench();
    bench.sign_on(0);
    let given = |bench: &mut Bench, from| match ask(bench, Actor::Switch, KeyCommand::Wrapped { from }) {
        Ok(CommandOutcome::Keys(keys)) => keys,
        other => panic!("{other:?}"),
    };
    let of_terminals = given(&mut bench, Some(TerminalIndex(0)));
    let uses: Vec<KeyUse> =
        of_terminals.iter().filter(|facts| facts.key.owner == 0).map(|facts| facts.key.usage).collect();
    assert_eq!(uses, [KeyUse::TerminalMaster, KeyUse::TerminalPin, KeyUse::TerminalMac]);
    let other = given(&mut bench, None);
    assert!(other.iter().any(|facts| facts.key.usage == KeyUse::ZonePin));
    let translation = |facts: &KeyFacts| {
        let before = facts.record.clone().unwrap();
        let now = KeyRecord { wrapped: WrappedKey("D-anew".into()), ..before.clone() };
        Translation { key: facts.key, before, now }
    };
    let mut keys: Vec<Translation> = of_terminals.iter().chain(&other).map(translation).collect();
    let all = keys.len();
    // One is another key by now, one says to be another key than it was.
    keys[0].before.wrapped = WrappedKey("D-other".into());
    keys[1].now.check_value = [99; 4];
    let outcome = ask(&mut bench, Actor::Switch, KeyCommand::Translate { keys });
    assert_eq!(outcome, Ok(CommandOutcome::Changed { count: all - 2, unchanged: 2 }));
    bench.crash();
    let anew = given(&mut bench, Some(TerminalIndex(0))).into_iter().chain(given(&mut bench, None));
    let anew = anew.filter(|facts| facts.record.as_ref().unwrap().wrapped.0 == "D-anew").count();
    assert_eq!(anew, all - 2);
    let by_hand = KeyCommand::Translate { keys: Vec::new() };
    ask(&mut bench, root(), by_hand).unwrap_err();
}

#[test]
fn nobody_brings_a_whole_key_outside_a_demonstration() {
    let mut bench = Bench::empty(CoreConfig::default());
    let genesis = Record::Genesis {
        partition: 0,
        acquirer: "48020000".parse().unwrap(),
        offset: UtcOffset::CHINA,
        day: BusinessDate(20_000),
        demo: false,
    };
    bench.command(Command::Genesis(Box::new(genesis))).unwrap();
    bench.command(Command::Register(Box::new(merchant_named(MERCHANTS[0])))).unwrap();
    let (id, _) = TERMINALS[0];
    let bind = |master_key| Command::Bind(Box::new(Terminal { master_key, ..terminal_named(id, 0) }));
    let add = |pin_key| Command::AddLink(Box::new(Link { pin_key, ..link_named("a") }));
    let install = |usage| Command::InstallKey { name: KeyName { usage, owner: 0 }, key: key() };
    for whole in [bind(key()), add(key()), install(KeyUse::PinVerification), install(KeyUse::TerminalMaster)]
    {
        assert_eq!(bench.command(whole), Err(CommandError::OnePersonsKey));
    }
    bench.command(bind(KeyRecord::to_come())).unwrap();
    bench.command(add(KeyRecord::to_come())).unwrap();
    bench.command(install(KeyUse::CardData)).unwrap();
    for usage in [KeyUse::TerminalMaster, KeyUse::ZonePin] {
        assert_eq!(facts(&mut bench, KeyName { usage, owner: 0 }).record, None);
    }
    bench.start();
    let sign_on = |bench: &mut Bench| {
        let body = Body::SignOn { stan: stan(1), form: KeyForm::Double };
        let ticket = bench.request_as(id, MERCHANTS[0], MacCheck::NotRequired, body);
        bench.code_of(ticket)
    };
    assert_eq!(sign_on(&mut bench), "A7", "working keys could not travel");
    // Whoever installs a product may bring what it is made with; people bring keys under another.
    bench.command_as(Actor::Installer, Command::InstallKey { name: TRANSPORT, key: record(1) }).unwrap();
    let injected = KeyCommand::Move {
        key: KeyName { usage: KeyUse::TerminalMaster, owner: 0 },
        under: TRANSPORT,
        way: KeyMove::Injected,
        check_value: [5; 4],
        record: Some(record(5)),
    };
    ask(&mut bench, root(), injected).unwrap();
    assert_eq!(sign_on(&mut bench), "00");
}
