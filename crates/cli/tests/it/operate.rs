//! Operators' hands, beside a running switch and on the data of one that does not run.

use crate::support::{Process, Ran, World, free_ports, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

const WHY: [&str; 2] = ["--reason", "a test"];
/// A well-known test card.
const CARD: &str = "4111111111111111";

fn json(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}
fn order(world: &World, arguments: &[&str]) -> Value {
    json(world, &[arguments, &WHY].concat())
}
fn with_input(world: &World, arguments: &[&str], input: &str) -> Ran {
    Process::start(world.command(arguments), input).finish()
}
/// A row of a list by one of its fields.
fn row(rows: &Value, name: &str, value: &str) -> Value {
    let rows = rows.as_array().unwrap();
    rows.iter().find(|row| row[name] == value).unwrap_or_else(|| panic!("{value} in {rows:?}")).clone()
}
fn named<'v>(world: &'v World, kind: &str, field: &str) -> &'v str {
    world.made[kind][0][field].as_str().unwrap()
}

/// What can be ordered of terminals, merchants, cards and batches, whoever carries it out.
fn orders_do_what_they_say(world: &World) {
    let (tid, mid) = (named(world, "terminals", "tid"), named(world, "merchants", "mid"));
    let recorded = |value: bool| json!({"recorded": value});
    for (kind, id) in [("terminal", tid), ("merchant", mid)] {
        for (what, disabled) in [("disable", true), ("enable", false)] {
            assert_eq!(order(world, &[kind, what, id]), recorded(true), "{kind} {what}");
            assert_eq!(order(world, &[kind, what, id]), recorded(false), "{kind} {what} again");
            until("the projection to follow", || json(world, &[kind, "show", id])["disabled"] == disabled);
        }
    }
    let refused = world.run(&["terminal", "disable", "NOBODY", "--reason", "x"]).expect(2);
    assert!(refused.stderr.contains("terminal is not registered"), "{refused:?}");
    world.run(&["terminal", "disable", tid]).expect(64);
    world.run(&["terminal", "disable", tid, "--reason", "two\nlines"]).expect(64);
    let before = json(world, &["batch", "show", tid]);
    let number = before["batch"].as_u64().unwrap() + 5;
    let reset = ["terminal", "reset-batch", tid, "--number", &number.to_string()];
    if before["transactions"] == 0 {
        assert_eq!(order(world, &reset), recorded(true));
        assert_eq!(json(world, &["batch", "show", tid])["batch"], number);
    } else {
        let refused = world.run(&[&reset[..], &WHY].concat()).expect(2);
        assert!(refused.stderr.contains("force-close it first"), "{refused:?}");
    }
    world.run(&["batch", "show", "NOBODY"]).expect(1);
    let close = ["batch", "force-close", tid, "--batch", "999", "--reason", "x"];
    assert!(world.run(&close).expect(2).stderr.contains("batch show"));
    world.run(&["case", "show", "0"]).expect(1);
    assert_eq!(json(world, &["case", "list", "--all"]), json!([]));
    let refused = world.run(&["case", "resolve", "0", "--as", "adjusted", "--reason", "x"]).expect(2);
    assert!(refused.stderr.contains("open case is not registered"), "{refused:?}");
    assert!(
        world.run(&["saf", "retry", "99", "--reason", "x"]).expect(2).stderr.contains("store-and-forward")
    );
    hot_cards(world);
}

