//! Composites of every kind, from bytes worked out by hand and from dialects made up at random.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use switchyard_wire::json::{from_json, to_json};
use switchyard_wire::{
    BuildError, COMPOSITE_DEPTH_MAX, Dialect, Masking, Mti, ParseErrorKind, PartFault, Subvalue, describe,
    diff, fuzzing,
};

fn specimen() -> Dialect {
    Dialect::from_toml(include_str!("../src/composite/specimen.toml")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A message with one element.
fn message(dialect: &Dialect, de: u8, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0100));
    builder.bytes(de, value).unwrap();
    builder.finish().unwrap();
    body
}

/// That the value has these parts in this order, and is made of them again.
fn check(de: u8, value: &[u8], expected: &[(&str, &str)]) {
    let dialect = specimen();
    let body = message(&dialect, de, value);
    let parsed = dialect.parse(&body).unwrap();
    let value = to_json(&parsed, Masking::Unmasked);
    assert_eq!(value.get("errors"), None, "{value}");
    let found: Vec<(&str, &str)> = value["subfields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, v)| (path.as_str(), v.as_str().unwrap()))
        .collect();
    let expected_paths: Vec<(String, &str)> =
        expected.iter().map(|(path, text)| (format!("{de}.{path}"), *text)).collect();
    let expected_refs: Vec<(&str, &str)> =
        expected_paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assert_eq!(found, expected_refs);
    for (path, text) in &expected_refs {
        assert_eq!(parsed.subfield(path).unwrap().to_plain_string(), *text, "{path}");
    }
    assert_eq!(from_json(&dialect, &value).unwrap(), body, "with the whole");
    let parts = json!({"mti": "0100", "subfields": value["subfields"]});
    assert_eq!(from_json(&dialect, &parts).unwrap(), body, "from the parts alone");
    assert!(!describe::describe(&parsed, Masking::Unmasked).contains("error"));
}

#[test]
fn tags_stand_before_lengths_with_a_head_and_unknown_ones() {
    // R is the category; tag 01 LLL 016; 04 is five digits packed with a zero before them: 3 bytes, counted as 5.
    let value = b"R01016411111111111111102002hi77003xyz04005\x01\x23\x4505009000103abc";
    check(
        2,
        value,
        &[
            ("0", "R"),
            ("01", "4111111111111111"),
            ("02", "hi"),
            ("77", "xyz"),
            ("04", "12345"),
            ("05.0001", "abc"),
        ],
    );
    // Without the head the first byte is the digit of a tag.
    check(2, b"02002hi02003two", &[("02", "hi"), ("02#2", "two")]);
}

#[test]
fn lengths_stand_before_tags_and_count_them() {
    // LL 05 is two of the tag and three of the value.
    check(3, b"0538ABC0477XY", &[("38", "ABC"), ("77", "XY")]);
    // LLLTT in EBCDIC, twice deep: 004 40 07, 010 47 (005 01 101).
    let value = unhex("F0F0F4F4F0F0F7 F0F1F0F4F7 F0F0F5F0F1F1F0F1");
    check(4, &value, &[("40", "07"), ("47.01", "101")]);
}

#[test]
fn tags_and_lengths_are_packed_or_binary() {
    // Tag 001 in two bytes, length 5 digits, five digits right-aligned in three bytes; a track with D; unknown bytes.
    check(
        5,
        &unhex("0001 0005 012345 0002 0004 41D1 0999 0001 AB"),
        &[("001", "12345"), ("002", "41=1"), ("999", "AB")],
    );
    // Two bytes each, and the length counts all: 2 + 2 + 9 and 2 + 2 + 7.
    let value =
        [unhex("0102 000D"), b"C00001234".to_vec(), unhex("0103 000B F0F0F1F2F3F4F5 A0B0 0005 FF")].concat();
    check(6, &value, &[("0102", "C00001234"), ("0103", "0012345"), ("A0B0", "FF")]);
    // No length beside the tag: fixed, LL packed, one binary byte that counts bytes, LL that counts bytes.
    let value = [b"A123B\x05HELLOC\x02".to_vec(), unhex("AABB"), b"D04".to_vec(), unhex("12345670")].concat();
    check(7, &value, &[("A", "123"), ("B", "HELLO"), ("C", "AABB"), ("D", "1234567")]);
}

#[test]
fn positions_have_encodings_prefixes_and_composites_of_their_own() {
    // 3 is 13 bytes: XY, one digit of length, and five bytes as ten digits, which are CAFE as digits and a rest.
    let value =
        [unhex("0123 F0F2C1C2 13"), b"XY5".to_vec(), b"4341464521".to_vec(), unhex("43 1234 BAC3")].concat();
    let expected = [
        ("1", "123"),
        ("2", "AB"),
        ("3.1", "XY"),
        ("3.2.1", "CAFE"),
        ("3.2.2", "!"),
        ("4", "C1234"),
        ("5", "好"),
    ];
    check(8, &value, &expected);
    check(
        9,
        b"AB012XY020993abc",
        &[("1", "AB"), ("2", "01"), ("3", "XY"), ("4", "02"), ("5", ""), ("6", "99"), ("7", "abc")],
    );
}

#[test]
fn bits_are_binary_digits_or_ebcdic_and_nest() {
    // Bits 2 and 25; in 25 the bits 2 and 23 as digits: 16 + 12 + 6 characters.
    let value = [
        unhex("4000008000000000"),
        b"10SWITCH_KEY".to_vec(),
        b"00344000020000000000".to_vec(),
        b"00000000123404PAYS".to_vec(),
    ]
    .concat();
    check(10, &value, &[("2", "SWITCH_KEY"), ("25.2", "000000001234"), ("25.23", "PAYS")]);
    // Bits 1, 65 and 128 of sixteen bytes in EBCDIC digits.
    let bitmap = unhex("F8F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0 F8F0F0F0F0F0F0F0F0F0F0F0F0F0F0F1");
    check(
        11,
        &[bitmap, b"7".to_vec(), unhex("F9BEEF")].concat(),
        &[("1", "7"), ("65", "9"), ("128", "BEEF")],
    );
    // The first bit of each of three bitmaps announces the next.
    let bitmap = unhex("C000000000000000C0000000000000004000000000000000");
    check(12, &[bitmap, b"112233".to_vec()].concat(), &[("2", "11"), ("66", "22"), ("130", "33")]);
}

#[test]
fn a_part_may_stand_before_the_bitmap_and_datasets_may_all_be_alike() {
    // The kind is 7; bits 1 and 32 of four bytes; three digits.
    check(17, &unhex("F7 F8F0F0F0F0F0F0F1 BEEF F0F3F1F2F3"), &[("0", "7"), ("1", "BEEF"), ("32", "123")]);
    // Nothing is said of dataset 9A, so that it is as others are: bits 2 and 4.
    check(16, &unhex("9A 0007 5000 BEEF 313233"), &[("9A.2", "BEEF"), ("9A.4", "123")]);
}

#[test]
fn the_third_bitmap_stands_in_an_element_or_behind_the_second() {
    let elements = "2 = { format = \"n..19\" }\n65 = { format = \"b8\" }\n70 = { format = \"n3\" }\n130 = { format = \"n2\" }\n192 = { format = \"n1\" }";
    let inside =
        Dialect::from_toml(&format!("name = \"x\"\n[bitmap]\nmax = 2\nthird = 65\n[elements]\n{elements}"))
            .unwrap();
    // Bits 1 and 2; 65 and 70; in element 65 the bits 130 and 192.
    let body = [
        b"0800".to_vec(),
        unhex("C000000000000000 8400000000000000"),
        b"0212".to_vec(),
        unhex("4000000000000001"),
        b"301".to_vec(),
        b"99".to_vec(),
        b"7".to_vec(),
    ]
    .concat();
    for _ in 0..2 {
        let message = inside.parse(&body).unwrap();
        assert_eq!(message.elements().collect::<Vec<_>>(), [2, 65, 70, 130, 192]);
        assert_eq!(
            (message.number(70), message.number(130), message.number(192)),
            (Some(301), Some(99), Some(7))
        );
        let json = to_json(&message, Masking::Unmasked);
        assert_eq!(from_json(&inside, &json).unwrap(), body);
    }
    // The writer makes the element itself, in its place.
    let mut out = Vec::new();
    let mut builder = inside.builder(&mut out, Mti::new(0x0800));
    builder.digits(2, b"12").unwrap().digits(70, b"301").unwrap();
    builder.digits(130, b"99").unwrap().digits(192, b"7").unwrap();
    builder.finish().unwrap();
    assert_eq!(out, body);
    let error = inside.parse(&body[..body.len() - 1]).unwrap_err();
    assert_eq!(error.to_string(), "de 192: needs 1 bytes, have 0 at offset 37");
    for bad in ["third = 66", "third = 65\nmax = 3"] {
        let text = format!("name = \"x\"\n[bitmap]\n{bad}\n[elements]\n{elements}\n");
        assert!(Dialect::from_toml(&text).is_err(), "{bad}");
    }
    assert!(switchyard_wire::ReplyPlan::new(&inside, &[2, 130], &[]).is_err());

    let elements = elements.replace("65 = { format = \"b8\" }\n", "");
    let behind =
        Dialect::from_toml(&format!("name = \"x\"\n[bitmap]\nmax = 3\n[elements]\n{elements}")).unwrap();
    let body = [
        b"0800".to_vec(),
        unhex("C000000000000000 8400000000000000 4000000000000001"),
        b"0212301997".to_vec(),
    ]
    .concat();
    let message = behind.parse(&body).unwrap();
    assert_eq!(message.elements().collect::<Vec<_>>(), [2, 70, 130, 192]);
    assert_eq!(from_json(&behind, &to_json(&message, Masking::Unmasked)).unwrap(), body);
}

#[test]
fn a_bitmap_that_is_always_long_may_announce_nothing() {
    let text = "name = \"x\"\n[bitmap]\nmin = 2\nmax = 2\nannounce = false\n[elements]\n3 = { format = \"n2\" }\n70 = { format = \"n3\" }";
    let dialect = Dialect::from_toml(text).unwrap();
    let body = [b"0800".to_vec(), unhex("2000000000000000 0400000000000000"), b"12301".to_vec()].concat();
    let message = dialect.parse(&body).unwrap();
    assert_eq!(message.elements().collect::<Vec<_>>(), [3, 70]);
    assert_eq!(from_json(&dialect, &to_json(&message, Masking::Unmasked)).unwrap(), body);
    assert!(Dialect::from_toml(&text.replace("min = 2", "min = 1")).is_err());
}

#[test]
fn chip_data_are_known_nested_and_carried_as_digits() {
    // Nineteen digits and a filler; 72 is constructed, FF01 too and holds other tags.
    let value = "9F0206000000001234 5A0A6226090000000000482F DF0103414243 72059F18020102 FF0106303130324142";
    let expected = [
        ("9F02", "000000001234"),
        ("5A", "6226090000000000482"),
        ("DF01", "ABC"),
        ("72.9F18", "0102"),
        ("FF01.01", "AB"),
    ];
    check(13, &unhex(value), &expected);
    let long = format!("9F10820101{}", "AB".repeat(257));
    check(13, &unhex(&long), &[("9F10", &"AB".repeat(257))]);
    check(14, &unhex("9F36020001"), &[("9F36", "0001")]);
    check(15, &unhex("9F36020001 7203860100"), &[("9F36", "0001"), ("72.86", "00")]);
    let dialect = specimen();
    let body = message(&dialect, 14, &unhex("9F36020001"));
    assert!(body.ends_with(b"00109F36020001"), "ten digits are counted");
    let body = message(&dialect, 15, &unhex("9F36020001"));
    assert!(body.ends_with(&unhex("30303035 F9C6F3F6F0F2F0F0F0F1")), "five bytes are counted");
}

#[test]
fn datasets_are_objects_or_bits_with_objects_behind() {
    // 71: bits 2 and 18, the first bit continues, the last says that objects follow: 3 + 1 + 3 + 9 bytes.
    let value =
        "71 0010 C00041 AB 325859 9F0206000000000099 01 0004 5A021234 02 0003 9501FF 72 0004 4000BEEF";
    let expected = [
        ("71.2", "AB"),
        ("71.18", "XY"),
        ("71.t9F02", "000000000099"),
        ("01.5A", "1234"),
        ("02.95", "FF"),
        ("72.2", "BEEF"),
    ];
    check(16, &unhex(value), &expected);
}

#[test]
fn what_cannot_be_followed_is_named_with_its_place_and_reason() {
    let dialect = specimen();
    let cases: [(u8, Vec<u8>, &str); 13] = [
        (2, b"02009hi".to_vec(), "de 2.02: needs 14 bytes, have 7"),
        (2, b"0200xhi".to_vec(), "de 2.02: bad length digits"),
        (2, b"05009000103a\x01c0".to_vec(), "de 2.05.0001: byte 0x01 is not allowed in class an"),
        (2, b"01002x1".to_vec(), "de 2.01: byte 0x78 is not allowed in class n"),
        (3, b"0138".to_vec(), "de 3.38: bad length digits"),
        (7, b"Z1".to_vec(), "de 7.Z: element is not defined by the dialect"),
        (8, unhex("0123 F0F2C1C2 13 5859 35 34 33 34 31 34 36 34 35 32 78"), "de 8.3.2: byte 0x78"),
        (9, b"AB0".to_vec(), "de 9.2: needs 2 bytes, have 1"),
        (10, unhex("2000000000000000"), "de 10.3: element is not defined"),
        (12, unhex("800000000000000080000000000000008000000000000000"), "de 12: bitmap is not hexadecimal"),
        (13, unhex("72809F18"), "de 13: indefinite length is not read at offset"),
        (13, unhex("9F3603"), "de 13.9F36: needs 6 bytes, have 3"),
        (16, unhex("71000480"), "de 16.71: needs 7 bytes, have 4"),
    ];
    for (de, value, expected) in cases {
        let body = message(&dialect, de, &value);
        let parsed = dialect.parse(&body).unwrap();
        let error = parsed.parts(de).find_map(Result::err).unwrap_or_else(|| panic!("{expected}: is read"));
        assert!(error.to_string().starts_with(expected), "{error}, not {expected}");
        assert!(error.offset < body.len() + 1);
        let json = to_json(&parsed, Masking::Unmasked);
        assert_eq!(json["errors"][de.to_string()], error.to_string());
        assert_eq!(from_json(&dialect, &json).unwrap(), body, "the whole is kept");
    }
}

#[test]
fn depth_is_limited_by_name() {
    let dialect = specimen();
    let nest = |levels: usize| {
        let mut value = unhex("950101");
        for _ in 0..levels {
            value.splice(0..0, [0x72, value.len() as u8]);
        }
        value
    };
    let body = message(&dialect, 13, &nest(COMPOSITE_DEPTH_MAX - 1));
    assert!(dialect.parse(&body).unwrap().parts(13).all(|part| part.is_ok()));
    let body = message(&dialect, 13, &nest(COMPOSITE_DEPTH_MAX));
    let error = dialect.parse(&body).unwrap().parts(13).find_map(Result::err).unwrap();
    assert_eq!(error.kind, ParseErrorKind::TooDeep { max: COMPOSITE_DEPTH_MAX });
    // Nor may a dialect declare more.
    let mut part = "{ format = \"an1\" }".to_owned();
    for _ in 0..COMPOSITE_DEPTH_MAX {
        part = format!("{{ format = \"b..99 LL\", inside = \"positional\", parts = {{ 1 = {part} }} }}");
    }
    let text = |part: &str| format!("name = \"deep\"\n[elements]\n2 = {part}\n");
    assert!(Dialect::from_toml(&text(&part)).is_ok());
    let deeper = format!("{{ format = \"b..99 LL\", inside = \"positional\", parts = {{ 1 = {part} }} }}");
    let error = Dialect::from_toml(&text(&deeper)).unwrap_err().to_string();
    assert!(error.contains("depth of composites"), "{error}");
}

#[test]
fn parts_are_written_by_hand_and_faults_are_named() {
    let dialect = specimen();
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0100));
    builder
        .parts(10, |writer| {
            writer.text("2", "KEY")?.parts("25", |inner| {
                inner.text("2", "000000000007")?.parts("64", |chip| chip.bytes("9F36", &[0, 1]).map(drop))?;
                Ok::<(), BuildError>(())
            })?;
            Ok::<(), BuildError>(())
        })
        .unwrap();
    builder.finish().unwrap();
    let parsed = dialect.parse(&body).unwrap();
    assert_eq!(parsed.subfield("10.25.64.9F36"), Some(Subvalue::Bytes(&[0, 1])));
    assert_eq!(parsed.subfield("10.25.2").unwrap().to_plain_string(), "000000000007");
    assert_eq!(parsed.subfield("10.3"), None);
    let faults: [(u8, Value, &str); 9] = [
        (10, json!({"10.3": "x"}), "de 10.3: not defined by the dialect"),
        (10, json!({"10.x": "x"}), "de 10.x: not a key of this composite"),
        (8, json!({"8.2": "AB"}), "de 8.2: must come in order"),
        (2, json!({"2.01": "12345678901234567890"}), "de 2.01: length 20 is above the maximum 19"),
        (2, json!({"2.04": "123"}), "de 2.04: needs length 5, have 3"),
        (2, json!({"2.01": "12a"}), "de 2.01: position 2 has a character that class n cannot carry"),
        (2, json!({"2.03": "zz"}), "2.03: expected hexadecimal"),
        (2, json!({"2.01.5": "1"}), "de 2.01: is not a composite"),
        (3, json!({"3.99": "x".repeat(98)}), "de 3.99: length 100 is above the maximum 99"),
    ];
    for (_, subfields, expected) in faults {
        let value = json!({"mti": "0100", "subfields": subfields});
        let error = from_json(&dialect, &value).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
}

