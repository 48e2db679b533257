//! Key ceremonies, transport of keys, keys for terminals, and rotation while terminals are at work.

use crate::support::{Process, Ran, World, free_ports, switchyard, unhex};
use serde_json::{Value, json};
use switchyard_keys::{components, kcv, tr31};

const OWN: &str = "a horse by the sea";

fn as_user(world: &World, user: &str, arguments: &[&str], more: &str) -> Ran {
    let arguments = [&["--user", user, "--password-stdin", "--output", "json"], arguments].concat();
    Process::start(world.command(&arguments), &format!("{OWN}\n{more}")).finish()
}
fn custodian(world: &World, user: &str) {
    let add = ["user", "add", user, "--role", "key-custodian", "--password-stdin"];
    Process::start(world.command(&add), "set by somebody else\n").finish().expect(0);
    let own = ["user", "passwd", "--user", user, "--password-stdin"];
    Process::start(world.command(&own), &format!("set by somebody else\n{OWN}\n")).finish().expect(0);
}
fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Two custodians bring a key together; gives its bytes as they would know them if they talked.
fn ceremony(world: &World, key: &str, options: &[&str]) -> Vec<u8> {
    let init = [&["key", "init", key, "--exportable", "--reason", "a test"], options].concat();
    world.run(&init).expect(0);
    let drawn =
        ["ann", "ben"].map(|user| as_user(world, user, &["key", "component", key], "").expect(0).json());
    let parts = drawn.each_ref().map(|drawn| text(drawn, "component"));
    let loaded = as_user(world, "ann", &["key", "load", key], &format!("{}\n", parts[0])).expect(0).json();
    assert_eq!((&loaded["missing"], &loaded["component_kcv"]), (&json!(1), &drawn[0]["kcv"]));
    assert!(loaded["kcv"].is_null(), "half a key has no check value");
    let twice = as_user(world, "ann", &["key", "load", key], &format!("{}\n", parts[1])).expect(2);
    assert!(twice.stderr.contains("one custodian brings one component"), "{twice:?}");
    assert_eq!(json_of(world, &["key", "show", key])["state"], "1 of 2 components");
    let other = parts[0].clone();
    let same = as_user(world, "ben", &["key", "load", key], &format!("{other}\n")).expect(2);
    assert!(!same.stderr.contains(&other), "what was typed is not quoted: {same:?}");
    let done = as_user(world, "ben", &["key", "load", key], &format!("{}\n", parts[1])).expect(0).json();
    let parts = parts.map(|part| unhex(&part));
    let mut sum = components::combine(&[&parts[0], &parts[1]]).unwrap().expose().to_vec();
    if !options.contains(&"aes") {
        switchyard_keys::set_odd_parity(&mut sum);
    }
    let shown = json_of(world, &["key", "show", key]);
    assert_eq!((&shown["state"], &shown["kcv"]), (&json!("in force"), &done["kcv"]));
    sum
}

