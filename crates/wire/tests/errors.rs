//! Each way in which bytes can be wrong: what the error says, and what is readable before it.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use switchyard_wire::{BODY_BYTES_MAX, Dialect};

/// Dialect, body, text of the error, its offset, elements before it.
type Case<'a> = (&'a str, &'a [u8], &'a str, usize, &'a [u8]);

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_error_has_its_dialect_element_and_offset_and_leaves_what_was_before() {
    let long = vec![b'0'; BODY_BYTES_MAX + 1];
    let cases: [Case<'_>; 12] = [
        ("iso87-ascii", b"02", "mti: needs 4 bytes, have 2 at offset 0", 0, &[]),
        ("iso87-ascii", b"02x0", "mti: message type is not four decimal digits at offset 0", 0, &[]),
        ("iso87-ascii", b"02002020", "primary bitmap: needs 16 bytes, have 4 at offset 4", 4, &[]),
        (
            "iso87-ascii",
            b"0200202000000000000g",
            "primary bitmap: bitmap is not hexadecimal at offset 4",
            4,
            &[],
        ),
        (
            "iso87-ascii",
            b"0200A000000000000000",
            "secondary bitmap: needs 16 bytes, have 0 at offset 20",
            20,
            &[],
        ),
        ("iso87-ascii", b"02002020000000000000000000", "de 11: needs 6 bytes, have 0 at offset 26", 26, &[3]),
        (
            "iso87-ascii",
            b"0200202000000000000000000000004x",
            "de 11: byte 0x78 is not allowed in class n at offset 31",
            31,
            &[3],
        ),
        ("iso87-ascii", b"02006000000000000000xx", "de 2: bad length digits at offset 20", 20, &[]),
        (
            "iso87-ascii",
            b"0200600000000000000020",
            "de 2: length 20 is above the maximum 19 at offset 20",
            20,
            &[],
        ),
        (
            "iso87-ascii",
            b"02002000000000000000000000X",
            "end of message: 1 bytes too many at offset 26",
            26,
            &[3],
        ),
        (
            "unionpay-pos",
            &[0x08, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0xA1],
            "de 11: byte 0xa1 is not allowed in class n at offset 12",
            12,
            &[],
        ),
        (
            "iso2003-ascii",
            &long,
            "mti: body of 65536 bytes is above the maximum 65535 at offset 65535",
            65_535,
            &[],
        ),
    ];
    for (name, body, text, offset, before) in cases {
        let dialect = Dialect::builtin(name).unwrap();
        let (partial, error) = dialect.parse_partial(body);
        let error = error.unwrap_or_else(|| panic!("{text}: no error"));
        assert_eq!((error.to_string().as_str(), error.offset), (text, offset));
        assert_eq!(&*error.dialect, name, "{text}");
        assert_eq!(partial.elements().collect::<Vec<_>>(), before, "{text}");
        assert_eq!(dialect.parse(body).err(), Some(error), "{text}");
    }
    // An element that a dialect does not have.
    let none = Dialect::from_toml(
        "name = \"none\"\nextends = \"iso87-ascii\"\n[elements]\n11 = { format = \"absent\" }",
    )
    .unwrap();
    let (partial, error) = none.parse_partial(b"02002020000000000000000000000042");
    let error = error.unwrap();
    assert_eq!(error.to_string(), "de 11: element is not defined by the dialect at offset 26");
    assert_eq!((&*error.dialect, partial.number(3)), ("none", Some(0)));
}
