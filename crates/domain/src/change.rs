//! What becomes another of things that are registered: the nouns of the records of changes.

use crate::ids::MerchantIndex;
use crate::party::{LinkDialect, TerminalMac};
use serde::{Deserialize, Serialize};

/// Something before and after it was changed: a record tells both, so that whoever reads it needs no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// As it was.
    pub before: T,
    /// As it is from here on.
    pub after: T,
}

/// What of a link can be changed. Its name stays, and its key has records of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSettings {
    /// `host:port`, or where the switch listens for the host.
    pub address: String,
    /// What it speaks.
    pub dialect: LinkDialect,
    /// Name of its framing.
    pub framing: String,
    /// Milliseconds to wait for an answer.
    pub answer_timeout_ms: u32,
    /// How many connections it has at a time.
    pub connections: u8,
    /// Most requests that its host may have unanswered over all of them; nothing: as many as the configuration says.
    pub credit_max: Option<u32>,
}

/// What of a terminal can be changed. Its name stays, and its keys and its dialect have records of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSettings {
    /// Whose it is.
    pub merchant: MerchantIndex,
    /// How it authenticates messages.
    pub mac: TerminalMac,
    /// Whether it understands that a part of the amount was approved.
    pub takes_partial: bool,
}
