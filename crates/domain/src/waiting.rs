//! Keys that wait in the ledger and are not in force: what a terminal may fetch, and what custodians have brought.

use crate::ids::TerminalIndex;
use crate::operation::Reason;
use crate::party::{KeyName, KeyRecord};
use crate::time::Timestamp;
use crate::user::UserName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest time for which a terminal is offered a key, hours.
pub const KEY_OFFER_HOURS_MAX: u32 = 720;

/// A key as a terminal fetches it, and what proves that it has opened it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineKey {
    /// DE 62 of the answer.
    pub wrapped: Vec<u8>,
    /// Eight bytes `FF` enciphered under the key: what was overheard on the line does not tell them.
    pub proof: [u8; 8],
}

impl fmt::Debug for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineKey({} bytes)", self.wrapped.len())
    }
}

/// A terminal's next master key, which it may fetch over the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOffer {
    /// The key under the local master key.
    pub key: KeyRecord,
    /// The transport key that it travels under; without one it is under the terminal's master key in force.
    pub under: Option<KeyName>,
    /// As the terminal fetches it.
    pub line: LineKey,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// A key that waits, by whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingKey {
    /// What a custodian brought to the ceremony of a key.
    Component {
        /// The key that it is a part of.
        key: KeyName,
        /// Who brought it.
        custodian: UserName,
    },
    /// What a terminal is offered.
    Offered {
        /// Which terminal.
        terminal: TerminalIndex,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_is_not_printed() {
        let line = LineKey { wrapped: vec![0xAB; 20], proof: [0xCD; 8] };
        assert_eq!(format!("{line:?}"), "LineKey(20 bytes)");
    }
}
