//! Entry points for fuzz targets and property tests: any bytes in, no panic, no hang.
//!
//! Each is one call so that a target is one line. They assert what must hold for every input.

use std::sync::LazyLock;

use crate::{
    COMPOSITE_DEPTH_MAX, Composite, De, Dialect, Envelope, EnvelopeKind, Framing, Kind, Masking, Message,
    Mti, Scan, describe, detect_frame, diff, json, validate,
};

/// Frames that fuzzing allows.
const FRAME_BYTES_MAX: usize = 4096;

/// Parses the bytes in every built-in dialect and reads everything that can be read.
pub fn parse_all(bytes: &[u8]) {
    shape_equals_table(bytes);
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        let (message, error) = dialect.parse_partial(bytes);
        assert_eq!(dialect.parse(bytes).err(), error, "{name}: whole and partial parse disagree");
        let mut buf = [0; 1024];
        for de in message.elements() {
            let wire = message.wire(de).expect("a listed element has bytes");
            let offset = message.offset(de).expect("a listed element has an offset");
            assert_eq!(&bytes[offset..offset + wire.len()], wire, "{name}: de {de} is not where it says");
            let _ = (message.digits(de, &mut buf), message.number(de), message.text(de), message.bytes(de));
            let _ = message.parts(de).count();
            let _ = (message.subfields(de).count(), message.tlv(de).count(), message.value_len(de));
        }
        let _ = validate::validate(&message);
    }
}

/// A parse by the shape of the bitmap gives what a parse by the table gives, errors included.
pub fn shape_equals_table(bytes: &[u8]) {
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        let table = dialect.parse_by_table(bytes);
        // The first time may learn the shape, the second uses it.
        for _ in 0..2 {
            let (message, error) = dialect.parse_partial(bytes);
            assert_eq!(error, table.1, "{name}: shape and table give different errors");
            assert_eq!(message.mti(), table.0.mti(), "{name}");
            assert!(message.elements().eq(table.0.elements()), "{name}: different elements");
            for de in message.elements() {
                assert_eq!(message.offset(de), table.0.offset(de), "{name}: de {de}");
                assert_eq!(message.wire(de), table.0.wire(de), "{name}: de {de}");
            }
        }
    }
}

/// What parses can be built again: by echo to the same bytes, and through JSON to the same values.
pub fn roundtrip(bytes: &[u8]) {
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        let Ok(message) = dialect.parse(bytes) else { continue };
        let mut out = Vec::new();
        let mut builder = dialect.builder(&mut out, message.mti());
        for de in message.elements() {
            builder.echo(&message, de).expect("elements of a parsed message can be echoed");
        }
        builder.finish().expect("a parsed message is not too long");
        let echoed = dialect.parse(&out).expect("what was built parses");
        assert!(diff::diff(&message, &echoed, Masking::Unmasked).is_empty(), "{name}: echo changed a value");
        let value = json::to_json(&message, Masking::Unmasked);
        let encoded = json::from_json(dialect, &value).expect("unmasked JSON encodes");
        let again = dialect.parse(&encoded).expect("what was encoded parses");
        assert!(diff::diff(&message, &again, Masking::Unmasked).is_empty(), "{name}: JSON changed a value");
    }
}

/// Scans the bytes as a stream of every framing, takes envelopes off, and guesses what they are.
pub fn frames(bytes: &[u8]) {
    for framing in Framing::ALL {
        let mut rest = bytes;
        loop {
            match framing.scan(rest, FRAME_BYTES_MAX) {
                Scan::Frame { start, end, consumed } => {
                    assert!(start < end && end <= consumed && consumed <= rest.len() && consumed > 0);
                    for kind in EnvelopeKind::ALL {
                        let _ = Envelope::split(&rest[start..end], kind);
                    }
                    rest = &rest[consumed..];
                }
                Scan::KeepAlive { consumed } => {
                    assert!(consumed > 0 && consumed <= rest.len());
                    rest = &rest[consumed..];
                }
                Scan::NeedMore { at_least } => {
                    assert!(at_least > rest.len(), "{framing}: asks for what it has");
                    break;
                }
                Scan::Bad(_) => break,
            }
        }
    }
    let detected = detect_frame(bytes);
    assert!(detected.body.end <= bytes.len() && detected.body.start <= detected.body.end);
}

