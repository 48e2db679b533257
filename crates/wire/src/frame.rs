//! Framing: where one message ends and the next begins on a byte stream.

use std::fmt;
use std::str::FromStr;

use crate::error::FrameError;

mod serial;

/// How the length of a frame is written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// `len2-be`: big-endian u16, not counting itself. UnionPay POS, NAC.
    Len2BeExclusive,
    /// `len2-be-inclusive`: big-endian u16, counting itself.
    Len2BeInclusive,
    /// `len2-le`: little-endian u16, not counting itself.
    Len2LeExclusive,
    /// `len2-le-inclusive`: little-endian u16, counting itself.
    Len2LeInclusive,
    /// `len4-be`: big-endian u32, not counting itself.
    Len4BeExclusive,
    /// `len4-be-inclusive`: big-endian u32, counting itself.
    Len4BeInclusive,
    /// `len4-le`: little-endian u32, not counting itself.
    Len4LeExclusive,
    /// `len4-le-inclusive`: little-endian u32, counting itself.
    Len4LeInclusive,
    /// `len4-ascii`: four ASCII digits, not counting themselves. CUPS links; `0000` is the keep-alive.
    Len4Ascii,
    /// `len4-ascii-inclusive`: four ASCII digits, counting themselves.
    Len4AsciiInclusive,
    /// `len2-bcd`: four BCD digits in two bytes, not counting themselves.
    LenBcd2,
    /// `len2-bcd-inclusive`: four BCD digits in two bytes, counting themselves.
    LenBcd2Inclusive,
    /// `vap`: big-endian u16 and two reserved zero bytes, counting neither. What follows is often a
    /// [`Base1Header`](crate::Base1Header).
    Vap,
    /// `stx-etx`: STX, text, ETX and the exclusive-or of text and ETX. A text cannot hold an ETX.
    StxEtx,
    /// `stx-len2-bcd`: STX, two bytes of BCD length, payload, ETX and the exclusive-or of all between STX and
    /// itself. Terminals on serial lines and in the trays of cash registers.
    StxLenBcd2,
}

/// What a scan of the buffer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A whole frame: its payload is `buf[start..end]`; drop `consumed` bytes afterwards.
    Frame {
        /// First byte of the payload.
        start: usize,
        /// One past the last byte of the payload.
        end: usize,
        /// Bytes to drop from the buffer.
        consumed: usize,
    },
    /// More bytes are needed before anything can be said.
    NeedMore {
        /// The buffer's length at which another scan makes sense.
        at_least: usize,
    },
    /// An empty frame, which peers send to keep the connection alive.
    KeepAlive {
        /// Bytes to drop from the buffer.
        consumed: usize,
    },
    /// The stream cannot be followed any more: close it.
    Bad(FrameError),
}

/// The name is not one of a framing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown framing {name:?}, expected one of len2-be, len2-be-inclusive, len2-le, len2-le-inclusive, len4-be, len4-be-inclusive, len4-le, len4-le-inclusive, len4-ascii, len4-ascii-inclusive, len2-bcd, len2-bcd-inclusive, vap, stx-etx, stx-len2-bcd"
)]
pub struct FramingError {
    /// What was given.
    pub name: String,
}

impl Framing {
    /// Every framing there is.
    pub const ALL: [Self; 15] = [
        Self::Len2BeExclusive,
        Self::Len2BeInclusive,
        Self::Len2LeExclusive,
        Self::Len2LeInclusive,
        Self::Len4BeExclusive,
        Self::Len4BeInclusive,
        Self::Len4LeExclusive,
        Self::Len4LeInclusive,
        Self::Len4Ascii,
        Self::Len4AsciiInclusive,
        Self::LenBcd2,
        Self::LenBcd2Inclusive,
        Self::Vap,
        Self::StxEtx,
        Self::StxLenBcd2,
    ];

