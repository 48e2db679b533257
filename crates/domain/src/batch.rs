//! A terminal's batch and what its close compares.

use crate::ids::Stan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Count and sum of one side of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Side {
    /// Minor units.
    pub amount_minor: u64,
    /// Transactions.
    pub count: u32,
}
impl Side {
    /// Adds one transaction.
    pub fn add(&mut self, amount_minor: u64) {
        self.amount_minor = self.amount_minor.saturating_add(amount_minor);
        self.count = self.count.saturating_add(1);
    }
    /// Both together.
    fn with(self, other: Self) -> Self {
        Self {
            amount_minor: self.amount_minor.saturating_add(other.amount_minor),
            count: self.count.saturating_add(other.count),
        }
    }
    /// Whether a side of this count and amount can be told like `told`, which has three digits for the count: terminals whose
    /// count is longer leave out the thousands or write nines.
    pub fn is_told_by(&self, told: &Self) -> bool {
        let count = [self.count, self.count % 1_000, self.count.min(999)];
        self.amount_minor == told.amount_minor && count.contains(&told.count)
    }
    /// Takes one transaction away again.
    pub fn remove(&mut self, amount_minor: u64) {
        self.amount_minor = self.amount_minor.saturating_sub(amount_minor);
        self.count = self.count.saturating_sub(1);
    }
}

/// Debits (sales, completions) and credits (voids, refunds) of a group of cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct BatchSums {
    /// What cardholders paid.
    pub debit: Side,
    /// What cardholders got back.
    pub credit: Side,
}

impl BatchSums {
    /// Whether these can be told like `told`, in three digits a count.
    pub fn are_told_by(&self, told: &Self) -> bool {
        self.debit.is_told_by(&told.debit) && self.credit.is_told_by(&told.credit)
    }
}

/// The totals of DE 48 in 0500 and 0510: domestic and foreign cards apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct BatchTotals {
    /// Domestic cards.
    pub domestic: BatchSums,
    /// Foreign cards.
    pub foreign: BatchSums,
}

impl BatchTotals {
    /// As a terminal that does not tell cards apart counts: both groups in one.
    #[must_use]
    pub fn undivided(&self) -> Self {
        let Self { domestic, foreign } = *self;
        let domestic = BatchSums {
            debit: domestic.debit.with(foreign.debit),
            credit: domestic.credit.with(foreign.credit),
        };
        Self { domestic, foreign: BatchSums::default() }
    }
}

/// The verdict digit of DE 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchVerdict {
    /// 1: both sides say the same.
    Balanced,
    /// 2: they differ; the upload follows.
    Unbalanced,
    /// 3: it cannot be compared.
    Error,
}
impl BatchVerdict {
    /// The digit on the wire.
    pub fn digit(self) -> u8 {
        match self {
            Self::Balanced => b'1',
            Self::Unbalanced => b'2',
            Self::Error => b'3',
        }
    }
}
impl fmt::Display for BatchVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balanced => "balanced",
            Self::Unbalanced => "unbalanced",
            Self::Error => "error",
        })
    }
}

/// How one transaction of an uploaded batch differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchCaseKind {
    /// The terminal has it, the host does not.
    TerminalOnly,
    /// The host has it, the terminal did not upload it.
    HostOnly,
    /// Both have it, with other amounts.
    Amount,
    /// Both have it, with other cards.
    Card,
    /// The terminal took it back, but with another amount or kind, too late, or after something had followed it: it
    /// stands at the host.
    Reversal,
}

/// One difference that an operator resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchCase {
    /// What differs.
    pub kind: BatchCaseKind,
    /// Trace number of the transaction.
    pub stan: Stan,
    /// Minor units at the terminal, 0 where it has none.
    pub terminal_minor: u64,
    /// Minor units at the host, 0 where it has none.
    pub host_minor: u64,
}