/// Shows whatever can be read of the bytes to people and as JSON, masked and not.
pub fn show(bytes: &[u8]) {
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        let detected = detect_frame(bytes);
        let (message, error) = dialect.parse_partial(&bytes[detected.body.clone()]);
        for masking in [Masking::Masked, Masking::Unmasked] {
            let text = describe::describe_with(&message, &detected.envelope, error.as_ref(), masking);
            assert!(!text.contains('\u{1b}'), "{name}: an escape reached the terminal");
            let _ = json::to_json_with(&message, &detected.envelope, masking);
        }
    }
}

/// Shows, writes as JSON, compares and validates the bytes in every built-in dialect: no card number of the message
/// is in what is masked, and no control character in what is for people.
pub fn describe(bytes: &[u8]) {
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        let detected = detect_frame(bytes);
        let (message, error) = dialect.parse_partial(&bytes[detected.body.clone()]);
        let text = describe::describe_with(&message, &detected.envelope, error.as_ref(), Masking::Masked);
        let lines_are_clean = text.chars().all(|c| c == '\n' || !c.is_control());
        assert!(lines_are_clean, "{name}: a control character reached the terminal");
        let mut shown = vec![text, json::to_json(&message, Masking::Masked).to_string()];
        let mut empty = Vec::new();
        let built = dialect.build(&mut empty, message.mti(), |_| Ok::<(), crate::BuildError>(()));
        built.expect("a message without elements is built");
        let empty = dialect.parse(&empty).expect("a message without elements parses");
        for (left, right) in [(&message, &empty), (&empty, &message), (&message, &message)] {
            let found = diff::diff(left, right, Masking::Masked);
            shown.extend(found.iter().map(ToString::to_string));
        }
        shown.extend(validate::validate(&message).iter().map(ToString::to_string));
        shown.push(error.map(|error| error.to_string()).unwrap_or_default());
        for pan in pans_of(&message) {
            for text in &shown {
                assert!(!text.contains(&pan), "{name}: a card number is not masked");
            }
        }
    }
}

/// Card numbers by another way than masking finds them; runs of one digit stand anywhere.
fn pans_of(message: &Message<'_, '_>) -> Vec<String> {
    let mut buf = [0; 1024];
    let mut found = Vec::new();
    for (de, is_track) in [(2, false), (35, true)] {
        let Some(digits) = message.digits(de, &mut buf) else { continue };
        let end = digits.iter().position(|digit| *digit == b'=').unwrap_or(digits.len());
        let whole = end < digits.len() || !is_track;
        let pan = &digits[..end];
        let is_pan = (13..=19).contains(&pan.len()) && pan.iter().all(u8::is_ascii_digit);
        if whole && is_pan && pan.iter().any(|digit| *digit != pan[0]) {
            found.push(String::from_utf8_lossy(pan).into_owned());
        }
    }
    found
}

/// Compiles the text as a dialect file, and parses with it.
pub fn dialect(text: &str, bytes: &[u8]) {
    if let Ok(dialect) = Dialect::from_toml(text) {
        let _ = dialect.parse_partial(bytes);
    }
}

/// Imports the text as every format there is; what comes out compiles.
pub fn import(text: &str) {
    for (toml, _) in [crate::import::jpos_xml(text), crate::import::moov_json(text)].into_iter().flatten() {
        assert!(Dialect::from_toml(&toml).is_ok(), "an import does not compile");
    }
}

/// Imports what stands before the last zero byte as a jPOS packager, and reads what follows with it.
pub fn import_jpos(bytes: &[u8]) {
    let (text, message) = text_and_message(bytes);
    if let Ok((toml, _)) = crate::import::jpos_xml(&text) {
        read_imported(&toml, message);
    }
}

/// Imports what stands before the last zero byte as a moov-io specification, and reads what follows with it.
pub fn import_moov(bytes: &[u8]) {
    let (text, message) = text_and_message(bytes);
    if let Ok((toml, _)) = crate::import::moov_json(&text) {
        read_imported(&toml, message);
    }
}

fn text_and_message(bytes: &[u8]) -> (std::borrow::Cow<'_, str>, &[u8]) {
    let (text, message) = match bytes.iter().rposition(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, bytes),
    };
    (String::from_utf8_lossy(text), message)
}

