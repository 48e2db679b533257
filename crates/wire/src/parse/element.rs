//! One element by the table: its length, its bytes, and what is wrong with them.

use super::Stop;
use super::head::hex_nibble;
use crate::bits::{has_above_nine, not_digits, not_hex, not_printable};
use crate::composite::first_bad;
use crate::dialect::{Check, Encoding, Layout, PrefixEncoding, Rule};
use crate::error::{ElementPath, ParseErrorKind};
use crate::{De, Dialect};

/// Checks one element at `at`; returns the offset after it.
#[inline(always)]
pub(crate) fn read_element(
    dialect: &Dialect,
    layout: &Layout,
    de: De,
    body: &[u8],
    at: usize,
) -> Result<usize, Stop> {
    let stop = |offset, kind| (ElementPath::De(de), offset, kind);
    let (units, start, bytes) = match layout.rule {
        Rule::Fixed => (layout.units as usize, at, layout.bytes as usize),
        Rule::Absent => return Err(stop(at, ParseErrorKind::UnknownElement)),
        Rule::AsciiPrefix
        | Rule::EbcdicPrefix
        | Rule::BcdPrefix
        | Rule::BinaryPrefix
        | Rule::HexPrefix
        | Rule::BytesPrefix(_)
        | Rule::InclusivePrefix(_)
        | Rule::NibblesPrefix(_)
        | Rule::CharactersPrefix(_) => {
            let start = at + usize::from(layout.prefix_bytes);
            let Some(prefix) = body.get(at..start) else {
                let (need, have) = (usize::from(layout.prefix_bytes), body.len() - at);
                return Err(stop(at, ParseErrorKind::Truncated { need, have }));
            };
            let length =
                prefix_value(layout.rule, prefix).ok_or_else(|| stop(at, ParseErrorKind::BadLength))?;
            if length > prefix_max(layout) {
                let max = layout.units as usize;
                return Err(stop(at, ParseErrorKind::LengthOverMax { length, max }));
            }
            let (units, bytes) = units_and_bytes(dialect, layout, de, length, &body[start..])
                .ok_or_else(|| stop(at, ParseErrorKind::BadLength))?;
            if units > layout.units as usize {
                let max = layout.units as usize;
                return Err(stop(at, ParseErrorKind::LengthOverMax { length, max }));
            }
            (units, start, bytes)
        }
    };
    let Some(value) = body.get(start..start + bytes) else {
        let (need, have) = (start - at + bytes, body.len() - at);
        return Err(stop(at, ParseErrorKind::Truncated { need, have }));
    };
    if !passes(layout, value, units) {
        let (index, byte) = first_bad(layout, value, units);
        let class = dialect.element(de).map_or("", |element| element.class().as_str());
        return Err(stop(start + index, ParseErrorKind::BadCharacter { byte, class }));
    }
    Ok(start + bytes)
}

/// Bytes of an element that was read before, at the start of `rest`.
pub(crate) fn element_bytes(dialect: &Dialect, de: De, rest: &[u8]) -> Option<usize> {
    let layout = dialect.layouts.get(usize::from(de))?;
    if layout.rule == Rule::Fixed {
        return Some(layout.bytes as usize);
    }
    let prefix = usize::from(layout.prefix_bytes);
    let length = prefix_value(layout.rule, rest.get(..prefix)?)?;
    Some(prefix + units_and_bytes(dialect, layout, de, length, rest.get(prefix..)?)?.1)
}

/// Characters are walked over before anything is known of them, so that their number is judged first.
#[inline]
const fn prefix_max(layout: &Layout) -> usize {
    match layout.rule {
        Rule::CharactersPrefix(_) => layout.units as usize,
        _ => usize::MAX,
    }
}

/// Units and bytes of a value from what its prefix says; nothing when the prefix ends inside a unit.
#[inline]
fn units_and_bytes(
    dialect: &Dialect,
    layout: &Layout,
    de: De,
    length: usize,
    rest: &[u8],
) -> Option<(usize, usize)> {
    match layout.rule {
        Rule::BytesPrefix(_) => {
            // An odd maximum of packed digits still has a pad nibble: the byte count cannot say so.
            let max = dialect.element(de).map_or(0, crate::Element::len_max);
            let units = layout.scale.units(length);
            let units = if units == max + 1 { max } else { units };
            Some((units, length))
        }
        Rule::NibblesPrefix(_) => {
            let units = layout.scale.units_of_nibbles(length)?;
            Some((units, layout.scale.bytes(units)))
        }
        Rule::CharactersPrefix(_) => {
            let charset = dialect.element(de)?.charset;
            Some((length, charset.bytes_of(length, rest)))
        }
        Rule::Absent
        | Rule::Fixed
        | Rule::AsciiPrefix
        | Rule::EbcdicPrefix
        | Rule::BcdPrefix
        | Rule::BinaryPrefix
        | Rule::HexPrefix
        | Rule::InclusivePrefix(_) => Some((length, layout.scale.bytes(length))),
    }
}