#[test]
fn secrets_inside_composites_are_masked_everywhere() {
    let dialect = specimen();
    let values = [
        (2, b"01016411111111111111177019x4111111111111111yz".to_vec()),
        (13, unhex("5A084111111111111111 57104111111111111111D25121011230000F 72069F20034BBBBB")),
        (14, unhex("5A084111111111111111 57104111111111111111D25121011230000F")),
        (16, unhex("01000A5A084111111111111111")),
    ];
    for (de, value) in values {
        let body = message(&dialect, de, &value);
        let parsed = dialect.parse(&body).unwrap();
        assert!(parsed.parts(de).all(|part| part.is_ok()), "{de}");
        let json = to_json(&parsed, Masking::Masked).to_string();
        let text = describe::describe(&parsed, Masking::Masked);
        for shown in [json, text] {
            for secret in ["4111111111111111", "34313131313131313131", "4BBBBB", "25121011230000"] {
                assert!(!shown.contains(secret), "{de}: {shown}");
            }
            assert!(shown.contains("411111******1111"), "{de}: {shown}");
        }
        let other = message(&dialect, de, &[value.clone(), value].concat());
        let other = dialect.parse(&other).unwrap();
        for difference in diff::diff(&parsed, &other, Masking::Masked) {
            assert!(!difference.to_string().contains("4111111111111111"), "{difference}");
        }
    }
    // Where the inside cannot be followed, nothing after that point is shown.
    let body = message(&dialect, 2, b"02002hi0101641111111111");
    let json = to_json(&dialect.parse(&body).unwrap(), Masking::Masked);
    assert_eq!(json["fields"]["2"], "02002hi****************");
}

