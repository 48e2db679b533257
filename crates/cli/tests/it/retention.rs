//! Card data is shredded by destroying the key of its period; nothing else about the ledger changes.

use crate::support::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A day that no test is run after.
const TOMORROW: &str = "2999-01-01";

fn trade(world: &World, target: &str, seed: &str) {
    let sim = ["sim", "terminals", "--target", target, "--transactions", "60", "--terminals", "3"];
    world.run(&[&sim[..], &["--seed", seed]].concat()).expect(0);
}

fn key_file(world: &World, id: u32) -> std::path::PathBuf {
    world.data().join(format!("keys/card-data/{id:05}"))
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Every wrapped key and every file of the data directory, searched for the text of a wrapped key.
fn is_anywhere(world: &World, wrapped: &str) -> bool {
    let found = files(&world.data());
    found.values().any(|bytes| bytes.windows(wrapped.len()).any(|window| window == wrapped.as_bytes()))
}

#[test]
fn shredding_a_period_leaves_the_ledger_whole_and_the_day_settled_alike() {
    let world = World::make(&[]);
    let config = world.config();
    let config = ["--config", config.to_str().unwrap()];
    // `day` and `settle` take the configuration before their own commands, the others behind.
    let run = |arguments: &[&str]| {
        let place = if matches!(arguments[0], "day" | "settle") { 1 } else { arguments.len() };
        world.run(&[&arguments[..place], &config[..], &arguments[place..]].concat())
    };
    let serve = world.serve();
    trade(&world, &serve.terminals.to_string(), "1");
    serve.stop();
    run(&["day", "cut"]).expect(0);
    let day = world.run(&["day", "status", "--output", "json"]).expect(0).json();
    let day = day[0]["day"].as_str().unwrap().to_owned();
    let planned = run(&["settle", "run", "--dry-run", "--output", "json"]).expect(0).json();
    let before = world.run(&["ledger", "query", "--limit", "100000", "--output", "json"]).expect(0).json();
    let segments: Vec<_> = world.segments().iter().map(|path| std::fs::read(path).unwrap()).collect();

    assert_eq!(
        run(&["key", "shred", "--before", TOMORROW, "--reason", "x", "--dry-run"]).code,
        1,
        "none yet"
    );
    assert_eq!(run(&["key", "rotate", "--output", "json"]).expect(0).json(), json!({"key": 2}));
    let wrapped = std::fs::read_to_string(key_file(&world, 1)).unwrap().lines().nth(2).unwrap().to_owned();
    assert!(is_anywhere(&world, &wrapped));

    // Wrong usage and a trial destroy nothing.
    run(&["key", "shred", "--before", TOMORROW, "--reason", "retention"]).expect(64);
    run(&["key", "shred", "--before", TOMORROW, "--yes"]).expect(64);
    run(&["key", "shred", "--before", "1999-01-01", "--reason", "retention", "--yes"]).expect(1);
    let shred = ["key", "shred", "--before", TOMORROW, "--reason", "retention of 400 days"];
    let trial = run(&[&shred[..], &["--dry-run", "--output", "json"]].concat()).expect(0).json();
    assert_eq!(trial, json!({"shredded": false, "keys": [1], "kept": []}));
    assert!(key_file(&world, 1).exists());

    let done = run(&[&shred[..], &["--yes", "--output", "json"]].concat()).expect(0).json();
    assert_eq!(done, json!({"shredded": true, "keys": [1], "kept": []}));
    assert!(!key_file(&world, 1).exists() && key_file(&world, 2).exists());
    assert!(!is_anywhere(&world, &wrapped), "no copy of the wrapped key is left in the data directory");
    let keys = run(&["key", "list", "--output", "json"]).expect(0).json();
    assert_eq!((&keys[0]["state"], &keys[1]["state"]), (&json!("shredded"), &json!("in use")));
    assert_eq!(keys[0]["shredded"]["reason"], "retention of 400 days");
    assert!(keys[0]["shredded"]["by"]["operator"].is_string(), "{keys}");

    // No byte that was written has changed, and what the masks and hashes are for still works.
    world.run(&["ledger", "verify"]).expect(0);
    for (path, old) in world.segments().iter().zip(&segments) {
        let new = std::fs::read(path).unwrap();
        let used = old.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        assert!(new[..used] == old[..used], "{} changed", path.display());
    }
    let after = world.run(&["ledger", "query", "--limit", "100000", "--output", "json"]).expect(0).json();
    assert_eq!(after, before, "masks, amounts and outcomes are told as before");
    let settled = run(&["settle", "run", "--date", &day, "--output", "json"]).expect(0).json();
    assert_eq!(settled["merchants"], planned["merchants"]);
    assert!(!settled["files"].as_array().unwrap().is_empty());

    // The switch starts without the key, trades under the new one, and a lost file is not taken for a shredded one.
    let serve = world.serve();
    trade(&world, &serve.terminals.to_string(), "2");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
    std::fs::rename(key_file(&world, 2), world.root().join("aside")).unwrap();
    let listed = run(&["key", "list", "--output", "json"]).expect(1).json();
    assert_eq!(listed[1]["file_differs"], true);
    let refused = run(&["serve"]).expect(2);
    assert!(refused.stderr.contains("data key 2 cannot be read"), "{refused:?}");
}

#[test]
fn a_running_switch_changes_and_shreds_its_keys() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    trade(&world, &target, "1");
    let rotated = world.run(&["key", "rotate", "--output", "json"]).expect(0).json();
    assert_eq!(rotated, json!({"key": 2}));
    let shred = ["key", "shred", "--before", TOMORROW, "--reason", "a test", "--yes"];
    let refused = world.run(&shred).expect(2);
    assert!(refused.stderr.contains("still needed"), "the day is open: {refused:?}");
    assert!(key_file(&world, 1).exists());
    world.run(&["day", "cut"]).expect(0);
    world.run(&shred).expect(0);
    assert!(!key_file(&world, 1).exists());
    trade(&world, &target, "2");
    let records = world.run(&["ledger", "export"]).expect(0).json_lines();
    let shredded = |record: &&Value| record["record"].get("card_keys_shredded").is_some();
    assert_eq!(records.iter().filter(shredded).count(), 1);
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}
