//! By which elements an issuer's answer finds its request.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Elements that a key may have, each with its bit in this order.
const ELEMENTS: [u8; 7] = [3, 7, 11, 12, 32, 37, 41];

/// The elements by which a link's answers find their requests, besides the class and function of the MTI, which always
/// has to fit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatchKeys(u8);

/// Why elements are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError {
    /// An element that no answer repeats for sure.
    #[error(
        "{0} is not an element that answers are matched by: 3, 7, 11, 12, 32, 37 and 41 are, between commas"
    )]
    Element(u8),
    /// No number of an element.
    #[error("a key is numbers of elements between commas, as in 7,11,37")]
    Malformed,
    /// Nothing in it tells two requests apart.
    #[error("DE 11 or DE 37 has to be in the key: the rest is alike in different requests")]
    NoNumber,
    /// Only numbers that come round.
    #[error("DE 11 comes round after 999,000 messages: DE 7, 12, 37 or 41 has to be beside it")]
    ComesRound,
}

impl MatchKeys {
    /// A key of these elements.
    ///
    /// # Errors
    /// [`MatchError`] when it would not tell requests apart.
    pub fn of(elements: &[u8]) -> Result<Self, MatchError> {
        let mut bits = 0;
        for element in elements {
            let place = ELEMENTS.iter().position(|known| known == element);
            bits |= 1 << place.ok_or(MatchError::Element(*element))?;
        }
        Self::checked(bits)
    }

    fn checked(bits: u8) -> Result<Self, MatchError> {
        let keys = Self(bits);
        let any = |elements: &[u8]| elements.iter().any(|element| keys.has(*element));
        if bits >> ELEMENTS.len() != 0 {
            return Err(MatchError::Malformed);
        }
        match (keys.has(37), keys.has(11)) {
            (false, false) => Err(MatchError::NoNumber),
            (false, true) if !any(&[7, 12, 41]) => Err(MatchError::ComesRound),
            (_, _) => Ok(keys),
        }
    }

    /// Whether an element may be part of a key.
    pub fn may_have(element: u8) -> bool {
        ELEMENTS.contains(&element)
    }
    /// Whether an element is part of it.
    pub fn has(self, element: u8) -> bool {
        let place = ELEMENTS.iter().position(|known| *known == element);
        place.is_some_and(|place| self.0 & (1 << place) != 0)
    }
}

/// DE 7, 11 and 37.
impl Default for MatchKeys {
    fn default() -> Self {
        Self(1 << 1 | 1 << 2 | 1 << 5)
    }
}

impl FromStr for MatchKeys {
    type Err = MatchError;
    fn from_str(text: &str) -> Result<Self, MatchError> {
        let elements: Result<Vec<u8>, _> = text.split(',').map(|element| element.trim().parse()).collect();
        Self::of(&elements.map_err(|_| MatchError::Malformed)?)
    }
}
impl fmt::Display for MatchKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = ELEMENTS.iter().filter(|element| self.has(**element));
        for (place, element) in elements.enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            write!(f, "{element}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for MatchKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
/// Numbers between commas for people, a bit an element for the ledger.
impl Serialize for MatchKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}
impl<'de> Deserialize<'de> for MatchKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        Self::checked(u8::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_requests_apart_or_is_none() {
        for (text, expected) in [
            ("7,11,37", Ok("7,11,37")),
            ("37", Ok("37")),
            ("41, 11", Ok("11,41")),
            ("3,7,11,12,32,37,41", Ok("3,7,11,12,32,37,41")),
            ("11,12", Ok("11,12")),
            ("11", Err(MatchError::ComesRound)),
            ("3,11,32", Err(MatchError::ComesRound)),
            ("7,41", Err(MatchError::NoNumber)),
            ("", Err(MatchError::Malformed)),
            ("7;11", Err(MatchError::Malformed)),
            ("300", Err(MatchError::Malformed)),
            ("11,39", Err(MatchError::Element(39))),
        ] {
            let parsed = text.parse::<MatchKeys>();
            assert_eq!(parsed.map(|keys| keys.to_string()), expected.map(str::to_owned), "{text}");
            let Ok(keys) = parsed else { continue };
            let json = serde_json::to_string(&keys).unwrap();
            assert_eq!(serde_json::from_str::<MatchKeys>(&json).unwrap(), keys);
            assert_eq!(postcard::from_bytes::<MatchKeys>(&postcard::to_stdvec(&keys).unwrap()), Ok(keys));
        }
        assert_eq!(MatchKeys::default(), "7,11,37".parse().unwrap());
        assert!(postcard::from_bytes::<MatchKeys>(&[0xFF]).is_err());
        assert!(serde_json::from_str::<MatchKeys>("\"11\"").is_err());
    }
}
