//! Identifiers, each a type of its own so that none can stand in for another.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Why a value is not one of the payments nouns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The value has too few or too many characters.
    #[error("{what}: needs {need_min} to {need_max} characters, has {have}")]
    Length {
        /// The noun that was parsed.
        what: &'static str,
        /// Fewest characters allowed.
        need_min: usize,
        /// Most characters allowed.
        need_max: usize,
        /// Characters found.
        have: usize,
    },
    /// A character outside the noun's alphabet.
    #[error("{what}: byte {byte:#04x} at position {position} is not allowed")]
    Character {
        /// The noun that was parsed.
        what: &'static str,
        /// The offending byte.
        byte: u8,
        /// Its zero-based position.
        position: usize,
    },
    /// The value is well formed but not in the range that the noun allows.
    #[error("{what}: {value} is outside {min} to {max}")]
    Range {
        /// The noun that was parsed.
        what: &'static str,
        /// The value found.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// Nothing of this name is known.
    #[error("{what}: not one that is known")]
    Unknown {
        /// The noun that was parsed.
        what: &'static str,
    },
}

/// Serializes as text for people and as bytes for the ledger.
pub(crate) fn serialize_ascii<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(std::str::from_utf8(bytes).unwrap_or("?"))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

struct BytesVisitor;
impl<'de> de::Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or bytes")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Vec<u8>, E> {
        Ok(v.as_bytes().to_vec())
    }
    fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Vec<u8>, E> {
        Ok(v.to_vec())
    }
}