fn read_imported(toml: &str, bytes: &[u8]) {
    let dialect = Dialect::from_toml(toml).expect("what is imported compiles");
    let (message, error) = dialect.parse_partial(bytes);
    let _ = describe::describe(&message, Masking::Masked);
    read_parts(&message);
    if error.is_none() {
        let value = json::to_json(&message, Masking::Unmasked);
        let encoded = json::from_json(&dialect, &value).expect("unmasked JSON encodes");
        assert!(dialect.parse(&encoded).is_ok(), "what was encoded does not parse");
    }
}

/// Walks over all composites; every part lies in the body, and parts of a level do not overlap.
fn read_parts(message: &Message<'_, '_>) {
    for de in message.elements() {
        for part in message.parts(de) {
            let Ok(part) = part else { break };
            assert!(part.depth() < COMPOSITE_DEPTH_MAX && part.wire().len() <= message.body().len());
            let _ = (part.value(), part.name(), part.sensitivity());
        }
    }
}

/// Reads the bytes as every kind of composite and writes them back.
///
/// The first byte chooses one of the elements of a dialect that has them all. What is read whole is written
/// again part by part: by its bytes, and by its values through JSON.
pub fn tlv(bytes: &[u8]) {
    let Some((choice, value)) = bytes.split_first() else { return };
    let dialect = &*SPECIMEN;
    let count = dialect.elements().count();
    let Some(element) = dialect.elements().nth(usize::from(*choice) % count) else { return };
    let de = element.de();
    let mut body = Vec::new();
    let built = dialect.build(&mut body, Mti::new(0x0100), |builder| builder.bytes(de, value).map(drop));
    if built.is_err() {
        return;
    }
    let message = dialect.parse(&body).expect("bytes of a composite are not checked");
    read_parts(&message);
    let masked = json::to_json(&message, Masking::Masked).to_string();
    assert!(!masked.contains(char::from(0)), "a control character reached the text");
    let _ = describe::describe(&message, Masking::Masked);
    if let Some(parts) = values(&message) {
        copied(&message, de, &parts);
        composed(&message, de, &parts);
    }
}

/// Paths and values of the parts; nothing when they cannot be read whole.
fn values(message: &Message<'_, '_>) -> Option<serde_json::Value> {
    let value = json::to_json(message, Masking::Unmasked);
    if value.get("errors").is_some() {
        None
    } else {
        Some(value.get("subfields").cloned().unwrap_or_default())
    }
}

/// Parts that are copied are the same parts; where nothing but parts is in the composite, the same bytes.
fn copied(message: &Message<'_, '_>, de: De, parts: &serde_json::Value) {
    let dialect = message.dialect();
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, message.mti());
    let built = builder.parts(de, |writer| {
        message
            .parts(de)
            .flatten()
            .filter(|part| part.depth() == 0)
            .try_for_each(|part| writer.copy(&part).map(drop))
    });
    built.expect("parts that were read can be copied");
    builder.finish().expect("a copy is not too long");
    let again = dialect.parse(&body).expect("a copy parses");
    assert_eq!(values(&again).as_ref(), Some(parts), "a copy has other values");
    let kind = dialect.element(de).and_then(crate::Element::inside).map(Composite::kind);
    if let Some(Kind::Positional { .. } | Kind::Tagged(_) | Kind::Datasets) = kind {
        assert_eq!(again.bytes_owned(de), message.bytes_owned(de), "a copy has other bytes");
    }
}

/// Parts that are written from their values have the same values, and are written alike again.
fn composed(message: &Message<'_, '_>, de: De, parts: &serde_json::Value) {
    // A composite without parts says nothing of itself but by its bytes.
    if message.parts(de).next().is_none() {
        return;
    }
    let dialect = message.dialect();
    let value = serde_json::json!({"mti": "0100", "subfields": parts});
    let body = json::from_json(dialect, &value).expect("values that were read can be written");
    let again = dialect.parse(&body).expect("what was written parses");
    let values = values(&again).expect("what was written can be read whole");
    assert_eq!(&values, parts, "what was written has other values");
    let value = serde_json::json!({"mti": "0100", "subfields": values});
    assert_eq!(json::from_json(dialect, &value).ok(), Some(body), "the same values are written in two ways");
}

/// A dialect with every kind of composite.
static SPECIMEN: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::from_toml(include_str!("composite/specimen.toml")).expect("a test compiles the specimen")
});
