//! `init`, the reading commands of `ledger`, and a day's end without a running switch.

use crate::support::{Process, World, busy_world, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PAGE: usize = 4_096;
const BLOCK_HEADER: usize = 160;

fn keys_of(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn init_prints_the_world_and_keeps_its_secrets_to_its_owner() {
    let world = World::make(&["--terminals", "5", "--merchants", "2", "--issuer-ports", "1001,1002"]);
    let made = &world.made;
    for (list, count, keys) in [
        ("terminals", 5, vec!["tid", "mid", "tmk", "kcv", "mac", "tpdu", "batch"]),
        ("merchants", 2, vec!["mid", "name"]),
        ("cards", 21, vec!["pan", "expiry", "pin", "service_code", "issuer", "on_us", "balance_minor"]),
        ("links", 2, vec!["name", "address", "dialect", "framing", "zpk"]),
    ] {
        let rows = made[list].as_array().unwrap();
        assert_eq!(rows.len(), count, "{list}");
        for row in rows {
            let missing: Vec<_> = keys.iter().filter(|key| row.get(key).is_none()).collect();
            assert!(missing.is_empty(), "{list}: {missing:?} of {row}");
        }
    }
    let addresses: Vec<_> = made["links"].as_array().unwrap().iter().map(|link| &link["address"]).collect();
    assert_eq!(addresses, ["127.0.0.1:1001", "127.0.0.1:1002"]);
    let kept = std::fs::read(world.data().join("demo.json")).unwrap();
    assert_eq!(&serde_json::from_slice::<Value>(&kept).unwrap(), made);
    for (path, mode) in
        [("demo.json", 0o600), ("keys/lmk", 0o600), ("keys/card-hash", 0o600), ("keys", 0o700)]
    {
        let found = std::fs::metadata(world.data().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path} has mode {found:o}");
    }
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn init_never_writes_over_what_is_there() {
    let world = World::make(&[]);
    let before = contents(&world.data());
    for again in [vec!["init", "--demo"], vec!["init", "--acquirer", "48720000"]] {
        let ran = world.run(&again).expect(2);
        assert!(ran.stderr.contains("exists already") && ran.stdout.is_empty(), "{ran:?}");
    }
    assert!(contents(&world.data()) == before);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    let path = path.to_str().unwrap();
    run(["init", "--data", path]).expect(2);
    run(["init", "--data", path, "--demo", "--issuer-ports", "1"]).expect(2);
    run(["init", "--data", path, "--acquirer", "x"]).expect(2);
    assert!(!Path::new(path).exists(), "a refused init leaves nothing behind");
}

/// Every file below a directory.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Where blocks begin in a segment and how long their payloads are.
fn blocks(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = PAGE;
    while segment.get(at..at + 8) == Some(b"SWYBLOCK") {
        let payload = u32::from_le_bytes(segment[at + 36..at + 40].try_into().unwrap()) as usize;
        found.push((at, payload));
        at += (BLOCK_HEADER + payload).next_multiple_of(PAGE);
    }
    found
}

#[test]
fn one_byte_flipped_anywhere_in_the_ledger_is_found() {
    let world = busy_world("700");
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!((&verified["verified"], &verified["closed"]), (&json!(true), &json!(true)));
    assert!(verified["segments"].as_u64().unwrap() > 1, "{verified}");
    for (segment, path) in
        world.segments().iter().take(verified["segments"].as_u64().unwrap() as usize).enumerate()
    {
        let whole = std::fs::read(path).unwrap();
        let blocks = blocks(&whole);
        let (middle, payload) = blocks[blocks.len() / 2];
        let (last, last_payload) = blocks[blocks.len() - 1];
        let mut places = vec![
            ("magic of the segment", 0),
            ("version of the segment", 8),
            ("sequence in the segment's header", 48),
            ("padding of the segment's header", PAGE - 1),
            ("magic of a block", middle),
            ("kind of a block", middle + 10),
            ("checksum of a block", middle + 12),
            ("length of a block", middle + 36),
            ("time of a block", middle + 72),
            ("hash in a block", middle + 100),
            ("root in a block", middle + 130),
            ("first byte of a payload", middle + BLOCK_HEADER),
            ("last byte of a payload", (middle + BLOCK_HEADER + payload).saturating_sub(1)),
            ("padding of a block", (middle + BLOCK_HEADER + payload).next_multiple_of(PAGE) - 1),
            ("root in the last block", last + 130),
            ("last byte of the last block", (last + BLOCK_HEADER + last_payload).next_multiple_of(PAGE) - 1),
        ];
        // Some that nobody picked.
        places.extend((1..12).map(|i| ("anywhere", i * 7_919 * 37 % (last + BLOCK_HEADER))));
        for (what, at) in places {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(path, &damaged).unwrap();
            let ran = world.run(&["ledger", "verify", "--output", "json"]);
            assert_eq!(ran.code, 1, "segment {segment}, {what} at {at}: {ran:?}");
            assert_eq!(ran.json()["verified"], false, "{what}");
            assert!(ran.json()["finding"].is_object(), "{what}: {ran:?}");
        }
        std::fs::write(path, &whole).unwrap();
    }
    world.run(&["ledger", "verify"]).expect(0);
    let last = verified["segments"].as_u64().unwrap() as usize - 1;
    std::fs::write(&world.segments()[last], b"").unwrap();
    assert_ne!(world.run(&["ledger", "verify"]).code, 0, "an emptied segment");
    std::fs::remove_dir_all(world.data().join("ledger")).unwrap();
    world.run(&["ledger", "verify"]).expect(2);
}

#[test]
fn query_stats_and_export_tell_the_same_story() {
    let world = busy_world("120");
    let all = world.run(&["ledger", "query", "--output", "json", "--limit", "1000000"]).expect(0).json();
    let all = all.as_array().unwrap();
    assert!(all.len() > 100, "{}", all.len());
    let (rrn, terminal) = (all[0]["rrn"].as_str().unwrap(), all[0]["terminal"].as_str().unwrap());
    let one = world.run(&["ledger", "query", "--output", "json", "--rrn", rrn]).expect(0).json();
    // A cursor belongs to its query; everything else is the same.
    let without_cursor = |row: &Value| {
        let mut row = row.clone();
        row["cursor"].take();
        row
    };
    assert_eq!(
        one.as_array().unwrap().iter().map(without_cursor).collect::<Vec<_>>(),
        [without_cursor(&all[0])]
    );
    let own = world.run(&["ledger", "query", "--output", "json", "--terminal", terminal]).expect(0).json();
    assert!(own.as_array().unwrap().iter().all(|story| story["terminal"] == terminal));
    let few = world.run(&["ledger", "query", "--limit", "3"]).expect(0).stdout;
    assert_eq!(few.lines().count(), 4, "a head and three rows: {few}");
    world.run(&["ledger", "query", "--rrn", "000000000000"]).expect(1);

    let stats = world.run(&["ledger", "stats", "--output", "json"]).expect(0).json();
    let count = |name: &str| stats["records"][name].as_u64().unwrap_or(0);
    assert_eq!((count("Opened") + count("Decided")) as usize, all.len());
    let records = world.run(&["ledger", "export"]).expect(0).json_lines();
    let counted: u64 = stats["records"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(records.len() as u64, counted);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["sequence"], index, "{record}");
        assert!(keys_of(record).is_superset(&["at", "actor", "record"].into()), "{record}");
    }

    let table = world.run(&["ledger", "export", "--format", "csv"]).expect(0).stdout;
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("sequence,at,actor,record,debit,credit,amount_minor,phase"));
    let mut sum = 0;
    for line in lines {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells.len(), 8, "{line}");
        assert!(cells[0].parse::<usize>().unwrap() < records.len() && cells[4] != cells[5], "{line}");
        sum += cells[6].parse::<u128>().unwrap();
    }
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    let debits: u128 = verified["trial_balance"][0]["debits_minor"].as_str().unwrap().parse().unwrap();
    assert_eq!(verified["trial_balance"][0]["credits_minor"].as_str().unwrap().parse(), Ok(debits));
    assert!(sum >= debits, "{sum} {debits}");
}

