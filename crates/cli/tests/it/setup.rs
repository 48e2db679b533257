//! A switch is set up by commands alone, on its data and while it runs, and terminals can use what was set up.

use crate::support::{Process, Ran, World, run, switchyard};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};

const TMK: &str = "0123456789ABCDEFFEDCBA9876543210";

/// A data directory that is not a demo's.
struct Empty(tempfile::TempDir);

impl Empty {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        run(["init", "--acquirer", "48720000", "--data", path.to_str().unwrap()]).expect(0);
        Self(dir)
    }
    fn with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = switchyard(["--data"]);
        command.arg(self.0.path().join("data")).args(arguments);
        Process::start(command, input).finish()
    }
    fn run(&self, arguments: &[&str]) -> Ran {
        self.with(arguments, "")
    }
    fn json(&self, arguments: &[&str], input: &str) -> Value {
        self.with(&[arguments, &["--output", "json"]].concat(), input).expect(0).json()
    }
}

const MERCHANT: [&str; 15] = [
    "merchant",
    "add",
    "M00000000000001",
    "--name",
    "Tea House",
    "--mcc",
    "5812",
    "--fee-plan",
    "1",
    "--account-holder",
    "Tea House",
    "--account-number",
    "6222000011112222",
    "--account-cnaps",
    "102100099996",
];

#[test]
fn a_switch_is_set_up_without_the_demo() {
    let made = Empty::make();
    let refused = made.run(&MERCHANT).expect(2);
    assert!(refused.stderr.contains("fee-plan set 1"), "{refused:?}");
    made.run(&["fee-plan", "set", "1", "--debit-ppm", "3500", "--credit-ppm", "4500"]).expect(0);
    assert_eq!(made.json(&MERCHANT, ""), json!({"recorded": true}));
    assert!(made.run(&MERCHANT).expect(2).stderr.contains("merchant is registered already"));
    let terminal = ["terminal", "add", "T0000001", "--merchant", "M00000000000001", "--mac", "x919"];
    let link = ["link", "add", "harbour", "--address", "127.0.0.1:1"];
    nobody_brings_a_whole_key(&made, &[&terminal, &link]);
    assert_eq!(made.json(&terminal, ""), json!({"recorded": true, "kcv": null}));
    let shown = made.json(&["terminal", "show", "T0000001"], "");
    assert_eq!(
        (&shown["mid"], &shown["mac"], &shown["kcv"]),
        (&json!("M00000000000001"), &json!("x919"), &Value::Null)
    );
    let stray = ["terminal", "add", "T0000002", "--merchant", "NOBODY"];
    assert!(made.run(&stray).expect(2).stderr.contains("merchant add NOBODY"));
    assert_eq!(made.json(&link, ""), json!({"recorded": true, "kcv": null}));
    made.run(&["link", "add", "quay", "--address", "nowhere"]).expect(2);
    routes_and_limits(&made);
    made.run(&["ledger", "verify"]).expect(0);
}

/// Neither on the data nor at a running switch, and the refusal says how keys come.
fn nobody_brings_a_whole_key(made: &Empty, commands: &[&[&str]]) {
    let refuse = || {
        for command in commands {
            let refused = made.with(command, &format!("{TMK}\n")).expect(2);
            assert!(refused.stderr.contains("key init") && !refused.stderr.contains(TMK), "{refused:?}");
        }
    };
    refuse();
    let config = made.0.path().join("switchyard.toml");
    std::fs::write(&config, "[terminals]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n")
        .unwrap();
    let mut command = switchyard(["--data"]);
    command.arg(made.0.path().join("data")).args(["serve", "--config"]).arg(&config);
    let serve = crate::support::Serve::start(command);
    refuse();
    for (request, why) in [
        (json!({"command": "wrap-key", "usage": "terminal_master", "key": TMK}), "key init"),
        (json!({"command": "install-key"}), "not a request"),
    ] {
        let mut socket =
            std::os::unix::net::UnixStream::connect(made.0.path().join("data/admin.sock")).unwrap();
        socket.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        assert!(answer.contains(why) && !answer.contains(TMK), "{answer}");
    }
    assert!(serve.stop().contains("not PCI PIN compliant"));
}

