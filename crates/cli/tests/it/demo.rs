//! `demo`: the whole of it in one command, and no card number in anything that it leaves.

use crate::support::{run, segments};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use switchyard_keys::pin::{Pin, encode_iso0};

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_demo_holds_every_invariant_and_leaves_no_card_number() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    let ran = run(["demo", "--transactions", "400", "--output", "json", "--directory", directory]).expect(0);
    let report = ran.json();
    check_report(&report);
    let data = PathBuf::from(report["data"].as_str().unwrap());
    assert!(data.starts_with(dir.path()));
    let verified = run(["ledger", "verify", "--output", "json", "--data", data.to_str().unwrap()]).expect(0);
    for key in ["records", "blocks", "root"] {
        assert_eq!(verified.json()[key], report["ledger"][key], "{key}");
    }
    check_files(&report);

    let needles = needles(&data);
    search("stdout", ran.stdout.as_bytes(), &needles);
    search("stderr", ran.stderr.as_bytes(), &needles);
    let world = data.join("demo.json");
    let mut searched = Vec::new();
    for path in files(&data).into_iter().filter(|path| *path != world) {
        search(&path.display().to_string(), &std::fs::read(&path).unwrap(), &needles);
        searched.push(path);
    }
    assert!(segments(&data).iter().all(|segment| searched.contains(segment)));
    assert!(searched.contains(&data.join("terminals.jsonl")));
    // The search finds what is there.
    let own = std::fs::read(&world).unwrap();
    assert!(needles.iter().any(|needle| views(&own)[0].contains(needle)));
}

fn check_report(report: &Value) {
    let transactions = &report["transactions"];
    let number = |key: &str| transactions[key].as_u64().unwrap();
    let declined: u64 =
        transactions["declined"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert!(number("sent") >= 390, "{transactions}");
    assert_eq!(number("sent"), number("approved") + declined + number("reversed") + number("unknown"));
    assert_eq!(number("unknown"), 0);
    let invariants = report["invariants"].as_object().unwrap();
    assert_eq!(invariants.len(), 12);
    assert!(invariants.values().all(|held| held == true), "{invariants:?} {}", report["findings"]);
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    let batches = report["batches"].as_array().unwrap();
    assert!(!batches.is_empty() && batches.iter().all(|batch| batch["closed"] == true), "{batches:?}");
    let ledger = &report["ledger"];
    assert_eq!(ledger["verified"], true);
    assert!(ledger["records"].as_u64() > Some(400) && ledger["blocks"].as_u64() > Some(0));
    assert_eq!(ledger["root"].as_str().unwrap().len(), 64);
    assert!(report["settlement"]["day"].is_string());
    assert!(!report["settlement"]["merchants"].as_array().unwrap().is_empty());
    assert!(report["throughput_per_s"].as_f64() > Some(0.0));
    let latency: Vec<_> =
        ["p50", "p99", "p999"].iter().map(|key| report["latency_us"][key].as_u64().unwrap()).collect();
    assert!(latency.is_sorted() && latency[0] > 0, "{latency:?}");
}

/// The digests of the report are those of the files.
fn check_files(report: &Value) {
    let listed = report["settlement"]["files"].as_array().unwrap();
    let merchants = report["settlement"]["merchants"].as_array().unwrap();
    assert!(listed.len() > merchants.len(), "a statement for each merchant, and what is paid");
    for file in listed {
        let bytes = std::fs::read(file["path"].as_str().unwrap()).unwrap();
        assert_eq!(hex(&Sha256::digest(&bytes)).to_lowercase(), file["sha256"].as_str().unwrap(), "{file}");
    }
}

/// What may stand nowhere: card numbers and tracks as text, packed or spelled in hexadecimal, PIN blocks,
/// clear keys.
fn needles(data: &Path) -> Vec<String> {
    let world: Value = serde_json::from_slice(&std::fs::read(data.join("demo.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut needles = Vec::new();
    for card in world["cards"].as_array().unwrap() {
        let (pan, pin) = (text(&card["pan"]), text(&card["pin"]));
        let block = encode_iso0(&Pin::new(pin.as_bytes()).unwrap(), pan.as_bytes()).unwrap();
        needles.push(hex(&block));
        needles.push(pan);
    }
    needles.extend(world["terminals"].as_array().unwrap().iter().map(|t| text(&t["tmk"])));
    needles.extend(world["links"].as_array().unwrap().iter().map(|l| text(&l["zpk"])));
    needles
}

fn search(place: &str, bytes: &[u8], needles: &[String]) {
    let views = views(bytes);
    for needle in needles {
        assert!(!views.iter().any(|view| view.contains(needle)), "{needle} stands in {place}");
    }
}

/// Bytes as text and in hexadecimal; there packed digits show even where they begin in the middle of a byte.
fn views(bytes: &[u8]) -> [String; 2] {
    // Segments are zeros for the most part.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    [bytes[..end].iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect(), hex(&bytes[..end])]
}
