//! What stands before the elements: the message type and the bitmaps.

use super::Stop;
use crate::bits::from_hex;
use crate::dialect::Encoding;
use crate::error::{ElementPath, ParseErrorKind};
use crate::{De, Dialect, Mti};

pub(super) fn read_mti(encoding: Encoding, body: &[u8]) -> Result<(Mti, usize), Stop> {
    let bytes = if encoding == Encoding::Bcd { 2 } else { 4 };
    let Some(raw) = body.get(..bytes) else {
        let kind = ParseErrorKind::Truncated { need: bytes, have: body.len() };
        return Err((ElementPath::Mti, 0, kind));
    };
    let mti = match raw {
        [high, low] => Mti::from_bcd(u16::from_be_bytes([*high, *low])),
        [a, b, c, d] if encoding == Encoding::Ebcdic => {
            // EBCDIC digits are F0 to F9; anything else must not wrap into a digit.
            Mti::from_ascii([*a, *b, *c, *d].map(|byte| if byte >= 0xF0 { byte - 0xC0 } else { 0 }))
        }
        [a, b, c, d] => Mti::from_ascii([*a, *b, *c, *d]),
        _ => None,
    };
    mti.map(|mti| (mti, bytes)).ok_or((ElementPath::Mti, 0, ParseErrorKind::BadMti))
}

/// Reads the bitmaps into `words`, without the bits that only announce another bitmap.
pub(super) fn read_bitmaps(
    dialect: &Dialect,
    body: &[u8],
    words: &mut [u64; 3],
    at: &mut usize,
) -> Result<(), Stop> {
    const CONTINUES: u64 = 1 << 63;
    for index in 0..dialect.bitmaps_max {
        let continued = index > 0 && words[index - 1] & CONTINUES != 0;
        if index > 0 {
            // Bit 65 of a dialect without a third bitmap is an ordinary element and stays.
            words[index - 1] &= !CONTINUES;
        }
        if !continued && index >= dialect.bitmaps_min {
            return Ok(());
        }
        let path = ElementPath::Bitmap(index as u8 + 1);
        words[index] = read_bitmap(dialect.bitmap, body, *at).map_err(|kind| (path, *at, kind))?;
        *at += dialect.bitmap_bytes();
    }
    // Only the primary bitmap has no element at its first bit.
    if dialect.bitmaps_max == 1 && words[0] & CONTINUES != 0 {
        return Err((ElementPath::Bitmap(2), *at, ParseErrorKind::UnknownElement));
    }
    Ok(())
}

pub(super) fn read_bitmap(encoding: Encoding, body: &[u8], at: usize) -> Result<u64, ParseErrorKind> {
    let rest = &body[at..];
    if encoding == Encoding::Raw {
        let bytes = rest.first_chunk::<8>().ok_or(ParseErrorKind::Truncated { need: 8, have: rest.len() })?;
        return Ok(u64::from_be_bytes(*bytes));
    }
    let bytes = rest.first_chunk::<16>().ok_or(ParseErrorKind::Truncated { need: 16, have: rest.len() })?;
    if encoding == Encoding::Hex {
        return from_hex(bytes).ok_or(ParseErrorKind::BadBitmap);
    }
    let mut word = 0u64;
    for &byte in bytes {
        let nibble = hex_nibble(encoding, byte).ok_or(ParseErrorKind::BadBitmap)?;
        word = word << 4 | u64::from(nibble);
    }
    Ok(word)
}

/// The value of a hexadecimal digit; both cases are accepted.
pub(crate) const fn hex_nibble(encoding: Encoding, byte: u8) -> Option<u8> {
    match (encoding, byte) {
        (Encoding::EbcdicHex, 0xF0..=0xF9) => Some(byte - 0xF0),
        (Encoding::EbcdicHex, 0xC1..=0xC6) => Some(byte - 0xC1 + 10),
        (Encoding::EbcdicHex, 0x81..=0x86) => Some(byte - 0x81 + 10),
        (Encoding::EbcdicHex, _) => None,
        (_, b'0'..=b'9') => Some(byte - b'0'),
        (_, b'A'..=b'F') => Some(byte - b'A' + 10),
        (_, b'a'..=b'f') => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// How the element that holds the third bitmap stands on the wire.
pub(crate) fn third_encoding(dialect: &Dialect, third: De) -> Encoding {
    dialect.element(third).map_or(Encoding::Raw, crate::Element::encoding)
}
