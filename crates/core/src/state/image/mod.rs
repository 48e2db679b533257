//! The state in sections of bytes: what a snapshot holds.
//!
//! [`State::sections`] gives them, in order; whoever keeps them gives them back to [`Part::parse`] (in any
//! order, on any thread) and the parts to [`Restore`]. The digest of the state is over these same sections, so
//! that a state that was loaded has the digest of the one that was written, or is refused.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Part, Restore};
pub use write::Digest;

use crate::key::Ceremony;
use crate::state::Origin;
use crate::state::cases::Cases;
use crate::state::registry::LinkTerms;
use crate::state::requests::ReversalTaken;
use crate::state::rows::check;
use crate::state::transactions::{CardKeyUse, Transaction};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{
    Amount, AuthCode, BusinessDate, ChipData, FeePlan, KeyName, KeyOffer, KeyRecord, Link, LinkMode,
    MerchantIndex, Product, RiskRules, Route, RoutingRules, SafEntry, SafId, ScriptReport, StandInRules,
    TerminalIndex, Timestamp, TransactionId,
};

/// Version of the sections' content. Raise it whenever one is written differently: a snapshot of another
/// version is ignored, and the ledger is replayed.
pub const FORMAT: u32 = 18;

/// Items of one section of a list.
const LIST_ITEMS: usize = 4_096;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum SectionKind {
    /// Counters, queues, and how much of the rest there is.
    Head = 1,
    /// Merchants, in order of registration.
    Merchants = 2,
    /// Terminals with their working keys.
    Terminals = 3,
    /// Links, routes, keys, fee plans, card products.
    Terms = 4,
    /// Cards of the embedded issuer.
    Cards = 5,
    /// Each terminal's batch.
    Batches = 6,
    /// Accounts and holds.
    Book = 7,
    /// Keys of requests.
    Requests = 8,
    /// Keys that a reversal has shut.
    Tombstones = 9,
    /// Pre-authorizations by authorization code.
    AuthCodes = 10,
    /// Reversals that were answered.
    Reversals = 11,
    /// Transactions.
    Transactions = 12,
    /// The hot-card list.
    Blocked = 13,
    /// Limits and risk rules with what they hold, and since when they count.
    Risk = 14,
    /// What they have counted.
    RiskCounters = 15,
    /// People who can log in.
    Users = 16,
    /// What terminals download, have and say.
    Devices = 17,
    /// Rates of currencies.
    Rates = 18,
}

impl SectionKind {
    /// Every kind, in the order of a snapshot.
    const ALL: [Self; 18] = [
        Self::Head,
        Self::Merchants,
        Self::Terminals,
        Self::Terms,
        Self::Cards,
        Self::Batches,
        Self::Book,
        Self::Requests,
        Self::Tombstones,
        Self::AuthCodes,
        Self::Reversals,
        Self::Transactions,
        Self::Blocked,
        Self::Risk,
        Self::RiskCounters,
        Self::Users,
        Self::Devices,
        Self::Rates,
    ];
}

/// A piece of the state.
#[derive(Debug)]
pub struct Section<'s> {
    /// What it holds.
    pub kind: SectionKind,
    /// Which of its kind.
    pub index: u64,
    /// Its content.
    pub bytes: Cow<'s, [u8]>,
    /// What it adds to the digest of the state.
    digest: u64,
}

impl Section<'_> {
    /// Takes rows apart, which a start does not do: to be called before a snapshot is kept.
    ///
    /// # Errors
    /// [`ImageError::Malformed`] when they cannot be, or their summary is that of others.
    pub fn check(&self) -> Result<(), ImageError> {
        let checked = match self.kind {
            SectionKind::Transactions => check::<Transaction>(&self.bytes, self.index),
            SectionKind::Reversals => check::<ReversalTaken>(&self.bytes, self.index),
            SectionKind::Head
            | SectionKind::Merchants
            | SectionKind::Terminals
            | SectionKind::Terms
            | SectionKind::Cards
            | SectionKind::Batches
            | SectionKind::Book
            | SectionKind::Requests
            | SectionKind::Tombstones
            | SectionKind::AuthCodes
            | SectionKind::Blocked
            | SectionKind::Risk
            | SectionKind::RiskCounters
            | SectionKind::Users
            | SectionKind::Devices
            | SectionKind::Rates => Ok(()),
        };
        checked.map_err(|_| ImageError::Malformed { kind: self.kind, index: self.index })
    }
}

/// Why sections are not those of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A kind of section that this version does not know.
    #[error("section of unknown kind {kind}")]
    Kind {
        /// The number found.
        kind: u16,
    },
    /// The bytes of a section are not what it should hold.
    #[error("malformed section {kind:?} {index}")]
    Malformed {
        /// What it should hold.
        kind: SectionKind,
        /// Which of its kind.
        index: u64,
    },
    /// A section is there twice, or one is missing, or one too many.
    #[error("sections {kind:?} do not fit together")]
    Count {
        /// Of which kind.
        kind: SectionKind,
    },
}

/// The order of fields is the format.
#[derive(Serialize, Deserialize)]
struct Head {
    origin: Option<Origin>,
    day: Option<BusinessDate>,
    days_to_net: Vec<BusinessDate>,
    references: u64,
    link_stans: Vec<u32>,
    records: u64,
    last_at: Timestamp,
    waiting: Vec<(SafId, SafEntry)>,
    dead: Vec<(SafId, SafEntry)>,
    next_saf: u64,
    cases: Cases,
    transactions: u64,
    reversals: u64,
    card_keys: Vec<(u16, CardKeyUse)>,
    saf_card_keys: Vec<(SafId, u16)>,
    saf_tries: Vec<(SafId, u32)>,
    saf_scripts: Vec<(SafId, ScriptReport)>,
    saf_chips: Vec<(TransactionId, ChipData)>,
}

/// The order of fields is the format.
#[derive(Serialize, Deserialize)]
struct Terms {
    version: u64,
    disabled_merchants: BTreeSet<MerchantIndex>,
    links: Vec<Link>,
    link_modes: Vec<LinkMode>,
    link_terms: Vec<LinkTerms>,
    routes: Vec<Route>,
    keys: Vec<(KeyName, KeyRecord)>,
    fee_plans: Vec<FeePlan>,
    ceremonies: Vec<(KeyName, Ceremony)>,
    offers: BTreeMap<TerminalIndex, KeyOffer>,
    lmk: Option<[u8; 4]>,
    merchant_changes: u64,
    products: Vec<Product>,
}

/// The order of fields is the format.
#[derive(Serialize, Deserialize)]
struct RiskImage {
    rules: RiskRules,
    routing: RoutingRules,
    stand_in: StandInRules,
    since: Vec<(u32, TransactionId)>,
    held: Vec<(TransactionId, (MerchantIndex, Amount))>,
    held_standing: BTreeSet<TransactionId>,
}

type AuthCodes = ((MerchantIndex, AuthCode), Vec<TransactionId>);
