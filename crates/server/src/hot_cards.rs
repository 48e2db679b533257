//! Cards on their way onto the hot-card list: their numbers come in clear, and end here in a hash and a mask.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use switchyard_domain::{BlockCause, BlockedCard, CardHash, Pan};

use crate::keystore::{wipe, with_digits};

/// A card number that a person gave. It goes over the administrators' socket, which nobody else can open, and no
/// further: it has no form for people but its mask.
#[derive(Debug)]
pub struct ClearPan(Pan);

impl ClearPan {
    /// The number, to be hashed and masked.
    pub fn pan(&self) -> &Pan {
        &self.0
    }
}
impl From<Pan> for ClearPan {
    fn from(pan: Pan) -> Self {
        Self(pan)
    }
}
impl Serialize for ClearPan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        with_digits(&self.0, |digits| {
            serializer.serialize_str(std::str::from_utf8(digits).unwrap_or_default())
        })
    }
}
impl<'de> Deserialize<'de> for ClearPan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?.into_bytes();
        // The error must not say what was read.
        let pan = Pan::from_digits(&text).map_err(|_| de::Error::custom("not a card number"));
        wipe(&mut text);
        pan.map(Self)
    }
}

/// A card to be put on the list.
#[derive(Debug, Serialize, Deserialize)]
pub struct CardToBlock {
    /// Its number.
    pub pan: ClearPan,
    /// Why.
    pub cause: BlockCause,
}

impl CardToBlock {
    /// As the list has it.
    pub fn blocked(&self, hash: impl FnOnce(&Pan) -> CardHash) -> BlockedCard {
        let pan = self.pan.pan();
        BlockedCard { card: hash(pan), masked: Some(pan.masked()), cause: self.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_travels_and_is_never_quoted() {
        let card: CardToBlock =
            serde_json::from_str(r#"{"pan": "6225880000000008", "cause": "stolen"}"#).unwrap();
        assert_eq!(card.pan.pan().masked().to_string(), "622588******0008");
        assert!(!format!("{card:?}").contains("000000"), "{card:?}");
        let blocked = card.blocked(|_| CardHash([7; 16]));
        assert_eq!((blocked.card, blocked.cause), (CardHash([7; 16]), BlockCause::Stolen));
        let error = serde_json::from_str::<ClearPan>("\"62258800000000x8\"").unwrap_err().to_string();
        assert!(!error.contains("622588"), "{error}");
        let back = serde_json::to_string(&card).unwrap();
        assert!(serde_json::from_str::<CardToBlock>(&back).is_ok());
    }
}
