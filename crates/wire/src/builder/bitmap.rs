//! The message type and the bitmaps in front of the elements.

use crate::bits::to_hex;
use crate::charset::ascii_to_ebcdic;
use crate::dialect::Encoding;
use crate::{De, Dialect, Mti};

/// A bitmap with its first bit: bit 1 announces the secondary bitmap, bit 65 the tertiary.
pub(super) fn announced(dialect: &Dialect, words: &[u64; 3], bitmaps: usize, index: usize) -> u64 {
    // A bitmap that is always there needs no announcing unless something is in it.
    let continues = (index + 1..bitmaps).any(|later| words[later] != 0 || later >= dialect.bitmaps_min);
    words[index] | if continues && dialect.announces { 1 << 63 } else { 0 }
}

/// A bitmap as it is written, and how many of the bytes it takes.
pub(super) fn bitmap(dialect: &Dialect, word: u64) -> ([u8; 16], usize) {
    bitmap_as(dialect.bitmap, word)
}

pub(super) fn bitmap_as(encoding: Encoding, word: u64) -> ([u8; 16], usize) {
    match encoding {
        Encoding::Hex => (to_hex(word), 16),
        Encoding::EbcdicHex => (to_hex(word).map(ascii_to_ebcdic), 16),
        Encoding::Raw | Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&word.to_be_bytes());
            (bytes, 8)
        }
    }
}

/// Appends the bitmaps that elements need.
#[inline]
pub(crate) fn put_bitmaps(dialect: &Dialect, words: &[u64; 3], out: &mut Vec<u8>) {
    let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    let bitmaps = used.max(dialect.bitmaps_min);
    for index in 0..bitmaps {
        let (digits, bytes) = bitmap(dialect, announced(dialect, words, bitmaps, index));
        out.extend_from_slice(&digits[..bytes]);
    }
}

/// Appends the message type.
#[inline]
pub(crate) fn put_mti(dialect: &Dialect, mti: Mti, out: &mut Vec<u8>) {
    match dialect.mti {
        Encoding::Bcd => out.extend_from_slice(&mti.as_u16().to_be_bytes()),
        Encoding::Ebcdic => out.extend_from_slice(&mti.to_ascii().map(ascii_to_ebcdic)),
        Encoding::Ascii | Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex => {
            out.extend_from_slice(&mti.to_ascii());
        }
    }
}

/// The last element that so many bitmaps announce.
pub(super) fn reach(bitmaps: usize) -> De {
    (bitmaps * 64) as De
}
