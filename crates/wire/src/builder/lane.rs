//! The short way from a value to the wire: encodings that messages are full of, their lengths worked out with the
//! dialect. What does not fit, or is wrong, takes the long way from the start, which gives the error.

use super::copy::put_short;
use crate::bits::{EIGHT, LOW, Range8, eight_digits, nibbles, to_hex, two_halves};
use crate::dialect::{Class, Counts, Element, Encoding, Length, PrefixEncoding, Side};

/// How one element is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    kind: Kind,
    prefix: Prefix,
    /// A filler nibble stands before an odd number of packed digits, not after it.
    pad_left: bool,
    fill: u8,
    /// The least units, and how many more there may be: none when it is fixed.
    min: u16,
    more: u16,
    /// Which bytes its characters may be.
    range: Range8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// No short way.
    #[default]
    None,
    /// ASCII digits.
    Digits,
    /// Packed digits.
    Packed,
    /// Packed digits and the separator of a track.
    Track,
    /// ASCII without control characters.
    Printable,
    /// Any ASCII.
    Text,
    /// Bytes.
    Raw,
    /// Bytes as ASCII hexadecimal digits.
    Hex,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Prefix {
    #[default]
    None,
    Ascii2,
    Ascii3,
    Bcd1,
    Bcd2,
}

