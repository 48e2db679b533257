//! Terminals are given parameters, keys and applications by command, and the simulated ones fetch them.

use crate::support::{World, until};
use serde_json::{Value, json};

const AID: &str = "9F0607A0000003330101 DF010100 9F08020020";
/// A key's objects with a modulus of one byte: it is carried, not used.
const CA_KEY: &str = "9F0605A000000333 9F22010B DF050420301231 DF02010D";

fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}

#[test]
fn what_is_set_by_command_is_fetched_by_terminals_at_their_next_sign_on() {
    let world = World::make(&[]);
    let serve = world.serve();
    assert_eq!(json_of(&world, &["download", "list"]), json!([]));
    for arguments in [
        &["download", "parameter", "12", "60"][..],
        &["download", "parameter", "22", "Tea House"],
        &["download", "add", "aid", AID],
        &["download", "add", "ca-key", CA_KEY],
    ] {
        assert_eq!(json_of(&world, arguments), json!({"recorded": true}), "{arguments:?}");
        assert_eq!(json_of(&world, arguments), json!({"recorded": false}), "{arguments:?}");
    }
    let listed = json_of(&world, &["download", "list"]);
    let named: Vec<_> = listed.as_array().unwrap().iter().map(|row| (&row["kind"], &row["name"])).collect();
    assert_eq!(
        named,
        [
            (&json!("parameter"), &json!("12")),
            (&json!("parameter"), &json!("22")),
            (&json!("ca-key"), &json!("a0000003330b")),
            (&json!("aid"), &json!("a0000003330101")),
        ]
    );
    let target = serve.terminals.to_string();
    let journal = world.root().join("journal");
    let terminals = ["sim", "terminals", "--target", &target, "--transactions", "20", "--journal"];
    let ran = world.run(&[&terminals[..], &[journal.to_str().unwrap()]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    until("terminals have everything", || {
        let rows = json_of(&world, &["download", "status"]);
        let whole = |row: &&Value| {
            (&row["parameters"], &row["ca_keys"], &row["aids"])
                == (&json!("current"), &json!("current"), &json!("current"))
        };
        rows.as_array().unwrap().iter().filter(whole).count() > 0
    });
    let remove = ["download", "remove", "ca-key", "A0000003330B", "--reason", "expired"];
    world.run(&remove).expect(0);
    world.run(&remove).expect(2);
    let rows = json_of(&world, &["download", "status"]);
    let standing = |row: &Value| (row["parameters"].clone(), row["ca_keys"].clone());
    let loaded = |row: &&Value| standing(row) == (json!("current"), json!("due"));
    let loaded = rows.as_array().unwrap().iter().find(loaded).expect("one that had the key")["tid"].clone();
    let loaded = loaded.as_str().unwrap();
    // Another value for one terminal: it alone has something to fetch, until it is taken back.
    let own = ["--terminal", loaded];
    let before = standings(&world);
    for (arguments, after) in [
        (&["parameter", "12", "30"][..], "due"),
        (&["remove", "parameter", "12", "--reason", "the pilot ends"], "current"),
    ] {
        world.run(&[&["download"], arguments, &own].concat()).expect(0);
        let now = standings(&world);
        assert_eq!(now[loaded], after, "{arguments:?}");
        assert!(now.iter().all(|(tid, had)| tid == loaded || before[tid] == *had), "{arguments:?}: {now:?}");
    }
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}

/// What each terminal is to do about its parameters.
fn standings(world: &World) -> std::collections::BTreeMap<String, String> {
    let rows = json_of(world, &["download", "status"]);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(row, "tid"), text(row, "parameters"))).collect()
}

#[test]
fn a_list_says_what_a_terminal_is_given_and_from_which_scope() {
    let world = World::make(&[]);
    let terminals = json_of(&world, &["terminal", "list"]);
    let of = |name: &str, at: usize| terminals[at][name].as_str().unwrap().to_owned();
    let (tid, mid) = (of("tid", 0), of("mid", 0));
    for (value, whose) in [("60", &[][..]), ("45", &["--merchant", &mid]), ("30", &["--terminal", &tid])] {
        world.run(&[&["download", "parameter", "12", value], whose].concat()).expect(0);
    }
    world.run(&["download", "add", "aid", AID, "--terminal", &tid]).expect(0);
    world.run(&["download", "parameter", "13", "3"]).expect(0);
    let aid = "9f0607a0000003330101df0101009f08020020";
    let row = |kind: &str, name: &str, content: &str, scope: &str, owner: Option<&str>| json!({"kind": kind, "name": name, "content": content, "scope": scope, "owner": owner});
    let (tries, pilot) = (
        row("parameter", "13", "3", "everybody", None),
        row("aid", "a0000003330101", aid, "terminal", Some(&tid)),
    );
    let everybodys = row("parameter", "12", "60", "everybody", None);
    let merchants = row("parameter", "12", "45", "merchant", Some(&mid));
    let own = row("parameter", "12", "30", "terminal", Some(&tid));
    for (whose, expected) in [
        (&[][..], json!([everybodys, tries, merchants, own, pilot])),
        (&["--merchant", &mid], json!([merchants, tries])),
        (&["--terminal", &tid], json!([own, tries, pilot])),
    ] {
        assert_eq!(json_of(&world, &[&["download", "list"], whose].concat()), expected, "{whose:?}");
    }
    let remove = ["download", "remove", "parameter", "12", "--reason", "as the others", "--terminal", &tid];
    world.run(&remove).expect(0);
    let again = world.run(&remove).expect(2);
    assert!(again.stderr.contains("download of this name and scope"), "{again:?}");
    let shown = json_of(&world, &["download", "list", "--terminal", &tid]);
    assert_eq!(shown, json!([merchants, tries, pilot]), "what is behind it");
    let table = world.run(&["download", "list", "--terminal", &tid]).expect(0).stdout;
    assert!(table.contains("merchant") && table.contains(&mid), "{table}");
    let status = world.run(&["download", "status", &tid, "--output", "json"]).expect(0).json();
    assert_eq!((&status["parameters"], &status["ca_keys"]), (&json!("due"), &json!("none")));
    for (arguments, code) in [
        (&["list", "--terminal", "T9999999"][..], 1),
        (&["list", "--merchant", "M99999999999999"], 1),
        (&["parameter", "12", "60", "--terminal", "T9999999"], 2),
        (&["parameter", "12", "60", "--terminal", &tid, "--merchant", &mid], 64),
    ] {
        assert_eq!(world.run(&[&["download"], arguments].concat()).code, code, "{arguments:?}");
    }
}

#[test]
fn what_no_terminal_could_use_is_refused() {
    let world = World::make(&[]);
    for (arguments, says) in [
        (&["parameter", "12", "6"][..], "has 1 characters and needs 2"),
        (&["parameter", "77", "1"], "terminal parameter 77 is not known"),
        (&["parameter", "13", "x"], "has to be digits"),
        (&["add", "aid", "9F06"], "not BER-TLV"),
        (&["add", "aid", "9F0"], "odd number"),
        (&["add", "ca-key", AID], "object 9F22 is missing"),
    ] {
        let ran = world.run(&[&["download"], arguments].concat()).expect(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    }
    assert_eq!(world.run(&["download", "status", "T9999999"]).code, 1);
}