fn routes_and_limits(made: &Empty) {
    let route = ["route", "add", "--prefix", "622588", "--class", "credit", "--issuer", "3010000"];
    made.run(&[&route[..], &["--link", "harbour"]].concat()).expect(0);
    made.run(&["route", "add", "--from", "6212", "--to", "6213", "--class", "debit", "--issuer", "1"])
        .expect(0);
    made.run(&["route", "add", "--from", "6214", "--to", "6213", "--class", "debit", "--issuer", "1"])
        .expect(2);
    made.run(&["route", "add", "--class", "debit", "--issuer", "1"]).expect(64);
    let again = made.run(&[&route[..], &["--link", "harbour"]].concat()).expect(2);
    assert!(again.stderr.contains("route is registered already"), "{again:?}");
    let listed = made.json(&["route", "list"], "");
    assert_eq!(listed["routes"][0]["link"], "harbour", "the narrowest first");
    assert_eq!(listed["routes"][1]["from"], "6212000000000000000");
    assert_eq!(listed["routes"][1]["to"], "6213999999999999999");
    let version = listed["version"].as_u64().unwrap();
    let remove = |version: u64| {
        let version = version.to_string();
        made.run(&[
            "route",
            "remove",
            "--prefix",
            "622588",
            "--reason",
            "moved",
            "--expect-version",
            &version,
        ])
    };
    let moved = remove(version - 1).expect(2);
    assert!(moved.stderr.contains("look again"), "{moved:?}");
    remove(version).expect(0);
    remove(version + 1).expect(2);
    let account = "wallet/M00000000000001/CNY";
    made.run(&["limit", "set", account, "--debit", "500"]).expect(0);
    made.run(&["limit", "set", account, "--closed", "true"]).expect(0);
    let limits = made.json(&["limit", "list"], "");
    let row = json!({"account": "Wallet/0/CNY", "debit_minor": 500, "credit_minor": null, "closed": true});
    assert_eq!(limits, json!([row]), "what is not given stays as it was");
}

#[test]
fn what_is_registered_while_the_switch_runs_is_in_force_at_once() {
    let world = World::make(&[]);
    let serve = world.serve();
    let with = |arguments: &[&str], input: &str| Process::start(world.command(arguments), input).finish();
    let mid = world.made["merchants"][0]["mid"].as_str().unwrap();
    // A demonstration takes its keys as they come, and looks at them all the same.
    for (digits, why) in [
        ("00".to_owned(), "32 or 48 hexadecimal digits"),
        ("0123456789ABCDEF".repeat(2), "weak"),
        (TMK.replace("0123", "1123"), "parity"),
    ] {
        let refused = with(&["terminal", "add", "T0009999", "--merchant", mid], &digits).expect(2);
        assert!(refused.stderr.contains(why) && !refused.stderr.contains("123456"), "{refused:?}");
    }
    let add = ["terminal", "add", "T0009999", "--merchant", mid, "--output", "json"];
    assert_eq!(with(&add, TMK).expect(0).json(), json!({"recorded": true, "kcv": "08D7B4"}));
    assert!(
        with(&["terminal", "add", "T0009999", "--merchant", mid], TMK).expect(2).stderr.contains("already")
    );
    crate::support::until("the projection to follow", || {
        with(&["terminal", "show", "T0009999"], "").code == 0
    });
    with(&["link", "add", "quay", "--address", "127.0.0.1:1"], TMK).expect(0);
    let links = with(&["link", "status", "--output", "json"], "").expect(0).json();
    assert!(links.as_array().unwrap().iter().any(|link| link["name"] == "quay"));
    with(&["route", "add", "--prefix", "99", "--class", "foreign", "--link", "quay", "--issuer", "9"], "")
        .expect(0);
    let listed = with(&["route", "list", "--output", "json"], "").expect(0).json();
    assert!(listed["routes"].as_array().unwrap().iter().any(|route| route["link"] == "quay"));
    serve.stop();
}

