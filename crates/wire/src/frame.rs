//! Framing: where one message ends and the next begins on a byte stream.

use std::fmt;
use std::str::FromStr;

use crate::error::FrameError;

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
    /// `len4-ascii`: four ASCII digits, not counting themselves. CUPS links; `0000` is the keep-alive.
    Len4Ascii,
    /// `len4-ascii-inclusive`: four ASCII digits, counting themselves.
    Len4AsciiInclusive,
    /// `len2-bcd`: four BCD digits in two bytes, not counting themselves.
    LenBcd2,
    /// `vap`: big-endian u16 and two reserved zero bytes, counting neither.
    Vap,
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
    "unknown framing {name:?}, expected one of len2-be, len2-be-inclusive, len2-le, len2-le-inclusive, len4-be, len4-be-inclusive, len4-ascii, len4-ascii-inclusive, len2-bcd, vap"
)]
pub struct FramingError {
    /// What was given.
    pub name: String,
}

impl Framing {
    /// Every framing there is.
    pub const ALL: [Self; 10] = [
        Self::Len2BeExclusive,
        Self::Len2BeInclusive,
        Self::Len2LeExclusive,
        Self::Len2LeInclusive,
        Self::Len4BeExclusive,
        Self::Len4BeInclusive,
        Self::Len4Ascii,
        Self::Len4AsciiInclusive,
        Self::LenBcd2,
        Self::Vap,
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
            Self::Len4Ascii => "len4-ascii",
            Self::Len4AsciiInclusive => "len4-ascii-inclusive",
            Self::LenBcd2 => "len2-bcd",
            Self::Vap => "vap",
        }
    }

    /// Bytes before the payload.
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Len2BeExclusive
            | Self::Len2BeInclusive
            | Self::Len2LeExclusive
            | Self::Len2LeInclusive
            | Self::LenBcd2 => 2,
            Self::Len4BeExclusive
            | Self::Len4BeInclusive
            | Self::Len4Ascii
            | Self::Len4AsciiInclusive
            | Self::Vap => 4,
        }
    }

    /// Looks at the front of `buf` for one frame whose payload has at most `frame_bytes_max` bytes.
    ///
    /// Call again after dropping what was consumed: several frames may stand in one buffer. The length is
    /// judged before any byte of the payload is waited for, so that a lie about it costs no memory.
    pub fn scan(&self, buf: &[u8], frame_bytes_max: usize) -> Scan {
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
            let length = out.len().saturating_sub(start + header);
            let bytes = self.length_bytes(length)?;
            out[start..start + header].copy_from_slice(&bytes[..header]);
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
            Self::Len4Ascii | Self::Len4AsciiInclusive => decimal(buf, header, |b| b.wrapping_sub(b'0'))?,
            Self::LenBcd2 => {
                let nibbles = [two[0] >> 4, two[0] & 0xF, two[1] >> 4, two[1] & 0xF];
                decimal(&nibbles, 4, |b| b).map_err(|_| bad_length(buf))?
            }
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
            Self::Len4BeExclusive | Self::Len4BeInclusive => u32::MAX as usize,
            Self::Len4Ascii | Self::Len4AsciiInclusive | Self::LenBcd2 => 9999,
        };
        if length > max {
            return Err(unrepresentable);
        }
        let digits = [length / 1000 % 10, length / 100 % 10, length / 10 % 10, length % 10].map(|d| d as u8);
        let [high, low] = (length as u16).to_be_bytes();
        Ok(match self {
            Self::Len2BeExclusive | Self::Len2BeInclusive | Self::Vap => [high, low, 0, 0],
            Self::Len2LeExclusive | Self::Len2LeInclusive => [low, high, 0, 0],
            Self::Len4BeExclusive | Self::Len4BeInclusive => (length as u32).to_be_bytes(),
            Self::Len4Ascii | Self::Len4AsciiInclusive => digits.map(|d| d + b'0'),
            Self::LenBcd2 => [digits[0] << 4 | digits[1], digits[2] << 4 | digits[3], 0, 0],
        })
    }

    const fn counts_itself(self) -> bool {
        matches!(
            self,
            Self::Len2BeInclusive | Self::Len2LeInclusive | Self::Len4BeInclusive | Self::Len4AsciiInclusive
        )
    }
}

/// The bytes before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    bytes: [u8; 4],
    len: usize,
}

#[allow(clippy::len_without_is_empty)] // There is no framing without a header.
impl FrameHeader {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
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
        let cases: [(Framing, &[u8]); 10] = [
            (Framing::Len2BeExclusive, &[0, 3, 1, 2, 3]),
            (Framing::Len2BeInclusive, &[0, 5, 1, 2, 3]),
            (Framing::Len2LeExclusive, &[3, 0, 1, 2, 3]),
            (Framing::Len2LeInclusive, &[5, 0, 1, 2, 3]),
            (Framing::Len4BeExclusive, &[0, 0, 0, 3, 1, 2, 3]),
            (Framing::Len4BeInclusive, &[0, 0, 0, 7, 1, 2, 3]),
            (Framing::Len4Ascii, &[b'0', b'0', b'0', b'3', 1, 2, 3]),
            (Framing::Len4AsciiInclusive, &[b'0', b'0', b'0', b'7', 1, 2, 3]),
            (Framing::LenBcd2, &[0, 0x03, 1, 2, 3]),
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
