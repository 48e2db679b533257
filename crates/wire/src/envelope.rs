//! What stands between the length and the message: TPDU, dial-up caller block, application or network header.

use std::fmt;
use std::str::FromStr;

use crate::error::FrameError;

mod network;

pub use network::{BASE1_BYTES, Base1Header, CUPS_BYTES, CupsHeader};

/// Bytes of a TPDU: identifier, destination (NII), source.
pub const TPDU_BYTES: usize = 5;
/// Bytes of the caller block that dial-up access controllers insert.
pub const LRI_BYTES: usize = 33;
/// Bytes of the UnionPay application header (twelve BCD digits).
pub const HEADER_BYTES: usize = 6;
/// Bytes of the version that some acquirers have in place of the header (four BCD digits).
pub const VERSION_BYTES: usize = 2;

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
    /// `tpdu-version`: TPDU and a two-byte version, `0100`, in place of the header.
    TpduVersion,
    /// `cups`: the 46-byte header of UnionPay's network links.
    Cups,
    /// `base1`: the 22-byte header behind a Visa access point's length.
    Base1,
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
    /// Four BCD digits in place of a header.
    pub version: Option<[u8; VERSION_BYTES]>,
    /// The header of a UnionPay network link.
    pub cups: Option<CupsHeader>,
    /// The header behind a Visa access point's length.
    pub base1: Option<Base1Header>,
}

/// The name is not one of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown envelope {name:?}, expected one of none, tpdu, tpdu-header, header, tpdu-version, cups, base1"
)]
pub struct EnvelopeError {
    /// What was given.
    pub name: String,
}

impl EnvelopeKind {
    /// Every kind there is.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Tpdu, Self::TpduHeader, Self::Header, Self::TpduVersion, Self::Cups, Self::Base1];

    /// The name used in dialect files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpdu => "tpdu",
            Self::TpduHeader => "tpdu-header",
            Self::Header => "header",
            Self::TpduVersion => "tpdu-version",
            Self::Cups => "cups",
            Self::Base1 => "base1",
        }
    }
}

impl Envelope {
    /// Splits a frame into its envelope and the message body.
    ///
    /// # Errors
    /// [`FrameError::EnvelopeTruncated`] when the frame ends inside the envelope, [`FrameError::BadHeader`]
    /// when a header is not what it must be, [`FrameError::WrongTotal`] when it counts other bytes than there are.
    pub fn split(frame: &[u8], kind: EnvelopeKind) -> Result<(Self, &[u8]), FrameError> {
        let mut envelope = Self::default();
        let mut at = 0;
        if matches!(kind, EnvelopeKind::Tpdu | EnvelopeKind::TpduHeader | EnvelopeKind::TpduVersion) {
            envelope.tpdu = Some(take(frame, &mut at)?);
            if frame[at..].starts_with(&LRI_MARK) {
                envelope.lri = Some(take(frame, &mut at)?);
            }
        }
        match kind {
            EnvelopeKind::None | EnvelopeKind::Tpdu => {}
            EnvelopeKind::TpduHeader | EnvelopeKind::Header => {
                envelope.header = Some(take_decimal(frame, &mut at)?);
            }
            EnvelopeKind::TpduVersion => envelope.version = Some(take_decimal(frame, &mut at)?),
            EnvelopeKind::Cups => {
                let header = CupsHeader(take(frame, &mut at)?);
                starts_with_own_length(&header.0)?;
                let bad = |offset| FrameError::BadHeader { byte: frame[offset], offset };
                check_total(header.total().ok_or_else(|| bad(2))?, frame.len())?;
                envelope.cups = Some(header);
            }
            EnvelopeKind::Base1 => {
                let header = Base1Header(take(frame, &mut at)?);
                starts_with_own_length(&header.0)?;
                check_total(header.total(), frame.len())?;
                envelope.base1 = Some(header);
            }
        }
        Ok((envelope, &frame[at..]))
    }

