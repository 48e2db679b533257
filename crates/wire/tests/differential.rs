//! What other implementations make of the same messages: pyiso8583 and tshark, where they are installed.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use switchyard_wire::json::{from_json, to_json};
use switchyard_wire::{Dialect, Element, Encoding, Length, Masking, PrefixEncoding};

/// Reads `{"spec", "messages"}` from standard input; for each message prints its decoded elements and what they
/// encode to again.
const PYTHON: &str = r#"
import json, sys
import iso8583
job = json.load(sys.stdin)
out = []
for message in job["messages"]:
    decoded, _ = iso8583.decode(bytearray.fromhex(message), job["spec"])
    encoded, _ = iso8583.encode(dict(decoded), job["spec"])
    out.append({"decoded": decoded, "encoded": bytes(encoded).hex().upper()})
json.dump(out, sys.stdout)
"#;

/// Says that a comparison is not made, past the test harness, which keeps what passing tests print.
fn skipped(why: &str) {
    let line = format!("\nSKIPPED: {why}\n");
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// A Python that has pyiso8583: the one that `cargo xtask tools` makes, else the machine's.
fn python() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    [root.join("target/venv/bin/python3"), PathBuf::from("python3")].into_iter().find(|python| {
        let found = Command::new(python).args(["-c", "import iso8583"]).output();
        found.is_ok_and(|output| output.status.success())
    })
}

