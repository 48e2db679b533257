//! Double entry: what a record does to the accounts.

use crate::account::AccountId;
use crate::ids::HoldId;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
