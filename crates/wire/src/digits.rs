//! Digits out of whatever they are packed in.

use crate::charset::ebcdic_to_ascii;
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
