/// Iterator over BER-TLV.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
}
/// One BER-TLV object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Tag, big-endian: `0x9F26`.
    pub tag: u32,
    /// Value.
    pub value: &'a [u8],
    /// Nesting: 0 at the top.
    pub depth: u8,
}
impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, TlvError>;
    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.bytes;
        todo!()
    }
}
/// BER-TLV that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad tlv at offset {offset}")]
pub struct TlvError {
    /// Offset.
    pub offset: usize,
}