fn hot_cards(world: &World) {
    let block = ["card", "block", "--cause", "stolen", "--reason", "called", "--output", "json"];
    let changed = |count, unchanged| json!({"recorded": count > 0, "changed": count, "unchanged": unchanged});
    assert_eq!(with_input(world, &block, CARD).expect(0).json(), changed(1, 0));
    assert_eq!(with_input(world, &block, CARD).expect(0).json(), changed(0, 1));
    let listed = json(world, &["card", "list"]);
    let hot = row(&listed, "card", "411111******1111");
    assert_eq!(
        (&hot["cause"], &hot["code"], &hot["reason"]),
        (&"stolen".into(), &"43".into(), &"called".into())
    );
    let wrong = with_input(world, &block, "4111111111111112").expect(2);
    assert!(wrong.stderr.contains("check digit") && !wrong.stderr.contains("4111"), "{wrong:?}");
    let list = format!("{CARD}\n5500005555555559,lost\n340000000000009 # called\n");
    let import = ["card", "import", "-", "--cause", "restricted", "--reason", "a list", "--output", "json"];
    assert_eq!(with_input(world, &import, &list).expect(0).json(), changed(3, 0), "one for another cause");
    let bad = with_input(world, &import, "5500005555555550\nfine\n5500005555555559\n").expect(1);
    let lines: Vec<_> = bad.json()["errors"].as_array().unwrap().iter().map(|e| e["line"].clone()).collect();
    assert_eq!(lines, [1, 2]);
    assert!(!bad.stderr.contains("5500"), "{bad:?}");
    assert_eq!(json(world, &["card", "list"]).as_array().unwrap().len(), 3);
    with_input(world, &["card", "unblock", "--reason", "found"], CARD).expect(0);
    let hash = row(&json(world, &["card", "list"]), "card", "340000*****0009");
    let hash = hash["card_hash"].as_str().unwrap().to_owned();
    order(world, &["card", "unblock", "--card-hash", &hash]);
    assert_eq!(json(world, &["card", "list"]).as_array().unwrap().len(), 1);
    with_input(world, &["card", "unblock", "--reason", "found"], CARD).expect(2);
    let last = ["card", "unblock", "--reason", "end"];
    with_input(world, &last, "5500 0055 5555 5559\n").expect(0);
}

#[test]
fn orders_are_carried_out_on_the_data_of_a_switch_that_does_not_run() {
    let world = World::make(&[]);
    orders_do_what_they_say(&world);
    let link = named(&world, "links", "name");
    assert_eq!(order(&world, &["link", "drain", link]), json!({"recorded": true}));
    assert_eq!(order(&world, &["link", "down", link]), json!({"recorded": true}));
    let status = row(&json(&world, &["link", "status"]), "name", link);
    assert_eq!((&status["mode"], &status["status"]), (&"down".into(), &"not running".into()));
    let refused = world.run(&["link", "sign-on", link, "--reason", "x"]).expect(2);
    assert!(refused.stderr.contains("no connection"), "{refused:?}");
    let refused = world.run(&["config", "reload"]).expect(2);
    assert!(refused.stderr.contains("no switch serves"), "{refused:?}");
    world.run(&["ledger", "verify"]).expect(0);
    let nothing = world.run(&["transaction", "search", "--limit", "1", "--output", "json"]).expect(1);
    assert_eq!(nothing.json(), json!([]));
}

#[test]
fn orders_are_carried_out_by_a_running_switch_and_outlive_it() {
    let ports = free_ports::<2>();
    let ports = ports.map(|port| port.to_string()).join(",");
    let world = World::make(&["--issuer-ports", &ports]);
    let _issuers = Process::start(world.command(&["sim", "issuer"]), "");
    let serve = world.serve();
    world.wait_for_links();
    orders_do_what_they_say(&world);
    let link = named(&world, "links", "name");
    let status = |world: &World| row(&json(world, &["link", "status"]), "name", link);
    until("the link to be signed on", || status(&world)["status"] == "signed-on");
    order(&world, &["link", "sign-on", link]);
    nobody_acts_as_another(&world);
    order(&world, &["link", "drain", link]);
    assert_eq!(
        (status(&world)["mode"].clone(), status(&world)["status"].clone()),
        ("draining".into(), "signed-on".into())
    );
    order(&world, &["link", "down", link]);
    until("the connection to go", || status(&world)["status"] == "down");
    assert_eq!(world.status()["links"][0]["up"], false);
    serve.stop();
    let serve = world.serve();
    assert_eq!(status(&world)["mode"], "down", "after a restart as well");
    order(&world, &["link", "up", link]);
    until("the link to be signed on", || status(&world)["status"] == "signed-on");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}

