//! Frames on serial lines: STX, payload, ETX and a check byte, between line controls.

use super::{Framing, Scan, bad_length, bcd_length};
use crate::error::FrameError;

pub(super) const STX: u8 = 0x02;
pub(super) const ETX: u8 = 0x03;
/// ETX and the check byte.
pub(super) const TRAILER_BYTES: usize = 2;

/// EOT, ENQ, ACK, NAK, SYN: a line sends them between frames.
const CONTROLS: [u8; 5] = [0x04, 0x05, 0x06, 0x15, 0x16];

/// Looks for one frame at the front.
///
/// A line control between frames is reported as a keep-alive of one byte: a link that answers NAK with the
/// frame again looks at the byte before it drops it.
pub(super) fn scan(framing: Framing, buf: &[u8], frame_bytes_max: usize) -> Scan {
    let header = framing.header_bytes();
    match buf.first() {
        Some(&STX) => {}
        Some(byte) if CONTROLS.contains(byte) => return Scan::KeepAlive { consumed: 1 },
        Some(&byte) => return Scan::Bad(FrameError::NoStx { byte }),
        None => return Scan::NeedMore { at_least: 1 },
    }
    let end = match payload_end(framing, buf, frame_bytes_max) {
        Ok(end) => end,
        Err(scan) => return scan,
    };
    let consumed = end + TRAILER_BYTES;
    let Some(&[etx, have]) = buf.get(end..consumed).and_then(|trailer| trailer.first_chunk()) else {
        return Scan::NeedMore { at_least: consumed };
    };
    if etx != ETX {
        return Scan::Bad(FrameError::NoEtx { byte: etx, offset: end });
    }
    let need = check_byte(&buf[1..=end]);
    if have != need {
        return Scan::Bad(FrameError::BadLrc { need, have });
    }
    if end == header {
        return Scan::KeepAlive { consumed };
    }
    Scan::Frame { start: header, end, consumed }
}

/// Where the payload ends, or what there is to say when that is not known.
fn payload_end(framing: Framing, buf: &[u8], frame_bytes_max: usize) -> Result<usize, Scan> {
    let header = framing.header_bytes();
    let too_long = |length| Scan::Bad(FrameError::TooLong { length, max: frame_bytes_max });
    if framing == Framing::StxEtx {
        let text = &buf[header..];
        return match text.iter().take(frame_bytes_max.saturating_add(1)).position(|byte| *byte == ETX) {
            Some(length) => Ok(header + length),
            None if text.len() > frame_bytes_max => Err(too_long(text.len())),
            None => Err(Scan::NeedMore { at_least: buf.len() + TRAILER_BYTES }),
        };
    }
    let Some(&[_, high, low]) = buf.first_chunk() else {
        return Err(Scan::NeedMore { at_least: header });
    };
    let length = bcd_length([high, low]).ok_or_else(|| Scan::Bad(bad_length(buf)))?;
    if length > frame_bytes_max {
        return Err(too_long(length));
    }
    Ok(header + length)
}

/// What follows a payload whose length, if it has one, stands in `head`.
pub(super) fn trailer(head: &[u8], payload: &[u8]) -> [u8; 4] {
    [ETX, check_byte(head) ^ check_byte(payload) ^ ETX, 0, 0]
}

/// The longitudinal redundancy check: exclusive-or.
fn check_byte(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 100;

    #[test]
    fn a_text_ends_with_etx_and_its_check_byte() {
        let mut out = Vec::new();
        Framing::StxEtx.write(&mut out, |out| out.extend_from_slice(b"0800")).unwrap();
        assert_eq!(out, [STX, b'0', b'8', b'0', b'0', ETX, 0x08 ^ ETX]);
        assert_eq!(Framing::StxEtx.scan(&out, MAX), Scan::Frame { start: 1, end: 5, consumed: 7 });
        assert_eq!(Framing::StxEtx.scan(&out[..6], MAX), Scan::NeedMore { at_least: 7 });
        assert_eq!(Framing::StxEtx.scan(&out[..3], MAX), Scan::NeedMore { at_least: 5 });
        // A payload with an ETX would end early, so it is not written.
        let mut out = vec![9];
        let error = Framing::StxEtx.write(&mut out, |out| out.push(ETX));
        assert_eq!(error, Err(FrameError::Unrepresentable { length: 1, framing: "stx-etx" }));
        assert_eq!(out, [9]);
    }

    #[test]
    fn a_length_lets_the_payload_hold_anything() {
        let mut out = Vec::new();
        Framing::StxLenBcd2.write(&mut out, |out| out.extend_from_slice(&[ETX, STX, 0xFF])).unwrap();
        assert_eq!(out, [STX, 0, 3, ETX, STX, 0xFF, ETX, 3 ^ ETX ^ STX ^ 0xFF ^ ETX]);
        assert_eq!(Framing::StxLenBcd2.scan(&out, MAX), Scan::Frame { start: 3, end: 6, consumed: 8 });
        assert_eq!(Framing::StxLenBcd2.scan(&out[..5], MAX), Scan::NeedMore { at_least: 8 });
        assert_eq!(Framing::StxLenBcd2.scan(&out[..2], MAX), Scan::NeedMore { at_least: 3 });
    }

    #[test]
    fn line_controls_are_passed_and_errors_are_named() {
        for control in CONTROLS {
            assert_eq!(Framing::StxEtx.scan(&[control, STX], MAX), Scan::KeepAlive { consumed: 1 });
        }
        let bad = |framing: Framing, bytes: &[u8]| match framing.scan(bytes, 4) {
            Scan::Bad(error) => error,
            other => panic!("{framing}: {other:?}"),
        };
        assert_eq!(bad(Framing::StxEtx, b"0800"), FrameError::NoStx { byte: b'0' });
        assert_eq!(bad(Framing::StxEtx, b"\x02abcde"), FrameError::TooLong { length: 5, max: 4 });
        assert_eq!(bad(Framing::StxEtx, b"\x02a\x03a"), FrameError::BadLrc { need: b'a' ^ ETX, have: b'a' });
        assert_eq!(bad(Framing::StxLenBcd2, &[STX, 0, 5]), FrameError::TooLong { length: 5, max: 4 });
        assert_eq!(bad(Framing::StxLenBcd2, &[STX, 0, 1, 7, 7, 7]), FrameError::NoEtx { byte: 7, offset: 4 });
        assert_eq!(
            bad(Framing::StxLenBcd2, &[STX, 0x0A, 1]),
            FrameError::BadLength { bytes: [STX, 0x0A, 1, 0] }
        );
    }
}
