//! One data element of a dialect: the five independent axes, compiled.

use std::fmt;

use crate::De;
use crate::charset::Charset;
use crate::composite::{BER, Composite};

/// What an element may hold, in the notation of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `n`: decimal digits.
    Numeric,
    /// `x+n`: `C` or `D`, then digits; the sign counts in the length.
    SignedAmount,
    /// `z`: track data; digits and a separator, or anything once it is enciphered.
    Track,
    /// `a`: letters.
    Alpha,
    /// `an`: letters and digits.
    AlphaNumeric,
    /// `ans`: any text.
    Text,
    /// `b`: bytes.
    Binary,
}

/// How one unit of the value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// One ASCII (or character-set) byte per character.
    Ascii,
    /// One EBCDIC byte per character.
    Ebcdic,
    /// Two digits a byte.
    Bcd,
    /// Bytes as they are.
    Raw,
    /// Bytes as two ASCII hexadecimal digits.
    Hex,
    /// Bytes as two EBCDIC hexadecimal digits.
    EbcdicHex,
}

/// How the digits of a length prefix stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrefixEncoding {
    /// ASCII digits.
    Ascii,
    /// EBCDIC digits.
    Ebcdic,
    /// Two digits a byte, right-aligned.
    Bcd,
    /// Big-endian binary, one byte per place.
    Binary,
    /// ASCII hexadecimal digits.
    Hex,
}

/// What a length prefix counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counts {
    /// Units of the value: digits, characters, bytes.
    Units,
    /// Bytes on the wire.
    WireBytes,
    /// Units of the value and the bytes of the prefix itself.
    Inclusive,
    /// Half bytes on the wire: digits where they are packed, twice the bytes of anything else.
    Nibbles,
    /// Characters, where the character set has some of several bytes; bytes are counted everywhere else.
    Characters,
}

/// A length prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Encoding of its digits.
    pub encoding: PrefixEncoding,
    /// Decimal digits; bytes when binary.
    pub places: u8,
    /// What it counts.
    pub counts: Counts,
}

impl Prefix {
    /// Bytes on the wire.
    pub const fn bytes(self) -> usize {
        self.encoding.bytes(self.places)
    }
}

impl PrefixEncoding {
    /// Bytes of so many places.
    pub(crate) const fn bytes(self, places: u8) -> usize {
        match self {
            Self::Ascii | Self::Ebcdic | Self::Binary | Self::Hex => places as usize,
            Self::Bcd => (places as usize).div_ceil(2),
        }
    }

    /// The greatest number that so many places can say.
    pub(crate) const fn number_max(self, places: u8) -> usize {
        let radix: usize = match self {
            Self::Binary => 256,
            Self::Hex => 16,
            Self::Ascii | Self::Ebcdic | Self::Bcd => 10,
        };
        radix.saturating_pow(places as u32).saturating_sub(1)
    }

    /// How a length is read that counts units.
    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Ascii => Rule::AsciiPrefix,
            Self::Ebcdic => Rule::EbcdicPrefix,
            Self::Bcd => Rule::BcdPrefix,
            Self::Binary => Rule::BinaryPrefix,
            Self::Hex => Rule::HexPrefix,
        }
    }
}

/// The length of an element in units of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// Always this many.
    Fixed(u32),
    /// Up to `max`, after a prefix.
    Variable {
        /// The most.
        max: u32,
        /// How the length is written.
        prefix: Prefix,
    },
}

/// Where the filler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before the value (right-aligned value).
    Left,
    /// After the value (left-aligned value).
    Right,
}

/// The filler nibble of an odd number of packed digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pad {
    /// Where it stands.
    pub side: Side,
    /// The nibble written; any nibble is accepted when reading.
    pub fill: u8,
}

/// The filler of a fixed text that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TextPad {
    /// Where it stands.
    pub(crate) side: Side,
    /// The byte written, in the element's character set. It is not taken off when reading: a value may end in it.
    pub(crate) fill: u8,
}

/// What may be shown of an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sensitivity {
    /// Everything; runs of digits that look like a card number are still masked in free text.
    #[default]
    Open,
    /// A card number: first six and last four digits.
    Pan,
    /// Track data: its card number as above, nothing after it.
    Track,
    /// PIN blocks, card verification values, clear keys: nothing.
    Secret,
}

