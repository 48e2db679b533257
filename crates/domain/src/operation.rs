//! What operators order, and why: the nouns of their records.

use crate::card::{CardHash, MaskedPan};
use crate::code::ResponseCode;
use crate::currency::Currency;
use crate::ids::{BatchNumber, DataError};
use crate::matching::MatchKeys;
use crate::party::TerminalProfile;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::str::FromStr;

/// Why an operator did something, in the operator's words: one line that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Reason(String);

impl Reason {
    /// Longest reason, characters.
    pub const CHARACTERS_MAX: usize = 200;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        let have = text.trim().chars().count();
        if !(1..=Self::CHARACTERS_MAX).contains(&have) {
            let need_max = Self::CHARACTERS_MAX;
            return Err(DataError::Length { what: "reason", need_min: 1, need_max, have });
        }
        // A reason goes into logs and tables: it must not bring lines or escape sequences of its own.
        match text.trim().char_indices().find(|(_, c)| c.is_control()) {
            Some((position, c)) => Err(DataError::Character { what: "reason", byte: c as u8, position }),
            None => Ok(Self(text.trim().to_owned())),
        }
    }
}
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a link is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkOrder {
    /// Connect, and take transactions again.
    Up,
    /// Let its connection go and stay without one.
    Down,
    /// Take no new transactions; answers and reversals go on.
    Drain,
    /// Sign on to the host once more, on the connection that stands.
    SignOn,
    /// Bill its cardholders in this currency: amounts of another are converted for its host. Nothing: convert none.
    Bill(Option<Currency>),
    /// Its answers find their requests by these elements.
    Match(MatchKeys),
    /// Its PIN keys may come over the line, under the transport key of this number. Nothing: they may not.
    KeyUnder(Option<u32>),
    /// Ask its host for a new PIN key.
    NewKey,
}

/// What a link is for at the moment, by order of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMode {
    /// Everything.
    #[default]
    Up,
    /// Answers and reversals, no new transactions.
    Draining,
    /// Nothing: it has no connection.
    Down,
}

/// What becomes of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TerminalOrder {
    /// Whatever it asks is refused with 58.
    Disable,
    /// It may speak again.
    Enable,
    /// Its empty batch goes on under a higher number, which its next sign-on tells it.
    ResetBatch(BatchNumber),
    /// It hears 77 until it has signed on again.
    ForceSignOn,
    /// It speaks like this from now on.
    Speak(TerminalProfile),
    /// Its next answer asks it to sign on: new working keys, and nothing is refused meanwhile.
    RenewKeys,
}

/// What becomes of a merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MerchantOrder {
    /// Whatever its terminals ask is refused with 03.
    Disable,
    /// It may trade again.
    Enable,
}

/// What an operator learned from an issuer about a transaction that a reversal was to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SafFinding {
    /// The issuer took it back.
    Undone,
    /// The issuer never had it.
    NeverTaken,
    /// The issuer keeps it: what follows from that stands in suspense until somebody adjusts it.
    Stands,
}

/// Number of a case within its partition: cases are numbered in the order in which they arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(pub u64);
impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How a difference between a terminal's batch and the host's was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseFinding {
    /// The host was right: nothing moves.
    HostRight,
    /// The terminal was right, and money was moved accordingly.
    Adjusted,
    /// The difference is borne by the acquirer.
    WrittenOff,
}

/// Why a card is on the hot-card list, which says what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockCause {
    /// Reported lost.
    Lost,
    /// Reported stolen.
    Stolen,
    /// Not to be taken for another reason.
    Restricted,
}
impl BlockCause {
    /// DE 39 for its transactions.
    pub fn code(self) -> ResponseCode {
        match self {
            Self::Lost => ResponseCode::LOST_CARD,
            Self::Stolen => ResponseCode::STOLEN_CARD,
            Self::Restricted => ResponseCode::RESTRICTED_CARD,
        }
    }
}

/// A card on the hot-card list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedCard {
    /// By which it is recognised.
    pub card: CardHash,
    /// By which people recognise it; absent where only its hash was known.
    pub masked: Option<MaskedPan>,
    /// Why.
    pub cause: BlockCause,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_words() {
        assert_eq!("  by phone ".parse::<Reason>().unwrap().as_str(), "by phone");
        assert!("字".repeat(200).parse::<Reason>().is_ok());
        for text in ["", "   ", "two\nlines", "bell\u{7}", "\u{1b}[31mred", &"x".repeat(201)] {
            assert!(text.parse::<Reason>().is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Reason>("\"\"").is_err());
        assert_eq!(serde_json::to_string(&"ok".parse::<Reason>().unwrap()).unwrap(), "\"ok\"");
    }
}
