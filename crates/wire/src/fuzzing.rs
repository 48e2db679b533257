//! Entry points for fuzz targets and property tests: any bytes in, no panic, no hang.
//!
//! Each is one call so that a target is one line. They assert what must hold for every input.

use crate::{
    Dialect, Envelope, EnvelopeKind, Framing, Masking, Scan, describe, detect_frame, diff, json, validate,
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
            let _ = (message.subfields(de).count(), message.tlv(de).count(), message.value_len(de));
        }
        let _ = validate::validate(&message);
    }
}

/// A parse by the shape of the bitmap gives what a parse by the table gives, errors included.
pub fn shape_equals_table(bytes: &[u8]) {
    for name in Dialect::builtin_names() {
        let Some(dialect) = Dialect::builtin(name) else { continue };
        // The first time may learn the shape, the second uses it.
        shape_equals_table_in(dialect, bytes);
        shape_equals_table_in(dialect, bytes);
    }
}

/// The same in one dialect; whether the shape was known.
pub fn shape_equals_table_in(dialect: &Dialect, bytes: &[u8]) -> bool {
    let name = dialect.name();
    let table = dialect.parse_by_table(bytes);
    let (message, error) = dialect.parse_partial(bytes);
    assert_eq!(error, table.1, "{name}: shape and table give different errors");
    assert_eq!(message.mti(), table.0.mti(), "{name}");
    assert!(message.elements().eq(table.0.elements()), "{name}: different elements");
    for de in message.elements() {
        assert_eq!(message.offset(de), table.0.offset(de), "{name}: de {de}");
        assert_eq!(message.wire(de), table.0.wire(de), "{name}: de {de}");
    }
    message.shape.is_some()
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