fn packed(note: &str) -> Vec<String> {
    include_str!("data/jpos-packed.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|sample| sample["dialect"] == note)
        .map(|sample| sample["hex"].as_str().unwrap().to_owned())
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The dialect in the words of pyiso8583, where it has them: characters, bytes, and an even number of nibbles.
fn pyiso_spec(dialect: &Dialect, hex_is_text: bool) -> Value {
    let bitmap = if hex_is_text { "ascii" } else { "b" };
    let head = |data: &str, len: usize| json!({"data_enc": data, "len_enc": "ascii", "len_type": 0, "max_len": len, "desc": ""});
    let mti = if hex_is_text { "ascii" } else { "b" };
    let mut spec = serde_json::Map::new();
    spec.insert("h".into(), head("b", 0));
    spec.insert("t".into(), head(mti, if hex_is_text { 4 } else { 2 }));
    spec.insert("p".into(), head(bitmap, if hex_is_text { 16 } else { 8 }));
    spec.insert("1".into(), head(bitmap, if hex_is_text { 16 } else { 8 }));
    for element in dialect.elements() {
        spec.insert(element.de().to_string(), pyiso_field(element));
    }
    spec.into()
}

fn pyiso_field(element: &Element) -> Value {
    let (max, places, encoding) = match element.length() {
        Length::Fixed(length) => (length, 0, PrefixEncoding::Ascii),
        Length::Variable { max, prefix } => (max, prefix.bytes() as u32, prefix.encoding),
    };
    let is_bcd = element.encoding() == Encoding::Bcd;
    let data = if is_bcd || element.encoding() == Encoding::Raw { "b" } else { "ascii" };
    // Binary as hexadecimal characters is text of twice the length to pyiso8583.
    let max = if element.encoding() == Encoding::Hex { max * 2 } else { max };
    let (max, count) = match (is_bcd, places) {
        (true, 0) => (max.div_ceil(2), "bytes"),
        (true, _) => (max, "nibbles"),
        (false, _) => (max, "bytes"),
    };
    let len = if encoding == PrefixEncoding::Bcd { "bcd" } else { "ascii" };
    let pad = if is_bcd && element.de() != 35 { "0" } else { "" };
    json!({"data_enc": data, "len_enc": len, "len_type": places, "len_count": count, "max_len": max,
        "left_pad": pad, "desc": ""})
}

fn run_python(python: &PathBuf, job: &Value) -> Result<Vec<Value>, String> {
    let mut child = Command::new(python)
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

#[test]
fn pyiso8583_reads_and_writes_the_same_messages() {
    let Some(python) = python() else {
        skipped("pyiso8583 is not installed: no comparison with it");
        return;
    };
    let dialect = Dialect::builtin("iso87-ascii").unwrap();
    let messages = packed("1987 ASCII, hex bitmap");
    let job = json!({"spec": pyiso_spec(dialect, true), "messages": messages});
    let theirs = run_python(&python, &job).unwrap();
    assert_eq!(theirs.len(), messages.len());
    for (message, theirs) in messages.iter().zip(theirs) {
        let body = unhex(message);
        let ours = to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked);
        assert_eq!(theirs["decoded"]["t"], ours["mti"]);
        let decoded = theirs["decoded"].as_object().unwrap();
        let elements = decoded.keys().filter(|key| key.parse::<u8>().is_ok_and(|de| de > 1));
        assert_eq!(elements.count(), ours["fields"].as_object().unwrap().len());
        for (de, ours) in ours["fields"].as_object().unwrap() {
            assert_eq!(&theirs["decoded"][de], ours, "de {de} of {message}");
        }
        assert_eq!(theirs["encoded"], hex(&from_json(dialect, &ours).unwrap()));
    }
}

/// Each costs a start of tshark.
const MESSAGES_MAX: usize = 8;

/// Elements of which Wireshark's table has another length than the standard: 53 has eight digits there and 87
/// fifteen. What follows one of them is shifted.
const DISPUTED: [u8; 2] = [53, 87];

/// A value as tshark shows it, and as we do: without what separates and fills.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_uppercase()
}

#[test]
fn tshark_reads_the_same_messages() {
    let found = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skipped("tshark is not installed: no comparison with Wireshark's dissector");
        return;
    }
    let dialect = Dialect::builtin("iso87-ascii").unwrap();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut compared = 0;
    // The version in the message type chooses Wireshark's table.
    let of_1987 = |message: &&String| message.starts_with("30");
    for message in packed("1987 ASCII, hex bitmap").iter().filter(of_1987).take(MESSAGES_MAX) {
        let body = unhex(message);
        let file = directory.join("iso8583.pcap");
        std::fs::write(&file, capture(&body)).unwrap();
        let output = Command::new("tshark")
            .arg("-r")
            .arg(&file)
            .args(["-d", "tcp.port==5000,iso8583", "-T", "json"])
            .args(["-o", "iso8583.len_endian:Big endian"])
            .output()
            .unwrap();
        let packets: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let layer = &packets[0]["_source"]["layers"]["iso8583"];
        if layer.is_null() {
            skipped("this tshark shows no iso8583 layer");
            return;
        }
        let ours = to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked);
        assert_eq!(layer["iso8583.mti"], ours["mti"], "message type of {message}");
        for (de, ours) in ours["fields"].as_object().unwrap() {
            if DISPUTED.contains(&de.parse().unwrap()) {
                break;
            }
            let theirs = layer[format!("iso8583.bit{de}")].as_str().unwrap_or_default();
            // Some texts are of a narrower class to it; it stops there.
            if theirs.is_empty() {
                break;
            }
            assert_eq!(plain(theirs), plain(ours.as_str().unwrap()), "de {de} of {message}");
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} values compared");
}

/// A capture file with one TCP segment that holds the message after two bytes of length.
fn capture(body: &[u8]) -> Vec<u8> {
    let payload = [&(body.len() as u16).to_be_bytes()[..], body].concat();
    let mut ip = vec![0x45, 0];
    ip.extend((40 + payload.len() as u16).to_be_bytes());
    ip.extend([0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    let mut tcp = vec![0x13, 0x89, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0];
    tcp.extend(&payload);
    let frame = [&[0u8; 12][..], &[0x08, 0x00], &ip, &tcp].concat();
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4u32, 0x0004_0002, 0, 0, 65_535, 1, 0, 0, frame.len() as u32, frame.len() as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend(frame);
    file
}
