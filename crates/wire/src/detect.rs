//! Recognising what stands before a message, for people who paste bytes.

use std::ops::Range;

use crate::{Dialect, Envelope, EnvelopeKind, Framing, Scan};

/// What stands before a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The length prefix, if there is one.
    pub framing: Option<Framing>,
    /// TPDU and header, if any.
    pub kind: EnvelopeKind,
    /// Their bytes.
    pub envelope: Envelope,
    /// Where the message body is in the bytes given.
    pub body: Range<usize>,
}

/// Tried in this order: a length that matches the bytes exactly is hardly ever chance, but of two that match
/// the more common one is meant. Frames of serial lines come first, because they have a check byte.
const FRAMINGS: [Framing; 15] = [
    Framing::StxLenBcd2,
    Framing::StxEtx,
    Framing::Len2BeExclusive,
    Framing::Len4Ascii,
    Framing::LenBcd2,
    Framing::Len2BeInclusive,
    Framing::Len4AsciiInclusive,
    Framing::LenBcd2Inclusive,
    Framing::Len4BeExclusive,
    Framing::Vap,
    Framing::Len2LeExclusive,
    Framing::Len4BeInclusive,
    Framing::Len2LeInclusive,
    Framing::Len4LeExclusive,
    Framing::Len4LeInclusive,
];

/// Tried in this order. A version is four digits as a message type is: it is believed when it starts with 01
/// and a message type follows, which would be a bitmap of nothing below element 5 otherwise.
const KINDS: [EnvelopeKind; 7] = [
    EnvelopeKind::Cups,
    EnvelopeKind::Base1,
    EnvelopeKind::TpduHeader,
    EnvelopeKind::TpduVersion,
    EnvelopeKind::Tpdu,
    EnvelopeKind::None,
    EnvelopeKind::Header,
];

/// Recognises whether a length prefix, a TPDU and a header stand before a message.
///
/// A prefix is believed when it is the length of exactly the rest, a TPDU when it starts with `60`, and both
/// only when a message type follows. When nothing is recognised, the body is everything.
pub fn detect_frame(bytes: &[u8]) -> Detected {
    candidates(bytes).next().unwrap_or_else(|| bare(bytes))
}

/// As [`detect_frame`], preferring a reading under which the body parses in the dialect.
pub fn detect_frame_for(dialect: &Dialect, bytes: &[u8]) -> Detected {
    let parses = |detected: &Detected| dialect.parse(&bytes[detected.body.clone()]).is_ok();
    candidates(bytes).find(parses).unwrap_or_else(|| detect_frame(bytes))
}

fn candidates(bytes: &[u8]) -> impl Iterator<Item = Detected> + '_ {
    let framed = FRAMINGS.into_iter().filter_map(|framing| match framing.scan(bytes, bytes.len()) {
        Scan::Frame { start, end, consumed } if consumed == bytes.len() => Some((Some(framing), start..end)),
        Scan::Frame { .. } | Scan::NeedMore { .. } | Scan::KeepAlive { .. } | Scan::Bad(_) => None,
    });
    framed.chain([(None, 0..bytes.len())]).flat_map(move |(framing, frame)| {
        KINDS.into_iter().filter_map(move |kind| candidate(bytes, framing, frame.clone(), kind))
    })
}

fn candidate(
    bytes: &[u8],
    framing: Option<Framing>,
    frame: Range<usize>,
    kind: EnvelopeKind,
) -> Option<Detected> {
    let (envelope, body) = Envelope::split(&bytes[frame.clone()], kind).ok()?;
    let is_tpdu = envelope.tpdu.is_none_or(|tpdu| tpdu[0] == 0x60);
    let is_header = envelope.header.is_none_or(|header| header[0] >> 4 == 6);
    let is_version = envelope.version.is_none_or(|version| version[0] == 0x01);
    if !is_tpdu || !is_header || !is_version || !starts_with_mti(body) {
        return None;
    }
    Some(Detected { framing, kind, envelope, body: frame.end - body.len()..frame.end })
}

