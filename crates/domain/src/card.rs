//! The card: the number itself while a message is in flight, and what may be kept of it afterwards.

use crate::ids::{DataError, deserialize_ascii, serialize_ascii};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use zeroize::Zeroize;

/// A primary account number, 12 to 19 digits, in memory only: it is wiped on drop, cannot be
/// serialized, and prints masked.
#[derive(PartialEq, Eq)]
pub struct Pan {
    value: u64,
    digits: u8,
}

impl Pan {
    /// Fewest digits of a card number that the switch takes.
    pub const DIGITS_MIN: usize = 12;
    /// Most digits of a card number (ISO/IEC 7812).
    pub const DIGITS_MAX: usize = 19;

    /// From ASCII digits.
    ///
    /// # Errors
    /// [`DataError`] for another length or alphabet; it never quotes the digits.
    pub fn from_digits(digits: &[u8]) -> Result<Self, DataError> {
        if !(Self::DIGITS_MIN..=Self::DIGITS_MAX).contains(&digits.len()) {
            return Err(DataError::Length {
                what: "card number",
                need_min: Self::DIGITS_MIN,
                need_max: Self::DIGITS_MAX,
                have: digits.len(),
            });
        }
        let mut value = 0_u64;
        for (position, byte) in digits.iter().enumerate() {
            if !byte.is_ascii_digit() {
                return Err(DataError::Character { what: "card number", byte: b'?', position });
            }
            value = value * 10 + u64::from(byte - b'0');
        }
        Ok(Self { value, digits: digits.len() as u8 })
    }
    /// Writes the digits into `out` and returns how many there are. For intake and links only: whoever
    /// calls wipes the buffer.
    pub fn write_digits(&self, out: &mut [u8; Self::DIGITS_MAX]) -> usize {
        let len = usize::from(self.digits);
        let mut rest = self.value;
        for slot in out[..len].iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        len
    }
    /// Whether the number lies in a range of routing prefixes, both ends included: a range end of
    /// fewer digits stands for every number that begins with it.
    pub fn is_between(&self, low: &str, high: &str) -> bool {
        let key = Self::range_key(self.value, usize::from(self.digits), 0);
        let (Ok(low_value), Ok(high_value)) = (low.parse(), high.parse()) else { return false };
        Self::range_key(low_value, low.len(), 0) <= key && key <= Self::range_key(high_value, high.len(), 9)
    }
    /// Left-aligns a prefix in 19 digits and fills the rest with `fill`.
    fn range_key(value: u64, digits: usize, fill: u64) -> u64 {
        (digits..Self::DIGITS_MAX).fold(value, |v, _| v.saturating_mul(10).saturating_add(fill))
    }
    /// The number as a 19-digit routing key: left-aligned, zero-filled.
    pub fn routing_key(&self) -> u64 {
        Self::range_key(self.value, usize::from(self.digits), 0)
    }
    /// First six and last four digits.
    pub fn masked(&self) -> MaskedPan {
        let mut buffer = [0; Self::DIGITS_MAX];
        let len = self.write_digits(&mut buffer);
        let mut first = [0; 6];
        let mut last = [0; 4];
        first.copy_from_slice(&buffer[..6]);
        last.copy_from_slice(&buffer[len - 4..len]);
        buffer.zeroize();
        MaskedPan { first, last, digits: self.digits }
    }
    /// Whether the check digit is right (ISO/IEC 7812-1 annex B).
    pub fn luhn_is_valid(&self) -> bool {
        let (mut rest, mut sum, mut double) = (self.value, 0, false);
        while rest > 0 {
            let digit = rest % 10;
            sum += if double { digit * 2 / 10 + digit * 2 % 10 } else { digit };
            double = !double;
            rest /= 10;
        }
        sum.is_multiple_of(10)
    }
}
impl Drop for Pan {
    fn drop(&mut self) {
        self.value.zeroize();
        self.digits.zeroize();
    }
}
impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pan({})", self.masked())
    }
}

/// What people may see of a card number: the first six and the last four digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MaskedPan {
    first: [u8; 6],
    last: [u8; 4],
    digits: u8,
}
impl fmt::Display for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &'_ [u8]| String::from_utf8_lossy(bytes).into_owned();
        let stars = usize::from(self.digits.clamp(10, 19)) - 10;
        write!(f, "{}{}{}", text(&self.first), "*".repeat(stars), text(&self.last))
    }
}
impl fmt::Debug for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// HMAC-SHA-256 of the card number, truncated to 16 bytes, under a key kept apart from the data: equal
/// cards have equal hashes, and without that key nothing can be learned from one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CardHash(pub [u8; 16]);
impl fmt::Debug for CardHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A card number sealed with AES-256-GCM by the key store; opaque to everyone else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPan(pub Vec<u8>);
impl fmt::Debug for SealedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedPan({} bytes)", self.0.len())
    }
}

/// A card behind the intake: what the core decides on and the ledger keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRef {
    /// The number, sealed.
    pub sealed: SealedPan,
    /// Number of the data key that sealed it.
    pub key_id: u16,
    /// The intake that sealed it: associated data of the seal.
    pub intake: u64,
    /// For equality.
    pub hash: CardHash,
    /// For people.
    pub masked: MaskedPan,
}

/// What kind of card it is, fixed when the transaction is authorized: fees depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardClass {
    /// A domestic debit card.
    Debit,
    /// A domestic credit card.
    Credit,
    /// A card issued abroad.
    Foreign,
}

