//! The messages that the benches of `wire` time, and what is done with them: once for the clock, once for the
//! instruction counter.

use std::hint::black_box;
use switchyard_wire::{
    BuildError, BuildPlan, Class, De, Dialect, Element, Length, Message, Mti, ReplyPlan, Value,
};

use Value::{Bytes, Digits, Number, Text};

const TRACK: Value<'static> = Digits(b"4111111111111111=25121010000012345678");

const ASCII_VALUES: &[(De, Value<'static>)] = &[
    (2, Digits(b"6212345678901234569")),
    (3, Number(0)),
    (4, Number(12_345)),
    (7, Digits(b"1122133000")),
    (11, Number(123)),
    (12, Digits(b"133000")),
    (22, Digits(b"051")),
    (25, Digits(b"00")),
    (32, Digits(b"12345678901")),
    (33, Digits(b"123456")),
    (35, TRACK),
    (37, Text("112213300123")),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (52, Bytes(&[0x12; 8])),
];

const SALE_VALUES: &[(De, Value<'static>)] = &[
    (3, Number(0)),
    (4, Number(12_345)),
    (11, Number(123)),
    (22, Digits(b"021")),
    (25, Digits(b"00")),
    (26, Digits(b"06")),
    (35, TRACK),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (52, Bytes(&[0x12; 8])),
    (53, Digits(b"2600000000000000")),
    (60, Digits(b"22000001000500")),
    (64, Bytes(b"12345678")),
];

/// What a terminal sends of a chip card: 19 tags.
const CHIP: &[u8] = b"\
    \x9F\x26\x08\x11\x11\x11\x11\x11\x11\x11\x11\x9F\x27\x01\x80\x9F\x10\x13\x07\x01\x01\x03\xA0\x00\x00\x01\
    \x0A\x01\x00\x00\x00\x00\x00\x11\x22\x33\x44\x9F\x37\x04\x01\x02\x03\x04\x9F\x36\x02\x00\x2A\x95\
    \x05\x00\x00\x00\x00\x00\x9A\x03\x26\x11\x22\x9C\x01\x00\x9F\x02\x06\x00\x00\x00\x01\x23\x45\x5F\x2A\x02\
    \x01\x56\x82\x02\x7C\x00\x9F\x1A\x02\x01\x56\x9F\x03\x06\x00\x00\x00\x00\x00\x00\x9F\x33\x03\xE0\xE9\xC8\
    \x9F\x34\x03\x42\x03\x00\x9F\x35\x01\x22\x9F\x1E\x08TERM0001\x84\x08\xA0\x00\x00\x03\x33\x01\x01\x01\
    \x9F\x09\x02\x00\x20";

const CHIP_VALUES: &[(De, Value<'static>)] = &[
    (3, Number(0)),
    (4, Number(12_345)),
    (11, Number(123)),
    (22, Digits(b"051")),
    (23, Digits(b"001")),
    (25, Digits(b"00")),
    (35, TRACK),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (55, Bytes(CHIP)),
    (60, Digits(b"22000001000500")),
    (64, Bytes(b"12345678")),
];

const SIGN_ON_VALUES: &[(De, Value<'static>)] =
    &[(7, Digits(b"1122133000")), (11, Number(42)), (70, Text("301"))];

/// One message: its dialect, its bytes as a file has them, and its values.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the benches call it.
    pub name: &'static str,
    /// The dialect that it is in.
    pub dialect: &'static str,
    /// The file.
    pub hex: &'static str,
    /// What it is built from, ascending.
    pub values: &'static [(De, Value<'static>)],
    /// Message type.
    pub mti: u16,
}

/// An ASCII 0200 of ISO 8583:1987: 200 bytes, 16 elements.
pub const ASCII_0200: Case = Case {
    name: "iso87-ascii 0200",
    dialect: "iso87-ascii",
    hex: include_str!("../messages/iso87-ascii-0200.hex"),
    values: ASCII_VALUES,
    mti: 0x0200,
};

/// An ASCII 0800 with a second bitmap.
pub const ASCII_0800: Case = Case {
    name: "iso87-ascii 0800",
    dialect: "iso87-ascii",
    hex: include_str!("../messages/iso87-ascii-0800.hex"),
    values: SIGN_ON_VALUES,
    mti: 0x0800,
};

/// The body of a UnionPay terminal's sale by magnetic stripe with PIN and MAC.
pub const UNIONPAY_SALE: Case = Case {
    name: "unionpay sale",
    dialect: "unionpay-pos",
    hex: include_str!("../messages/unionpay-sale.hex"),
    values: SALE_VALUES,
    mti: 0x0200,
};

/// The body of a UnionPay terminal's sale by chip: BCD, DE 55 of 19 tags.
pub const UNIONPAY_CHIP_SALE: Case = Case {
    name: "unionpay chip sale",
    dialect: "unionpay-pos",
    hex: include_str!("../messages/unionpay-chip-sale.hex"),
    values: CHIP_VALUES,
    mti: 0x0200,
};

/// All of them.
pub const CASES: [Case; 4] = [ASCII_0200, ASCII_0800, UNIONPAY_SALE, UNIONPAY_CHIP_SALE];

/// What a reply takes from the request, if it is there.
const ECHOED: [De; 13] = [2, 3, 4, 7, 11, 12, 25, 32, 33, 37, 41, 42, 70];

/// A case whose dialect knows the shape of its bitmap.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Its dialect.
    pub dialect: &'static Dialect,
    /// Its bytes.
    pub body: &'static [u8],
    /// What it is built from.
    pub values: &'static [(De, Value<'static>)],
    /// Message type.
    pub mti: Mti,
}

