//! Keys that come over a link.

use crate::ids::LinkIndex;
use crate::party::{KeyName, KeyRecord};
use serde::{Deserialize, Serialize};

/// By what a host's message that brings a key is known again: its repeat has the same answer, and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyMessage {
    /// DE 11.
    pub stan: u64,
    /// DE 7.
    pub transmitted: Option<[u8; 10]>,
    /// The end of the key as it travelled: two messages under one number are still two.
    pub mark: [u8; 8],
}

/// Another PIN key of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkKeyChange {
    /// Whose.
    pub link: LinkIndex,
    /// The key under the local master key.
    pub key: KeyRecord,
    /// The transport key that it came under.
    pub under: KeyName,
    /// The host's message; nothing where it was the answer to the switch.
    pub message: Option<KeyMessage>,
}