#[test]
fn differences_are_named_by_part() {
    let dialect = specimen();
    let left = message(&dialect, 10, &[unhex("4000000000000000"), b"03KEY".to_vec()].concat());
    let right = message(&dialect, 10, &[unhex("C000000000000000 12"), b"03NEW".to_vec()].concat());
    let (left, right) = (dialect.parse(&left).unwrap(), dialect.parse(&right).unwrap());
    let found: Vec<String> =
        diff::diff(&left, &right, Masking::Masked).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["de 10.2: KEY -> NEW", "de 10.1: absent -> 12"]);
    // The order of tags is a difference too, of the whole.
    let (left, right) = (message(&dialect, 3, b"0538ABC0477XY"), message(&dialect, 3, b"0477XY0538ABC"));
    let (left, right) = (dialect.parse(&left).unwrap(), dialect.parse(&right).unwrap());
    assert_eq!(diff::diff(&left, &right, Masking::Masked).len(), 1);
}

#[test]
fn a_dialect_that_cannot_be_meant_is_refused_with_its_key() {
    let cases = [
        ("2 = { format = \"n9\", inside = \"ber\" }", "elements.2.format"),
        ("2 = { format = \"b..9\", inside = \"nothing\" }", "elements.2.inside"),
        ("2 = { format = \"b..9\", inside = \"tagged\" }", "elements.2.tag.width"),
        (
            "2 = { format = \"b..9\", inside = \"tagged\", tag = { width = 2, first = \"length\" } }",
            "tag.length",
        ),
        (
            "2 = { format = \"b..9\", inside = \"tagged\", tag = { width = 2, length = \"LL\" }, parts = { 123 = { format = \"n1\" } } }",
            "elements.2.parts.123",
        ),
        (
            "2 = { format = \"b..9\", inside = \"bitmap\", parts = { 65 = { format = \"n1\" } } }",
            "elements.2.parts.65",
        ),
        (
            "2 = { format = \"b..9\", inside = \"bitmap\", bitmap = { max = 2 }, parts = { 65 = { format = \"n1\" } } }",
            "announce",
        ),
        ("2 = { format = \"b..9\", inside = \"positional\" }", "elements.2.parts"),
        (
            "2 = { format = \"b..9\", inside = \"positional\", parts = { 1 = { format = \"b..9\", prefix = \"none\" }, 2 = { format = \"n1\" } } }",
            "last part",
        ),
        ("2 = { format = \"b..9\", prefix = \"none\" }", "elements.2.prefix"),
        ("2 = { format = \"b..9\", parts = { 1 = { format = \"n1\" } } }", "elements.2.parts"),
        (
            "2 = { format = \"b..9\", inside = \"ber\", parts = { 00 = { format = \"n1\" } } }",
            "elements.2.parts.00",
        ),
        ("2 = { format = \"b..9\", inside = \"ber\", bitmap = { bytes = 8 } }", "elements.2.bitmap"),
        (
            "2 = { format = \"b..9\", inside = \"ber\", parts = { 9A = { format = \"n6\", inside = \"ber\" } } }",
            "elements.2.parts.9A.format",
        ),
    ];
    for (element, needle) in cases {
        let error =
            Dialect::from_toml(&format!("name = \"x\"\n[elements]\n{element}\n")).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}, not {needle}");
    }
    // A composite of a base may be replaced or completed.
    let base = "name = \"x\"\nextends = \"iso87-ascii\"\n[elements]\n";
    let dialect = Dialect::from_toml(&format!(
        "{base}48 = {{ inside = \"tagged\", tag = {{ width = 2, length = \"LL\" }} }}"
    ))
    .unwrap();
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0100));
    builder.text(48, "0103abc").unwrap();
    builder.finish().unwrap();
    assert_eq!(dialect.parse(&body).unwrap().subfield("48.01"), Some(Subvalue::Text("abc".into())));
}

