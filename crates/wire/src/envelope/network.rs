//! Headers of network links: they name the stations at both ends and count the bytes of header and message.

use std::fmt;

use super::FrameError;

/// Bytes of a CUPS header.
pub const CUPS_BYTES: usize = 46;
/// Bytes of a Visa BASE I header.
pub const BASE1_BYTES: usize = 22;

/// The header of a UnionPay network link (CUPS).
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | length of the header: 46 |
/// | 1 | 1 | flag (bit 8: test) and version |
/// | 2 | 4 | total length, ASCII digits: header and message |
/// | 6 | 11 | destination station, ASCII, filled with spaces on the right |
/// | 17 | 11 | source station |
/// | 28 | 3 | reserved |
/// | 31 | 1 | batch number |
/// | 32 | 8 | transaction information |
/// | 40 | 1 | user information |
/// | 41 | 5 | reject code, ASCII digits; `00000` for a message that is not sent back |
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CupsHeader(pub(crate) [u8; CUPS_BYTES]);

/// The header that Visa access points put behind the length (BASE I).
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | length of the header: 22 |
/// | 1 | 1 | flag and format |
/// | 2 | 1 | text format |
/// | 3 | 2 | total length, big-endian: header and message |
/// | 5 | 3 | destination station, six BCD digits |
/// | 8 | 3 | source station, six BCD digits |
/// | 11 | 1 | round-trip control |
/// | 12 | 2 | BASE I flags |
/// | 14 | 3 | message status flags |
/// | 17 | 1 | batch number |
/// | 18 | 3 | reserved |
/// | 21 | 1 | user information |
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base1Header(pub(crate) [u8; BASE1_BYTES]);

impl CupsHeader {
    /// A header of version 2 between two stations of at most eleven ASCII characters; nothing for others.
    pub fn new(destination: &str, source: &str) -> Option<Self> {
        let mut bytes = [0; CUPS_BYTES];
        (bytes[0], bytes[1]) = (CUPS_BYTES as u8, 2);
        bytes[2..6].fill(b'0');
        bytes[6..28].fill(b' ');
        for (at, station) in [(6, destination), (17, source)] {
            if !station.is_ascii() {
                return None;
            }
            bytes[at..at + 11].get_mut(..station.len())?.copy_from_slice(station.as_bytes());
        }
        bytes[32..40].fill(b'0');
        bytes[41..46].fill(b'0');
        Some(Self(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; CUPS_BYTES] {
        &self.0
    }

    /// Whether the message is a test.
    pub const fn is_test(&self) -> bool {
        self.0[1] & 0x80 != 0
    }

    /// Version of the header.
    pub const fn version(&self) -> u8 {
        self.0[1] & 0x7F
    }

    /// The station that it goes to, without filler.
    pub fn destination(&self) -> &[u8] {
        self.0[6..17].trim_ascii_end()
    }

    /// The station that it comes from, without filler.
    pub fn source(&self) -> &[u8] {
        self.0[17..28].trim_ascii_end()
    }

    /// The batch number.
    pub const fn batch_number(&self) -> u8 {
        self.0[31]
    }

    /// What the network says of the transaction; the answer has it as the request had.
    pub fn transaction_information(&self) -> &[u8] {
        &self.0[32..40]
    }

    /// What the sender says to itself; the answer has it as the request had.
    pub const fn user_information(&self) -> u8 {
        self.0[40]
    }

    /// Why the message was sent back; nothing when it was not.
    pub fn reject_code(&self) -> Option<u32> {
        let code = digits(&self.0[41..46])?;
        (code != 0).then_some(code as u32)
    }

    /// Bytes of header and message; nothing when they are not digits.
    pub(super) fn total(&self) -> Option<usize> {
        digits(&self.0[2..6])
    }

    pub(super) fn set_total(&mut self, total: usize) -> Result<(), FrameError> {
        if total > 9_999 {
            return Err(FrameError::Unrepresentable { length: total, framing: "cups" });
        }
        let mut rest = total;
        for byte in self.0[2..6].iter_mut().rev() {
            *byte = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Ok(())
    }

    /// The header of the answer: stations swapped, not sent back.
    pub(super) fn reply(mut self) -> Self {
        let (destination, source) = self.0[6..28].split_at_mut(11);
        destination.swap_with_slice(source);
        self.0[41..46].fill(b'0');
        self
    }
}

impl Base1Header {
    /// A header between two stations of six digits.
    pub const fn new(destination: [u8; 3], source: [u8; 3]) -> Self {
        let [d0, d1, d2] = destination;
        let [s0, s1, s2] = source;
        Self([BASE1_BYTES as u8, 1, 2, 0, 0, d0, d1, d2, s0, s1, s2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; BASE1_BYTES] {
        &self.0
    }

    /// The station that it goes to, as six BCD digits.
    pub const fn destination(&self) -> [u8; 3] {
        [self.0[5], self.0[6], self.0[7]]
    }

    /// The station that it comes from, as six BCD digits.
    pub const fn source(&self) -> [u8; 3] {
        [self.0[8], self.0[9], self.0[10]]
    }

    pub(super) fn total(&self) -> usize {
        usize::from(u16::from_be_bytes([self.0[3], self.0[4]]))
    }

    pub(super) fn set_total(&mut self, total: usize) -> Result<(), FrameError> {
        let total16 = u16::try_from(total);
        let total = total16.map_err(|_| FrameError::Unrepresentable { length: total, framing: "base1" })?;
        [self.0[3], self.0[4]] = total.to_be_bytes();
        Ok(())
    }

    pub(super) fn reply(mut self) -> Self {
        let (destination, source) = self.0[5..11].split_at_mut(3);
        destination.swap_with_slice(source);
        self
    }
}

impl fmt::Debug for CupsHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CupsHeader({} <- {})", self.destination().escape_ascii(), self.source().escape_ascii())
    }
}

impl fmt::Debug for Base1Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base1Header({:02X?} <- {:02X?})", self.destination(), self.source())
    }
}

fn digits(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0usize, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| value * 10 + usize::from(digit))
    })
}
