//! Bytes that may stand on the wire as hexadecimal digits, read without copying.

use std::borrow::Cow;
use std::ops::Range;

use crate::Encoding;
use crate::parse::hex_nibble;

/// Bytes of a composite as its parts see them.
///
/// A container that is carried as hexadecimal text adds a layer: one byte of the view is then two bytes below.
/// Layers are checked when they are added, so that reading cannot fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    raw: &'a [u8],
    /// Offset of the first byte on the wire.
    offset: usize,
    layers: u8,
    /// A bit for every layer whose digits are EBCDIC; the lowest bit is the layer nearest to the wire.
    ebcdic: u8,
}

impl<'a> View<'a> {
    pub(crate) const fn new(raw: &'a [u8], offset: usize) -> Self {
        Self { raw, offset, layers: 0, ebcdic: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.raw.len() >> self.layers
    }

    /// Offset on the wire of the byte at `index`.
    pub(crate) const fn offset(&self, index: usize) -> usize {
        self.offset + (index << self.layers)
    }

    /// Where `inner`, which lies within this view, starts and ends in it.
    pub(crate) fn range_of(&self, inner: &Self) -> Range<usize> {
        let start = inner.offset.saturating_sub(self.offset) >> self.layers;
        start..start + (inner.raw.len() >> self.layers)
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> Option<u8> {
        if self.layers == 0 {
            return self.raw.get(index).copied();
        }
        let (start, end) = (index << self.layers, (index + 1) << self.layers);
        self.raw.get(start..end).map(|digits| self.decode(self.layers, digits))
    }

    /// The byte that `1 << layer` bytes of the wire stand for.
    fn decode(&self, layer: u8, digits: &[u8]) -> u8 {
        let Some(below) = layer.checked_sub(1) else { return digits.first().copied().unwrap_or_default() };
        let (high, low) = digits.split_at(digits.len() / 2);
        let encoding = if self.ebcdic >> below & 1 == 1 { Encoding::EbcdicHex } else { Encoding::Hex };
        let nibble = |digits| hex_nibble(encoding, self.decode(below, digits)).unwrap_or_default();
        nibble(high) << 4 | nibble(low)
    }

    /// A part of the view; nothing when it ends before.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Self> {
        let raw = self.raw.get(range.start << self.layers..range.end << self.layers)?;
        Some(Self { raw, offset: self.offset(range.start), ..*self })
    }

    /// The bytes as they are on the wire, when there is no layer between.
    pub(crate) const fn plain(&self) -> Option<&'a [u8]> {
        if self.layers == 0 { Some(self.raw) } else { None }
    }

    pub(crate) fn to_cow(self) -> Cow<'a, [u8]> {
        match self.plain() {
            Some(raw) => Cow::Borrowed(raw),
            None => Cow::Owned((0..self.len()).map_while(|index| self.at(index)).collect()),
        }
    }

    /// Up to eight bytes, for tags and lengths; nothing when there are less.
    pub(crate) fn head(&self, range: Range<usize>) -> Option<([u8; 8], usize)> {
        let mut bytes = [0; 8];
        let count = range.len();
        for (slot, index) in bytes.get_mut(..count)?.iter_mut().zip(range) {
            *slot = self.at(index)?;
        }
        Some((bytes, count))
    }

    /// The bytes that hexadecimal digits in the view stand for.
    ///
    /// # Errors
    /// Index and byte of the first that is not a digit; of the last byte when their number is odd.
    pub(crate) fn unhex(self, encoding: Encoding) -> Result<Self, (usize, u8)> {
        for index in 0..self.len() {
            let byte = self.at(index).unwrap_or_default();
            if hex_nibble(encoding, byte).is_none() {
                return Err((index, byte));
            }
        }
        if self.len() & 1 == 1 {
            let last = self.len() - 1;
            return Err((last, self.at(last).unwrap_or_default()));
        }
        let bit = u8::from(encoding == Encoding::EbcdicHex) << self.layers;
        Ok(Self { layers: self.layers + 1, ebcdic: self.ebcdic | bit, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_hexadecimal_are_read_through() {
        // "AB" as ASCII digits, and those digits as EBCDIC digits of their ASCII codes: 41 42.
        let once = View::new(b"4142", 10).unhex(Encoding::Hex).unwrap();
        assert_eq!((once.len(), once.to_cow().as_ref(), once.offset(1)), (2, &b"AB"[..], 12));
        let twice = View::new(&[0xF4, 0xF1, 0xF4, 0xF2], 0).unhex(Encoding::EbcdicHex).unwrap();
        assert_eq!(twice.to_cow().as_ref(), b"AB");
        let twice = twice.unhex(Encoding::Hex).unwrap();
        assert_eq!((twice.len(), twice.at(0), twice.at(1)), (1, Some(0xAB), None));
        let inner = once.slice(1..2).unwrap();
        assert_eq!((inner.to_cow().as_ref(), once.range_of(&inner)), (&b"B"[..], 1..2));
        assert!(once.slice(1..3).is_none());
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused_with_its_place() {
        assert_eq!(View::new(b"41x2", 0).unhex(Encoding::Hex).unwrap_err(), (2, b'x'));
        assert_eq!(View::new(b"414", 0).unhex(Encoding::Hex).unwrap_err(), (2, b'4'));
        assert!(View::new(b"", 0).unhex(Encoding::Hex).is_ok());
    }
}