/// The digits of 0 to 99.
const TENS: [[u8; 2]; 100] = {
    let mut tens = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        tens[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    tens
};

/// The first number that so many digits cannot hold.
const POWERS: [u64; 17] = {
    let mut powers = [1; 17];
    let mut exponent = 1;
    while exponent < 17 {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

impl Kind {
    fn of(element: &Element) -> Self {
        let is_ascii = element.encoding == Encoding::Ascii && !element.charset.is_ebcdic();
        match (element.class, element.encoding) {
            (Class::Numeric, Encoding::Ascii) if is_ascii => Self::Digits,
            (Class::Numeric, Encoding::Bcd) => Self::Packed,
            (Class::Track, Encoding::Bcd) => Self::Track,
            (Class::Alpha | Class::AlphaNumeric | Class::Track, Encoding::Ascii) if is_ascii => {
                Self::Printable
            }
            (Class::Text, Encoding::Ascii) if is_ascii => Self::Text,
            (Class::Binary, Encoding::Raw) => Self::Raw,
            (Class::Binary, Encoding::Hex) => Self::Hex,
            _ => Self::None,
        }
    }

    /// What is given may be these characters.
    const fn range(self) -> Range8 {
        match self {
            Self::Digits | Self::Packed => Range8::of(b'0', b'9'),
            Self::Track => Range8::of(b'0', b'='),
            Self::Printable => Range8::of(b' ', b'~'),
            Self::Text | Self::None | Self::Raw | Self::Hex => Range8::of(0, 0x7F),
        }
    }
}

impl Plan {
    pub(crate) fn of(element: &Element) -> Self {
        let kind = Kind::of(element);
        let (min, max, prefix) = match element.length {
            Length::Fixed(length) => (length, length, Prefix::None),
            Length::Variable { max, prefix } => {
                let form = match (prefix.encoding, prefix.places, prefix.counts) {
                    (PrefixEncoding::Ascii, 2, Counts::Units) if max <= 99 => Prefix::Ascii2,
                    (PrefixEncoding::Ascii, 3, Counts::Units) if max <= 999 => Prefix::Ascii3,
                    (PrefixEncoding::Bcd, 2, Counts::Units) if max <= 99 => Prefix::Bcd1,
                    (PrefixEncoding::Bcd, 3 | 4, Counts::Units) if max <= 999 => Prefix::Bcd2,
                    _ => return Self::default(),
                };
                (0, max, form)
            }
        };
        let (Ok(min), Ok(max)) = (u16::try_from(min), u16::try_from(max)) else { return Self::default() };
        let (pad_left, fill) = (element.pad.side == Side::Left, element.pad.fill);
        Self { kind, prefix, pad_left, fill, min, more: max - min, range: kind.range() }
    }

    #[inline(always)]
    pub(super) const fn is_some(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    #[inline(always)]
    fn fits(&self, units: usize) -> bool {
        units.wrapping_sub(usize::from(self.min)) <= usize::from(self.more)
    }

    /// Each of these writes the element, or nothing.
    #[inline(always)]
    pub(super) fn put_digits(&self, digits: &[u8], out: &mut Vec<u8>) -> bool {
        match self.kind {
            Kind::Digits | Kind::Printable => self.put_plain::<true>(digits, out),
            Kind::Packed | Kind::Track => self.put_packed(digits, out),
            Kind::None | Kind::Text | Kind::Raw | Kind::Hex => false,
        }
    }

    #[inline(always)]
    pub(super) fn put_number(&self, number: u64, out: &mut Vec<u8>) -> bool {
        let length = usize::from(self.min);
        // A variable element would be as long as its number.
        if self.more != 0 || length > 16 || number >= POWERS[length] {
            return false;
        }
        match self.kind {
            Kind::Digits => {
                let (high, low) = (number / EIGHT, number % EIGHT);
                if length > 8 {
                    put_word(eight_digits(high) >> (8 * (16 - length)), length - 8, out);
                }
                let places = length.min(8);
                // A shift by all of a word's bits is none, and no digits are none.
                put_word(eight_digits(low) >> ((8 * (8 - places)) & 63), places, out);
            }
            Kind::Packed if length & 1 == 0 || self.pad_left && self.fill == 0 => {
                let (high, low) = (eight_digits(number / EIGHT), eight_digits(number % EIGHT));
                let packed = nibbles(high.swap_bytes()) << 32 | nibbles(low.swap_bytes());
                let bytes = length.div_ceil(2);
                put_word((packed << ((8 * (8 - bytes)) & 63)).swap_bytes(), bytes, out);
            }
            _ => return false,
        }
        true
    }

    #[inline(always)]
    pub(super) fn put_text(&self, text: &str, out: &mut Vec<u8>) -> bool {
        match self.kind {
            Kind::Text | Kind::Digits | Kind::Printable => self.put_plain::<true>(text.as_bytes(), out),
            Kind::Packed | Kind::Track => self.put_packed(text.as_bytes(), out),
            Kind::None | Kind::Raw | Kind::Hex => false,
        }
    }

    #[inline(always)]
    pub(super) fn put_bytes(&self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        match self.kind {
            // Text is given in its character set.
            Kind::Raw | Kind::Text => self.put_plain::<false>(bytes, out),
            Kind::Printable => self.put_plain::<true>(bytes, out),
            Kind::Hex if self.fits(bytes.len()) => {
                let (words, []) = bytes.as_chunks::<8>() else { return false };
                self.put_prefix(bytes.len(), out);
                for word in words {
                    out.extend_from_slice(&to_hex(u64::from_be_bytes(*word)));
                }
                true
            }
            Kind::None | Kind::Digits | Kind::Packed | Kind::Track | Kind::Hex => false,
        }
    }

    /// Bytes that are as they stand on the wire, looked at first.
    #[inline(always)]
    pub(crate) fn put_wire(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        match self.kind {
            Kind::Raw | Kind::Text => self.put_plain::<false>(value, out),
            Kind::Digits | Kind::Printable => self.put_plain::<true>(value, out),
            Kind::None | Kind::Packed | Kind::Track | Kind::Hex => false,
        }
    }

    /// One byte a unit, looked at first where `CHECKED`.
    #[inline(always)]
    fn put_plain<const CHECKED: bool>(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        let length = value.len();
        if !self.fits(length) {
            return false;
        }
        if length > 16 {
            if CHECKED && self.range.is_left_by(value) {
                return false;
            }
            self.put_prefix(length, out);
            out.extend_from_slice(value);
            return true;
        }
        let (first, last) = ends(value);
        if CHECKED && length > 0 && self.range.bad(first.checked) | self.range.bad(last) != 0 {
            return false;
        }
        self.put_prefix(length, out);
        if length > 8 {
            put_word(first.word, length - 8, out);
            put_word(last, 8, out);
        } else {
            put_word(first.word, length, out);
        }
        true
    }

    /// Two digits a byte.
    #[inline(always)]
    fn put_packed(&self, digits: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.fits(digits.len()) {
            return false;
        }
        let start = out.len();
        self.put_prefix(digits.len(), out);
        let (mut digits, mut bad) = (digits, 0);
        if digits.len() & 1 == 1
            && self.pad_left
            && let Some((first, rest)) = digits.split_first()
        {
            bad |= self.bad_digits(u64::from(*first) * LOW);
            out.push(self.fill << 4 | first & 0xF);
            digits = rest;
        }
        let (words, rest) = digits.as_chunks::<8>();
        for word in words {
            bad |= self.bad_digits(u64::from_le_bytes(*word));
            out.extend_from_slice(&(nibbles(u64::from_be_bytes(*word)) as u32).to_be_bytes());
        }
        if !rest.is_empty() {
            let (first, _) = ends(rest);
            bad |= self.bad_digits(first.checked);
            // The characters that are not there are no digits: zero bytes.
            let present = first.word & (u64::MAX >> (64 - 8 * rest.len()));
            let packed = (nibbles(present.swap_bytes()) as u32).swap_bytes();
            put_word(u64::from(packed), rest.len().div_ceil(2), out);
            if rest.len() & 1 == 1
                && let Some(last) = out.last_mut()
            {
                *last |= self.fill & 0xF;
            }
        }
        if bad != 0 {
            out.truncate(start);
        }
        bad == 0
    }

    /// A bit for every byte that is not a digit, or the separator in a track.
    #[inline(always)]
    fn bad_digits(&self, word: u64) -> u64 {
        let outside = self.range.bad(word);
        // Of the six characters above the digits only the separator, whose nibble is D, is one of a track.
        let above_nine = (word >> 3) & ((word >> 2) | (word >> 1)) & LOW;
        outside | above_nine & !((word >> 2) & word)
    }

    #[inline(always)]
    fn put_prefix(&self, units: usize, out: &mut Vec<u8>) {
        match self.prefix {
            Prefix::None => {}
            Prefix::Ascii2 => out.extend_from_slice(&TENS[units % 100]),
            Prefix::Ascii3 => {
                let [tens, ones] = TENS[units % 100];
                out.extend_from_slice(&[b'0' + (units / 100) as u8, tens, ones]);
            }
            Prefix::Bcd1 => out.push(((units / 10) << 4 | (units % 10)) as u8),
            Prefix::Bcd2 => {
                out.extend_from_slice(&[(units / 100) as u8, ((units / 10 % 10) << 4 | (units % 10)) as u8]);
            }
        }
    }
}

/// The first bytes of a short value.
struct First {
    /// In their places; what is behind the value is not defined.
    word: u64,
    /// The same without what is not the value's: bytes may be there twice.
    checked: u64,
}

/// The first eight bytes and the last eight of up to sixteen, overlapping; of eight or less, the first are all and the
/// last are bytes of the value in no order. The bytes of no value are undefined.
#[inline(always)]
fn ends(value: &[u8]) -> (First, u64) {
    if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        let word = u64::from_le_bytes(*first);
        return (First { word, checked: word }, u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let (word, checked) = (two_halves(first, last, 8 * (value.len() - 4)), two_halves(first, last, 32));
        return (First { word, checked }, checked);
    }
    let [Some(first), middle, Some(last)] = [value.first(), value.get(value.len() / 2), value.last()] else {
        return (First { word: 0, checked: 0 }, 0);
    };
    let middle = middle.unwrap_or(first);
    let four = u32::from_le_bytes([*first, *middle, *last, *last]);
    let checked = u64::from(four) << 32 | u64::from(four);
    (First { word: u64::from(four), checked }, checked)
}

/// Appends the first `bytes` of a word, at most all eight.
#[inline(always)]
fn put_word(word: u64, bytes: usize, out: &mut Vec<u8>) {
    put_short(&word.to_le_bytes(), bytes, out);
}
