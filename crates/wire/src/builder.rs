use crate::*;
use std::ops::Range;
/// Writes one message straight into the caller's buffer.
///
/// Elements come in ascending order. A builder dropped before `finish` leaves the buffer as it was.
#[derive(Debug)]
pub struct Builder<'d, 'b> {
    dialect: &'d Dialect,
    out: &'b mut Vec<u8>,
}
type Step<'s, 'd, 'b> = Result<&'s mut Builder<'d, 'b>, BuildError>;
impl<'d, 'b> Builder<'d, 'b> {
    /// ASCII digits (`=` or `D` separates tracks).
    pub fn digits(&mut self, _de: De, _digits: &[u8]) -> Step<'_, 'd, 'b> {
        let _ = (self.dialect, &self.out);
        todo!()
    }
    /// A number, zero padded to the length of a fixed element.
    pub fn number(&mut self, _de: De, _number: u64) -> Step<'_, 'd, 'b> {
        todo!()
    }
    /// Text in the dialect's character set, space padded when fixed.
    pub fn text(&mut self, _de: De, _text: &str) -> Step<'_, 'd, 'b> {
        todo!()
    }
    /// Bytes of a binary element; also the raw character bytes of a text element.
    pub fn bytes(&mut self, _de: De, _bytes: &[u8]) -> Step<'_, 'd, 'b> {
        todo!()
    }
    /// Copies an element, raw when both messages are of one dialect; does nothing when absent.
    pub fn echo(&mut self, _from: &Message<'_, '_>, _de: De) -> Step<'_, 'd, 'b> {
        todo!()
    }
    /// Sets the element's bit and writes the bitmap, so that `body_so_far` is what a MAC covers; write it next.
    pub fn reserve(&mut self, _de: De) -> Step<'_, 'd, 'b> {
        todo!()
    }
    /// The body from the message type to the last byte written.
    pub fn body_so_far(&self) -> &[u8] {
        todo!()
    }
    /// Ends the message; its range in the buffer.
    pub fn finish(&mut self) -> Result<Range<usize>, BuildError> {
        todo!()
    }
    /// Ends the message with a MAC in `de`, computed over everything before it with the bit already set.
    pub fn finish_with_mac<M: AsRef<[u8]>>(
        &mut self,
        _de: De,
        _mac: impl FnOnce(&[u8]) -> M,
    ) -> Result<Range<usize>, BuildError> {
        todo!()
    }
}
