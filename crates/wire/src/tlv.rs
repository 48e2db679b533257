//! BER-TLV: the chip data of element 55.

/// Objects inside objects, this deep.
pub const TLV_DEPTH_MAX: usize = 4;
/// Objects in one element.
pub const TLV_COUNT_MAX: usize = 256;

/// One BER-TLV object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag, big-endian: `0x9F26`.
    pub tag: u32,
    /// The value; for a constructed object, the objects inside.
    pub value: &'a [u8],
    /// Nesting: zero at the top.
    pub depth: u8,
    /// Whether the value is objects again.
    pub is_constructed: bool,
}

/// Bytes that are not BER-TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlvError {
    /// The bytes end inside an object.
    #[error("tlv at offset {offset}: needs {need} bytes, have {have}")]
    Truncated {
        /// Offset in the element's value.
        offset: usize,
        /// Bytes needed from there.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// A tag longer than four bytes.
    #[error("tlv at offset {offset}: tag is longer than four bytes")]
    BadTag {
        /// Offset of the tag.
        offset: usize,
    },
    /// An indefinite length, or one of more than three bytes.
    #[error("tlv at offset {offset}: bad length byte {byte:#04x}")]
    BadLength {
        /// Offset of the length.
        offset: usize,
        /// The byte there.
        byte: u8,
    },
    /// Nested deeper than [`TLV_DEPTH_MAX`].
    #[error("tlv at offset {offset}: nested deeper than {max}")]
    TooDeep {
        /// Offset of the object.
        offset: usize,
        /// The limit.
        max: usize,
    },
    /// More than [`TLV_COUNT_MAX`] objects.
    #[error("tlv at offset {offset}: more than {max} objects")]
    TooMany {
        /// Offset of the object.
        offset: usize,
        /// The limit.
        max: usize,
    },
}

/// The objects of a value in the order of the wire: a constructed one first, then those inside it.
///
/// Zero bytes between objects are filler (EMV book 3, annex B) and skipped. After an error there is no more.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Ends of the constructed objects we are in.
    ends: [usize; TLV_DEPTH_MAX],
    depth: usize,
    count: usize,
}

impl<'a> Tlvs<'a> {
    /// Walks over bytes that are BER-TLV objects.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, ends: [0; TLV_DEPTH_MAX], depth: 0, count: 0 }
    }

    fn read(&mut self) -> Result<Option<Tlv<'a>>, TlvError> {
        while self.depth > 0 && self.at >= self.ends[self.depth - 1] {
            self.depth -= 1;
        }
        let end = if self.depth == 0 { self.bytes.len() } else { self.ends[self.depth - 1] };
        let start = self.at;
        if start >= end {
            return Ok(None);
        }
        if self.count == TLV_COUNT_MAX {
            return Err(TlvError::TooMany { offset: start, max: TLV_COUNT_MAX });
        }
        let first = self.bytes[start];
        let mut at = start;
        let tag = read_tag(self.bytes, &mut at, end)?;
        let length = read_length(self.bytes, &mut at, end)?;
        if length > end - at {
            return Err(TlvError::Truncated { offset: start, need: at - start + length, have: end - start });
        }
        let is_constructed = first & 0x20 != 0;
        let depth = self.depth as u8;
        self.count += 1;
        if is_constructed && length > 0 {
            if self.depth == TLV_DEPTH_MAX {
                return Err(TlvError::TooDeep { offset: start, max: TLV_DEPTH_MAX });
            }
            self.ends[self.depth] = at + length;
            self.depth += 1;
            self.at = at;
        } else {
            self.at = at + length;
        }
        Ok(Some(Tlv { tag, value: &self.bytes[at..at + length], depth, is_constructed }))
    }

    /// The next object when it is at the top, primitive, and short: most are. Nothing moves when it is not.
    #[inline]
    fn short(&mut self) -> Option<Tlv<'a>> {
        if self.depth != 0 || self.count == TLV_COUNT_MAX {
            return None;
        }
        let rest = self.bytes.get(self.at..)?;
        let [first, second, ..] = *rest else { return None };
        let (tag, head, length) = if first & 0x1F == 0x1F {
            let third = *rest.get(2)?;
            (u32::from(first) << 8 | u32::from(second), 3, third)
        } else {
            (u32::from(first), 2, second)
        };
        // A constructed object, filler, a tag of three bytes, or a length of more than one.
        let is_long_tag = head == 3 && second & 0x80 != 0;
        if first & 0x20 != 0 || first == 0 || is_long_tag || length & 0x80 != 0 {
            return None;
        }
        let value = rest.get(head..head + usize::from(length))?;
        self.at += head + value.len();
        self.count += 1;
        Some(Tlv { tag, value, depth: 0, is_constructed: false })
    }

    /// Offset in the bytes of what comes next.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(tlv) = self.short() {
            return Some(Ok(tlv));
        }
        while self.at < self.bytes.len() && self.bytes[self.at] == 0 {
            self.at += 1;
        }
        let found = self.read();
        if found.is_err() {
            self.at = self.bytes.len();
            self.depth = 0;
        }
        found.transpose()
    }
}

