//! Values as they stand on the wire, in every encoding: what has no shorter way goes through here.

use crate::bits::to_hex;
use crate::charset::ascii_to_ebcdic;
use crate::dialect::{Class, Element, Encoding, Length, PrefixEncoding, Side, TextPad};
use crate::error::BuildError;

/// Position of the first character that the class does not have.
pub(crate) fn bad_digit(element: &Element, digits: &[u8]) -> Option<usize> {
    match element.class {
        Class::Track if element.encoding == Encoding::Bcd => {
            digits.iter().position(|c| !matches!(c, b'0'..=b'9' | b'A'..=b'F' | b'='))
        }
        Class::Track => digits.iter().position(|c| !matches!(c, b' '..=b'~')),
        Class::SignedAmount => match digits.split_first() {
            Some((b'C' | b'D', rest)) => rest.iter().position(|c| !c.is_ascii_digit()).map(|at| at + 1),
            // Hosts that send no sign send a digit in its place, where characters are whole bytes.
            Some((first, rest)) if first.is_ascii_digit() && element.encoding != Encoding::Bcd => {
                rest.iter().position(|c| !c.is_ascii_digit()).map(|at| at + 1)
            }
            Some(_) => Some(0),
            None => None,
        },
        Class::Numeric | Class::Alpha | Class::AlphaNumeric | Class::Text | Class::Binary => {
            digits.iter().position(|c| !c.is_ascii_digit())
        }
    }
}

/// Pads a fixed text and checks the length; gives the value's length in bytes.
pub(super) fn fill_text(element: &Element, value_at: usize, out: &mut Vec<u8>) -> Result<usize, BuildError> {
    let (de, max) = (element.de, element.len_max());
    let length = element.counted(&out[value_at..]);
    if length > max {
        return Err(BuildError::TooLong { de, length, max });
    }
    if let Length::Fixed(_) = element.length {
        fill_up(element, value_at, max, out);
    }
    Ok(out.len() - value_at)
}

/// Fills the text from `value_at` on up to `length` bytes.
pub(crate) fn fill_up(element: &Element, value_at: usize, length: usize, out: &mut Vec<u8>) {
    let missing = (value_at + length).saturating_sub(out.len());
    let TextPad { side, fill } = element.text_pad;
    out.resize(out.len() + missing, fill);
    if side == Side::Left && missing > 0 {
        out[value_at..].rotate_right(missing);
    }
}

/// Writes what the prefix counts of `units`; `value` is looked at where characters are counted.
pub(crate) fn put_prefix(element: &Element, units: usize, value: &[u8], out: &mut [u8]) {
    let Length::Variable { prefix, .. } = element.length else { return };
    put_number(prefix.encoding, prefix.places, element.prefix_number(prefix, units, value), out);
}

/// Writes a number in the places of a length; whether it fits them.
pub(crate) fn put_number(encoding: PrefixEncoding, places: u8, value: usize, out: &mut [u8]) -> bool {
    let mut rest = value;
    let mut places = places;
    for byte in out.iter_mut().rev() {
        let (value, radix) = match encoding {
            PrefixEncoding::Ascii => (b'0' + (rest % 10) as u8, 10),
            PrefixEncoding::Ebcdic => (0xF0 + (rest % 10) as u8, 10),
            // Three places take two bytes, and the first nibble stays zero.
            PrefixEncoding::Bcd if places == 1 => ((rest % 10) as u8, 10),
            PrefixEncoding::Bcd => ((((rest / 10 % 10) << 4) | (rest % 10)) as u8, 100),
            PrefixEncoding::Binary => (rest as u8, 256),
            PrefixEncoding::Hex => (hex_digit(Encoding::Hex, (rest % 16) as u8), 16),
        };
        *byte = value;
        rest /= radix;
        places = places.saturating_sub(2);
    }
    rest == 0
}

pub(crate) fn put_digits(element: &Element, digits: &[u8], out: &mut Vec<u8>) {
    match element.encoding {
        Encoding::Ebcdic => {
            out.extend(digits.iter().map(|character| element.charset.ebcdic_of(*character)));
        }
        Encoding::Bcd => {
            let (sign, digits) = match (element.class, digits.split_first()) {
                (Class::SignedAmount, Some((sign, rest))) => (Some(*sign), rest),
                _ => (None, digits),
            };
            out.extend(sign);
            put_packed(element, digits, out);
        }
        Encoding::Ascii | Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex => {
            out.extend_from_slice(digits)
        }
    }
}

fn put_packed(element: &Element, digits: &[u8], out: &mut Vec<u8>) {
    let nibble = |c: u8| match c {
        b'0'..=b'9' => c - b'0',
        b'=' => 0xD,
        _ => (c | 0x20).wrapping_sub(b'a').wrapping_add(10) & 0xF,
    };
    let mut digits = digits;
    if digits.len() & 1 == 1
        && element.pad.side == Side::Left
        && let Some((first, rest)) = digits.split_first()
    {
        out.push(element.pad.fill << 4 | nibble(*first));
        digits = rest;
    }
    let (pairs, last) = digits.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[high, low]| nibble(high) << 4 | nibble(low)));
    if let [last] = last {
        out.push(nibble(*last) << 4 | element.pad.fill);
    }
}

pub(crate) fn put_hex(encoding: Encoding, bytes: &[u8], out: &mut Vec<u8>) {
    let (words, rest) = bytes.as_chunks::<8>();
    if encoding == Encoding::Hex {
        words.iter().for_each(|word| out.extend_from_slice(&to_hex(u64::from_be_bytes(*word))));
    }
    let rest = if encoding == Encoding::Hex { rest } else { bytes };
    out.extend(
        rest.iter().flat_map(|byte| [hex_digit(encoding, byte >> 4), hex_digit(encoding, byte & 0xF)]),
    );
}

const fn hex_digit(encoding: Encoding, nibble: u8) -> u8 {
    let digit = if nibble <= 9 { b'0' + nibble } else { b'A' + nibble - 10 };
    if matches!(encoding, Encoding::EbcdicHex) { ascii_to_ebcdic(digit) } else { digit }
}
