//! The short way from a value to the wire: encodings that messages are full of, their lengths worked out with the
//! dialect. What does not fit, or is wrong, takes the long way from the start, which gives the error.

use crate::bits::{ascii_digits, not_digits, not_printable, pack_digits, to_hex};
use crate::dialect::{Class, Counts, Element, Encoding, Length, PrefixEncoding, Side};

/// How one element is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    kind: Kind,
    prefix: Prefix,
    /// A filler nibble stands before an odd number of packed digits, not after it.
    pad_left: bool,
    fill: u8,
    /// The least and the most units: the same when it is fixed.
    min: u16,
    max: u16,
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

impl Plan {
    pub(crate) fn of(element: &Element) -> Self {
        let is_ascii = element.encoding == Encoding::Ascii && !element.charset.is_ebcdic();
        let kind = match (element.class, element.encoding) {
            (Class::Numeric, Encoding::Ascii) if is_ascii => Kind::Digits,
            (Class::Numeric, Encoding::Bcd) => Kind::Packed,
            (Class::Alpha | Class::AlphaNumeric | Class::Track, Encoding::Ascii) if is_ascii => {
                Kind::Printable
            }
            (Class::Text, Encoding::Ascii) if is_ascii => Kind::Text,
            (Class::Binary, Encoding::Raw) => Kind::Raw,
            (Class::Binary, Encoding::Hex) => Kind::Hex,
            _ => return Self::default(),
        };
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
        Self { kind, prefix, pad_left: element.pad.side == Side::Left, fill: element.pad.fill, min, max }
    }

    #[inline(always)]
    pub(super) const fn is_some(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    #[inline(always)]
    fn fits(&self, units: usize) -> bool {
        units >= usize::from(self.min) && units <= usize::from(self.max)
    }

    /// Each of these writes the element, or nothing.
    #[inline(always)]
    pub(super) fn put_digits(&self, digits: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.fits(digits.len()) {
            return false;
        }
        match self.kind {
            Kind::Digits if !not_digits(digits, b'0') => {
                self.put_prefix(digits.len(), out);
                out.extend_from_slice(digits);
            }
            Kind::Printable if !not_printable(digits) => {
                self.put_prefix(digits.len(), out);
                out.extend_from_slice(digits);
            }
            Kind::Packed if !not_digits(digits, b'0') => {
                self.put_prefix(digits.len(), out);
                self.put_packed(digits, out);
            }
            _ => return false,
        }
        true
    }

    #[inline(always)]
    pub(super) fn put_number(&self, number: u64, out: &mut Vec<u8>) -> bool {
        let length = usize::from(self.max);
        // A variable element would be as long as its number.
        if self.min != self.max || length > 16 || number >= POWERS[length] {
            return false;
        }
        match self.kind {
            Kind::Digits => {
                let digits = ascii_digits(number);
                out.extend_from_slice(&digits[16 - length..]);
            }
            Kind::Packed if length & 1 == 0 || self.pad_left && self.fill == 0 => {
                let packed = pack_digits(&ascii_digits(number)).to_be_bytes();
                out.extend_from_slice(&packed[8 - length.div_ceil(2)..]);
            }
            _ => return false,
        }
        true
    }

    #[inline(always)]
    pub(super) fn put_text(&self, text: &str, out: &mut Vec<u8>) -> bool {
        let bytes = text.as_bytes();
        match self.kind {
            Kind::Text if self.fits(bytes.len()) && text.is_ascii() => {
                self.put_prefix(bytes.len(), out);
                out.extend_from_slice(bytes);
                true
            }
            Kind::Digits | Kind::Packed | Kind::Printable => self.put_digits(bytes, out),
            _ => false,
        }
    }

    #[inline(always)]
    pub(super) fn put_bytes(&self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.fits(bytes.len()) {
            return false;
        }
        match self.kind {
            // Text is given in its character set.
            Kind::Raw | Kind::Text => {
                self.put_prefix(bytes.len(), out);
                out.extend_from_slice(bytes);
                true
            }
            Kind::Printable if !not_printable(bytes) => {
                self.put_prefix(bytes.len(), out);
                out.extend_from_slice(bytes);
                true
            }
            Kind::Hex => {
                let (words, []) = bytes.as_chunks::<8>() else { return false };
                self.put_prefix(bytes.len(), out);
                for word in words {
                    out.extend_from_slice(&to_hex(u64::from_be_bytes(*word)));
                }
                true
            }
            _ => false,
        }
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

    /// Digits that were checked, two a byte.
    #[inline(always)]
    fn put_packed(&self, digits: &[u8], out: &mut Vec<u8>) {
        let mut digits = digits;
        if digits.len() & 1 == 1
            && self.pad_left
            && let Some((first, rest)) = digits.split_first()
        {
            out.push(self.fill << 4 | first & 0xF);
            digits = rest;
        }
        let (pairs, last) = digits.as_chunks::<2>();
        out.extend(pairs.iter().map(|&[high, low]| high << 4 | low & 0xF));
        if let [last] = last {
            out.push(last << 4 | self.fill);
        }
    }
}
