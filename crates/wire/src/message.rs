use crate::*;
use std::borrow::Cow;
/// A parsed message: an index over the borrowed body.
#[derive(Clone, Debug)]
pub struct Message<'d, 'a> {
    dialect: &'d Dialect,
    body: &'a [u8],
}
/// The value of a subfield.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subvalue<'a> {
    /// Decimal digits or track characters, in ASCII.
    Digits(SmallDigits),
    /// Text, decoded.
    Text(Cow<'a, str>),
    /// Bytes as on the wire.
    Bytes(&'a [u8]),
}
/// Up to 40 ASCII digits held in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallDigits {
    len: u8,
    digits: [u8; 40],
}
impl SmallDigits {
    /// As text.
    pub fn as_str(&self) -> &str {
        todo!()
    }
    /// As ASCII bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }
    /// As a number.
    pub fn number(&self) -> Option<u64> {
        todo!()
    }
}
impl<'d, 'a> Message<'d, 'a> {
    /// The dialect it was parsed with.
    pub fn dialect(&self) -> &'d Dialect {
        self.dialect
    }
    /// Message type.
    pub fn mti(&self) -> Mti {
        todo!()
    }
    /// The bytes from the message type on.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
    /// Whether the element is present.
    pub fn has(&self, _de: De) -> bool {
        todo!()
    }
    /// Elements present, ascending.
    pub fn elements(&self) -> impl Iterator<Item = De> + '_ {
        [].into_iter()
    }
    /// Value bytes as on the wire, without the length prefix.
    pub fn raw(&self, _de: De) -> Option<&'a [u8]> {
        todo!()
    }
    /// With the prefix.
    pub fn wire(&self, _de: De) -> Option<&'a [u8]> {
        todo!()
    }
    /// In the element's unit.
    pub fn value_len(&self, _de: De) -> Option<usize> {
        todo!()
    }
    /// Offset in the body of the element's first byte, prefix included.
    pub fn offset(&self, _de: De) -> Option<usize> {
        todo!()
    }
    /// ASCII digits, pad removed.
    pub fn digits<'b>(&self, _de: De, _buf: &'b mut [u8]) -> Option<&'b [u8]> {
        todo!()
    }
    /// The digits as a number.
    pub fn number(&self, _de: De) -> Option<u64> {
        todo!()
    }
    /// The value as text, decoded.
    pub fn text(&self, _de: De) -> Option<Cow<'a, str>> {
        todo!()
    }
    /// Bytes of a binary element.
    pub fn bytes(&self, _de: De) -> Option<&'a [u8]> {
        todo!()
    }
    /// `60.2`, `55.9F26`.
    pub fn subfield(&self, _path: &str) -> Option<Subvalue<'a>> {
        todo!()
    }
    /// Tags of a BER-TLV element.
    pub fn tlv(&self, _de: De) -> Tlvs<'a> {
        todo!()
    }
}