/// The socket believes the system and not what a request says of its sender.
fn nobody_acts_as_another(world: &World) {
    let answer = |request: Value| {
        let mut stream = UnixStream::connect(world.data().join("admin.sock")).unwrap();
        writeln!(stream, "{request}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let refused = answer(json!({"command": "day-cut", "operator": "somebody-else"}));
    assert_eq!(refused["ok"], false);
    assert!(refused["error"].as_str().unwrap().contains("uid"), "{refused}");
    assert_eq!(answer(json!({"command": "digest"}))["ok"], true);
}

#[test]
fn a_batch_is_closed_and_its_money_is_settled() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "80", "--terminals", "2"];
    world.run(&[&sim[..], &["--well-behaved", "--leave-open"]].concat()).expect(0);
    let open = json(&world, &["batch", "list"]);
    let open = open.as_array().unwrap();
    assert!(!open.is_empty());
    for batch in open {
        let (tid, number) = (batch["terminal"].as_str().unwrap(), batch["batch"].to_string());
        let shown = json(&world, &["batch", "show", tid]);
        assert_eq!(shown["listed"].as_array().unwrap().len() as u64, batch["transactions"].as_u64().unwrap());
        assert_eq!(
            order(&world, &["batch", "force-close", tid, "--batch", &number]),
            json!({"recorded": true})
        );
        let now = json(&world, &["batch", "show", tid]);
        assert_eq!((&now["transactions"], &now["closed_before"]), (&json!(0), &batch["batch"]));
    }
    assert_eq!(json(&world, &["batch", "list"]), json!([]));
    closed_batches_are_told(&world, open);
    serve.stop();
    let config = world.config();
    let config = ["--config", config.to_str().unwrap()];
    world.run(&[&["day"], &config[..], &["cut"]].concat()).expect(0);
    let planned = world.run(&[&["settle"], &config[..], &["run", "--dry-run", "--output", "json"]].concat());
    assert_eq!(planned.expect(0).json()["blockers"]["open_batches"], 0);
    world.run(&["ledger", "verify"]).expect(0);
}

/// Each of them with its totals, by whom it was closed, and why.
fn closed_batches_are_told(world: &World, were_open: &[Value]) {
    for was in were_open {
        let (tid, number) = (was["terminal"].as_str().unwrap(), was["batch"].to_string());
        let closed = json(world, &["batch", "list", "--closed", "--terminal", tid]);
        let last = &closed.as_array().unwrap()[0];
        for field in ["batch", "debit_minor", "credit_minor"] {
            assert_eq!(last[field], was[field], "{field} of {last}");
        }
        assert_eq!((&last["verdict"], &last["reason"]), (&json!("forced"), &json!("a test")));
        assert!(last["closed_by"]["operator"].is_string(), "{last}");
        let shown = json(world, &["batch", "show", tid, "--batch", &number]);
        assert_eq!((&shown["closed_at"], &shown["terminal_totals"]), (&last["closed_at"], &Value::Null));
        assert!(shown["host_totals"]["domestic"].is_object(), "{shown}");
        world.run(&["batch", "show", tid, "--batch", "999999"]).expect(1);
    }
    let every = json(world, &["batch", "list", "--closed"]);
    assert!(every.as_array().unwrap().len() >= were_open.len());
    let one = json(world, &["batch", "list", "--closed", "--limit", "1"]);
    assert_eq!(one.as_array().unwrap()[..], every.as_array().unwrap()[..1], "the newest");
    world.run(&["batch", "list", "--closed", "--terminal", "NOBODY"]).expect(1);
}

