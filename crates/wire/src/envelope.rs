//! What stands between the length and the message: TPDU, dial-up caller block, application header.

use std::fmt;
use std::str::FromStr;

use crate::error::FrameError;

/// Bytes of a TPDU: identifier, destination (NII), source.
pub const TPDU_BYTES: usize = 5;
/// Bytes of the caller block that dial-up access controllers insert.
pub const LRI_BYTES: usize = 33;
/// Bytes of the UnionPay application header (twelve BCD digits).
pub const HEADER_BYTES: usize = 6;

/// How a caller block is recognised: `LRI`, zero, and its length.
const LRI_MARK: [u8; 5] = [0x4C, 0x52, 0x49, 0x00, 0x1C];

/// Which parts a link puts before the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EnvelopeKind {
    /// `none`: the message starts at once.
    #[default]
    None,
    /// `tpdu`: five bytes of TPDU.
    Tpdu,
    /// `tpdu-header`: TPDU, a caller block when its mark is there, and the six-byte UnionPay header.
    TpduHeader,
    /// `header`: the six-byte header alone, for links that strip the TPDU.
    Header,
}

/// The parts found before a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `60`, destination, source: as received.
    pub tpdu: Option<[u8; TPDU_BYTES]>,
    /// The caller block of a dial-up access controller.
    pub lri: Option<[u8; LRI_BYTES]>,
    /// Application class, version, terminal status, processing requirement, software version.
    pub header: Option<[u8; HEADER_BYTES]>,
}

/// The name is not one of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown envelope {name:?}, expected one of none, tpdu, tpdu-header, header")]
pub struct EnvelopeError {
    /// What was given.
    pub name: String,
}

impl EnvelopeKind {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::None, Self::Tpdu, Self::TpduHeader, Self::Header];

    /// The name used in dialect files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpdu => "tpdu",
            Self::TpduHeader => "tpdu-header",
            Self::Header => "header",
        }
    }
}

impl Envelope {
    /// Splits a frame into its envelope and the message body.
    ///
    /// # Errors
    /// [`FrameError::EnvelopeTruncated`] when the frame ends inside the envelope, [`FrameError::BadHeader`]
    /// when the header is not decimal.
    pub fn split(frame: &[u8], kind: EnvelopeKind) -> Result<(Self, &[u8]), FrameError> {
        let mut envelope = Self::default();
        let mut at = 0;
        if matches!(kind, EnvelopeKind::Tpdu | EnvelopeKind::TpduHeader) {
            envelope.tpdu = Some(take(frame, &mut at)?);
            if frame[at..].starts_with(&LRI_MARK) {
                envelope.lri = Some(take(frame, &mut at)?);
            }
        }
        if matches!(kind, EnvelopeKind::TpduHeader | EnvelopeKind::Header) {
            let offset = at;
            let header: [u8; HEADER_BYTES] = take(frame, &mut at)?;
            if let Some(index) = header.iter().position(|b| b >> 4 > 9 || b & 0xF > 9) {
                return Err(FrameError::BadHeader { byte: header[index], offset: offset + index });
            }
            envelope.header = Some(header);
        }
        Ok((envelope, &frame[at..]))
    }

    /// The envelope of the answer: TPDU source and destination swapped, header echoed.
    ///
    /// The caller block goes one way only: it tells the host who dialled.
    pub fn reply(&self) -> Self {
        let tpdu = self.tpdu.map(|[id, d0, d1, s0, s1]| [id, s0, s1, d0, d1]);
        Self { tpdu, lri: None, header: self.header }
    }

    /// The same envelope with the header's processing requirement set to `digit` (3: sign on again).
    ///
    /// # Panics
    /// When `digit` is above nine.
    #[must_use]
    pub fn with_processing_requirement(mut self, digit: u8) -> Self {
        assert!(digit <= 9, "a processing requirement is one decimal digit");
        if let Some(header) = &mut self.header {
            header[2] = (header[2] & 0xF0) | digit;
        }
        self
    }

    /// The header's processing requirement, if there is a header.
    pub fn processing_requirement(&self) -> Option<u8> {
        self.header.map(|header| header[2] & 0xF)
    }

    /// Appends the envelope's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [
            self.tpdu.as_ref().map(|p| &p[..]),
            self.lri.as_ref().map(|p| &p[..]),
            self.header.as_ref().map(|p| &p[..]),
        ] {
            out.extend_from_slice(part.unwrap_or_default());
        }
    }

    /// Bytes that [`Envelope::write`] appends.
    pub fn len(&self) -> usize {
        self.tpdu.map_or(0, |p| p.len())
            + self.lri.map_or(0, |p| p.len())
            + self.header.map_or(0, |p| p.len())
    }

    /// Whether there is nothing before the message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn take<const N: usize>(frame: &[u8], at: &mut usize) -> Result<[u8; N], FrameError> {
    let rest = &frame[*at..];
    let part =
        rest.first_chunk::<N>().ok_or(FrameError::EnvelopeTruncated { need: *at + N, have: frame.len() })?;
    *at += N;
    Ok(*part)
}

impl fmt::Display for EnvelopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EnvelopeKind {
    type Err = EnvelopeError;

    fn from_str(name: &str) -> Result<Self, EnvelopeError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| EnvelopeError { name: name.chars().take(32).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 13] = [0x60, 0x00, 0x06, 0x12, 0x34, 0x60, 0x31, 0x01, 0x31, 0x11, 0x10, 0x08, 0x10];

    #[test]
    fn a_reply_swaps_the_tpdu_and_echoes_the_header() {
        let (envelope, body) = Envelope::split(&FRAME, EnvelopeKind::TpduHeader).unwrap();
        assert_eq!(body, [0x08, 0x10]);
        let reply = envelope.reply().with_processing_requirement(3);
        let mut out = Vec::new();
        reply.write(&mut out);
        assert_eq!(out, [0x60, 0x12, 0x34, 0x00, 0x06, 0x60, 0x31, 0x03, 0x31, 0x11, 0x10]);
        assert_eq!((out.len(), reply.processing_requirement()), (reply.len(), Some(3)));
    }

    #[test]
    fn a_caller_block_is_recognised_and_not_sent_back() {
        let mut frame = FRAME[..5].to_vec();
        frame.extend_from_slice(&LRI_MARK);
        frame.extend_from_slice(&[0x20; 28]);
        frame.extend_from_slice(&FRAME[5..]);
        let (envelope, body) = Envelope::split(&frame, EnvelopeKind::TpduHeader).unwrap();
        assert_eq!(body, [0x08, 0x10]);
        assert!(envelope.lri.is_some() && envelope.reply().lri.is_none());
        let mut out = Vec::new();
        envelope.write(&mut out);
        assert_eq!(out, frame[..44]);
    }

    #[test]
    fn a_short_or_undecimal_envelope_is_an_error() {
        assert_eq!(
            Envelope::split(&FRAME[..8], EnvelopeKind::TpduHeader),
            Err(FrameError::EnvelopeTruncated { need: 11, have: 8 })
        );
        let mut frame = FRAME;
        frame[6] = 0x3A;
        assert_eq!(
            Envelope::split(&frame, EnvelopeKind::TpduHeader),
            Err(FrameError::BadHeader { byte: 0x3A, offset: 6 })
        );
    }
}
