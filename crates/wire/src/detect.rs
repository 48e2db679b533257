use crate::*;
/// What stands before a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Length prefix, if any.
    pub framing: Option<Framing>,
    /// TPDU and header, if any.
    pub kind: EnvelopeKind,
    /// The parts found.
    pub envelope: Envelope,
    /// Where the message body is in the input.
    pub body: std::ops::Range<usize>,
}
/// Recognises what stands before a message.
pub fn detect_frame(_bytes: &[u8]) -> Detected {
    todo!()
}
/// As [`detect_frame`], preferring the reading under which the body parses.
pub fn detect_frame_for(_dialect: &Dialect, _bytes: &[u8]) -> Detected {
    todo!()
}
