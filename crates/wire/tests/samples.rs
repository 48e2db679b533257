//! Every message collected from public sources: decoded to the values its source gives, or up to the place
//! where the message itself is wrong, and why.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use switchyard_wire::json::{from_json, to_json};
use switchyard_wire::{Dialect, Masking, Tlvs};

/// Paths and values.
type Values = &'static [(&'static str, &'static str)];

/// How a sample is read.
#[derive(Clone, Copy)]
enum How {
    /// By a dialect, without some bytes before.
    By(&'static str, usize),
    /// As By, with values that its source says in prose, and without elements that its bitmap does not name.
    With(&'static str, usize, Values, &'static [&'static str]),
    /// As By, up to an element that is wrong; without elements that its bitmap does not name or that are displaced.
    Fails(&'static str, usize, &'static str, &'static [&'static str]),
    /// The value of an element alone.
    Value(&'static str, u8, Values),
    /// As BER-TLV alone, after some bytes.
    Tlv(usize),
    /// Three bitmaps alone, raw or as digits, with the first bits of the second that shall be there.
    Bits(&'static str),
}
use How::{Bits, By, Fails, Tlv, Value as Inside, With};

/// In the order of the file.
const HOW: [How; 50] = [
    By("iso87-ascii", 0),
    By("iso87-ascii", 0),
    By("jpos-93a", 0),
    // Nine characters of routing stand before the message.
    By("iso93-nested", 9),
    By("postilion", 0),
    By("moov-0100", 0),
    Fails("moov-0100", 0, "de 120:", &[]),
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
    // The dump has a byte too many within element 48, as its source says: 49 and 51 are read one byte early, as its
    // source reads them, and one byte is left.
    Fails("d8", 23, "end of message: 1 bytes too many", &[]),
    By("iso87-ascii-binbitmap", 0),
    // The amount is a byte short, so that everything behind it is read one byte late and 35 has a card number for its
    // length; and the bitmap names 55 and 64 where the source lists 52, 60, 61 and 62, which are what stands there.
    // The test below puts both right.
    Fails(
        "nac",
        8,
        "de 35: length 62 is above the maximum 37",
        &["4", "11", "22", "24", "35", "41", "42", "52", "60", "61", "62"],
    ),
    // The bitmap names 9 and 18, and the card number that the source means by 2 stands in their place. The length
    // before the message says 52 bytes where 26 follow.
    Fails("iso87-binary", 7, "end of message: 5 bytes too many", &["2"]),
    By("iso87-binary", 7),
    Fails("iso87-ascii-binbitmap", 5, "de 41:", &[]),
    By("iso87-ascii-binbitmap", 12),
    // Nothing says how its private elements are written. Up to there lengths have three digits: the day in the
    // retrieval reference number (7128, 15 hours) and the date in 7 prove the cut.
    Fails("three-digits", 0, "de 53:", &[]),
    By("oscar", 0),
    // LLL 020 in 60: 004 40 "07", 010 47 and in it 005 01 "101".
    With("gicc", 0, &[("60.40", "07"), ("60.47.01", "101")], &[]),
    // The bitmap names element 59 (the eighth byte is 20); the source means 43, which would be the sixth byte.
    With("ebcdic-59", 0, &[("59", "01002123456")], &["43"]),
    Inside("datasets", 49, &[("49.71.2", "11"), ("49.71.3", "22")]),
    Inside("datasets", 49, &[("49.71.2", "11"), ("49.71.t9F02", "0102")]),
    Inside(
        "datasets",
        49,
        &[("49.01.5A", "1234"), ("49.01.9F02", "010203040506"), ("49.01.9F8101", "070809")],
    ),
    Tlv(0),
    Tlv(0),
    Bits("raw"),
    Bits("hex"),
    // Whoever made the message public shortened the track by a byte without its length, which counts 19: everything
    // behind it is read one byte late, and where 46 should have its length stand other digits.
    Fails("mixed", 0, "de 46:", &[]),
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

/// Elements 2 to 192 of one digit each, behind up to three bitmaps.
fn digits_dialect(bitmap: &str) -> Dialect {
    let elements =
        (2..=192).filter(|de| *de != 65 && *de != 129).map(|de| format!("{de} = {{ format = \"n1\" }}\n"));
    let elements: String = elements.collect();
    let text =
        format!("name = \"digits\"\n[bitmap]\nencoding = \"{bitmap}\"\nmax = 3\n[elements]\n{elements}");
    Dialect::from_toml(&text).unwrap()
}

/// The elements that three bitmaps announce, found by parsing them with a digit for each.
fn announced(bitmap: &str, bytes: &[u8]) -> Vec<u8> {
    let dialect = digits_dialect(bitmap);
    let body = |count: usize| [b"0800", bytes, "7".repeat(count).as_bytes()].concat();
    let count = (0..192).find(|count| dialect.parse(&body(*count)).is_ok()).unwrap();
    dialect.parse(&body(count)).unwrap().elements().collect()
}

/// The element's value alone, in a message around it.
fn around(dialect: &Dialect, de: u8, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, "1100".parse().unwrap());
    builder.bytes(de, value).unwrap();
    builder.finish().unwrap();
    body
}

/// The message as JSON, and what is wrong with it before its values are looked at.
fn read(how: How, bytes: &[u8]) -> Result<Value, String> {
    match how {
        By(name, before) | With(name, before, ..) => {
            let dialect = dialect(name);
            let message = dialect.parse(&bytes[before..]).map_err(|error| error.to_string())?;
            let json = to_json(&message, Masking::Unmasked);
            let again = from_json(&dialect, &json).map_err(|error| error.to_string())?;
            let again = dialect.parse(&again).map_err(|error| error.to_string())?;
            if to_json(&again, Masking::Unmasked) != json {
                return Err("has other values when it is encoded again".into());
            }
            Ok(json)
        }
        Fails(name, before, expected, _) => {
            let dialect = dialect(name);
            let (message, error) = dialect.parse_partial(&bytes[before..]);
            let error = error.ok_or("is read without an error")?.to_string();
            if !error.starts_with(expected) {
                return Err(format!("fails elsewhere: {error}"));
            }
            Ok(to_json(&message, Masking::Unmasked))
        }
        Inside(name, de, _) => {
            let dialect = dialect(name);
            let body = around(&dialect, de, bytes);
            let json = to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked);
            let parts = serde_json::json!({"mti": "1100", "subfields": json["subfields"]});
            if from_json(&dialect, &parts).map_err(|error| error.to_string())? != body {
                return Err("is written in another way".into());
            }
            Ok(json)
        }
        Tlv(before) => {
            let tags = Tlvs::new(&bytes[before..]).map(|tlv| tlv.unwrap());
            let tags = tags.map(|tlv| {
                let hex: String = tlv.value.iter().map(|byte| format!("{byte:02X}")).collect();
                (format!("55.{:02X}", tlv.tag), Value::from(hex))
            });
            Ok(serde_json::json!({"subfields": tags.collect::<serde_json::Map<_, _>>()}))
        }
        Bits(bitmap) => Ok(serde_json::json!(announced(bitmap, bytes))),
    }
}

/// What is wrong with a sample, if anything.
fn check(sample: &Value, how: How) -> Result<(), String> {
    let bytes = unhex(sample["hex"].as_str().unwrap());
    let json = read(how, &bytes)?;
    let at = |path: &str| match path {
        "0" => &json["mti"],
        _ if path.contains('.') => &json["subfields"][path],
        _ => &json["fields"][path],
    };
    let (known, lost): (Values, &[&str]) = match how {
        Bits(_) => {
            // Bits 1 and 65 announce the bitmaps behind them.
            let expected =
                [2, 3, 4, 7, 11, 12, 13, 14, 22, 25, 37, 39, 41, 42, 43, 120, 125, 130, 131, 135, 136, 137];
            let expected = expected.iter().chain(&[139, 140, 141, 142, 146, 147, 148, 149, 188]);
            let expected = serde_json::json!(expected.collect::<Vec<_>>());
            return if json == expected { Ok(()) } else { Err(format!("has {json}")) };
        }
        Inside(_, _, known) => (known, &[]),
        With(_, _, known, lost) => (known, lost),
        Fails(_, _, _, lost) => (&[], lost),
        By(..) | Tlv(_) => (&[], &[]),
    };
    for (path, expected) in known {
        if at(path) != expected {
            return Err(format!("{path} is {}, not {expected}", at(path)));
        }
    }
    if let Inside(..) = how {
        return Ok(());
    }
    for (path, expected) in
        sample["expected"].as_object().unwrap().iter().filter(|(path, _)| !path.starts_with('_'))
    {
        if lost.contains(&path.as_str()) {
            if at(path) == expected {
                return Err(format!("{path} is what it should be"));
            }
            continue;
        }
        // Prose: the values are in the table above.
        if expected.as_str().is_some_and(|text| text.starts_with('(')) {
            continue;
        }
        let actual = at(path);
        // Chip data whose values the source gives as the characters they are.
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
        let ascii = expected.as_str().and_then(|text| text.strip_suffix(" (ascii)"));
        let expected = &ascii.map_or(expected.clone(), |text| Value::from(hex(text)));
        // Some sources trim what fills an element, and keep the separator of a track as the nibble that it is.
        let trimmed = |value: &Value| {
            let text = value.as_str().map(|text| text.trim().to_owned());
            if path == "35" { text.map(|text| text.replace('D', "=")) } else { text }
        };
        if trimmed(actual).is_none() || trimmed(actual) != trimmed(expected) {
            return Err(format!("{path} is {actual}, not {expected}"));
        }
    }
    Ok(())
}

fn samples() -> Vec<Value> {
    include_str!("data/samples.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_collected_message_decodes_to_what_its_source_says() {
    let samples = samples();
    assert_eq!(samples.len(), HOW.len());
    let mut failures = Vec::new();
    for (index, (sample, how)) in samples.iter().zip(HOW).enumerate() {
        if let Err(why) = check(sample, how) {
            failures.push(format!("{index} ({}): {why}", sample["source"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let wrong = HOW.iter().filter(|how| matches!(how, Fails(..))).count();
    assert_eq!(wrong, 7);
}

#[test]
fn a_message_that_lost_a_byte_and_has_another_bitmap_is_read_when_both_are_put_right() {
    let sample = &samples()[33];
    let mut bytes = unhex(sample["hex"].as_str().unwrap());
    // 52, 60, 61 and 62 for 55 and 64, and the first byte of the amount; end of text and check byte are no part of
    // the message.
    bytes[10..18].copy_from_slice(&unhex("3020050020C0101C"));
    bytes.insert(21, 0);
    let dialect = dialect("nac");
    let message = dialect.parse(&bytes[8..bytes.len() - 2]).unwrap();
    let json = to_json(&message, Masking::Unmasked);
    for (path, expected) in sample["expected"].as_object().unwrap() {
        let actual = if path == "0" { &json["mti"] } else { &json["fields"][path] };
        assert_eq!(actual.as_str().unwrap().replace('=', "D"), expected.as_str().unwrap(), "{path}");
    }
}