/// One positional subfield.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subfield {
    pub(crate) name: Box<str>,
    pub(crate) name_zh: Option<Box<str>>,
    pub(crate) class: Class,
    pub(crate) length: u32,
    pub(crate) sensitivity: Sensitivity,
}

/// The subfields of an element, for some message types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubfieldLayout {
    /// Message types it holds for; empty is all.
    pub(crate) mtis: Box<[u16]>,
    /// Length of the value it holds for, in units; none is all.
    pub(crate) units: Option<u32>,
    pub(crate) subfields: Box<[Subfield]>,
    /// Index of the first subfield of a group that repeats until the value ends.
    pub(crate) repeat_from: Option<usize>,
}

impl Subfield {
    /// Its English name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its Chinese name, where the dialect has one.
    pub fn name_zh(&self) -> Option<&str> {
        self.name_zh.as_deref()
    }
}

impl SubfieldLayout {
    /// The specification of the subfield at `index` (from zero), repeats unrolled.
    pub(crate) fn subfield(&self, index: usize) -> Option<&Subfield> {
        if let Some(spec) = self.subfields.get(index) {
            return Some(spec);
        }
        let from = self.repeat_from?;
        let group = self.subfields.len() - from;
        self.subfields.get(from + (index - from) % group)
    }
}

/// What is inside an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composition {
    /// One value.
    Primitive,
    /// Subfields one after another without tags.
    Positional(Box<[SubfieldLayout]>),
    /// BER-TLV objects, as bytes.
    BerTlv,
    /// Parts found by tags, bits or positions, with encodings of their own.
    Composite(Box<Composite>),
}

/// One data element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub(crate) de: De,
    pub(crate) name: Box<str>,
    pub(crate) name_zh: Option<Box<str>>,
    pub(crate) class: Class,
    pub(crate) encoding: Encoding,
    pub(crate) length: Length,
    pub(crate) pad: Pad,
    pub(crate) text_pad: TextPad,
    pub(crate) charset: Charset,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) composition: Composition,
}

impl Element {
    /// Its number.
    pub fn de(&self) -> De {
        self.de
    }

    /// Its English name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its Chinese name, where the dialect has one.
    pub fn name_zh(&self) -> Option<&str> {
        self.name_zh.as_deref()
    }

    /// What it may hold.
    pub fn class(&self) -> Class {
        self.class
    }

    /// How its value stands on the wire.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its length in units of its class.
    pub fn length(&self) -> Length {
        self.length
    }

    /// What may be shown of it.
    pub fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// What is inside it.
    pub fn composition(&self) -> &Composition {
        &self.composition
    }

    /// The subfields that hold for a message type and a value of `units`.
    pub(crate) fn layout(&self, mti: u16, units: usize) -> Option<&SubfieldLayout> {
        match &self.composition {
            Composition::Positional(layouts) => layouts.iter().find(|layout| {
                (layout.mtis.is_empty() || layout.mtis.contains(&mti))
                    && layout.units.is_none_or(|expected| expected as usize == units)
            }),
            Composition::Primitive | Composition::BerTlv | Composition::Composite(_) => None,
        }
    }

    /// How its parts are found, when it is a composite or BER-TLV.
    pub fn inside(&self) -> Option<&Composite> {
        match &self.composition {
            Composition::Composite(composite) => Some(composite),
            Composition::BerTlv => Some(&BER),
            Composition::Primitive | Composition::Positional(_) => None,
        }
    }

    /// Length of a fixed element, or the maximum of a variable one.
    pub(crate) fn len_max(&self) -> usize {
        match self.length {
            Length::Fixed(len) => len as usize,
            Length::Variable { max, .. } => max as usize,
        }
    }

    /// Whether a character of its text may have several bytes.
    pub(crate) fn has_wide_characters(&self) -> bool {
        let is_text = matches!(self.class, Class::Alpha | Class::AlphaNumeric | Class::Text);
        is_text && self.charset.is_wide()
    }

