//! Checkpoints, proofs and witnesses on the command line.

use crate::support::{Ran, World, busy_world, run};
use serde_json::{Value, json};
use std::fs;

/// The verifier key that a command tells on stderr.
fn key_of(ran: &Ran) -> String {
    let line = ran.stderr.lines().find_map(|line| line.strip_prefix("verifier key: "));
    line.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

#[test]
fn a_proof_is_checked_with_nothing_but_itself_and_the_key() {
    let world = busy_world("60");
    let path = world.root().join("record.proof");
    let path = path.to_str().unwrap();
    let ran = world.run(&["ledger", "prove", "--record", "40", "--out", path]).expect(0);
    assert!(ran.stdout.is_empty(), "{ran:?}");
    let key = key_of(&ran);
    let record = world.run(&["ledger", "export"]).expect(0).json_lines()[40].clone();
    fs::rename(world.data(), world.root().join("away")).unwrap();

    let verify = ["ledger", "verify", "--proof", path, "--key", &key, "--output", "json"];
    let verified = run(verify).expect(0).json();
    assert_eq!((&verified["verified"], &verified["index"]), (&json!(true), &json!(40)));
    assert_eq!(verified["record"]["at"], record["at"]);
    assert!(
        run(["ledger", "verify", "--proof", path, "--key", &key]).expect(0).stdout.ends_with("verified\n")
    );

    let whole = fs::read_to_string(path).unwrap();
    let extra = whole.lines().find(|line| line.starts_with("extra ")).unwrap();
    let other = extra.replacen("extra AQ", "extra AR", 1);
    let path_hash = whole.lines().nth(3).unwrap();
    for (what, text) in [
        ("another index", whole.replacen("index 40", "index 41", 1)),
        (
            "another record",
            whole.replacen(extra, &if other == extra { format!("{extra}AAAA") } else { other }, 1),
        ),
        ("a hash of the path", whole.replacen(path_hash, &"A".repeat(43).to_owned().add_pad(), 1)),
        ("a cut", whole[..whole.len() / 2].to_owned()),
        ("nothing", String::new()),
    ] {
        fs::write(path, text).unwrap();
        let found = run(verify).expect(1).json();
        assert!(found["verified"] == false && found["finding"].is_string(), "{what}: {found}");
    }
    fs::write(path, &whole).unwrap();
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    run(["ledger", "verify", "--proof", path, "--key", stranger]).expect(1);
    run(["ledger", "verify", "--proof", path]).expect(64);
    run(["ledger", "verify", "--proof", path, "--key", "no key"]).expect(64);
    run(["ledger", "verify", "--proof", "no-such-file", "--key", &key]).expect(2);
}

trait AddPad {
    fn add_pad(self) -> String;
}

impl AddPad for String {
    fn add_pad(mut self) -> String {
        self.push('=');
        self
    }
}

#[test]
fn a_record_that_the_ledger_does_not_have_is_not_proven() {
    let world = World::make(&[]);
    world.run(&["ledger", "prove", "--record", "99999999"]).expect(2);
    world.run(&["ledger", "prove"]).expect(64);
    let shown = world.run(&["ledger", "prove", "--record", "0"]).expect(0);
    assert!(shown.stdout.starts_with("c2sp.org/tlog-proof@v1\n"), "{shown:?}");
    let value = world.run(&["ledger", "prove", "--record", "0", "--output", "json"]).expect(0).json();
    assert_eq!(value["proof"].as_str().unwrap().trim_end(), shown.stdout.trim_end());
}

#[test]
fn a_witness_sees_a_ledger_that_was_changed_or_cut() {
    let world = busy_world("60");
    let config = world.config();
    let kept = world.root().join("kept");
    let checkpoint = |world: &World| {
        let ran = world.run(&["ledger", "checkpoint"]).expect(0);
        fs::write(&kept, fs::read_to_string(&kept).unwrap_or_default() + &ran.stdout).unwrap();
        key_of(&ran)
    };
    let key = checkpoint(&world);
    world.run(&["day", "--config", config.to_str().unwrap(), "cut"]).expect(0);
    assert_eq!(checkpoint(&world), key, "the key stays");
    let witness = ["ledger", "verify", "--witness", kept.to_str().unwrap(), "--output", "json"];
    let with_key = [&witness[..], &["--key", &key]].concat();
    for arguments in [&witness[..], &with_key] {
        let verified = world.run(arguments).expect(0).json();
        let kept: &Value = &verified["witness"];
        assert_eq!(kept.as_array().unwrap().len(), 2);
        assert!(kept.as_array().unwrap().iter().all(|one| one["consistent"] == true), "{kept}");
    }
    // The same records in a ledger that lost its last day: shorter than what the witness saw.
    let short = world.root().join("short");
    let count = world.run(&["ledger", "checkpoint", "--output", "json"]).expect(0).json();
    let fewer = (count["size"].as_u64().unwrap() - 1).to_string();
    let data = world.data();
    run(["ledger", "restore", "--from", data.to_str().unwrap(), "--to-seq", &fewer, short.to_str().unwrap()])
        .expect(0);
    let found = run([&with_key[..], &["--data", short.to_str().unwrap()]].concat()).expect(1).json();
    assert_eq!(found["verified"], false, "another ledger id, and fewer records: {found}");
    fs::write(&kept, "not a checkpoint").unwrap();
    world.run(&with_key).expect(2);
    fs::write(&kept, "").unwrap();
    world.run(&with_key).expect(2);
}

#[test]
fn the_key_of_checkpoints_lies_where_the_configuration_keeps_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (data, keys, config) = (dir.path().join("data"), dir.path().join("safe"), dir.path().join("c.toml"));
    fs::write(&config, format!("[keys]\ndir = {:?}\n[ledger]\nsegment_mib = 1\n", keys.to_str().unwrap()))
        .unwrap();
    let (data, config) = (data.to_str().unwrap(), config.to_str().unwrap());
    run(["init", "--demo", "--data", data, "--config", config]).expect(0);
    let ran = run(["ledger", "checkpoint", "--data", data, "--config", config]).expect(0);
    assert!(keys.join("ledger-checkpoint").exists() && keys.join("card-data/00001").exists());
    assert!(!std::path::Path::new(data).join("keys").exists());
    let proof = run(["ledger", "prove", "--record", "1", "--data", data, "--config", config]).expect(0);
    assert_eq!(key_of(&proof), key_of(&ran));
    let kept = dir.path().join("kept");
    fs::write(&kept, &ran.stdout).unwrap();
    let verify = ["ledger", "verify", "--witness", kept.to_str().unwrap(), "--data", data];
    run([&verify[..], &["--config", config]].concat()).expect(0);
    run(verify).expect(2);
}
