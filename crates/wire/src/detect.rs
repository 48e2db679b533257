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
/// the more common one is meant.
const FRAMINGS: [Framing; 10] = [
    Framing::Len2BeExclusive,
    Framing::Len4Ascii,
    Framing::LenBcd2,
    Framing::Len2BeInclusive,
    Framing::Len4AsciiInclusive,
    Framing::Len4BeExclusive,
    Framing::Vap,
    Framing::Len2LeExclusive,
    Framing::Len4BeInclusive,
    Framing::Len2LeInclusive,
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
        let kinds = [EnvelopeKind::TpduHeader, EnvelopeKind::Tpdu, EnvelopeKind::None, EnvelopeKind::Header];
        kinds.into_iter().filter_map(move |kind| candidate(bytes, framing, frame.clone(), kind))
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
    if !is_tpdu || !is_header || !starts_with_mti(body) {
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