fn custodians_make_and_move_keys(world: &World) {
    custodian(world, "ann");
    custodian(world, "ben");
    let alone = world.run(&["key", "load", "transport/1"]).expect(2);
    assert!(!alone.stderr.is_empty());
    let transport = ceremony(world, "transport/1", &["--cipher", "aes", "--bits", "256"]);
    let zone = ceremony(world, "zone-pin/0", &[]);
    let kcv_of = |key: &[u8]| hex(&kcv(&switchyard_keys::DesKey::from_slice(key).unwrap())[..3]);
    assert_eq!(json_of(world, &["key", "show", "zone-pin/0"])["kcv"], kcv_of(&zone));

    // Out under the transport key and back in.
    let under = ["--under", "transport/1"];
    let out = as_user(world, "ann", &[&["key", "export-tr31", "zone-pin/0"], &under[..]].concat(), "");
    let block = text(&out.expect(0).json(), "block");
    let opened = tr31::unwrap(&transport, block.as_bytes()).unwrap();
    assert_eq!((opened.key.expose(), &block[5..7]), (&zone[..], "P0"));
    let import = [&["key", "import-tr31", "zone-pin/0"], &under[..]].concat();
    let back = as_user(world, "ben", &import, &block).expect(0).json();
    assert_eq!(back["kcv"], kcv_of(&zone));
    let damaged = block.replace(&block[40..44], if &block[40..44] == "0000" { "1111" } else { "0000" });
    as_user(world, "ben", &import, &damaged).expect(2);
    let fixed =
        as_user(world, "ann", &[&["key", "export-tr31", "pin-verification"], &under[..]].concat(), "");
    assert!(fixed.expect(2).stderr.contains("not exportable"));
    let other = [&["key", "import-tr31", "pin-verification"], &under[..]].concat();
    as_user(world, "ben", &other, &block).expect(2);

    // A terminal gets another master key: with it, it signs on.
    let tid = text(&world.made["terminals"][0], "tid");
    let injected = json_of(world, &[&["terminal", "inject-key", &tid], &under[..]].concat());
    let opened = tr31::unwrap(&transport, text(&injected, "block").as_bytes()).unwrap();
    assert_eq!(injected["kcv"], kcv_of(opened.key.expose()));
    crate::support::until("the projection to follow", || {
        json_of(world, &["terminal", "show", &tid])["kcv"]
            .as_str()
            .is_some_and(|kcv| kcv.starts_with(&text(&injected, "kcv")))
    });
    take_master_key(world, opened.key.expose());
}

/// What a key loader does: the terminal's own copy of its master key is another one from now on.
fn take_master_key(world: &World, key: &[u8]) {
    let path = world.data().join("demo.json");
    let mut told: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let check = kcv(&switchyard_keys::DesKey::from_slice(key).unwrap());
    told["terminals"][0]["tmk"] = hex(key).into();
    told["terminals"][0]["kcv"] = hex(&check).into();
    std::fs::write(&path, serde_json::to_vec(&told).unwrap()).unwrap();
}