    /// The name used in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Len2BeExclusive => "len2-be",
            Self::Len2BeInclusive => "len2-be-inclusive",
            Self::Len2LeExclusive => "len2-le",
            Self::Len2LeInclusive => "len2-le-inclusive",
            Self::Len4BeExclusive => "len4-be",
            Self::Len4BeInclusive => "len4-be-inclusive",
            Self::Len4LeExclusive => "len4-le",
            Self::Len4LeInclusive => "len4-le-inclusive",
            Self::Len4Ascii => "len4-ascii",
            Self::Len4AsciiInclusive => "len4-ascii-inclusive",
            Self::LenBcd2 => "len2-bcd",
            Self::LenBcd2Inclusive => "len2-bcd-inclusive",
            Self::Vap => "vap",
            Self::StxEtx => "stx-etx",
            Self::StxLenBcd2 => "stx-len2-bcd",
        }
    }

    /// Bytes before the payload.
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Len2BeExclusive
            | Self::Len2BeInclusive
            | Self::Len2LeExclusive
            | Self::Len2LeInclusive
            | Self::LenBcd2
            | Self::LenBcd2Inclusive => 2,
            Self::StxEtx => 1,
            Self::StxLenBcd2 => 3,
            Self::Len4BeExclusive
            | Self::Len4BeInclusive
            | Self::Len4LeExclusive
            | Self::Len4LeInclusive
            | Self::Len4Ascii
            | Self::Len4AsciiInclusive
            | Self::Vap => 4,
        }
    }

    /// Bytes after the payload.
    pub const fn trailer_bytes(self) -> usize {
        if self.is_serial() { serial::TRAILER_BYTES } else { 0 }
    }

    const fn is_serial(self) -> bool {
        matches!(self, Self::StxEtx | Self::StxLenBcd2)
    }

    /// Looks at the front of `buf` for one frame whose payload has at most `frame_bytes_max` bytes.
    ///
    /// Call again after dropping what was consumed: several frames may stand in one buffer. The length is
    /// judged before any byte of the payload is waited for, so that a lie about it costs no memory.
    pub fn scan(&self, buf: &[u8], frame_bytes_max: usize) -> Scan {
        if self.is_serial() {
            return serial::scan(*self, buf, frame_bytes_max);
        }
        let header = self.header_bytes();
        if buf.len() < header {
            return Scan::NeedMore { at_least: header };
        }
        let length = match self.payload_len(buf) {
            Ok(length) => length,
            Err(error) => return Scan::Bad(error),
        };
        if length == 0 {
            return Scan::KeepAlive { consumed: header };
        }
        if length > frame_bytes_max {
            return Scan::Bad(FrameError::TooLong { length, max: frame_bytes_max });
        }
        let end = header + length;
        if buf.len() < end {
            return Scan::NeedMore { at_least: end };
        }
        Scan::Frame { start: header, end, consumed: end }
    }

    /// Every complete frame at the front of `buf`, in order; ends at the first that is not complete.
    ///
    /// Yields the payload's range in `buf`; a keep-alive yields an empty range and a bad header ends the
    /// iteration with the error.
    pub fn frames<'a>(&self, buf: &'a [u8], frame_bytes_max: usize) -> Frames<'a> {
        Frames { framing: *self, buf, at: 0, frame_bytes_max, failed: false }
    }

    /// Appends a frame whose payload `payload` writes, and patches the length afterwards.
    ///
    /// # Errors
    /// [`FrameError::Unrepresentable`] when the payload does not fit the header; `out` is then as before.
    pub fn write(&self, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) -> Result<(), FrameError> {
        self.try_write(out, |out| {
            payload(out);
            Ok(())
        })
    }

    /// As [`Framing::write`] for a payload that can fail; `out` is left as before when it does.
    ///
    /// # Errors
    /// The payload's own, or [`FrameError::Unrepresentable`].
    pub fn try_write<E: From<FrameError>>(
        &self,
        out: &mut Vec<u8>,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let header = self.header_bytes();
        out.resize(start + header, 0);
        let written = payload(out).and_then(|()| {
            let payload = out.get(start + header..).unwrap_or_default();
            let bytes = self.length_bytes(payload.len())?;
            let trailer = self.trailer(payload)?;
            out[start..start + header].copy_from_slice(&bytes[..header]);
            out.extend_from_slice(trailer.as_slice());
            Ok(())
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The header of a frame whose payload has `length` bytes.
    ///
    /// # Errors
    /// [`FrameError::Unrepresentable`] when the payload does not fit.
    pub fn header(self, length: usize) -> Result<FrameHeader, FrameError> {
        Ok(FrameHeader { bytes: self.length_bytes(length)?, len: self.header_bytes() })
    }

    /// What follows a payload: nothing, or ETX and a check byte.
    ///
    /// # Errors
    /// [`FrameError::Unrepresentable`] when the payload holds the byte that would end it.
    pub fn trailer(self, payload: &[u8]) -> Result<FrameHeader, FrameError> {
        let unrepresentable = FrameError::Unrepresentable { length: payload.len(), framing: self.name() };
        let bytes = match self {
            Self::StxEtx if payload.contains(&serial::ETX) => return Err(unrepresentable),
            Self::StxEtx => serial::trailer(&[], payload),
            Self::StxLenBcd2 => serial::trailer(&self.length_bytes(payload.len())?[1..3], payload),
            _ => return Ok(FrameHeader { bytes: [0; 4], len: 0 }),
        };
        Ok(FrameHeader { bytes, len: serial::TRAILER_BYTES })
    }

    /// Payload length from a header that is known to be there.
    fn payload_len(self, buf: &[u8]) -> Result<usize, FrameError> {
        let header = self.header_bytes();
        let two = [buf[0], buf[1]];
        let raw = match self {
            Self::Len2BeExclusive | Self::Len2BeInclusive => usize::from(u16::from_be_bytes(two)),
            Self::Len2LeExclusive | Self::Len2LeInclusive => usize::from(u16::from_le_bytes(two)),
            Self::Len4BeExclusive | Self::Len4BeInclusive => {
                u32::from_be_bytes([buf[0], buf[1], buf[2], buf[3]]) as usize
            }
            Self::Len4LeExclusive | Self::Len4LeInclusive => {
                u32::from_le_bytes([buf[0], buf[1], buf[2], buf[3]]) as usize
            }
            Self::Len4Ascii | Self::Len4AsciiInclusive => decimal(buf, header, |b| b.wrapping_sub(b'0'))?,
            Self::LenBcd2 | Self::LenBcd2Inclusive => bcd_length(two).ok_or_else(|| bad_length(buf))?,
            Self::StxLenBcd2 => bcd_length([buf[1], buf[2]]).ok_or_else(|| bad_length(buf))?,
            // Its length is where its end is.
            Self::StxEtx => return Err(bad_length(buf)),
            Self::Vap if buf[2] != 0 || buf[3] != 0 => return Err(bad_length(buf)),
            Self::Vap => usize::from(u16::from_be_bytes(two)),
        };
        match self.counts_itself() {
            // A peer that counts the header also writes a bare header, and some write zero, to keep alive.
            true if raw == 0 => Ok(0),
            true => raw.checked_sub(header).ok_or(FrameError::TooShort { length: raw, header }),
            false => Ok(raw),
        }
    }

    fn length_bytes(self, payload: usize) -> Result<[u8; 4], FrameError> {
        let length = if self.counts_itself() { payload + self.header_bytes() } else { payload };
        let unrepresentable = FrameError::Unrepresentable { length: payload, framing: self.name() };
        let max = match self {
            Self::Len2BeExclusive
            | Self::Len2BeInclusive
            | Self::Len2LeExclusive
            | Self::Len2LeInclusive
            | Self::Vap => usize::from(u16::MAX),
            Self::Len4BeExclusive | Self::Len4BeInclusive | Self::Len4LeExclusive | Self::Len4LeInclusive => {
                u32::MAX as usize
            }
            Self::Len4Ascii
            | Self::Len4AsciiInclusive
            | Self::LenBcd2
            | Self::LenBcd2Inclusive
            | Self::StxLenBcd2 => 9999,
            Self::StxEtx => usize::MAX,
        };
        if length > max {
            return Err(unrepresentable);
        }
        let digits = [length / 1000 % 10, length / 100 % 10, length / 10 % 10, length % 10].map(|d| d as u8);
        let [high, low] = (length as u16).to_be_bytes();
        let bcd = [digits[0] << 4 | digits[1], digits[2] << 4 | digits[3]];
        Ok(match self {
            Self::Len2BeExclusive | Self::Len2BeInclusive | Self::Vap => [high, low, 0, 0],
            Self::Len2LeExclusive | Self::Len2LeInclusive => [low, high, 0, 0],
            Self::Len4BeExclusive | Self::Len4BeInclusive => (length as u32).to_be_bytes(),
            Self::Len4Ascii | Self::Len4AsciiInclusive => digits.map(|d| d + b'0'),
            Self::Len4LeExclusive | Self::Len4LeInclusive => (length as u32).to_le_bytes(),
            Self::LenBcd2 | Self::LenBcd2Inclusive => [bcd[0], bcd[1], 0, 0],
            Self::StxEtx => [serial::STX, 0, 0, 0],
            Self::StxLenBcd2 => [serial::STX, bcd[0], bcd[1], 0],
        })
    }

    const fn counts_itself(self) -> bool {
        matches!(
            self,
            Self::Len2BeInclusive
                | Self::Len2LeInclusive
                | Self::Len4BeInclusive
                | Self::Len4LeInclusive
                | Self::Len4AsciiInclusive
                | Self::LenBcd2Inclusive
        )
    }
}

/// The bytes before a payload, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    bytes: [u8; 4],
    len: usize,
}

impl FrameHeader {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none: most framings write nothing after a payload.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn decimal(bytes: &[u8], count: usize, digit: impl Fn(u8) -> u8) -> Result<usize, FrameError> {
    let mut value = 0usize;
    for &byte in &bytes[..count] {
        let digit = digit(byte);
        if digit > 9 {
            return Err(bad_length(bytes));
        }
        value = value * 10 + usize::from(digit);
    }
    Ok(value)
}

/// Four digits in two bytes.
fn bcd_length(bytes: [u8; 2]) -> Option<usize> {
    let [high, low] = bytes;
    decimal(&[high >> 4, high & 0xF, low >> 4, low & 0xF], 4, |nibble| nibble).ok()
}

fn bad_length(buf: &[u8]) -> FrameError {
    let mut bytes = [0; 4];
    let count = buf.len().min(4);
    bytes[..count].copy_from_slice(&buf[..count]);
    FrameError::BadLength { bytes }
}

/// Iterator of [`Framing::frames`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    framing: Framing,
    buf: &'a [u8],
    at: usize,
    frame_bytes_max: usize,
    failed: bool,
}

impl Frames<'_> {
    /// Bytes of the buffer that the frames yielded so far take.
    pub fn consumed(&self) -> usize {
        self.at
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<std::ops::Range<usize>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let base = self.at;
        match self.framing.scan(&self.buf[base..], self.frame_bytes_max) {
            Scan::Frame { start, end, consumed } => {
                self.at += consumed;
                Some(Ok(base + start..base + end))
            }
            Scan::KeepAlive { consumed } => {
                self.at += consumed;
                Some(Ok(self.at..self.at))
            }
            Scan::NeedMore { .. } => None,
            Scan::Bad(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Framing {
    type Err = FramingError;

    fn from_str(name: &str) -> Result<Self, FramingError> {
        Self::ALL
            .into_iter()
            .find(|framing| framing.name() == name)
            .ok_or_else(|| FramingError { name: name.chars().take(32).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4096;

    #[test]
    fn each_framing_reads_its_own_length() {
        let cases: [(Framing, &[u8]); 13] = [
            (Framing::Len2BeExclusive, &[0, 3, 1, 2, 3]),
            (Framing::Len2BeInclusive, &[0, 5, 1, 2, 3]),
            (Framing::Len2LeExclusive, &[3, 0, 1, 2, 3]),
            (Framing::Len2LeInclusive, &[5, 0, 1, 2, 3]),
            (Framing::Len4BeExclusive, &[0, 0, 0, 3, 1, 2, 3]),
            (Framing::Len4BeInclusive, &[0, 0, 0, 7, 1, 2, 3]),
            (Framing::Len4LeExclusive, &[3, 0, 0, 0, 1, 2, 3]),
            (Framing::Len4LeInclusive, &[7, 0, 0, 0, 1, 2, 3]),
            (Framing::Len4Ascii, &[b'0', b'0', b'0', b'3', 1, 2, 3]),
            (Framing::Len4AsciiInclusive, &[b'0', b'0', b'0', b'7', 1, 2, 3]),
            (Framing::LenBcd2, &[0, 0x03, 1, 2, 3]),
            (Framing::LenBcd2Inclusive, &[0, 0x05, 1, 2, 3]),
            (Framing::Vap, &[0, 3, 0, 0, 1, 2, 3]),
        ];
        for (framing, bytes) in cases {
            let (start, end) = (framing.header_bytes(), bytes.len());
            assert_eq!(framing.scan(bytes, MAX), Scan::Frame { start, end, consumed: end }, "{framing}");
            assert_eq!(framing.scan(&bytes[..end - 1], MAX), Scan::NeedMore { at_least: end }, "{framing}");
            assert_eq!(framing.scan(&bytes[..1], MAX), Scan::NeedMore { at_least: start }, "{framing}");
            let mut out = vec![9];
            framing.write(&mut out, |out| out.extend_from_slice(&[1, 2, 3])).unwrap();
            assert_eq!(&out[1..], bytes, "{framing}");
            assert_eq!(framing.name().parse(), Ok(framing));
        }
    }

    #[test]
    fn an_empty_frame_keeps_alive_and_a_lie_closes() {
        let consumed = 4;
        assert_eq!(Framing::Len4Ascii.scan(b"0000", MAX), Scan::KeepAlive { consumed });
        assert_eq!(Framing::Len4AsciiInclusive.scan(b"0004", MAX), Scan::KeepAlive { consumed });
        assert_eq!(Framing::Len2BeExclusive.scan(&[0, 0, 7], MAX), Scan::KeepAlive { consumed: 2 });
        for framing in Framing::ALL {
            // What counts itself may be kept alive by a bare header and by zero.
            let empty = framing.header(0).unwrap();
            let trailer = framing.trailer(&[]).unwrap();
            let bytes = [empty.as_slice(), trailer.as_slice()].concat();
            assert_eq!(framing.scan(&bytes, MAX), Scan::KeepAlive { consumed: bytes.len() }, "{framing}");
        }
        assert_eq!(Framing::Len4LeInclusive.scan(&[0; 4], MAX), Scan::KeepAlive { consumed });
        let bad = |framing: Framing, bytes: &[u8]| match framing.scan(bytes, 100) {
            Scan::Bad(error) => error,
            other => panic!("{framing}: {other:?}"),
        };
        assert_eq!(bad(Framing::Len4Ascii, b"00x1"), FrameError::BadLength { bytes: *b"00x1" });
        assert_eq!(bad(Framing::Len2BeInclusive, &[0, 1]), FrameError::TooShort { length: 1, header: 2 });
        assert_eq!(
            bad(Framing::Len4BeExclusive, &[255; 4]),
            FrameError::TooLong { length: 0xFFFF_FFFF, max: 100 }
        );
        let error = FrameError::TooLong { length: 0xFFFF_FFFF - 4, max: 100 };
        assert_eq!(bad(Framing::Len4LeInclusive, &[255; 4]), error);
        let error = FrameError::TooShort { length: 1, header: 2 };
        assert_eq!(bad(Framing::LenBcd2Inclusive, &[0, 1]), error);
        assert_eq!(bad(Framing::LenBcd2, &[0xA0, 0]), FrameError::BadLength { bytes: [0xA0, 0, 0, 0] });
        assert!(matches!(bad(Framing::Vap, &[0, 1, 0, 1]), FrameError::BadLength { .. }));
    }

    #[test]
    fn a_payload_that_does_not_fit_is_taken_back() {
        let mut out = vec![1, 2];
        let error = Framing::Len4Ascii.write(&mut out, |out| out.resize(out.len() + 10_000, 0));
        assert_eq!(error, Err(FrameError::Unrepresentable { length: 10_000, framing: "len4-ascii" }));
        assert_eq!(out, [1, 2]);
    }
}