fn bare(bytes: &[u8]) -> Detected {
    Detected { framing: None, kind: EnvelopeKind::None, envelope: Envelope::default(), body: 0..bytes.len() }
}

/// Whether the bytes start with a message type in BCD, ASCII or EBCDIC that the standard knows.
fn starts_with_mti(body: &[u8]) -> bool {
    let digits = match body {
        [a @ 0x30..=0x39, b, c, d, ..] => [*a, *b, *c, *d].map(|byte| byte.wrapping_sub(0x30)),
        [a @ 0xF0..=0xF9, b, c, d, ..] => [*a, *b, *c, *d].map(|byte| byte.wrapping_sub(0xF0)),
        [high, low, ..] => [high >> 4, high & 0xF, low >> 4, low & 0xF],
        _ => return false,
    };
    matches!(digits, [0 | 1 | 2 | 8 | 9, 1..=8, 0..=7, 0..=5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Base1Header, CupsHeader, FrameError};

    /// An ASCII and a BCD message that an acquirer's table could hold.
    const BODIES: [(&str, &[u8]); 2] = [
        ("iso87-ascii", b"080080200000000000000400000000000000000042301"),
        ("unionpay-pos", b"\x08\x20\0\0\0\0\0\xC0\0\x101234567812345678901234500\x0800000000"),
    ];

    fn envelopes() -> [Envelope; 7] {
        let tpdu = Some([0x60, 0x00, 0x06, 0x12, 0x34]);
        let none = Envelope::default();
        let mut lri = [0x20; crate::LRI_BYTES];
        lri[..5].copy_from_slice(&[0x4C, 0x52, 0x49, 0x00, 0x1C]);
        [
            none,
            Envelope { tpdu, ..none },
            Envelope { tpdu, header: Some([0x60, 0x31, 0x00, 0x31, 0x10, 0x00]), ..none },
            Envelope { tpdu, lri: Some(lri), header: Some([0x60, 0x31, 0, 0x31, 0x10, 0]), ..none },
            Envelope { tpdu, version: Some([0x01, 0x00]), ..none },
            Envelope { cups: CupsHeader::new("00010344", "48020000"), ..none },
            Envelope { base1: Some(Base1Header::new([1, 2, 3], [4, 5, 6])), ..none },
        ]
    }

    #[test]
    fn every_framing_and_envelope_is_recognised() {
        for (name, body) in BODIES {
            let dialect = Dialect::builtin(name).unwrap();
            for envelope in envelopes() {
                let mut payload = Vec::new();
                let put = |out: &mut Vec<u8>| -> Result<(), FrameError> {
                    out.extend_from_slice(body);
                    Ok(())
                };
                envelope.try_wrap(&mut payload, put).unwrap();
                for framing in Framing::ALL.map(Some).into_iter().chain([None]) {
                    let mut bytes = Vec::new();
                    let written = match framing {
                        Some(framing) => framing.write(&mut bytes, |out| out.extend_from_slice(&payload)),
                        None => {
                            bytes.extend_from_slice(&payload);
                            Ok(())
                        }
                    };
                    // Text framing cannot carry everything.
                    if written.is_err() {
                        assert_eq!(framing, Some(Framing::StxEtx));
                        continue;
                    }
                    for detected in [detect_frame(&bytes), detect_frame_for(dialect, &bytes)] {
                        let case = format!("{name} {framing:?} {envelope:?}");
                        assert_eq!(&bytes[detected.body.clone()], body, "{case}");
                        assert_eq!(detected.framing, framing, "{case}");
                        assert_eq!(detected.envelope.reply().len(), envelope.reply().len(), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_recognised_is_a_body() {
        for bytes in [&b""[..], &[0x60], b"hello", &[0, 5, 1]] {
            assert_eq!(detect_frame(bytes), bare(bytes));
        }
    }
}
