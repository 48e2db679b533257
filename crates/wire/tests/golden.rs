//! Messages from public sources, decoded and encoded again.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use switchyard_wire::json::{envelope_from_json, from_json, to_json_with};
use switchyard_wire::{
    Detected, Dialect, ElementPath, EnvelopeKind, Framing, Masking, Mti, ParseErrorKind, Subvalue,
    detect_frame, detect_frame_for,
};

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unionpay() -> &'static Dialect {
    Dialect::builtin("unionpay-pos").unwrap()
}

fn dump(name: &str) -> (Vec<u8>, Detected) {
    let dumps = lines(include_str!("data/unionpay-dumps.jsonl"));
    let dump = dumps.into_iter().find(|dump| dump["name"] == name).unwrap();
    let bytes = unhex(dump["hex"].as_str().unwrap());
    let detected = detect_frame(&bytes);
    (bytes, detected)
}

/// Values that the source cuts off end in `…`.
fn matches(expected: &str, actual: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(start) => actual.starts_with(start),
        None => actual == expected,
    }
}

#[test]
fn every_unionpay_dump_says_what_its_source_says_and_encodes_again() {
    let dumps = lines(include_str!("data/unionpay-dumps.jsonl"));
    assert_eq!(dumps.len(), 10);
    for dump in dumps {
        let name = dump["name"].as_str().unwrap();
        let bytes = unhex(dump["hex"].as_str().unwrap());
        let detected = detect_frame(&bytes);
        let framing = dump["framed"].as_bool().unwrap().then_some(Framing::Len2BeExclusive);
        let kind = if ["C1", "F1"].contains(&name) { EnvelopeKind::None } else { EnvelopeKind::TpduHeader };
        assert_eq!((detected.framing, detected.kind), (framing, kind), "{name}");
        assert_eq!(detect_frame_for(unionpay(), &bytes), detected, "{name}");
        let body = &bytes[detected.body.clone()];
        let message = unionpay().parse(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let json = to_json_with(&message, &detected.envelope, Masking::Unmasked);
        assert_eq!(json["mti"], dump["mti"], "{name}");
        let (fields, expected) = (json["fields"].as_object().unwrap(), dump["fields"].as_object().unwrap());
        let numbers = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(numbers(fields), numbers(expected), "{name}");
        for (de, expected) in expected {
            let (expected, actual) = (expected.as_str().unwrap(), fields[de].as_str().unwrap());
            assert!(matches(expected, actual), "{name}: de {de} is {actual:?}, not {expected:?}");
        }
        assert_eq!(from_json(unionpay(), &json).unwrap(), body, "{name}");
        assert_eq!(envelope_from_json(&json).unwrap(), detected.envelope, "{name}");
    }
}

#[test]
fn lengths_and_subfields_of_the_dumps_are_right() {
    let (bytes, detected) = dump("F1");
    let message = unionpay().parse(&bytes[detected.body]).unwrap();
    assert_eq!(message.value_len(48), Some(62));
    let sub = |path: &str| message.subfield(path).unwrap().to_plain_string();
    assert_eq!(
        (sub("48.1").as_str(), sub("48.2").as_str(), sub("48.10").as_str()),
        ("000000000007", "007", "0")
    );
    assert_eq!((sub("60.1").as_str(), sub("60.2").as_str(), sub("60.3").as_str()), ("00", "000003", "201"));
    assert_eq!(message.subfield("60.4"), None);

    let (bytes, detected) = dump("A4");
    let message = unionpay().parse(&bytes[detected.body]).unwrap();
    assert_eq!((message.value_len(62), message.value_len(46)), (Some(57), Some(47)));
    assert_eq!(message.text(56).as_deref(), Some("成功"));

    let (bytes, detected) = dump("B2");
    let message = unionpay().parse(&bytes[detected.body]).unwrap();
    let key = |path: &str| match message.subfield(path) {
        Some(Subvalue::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(key("62.1"), unhex("950973182317F80B950973182317F80B"));
    assert_eq!(key("62.6"), unhex("E2F24340"));
}

#[test]
fn a_unionpay_sale_is_read_field_by_field() {
    // A stripe sale with PIN, card sequence, chip data and MAC: the odd ones of the element table.
    let json = serde_json::json!({
        "mti": "0200",
        "fields": {
            "2": "6226090000000048", "3": "000000", "4": "000000012345", "11": "000123", "14": "2912", "22": "051",
            "23": "001", "25": "00", "26": "06", "35": "6226090000000048=29122011234567890",
            "41": "12345678", "42": "123456789012345", "49": "156", "52": "0011223344556677",
            "53": "2600000000000000", "55": "9F2608AABBCCDDEEFF00119F360200015A086226090000000048",
            "60": "22000001000500", "64": "3132333435363738"
        }
    });
    let body = from_json(unionpay(), &json).unwrap();
    let message = unionpay().parse(&body).unwrap();
    let mut buf = [0; 64];
    // 22 is left-aligned and 23 right-aligned; 35 counts nibbles and has a filler.
    assert_eq!(message.raw(22), Some(&[0x05, 0x10][..]));
    assert_eq!(message.raw(23), Some(&[0x00, 0x01][..]));
    assert_eq!((message.wire(35).unwrap()[0], message.raw(35).unwrap().len()), (0x34, 17));
    assert_eq!(message.digits(35, &mut buf), Some(&b"6226090000000048=29122011234567890"[..]));
    assert_eq!(message.wire(60), Some(&[0, 0x14, 0x22, 0, 0, 0x01, 0, 0x05, 0][..]));
    assert_eq!(
        (message.number(4), message.number(22), message.number(49)),
        (Some(12345), Some(51), Some(156))
    );
    assert_eq!(message.tag(55, 0x9F36), Some(&[0, 1][..]));
    assert_eq!(
        message.subfield("55.9F26"),
        Some(Subvalue::Bytes(&[0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0, 0x11]))
    );
    assert_eq!(message.bytes(64), Some(&b"12345678"[..]));
    assert_eq!(message.offset(64), Some(body.len() - 8));
    assert!(switchyard_wire::validate::validate(&message).is_empty());
    assert_eq!(&*unionpay().transaction_of(&message).unwrap().name, "sale");

    let masked = to_json_with(&message, &Default::default(), Masking::Masked).to_string();
    for secret in ["6226090000000048", "29122011234567890", "0011223344556677"] {
        assert!(!masked.contains(secret), "{secret} in {masked}");
    }
    assert!(masked.contains("622609******0048"), "{masked}");
    let text = switchyard_wire::describe::describe(&message, Masking::Masked);
    assert!(text.contains("sale 消费") && text.contains("622609******0048"), "{text}");
    assert!(!text.contains("6226090000000048") && !text.contains("0011223344556677"), "{text}");
}

#[test]
fn batch_upload_records_mask_their_card_numbers() {
    let record = "00000123000062260900000000480000000001000000".get(..40).unwrap();
    let json = serde_json::json!({"mti": "0320", "fields": {
        "11": "000001", "41": "12345678", "42": "123456789012345", "48": format!("02{record}{record}"),
        "60": "00000001201"}});
    let body = from_json(unionpay(), &json).unwrap();
    let message = unionpay().parse(&body).unwrap();
    let json = to_json_with(&message, &Default::default(), Masking::Masked);
    assert_eq!(json["subfields"]["48.4"], "0000622609******0048");
    assert_eq!(json["subfields"]["48.8"], "0000622609******0048");
    assert!(!json.to_string().contains("6226090000000048"));
}

#[test]
fn an_error_names_the_element_the_offset_and_the_lack() {
    let (bytes, detected) = dump("C1");
    let body = &bytes[detected.body];
    let cut = &body[..body.len() - 4];
    let error = unionpay().parse(cut).unwrap_err();
    assert_eq!(error.element, ElementPath::De(63));
    assert_eq!(error.to_string(), "de 63: needs 2 bytes, have 1 at offset 44");
    let (partial, error_again) = unionpay().parse_partial(cut);
    assert_eq!(error_again, Some(error));
    assert_eq!(partial.elements().collect::<Vec<_>>(), [11, 41, 42, 60]);

    let cases: [(&str, ElementPath, usize, ParseErrorKind); 6] = [
        ("08", ElementPath::Mti, 0, ParseErrorKind::Truncated { need: 2, have: 1 }),
        ("0A00", ElementPath::Mti, 0, ParseErrorKind::BadMti),
        ("0800002000", ElementPath::Bitmap(1), 2, ParseErrorKind::Truncated { need: 8, have: 3 }),
        (
            "0800002000000000000000001A",
            ElementPath::De(11),
            12,
            ParseErrorKind::BadCharacter { byte: 0x1A, class: "n" },
        ),
        (
            "0800400000000000000020",
            ElementPath::De(2),
            10,
            ParseErrorKind::LengthOverMax { length: 20, max: 19 },
        ),
        ("08004000000000000000A0", ElementPath::De(2), 10, ParseErrorKind::BadLength),
    ];
    for (hex, element, offset, kind) in cases {
        let error = unionpay().parse(&unhex(hex)).unwrap_err();
        assert_eq!((error.element, error.offset, error.kind), (element, offset, kind), "{hex}");
    }
    let error = unionpay().parse(&unhex("0800002000000000000000012300")).unwrap_err();
    assert_eq!((error.element, error.kind), (ElementPath::End, ParseErrorKind::TrailingBytes { have: 1 }));
}

#[test]
fn messages_packed_by_jpos_decode_to_their_values_and_encode_again() {
    let dialects = [
        ("1987 ASCII, hex bitmap", "iso87-ascii"),
        ("1987 ASCII, binary bitmap", "iso87-ascii-binbitmap"),
        ("1987 BCD/binary, binary bitmap", "iso87-binary"),
        ("1993 ASCII, hex bitmap", "iso93-ascii"),
        ("1993 BCD/binary, binary bitmap", "iso93-binary"),
    ];
    let mut failures = Vec::new();
    let samples = lines(include_str!("data/jpos-packed.jsonl"));
    assert_eq!(samples.len(), 100);
    for (index, sample) in samples.iter().enumerate() {
        let (_, name) = dialects.iter().find(|(known, _)| sample["dialect"] == *known).unwrap();
        if let Err(why) = check_jpos(name, sample) {
            failures.push(format!("{index} {name}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_jpos(name: &str, sample: &Value) -> Result<(), String> {
    let dialect = Dialect::builtin(name).unwrap();
    let body = unhex(sample["hex"].as_str().unwrap());
    let message = dialect.parse(&body).map_err(|error| error.to_string())?;
    let json = to_json_with(&message, &Default::default(), Masking::Unmasked);
    let mut expected = sample["expected"].as_object().unwrap().clone();
    let mti: Mti = expected.remove("0").unwrap().as_str().unwrap().parse().unwrap();
    assert_eq!(message.mti(), mti);
    let fields = json["fields"].as_object().unwrap();
    for (de, expected) in &expected {
        if fields.get(de) != Some(expected) {
            return Err(format!("de {de} is {:?}, not {expected}", fields.get(de)));
        }
    }
    assert_eq!(fields.len(), expected.len());
    let encoded = from_json(dialect, &json).map_err(|error| error.to_string())?;
    if encoded == body { Ok(()) } else { Err("encodes to other bytes".into()) }
}

#[test]
fn messages_of_other_implementations_decode_to_their_values() {
    let mut failures = Vec::new();
    for (index, sample) in lines(include_str!("data/messages.jsonl")).iter().enumerate() {
        let dialect = Dialect::builtin(sample["dialect"].as_str().unwrap()).unwrap();
        let bytes = unhex(sample["hex"].as_str().unwrap());
        let detected = detect_frame_for(dialect, &bytes);
        let message = match dialect.parse(&bytes[detected.body.clone()]) {
            Ok(message) => message,
            Err(error) => {
                failures.push(format!("{index}: {error}"));
                continue;
            }
        };
        let json = to_json_with(&message, &detected.envelope, Masking::Unmasked);
        for (de, expected) in sample["expected"].as_object().unwrap() {
            let actual = if de == "0" { &json["mti"] } else { &json["fields"][de] };
            if actual != expected {
                failures.push(format!("{index}: de {de} is {actual}, not {expected}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_failed_build_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let failed =
        unionpay().build(&mut out, Mti::new(0x0800), |builder| builder.number(11, 1_000_000).map(|_| ()));
    let error: switchyard_wire::BuildError = failed.unwrap_err();
    assert_eq!(error.to_string(), "de 11: length 7 is above the maximum 6");
    assert_eq!(out, b"before");
    let built = unionpay().build(&mut out, Mti::new(0x0800), |builder| {
        builder.number(11, 1)?.finish_with_mac(64, |data| {
            assert_eq!(data, unhex("080000200000000000010000 01".replace(' ', "").as_str()));
            [7; 8]
        })?;
        Ok::<(), switchyard_wire::BuildError>(())
    });
    assert_eq!(built.unwrap(), 6..out.len());
    assert_eq!(out.len(), 6 + 13 + 8);
}

#[test]
fn order_and_reservation_are_kept() {
    let mut out = Vec::new();
    let mut builder = unionpay().builder(&mut out, Mti::new(0x0200));
    builder.number(11, 1).unwrap();
    assert!(builder.number(11, 1).is_err() && builder.number(4, 1).is_err());
    assert!(builder.number(1, 1).is_err() && builder.number(200, 1).is_err());
    builder.reserve(64).unwrap();
    assert!(builder.number(70, 301).is_err() && builder.finish().is_err());
    assert_eq!(builder.body_so_far()[9] & 1, 1);
    builder.bytes(64, &[1; 8]).unwrap().number(70, 301).unwrap();
    let body = builder.finish().unwrap();
    assert!(builder.finish().is_err());
    let message = unionpay().parse(&out[body]).unwrap();
    assert_eq!((message.number(70), message.bytes(64)), (Some(301), Some(&[1; 8][..])));
}

#[test]
fn a_dialect_file_extends_a_built_in_one() {
    let text = r#"
        name = "acquirer-x"
        extends = "iso87-ascii"
        [bitmap]
        max = 3
        encoding = "raw"
        [elements]
        55 = { format = "b..255 LLL", tlv = "ber", encoding = "raw" }
        65 = { format = "absent" }
        93 = { format = "an5" }
        130 = { name = "after the third bitmap", format = "n..8 LL", prefix = "binary", counts = "bytes", encoding = "bcd" }
    "#;
    let dialect = Dialect::from_toml(text).unwrap();
    assert_eq!(
        (dialect.name(), dialect.element(2).unwrap().to_string().as_str()),
        ("acquirer-x", "n..19 LLVAR")
    );
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, Mti::new(0x0200));
    builder.bytes(55, &[0x82, 1, 9]).unwrap().text(93, "ABCDE").unwrap().digits(130, b"1234567").unwrap();
    builder.finish().unwrap();
    assert_eq!(out[4] >> 7, 1);
    assert_eq!(out[12] >> 7, 1);
    let message = dialect.parse(&out).unwrap();
    assert_eq!(message.elements().collect::<Vec<_>>(), [55, 93, 130]);
    assert_eq!((message.tag(55, 0x82), message.text(93).as_deref()), (Some(&[9][..]), Some("ABCDE")));
    assert_eq!(message.wire(130), Some(&[0, 4, 0x12, 0x34, 0x56, 0x70][..]));

    for (text, needle) in [
        ("name = \"x\"\nextends = \"nothing\"", "nothing"),
        ("name = \"x\"\n[elements]\n2 = { format = \"q9\" }", "elements.2.format"),
        ("name = \"x\"\n[elements]\n200 = { format = \"n9\" }", "elements.200"),
        ("name = \"x\"\n[elements]\n130 = { format = \"n9\" }", "bitmap.max"),
        ("name = \"x\"\nunknown_key = 1", "not valid"),
    ] {
        let error = Dialect::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}

#[test]
fn every_built_in_dialect_compiles_and_names_itself() {
    for name in Dialect::builtin_names() {
        let dialect = Dialect::builtin(name).unwrap();
        assert_eq!(dialect.name(), *name);
        assert!(!dialect.title().is_empty() && dialect.elements().count() > 100, "{name}");
        assert!(Dialect::from_toml(Dialect::builtin_source(name).unwrap()).is_ok());
    }
    assert!(Dialect::builtin("nothing").is_none());
}

#[test]
fn an_error_in_json_names_the_member() {
    for (json, needle) in [
        (r#"{}"#, "mti"),
        (r#"{"mti": "0200", "fields": {"x": "1"}}"#, "fields.x"),
        (r#"{"mti": "0200", "fields": {"52": "xyz"}}"#, "fields.52"),
        (r#"{"mti": "0200", "fields": {"2": "411111******1111"}}"#, "de 2"),
        (r#"{"mti": "0200", "fields": {"199": "1"}}"#, "fields.199"),
        (r#"{"mti": "0200", "subfields": {"60.2": "000001"}}"#, "60.1"),
    ] {
        let error = from_json(unionpay(), &serde_json::from_str(json).unwrap()).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
    let json = serde_json::json!({"mti": "0800", "fields": {"11": 7},
        "subfields": {"60.1": "00", "60.2": "000001", "60.3": "301", "55.9F36": "0001", "55.82": "1980"}});
    let body = from_json(unionpay(), &json).unwrap();
    let message = unionpay().parse(&body).unwrap();
    assert_eq!(message.text(60).as_deref(), Some("00000001301"));
    assert_eq!(message.bytes(55), Some(&[0x9F, 0x36, 2, 0, 1, 0x82, 2, 0x19, 0x80][..]));
}
