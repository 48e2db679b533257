//! Crate iso8583_rs 0.1.10: its specification derived from our dialects, and its calls made safe to repeat.
//!
//! It has one specification a process, read from a YAML file, so the forms below are three message segments of
//! one specification, told apart by their first two bytes.

use std::fmt::Write as _;
use std::sync::LazyLock;

use iso8583_rs::iso8583::iso_spec::{IsoMsg, Spec, new_msg, spec};
use switchyard_wire::{Class, Dialect, Element, Encoding, Length, PrefixEncoding};

/// A dialect that iso8583_rs can be told, at least in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Characters in ASCII; bitmap and binary elements as bytes.
    Ascii,
    /// Characters in EBCDIC; bitmap and binary elements as bytes.
    Ebcdic,
    /// Digits two a byte; text in ASCII; bitmap and binary elements as bytes.
    Packed,
}

/// All of them.
pub const FORMS: [Form; 3] = [Form::Ascii, Form::Ebcdic, Form::Packed];

const ASCII: &str = r#"
name = "peer-ascii"
title = "iso87-ascii as iso8583_rs can have it"
extends = "iso87-ascii"
bitmap = { encoding = "raw" }
encoding = { binary = "raw" }
"#;

const EBCDIC: &str = r#"
name = "peer-ebcdic"
title = "iso87-ebcdic as iso8583_rs can have it"
extends = "iso87-ebcdic"
bitmap = { encoding = "raw" }
encoding = { binary = "raw" }
"#;

const PACKED: &str = r#"
name = "peer-packed"
title = "iso87-binary"
extends = "iso87-binary"
"#;

/// What iso8583_rs calls an element's layout.
#[derive(Clone, Copy, Debug)]
struct Layout {
    encoding: &'static str,
    /// Bytes of a fixed element, or of the length prefix.
    bytes: usize,
    prefix: Option<&'static str>,
}

impl Form {
    /// Our dialect of this form.
    ///
    /// # Panics
    /// When the TOML above is wrong.
    pub fn dialect(self) -> &'static Dialect {
        static DIALECTS: [LazyLock<Dialect>; 3] = [
            LazyLock::new(|| Dialect::from_toml(ASCII).expect("compiles")),
            LazyLock::new(|| Dialect::from_toml(EBCDIC).expect("compiles")),
            LazyLock::new(|| Dialect::from_toml(PACKED).expect("compiles")),
        ];
        &DIALECTS[self as usize]
    }

    /// Its segment of the specification.
    fn segment(self) -> &'static str {
        ["ascii", "ebcdic", "packed"][self as usize]
    }

    /// The first two bytes of a message of class 02, in hexadecimal.
    fn selector(self) -> &'static str {
        ["3032", "f0f2", "0200"][self as usize]
    }

    /// The message type 0200 as a value of iso8583_rs.
    fn mti(self) -> (&'static str, usize, &'static str) {
        [("ASCII", 4, "0200"), ("EBCDIC", 4, "0200"), ("BCD", 2, "0200")][self as usize]
    }

    /// Whether iso8583_rs can be told the element.
    ///
    /// # Errors
    /// Why not.
    pub fn can_express(self, element: &Element) -> Result<(), &'static str> {
        self.layout(element).map(|_| ())
    }

    fn layout(self, element: &Element) -> Result<Layout, &'static str> {
        if element.de() == 65 {
            return Err("bit 65 always announces a third bitmap");
        }
        let is_packed = element.encoding() == Encoding::Bcd;
        let encoding = match (element.encoding(), element.class()) {
            (Encoding::Raw, _) => "BINARY",
            (Encoding::Bcd, Class::SignedAmount) => return Err("no sign before packed digits"),
            (Encoding::Bcd, _) => "BCD",
            (Encoding::Hex | Encoding::EbcdicHex, _) => return Err("no binary as hexadecimal digits"),
            (Encoding::Ascii | Encoding::Ebcdic, _) if self == Self::Ebcdic => "EBCDIC",
            (Encoding::Ascii | Encoding::Ebcdic, _) => "ASCII",
        };
        match element.length() {
            Length::Fixed(units) => {
                let units = units as usize;
                let bytes = if is_packed { units.div_ceil(2) } else { units };
                Ok(Layout { encoding, bytes, prefix: None })
            }
            Length::Variable { .. } if is_packed => Err("a prefix counts bytes, never digits"),
            Length::Variable { prefix, .. } => {
                let name = match prefix.encoding {
                    PrefixEncoding::Ascii => "ASCII",
                    PrefixEncoding::Ebcdic => "EBCDIC",
                    PrefixEncoding::Bcd => "BCD",
                    PrefixEncoding::Binary => "BINARY",
                    PrefixEncoding::Hex => return Err("no prefix of hexadecimal digits"),
                };
                Ok(Layout { encoding, bytes: prefix.bytes(), prefix: Some(name) })
            }
        }
    }

    /// Our value as iso8583_rs gives and takes it: hexadecimal digits for bytes and for packed digits.
    pub fn as_theirs(self, element: &Element, value: &Value) -> String {
        match value {
            Value::Text(text) if element.encoding() == Encoding::Bcd && text.len() & 1 == 1 => {
                // It does not know of fillers: the zero before an odd number of digits is part of the value.
                format!("0{text}")
            }
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        }
    }
}

