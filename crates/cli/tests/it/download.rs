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
                == (&json!("2/2"), &json!("1/1"), &json!("1/1"))
        };
        rows.as_array().unwrap().iter().filter(whole).count() > 0
    });
    let remove = ["download", "remove", "ca-key", "A0000003330B", "--reason", "expired"];
    world.run(&remove).expect(0);
    world.run(&remove).expect(2);
    let rows = json_of(&world, &["download", "status"]);
    assert!(rows.as_array().unwrap().iter().any(|row| row["ca_keys"] == "1/2"), "{rows}");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
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
