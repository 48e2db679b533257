//! Every message collected from public sources: decoded to the values its source gives, or named with the
//! reason why not.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use switchyard_wire::json::to_json;
use switchyard_wire::{Dialect, Masking, Tlvs};

/// How a sample is read.
#[derive(Clone, Copy)]
enum How {
    /// By a dialect, without some bytes before.
    By(&'static str, usize),
    /// As By, up to an element that is wrong.
    Fails(&'static str, usize, u8),
    /// As BER-TLV alone, after some bytes.
    Tlv(usize),
    /// Not at all, and why.
    Left(&'static str),
}
use How::{By, Fails, Left, Tlv};

/// In the order of the file.
const HOW: [How; 50] = [
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("jpos-93a", 0),
    Left("a private table with nested subfields: only its packager file defines it"),
    Left("element 127 with a bitmap of its own is not a composition of dialects"),
    By("moov-0100", 0),
    Fails("moov-0100", 0, 120),
    By("moov-binary-4", 0),
    By("moov-bcd", 0),
    Tlv(3),
    Tlv(3),
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("always-128", 0),
    By("always-128", 0),
    By("always-128", 0),
    By("always-128", 0),
    By("always-128", 0),
    By("iso93-ascii", 0),
    By("cardutil-ebcdic", 0),
    Tlv(0),
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("iso87-binary", 0),
    By("iso87-ebcdic", 0),
    By("pyiso8583", 0),
    By("pyiso8583", 0),
    By("pyiso8583", 0),
    Left("the dump has a byte too many after element 48, as its source says"),
    By("iso87-ascii-binbitmap", 0),
    Left("its bitmap names 55 and 64, its source lists 52, 60, 61 and 62"),
    Left("its bitmap and the elements that follow do not agree"),
    By("iso87-binary", 7),
    Fails("iso87-ascii-binbitmap", 5, 41),
    By("iso87-ascii-binbitmap", 12),
    Left("unlabelled: nothing says how its elements 48 and 124 are written"),
    By("oscar", 0),
    Left("German terminals' tags with a length before them are not a composition of dialects"),
    Left("its bitmap names element 59, its source element 43"),
    Left("a dataset without a message around it; datasets are not a composition of dialects"),
    Left("a dataset without a message around it; datasets are not a composition of dialects"),
    Left("a dataset without a message around it; datasets are not a composition of dialects"),
    Tlv(0),
    Tlv(0),
    Left("a bitmap without a message"),
    Left("a bitmap without a message"),
    Left("unlabelled: elements 48 and 55 of an unknown network; it is a fuzz seed"),
];

fn dialect(name: &str) -> Dialect {
    let text = Dialect::builtin_source(name).map(str::to_owned).unwrap_or_else(|| {
        let path = format!("{}/tests/data/dialects/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    });
    Dialect::from_toml(&text).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// What is wrong with a sample, if anything.
fn check(sample: &Value, how: How) -> Result<(), String> {
    let bytes = unhex(sample["hex"].as_str().unwrap());
    let expected = sample["expected"].as_object().unwrap();
    let json = match how {
        Left(_) => return Ok(()),
        By(name, before) => {
            let dialect = dialect(name);
            let message = dialect.parse(&bytes[before..]).map_err(|error| error.to_string())?;
            to_json(&message, Masking::Unmasked)
        }
        Fails(name, before, de) => {
            let dialect = dialect(name);
            let (message, error) = dialect.parse_partial(&bytes[before..]);
            let error = error.ok_or("is read without an error")?.to_string();
            if !error.starts_with(&format!("de {de}:")) {
                return Err(format!("fails elsewhere: {error}"));
            }
            to_json(&message, Masking::Unmasked)
        }
        Tlv(before) => {
            let tags = Tlvs::new(&bytes[before..]).map(|tlv| tlv.unwrap());
            let tags = tags.map(|tlv| {
                let hex: String = tlv.value.iter().map(|byte| format!("{byte:02X}")).collect();
                (format!("55.{:02X}", tlv.tag), Value::from(hex))
            });
            serde_json::json!({"subfields": tags.collect::<serde_json::Map<_, _>>()})
        }
    };
    for (path, expected) in expected.iter().filter(|(path, _)| !path.starts_with('_')) {
        let actual = match path.as_str() {
            "0" => &json["mti"],
            _ if path.contains('.') => &json["subfields"][path],
            _ => &json["fields"][path],
        };
        // Chip data whose values the source gives as the characters they are.
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
        let ascii = expected.as_str().and_then(|text| text.strip_suffix(" (ascii)"));
        let expected = &ascii.map_or(expected.clone(), |text| Value::from(hex(text)));
        // Some sources trim what fills an element.
        let trimmed = |value: &Value| value.as_str().map(|text| text.trim().to_owned());
        if trimmed(actual).is_none() || trimmed(actual) != trimmed(expected) {
            return Err(format!("{path} is {actual}, not {expected}"));
        }
    }
    Ok(())
}

#[test]
fn every_collected_message_decodes_to_what_its_source_says() {
    let samples: Vec<Value> =
        include_str!("data/samples.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), HOW.len());
    let mut failures = Vec::new();
    for (index, (sample, how)) in samples.iter().zip(HOW).enumerate() {
        if let Err(why) = check(sample, how) {
            failures.push(format!("{index} ({}): {why}", sample["source"]));
        }
        if let Left(why) = how {
            println!("left out: {index} ({}): {why}", sample["source"]);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let read = HOW.iter().filter(|how| !matches!(how, Left(_))).count();
    assert_eq!(read, 36);
}
