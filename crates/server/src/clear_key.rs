//! A clear key on its way in: from a person's digits to the wrap under the local master key.

use serde::{Deserialize, Deserializer, de};
use switchyard_keys::{DesKey, SecretBytes};

use crate::keystore::wipe;

/// A double- or triple-length DES key that somebody brought. It has no form to be printed in.
#[derive(Debug)]
pub struct ClearKey(SecretBytes);

/// Why digits are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKey {
    /// Other characters, or another count of them.
    #[error("a key is 32 or 48 hexadecimal digits")]
    Digits,
    /// A key that gives no protection.
    #[error("the key is weak: all zeros, or halves that are alike")]
    Weak,
    /// Odd parity shows a digit that was typed wrong.
    #[error("a byte of the key has even parity: a digit may be wrong")]
    Parity,
}

impl ClearKey {
    /// Reads hexadecimal digits; whoever calls wipes them.
    ///
    /// # Errors
    /// [`NoKey`], which never quotes what was read.
    pub fn from_hex(text: &[u8]) -> Result<Self, NoKey> {
        if !matches!(text.len(), 32 | 48) {
            return Err(NoKey::Digits);
        }
        let key = from_digits(text).ok_or(NoKey::Digits)?;
        let des = DesKey::from_slice(key.expose()).map_err(|_| NoKey::Digits)?;
        des.check_quality().map_err(|_| NoKey::Weak)?;
        des.check_parity().map_err(|_| NoKey::Parity)?;
        Ok(Self(key))
    }

    /// The key's bytes, to be wrapped or sent to where it is wrapped.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The bytes that pairs of hexadecimal digits spell.
pub(crate) fn from_digits(text: &[u8]) -> Option<SecretBytes> {
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    // As large as it will be from the beginning: a vector that grows leaves pieces of the key behind.
    let mut bytes = Vec::with_capacity(pairs.len());
    bytes.extend(pairs.iter().map(|[high, low]| value(*high) << 4 | value(*low)));
    Some(SecretBytes::from(bytes))
}

impl<'de> Deserialize<'de> for ClearKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?.into_bytes();
        let key = Self::from_hex(&text).map_err(de::Error::custom);
        wipe(&mut text);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_key_is_one() {
        let good = "0123456789ABCDEFfedcba9876543210";
        assert_eq!(ClearKey::from_hex(good.as_bytes()).unwrap().expose().len(), 16);
        for (text, why) in [
            ("", NoKey::Digits),
            ("0123456789ABCDEF", NoKey::Digits),
            ("0123456789ABCDEF0123456789ABCDEX", NoKey::Digits),
            ("0123456789ABCDEF0123456789ABCDEF", NoKey::Weak),
            ("00000000000000000000000000000000", NoKey::Weak),
            ("1123456789ABCDEFFEDCBA9876543210", NoKey::Parity),
        ] {
            assert_eq!(ClearKey::from_hex(text.as_bytes()).err(), Some(why), "{text}");
        }
    }
}
