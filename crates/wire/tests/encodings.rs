//! Every encoding and every length prefix, on the wire and back: what an element's line in a dialect file says is
//! what stands in the bytes.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use switchyard_wire::{Dialect, Masking, Mti, json};

/// Bytes of message type and bitmap before the element.
const HEAD_BYTES: usize = 12;

fn dialect(line: &str) -> Dialect {
    Dialect::from_toml(&format!("name = \"one\"\n[elements]\n2 = {{ name = \"it\", {line} }}\n"))
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

enum Given<'a> {
    Digits(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}
use Given::{Bytes, Digits, Text};

fn build(dialect: &Dialect, given: &Given<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, Mti::new(0x0200));
    match given {
        Digits(digits) => builder.digits(2, digits.as_bytes()).unwrap(),
        Text(text) => builder.text(2, text).unwrap(),
        Bytes(bytes) => builder.bytes(2, bytes).unwrap(),
    };
    builder.finish().unwrap();
    out
}

/// Builds, compares the wire, and reads it back, by accessor and through JSON.
fn check(line: &str, given: &Given<'_>, read: &str, wire: &[u8]) {
    let dialect = dialect(line);
    let body = build(&dialect, given);
    assert_eq!(&body[HEAD_BYTES..], wire, "{line}");
    let message = dialect.parse(&body).unwrap_or_else(|error| panic!("{line}: {error}"));
    match given {
        Bytes(bytes) => assert_eq!(message.bytes_owned(2).as_deref(), Some(*bytes), "{line}"),
        Digits(_) | Text(_) => assert_eq!(message.text(2).as_deref(), Some(read), "{line}"),
    }
    let again = json::from_json(&dialect, &json::to_json(&message, Masking::Unmasked)).unwrap();
    assert_eq!(again, body, "{line}: JSON");
    // One byte less is never a whole message.
    assert!(dialect.parse(&body[..body.len() - 1]).is_err(), "{line}: cut");
}

