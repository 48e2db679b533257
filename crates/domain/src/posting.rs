//! Double entry: what a record does to the accounts.

use crate::account::AccountId;
use crate::ids::HoldId;
use crate::time::{BusinessDate, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// When a posting takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// At once.
    Posted,
    /// Reserved under a hold: it lowers what is available and moves nothing.
    Pending(HoldId),
    /// Ends the hold and moves the posting's amount, which may be less or more than was held.
    PostPending(HoldId),
    /// Ends the hold and moves nothing; the amount repeats the hold's.
    VoidPending(HoldId),
}

/// One movement of value: the debit equals the credit because it is one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Posting {
    /// Account debited.
    pub debit: AccountId,
    /// Account credited, in the same currency.
    pub credit: AccountId,
    /// Minor units of that currency.
    pub amount_minor: u64,
    /// When it takes effect.
    pub phase: Phase,
}

/// Postings that stand or fall together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Entry(pub Vec<Posting>);

impl Entry {
    /// Nothing moves.
    pub const NONE: Self = Self(Vec::new());
    /// One posting.
    pub fn one(debit: AccountId, credit: AccountId, amount_minor: u64, phase: Phase) -> Self {
        Self(vec![Posting { debit, credit, amount_minor, phase }])
    }
    /// Whether nothing moves.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Names a transfer, so that a repeat is known as one.
///
/// The day is the one that was open when the id was made. It bounds what has to be remembered: an id of a day that
/// is no longer remembered is refused, and never taken for new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransferId {
    /// Business day that was open when the id was made.
    pub day: BusinessDate,
    /// Unique within the day: counted, or random.
    pub number: u64,
}

impl TransferId {
    /// Business days after its own for which a transfer is remembered.
    pub const DAYS_KEPT: u32 = 35;
}
impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.day, self.number)
    }
}

/// An entry that may be asked for more than once and takes effect once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// What moves, all or nothing.
    pub entry: Entry,
    /// When the holds that it places end by themselves.
    pub holds_until: Option<Timestamp>,
}

impl Transfer {
    /// Most postings of one transfer, so that its record has room in the ledger.
    pub const POSTINGS_MAX: usize = 1_024;
}