    /// The length of a text's bytes in what its prefix counts and its maximum limits.
    pub(crate) fn counted(&self, bytes: &[u8]) -> usize {
        match self.length {
            Length::Variable { prefix: Prefix { counts: Counts::Characters, .. }, .. }
                if self.has_wide_characters() =>
            {
                self.charset.characters(bytes)
            }
            Length::Fixed(_) | Length::Variable { .. } => bytes.len(),
        }
    }

    /// What the length prefix of `units` says; `value` is the value on the wire.
    pub(crate) fn prefix_number(&self, prefix: Prefix, units: usize, value: &[u8]) -> usize {
        let scale = Scale::of(self.class, self.encoding);
        match prefix.counts {
            Counts::Units => units,
            Counts::WireBytes => scale.bytes(units),
            Counts::Inclusive => units + prefix.bytes(),
            Counts::Nibbles => scale.nibbles(units),
            Counts::Characters if self.has_wide_characters() => self.charset.characters(value),
            Counts::Characters => units,
        }
    }
}

impl Class {
    /// The standard's notation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "n",
            Self::SignedAmount => "x+n",
            Self::Track => "z",
            Self::Alpha => "a",
            Self::AlphaNumeric => "an",
            Self::Text => "ans",
            Self::Binary => "b",
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Length::Fixed(len) => write!(f, "{} {len}", self.class.as_str()),
            Length::Variable { max, prefix } => {
                write!(f, "{}..{max} {}VAR", self.class.as_str(), "L".repeat(usize::from(prefix.places)))
            }
        }
    }
}

/// How units become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    /// One byte a unit.
    #[default]
    One,
    /// Two units a byte, rounded up.
    Packed,
    /// A sign byte, then two units a byte.
    SignThenPacked,
    /// Two bytes a unit.
    Double,
}

impl Scale {
    pub(crate) const fn of(class: Class, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Ascii | Encoding::Ebcdic | Encoding::Raw => Self::One,
            Encoding::Bcd if matches!(class, Class::SignedAmount) => Self::SignThenPacked,
            Encoding::Bcd => Self::Packed,
            Encoding::Hex | Encoding::EbcdicHex => Self::Double,
        }
    }

    #[inline]
    pub(crate) const fn bytes(self, units: usize) -> usize {
        match self {
            Self::One => units,
            Self::Packed => units.div_ceil(2),
            Self::SignThenPacked if units == 0 => 0,
            Self::SignThenPacked => 1 + (units - 1).div_ceil(2),
            Self::Double => units * 2,
        }
    }

    /// Half bytes that a prefix counts: the filler of an odd number of packed digits is not counted.
    #[inline]
    pub(crate) const fn nibbles(self, units: usize) -> usize {
        match self {
            Self::Packed => units,
            Self::SignThenPacked if units == 0 => 0,
            Self::SignThenPacked => units + 1,
            Self::One | Self::Double => self.bytes(units) * 2,
        }
    }

    /// Units that so many half bytes hold; nothing when they end inside one.
    #[inline]
    pub(crate) const fn units_of_nibbles(self, nibbles: usize) -> Option<usize> {
        match self {
            Self::Packed => Some(nibbles),
            Self::SignThenPacked if nibbles == 0 => Some(0),
            Self::SignThenPacked if nibbles == 1 => None,
            Self::SignThenPacked => Some(nibbles - 1),
            Self::One if nibbles.is_multiple_of(2) => Some(nibbles / 2),
            Self::Double if nibbles.is_multiple_of(4) => Some(nibbles / 4),
            Self::One | Self::Double => None,
        }
    }

    /// The most units that `bytes` can hold, for prefixes that count bytes.
    #[inline]
    pub(crate) const fn units(self, bytes: usize) -> usize {
        match self {
            Self::One => bytes,
            Self::Packed => bytes * 2,
            Self::SignThenPacked if bytes == 0 => 0,
            Self::SignThenPacked => bytes * 2 - 1,
            Self::Double => bytes / 2,
        }
    }
}