/// DE 14, `n4` as `YYMM`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry([u8; 4]);
impl Expiry {
    /// The four digits.
    pub fn digits(&self) -> &[u8; 4] {
        &self.0
    }
    /// Whether a card with this date is no longer valid in the month `YYMM` given as four digits. Years
    /// are compared within a century, as the two digits allow.
    pub fn is_before(&self, year_month: [u8; 4]) -> bool {
        self.0 < year_month
    }
}
impl TryFrom<&[u8]> for Expiry {
    type Error = DataError;
    fn try_from(bytes: &[u8]) -> Result<Self, DataError> {
        let what = "expiry";
        let digits: [u8; 4] = bytes.try_into().map_err(|_| DataError::Length {
            what,
            need_min: 4,
            need_max: 4,
            have: bytes.len(),
        })?;
        if let Some(position) = digits.iter().position(|b| !b.is_ascii_digit()) {
            return Err(DataError::Character { what, byte: digits[position], position });
        }
        let month = u64::from(digits[2] - b'0') * 10 + u64::from(digits[3] - b'0');
        if (1..=12).contains(&month) {
            Ok(Self(digits))
        } else {
            Err(DataError::Range { what, value: month, min: 1, max: 12 })
        }
    }
}
impl std::str::FromStr for Expiry {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        Self::try_from(text.as_bytes())
    }
}
impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expiry(**)")
    }
}
impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        serialize_ascii(&self.0, s)
    }
}
impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::try_from(deserialize_ascii(d)?.as_slice()).map_err(de::Error::custom)
    }
}

/// Track 2 as `z..37` characters, in memory only; never recorded, never printed.
pub struct Track2(Vec<u8>);
impl Track2 {
    /// Most characters of track 2.
    pub const CHARACTERS_MAX: usize = 37;
    /// From ASCII characters with `=` as the separator.
    ///
    /// # Errors
    /// [`DataError::Length`] when it is longer than a track.
    pub fn new(characters: &[u8]) -> Result<Self, DataError> {
        if characters.len() > Self::CHARACTERS_MAX {
            return Err(DataError::Length {
                what: "track 2",
                need_min: 1,
                need_max: Self::CHARACTERS_MAX,
                have: characters.len(),
            });
        }
        Ok(Self(characters.to_vec()))
    }
    /// The characters, for a link's request.
    pub fn characters(&self) -> &[u8] {
        &self.0
    }
    /// The card number before the separator.
    ///
    /// # Errors
    /// [`DataError`] when there is no separator or no card number before it.
    pub fn pan(&self) -> Result<Pan, DataError> {
        let end = self.0.iter().position(|b| *b == b'=' || *b == b'D').unwrap_or(self.0.len());
        Pan::from_digits(&self.0[..end])
    }
    /// The expiry after the separator.
    pub fn expiry(&self) -> Option<Expiry> {
        let start = self.0.iter().position(|b| *b == b'=' || *b == b'D')? + 1;
        Expiry::try_from(self.0.get(start..start + 4)?).ok()
    }
}
impl Drop for Track2 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl fmt::Debug for Track2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Track2(…)")
    }
}

/// DE 48 of a value-added payment: the telephone to top up, or the card to repay. In memory only; never recorded, never
/// printed.
pub struct ServiceAccount(String);
impl ServiceAccount {
    /// Fewest and most digits.
    pub const DIGITS: std::ops::RangeInclusive<usize> = 4..=32;
    /// From digits.
    ///
    /// # Errors
    /// [`DataError`] when there are too few or too many, or when one is no digit.
    pub fn new(digits: String) -> Result<Self, DataError> {
        let account = Self(digits);
        let (what, have) = ("service account", account.0.len());
        if !Self::DIGITS.contains(&have) {
            let (need_min, need_max) = Self::DIGITS.into_inner();
            return Err(DataError::Length { what, need_min, need_max, have });
        }
        match account.0.bytes().position(|byte| !byte.is_ascii_digit()) {
            Some(position) => {
                Err(DataError::Character { what, byte: account.0.as_bytes()[position], position })
            }
            None => Ok(account),
        }
    }
    /// The digits, for a link's request.
    pub fn digits(&self) -> &str {
        &self.0
    }
}
impl Drop for ServiceAccount {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccount(…)")
    }
}

/// DE 52: an encrypted PIN block, in memory only; never recorded, never printed.
pub struct PinBlock(pub [u8; 8]);
impl Drop for PinBlock {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinBlock(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pan_masks_and_checks_itself() {
        let pan = Pan::from_digits(b"6225880000000008").unwrap();
        assert_eq!(format!("{pan:?}"), "Pan(622588******0008)");
        assert!(Pan::from_digits(b"4111111111111111").unwrap().luhn_is_valid());
        assert!(!Pan::from_digits(b"4111111111111112").unwrap().luhn_is_valid());
        let mut buffer = [0; 19];
        let len = pan.write_digits(&mut buffer);
        assert_eq!(&buffer[..len], b"6225880000000008");
        assert!(Pan::from_digits(b"62258800000").is_err());
        assert!(Pan::from_digits(b"622588000000000A").is_err());
    }

    #[test]
    fn ranges_compare_prefixes_of_any_length() {
        let pan = Pan::from_digits(b"6225880000000008").unwrap();
        for (low, high, inside) in [
            ("6225", "6225", true),
            ("62", "63", true),
            ("6226", "6299", false),
            ("6225880000000009", "7", false),
            ("6225880000000008", "6225880000000008", true),
        ] {
            assert_eq!(pan.is_between(low, high), inside, "{low}..{high}");
        }
    }

    #[test]
    fn track_two_gives_number_and_expiry() {
        let track = Track2::new(b"6225880000000008=30121010000000000").unwrap();
        assert_eq!(track.pan().unwrap(), Pan::from_digits(b"6225880000000008").unwrap());
        assert_eq!(track.expiry().unwrap().digits(), b"3012");
        assert!("3013".parse::<Expiry>().is_err());
    }
}