impl Case {
    /// Reads the file, and lets the dialect see the bitmap.
    ///
    /// # Panics
    /// When file and values are not one message.
    pub fn ready(&self) -> Ready {
        let dialect = Dialect::builtin(self.dialect).expect("the dialect is built in");
        let body: &'static [u8] = bytes(self.hex).leak();
        let ready = Ready { dialect, body, values: self.values, mti: Mti::new(self.mti) };
        let mut out = Vec::new();
        ready.build(&mut out).expect("the values fit the dialect");
        assert_eq!(out, body, "{}: the values and the file are one message", self.name);
        assert!(ready.parse().elements().eq(self.values.iter().map(|(de, _)| *de)));
        ready
    }

    /// The same in a dialect of its own that has seen so many bitmaps that it learns no more.
    ///
    /// # Panics
    /// When the dialect is not built in.
    pub fn unknown(&self) -> Ready {
        let source = Dialect::builtin_source(self.dialect).expect("the dialect is built in");
        let dialect: &'static Dialect = Box::leak(Box::new(Dialect::from_toml(source).expect("it compiles")));
        let is_number = |element: &&Element| {
            element.class() == Class::Numeric && matches!(element.length(), Length::Fixed(_))
        };
        let numbers: Vec<De> = dialect.elements().filter(is_number).map(Element::de).take(11).collect();
        for shape in 1..1u64 << numbers.len() {
            let mut body = Vec::new();
            let mut builder = dialect.builder(&mut body, Mti::new(0x0800));
            for (bit, de) in numbers.iter().enumerate() {
                if (shape >> bit) & 1 == 1 {
                    builder.number(*de, 1).expect("it is a number");
                }
            }
            builder.finish().expect("a short message");
            assert!(dialect.parse(&body).is_ok());
        }
        Ready { dialect, ..self.ready() }
    }
}

impl Ready {
    /// Parses it.
    ///
    /// # Panics
    /// When it does not parse.
    pub fn parse(&self) -> Message<'static, 'static> {
        self.dialect.parse(black_box(self.body)).expect("it parses")
    }

    /// Builds it from its values.
    ///
    /// # Errors
    /// A value that does not fit.
    pub fn build(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let mut builder = self.dialect.builder(out, self.mti);
        for (de, value) in self.values {
            match *value {
                Digits(digits) => builder.digits(*de, digits)?,
                Number(number) => builder.number(*de, number)?,
                Text(text) => builder.text(*de, text)?,
                Bytes(bytes) => builder.bytes(*de, bytes)?,
            };
        }
        builder.finish().map(|_| ())
    }

    /// Reads every element as what it was built from.
    pub fn read(&self, message: &Message<'_, '_>) {
        let mut buffer = [0; 64];
        for (de, value) in self.values {
            match value {
                Digits(_) => _ = black_box(message.digits(*de, &mut buffer)),
                Number(_) => _ = black_box(message.number(*de)),
                Text(_) => _ = black_box(message.text(*de)),
                Bytes(_) => _ = black_box(message.bytes(*de)),
            }
        }
    }

    /// Parses it and walks the tags of element 55.
    pub fn tags(&self) -> u32 {
        self.parse().tlv(55).filter_map(Result::ok).fold(0, |sum, tlv| sum ^ tlv.tag)
    }

    /// Answers it element by element.
    ///
    /// # Errors
    /// What the builder refuses.
    pub fn reply(&self, request: &Message<'_, '_>, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let mut builder = self.dialect.builder(out, request.mti().reply());
        let (before, after) = ECHOED.split_at(10);
        for de in before {
            builder.echo(request, *de)?;
        }
        builder.text(39, "00")?;
        for de in after {
            builder.echo(request, *de)?;
        }
        builder.finish().map(|_| ())
    }

    /// A plan for messages like it, and the values of this one.
    ///
    /// # Errors
    /// What the dialect does not have.
    pub fn build_plan(&self) -> Result<(BuildPlan<'static>, Vec<Value<'static>>), BuildError> {
        let elements: Vec<De> = self.values.iter().map(|(de, _)| *de).collect();
        let values = self.values.iter().map(|(_, value)| *value).collect();
        Ok((BuildPlan::new(self.dialect, self.mti, &elements)?, values))
    }

    /// A plan for the same answer.
    ///
    /// # Errors
    /// What the dialect does not have.
    pub fn plan(&self) -> Result<ReplyPlan<'static>, BuildError> {
        ReplyPlan::new(self.dialect, &ECHOED, &[39])
    }
}

/// The bytes of a file.
///
/// # Panics
/// When it is not hexadecimal.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
