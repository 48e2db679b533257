//! Digits out of whatever they are packed in.

use crate::dialect::{Class, Element, Encoding, Side};

/// Characters of a digit value by position, whatever the encoding.
pub(crate) struct Digits<'a> {
    raw: &'a [u8],
    len: usize,
    packed: bool,
    /// The value starts with a sign byte that is not packed.
    signed: bool,
    /// One when a filler nibble stands before the digits.
    skip: usize,
    ebcdic: bool,
    track: bool,
}

impl<'a> Digits<'a> {
    /// The digits of a value of `len` units.
    pub(crate) fn new(element: &Element, raw: &'a [u8], len: usize) -> Self {
        let packed = element.encoding == Encoding::Bcd;
        let signed = packed && element.class == Class::SignedAmount;
        let nibbles = if signed { len.saturating_sub(1) } else { len };
        let skip = usize::from(packed && nibbles & 1 == 1 && element.pad.side == Side::Left);
        let ebcdic = element.encoding == Encoding::Ebcdic;
        Self { raw, len, packed, signed, skip, ebcdic, track: element.class == Class::Track }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The ASCII character at `index`; `=` for the separator of a track.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> u8 {
        if !self.packed {
            let byte = self.raw[index];
            let byte = if self.ebcdic { ebcdic_to_ascii(byte) } else { byte };
            return if self.track && byte == b'D' { b'=' } else { byte };
        }
        let index = match (self.signed, index) {
            (true, 0) => return self.raw[0],
            (true, _) => index + 1,
            (false, _) => index,
        };
        // A sign takes a whole byte: two nibbles.
        let nibble_index = index + self.skip;
        let byte = self.raw[nibble_index / 2];
        let nibble = if nibble_index & 1 == 0 { byte >> 4 } else { byte & 0xF };
        match nibble {
            0..=9 => b'0' + nibble,
            0xD if self.track => b'=',
            _ => b'A' + nibble - 10,
        }
    }
}

/// Digits, upper-case letters and the track separator; the rest becomes `?`.
pub(crate) const fn ebcdic_to_ascii(byte: u8) -> u8 {
    match byte {
        0xF0..=0xF9 => byte - 0xF0 + b'0',
        0xC1..=0xC9 => byte - 0xC1 + b'A',
        0xD1..=0xD9 => byte - 0xD1 + b'J',
        0xE2..=0xE9 => byte - 0xE2 + b'S',
        0x7E => b'=',
        0x40 => b' ',
        _ => b'?',
    }
}