#[test]
fn a_day_is_replayed_against_another_table() {
    let world = crate::support::busy_world("150");
    let diff = |table: &Value| {
        let path = world.root().join("table.json");
        std::fs::write(&path, table.to_string()).unwrap();
        world.run(&["route", "diff", "--against", path.to_str().unwrap(), "--output", "json"])
    };
    let table = world.run(&["route", "list", "--output", "json"]).expect(0).json();
    let same = diff(&table).expect(0).json();
    assert!(same["compared"].as_u64().unwrap() > 20 && same["compared"] == same["same"], "{same}");
    let mut other = table.clone();
    other["routes"].as_array_mut().unwrap().retain(|route| !route["link"].is_null());
    let moved = diff(&other).expect(1).json();
    let row = &moved["moved"][0];
    assert_eq!((&row["from"], &row["to"]), (&json!("the embedded issuer"), &json!("nowhere (15)")));
    let count = |whole: &Value| {
        let rows = whole["moved"].as_array().unwrap().iter();
        rows.map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(
        count(&moved) + moved["same"].as_u64().unwrap(),
        moved["compared"].as_u64().unwrap(),
        "{moved}"
    );
    assert!(moved["moved"].as_array().unwrap().iter().all(|row| row["currency"] == "CNY"), "{moved}");
    assert!(moved["moved"].as_array().unwrap().iter().any(|row| row["kind"] == "sale"), "{moved}");
    assert_eq!(diff(&json!({"routes": [{"from": "x"}]})).expect(2).stdout, "");
}

#[test]
fn a_day_is_replayed_under_other_rules_that_choose_among_links() {
    let world = crate::support::busy_world("150");
    let links: Vec<&str> =
        world.made["links"].as_array().unwrap().iter().map(|link| link["name"].as_str().unwrap()).collect();
    let file = world.root().join("routing.toml");
    let test = |rules: &str, more: &[&str]| {
        std::fs::write(&file, rules).unwrap();
        let arguments = ["routing", "test", "--file", file.to_str().unwrap(), "--output", "json"];
        world.run(&[&arguments[..], more].concat())
    };
    let same = test("", &[]).expect(0).json();
    assert!(same["compared"].as_u64().unwrap() > 20 && same["compared"] == same["same"], "{same}");
    let rule = |rest: &str| {
        format!(
            "[[rules]]\nnumber = 1\nchoose = \"first\"\n{rest}\n[[rules.destinations]]\nlink = \"{}\"\n",
            links[1]
        )
    };
    let sum = |whole: &Value| {
        let rows = whole["moved"].as_array().unwrap().iter();
        rows.map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    let all = test(&rule(""), &[]).expect(1).json();
    let rows = all["moved"].as_array().unwrap();
    assert!(
        rows.iter().all(|row| (&row["from"], &row["to"]) == (&json!(links[0]), &json!(links[1]))),
        "{all}"
    );
    assert_eq!(sum(&all) + all["same"].as_u64().unwrap(), all["compared"].as_u64().unwrap(), "{all}");
    // A rule's scope decides: amounts above what nobody paid move nothing, sales are a part of all.
    let none = test(&rule("about = { minor_min = 99_000_000_000 }"), &[]).expect(0).json();
    assert_eq!((&none["same"], sum(&none)), (&none["compared"], 0));
    let sales = test(&rule("about = { kinds = [\"sale\"] }"), &[]).expect(1).json();
    assert!(sales["moved"].as_array().unwrap().iter().all(|row| row["kind"] == "sale"), "{sales}");
    assert!(sum(&sales) > 0 && sum(&sales) < sum(&all), "{sales} of {all}");
    // Halves by weight, to one transaction.
    let halves = rule("").replace("first", "weight")
        + &format!("[[rules.destinations]]\nlink = \"{}\"\nweight = 1\n", links[0]);
    let halves = test(&halves, &[]).expect(1).json();
    let went = |from: usize, to: usize| {
        let rows = halves["moved"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["from"] == links[from] && row["to"] == links[to]);
        rows.map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(went(0, 1) > 0 && went(1, 0) > 0, "{halves}");
    // With another table beside: nobody is the embedded issuer's any more, and rules do not say otherwise.
    let mut table = world.run(&["route", "list", "--output", "json"]).expect(0).json();
    table["routes"].as_array_mut().unwrap().retain(|route| !route["link"].is_null());
    let path = world.root().join("table.json");
    std::fs::write(&path, table.to_string()).unwrap();
    let both = test(&rule(""), &["--against", path.to_str().unwrap()]).expect(1).json();
    assert!(sum(&both) > sum(&all), "{both}");
    assert_eq!(test("", &["--day", "2001-01-01"]).expect(0).json()["compared"], 0);
    assert!(test(&rule("about = { kinds = [\"void\"] }"), &[]).expect(2).stderr.contains("Void"));
    world.run(&["routing", "test"]).expect(64);
    let rules = world.run(&["routing", "list", "--output", "json"]).expect(0).json();
    assert_eq!(rules["version"], 0, "nothing is set");
}