#[test]
fn digits_stand_as_their_encoding_says() {
    let cases: &[(&str, &str, &[u8])] = &[
        (r#"format = "n3", encoding = "ascii""#, "071", b"071"),
        (r#"format = "n3", encoding = "ebcdic""#, "071", &[0xF0, 0xF7, 0xF1]),
        (r#"format = "n3", encoding = "ebcdic", charset = "cp037""#, "071", &[0xF0, 0xF7, 0xF1]),
        (r#"format = "n4", encoding = "bcd""#, "1234", &[0x12, 0x34]),
        (r#"format = "n3", encoding = "bcd", pad = "left""#, "071", &[0x00, 0x71]),
        (r#"format = "n3", encoding = "bcd", pad = "right""#, "071", &[0x07, 0x10]),
        (r#"format = "n3", encoding = "bcd", pad = "left", fill = "F""#, "071", &[0xF0, 0x71]),
        (r#"format = "n3", encoding = "bcd", pad = "right", fill = "F""#, "071", &[0x07, 0x1F]),
        (r#"format = "n..19", encoding = "bcd", prefix = "bcd""#, "123", &[0x03, 0x12, 0x30]),
        (r#"format = "n..19", encoding = "bcd", prefix = "bcd", fill = "F""#, "123", &[0x03, 0x12, 0x3F]),
        (r#"format = "n..19", encoding = "bcd", prefix = "bcd", pad = "left""#, "123", &[0x03, 0x01, 0x23]),
        (r#"format = "x+n9", encoding = "ascii""#, "D00000150", b"D00000150"),
        (r#"format = "x+n5", encoding = "ebcdic""#, "C0015", &[0xC3, 0xF0, 0xF0, 0xF1, 0xF5]),
        (r#"format = "x+n9", encoding = "bcd""#, "D00000150", &[b'D', 0x00, 0x00, 0x01, 0x50]),
        (r#"format = "x+n4", encoding = "bcd", pad = "left""#, "C015", &[b'C', 0x00, 0x15]),
        (r#"format = "x+n4", encoding = "bcd", pad = "right""#, "C015", &[b'C', 0x01, 0x50]),
    ];
    for (line, digits, wire) in cases {
        check(line, &Digits(digits), digits, wire);
    }
}

#[test]
fn tracks_stand_in_characters_and_in_nibbles_with_either_separator() {
    let packed = r#"format = "z..37", encoding = "bcd", prefix = "bcd""#;
    check(packed, &Digits("41=25"), "41=25", &[0x05, 0x41, 0xD2, 0x50]);
    // A track may be given with the separator of either world.
    check(packed, &Digits("41D25"), "41=25", &[0x05, 0x41, 0xD2, 0x50]);
    let filled = r#"format = "z..37", encoding = "bcd", prefix = "bcd", fill = "F""#;
    check(filled, &Digits("41=25"), "41=25", &[0x05, 0x41, 0xD2, 0x5F]);
    let aligned = r#"format = "z..37", encoding = "bcd", prefix = "bcd", pad = "left""#;
    check(aligned, &Digits("41=25"), "41=25", &[0x05, 0x04, 0x1D, 0x25]);
    let text = r#"format = "z..37""#;
    check(text, &Text("41=25"), "41=25", b"0541=25");
    check(text, &Text("41D25"), "41D25", b"0541D25");
    let ebcdic = r#"format = "z..37", encoding = "ebcdic", prefix = "ebcdic""#;
    check(ebcdic, &Text("41=25"), "41=25", &[0xF0, 0xF5, 0xF4, 0xF1, 0x7E, 0xF2, 0xF5]);
    check(ebcdic, &Text("41D25"), "41D25", &[0xF0, 0xF5, 0xF4, 0xF1, 0xC4, 0xF2, 0xF5]);
    // Whatever separator is on the wire, `digits` says `=`.
    let dialect = dialect(ebcdic);
    let body = build(&dialect, &Text("41D25"));
    let mut buf = [0; 40];
    assert_eq!(dialect.parse(&body).unwrap().digits(2, &mut buf), Some(&b"41=25"[..]));
}

#[test]
fn text_stands_in_its_character_set() {
    let cases: &[(&str, &str, &[u8])] = &[
        (r#"format = "ans5""#, "a[b]^", b"a[b]^"),
        (r#"format = "ans4", encoding = "ebcdic", charset = "cp037""#, "[^]1", &[0xBA, 0xB0, 0xBB, 0xF1]),
        (r#"format = "ans4", encoding = "ebcdic", charset = "cp1047""#, "[^]1", &[0xAD, 0x5F, 0xBD, 0xF1]),
        (r#"format = "ans3", encoding = "ebcdic", charset = "cp500""#, "[a]", &[0x4A, 0x81, 0x5A]),
        (r#"format = "ans..9", charset = "gbk""#, "成功", &[b'4', 0xB3, 0xC9, 0xB9, 0xA6]),
        (r#"format = "ans..9", charset = "gb18030""#, "成功", &[b'4', 0xB3, 0xC9, 0xB9, 0xA6]),
        // Four bytes, which GBK does not have.
        (r#"format = "ans..9", charset = "gb18030""#, "𠀀", &[b'4', 0x95, 0x32, 0x82, 0x36]),
        (r#"format = "ans..9", charset = "utf-8""#, "成", &[b'3', 0xE6, 0x88, 0x90]),
    ];
    for (line, text, wire) in cases {
        check(line, &Text(text), text, wire);
    }
}

#[test]
fn fixed_text_is_filled_on_its_side_with_its_character() {
    let cases: &[(&str, &str, &str, &[u8])] = &[
        (r#"format = "ans6""#, "AB", "AB    ", b"AB    "),
        (r#"format = "ans6", pad = "left""#, "AB", "    AB", b"    AB"),
        (r#"format = "an6", pad = "left", fill = "0""#, "AB", "0000AB", b"0000AB"),
        (r#"format = "an6", pad = "right", fill = "*""#, "AB", "AB****", b"AB****"),
        (r#"format = "ans4", encoding = "ebcdic""#, "A", "A   ", &[0xC1, 0x40, 0x40, 0x40]),
        (
            r#"format = "ans4", encoding = "ebcdic", pad = "left", fill = "0""#,
            "A",
            "000A",
            &[0xF0, 0xF0, 0xF0, 0xC1],
        ),
        (r#"format = "ans6", charset = "gbk""#, "成", "成    ", &[0xB3, 0xC9, b' ', b' ', b' ', b' ']),
        (
            r#"format = "ans6", charset = "gbk", pad = "left""#,
            "成",
            "    成",
            &[b' ', b' ', b' ', b' ', 0xB3, 0xC9],
        ),
    ];
    for (line, text, read, wire) in cases {
        check(line, &Text(text), read, wire);
    }
    let bytes = build(&dialect(r#"format = "ans4", pad = "left", fill = "0""#), &Bytes(b"7"));
    assert_eq!(&bytes[HEAD_BYTES..], b"0007");
    for line in [r#"format = "ans6", fill = "ab""#, r#"format = "ans6", fill = "成", charset = "gbk""#] {
        let text = format!("name = \"one\"\n[elements]\n2 = {{ {line} }}\n");
        assert!(Dialect::from_toml(&text).unwrap_err().to_string().contains("elements.2.fill"), "{line}");
    }
}

#[test]
fn bytes_stand_raw_or_as_hexadecimal_text() {
    let cases: &[(&str, &[u8])] = &[
        (r#"format = "b2", encoding = "raw""#, &[0x9A, 0x0F]),
        (r#"format = "b2", encoding = "hex""#, b"9A0F"),
        (r#"format = "b2", encoding = "ebcdic-hex""#, &[0xF9, 0xC1, 0xF0, 0xC6]),
        (r#"format = "b..99", encoding = "raw""#, b"02\x9A\x0F"),
        (r#"format = "b..99", encoding = "hex""#, b"029A0F"),
        // A prefix that counts the hexadecimal digits.
        (r#"format = "b..40", encoding = "hex", counts = "bytes""#, b"049A0F"),
        (r#"format = "b..40", encoding = "raw", counts = "nibbles""#, b"04\x9A\x0F"),
        (
            r#"format = "b..40 LLL", encoding = "raw", prefix = "bcd", counts = "nibbles""#,
            &[0, 4, 0x9A, 0x0F],
        ),
    ];
    for (line, wire) in cases {
        check(line, &Bytes(&[0x9A, 0x0F]), "", wire);
    }
}

/// What each prefix says of five packed digits, of three characters, and of three bytes in hexadecimal.
#[test]
fn a_prefix_counts_what_it_says() {
    let digits = |counts: &str, wire: &[u8]| {
        let line =
            format!(r#"format = "n..99 LL", encoding = "bcd", prefix = "binary", counts = "{counts}""#);
        check(&line, &Digits("12345"), if counts == "bytes" { "123450" } else { "12345" }, wire);
    };
    digits("units", &[0, 5, 0x12, 0x34, 0x50]);
    digits("nibbles", &[0, 5, 0x12, 0x34, 0x50]);
    digits("characters", &[0, 5, 0x12, 0x34, 0x50]);
    digits("inclusive", &[0, 7, 0x12, 0x34, 0x50]);
    let text = |counts: &str, prefix: u8| {
        let line =
            format!(r#"format = "ans..90 L", prefix = "binary", counts = "{counts}", charset = "gbk""#);
        check(&line, &Text("a成"), "a成", &[prefix, b'a', 0xB3, 0xC9]);
    };
    text("units", 3);
    text("bytes", 3);
    text("nibbles", 6);
    text("characters", 2);
    text("inclusive", 4);
    let signed = |counts: &str, prefix: u8| {
        let line =
            format!(r#"format = "x+n..90 L", encoding = "bcd", prefix = "binary", counts = "{counts}""#);
        check(&line, &Digits("C123"), "C123", &[prefix, b'C', 0x12, 0x30]);
    };
    signed("units", 4);
    signed("nibbles", 5);
    signed("inclusive", 5);
    let four = r#"format = "ans..20 LL", charset = "gb18030", counts = "characters""#;
    check(four, &Text("成𠀀a"), "成𠀀a", b"03\xB3\xC9\x95\x32\x82\x36a");
    let three = r#"format = "ans..20 LL", charset = "utf-8", counts = "characters""#;
    check(three, &Text("成é🙂a"), "成é🙂a", "04成é🙂a".as_bytes());
}

#[test]
fn a_packed_value_whose_bytes_are_counted_is_read_by_the_byte() {
    // The prefix cannot say that the last nibble is filler: an even number of digits is what survives.
    let line = r#"format = "n..20 LL", encoding = "bcd", prefix = "bcd", counts = "bytes""#;
    check(line, &Digits("123456"), "123456", &[0x03, 0x12, 0x34, 0x56]);
    // At the odd maximum it can.
    let line = r#"format = "n..19 LL", encoding = "bcd", prefix = "bcd", counts = "bytes", fill = "F""#;
    let wire = [0x10, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x9F];
    check(line, &Digits("1234567890123456789"), "1234567890123456789", &wire);
}

#[test]
fn prefixes_of_one_to_six_places_in_every_encoding() {
    let values = ["ascii", "bcd", "ebcdic", "binary"];
    for encoding in values {
        for places in 1..=6usize {
            for counts in ["units", "bytes", "nibbles", "characters", "inclusive"] {
                for length in [0usize, 1, 4, 99, 250, 999, 9_999, 60_000] {
                    prefix(encoding, places, counts, length);
                }
            }
        }
    }
}

/// One element of text of `length` bytes, whose prefix is also computed here.
fn prefix(encoding: &str, places: usize, counts: &str, length: usize) {
    let number_max = match encoding {
        "binary" => 256usize.pow(places.min(4) as u32) - 1,
        _ => 10usize.pow(places as u32) - 1,
    };
    let prefix_bytes = if encoding == "bcd" { places.div_ceil(2) } else { places };
    let number = match counts {
        "nibbles" => length * 2,
        "inclusive" => length + prefix_bytes,
        _ => length,
    };
    let max = length.max(1);
    let line = format!(
        r#"format = "ans..{max} {}", prefix = "{encoding}", counts = "{counts}""#,
        "L".repeat(places)
    );
    if number > number_max {
        let text = format!("name = \"one\"\n[elements]\n2 = {{ {line} }}\n");
        assert!(Dialect::from_toml(&text).is_err(), "{line}: a prefix cannot say {number}");
        return;
    }
    // A prefix with room for zero only is of no use, and refused.
    let Ok(dialect) = Dialect::from_toml(&format!("name = \"one\"\n[elements]\n2 = {{ {line} }}\n")) else {
        assert_eq!(length, 0, "{line}");
        return;
    };
    let body = build(&dialect, &Text(&"x".repeat(length)));
    let mut expected = vec![0; prefix_bytes];
    let mut rest = number;
    for byte in expected.iter_mut().rev() {
        let (value, radix) = match encoding {
            "ascii" => (b'0' + (rest % 10) as u8, 10),
            "ebcdic" => (0xF0 + (rest % 10) as u8, 10),
            "bcd" => ((((rest / 10 % 10) << 4) | (rest % 10)) as u8, 100),
            _ => ((rest % 256) as u8, 256),
        };
        *byte = value;
        rest /= radix;
    }
    assert_eq!(body[HEAD_BYTES..HEAD_BYTES + prefix_bytes], expected, "{line}");
    let message = dialect.parse(&body).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(message.raw(2).map(<[u8]>::len), Some(length), "{line}");
    assert_eq!(message.value_len(2), Some(length), "{line}");
}

#[test]
fn a_prefix_that_ends_inside_a_unit_or_lies_is_an_error() {
    let bad = |line: &str, wire: &[u8]| {
        let dialect = dialect(line);
        let mut body = b"0200\x40\0\0\0\0\0\0\0".to_vec();
        body.extend_from_slice(wire);
        let error = dialect.parse(&body).unwrap_err();
        assert_eq!((error.element.to_string().as_str(), error.offset), ("de 2", HEAD_BYTES), "{line}");
        error.kind.to_string()
    };
    assert_eq!(bad(r#"format = "ans..40", counts = "nibbles""#, b"03ab"), "bad length digits");
    assert_eq!(
        bad(r#"format = "x+n..40", encoding = "bcd", counts = "nibbles""#, b"01C"),
        "bad length digits"
    );
    assert_eq!(bad(r#"format = "ans..40", counts = "inclusive""#, b"01ab"), "bad length digits");
    let wide = r#"format = "ans..9 LL", charset = "gbk", counts = "characters""#;
    assert_eq!(bad(wide, b"10abcdefghij"), "length 10 is above the maximum 9");
    assert_eq!(bad(wide, b"03a\xB3\xC9"), "needs 6 bytes, have 5");
    assert_eq!(bad(wide, b"02a\xB3"), "needs 5 bytes, have 4");
    // The longest lie that six binary places can tell.
    let long = r#"format = "ans..9 LLLLLL", prefix = "binary", charset = "gbk", counts = "characters""#;
    assert_eq!(bad(long, &[0xFF; 8]), format!("length {} is above the maximum 9", (1u64 << 48) - 1));
}