/// The number in a length prefix, or nothing when a digit is not one.
#[inline]
pub(crate) fn prefix_value(rule: Rule, prefix: &[u8]) -> Option<usize> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    match (rule, prefix) {
        (Rule::AsciiPrefix, [tens, ones]) => {
            let (tens, ones) = (digit(*tens), digit(*ones));
            return if tens <= 9 && ones <= 9 { Some(tens * 10 + ones) } else { None };
        }
        (Rule::AsciiPrefix, [hundreds, tens, ones]) => {
            let (hundreds, tens, ones) = (digit(*hundreds), digit(*tens), digit(*ones));
            let is_number = hundreds <= 9 && tens <= 9 && ones <= 9;
            return if is_number { Some(hundreds * 100 + tens * 10 + ones) } else { None };
        }
        _ => {}
    }
    let encoding = match rule {
        Rule::AsciiPrefix => PrefixEncoding::Ascii,
        Rule::EbcdicPrefix => PrefixEncoding::Ebcdic,
        Rule::BcdPrefix => PrefixEncoding::Bcd,
        Rule::BinaryPrefix => PrefixEncoding::Binary,
        Rule::HexPrefix => PrefixEncoding::Hex,
        Rule::BytesPrefix(encoding)
        | Rule::InclusivePrefix(encoding)
        | Rule::NibblesPrefix(encoding)
        | Rule::CharactersPrefix(encoding) => encoding,
        Rule::Absent | Rule::Fixed => return None,
    };
    let mut value = 0usize;
    match encoding {
        PrefixEncoding::Ascii | PrefixEncoding::Ebcdic => {
            let zero = if encoding == PrefixEncoding::Ascii { b'0' } else { 0xF0 };
            for &byte in prefix {
                let digit = byte.wrapping_sub(zero);
                if digit > 9 {
                    return None;
                }
                value = value * 10 + usize::from(digit);
            }
        }
        PrefixEncoding::Bcd => {
            for &byte in prefix {
                if byte >> 4 > 9 || byte & 0xF > 9 {
                    return None;
                }
                value = value * 100 + usize::from(byte >> 4) * 10 + usize::from(byte & 0xF);
            }
        }
        PrefixEncoding::Hex => {
            for &byte in prefix {
                value = value << 4 | usize::from(hex_nibble(Encoding::Hex, byte)?);
            }
        }
        // Saturates: six bytes of length are above every maximum anyway.
        PrefixEncoding::Binary => {
            for &byte in prefix {
                value = value.saturating_mul(256).saturating_add(usize::from(byte));
            }
        }
    }
    if let Rule::InclusivePrefix(_) = rule {
        return value.checked_sub(prefix.len());
    }
    Some(value)
}

/// Whether every byte of a value is allowed.
#[inline]
pub(crate) fn passes(layout: &Layout, value: &[u8], units: usize) -> bool {
    match layout.check {
        Check::Any => true,
        Check::AsciiDigits => !not_digits(value, 0x30),
        Check::EbcdicDigits => !not_digits(value, 0xF0),
        Check::BcdDigits => packed_digits(layout.pad_left, value, units),
        Check::AsciiSigned => signed(value, b"CD0123456789", 0x30),
        Check::EbcdicSigned => signed(value, b"\xC3\xC4\xF0\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9", 0xF0),
        Check::BcdSigned => match value.split_first() {
            Some((sign, digits)) => b"CD".contains(sign) && packed_digits(layout.pad_left, digits, units - 1),
            None => true,
        },
        Check::AsciiPrintable => !not_printable(value),
        Check::AsciiHex => !not_hex(value),
        Check::EbcdicHex => value.iter().all(|&byte| hex_nibble(Encoding::EbcdicHex, byte).is_some()),
    }
}

/// Whether all nibbles but the filler are at most nine.
#[inline]
pub(crate) fn packed_digits(pad_left: bool, value: &[u8], units: usize) -> bool {
    if units & 1 == 0 {
        return !has_above_nine(value);
    }
    if pad_left {
        return match value.split_first() {
            Some((first, rest)) => first & 0xF <= 9 && !has_above_nine(rest),
            None => true,
        };
    }
    match value.split_last() {
        Some((last, rest)) => last >> 4 <= 9 && !has_above_nine(rest),
        None => true,
    }
}

fn signed(value: &[u8], signs: &[u8], zero: u8) -> bool {
    match value.split_first() {
        Some((sign, digits)) => signs.contains(sign) && !not_digits(digits, zero),
        None => true,
    }
}