fn truncated(offset: usize, end: usize) -> TlvError {
    TlvError::Truncated { offset, need: end - offset + 1, have: end - offset }
}

fn read_tag(bytes: &[u8], at: &mut usize, end: usize) -> Result<u32, TlvError> {
    let offset = *at;
    let mut tag = u32::from(bytes[offset]);
    *at += 1;
    if tag & 0x1F != 0x1F {
        return Ok(tag);
    }
    loop {
        if *at >= end {
            return Err(truncated(offset, end));
        }
        if *at - offset == 4 {
            return Err(TlvError::BadTag { offset });
        }
        let byte = bytes[*at];
        *at += 1;
        tag = tag << 8 | u32::from(byte);
        if byte & 0x80 == 0 {
            return Ok(tag);
        }
    }
}

fn read_length(bytes: &[u8], at: &mut usize, end: usize) -> Result<usize, TlvError> {
    let offset = *at;
    if offset >= end {
        return Err(truncated(offset, end));
    }
    let first = bytes[offset];
    *at += 1;
    let more = match first {
        0..=0x7F => return Ok(usize::from(first)),
        0x81..=0x83 => usize::from(first & 0x7F),
        _ => return Err(TlvError::BadLength { offset, byte: first }),
    };
    if end - *at < more {
        return Err(truncated(offset, end));
    }
    let mut length = 0;
    for &byte in &bytes[*at..*at + more] {
        length = length << 8 | usize::from(byte);
    }
    *at += more;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(bytes: &[u8]) -> Result<Vec<(u32, usize, u8)>, TlvError> {
        Tlvs::new(bytes).map(|tlv| tlv.map(|tlv| (tlv.tag, tlv.value.len(), tlv.depth))).collect()
    }

    #[test]
    fn objects_are_walked_with_filler_and_nesting() {
        let bytes = [0x9F, 0x36, 2, 0, 1, 0, 0, 0x72, 6, 0x9F, 0x18, 1, 7, 0x86, 0, 0x95, 0x81, 1, 0xFF, 0];
        let expected = vec![(0x9F36, 2, 0), (0x72, 6, 0), (0x9F18, 1, 1), (0x86, 0, 1), (0x95, 1, 0)];
        assert_eq!(tags(&bytes), Ok(expected));
        assert_eq!(tags(&[]), Ok(vec![]));
    }

    #[test]
    fn a_lie_about_a_length_is_an_error_not_a_read() {
        assert_eq!(tags(&[0x82, 9, 1]), Err(TlvError::Truncated { offset: 0, need: 11, have: 3 }));
        assert_eq!(tags(&[0x72, 2, 0x86, 5, 1, 1]), Err(TlvError::Truncated { offset: 2, need: 7, have: 2 }));
        assert_eq!(tags(&[0x82, 0x84, 1, 1, 1, 1]), Err(TlvError::BadLength { offset: 1, byte: 0x84 }));
        assert_eq!(tags(&[0x9F, 0x81, 0x81, 0x81, 0x01]), Err(TlvError::BadTag { offset: 0 }));
        assert!(tags(&[0x9F]).is_err() && tags(&[0x82]).is_err());
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let mut nested = vec![0x82, 0];
        for _ in 0..6 {
            nested.splice(0..0, [0x72, nested.len() as u8]);
        }
        assert_eq!(tags(&nested), Err(TlvError::TooDeep { offset: 8, max: 4 }));
        let many = [0x82, 0].repeat(TLV_COUNT_MAX + 1);
        assert_eq!(tags(&many), Err(TlvError::TooMany { offset: 512, max: TLV_COUNT_MAX }));
    }
}
