//! Writes the seeds that are committed: run it in this directory, once a format changes.

#![allow(clippy::unwrap_used, reason = "run by hand")]

use std::fs;
use std::path::Path;

const DUMPS: &str = include_str!("../../crates/wire/tests/data/unionpay-dumps.jsonl");
const MESSAGES: &str = include_str!("../../crates/wire/tests/data/messages.jsonl");
const CRYPTO: &str = include_str!("../../crates/keys/tests/data/crypto.jsonl");
const PACKAGERS: [(&str, &str); 2] = [
    ("iso87ascii", include_str!("../../crates/wire/tests/data/jpos-iso87ascii.xml")),
    ("iso87binary", include_str!("../../crates/wire/tests/data/jpos-iso87binary.xml")),
];
const SPECIFICATION: &str = include_str!("../../crates/wire/tests/data/moov-spec87ascii.json");
/// A record under a root of one leaf, with a signature of zeros: reading does not verify.
const CHECKPOINT: &str = "\
switchyard.example/ledger/1
1
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

\
— switchyard.example/ledger/1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
";
const HSM_FRAMES: &str = include_str!("../../crates/hsm/tests/data/payshield-frames.jsonl");
const LOG: &str = "../crates/ledger/tests/fixtures/v1";

fn main() {
    messages();
    composites();
    log();
    proofs();
    for version in ["A", "B", "C", "D", "E"] {
        let line = CRYPTO.lines().find(|line| line.contains(&format!("\"tr31_unwrap_{version}\""))).unwrap();
        write("tr31", version, text_of(line, "key_block").as_bytes());
    }
    hsm_frames();
    for (name, bytes) in switchyard_fuzz::seeds() {
        write("record", &name, &bytes);
    }
    // A sale on us and its reversal; one over a link, its answer and a repeat; a void; a batch; a crash.
    write("core_ops", "short", &[0, 0, 2, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
    write("core_ops", "link", &[0, 0, 2, 5, 0, 0, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 12, 0, 0, 0, 17, 5]);
    write("core_ops", "void", &[0, 0, 2, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0, 21, 18, 0, 0, 0, 1, 21]);
    write("core_ops", "saf", &[0, 0, 2, 5, 0, 0, 0, 0, 0, 17, 5, 12, 0, 0, 0, 12, 1, 0, 0, 16, 0, 2, 17, 6]);
}

/// The published commands and answers of an HSM, without their header of four characters.
fn hsm_frames() {
    for (number, line) in HSM_FRAMES.lines().skip(1).enumerate() {
        let field = if text_of(line, "dir") == "encode" { "expected" } else { "input" };
        let bytes = unhex(text_of(line, field));
        write("hsm_reply", &format!("{}-{number}", text_of(line, "command")), &bytes[4..]);
    }
}

/// The published terminal messages, whole for what takes frames and without envelope for what takes bodies.
fn messages() {
    for line in DUMPS.lines() {
        let (name, bytes) = (text_of(line, "name"), unhex(text_of(line, "hex")));
        let body = switchyard_wire::detect_frame(&bytes).body;
        write("frame", name, &bytes);
        for target in ["parse_all_dialects", "roundtrip", "describe", "terminal_message"] {
            write(target, name, &bytes[body.clone()]);
        }
    }
    for (line, number) in MESSAGES.lines().zip(1..) {
        let name = format!("{}-{number}", text_of(line, "dialect"));
        for target in ["parse_all_dialects", "roundtrip", "describe", "terminal_message"] {
            write(target, &name, &unhex(text_of(line, "hex")));
        }
    }
}

/// Objects and parts for every element of the specimen, and dialects of other implementations with a message.
fn composites() {
    let values: [(&str, &[u8]); 4] = [
        ("ber", &[0x9F, 0x26, 2, 1, 2, 0x71, 5, 0x9F, 0x18, 2, 3, 4, 0x95, 0x81, 1, 9, 0, 0x82, 0]),
        ("text", b"0100301202040506011A"),
        ("bits", &[0xC0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56]),
        ("dataset", &[0x01, 0, 6, 0x80, 0, 0x9F, 0x36, 1, 7]),
    ];
    for (name, value) in values {
        for choice in 0..8u8 {
            write("tlv", &format!("{name}-{choice}"), &[&[choice], value].concat());
        }
    }
    let ascii = b"\0080080200000000000000400000000000000000042301";
    for (name, text) in PACKAGERS {
        write("import_jpos", name, &[text.as_bytes(), ascii].concat());
    }
    write("import_moov", "spec87ascii", &[SPECIFICATION.as_bytes(), ascii].concat());
}

/// A proof and what a witness keeps.
fn proofs() {
    let proof = format!(
        "c2sp.org/tlog-proof@v1\nextra AQID\nindex 0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n{CHECKPOINT}"
    );
    switchyard_ledger::proof::Proof::parse(proof.as_bytes()).unwrap();
    write("ledger_proof", "one", proof.as_bytes());
    let witness = format!("{CHECKPOINT}\n{CHECKPOINT}{CHECKPOINT}");
    assert_eq!(switchyard_ledger::checkpoint::parse_witness(witness.as_bytes()).unwrap().len(), 3);
    write("ledger_witness", "three", witness.as_bytes());
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