/// Which bytes an element may have on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Check {
    /// Any byte.
    #[default]
    Any,
    /// `0`–`9` in ASCII.
    AsciiDigits,
    /// `F0`–`F9`.
    EbcdicDigits,
    /// Every nibble but the filler at most nine.
    BcdDigits,
    /// `C` or `D`, then ASCII digits. A digit may stand for the sign: some hosts send an amount without one.
    AsciiSigned,
    /// `C` or `D` in EBCDIC, then EBCDIC digits.
    EbcdicSigned,
    /// ASCII `C` or `D`, then packed digits.
    BcdSigned,
    /// No control characters, nothing above `7E`.
    AsciiPrintable,
    /// ASCII hexadecimal digits.
    AsciiHex,
    /// EBCDIC hexadecimal digits.
    EbcdicHex,
}

impl Check {
    /// Text (`ans`) is not checked: it carries GBK, UTF-8 and vendors' binary alike. Neither is track data in
    /// nibbles, because a terminal may have enciphered part of it.
    pub(crate) const fn of(class: Class, encoding: Encoding) -> Self {
        match (encoding, class) {
            (Encoding::Hex, _) => Self::AsciiHex,
            (Encoding::EbcdicHex, _) => Self::EbcdicHex,
            (Encoding::Raw, _) | (_, Class::Text | Class::Binary) => Self::Any,
            (Encoding::Ascii, Class::Numeric) => Self::AsciiDigits,
            (Encoding::Ebcdic, Class::Numeric) => Self::EbcdicDigits,
            (Encoding::Bcd, Class::Numeric) => Self::BcdDigits,
            (Encoding::Ascii, Class::SignedAmount) => Self::AsciiSigned,
            (Encoding::Ebcdic, Class::SignedAmount) => Self::EbcdicSigned,
            (Encoding::Bcd, Class::SignedAmount) => Self::BcdSigned,
            (Encoding::Ascii, Class::Track | Class::Alpha | Class::AlphaNumeric) => Self::AsciiPrintable,
            (Encoding::Ebcdic | Encoding::Bcd, Class::Track | Class::Alpha | Class::AlphaNumeric) => {
                Self::Any
            }
        }
    }
}

/// What the parser needs of an element, flat: one cache line holds four.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) rule: Rule,
    pub(crate) scale: Scale,
    pub(crate) check: Check,
    pub(crate) pad_left: bool,
    pub(crate) prefix_bytes: u8,
    /// Length of a fixed element or maximum of a variable one, in units.
    pub(crate) units: u32,
    /// Bytes of a fixed element.
    pub(crate) bytes: u32,
}

/// How the parser finds an element's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The dialect has no such element.
    #[default]
    Absent,
    Fixed,
    AsciiPrefix,
    EbcdicPrefix,
    BcdPrefix,
    BinaryPrefix,
    /// Hexadecimal digits.
    HexPrefix,
    /// Any encoding, counting bytes of the wire: rare, so it is looked up in the element.
    BytesPrefix(PrefixEncoding),
    /// Any encoding, counting the prefix too.
    InclusivePrefix(PrefixEncoding),
    /// Any encoding, counting half bytes.
    NibblesPrefix(PrefixEncoding),
    /// Any encoding, counting characters of one to four bytes.
    CharactersPrefix(PrefixEncoding),
}

impl Layout {
    pub(crate) fn of(element: &Element) -> Self {
        let scale = Scale::of(element.class, element.encoding);
        let base = Self {
            scale,
            check: Check::of(element.class, element.encoding),
            pad_left: element.pad.side == Side::Left,
            ..Self::default()
        };
        match element.length {
            Length::Fixed(units) => {
                Self { rule: Rule::Fixed, units, bytes: scale.bytes(units as usize) as u32, ..base }
            }
            Length::Variable { max, prefix } => {
                let rule = match (prefix.counts, prefix.encoding) {
                    (Counts::WireBytes, encoding) => Rule::BytesPrefix(encoding),
                    (Counts::Inclusive, encoding) => Rule::InclusivePrefix(encoding),
                    (Counts::Nibbles, encoding) => Rule::NibblesPrefix(encoding),
                    (Counts::Characters, encoding) if element.has_wide_characters() => {
                        Rule::CharactersPrefix(encoding)
                    }
                    (Counts::Units | Counts::Characters, encoding) => encoding.rule(),
                };
                Self { rule, units: max, prefix_bytes: prefix.bytes() as u8, ..base }
            }
        }
    }
}
