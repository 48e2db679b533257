//! What happened on one account, and what stood on it after any record.
//!
//! An account can be followed without the rest of the book: a posting says what it does, and the end of a hold needs
//! only the hold, which the same account saw placed. So the records may be all of the log or only those that name
//! the account, as an index finds them.

use std::collections::BTreeMap;
use std::ops::Range;
use switchyard_domain::{AccountId, Entry, HoldId, Phase, Posting, Timestamp};

use crate::balance::Balance;
use crate::error::BookError;

/// Which side of a posting an account stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Debited.
    Debit,
    /// Credited.
    Credit,
}

/// One posting as one of its two accounts sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementLine {
    /// Sequence of the record.
    pub sequence: u64,
    /// Time of the record.
    pub at: Timestamp,
    /// Side of this account.
    pub side: Side,
    /// The account on the other side.
    pub counterpart: AccountId,
    /// Minor units of the posting: moved, reserved, or for the end of a hold what the posting repeats.
    pub amount_minor: u64,
    /// What the posting does.
    pub phase: Phase,
    /// Minor units that were under the hold, when it ends one.
    pub released_minor: u64,
    /// The account after it.
    pub balance: Balance,
}

/// One account, followed through the records in their order.
#[derive(Debug, Clone)]
pub struct AccountHistory {
    account: AccountId,
    balance: Balance,
    holds: BTreeMap<HoldId, (Side, u64)>,
}

impl AccountHistory {
    /// The account before anything touched it.
    pub fn new(account: AccountId) -> Self {
        Self { account, balance: Balance::default(), holds: BTreeMap::new() }
    }
    /// The account followed.
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// What stands on it after the records so far.
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// Takes the entry of the next record and hands each line of it to `line`. Records that do not name the account
    /// may be left out.
    ///
    /// # Errors
    /// `HoldNotOpen` when a record that placed a hold was left out, `HoldExists` and `Overflow` when the records are
    /// not those of one log.
    pub fn take(
        &mut self,
        sequence: u64,
        at: Timestamp,
        entry: &Entry,
        mut line: impl FnMut(StatementLine),
    ) -> Result<(), BookError> {
        for posting in &entry.0 {
            let (side, counterpart) = if posting.debit == self.account {
                (Side::Debit, posting.credit)
            } else if posting.credit == self.account {
                (Side::Credit, posting.debit)
            } else {
                continue;
            };
            let released_minor = self.take_posting(side, posting)?;
            let Posting { amount_minor, phase, .. } = *posting;
            let balance = self.balance;
            line(StatementLine {
                sequence,
                at,
                side,
                counterpart,
                amount_minor,
                phase,
                released_minor,
                balance,
            });
        }
        Ok(())
    }

    fn take_posting(&mut self, side: Side, posting: &Posting) -> Result<u64, BookError> {
        let overflow = BookError::Overflow { account: self.account };
        let add = |cell: &mut u64, minor| {
            *cell = cell.checked_add(minor).ok_or(overflow)?;
            Ok(())
        };
        let released_minor = match posting.phase {
            Phase::Posted | Phase::Pending(_) => 0,
            Phase::PostPending(hold) | Phase::VoidPending(hold) => {
                let (side, minor) = self.holds.remove(&hold).ok_or(BookError::HoldNotOpen { hold })?;
                *self.column(side, true) -= minor;
                minor
            }
        };
        match posting.phase {
            Phase::Posted | Phase::PostPending(_) => add(self.column(side, false), posting.amount_minor)?,
            Phase::Pending(hold) => {
                add(self.column(side, true), posting.amount_minor)?;
                if self.holds.insert(hold, (side, posting.amount_minor)).is_some() {
                    return Err(BookError::HoldExists { hold });
                }
            }
            Phase::VoidPending(_) => {}
        }
        Ok(released_minor)
    }

    fn column(&mut self, side: Side, pending: bool) -> &mut u64 {
        match (side, pending) {
            (Side::Debit, false) => &mut self.balance.debits_posted,
            (Side::Debit, true) => &mut self.balance.debits_pending,
            (Side::Credit, false) => &mut self.balance.credits_posted,
            (Side::Credit, true) => &mut self.balance.credits_pending,
        }
    }
}

/// An account over a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: AccountId,
    /// Sequences covered.
    pub sequences: Range<u64>,
    /// What stood on it before the first of them.
    pub opening: Balance,
    /// What happened, in order.
    pub lines: Vec<StatementLine>,
    /// What stood on it after the last of them.
    pub closing: Balance,
}

/// Makes a statement of records in their order, from the first of the log on.
///
/// ```
/// use switchyard_book::StatementBuilder;
/// use switchyard_domain::{AccountId, AccountKind, Currency, Entry, Phase, Timestamp};
/// let bank = AccountId::own(AccountKind::Bank, Currency::CNY);
/// let wallet = AccountId::of(AccountKind::Wallet, 0, Currency::CNY);
/// let mut builder = StatementBuilder::new(wallet, 1..2);
/// for (sequence, minor) in [(0, 500), (1, 70), (2, 9)] {
///     builder.take(sequence, Timestamp(sequence), &Entry::one(bank, wallet, minor, Phase::Posted))?;
/// }
/// let statement = builder.finish();
/// assert_eq!(statement.opening.net_credit_minor(), 500);
/// assert_eq!(statement.lines.len(), 1);
/// assert_eq!(statement.closing.net_credit_minor(), 570);
/// # Ok::<(), switchyard_book::BookError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StatementBuilder {
    history: AccountHistory,
    sequences: Range<u64>,
    opening: Balance,
    lines: Vec<StatementLine>,
    closing: Balance,
}

impl StatementBuilder {
    /// A statement of an account over these sequences. The balance at a sequence is the closing balance of any
    /// statement that ends behind it.
    pub fn new(account: AccountId, sequences: Range<u64>) -> Self {
        let history = AccountHistory::new(account);
        let balance = history.balance();
        Self { history, sequences, opening: balance, lines: Vec::new(), closing: balance }
    }
    /// Whether records from this sequence on change nothing about the statement.
    pub fn is_complete_before(&self, sequence: u64) -> bool {
        sequence >= self.sequences.end
    }

    /// Takes the entry of a record; records come in order, those that do not name the account may be left out.
    ///
    /// # Errors
    /// As [`AccountHistory::take`].
    pub fn take(&mut self, sequence: u64, at: Timestamp, entry: &Entry) -> Result<(), BookError> {
        if self.is_complete_before(sequence) {
            return Ok(());
        }
        if sequence < self.sequences.start {
            self.history.take(sequence, at, entry, |_| {})?;
            self.opening = self.history.balance();
        } else {
            self.history.take(sequence, at, entry, |line| self.lines.push(line))?;
        }
        self.closing = self.history.balance();
        Ok(())
    }
    /// The statement.
    pub fn finish(self) -> Statement {
        Statement {
            account: self.history.account(),
            sequences: self.sequences,
            opening: self.opening,
            lines: self.lines,
            closing: self.closing,
        }
    }
}