/// A value of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Characters or digits.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The specification for iso8583_rs that our dialects give.
pub fn yaml() -> String {
    let mut out = String::from(
        "# Written by `cargo run --bin write-spec`: what of our dialects iso8583_rs can be told.\n\
         name: peers\nid: 1\nheader_fields:\n\
         \x20 - { name: header, id: 1, type: Fixed, len: 2, data_encoding: BINARY }\nmessages:\n",
    );
    for form in FORMS {
        let (mti, bytes, _) = form.mti();
        let _ = write!(
            out,
            "  - name: {}\n    id: 1\n    selector: [\"{}\"]\n    fields:\n\
             \x20     - {{ name: mti, id: 1, type: Fixed, len: {bytes}, data_encoding: {mti} }}\n\
             \x20     - name: bitmap\n        id: 2\n        type: Bitmapped\n        len: 0\n\
             \x20       data_encoding: BINARY\n        children:\n",
            form.segment(),
            form.selector(),
        );
        for element in form.dialect().elements() {
            let Ok(Layout { encoding, bytes, prefix }) = form.layout(element) else { continue };
            let de = element.de();
            let _ = match prefix {
                None => writeln!(
                    out,
                    "          - {{ name: de{de}, id: {de}, position: {de}, type: Fixed, len: {bytes}, \
                     data_encoding: {encoding} }}"
                ),
                Some(prefix) => writeln!(
                    out,
                    "          - {{ name: de{de}, id: {de}, position: {de}, type: Variable, len: {bytes}, \
                     len_encoding: {prefix}, data_encoding: {encoding} }}"
                ),
            };
        }
    }
    out
}

/// Its specification, read from the file at the first call.
///
/// # Panics
/// When the variable `SPEC_FILE` names no good file: cargo sets it when it is run in this directory.
pub fn specification() -> &'static Spec {
    spec("")
}

/// Parses with iso8583_rs.
///
/// # Errors
/// What it says.
pub fn parse(bytes: &mut Vec<u8>) -> Result<IsoMsg, String> {
    specification().parse(bytes).map_err(|error| error.msg)
}

/// An empty 0200 of iso8583_rs.
///
/// # Panics
/// When the specification is not the one of [`yaml`].
pub fn empty(form: Form) -> IsoMsg {
    let specification = specification();
    let segment = specification.get_message(form.segment()).expect("the segment is in the file");
    let mut message = new_msg(specification, segment);
    message.set("mti", form.mti().2).expect("the segment has a message type");
    message
}