/// Numbers from a seed: what a strategy of nested dialects and their values would cost to write is not worth it.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }

    fn string(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

/// What a part holds: a value, or parts by key.
enum Tree {
    Leaf(String),
    Parts(Vec<(String, Tree)>),
}

/// A part of no parts: its keys in a dialect file, and a value. A rest may take what is left.
fn leaf(rng: &mut Rng, is_last: bool) -> (String, Tree) {
    let class = rng.below(5);
    let length = 1 + rng.below(9);
    let digits = b"0123456789";
    let (name, encoding, value) = match class {
        0 => ("n", rng.of(&["ascii", "bcd", "ebcdic"]), rng.string(digits, length)),
        1 => ("ans", rng.of(&["ascii", "ebcdic"]), rng.string(b"abcXYZ 09-+", length)),
        2 => ("b", rng.of(&["raw", "hex", "ebcdic-hex"]), rng.string(b"0123456789ABCDEF", length * 2)),
        3 => ("x+n", rng.of(&["ascii", "bcd", "ebcdic"]), format!("C{}", rng.string(digits, length - 1))),
        _ => ("an", "ascii", rng.string(b"abcXYZ09", length)),
    };
    let rest = if is_last && class != 0 && class != 3 { 6 } else { 5 };
    let format = match rng.below(rest) {
        0 | 1 => format!("format = \"{name}{length}\""),
        5 => format!("format = \"{name}..99\", prefix = \"none\""),
        _ => {
            let places = rng.of(&["LL", "LLL"]);
            let prefix = rng.of(&["ascii", "bcd", "ebcdic", "binary"]);
            let counts = rng.of(&["units", "inclusive"]);
            format!("format = \"{name}..90 {places}\", prefix = \"{prefix}\", counts = \"{counts}\"")
        }
    };
    let pad = rng.of(&["left", "right"]);
    (format!("{format}, encoding = \"{encoding}\", pad = \"{pad}\", fill = \"F\""), Tree::Leaf(value))
}

/// The key of a part by its place.
type KeyOf = Box<dyn Fn(usize, &mut Rng) -> String>;

/// A part of parts: the keys after its format, and its parts.
fn composite(rng: &mut Rng, depth: usize) -> (String, Tree) {
    let mut parts: Vec<(String, String, Tree)> = Vec::new();
    let count = 1 + rng.below(4);
    let kind = rng.below(6);
    let (head, key): (String, KeyOf) = match kind {
        0 => ("inside = \"positional\"".into(), Box::new(|index, _| (index + 1).to_string())),
        1 => {
            let width = 1 + rng.below(4);
            let (encoding, first) = (rng.of(&["ascii", "ebcdic", "bcd"]), rng.of(&["tag", "length"]));
            let counts = rng.of(&["units", "bytes", "tag", "all"]);
            let prefix = rng.of(&["ascii", "bcd", "ebcdic", "binary"]);
            let tag = format!("width = {width}, encoding = \"{encoding}\", first = \"{first}\"");
            (
                format!(
                    "inside = \"tagged\", tag = {{ {tag}, length = \"LLLL\", prefix = \"{prefix}\", counts = \"{counts}\" }}"
                ),
                Box::new(move |index, _| format!("{:0width$}", index + 1)),
            )
        }
        2 => {
            let width = 1 + rng.below(3);
            let encoding = rng.of(&["ascii", "ebcdic"]);
            (
                format!("inside = \"tagged\", tag = {{ width = {width}, encoding = \"{encoding}\" }}"),
                Box::new(move |index, _| format!("{:0width$}", index + 1)),
            )
        }
        3 => {
            let encoding = rng.of(&["raw", "hex", "ebcdic-hex"]);
            let max = 1 + rng.below(3);
            (
                format!(
                    "inside = \"bitmap\", bitmap = {{ encoding = \"{encoding}\", max = {max}, bytes = 8 }}"
                ),
                Box::new(move |index, rng| {
                    let bit = 2 + index * 15 * max + rng.below(14);
                    (if bit % 64 == 1 { bit + 1 } else { bit }).to_string()
                }),
            )
        }
        4 => ("inside = \"ber\"".into(), Box::new(|index, _| format!("9F0{}", index + 1))),
        _ => (
            "inside = \"dbm\"".into(),
            Box::new(|index, rng| {
                let bit = 2 + index * 9 + rng.below(7);
                (if bit > 16 && bit % 8 == 1 { bit + 1 } else { bit }).to_string()
            }),
        ),
    };
    for index in 0..count {
        let key = key(index, rng);
        let is_last = index + 1 == count && kind == 0;
        let (spec, tree) = if depth > 0 && rng.below(3) == 0 {
            let (inside, tree) = composite(rng, depth - 1);
            let encoding = rng.of(&["raw", "hex"]);
            let own =
                if kind == 1 || kind == 4 { "format = \"b..4000\"" } else { "format = \"b..4000 LLLL\"" };
            (format!("{own}, encoding = \"{encoding}\", {inside}"), tree)
        } else if kind == 4 || kind == 1 {
            // The length stands beside the tag: the part says no more than its class and a maximum.
            (
                format!("format = \"an..90\", encoding = \"{}\"", rng.of(&["ascii", "ebcdic"])),
                Tree::Leaf(rng.string(b"abcXYZ09", 5)),
            )
        } else {
            leaf(rng, is_last)
        };
        parts.push((key, spec, tree));
    }
    let specs: Vec<String> = parts.iter().map(|(key, spec, _)| format!("{key} = {{ {spec} }}")).collect();
    let trees = parts.into_iter().map(|(key, _, tree)| (key, tree)).collect();
    (format!("{head}, parts = {{ {} }}", specs.join(", ")), Tree::Parts(trees))
}

fn flatten(path: &str, tree: &Tree, out: &mut Map<String, Value>) {
    match tree {
        Tree::Leaf(value) => drop(out.insert(path.to_owned(), value.clone().into())),
        Tree::Parts(parts) => {
            parts.iter().for_each(|(key, tree)| flatten(&format!("{path}.{key}"), tree, out))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_composite_of_any_dialect_is_built_and_read_back(seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let depth = rng.below(4);
        let (inside, tree) = composite(&mut rng, depth);
        let outer = rng.of(&["raw", "hex", "ebcdic-hex"]);
        let text = format!("name = \"random\"\n[elements]\n48 = {{ format = \"b..9999 LLLL\", encoding = \"{outer}\", {inside} }}\n");
        let dialect = Dialect::from_toml(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut subfields = Map::new();
        flatten("48", &tree, &mut subfields);
        let body = from_json(&dialect, &json!({"mti": "0100", "subfields": subfields}))
            .unwrap_or_else(|error| panic!("{error}: {text} {subfields:?}"));
        let parsed = dialect.parse(&body).unwrap();
        let read = to_json(&parsed, Masking::Unmasked);
        prop_assert_eq!(&read["subfields"], &Value::from(subfields), "{}", text);
        prop_assert_eq!(from_json(&dialect, &read).unwrap(), body.clone());
        let parts = json!({"mti": "0100", "subfields": read["subfields"]});
        prop_assert_eq!(from_json(&dialect, &parts).unwrap(), body.clone());
        // No cut panics, and no cut is read as the whole.
        for cut in 0..body.len() {
            let (partial, error) = dialect.parse_partial(&body[..cut]);
            prop_assert!(error.is_some());
            prop_assert_eq!(partial.parts(48).count(), 0);
        }
    }

    #[test]
    fn no_bytes_panic_a_composite(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for choice in 0..16 {
            fuzzing::tlv(&[&[choice], &bytes[..]].concat());
        }
    }

    #[test]
    fn no_spoiled_composite_panics(choice in 0..16u8, spoils in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let seeds = seeds();
        for (de, mut value) in seeds.into_iter().filter(|(de, _)| *de == choice + 2) {
            for (index, byte) in &spoils {
                let at = index.index(value.len());
                value[at] = *byte;
            }
            fuzzing::tlv(&[&[de - 2], &value[..]].concat());
        }
    }
}

/// A value of every kind.
fn seeds() -> Vec<(u8, Vec<u8>)> {
    vec![
        (2, b"R01016411111111111111102002hi77003xyz05009000103abc".to_vec()),
        (3, b"0538ABC0477XY".to_vec()),
        (4, unhex("F0F0F4F4F0F0F7F0F1F0F4F7F0F0F5F0F1F1F0F1")),
        (5, unhex("000100050123450002000441D109990001AB")),
        (6, [unhex("0102000D"), b"C00001234".to_vec(), unhex("A0B00005FF")].concat()),
        (7, [b"A123B\x05HELLOC\x02".to_vec(), unhex("AABB"), b"D04".to_vec(), unhex("12345670")].concat()),
        (8, [unhex("0123F0F2C1C213"), b"XY54341464521".to_vec(), unhex("431234BAC3")].concat()),
        (9, b"AB012XY020993abc".to_vec()),
        (
            10,
            [
                unhex("4000008000000000"),
                b"03KEY00344000020000000000".to_vec(),
                b"00000000123404PAYS".to_vec(),
            ]
            .concat(),
        ),
        (
            11,
            [
                unhex("F8F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F8F0F0F0F0F0F0F0F0F0F0F0F0F0F0F1"),
                b"7\xF9\xBE\xEF".to_vec(),
            ]
            .concat(),
        ),
        (12, [unhex("C000000000000000C0000000000000004000000000000000"), b"112233".to_vec()].concat()),
        (13, unhex("9F02060000000012345A0A6226090000000000482FDF010341424372059F18020102FF0106303130324142")),
        (14, unhex("9F360200017203860100")),
        (15, unhex("9F360200017203860100")),
        (
            16,
            unhex(
                "710010C00041AB3258599F020600000000009901000A5A0841111111111111110200039501FF7200044000BEEF",
            ),
        ),
    ]
}

#[test]
fn every_seed_is_read_whole() {
    let dialect = specimen();
    for (de, value) in seeds() {
        let body = message(&dialect, de, &value);
        let parsed = dialect.parse(&body).unwrap();
        if let Some(error) = parsed.parts(de).find_map(Result::err) {
            panic!("{error}");
        }
        fuzzing::tlv(&[&[de - 2], &value[..]].concat());
    }
    fuzzing::import_jpos(b"<isopackager/>\0\x01");
    fuzzing::import_moov(b"{\"fields\": {}}\0\x01");
}

/// What nothing is known of is written as its tags are, and read again as it was given: in every character set that
/// tags can have, whoever writes it.
#[test]
fn parts_that_are_not_known_are_characters_of_their_tags_set() {
    let cases: [(&str, &[u8]); 2] =
        [("ascii", b"\x30\x31\x30\x33Ab7"), ("ebcdic", b"\xF0\xF1\xF0\xF3\xC1\x82\xF7")];
    for (encoding, wire) in cases {
        let toml = format!(
            "name = \"tags\"\ntitle = \"tags\"\n[elements]\n48 = {{ format = \"b..99 LL\", inside = \"tagged\", \
             tag = {{ width = 2, encoding = \"{encoding}\", length = \"LL\", prefix = \"{encoding}\" }} }}\n"
        );
        let dialect = Dialect::from_toml(&toml).unwrap();
        let mut out = Vec::new();
        let body = dialect
            .build(&mut out, Mti::new(0x0200), |builder| {
                builder.parts(48, |parts| parts.text("01", "Ab7").map(|_| ()))?;
                Ok::<(), BuildError>(())
            })
            .unwrap();
        let message = dialect.parse(&out[body]).unwrap();
        assert_eq!(message.raw(48).unwrap(), wire, "{encoding}");
        assert_eq!(message.subfield("48.01").unwrap().to_plain_string(), "Ab7");
        let document = to_json(&message, Masking::Unmasked);
        assert_eq!(from_json(&dialect, &document).unwrap(), out, "{encoding}");
        // What the set does not have is refused by name and place.
        let mut refused = Vec::new();
        let error = dialect
            .build(&mut refused, Mti::new(0x0200), |builder| {
                builder.parts(48, |parts| parts.text("01", "A商").map(|_| ()))?;
                Ok::<(), BuildError>(())
            })
            .unwrap_err();
        let BuildError::Part { path, fault } = error else { panic!("{error:?}") };
        assert_eq!(&*path, "48.01");
        assert_eq!(fault, PartFault::BadCharacter { position: 1, class: "ans" });
        assert!(refused.is_empty());
    }
}