/// Every act has its actor, key and check value in the ledger, and no byte of a component.
fn the_ledger_has_every_act(world: &World) {
    let exported = world.run(&["ledger", "export"]).expect(0).stdout;
    for (actor, record) in [
        ("\"operator\":", "key_ceremony_begun"),
        (r#"{"user":"ann"}"#, "key_component_drawn"),
        (r#"{"user":"ann"}"#, "key_component_loaded"),
        (r#"{"user":"ben"}"#, "key_installed"),
        (r#"{"user":"ann"}"#, "key_moved"),
    ] {
        let told = |line: &str| line.contains(actor) && line.contains(record);
        assert!(exported.lines().any(told), "{record} by {actor}");
    }
    assert!(!exported.contains("wrapped"));
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn custodians_make_keys_on_the_data_of_a_switch_that_does_not_run() {
    let world = World::make(&[]);
    custodians_make_and_move_keys(&world);
    the_ledger_has_every_act(&world);
    sales_of_the_first_terminal(&world);
}

#[test]
fn custodians_make_keys_at_a_running_switch() {
    let world = World::make(&[]);
    let serve = world.serve();
    custodians_make_and_move_keys(&world);
    let target = serve.terminals.to_string();
    sales(&world, &target);
    cryptograms_are_looked_at(&world, &target);
    let stderr = serve.stop();
    assert!(!stderr.contains(OWN));
    the_ledger_has_every_act(&world);
}

fn sales_of_the_first_terminal(world: &World) {
    let serve = world.serve();
    sales(world, &serve.terminals.to_string());
    serve.stop();
}

/// The first terminal signs on under its master key, which is another than at the beginning.
fn sales(world: &World, target: &str) {
    let sim = ["sim", "terminals", "--target", target, "--transactions", "10", "--terminals", "1"];
    let report = json_of(world, &[&sim[..], &["--well-behaved"]].concat());
    assert_eq!(report["errors_count"], 0, "{report}");
    assert!(report["approved"].as_u64().unwrap() > 0, "{report}");
}

/// The demo's chips are believed because of their keys: under another key of the issuer nobody believes them.
fn cryptograms_are_looked_at(world: &World, target: &str) {
    ceremony(world, "issuer-cryptogram", &[]);
    let sim = ["sim", "terminals", "--target", target, "--transactions", "80", "--terminals", "2"];
    let sim = [&sim[..], &["--well-behaved", "--output", "json"]].concat();
    let report = world.run(&sim).json();
    assert!(report["declined"]["05"].as_u64().is_some_and(|count| count > 0), "{report}");
    assert!(report["approved"].as_u64().unwrap() > 0, "what has no chip goes on: {report}");
}

#[test]
fn keys_change_while_terminals_are_at_work_and_nobody_is_declined() {
    let ports = free_ports::<2>();
    let ports = ports.map(|port| port.to_string()).join(",");
    let world = World::make(&["--issuer-ports", &ports]);
    let _issuers = Process::start(world.command(&["sim", "issuer"]), "");
    let serve = world.serve();
    world.wait_for_links();
    let target = serve.terminals.to_string();
    const TERMINALS: usize = 4;
    let (count, terminals) = ("4000", TERMINALS.to_string());
    let sim = ["sim", "terminals", "--target", &target, "--transactions", count, "--terminals", &terminals];
    let sim = [&sim[..], &["--well-behaved", "--output", "json"]].concat();
    let load = Process::start(world.command(&sim), "");
    let approved = || serve.metric("switch_requests_total");
    let mut rounds = 0;
    // Every round is under load: some hundreds of requests come between one and the next.
    for round in 1..=4_u64 {
        crate::support::until("terminals to be at work", || approved() > 600 * round);
        let key = json_of(&world, &["key", "rotate"])["key"].as_u64().unwrap();
        assert_eq!(key, round + 1);
        for terminal in 0..TERMINALS {
            let tid = text(&world.made["terminals"][terminal], "tid");
            world.run(&["terminal", "renew-keys", &tid, "--reason", "new working keys"]).expect(0);
        }
        rounds += 1;
    }
    assert!(rounds >= 3);
    let report = load.finish().expect(0).json();
    assert_eq!(report["declined"], json!({}), "{report}");
    assert_eq!((&report["errors_count"], &report["unknown"]), (&json!(0), &json!(0)));
    assert!(report["approved"].as_u64().unwrap() >= 3_500, "{report}");
    assert_eq!(serve.metric("switch_mac_failures_total"), 0);
    serve.stop();
    let signed_on = world.run(&["ledger", "export"]).expect(0).stdout.matches("signed_on").count();
    assert!(signed_on >= TERMINALS * (1 + 3), "{signed_on} sign-ons: working keys changed in every round");
    world.run(&["ledger", "verify"]).expect(0);
}

/// Another local master key, which two custodians bring; gives what was told.
fn another_lmk(world: &World) -> Value {
    let drawn = ["ann", "ben"].map(|_| text(&json_of(world, &["key", "component", "--lmk"]), "component"));
    let [ann, ben] = drawn;
    let rotate = ["key", "lmk", "rotate", "--custodian", "ann", "--custodian", "ben", "--reason", "a test"];
    let command = world.command(&[&rotate[..], &["--password-stdin", "--output", "json"]].concat());
    let ran = Process::start(command, &format!("{OWN}\n{ann}\n{OWN}\n{ben}\n")).finish().expect(0);
    for secret in [&ann, &ben, OWN] {
        assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret));
    }
    let whole = components::combine(&[&unhex(&ann), &unhex(&ben)]).unwrap();
    let check_value = hex(&switchyard_keys::lmk::aes_kcv(whole.expose()).unwrap()[..4]);
    let told = ran.json();
    assert_eq!(told["in_force"], check_value);
    assert_eq!(json_of(world, &["key", "lmk", "status"])["in_force"], check_value);
    told
}

/// Two people who can bring a key.
fn custodians(world: &World) {
    custodian(world, "ann");
    custodian(world, "ben");
}

#[test]
fn the_local_master_key_changes_on_the_data_of_a_switch_that_does_not_run() {
    let world = World::make(&[]);
    custodians(&world);
    let first = text(&json_of(&world, &["key", "lmk", "status"]), "in_force");
    let told = another_lmk(&world);
    assert_eq!(told["before"], json!([first]));
    assert!(told["translated"].as_u64().unwrap() > 16, "{told}");
    let serve = world.serve();
    sales(&world, &serve.terminals.to_string());
    serve.stop();
    let retired = json_of(&world, &["key", "lmk", "retire", "--reason", "a test"]);
    assert_eq!(retired["before"], json!([]));
    world.run(&["key", "lmk", "retire", "--reason", "a test"]).expect(2);
    sales_of_the_first_terminal(&world);
    let exported = world.run(&["ledger", "export"]).expect(0).stdout;
    let named =
        |line: &str| line.contains("lmk_changed") && line.contains("\"ann\"") && line.contains("\"ben\"");
    assert!(exported.lines().any(named), "who, and which check values");
    assert!(exported.contains("keys_translated") && exported.contains("lmk_retired"));
    assert!(!exported.contains("wrapped"));
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn the_local_master_key_changes_while_terminals_are_at_work_and_nobody_is_declined() {
    let ports = free_ports::<2>();
    let ports = ports.map(|port| port.to_string()).join(",");
    let world = World::make(&["--issuer-ports", &ports]);
    let _issuers = Process::start(world.command(&["sim", "issuer"]), "");
    let serve = world.serve();
    custodians(&world);
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "12000", "--terminals", "4"];
    let load =
        Process::start(world.command(&[&sim[..], &["--well-behaved", "--output", "json"]].concat()), "");
    let asked = || serve.metric("switch_requests_total");
    let mut meanwhile = 0;
    for round in 1..=3_u64 {
        crate::support::until("terminals to be at work", || asked() > 500 * round);
        let before = asked();
        let told = another_lmk(&world);
        meanwhile += asked() - before;
        assert!(told["translated"].as_u64().unwrap() > 16, "{told}");
        // Terminals sign on meanwhile: working keys come under the next one by themselves.
        let tid = text(&world.made["terminals"][0], "tid");
        world.run(&["terminal", "renew-keys", &tid, "--reason", "new working keys"]).expect(0);
        json_of(&world, &["key", "rotate"]);
    }
    let retired = json_of(&world, &["key", "lmk", "retire", "--reason", "a test"]);
    assert_eq!(retired["before"], json!([]));
    assert!(meanwhile > 0, "it was under load");
    let report = load.finish().expect(0).json();
    assert_eq!(report["declined"], json!({}), "{report}");
    assert_eq!((&report["errors_count"], &report["unknown"]), (&json!(0), &json!(0)));
    assert!(report["approved"].as_u64().unwrap() >= 10_000, "{report}");
    assert_eq!(serve.metric("switch_mac_failures_total"), 0);
    serve.stop();
    // What is on the disk opens under the one key that is left.
    sales_of_the_first_terminal(&world);
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn custodians_bring_the_local_master_key_together() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let command = |arguments: &[&str]| {
        let mut command = switchyard(["--data"]);
        command.arg(&data).args(arguments);
        command
    };
    let drawn = ["ann", "ben"].map(|_| {
        let arguments = ["key", "component", "--lmk", "--output", "json"];
        Process::start(command(&arguments), "").finish().expect(0).json()
    });
    let [ann, ben] = drawn.each_ref().map(|drawn| text(drawn, "component"));
    let init = ["init", "--acquirer", "48720000", "--lmk-components", "2"];
    let typed =
        |first: &str, second: &str| Process::start(command(&init), &format!("{first}\n{second}\n")).finish();
    for (first, second) in [(&ann[..], &ann[..]), (&ann[..], "0011"), (&ann[..], "no digits"), (&ann[..], "")]
    {
        let refused = typed(first, second).expect(2);
        assert!(!refused.stderr.contains(&ann), "what was typed is not quoted: {refused:?}");
        assert!(!data.exists(), "{second:?} made half a ledger");
    }
    let made = typed(&ann, &ben).expect(0);
    let whole = components::combine(&[&unhex(&ann), &unhex(&ben)]).unwrap();
    let check_value = hex(&switchyard_keys::lmk::aes_kcv(whole.expose()).unwrap()[..3]);
    for shown in [text(&drawn[0], "kcv"), text(&drawn[1], "kcv"), check_value] {
        assert!(made.stderr.contains(&shown), "{shown} in {}", made.stderr);
    }
    assert!(!made.stderr.contains(&ann) && !made.stderr.contains(&ben));
    let fees = ["fee-plan", "set", "1", "--debit-ppm", "3500", "--credit-ppm", "4500"];
    Process::start(command(&fees), "").finish().expect(0);
    Process::start(command(&["ledger", "verify"]), "").finish().expect(0);
}

/// A terminal of the world whose master key waits for it to be fetched.
fn offered(world: &World, tid: &str, more: &[&str]) -> String {
    let offer = ["terminal", "offer-key", tid, "--reason", "yearly change"];
    let kcv = text(&json_of(world, &[&offer[..], more].concat()), "kcv");
    crate::support::until("the projection to follow", || {
        json_of(world, &["terminal", "show", tid])["offered_key"]["kcv"] == kcv
    });
    kcv
}
fn fetching_sales(world: &World, target: &str) -> Value {
    let sim = ["sim", "terminals", "--target", target, "--transactions", "10", "--terminals", "1"];
    json_of(world, &[&sim[..], &["--well-behaved", "--fetch-keys"]].concat())
}

#[test]
fn a_terminal_fetches_its_master_key_while_custodians_change_the_one_that_it_waits_under() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let tid = text(&world.made["terminals"][0], "tid");
    custodians(&world);
    sales(&world, &target);
    let withdrawn = offered(&world, &tid, &["--hours", "1"]);
    world.run(&["terminal", "offer-key", &tid, "--reason", "again"]).expect(2);
    world.run(&["terminal", "withdraw-key", &tid, "--reason", "another day"]).expect(0);
    world.run(&["terminal", "withdraw-key", &tid, "--reason", "another day"]).expect(2);
    crate::support::until("the projection to follow", || {
        json_of(&world, &["terminal", "show", &tid])["offered_key"].is_null()
    });

    // A component waits under the local master key as the terminal's next key does; both go along to the next one.
    let kcv = offered(&world, &tid, &[]);
    assert_ne!(kcv, withdrawn);
    let init = ["key", "init", "transport/1", "--cipher", "tdes", "--reason", "a test"];
    world.run(&init).expect(0);
    let [ann, ben] = ["ann", "ben"].map(|user| {
        let drawn = as_user(&world, user, &["key", "component", "transport/1"], "").expect(0).json();
        text(&drawn, "component")
    });
    as_user(&world, "ann", &["key", "load", "transport/1"], &format!("{ann}\n")).expect(0);
    another_lmk(&world);
    json_of(&world, &["key", "lmk", "retire", "--reason", "a test"]);
    let loaded =
        as_user(&world, "ben", &["key", "load", "transport/1"], &format!("{ben}\n")).expect(0).json();
    let mut whole = components::combine(&[&unhex(&ann), &unhex(&ben)]).unwrap().expose().to_vec();
    switchyard_keys::set_odd_parity(&mut whole);
    assert_eq!(loaded["kcv"], hex(&kcv_of(&whole)[..3]));

    let report = fetching_sales(&world, &target);
    assert_eq!((&report["master_keys"], &report["errors_count"]), (&json!(1), &json!(0)), "{report}");
    assert!(report["approved"].as_u64().unwrap() > 0, "{report}");
    crate::support::until("the projection to follow", || {
        let shown = json_of(&world, &["terminal", "show", &tid]);
        shown["kcv"] == kcv && shown["offered_key"].is_null()
    });
    assert_eq!(fetching_sales(&world, &target)["master_keys"], 0, "it is taken once");
    // A first key for a device whose maker put the transport key in.
    offered(&world, &tid, &["--under", "transport/1"]);
    serve.stop();
    let exported = world.run(&["ledger", "export"]).expect(0).stdout;
    for record in
        ["terminal_key_offered", "terminal_key_taken", "terminal_key_withdrawn", "waiting_keys_translated"]
    {
        assert!(exported.contains(record), "{record}");
    }
    assert!(!exported.contains("wrapped") && !exported.contains("proof"));
    sales_of_the_first_terminal(&world);
    world.run(&["ledger", "verify"]).expect(0);
}

fn kcv_of(key: &[u8]) -> [u8; 4] {
    kcv(&switchyard_keys::DesKey::from_slice(key).unwrap())
}
