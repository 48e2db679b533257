//! Why the book refuses.

use switchyard_domain::{AccountId, HoldId, TransferId};

/// Why an entry does not apply; the book is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The account may not be debited so far: answer "insufficient funds".
    #[error("{account}: {need} needed, {available} available")]
    Overdraft {
        /// The account that would go below its limit.
        account: AccountId,
        /// Minor units that were to be debited.
        need: u64,
        /// Minor units that may be.
        available: i128,
    },
    /// The account may not be credited so far: answer "exceeds amount limit".
    #[error("{account}: {need} to be credited, room for {available}")]
    CreditLimit {
        /// The account that would go above its limit.
        account: AccountId,
        /// Minor units that were to be credited.
        need: u64,
        /// Minor units that may be.
        available: i128,
    },
    /// The account takes nothing new.
    #[error("{account} is closed")]
    Closed {
        /// The account.
        account: AccountId,
    },
    /// Debit and credit side are in different currencies.
    #[error("{debit} and {credit} are in different currencies")]
    Currency {
        /// The debit side.
        debit: AccountId,
        /// The credit side.
        credit: AccountId,
    },
    /// Debit and credit side are one account.
    #[error("{account} on both sides")]
    SameAccount {
        /// The account.
        account: AccountId,
    },
    /// The hold does not exist, or was ended before.
    #[error("hold {hold} is not open")]
    HoldNotOpen {
        /// The hold.
        hold: HoldId,
    },
    /// The hold exists already.
    #[error("hold {hold} is open already")]
    HoldExists {
        /// The hold.
        hold: HoldId,
    },
    /// The posting that ends the hold names other accounts than the one that placed it.
    #[error("hold {hold} is between other accounts")]
    HoldDiffers {
        /// The hold.
        hold: HoldId,
    },
    /// A sum would leave 64 bits.
    #[error("{account}: sum out of range")]
    Overflow {
        /// The account.
        account: AccountId,
    },
    /// Another transfer has this id.
    #[error("transfer {id} was another one")]
    TransferDiffers {
        /// The id.
        id: TransferId,
    },
    /// The id is of a day whose transfers are no longer remembered: whether it is a repeat cannot be told.
    #[error("transfer {id} is too old")]
    TransferTooOld {
        /// The id.
        id: TransferId,
    },
    /// A transfer stands in the log twice.
    #[error("transfer {id} is repeated")]
    TransferRepeated {
        /// The id.
        id: TransferId,
    },
    /// A transfer has more postings than one may have.
    #[error("{have} postings, {max} at most")]
    Postings {
        /// How many it has.
        have: usize,
        /// How many it may have.
        max: usize,
    },
}
