//! Rows: what is registered, without anything that is secret.

use serde::{Deserialize, Serialize};
use switchyard_domain::{
    BatchNumber, Currency, FeePlan, LinkDialect, LinkSettings, MaskedPan, Merchant, MerchantIndex, Route,
    TerminalId, TerminalMac, TerminalProfile, TerminalSettings, Timestamp,
};

use super::Kind;

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerchantRow {
    /// Its number in the registry.
    pub number: u32,
    /// As it is now.
    pub merchant: Merchant,
    /// When.
    pub registered_at: Timestamp,
    /// Whether an operator disabled it.
    pub disabled: bool,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalRow {
    /// Its number in the registry.
    pub number: u32,
    /// DE 41.
    pub id: TerminalId,
    /// Whose it is.
    pub merchant: MerchantIndex,
    /// How it authenticates messages.
    pub mac: TerminalMac,
    /// How it speaks.
    pub profile: TerminalProfile,
    /// Check value of its master key.
    pub check_value: [u8; 4],
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Whether it is signed on.
    pub signed_on: bool,
    /// Version of its working keys; 0 before its first sign-on.
    pub key_version: u32,
    /// The batch that it was told at its last sign-on.
    pub batch: Option<BatchNumber>,
    /// When it last signed on.
    pub signed_on_at: Option<Timestamp>,
    /// Whether an operator disabled it.
    pub disabled: bool,
    /// The master key that it may fetch.
    pub offered: Option<OfferedKey>,
}

/// A master key that a terminal may fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedKey {
    /// Its check value.
    pub check_value: [u8; 4],
    /// Until when.
    pub until: Timestamp,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its number in the registry.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// What it speaks.
    pub dialect: LinkDialect,
    /// Name of its framing.
    pub framing: String,
    /// Check value of the key under which PIN blocks travel.
    pub check_value: [u8; 4],
    /// Milliseconds to wait for an answer.
    pub answer_timeout_ms: u32,
    /// How many connections it has at a time.
    pub connections: u8,
    /// Most requests that its host may have unanswered; nothing: as many as the configuration says.
    pub credit_max: Option<u32>,
}

impl LinkRow {
    /// It is reached or spoken to in another way.
    pub(super) fn set(&mut self, settings: LinkSettings) {
        let LinkSettings { address, dialect, framing, answer_timeout_ms, connections, credit_max } = settings;
        (self.address, self.dialect, self.framing) = (address, dialect, framing);
        (self.answer_timeout_ms, self.connections, self.credit_max) =
            (answer_timeout_ms, connections, credit_max);
    }
}

impl TerminalRow {
    /// It is another merchant's, or authenticates in another way: as the core, which wants a sign-on then.
    pub(super) fn set(&mut self, settings: &TerminalSettings) {
        let TerminalSettings { merchant, mac, takes_partial } = *settings;
        if self.merchant != merchant || self.mac != mac {
            self.signed_on = !self.profile.carries_mac;
        }
        (self.merchant, self.mac, self.profile.takes_partial) = (merchant, mac, takes_partial);
    }
}

/// A range of card numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// How many were added before it.
    pub number: u32,
    /// As it was added.
    pub route: Route,
    /// Whether an operator took it out.
    pub removed: bool,
}

/// A card of the embedded issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRow {
    /// Number of its account.
    pub number: u32,
    /// First and last digits.
    pub masked: MaskedPan,
    /// Currency of its account.
    pub currency: Currency,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// A version of a fee plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePlanRow {
    /// How many were set before it.
    pub number: u32,
    /// As it was set.
    pub plan: FeePlan,
}

impl Kind for MerchantRow {
    const PREFIX: u8 = b'm';
}
impl Kind for TerminalRow {
    const PREFIX: u8 = b't';
}
impl Kind for LinkRow {
    const PREFIX: u8 = b'l';
}
impl Kind for RouteRow {
    const PREFIX: u8 = b'r';
}
impl Kind for CardRow {
    const PREFIX: u8 = b'c';
}
impl Kind for FeePlanRow {
    const PREFIX: u8 = b'f';
}
