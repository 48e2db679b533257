//! Why a day cannot be planned or its files cannot be made.

use crate::invariant::Broken;
use std::path::PathBuf;
use switchyard_domain::{BusinessDate, Currency, MerchantIndex, TerminalIndex, TransactionId};

/// Grouped by what the operator does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Records are missing or repeated: verify the ledger, then read it again.
    #[error("record {have} came where record {need} was due")]
    Sequence {
        /// The sequence that was due.
        need: u64,
        /// The sequence that came.
        have: u64,
    },
    /// The first record is not the genesis: give the planner the whole log.
    #[error("record {sequence} comes before any genesis record")]
    NoGenesis {
        /// Its sequence.
        sequence: u64,
    },
    /// A cut names a day that is not open, or a day after it that is not later: verify the ledger.
    #[error("record {sequence} cuts day {have} while day {open} is open")]
    DayOrder {
        /// Sequence of the cut.
        sequence: u64,
        /// The day that is open.
        open: BusinessDate,
        /// The day that it cuts.
        have: BusinessDate,
    },
    /// The day has not been cut yet: wait, or cut it.
    #[error("day {day} has not been cut")]
    DayOpen {
        /// The day asked for.
        day: BusinessDate,
    },
    /// The day was never open.
    #[error("there is no business day {day}")]
    NoSuchDay {
        /// The day asked for.
        day: BusinessDate,
    },
    /// What an earlier day carries over is not recorded yet: settle that day first.
    #[error("day {day} has to be settled first")]
    EarlierDayUnsettled {
        /// The earlier day.
        day: BusinessDate,
    },
    /// A merchant that no record registered: verify the ledger.
    #[error("record {sequence} names merchant {merchant}, which is not registered")]
    UnknownMerchant {
        /// Sequence of the record.
        sequence: u64,
        /// The merchant.
        merchant: MerchantIndex,
    },
    /// A terminal that no record registered: verify the ledger.
    #[error("a movement names terminal {terminal}, which is not registered")]
    UnknownTerminal {
        /// The terminal.
        terminal: TerminalIndex,
    },
    /// A kind of transaction that moves nothing has a movement: verify the ledger.
    #[error("record {sequence} has a movement but its kind moves no money")]
    IdleMovement {
        /// Sequence of the record.
        sequence: u64,
    },
    /// No version of the merchant's fee plan prices that day: set one.
    #[error("merchant {merchant}: fee plan {plan} has no version for {day}")]
    NoFeePlan {
        /// The merchant.
        merchant: MerchantIndex,
        /// Number of its plan.
        plan: u32,
        /// The business day of the original transaction.
        day: BusinessDate,
    },
    /// The original of a refund that returns a fee was not found: read the log again with
    /// `Planner::observe_original`, or verify the ledger.
    #[error("merchant {merchant}: the original of refund {transaction} was not found")]
    RefundUntraced {
        /// The merchant.
        merchant: MerchantIndex,
        /// The refund.
        transaction: TransactionId,
    },
    /// A sum does not fit.
    #[error("merchant {merchant}: a sum is out of range")]
    Range {
        /// The merchant.
        merchant: MerchantIndex,
    },
    /// More movements than a day may have.
    #[error("more than {max} movements in one day")]
    TooManyMovements {
        /// The limit.
        max: usize,
    },
    /// The ledger already has another net of this day: do not release, find out why.
    #[error("merchant {merchant}: the recorded net of {currency} differs from the plan")]
    RecordedDiffers {
        /// The merchant.
        merchant: MerchantIndex,
        /// The currency.
        currency: Currency,
    },
    /// The plan contradicts the ledger or itself: do not release, find out why.
    #[error("a settlement invariant does not hold")]
    Invariant(#[from] Broken),
    /// A payout cannot be written as an instruction: correct the merchant's account.
    #[error("merchant {merchant}: {what} cannot stand in a payment file")]
    NotPayable {
        /// The merchant.
        merchant: MerchantIndex,
        /// What is wrong.
        what: &'static str,
    },
    /// The acquirer's own account, by which it pays, cannot stand in a payment file: correct the configuration.
    #[error("the paying account: {what} cannot stand in a payment file")]
    Payer {
        /// What is wrong.
        what: &'static str,
    },
    /// Another file has the name already; it is never overwritten.
    #[error("{path} exists with digest {have}, the new one has {need}")]
    FileDiffers {
        /// The file.
        path: PathBuf,
        /// Digest of what exists, in hex.
        have: String,
        /// Digest of what was to be written, in hex.
        need: String,
    },
    /// A file could not be read or written.
    #[error("{path}: cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