#[test]
fn a_day_is_cut_and_settled_without_a_switch_and_again_with_the_same_files() {
    let world = busy_world("120");
    let config = world.config();
    let config = config.to_str().unwrap();
    world.run(&["settle", "--config", config, "run"]).expect(2);
    let day = world.run(&["day", "--config", config, "cut", "--output", "json"]).expect(0).json();
    let day = day["day"].as_str().unwrap();
    let state = |index: usize| {
        let days = world.run(&["day", "status", "--output", "json"]).expect(0).json();
        days[index]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state(0).as_str(), state(1).as_str()), ("fenced", "open"));
    let dry =
        world.run(&["settle", "--config", config, "run", "--dry-run", "--output", "json"]).expect(0).json();
    assert!(!world.data().join("settlement").join(day).exists(), "a dry run writes nothing");
    let run_it = ["settle", "--config", config, "run", "--date", day, "--output", "json"];
    let first = world.run(&run_it).expect(0).json();
    assert_eq!((&first["merchants"], &first["day"]), (&dry["merchants"], &json!(day)));
    assert_eq!(state(0), "awaiting approval");
    let files = contents(&world.data().join("settlement"));
    assert_eq!(files.len(), first["files"].as_array().unwrap().len());
    let records = world.run(&["ledger", "stats", "--output", "json"]).expect(0).json();
    assert_eq!(world.run(&run_it).expect(0).json(), first);
    assert!(contents(&world.data().join("settlement")) == files);
    std::fs::remove_dir_all(world.data().join("settlement").join(day)).unwrap();
    assert_eq!(world.run(&run_it).expect(0).json(), first);
    assert!(contents(&world.data().join("settlement")) == files, "lost files come back the same");
    let after = world.run(&["ledger", "stats", "--output", "json"]).expect(0).json();
    let without_starts = |mut stats: Value| {
        stats["records"]["Started"].take();
        stats
    };
    assert_eq!(without_starts(after), without_starts(records), "settling again records nothing");
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn who_settled_is_whom_the_system_vouches_for_and_not_whom_the_environment_names() {
    let world = busy_world("40");
    let config = world.config();
    let config = config.to_str().unwrap();
    world.run(&["day", "--config", config, "cut"]).expect(0);
    let mut settle = world.command(&["settle", "--config", config, "run"]);
    settle.env("USER", "anna,b");
    Process::start(settle, "").finish().expect(0);
    let table = world.run(&["ledger", "export", "--format", "csv"]).expect(0).stdout;
    assert!(!table.contains("anna"), "{table}");
    let netted: Vec<_> = table.lines().filter(|line| line.contains(",MerchantNetted,")).collect();
    // The name has quotes around it, which a table doubles.
    assert!(!netted.is_empty() && netted.iter().all(|line| line.contains(r#""Operator("""#)), "{netted:?}");
}

#[test]
fn a_day_is_cut_and_settled_while_the_switch_runs() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    world
        .run(&["sim", "terminals", "--target", &target, "--transactions", "60", "--terminals", "4"])
        .expect(0);
    let day = world.run(&["day", "cut", "--output", "json"]).expect(0).json();
    let first = world.run(&["settle", "run", "--output", "json"]).expect(0).json();
    assert_eq!(first["day"], day["day"]);
    world.run(&["settle", "run"]).expect(2);
    world.run(&["ledger", "verify"]).expect(0);
    serve.stop();
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!(verified["closed"], true);
}

#[test]
fn snapshots_are_made_named_and_held_against_the_replay() {
    let world = busy_world("60");
    let made = world.run(&["ledger", "snapshot", "--output", "json"]).expect(0).json();
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!(made["state_digest"], verified["state_digest"]);
    let taken = verified["snapshots"].as_array().unwrap();
    assert_eq!((&taken[0]["records"], &taken[0]["path"]), (&verified["records"], &made["path"]));
    assert!(taken.iter().all(|snapshot| snapshot["verdict"] == "exact"), "{taken:?}");
    let stats = world.run(&["ledger", "stats", "--output", "json"]).expect(0).json();
    assert_eq!(stats["snapshots"].as_array().unwrap().len(), taken.len());

    let path = Path::new(made["path"].as_str().unwrap());
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!(
        verified["snapshots"][0]["verdict"], "unusable",
        "it is of no use and does no harm: {verified}"
    );
    let serve = world.serve();
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}