#[test]
fn a_configuration_is_read_again_as_far_as_that_goes() {
    let world = World::make(&[]);
    let serve = world.serve();
    assert_eq!(json(&world, &["config", "reload"]), json!({"applied": [], "restart": []}));
    let text = std::fs::read_to_string(world.config()).unwrap();
    let changed = text.replace("[core]\n", "[core]\npin_tries_max = 5\n");
    std::fs::write(world.config(), &changed).unwrap();
    assert_eq!(json(&world, &["config", "reload"])["applied"], json!(["core.pin_tries_max"]));
    assert_eq!(json(&world, &["config", "reload"])["applied"], json!([]), "it is in force");
    std::fs::write(world.config(), changed.replace("[links]\n", "[links]\ncredit_max = 7\n")).unwrap();
    let waits = world.run(&["config", "reload"]).expect(1);
    assert!(waits.stdout.contains("links.credit_max: waits for a start"), "{waits:?}");
    std::fs::write(world.config(), changed.replace("pin_tries_max = 5", "pin_tries_max = 0")).unwrap();
    let wrong = world.run(&["config", "reload"]).expect(2);
    assert!(wrong.stderr.contains("core.pin_tries_max"), "{wrong:?}");
    serve.stop();
}

#[test]
fn a_transaction_is_explained_whole_and_masked() {
    let world = crate::support::busy_world("120");
    let all = json(&world, &["transaction", "search", "--limit", "100000"]);
    let kinds = ["decided", "resolved", "reversal"];
    let mut seen: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    for told in all.as_array().unwrap() {
        let rrn = told["rrn"].as_str().unwrap();
        let explained = json(&world, &["explain", "transaction", rrn]);
        let head = &explained["transaction"];
        assert_eq!((&head["outcome"], &head["code"]), (&told["outcome"], &told["code"]), "{rrn}");
        let records: Vec<_> =
            explained["events"].as_array().unwrap().iter().map(|e| e["sequence"].clone()).collect();
        for sequence in told["records"].as_array().unwrap() {
            assert!(records.contains(sequence), "{rrn}: {sequence} of {records:?}");
        }
        for event in explained["events"].as_array().unwrap() {
            let name = event["record"].as_str().unwrap().to_lowercase();
            seen.extend(kinds.iter().copied().filter(|kind| name.contains(kind)));
            assert!(event["decision"].as_array().is_some_and(|d| !d.is_empty()), "{event}");
        }
        if seen.len() >= 2 && records.len() > 1 {
            break;
        }
    }
    let rrn = all[0]["rrn"].as_str().unwrap();
    let text = world.run(&["explain", "transaction", rrn]).expect(0).stdout;
    assert!(text.contains("<- ") && text.contains("-> reply") && text.contains("== "), "{text}");
    world.run(&["explain", "transaction", "000000000000"]).expect(1);
    world.run(&["explain", "transaction", "nonsense"]).expect(1);
}

#[test]
fn every_command_shows_an_example_of_itself() {
    for (command, kinds) in [
        ("link", "add change status up down drain sign-on bill match"),
        ("rate", "set list quote"),
        ("saf", "list retry resolve"),
        ("batch", "list show force-close"),
        ("case", "list show resolve"),
        ("card", "list block unblock import"),
        (
            "terminal",
            "add change disable enable reset-batch force-sign-on renew-keys inject-key offer-key withdraw-key",
        ),
        ("merchant", "add change disable enable"),
        ("route", "list add remove diff"),
        ("fee-plan", "list set"),
        ("limit", "list set"),
        ("explain", "transaction"),
        ("transaction", "search"),
        ("config", "reload"),
        ("key", "init component load cancel show export-tr31 import-tr31"),
        ("user", "add list show disable enable unlock roles passwd"),
    ] {
        for kind in kinds.split(' ') {
            let help = crate::support::run([command, kind, "--help"]).expect(0).stdout;
            // A long example is wrapped.
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            let (_, example) = help.split_once("Example:").unwrap_or_else(|| panic!("{help}"));
            assert!(example.contains(&format!("switchyard {command} {kind}")), "{example}");
        }
    }
}