    /// The envelope of the answer: source and destination swapped, header and version echoed.
    ///
    /// The caller block goes one way only: it tells the host who dialled.
    pub fn reply(&self) -> Self {
        let tpdu = self.tpdu.map(|[id, d0, d1, s0, s1]| [id, s0, s1, d0, d1]);
        Self {
            tpdu,
            lri: None,
            cups: self.cups.map(CupsHeader::reply),
            base1: self.base1.map(Base1Header::reply),
            ..*self
        }
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

    /// Appends the envelope's bytes; what a network header counts is as it was received.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (_, part) in self.parts() {
            out.extend_from_slice(part);
        }
    }

    /// Appends the envelope and the body that `body` writes, and lets network headers count both.
    ///
    /// # Errors
    /// The body's own, or [`FrameError::Unrepresentable`]; `out` is then as before.
    pub fn try_wrap<E: From<FrameError>>(
        &self,
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        self.write(out);
        let written = body(out).and_then(|()| Ok(self.count(start, out)?));
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Writes into a network header at `start` what is behind it.
    fn count(&self, start: usize, out: &mut [u8]) -> Result<(), FrameError> {
        let total = out.len().saturating_sub(start);
        let mut counted = *self;
        if let Some(cups) = &mut counted.cups {
            cups.set_total(total)?;
            out[start..start + CUPS_BYTES].copy_from_slice(&cups.0);
        }
        if let Some(base1) = &mut counted.base1 {
            base1.set_total(total)?;
            out[start..start + BASE1_BYTES].copy_from_slice(&base1.0);
        }
        Ok(())
    }

    /// The parts that are there, by the names that JSON and `describe` have for them.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let parts = [
            ("tpdu", self.tpdu.as_ref().map(|part| &part[..])),
            ("lri", self.lri.as_ref().map(|part| &part[..])),
            ("header", self.header.as_ref().map(|part| &part[..])),
            ("version", self.version.as_ref().map(|part| &part[..])),
            ("cups", self.cups.as_ref().map(|part| &part.0[..])),
            ("base1", self.base1.as_ref().map(|part| &part.0[..])),
        ];
        parts.into_iter().filter_map(|(name, part)| part.map(|part| (name, part)))
    }

    /// Bytes that [`Envelope::write`] appends.
    pub fn len(&self) -> usize {
        self.parts().map(|(_, part)| part.len()).sum()
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

fn take_decimal<const N: usize>(frame: &[u8], at: &mut usize) -> Result<[u8; N], FrameError> {
    let offset = *at;
    let part: [u8; N] = take(frame, at)?;
    match part.iter().position(|byte| byte >> 4 > 9 || byte & 0xF > 9) {
        Some(index) => Err(FrameError::BadHeader { byte: part[index], offset: offset + index }),
        None => Ok(part),
    }
}

/// A network header says how long it is: one of another length is one that is not known here.
fn starts_with_own_length(header: &[u8]) -> Result<(), FrameError> {
    match header.first() {
        Some(&byte) if usize::from(byte) != header.len() => Err(FrameError::BadHeader { byte, offset: 0 }),
        _ => Ok(()),
    }
}

fn check_total(counted: usize, have: usize) -> Result<(), FrameError> {
    if counted == have { Ok(()) } else { Err(FrameError::WrongTotal { counted, have }) }
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
    fn a_version_may_stand_in_place_of_the_header() {
        let frame = [0x60, 0x00, 0x06, 0x12, 0x34, 0x01, 0x00, 0x02, 0x00];
        let (envelope, body) = Envelope::split(&frame, EnvelopeKind::TpduVersion).unwrap();
        assert_eq!((envelope.version, body), (Some([1, 0]), &frame[7..]));
        let mut out = Vec::new();
        envelope.reply().write(&mut out);
        assert_eq!(out, [0x60, 0x12, 0x34, 0x00, 0x06, 0x01, 0x00]);
        assert_eq!(
            Envelope::split(&frame[..6], EnvelopeKind::TpduVersion),
            Err(FrameError::EnvelopeTruncated { need: 7, have: 6 })
        );
        let mut bad = frame;
        bad[6] = 0x0A;
        let error = FrameError::BadHeader { byte: 0x0A, offset: 6 };
        assert_eq!(Envelope::split(&bad, EnvelopeKind::TpduVersion), Err(error));
    }

    #[test]
    fn a_cups_header_counts_the_message_and_is_swapped_for_the_reply() {
        let header = CupsHeader::new("00010344", "48020000").unwrap();
        let envelope = Envelope { cups: Some(header), ..Envelope::default() };
        let mut frame = Vec::new();
        let body = |out: &mut Vec<u8>| -> Result<(), FrameError> {
            out.extend_from_slice(b"0800");
            Ok(())
        };
        envelope.try_wrap(&mut frame, body).unwrap();
        let expected = b"\x2E\x020050" as &[u8];
        assert_eq!((&frame[..6], frame.len()), (expected, 50));
        assert_eq!(&frame[6..28], b"00010344   48020000   ");
        let (read, body) = Envelope::split(&frame, EnvelopeKind::Cups).unwrap();
        let cups = read.cups.unwrap();
        assert_eq!(
            (cups.destination(), cups.source(), body),
            (&b"00010344"[..], &b"48020000"[..], &b"0800"[..])
        );
        assert_eq!((cups.version(), cups.is_test(), cups.reject_code()), (2, false, None));
        let reply = read.reply().cups.unwrap();
        assert_eq!((reply.destination(), reply.source()), (&b"48020000"[..], &b"00010344"[..]));
        // Sent back with a reason, the reason does not come along in an answer.
        frame[41..46].copy_from_slice(b"00101");
        let (rejected, _) = Envelope::split(&frame, EnvelopeKind::Cups).unwrap();
        assert_eq!(rejected.cups.unwrap().reject_code(), Some(101));
        assert_eq!(rejected.reply().cups.unwrap().reject_code(), None);
        assert!(CupsHeader::new("123456789012", "1").is_none() && CupsHeader::new("1", "站").is_none());
    }

    #[test]
    fn a_network_header_that_counts_wrong_is_refused() {
        let mut frame = Vec::new();
        let header = CupsHeader::new("1", "2").unwrap();
        Envelope { cups: Some(header), ..Envelope::default() }.write(&mut frame);
        let total = FrameError::WrongTotal { counted: 0, have: 46 };
        assert_eq!(Envelope::split(&frame, EnvelopeKind::Cups), Err(total));
        frame[2..6].copy_from_slice(b"00x6");
        let bad = FrameError::BadHeader { byte: b'0', offset: 2 };
        assert_eq!(Envelope::split(&frame, EnvelopeKind::Cups), Err(bad));
        frame[0] = 45;
        let bad = FrameError::BadHeader { byte: 45, offset: 0 };
        assert_eq!(Envelope::split(&frame, EnvelopeKind::Cups), Err(bad));
        let short = FrameError::EnvelopeTruncated { need: 46, have: 45 };
        assert_eq!(Envelope::split(&frame[..45], EnvelopeKind::Cups), Err(short));
        let mut out = vec![7];
        let long = |out: &mut Vec<u8>| -> Result<(), FrameError> {
            out.resize(out.len() + 9_954, 0);
            Ok(())
        };
        let written = Envelope { cups: Some(header), ..Envelope::default() }.try_wrap(&mut out, long);
        assert_eq!(written, Err(FrameError::Unrepresentable { length: 10_000, framing: "cups" }));
        assert_eq!(out, [7]);
    }

    #[test]
    fn a_base1_header_stands_behind_the_length_of_an_access_point() {
        use crate::{Framing, Scan};
        let header = Base1Header::new([0x12, 0x34, 0x56], [0x65, 0x43, 0x21]);
        let envelope = Envelope { base1: Some(header), ..Envelope::default() };
        let mut out = Vec::new();
        Framing::Vap
            .try_write(&mut out, |out| {
                envelope.try_wrap(out, |out| -> Result<(), FrameError> {
                    out.extend_from_slice(&[0x08, 0x00]);
                    Ok(())
                })
            })
            .unwrap();
        assert_eq!(out[..12], [0, 24, 0, 0, 22, 1, 2, 0, 24, 0x12, 0x34, 0x56]);
        let Scan::Frame { start, end, .. } = Framing::Vap.scan(&out, 100) else { panic!("no frame") };
        let (read, body) = Envelope::split(&out[start..end], EnvelopeKind::Base1).unwrap();
        assert_eq!(body, [0x08, 0x00]);
        let reply = read.reply().base1.unwrap();
        assert_eq!((reply.destination(), reply.source()), ([0x65, 0x43, 0x21], [0x12, 0x34, 0x56]));
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