pub(crate) fn deserialize_ascii<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(BytesVisitor)
    } else {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

/// A fixed-width ASCII identifier: shorter text is padded with spaces on the right, as DE 41 and 42 are.
macro_rules! ascii_id {
    ($(#[$doc:meta])* $name:ident, $len:expr, $what:expr, $min:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);
        impl $name {
            /// Width in characters.
            pub const LEN: usize = $len;
            /// The padded characters, as they stand on the wire.
            pub fn as_bytes(&self) -> &[u8; $len] { &self.0 }
            /// The characters without padding.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or("").trim_end_matches(' ')
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = DataError;
            fn try_from(bytes: &[u8]) -> Result<Self, DataError> {
                if bytes.len() > $len || bytes.len() < $min {
                    return Err(DataError::Length { what: $what, need_min: $min, need_max: $len, have: bytes.len() });
                }
                let allowed: fn(u8) -> bool = $allowed;
                if let Some(position) = bytes.iter().position(|b| !allowed(*b)) {
                    return Err(DataError::Character { what: $what, byte: bytes[position], position });
                }
                let mut out = [b' '; $len];
                out[..bytes.len()].copy_from_slice(bytes);
                Ok(Self(out))
            }
        }
        impl FromStr for $name {
            type Err = DataError;
            fn from_str(text: &str) -> Result<Self, DataError> { Self::try_from(text.as_bytes()) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                // Blanks that the noun needs in order to be read back are not padding.
                let length = self.as_str().len().max($min);
                serialize_ascii(&self.0[..length], s)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::try_from(deserialize_ascii(d)?.as_slice()).map_err(de::Error::custom)
            }
        }
    };
}

fn printable(b: u8) -> bool {
    (b' '..=b'~').contains(&b)
}
fn alphanumeric_or_space(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b' '
}
fn digit(b: u8) -> bool {
    b.is_ascii_digit()
}

ascii_id!(
    /// DE 41, `ans8`: the terminal.
    TerminalId, 8, "terminal id", 1, printable
);
ascii_id!(
    /// DE 42, `ans15`: the merchant (acquirer 3, area 4, MCC 4, serial 4 in UnionPay's scheme).
    MerchantId, 15, "merchant id", 1, printable
);
ascii_id!(
    /// DE 37, `an12`: the retrieval reference number, unique for 400 days.
    Rrn, 12, "retrieval reference number", 12, alphanumeric_or_space
);
ascii_id!(
    /// DE 38, `an6`: the issuer's approval.
    AuthCode, 6, "authorization code", 1, alphanumeric_or_space
);
ascii_id!(
    /// DE 32, `n..11`: the acquiring institution.
    AcquirerId, 11, "acquirer id", 1, digit
);

/// DE 11, `n6`: the system trace audit number, 0 to 999999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stan(u32);
/// The terminal's batch, 1 to 999999, `n6` in DE 60.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchNumber(u32);

macro_rules! six_digits {
    ($name:ident, $what:expr, $min:expr) => {
        impl $name {
            /// The value as a number.
            pub fn get(self) -> u32 {
                self.0
            }
            /// Six ASCII digits with leading zeros.
            pub fn digits(self) -> [u8; 6] {
                let mut out = [b'0'; 6];
                let mut rest = self.0;
                for slot in out.iter_mut().rev() {
                    *slot = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
                out
            }
        }
        impl TryFrom<u64> for $name {
            type Error = DataError;
            fn try_from(value: u64) -> Result<Self, DataError> {
                if (($min)..=999_999).contains(&value) {
                    Ok(Self(value as u32))
                } else {
                    Err(DataError::Range { what: $what, value, min: $min, max: 999_999 })
                }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:06}", self.0)
            }
        }
    };
}
six_digits!(Stan, "trace number", 0);
six_digits!(BatchNumber, "batch number", 0);

impl BatchNumber {
    /// The batch that is open, whichever that is: what a terminal means whose dialect has no batch numbers. No batch
    /// has this number.
    pub const OPEN: Self = Self(0);
    /// The first batch of a new terminal.
    pub const FIRST: Self = Self(1);
    /// The batch after this one: 999999 is followed by 000001.
    pub fn next(self) -> Self {
        if self.0 >= 999_999 { Self(1) } else { Self(self.0 + 1) }
    }
    /// The batch that this one follows: 000001 follows 999999.
    pub fn before(self) -> Self {
        if self.0 <= 1 { Self(999_999) } else { Self(self.0 - 1) }
    }
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    };
}
index!(
    /// A merchant's position in the registry, in order of registration.
    MerchantIndex, u32
);
index!(
    /// A terminal's position in the registry, in order of registration.
    TerminalIndex, u32
);
index!(
    /// A link's position in the registry, in order of registration.
    LinkIndex, u16
);
index!(
    /// A transaction, numbered from 0 by its partition in order of acceptance.
    TransactionId, u64
);
index!(
    /// A hold on an account: the transaction that placed it, or a transfer's own number.
    HoldId, u64
);

impl HoldId {
    const TRANSFER_BIT: u64 = 1 << 63;

    /// A hold that a transfer places; no transaction is ever numbered like this.
    pub fn of_transfer(number: u64) -> Self {
        Self(number | Self::TRANSFER_BIT)
    }
    /// Whether a transfer placed it, and not a transaction.
    pub fn is_of_transfer(self) -> bool {
        self.0 & Self::TRANSFER_BIT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_pad_refuse_and_print() {
        let tid: TerminalId = "T1".parse().unwrap();
        assert_eq!(tid.as_bytes(), b"T1      ");
        assert_eq!(tid.to_string(), "T1");
        assert!(matches!("".parse::<TerminalId>(), Err(DataError::Length { have: 0, .. })));
        assert!(matches!("T\n".parse::<TerminalId>(), Err(DataError::Character { position: 1, .. })));
        assert!("12345678901".parse::<Rrn>().is_err(), "a retrieval reference has twelve characters");
    }

    #[test]
    fn batch_number_wraps_to_one() {
        assert_eq!(BatchNumber(999_999).next(), BatchNumber(1));
        assert_eq!(BatchNumber(1).next(), BatchNumber(2));
        assert_eq!(BatchNumber(1).before(), BatchNumber(999_999));
        assert_eq!(BatchNumber(2).before(), BatchNumber(1));
        assert_eq!(&Stan(42).digits(), b"000042");
        assert!(Stan::try_from(1_000_000).is_err());
    }

    #[test]
    fn text_for_people_and_bytes_for_the_ledger() {
        let tid: TerminalId = "T0000001".parse().unwrap();
        assert_eq!(serde_json::to_string(&tid).unwrap(), "\"T0000001\"");
        let bytes = postcard::to_stdvec(&tid).unwrap();
        assert_eq!(postcard::from_bytes::<TerminalId>(&bytes).unwrap(), tid);
    }

    /// A terminal may name such a reference in DE 37, and its fingerprint is recorded.
    #[test]
    fn blanks_at_the_end_survive_the_ledger() {
        for text in ["1234        ", "            "] {
            let rrn: Rrn = text.parse().unwrap();
            let bytes = postcard::to_stdvec(&rrn).unwrap();
            assert_eq!(postcard::from_bytes::<Rrn>(&bytes).unwrap(), rrn);
        }
        let blank: TerminalId = " ".parse().unwrap();
        let bytes = postcard::to_stdvec(&blank).unwrap();
        assert_eq!(postcard::from_bytes::<TerminalId>(&bytes).unwrap(), blank);
    }
}
