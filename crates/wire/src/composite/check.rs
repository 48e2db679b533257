//! Which bytes a value may have, one at a time.

use crate::Encoding;
use crate::dialect::{Check, Layout};
use crate::parse::{hex_nibble, passes};

use super::view::View;

/// Checks a value byte by byte where it is not plain on the wire, and faster where it is.
///
/// # Errors
/// Index and byte of the first that the class does not have.
pub(crate) fn check(layout: &Layout, value: &View<'_>, units: usize) -> Result<(), (usize, u8)> {
    if layout.check == Check::Any || value.plain().is_some_and(|raw| passes(layout, raw, units)) {
        return Ok(());
    }
    let count = value.len();
    let byte = |index| value.at(index).unwrap_or_default();
    let bad = (0..count).find(|index| !allowed(layout, byte(*index), *index, count, units));
    bad.map_or(Ok(()), |index| Err((index, byte(index))))
}

/// The first byte of a value that its class does not have, in one pass: error paths are linear too.
pub(crate) fn first_bad(layout: &Layout, value: &[u8], units: usize) -> (usize, u8) {
    check(layout, &View::new(value, 0), units).err().unwrap_or_default()
}

/// Whether the byte at `index` of `count` may stand there.
fn allowed(layout: &Layout, byte: u8, index: usize, count: usize, units: usize) -> bool {
    let is_ebcdic_digit = (0xF0..=0xF9).contains(&byte);
    match layout.check {
        Check::Any => true,
        Check::AsciiDigits => byte.is_ascii_digit(),
        Check::EbcdicDigits => is_ebcdic_digit,
        Check::BcdDigits => packed(layout.pad_left, byte, index, count, units),
        Check::AsciiSigned => byte.is_ascii_digit() || (index == 0 && matches!(byte, b'C' | b'D')),
        Check::EbcdicSigned => is_ebcdic_digit || (index == 0 && matches!(byte, 0xC3 | 0xC4)),
        Check::BcdSigned if index == 0 => matches!(byte, b'C' | b'D'),
        Check::BcdSigned => packed(layout.pad_left, byte, index - 1, count - 1, units.saturating_sub(1)),
        Check::AsciiPrintable => (0x20..0x7F).contains(&byte),
        Check::AsciiHex => hex_nibble(Encoding::Hex, byte).is_some(),
        Check::EbcdicHex => hex_nibble(Encoding::EbcdicHex, byte).is_some(),
    }
}

/// Whether both nibbles are digits; one of an odd number of digits is filler and may be anything.
fn packed(pad_left: bool, byte: u8, index: usize, count: usize, units: usize) -> bool {
    let filler = units & 1 == 1;
    let high_is_free = filler && pad_left && index == 0;
    let low_is_free = filler && !pad_left && index + 1 == count;
    (high_is_free || byte >> 4 <= 9) && (low_is_free || byte & 0xF <= 9)
}
