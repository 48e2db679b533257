//! Writes the seeds that are committed: run it in this directory, once a format changes.

#![allow(clippy::unwrap_used, reason = "run by hand")]

use std::fs;
use std::path::Path;

const DUMPS: &str = include_str!("../../crates/wire/tests/data/unionpay-dumps.jsonl");
const MESSAGES: &str = include_str!("../../crates/wire/tests/data/messages.jsonl");
const CRYPTO: &str = include_str!("../../crates/keys/tests/data/crypto.jsonl");
const LOG: &str = "../crates/ledger/tests/fixtures/v1";

fn main() {
    messages();
    log();
    for version in ["A", "B", "C", "D", "E"] {
        let line = CRYPTO.lines().find(|line| line.contains(&format!("\"tr31_unwrap_{version}\""))).unwrap();
        write("tr31", version, text_of(line, "key_block").as_bytes());
    }
    for (name, bytes) in switchyard_fuzz::seeds() {
        write("record", &name, &bytes);
    }
    // A sale on us and its reversal; one over a link, its answer and a repeat; a void; a batch; a crash.
    write("core_ops", "short", &[0, 0, 2, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
    write("core_ops", "link", &[0, 0, 2, 5, 0, 0, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 12, 0, 0, 0, 17, 5]);
    write("core_ops", "void", &[0, 0, 2, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0, 21, 18, 0, 0, 0, 1, 21]);
    write("core_ops", "saf", &[0, 0, 2, 5, 0, 0, 0, 0, 0, 17, 5, 12, 0, 0, 0, 12, 1, 0, 0, 16, 0, 2, 17, 6]);
}

/// The published terminal messages, whole for what takes frames and without envelope for what takes bodies.
fn messages() {
    for line in DUMPS.lines() {
        let (name, bytes) = (text_of(line, "name"), unhex(text_of(line, "hex")));
        let body = switchyard_wire::detect_frame(&bytes).body;
        write("frame", name, &bytes);
        for target in ["parse", "roundtrip", "terminal_message"] {
            write(target, name, &bytes[body.clone()]);
        }
    }
    for (line, number) in MESSAGES.lines().zip(1..) {
        let name = format!("{}-{number}", text_of(line, "dialect"));
        for target in ["parse", "roundtrip", "terminal_message"] {
            write(target, &name, &unhex(text_of(line, "hex")));
        }
    }
}

/// The log of the format's fixture: the mark, then its segments without the zeros at their ends.
fn log() {
    let mut log = fs::read(format!("{LOG}/mark")).unwrap();
    write("ledger_recover", "mark", &log);
    for number in 1..=4 {
        let mut segment = fs::read(format!("{LOG}/segment-{number:08}.log")).unwrap();
        let used = segment.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        segment.truncate(used.next_multiple_of(8));
        log.extend_from_slice(&segment);
        for (page, block) in
            segment.chunks(4096).skip(1).filter(|page| page.starts_with(b"SWYBLOCK")).zip(1..)
        {
            let mut page = page.to_vec();
            page.resize(4096, 0);
            write("ledger_block", &format!("{number}-{block}"), &page);
        }
        if number <= 2 {
            write("ledger_recover", &format!("segments-{number}"), &log);
        }
    }
}

fn text_of<'a>(line: &'a str, key: &str) -> &'a str {
    let key = format!("\"{key}\": \"");
    let start = line.find(&key).unwrap() + key.len();
    &line[start..start + line[start..].find('"').unwrap()]
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = Path::new("seeds").join(target);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
}
