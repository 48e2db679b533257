//! One line of a terminal's journal.

use crate::terminal::MessageKind;
use serde::{Deserialize, Serialize};
use switchyard_domain::{BatchNumber, MerchantId, ResponseCode, Rrn, Stan, TerminalId, Timestamp};

/// Whether a line stands before a send or after a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// A request that is about to be sent.
    Req,
    /// A reply that was received and verified.
    Rep,
}

/// How the card was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryMode {
    /// Typed in: `01`.
    Manual,
    /// Magnetic stripe: `02`.
    Stripe,
    /// Chip, inserted: `05`.
    Contact,
    /// Chip, held near: `07`.
    Contactless,
}

/// The transaction that another one follows, as the terminal remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRef {
    /// Its batch.
    pub batch: BatchNumber,
    /// Its trace number.
    pub stan: Stan,
    /// `MMDD` from the host's reply.
    pub date: String,
    /// Its reference.
    pub rrn: Rrn,
    /// Its authorization code.
    pub auth: Option<String>,
    /// When the terminal asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// One line of a terminal's journal. It names the card by its mask only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Request or reply.
    pub t: LineKind,
    /// DE 41.
    pub tid: TerminalId,
    /// DE 42.
    pub mid: MerchantId,
    /// DE 60.2.
    pub batch: BatchNumber,
    /// DE 11.
    pub stan: Stan,
    /// Message type of this line.
    pub mti: String,
    /// What it is.
    pub kind: MessageKind,
    /// Minor units.
    pub amount: u64,
    /// First six and last four digits.
    pub pan_masked: Option<String>,
    /// DE 39 of a reply, reason of a reversal.
    pub code: Option<ResponseCode>,
    /// DE 37 of a reply.
    pub rrn: Option<Rrn>,
    /// DE 38 of a reply.
    pub auth: Option<String>,
    /// Counts the sends of one request from one.
    pub attempt: u32,
    /// How the card was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryMode>,
    /// Whether a PIN went along.
    #[serde(default)]
    pub pin: bool,
    /// What it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRef>,
    /// DE 13 of a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether a reply says that the host has closed the batch.
    #[serde(default)]
    pub closed: bool,
    /// When a transaction was asked for; a repeat and a reversal say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}
