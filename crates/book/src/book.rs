//! The book: every account with its balance, every open hold, every transfer that is remembered.

use std::collections::BTreeMap;
use switchyard_domain::{
    AccountId, AccountRules, BusinessDate, Currency, Entry, HoldId, Phase, Posting, Record, Timestamp,
    Transfer, TransferId,
};

use crate::balance::{Balance, TrialBalance};
use crate::error::BookError;
use crate::hold::{Hold, Holds};
use crate::sharded::Sharded;
use crate::stage::{Account, Stage};
use crate::transfer::{Taken, Transfers};

/// Accounts, holds and transfers. Iteration never depends on the hasher: whatever leaves the book is ordered.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub(crate) accounts: Sharded<AccountId, Account>,
    /// Rules of accounts for which others than those of their kind were recorded.
    pub(crate) rules: BTreeMap<AccountId, AccountRules>,
    pub(crate) holds: Holds,
    pub(crate) transfers: Transfers,
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }
    /// The balance of an account; zero for one that was never touched.
    pub fn balance(&self, account: AccountId) -> Balance {
        self.account(account).balance
    }
    /// What an account takes.
    pub fn rules(&self, account: AccountId) -> AccountRules {
        self.rules_of(account, self.account(account).ruled)
    }
    /// The accounts that have rules of their own, and these rules.
    pub fn own_rules(&self) -> impl Iterator<Item = (AccountId, AccountRules)> {
        self.rules.iter().map(|(account, rules)| (*account, *rules))
    }
    /// An open hold.
    pub fn hold(&self, hold: HoldId) -> Option<Hold> {
        self.holds.get(hold).copied()
    }
    /// Minor units under an open hold.
    pub fn held_minor(&self, hold: HoldId) -> Option<u64> {
        self.holds.get(hold).map(|h| h.amount_minor)
    }
    /// Every account in order.
    pub fn accounts(&self) -> BTreeMap<AccountId, Balance> {
        self.accounts.iter().map(|(id, account)| (*id, account.balance)).collect()
    }
    /// Every open hold in order, with the minor units it reserves.
    pub fn holds(&self) -> BTreeMap<HoldId, u64> {
        self.holds.ordered().into_iter().map(|(id, hold)| (id, hold.amount_minor)).collect()
    }
    /// Every open hold in the order of its number: those of transactions, then those of transfers.
    pub fn holds_placed(&self) -> impl Iterator<Item = HoldId> {
        self.holds.placed()
    }
    /// Transfers that are remembered.
    pub fn transfer_count(&self) -> usize {
        self.transfers.count()
    }
    /// Sums per currency.
    pub fn trial_balance(&self) -> BTreeMap<Currency, TrialBalance> {
        let mut sums: BTreeMap<Currency, TrialBalance> = BTreeMap::new();
        for (id, account) in self.accounts.iter() {
            sums.entry(id.currency).or_default().add(&account.balance);
        }
        sums
    }

    /// Whether the entry would apply.
    ///
    /// # Errors
    /// As [`Book::apply`].
    pub fn check(&self, entry: &Entry) -> Result<(), BookError> {
        self.stage(&mut Stage::default(), entry, None)
    }
    /// Whether all of these entries would apply, one after the other.
    ///
    /// # Errors
    /// As [`Book::apply`], by the first entry that does not.
    pub fn check_all<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<(), BookError> {
        let mut stage = Stage::default();
        entries.into_iter().try_for_each(|entry| self.stage(&mut stage, entry, None))
    }
    /// Applies every posting of the entry, or none.
    ///
    /// # Errors
    /// [`BookError`] by the first posting that does not apply.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), BookError> {
        let mut stage = Stage::default();
        self.stage(&mut stage, entry, None)?;
        self.commit(stage);
        Ok(())
    }

    /// Whether a transfer would take effect, or has.
    ///
    /// # Errors
    /// As [`Book::transfer`].
    pub fn check_transfer(&self, transfer: &Transfer) -> Result<Taken, BookError> {
        match self.transfers.find(transfer)? {
            Some(taken) => Ok(taken),
            None => self.stage_transfer(&mut Stage::default(), transfer).map(|()| Taken::Applied),
        }
    }
    /// Applies a transfer once. The same transfer again changes nothing; a refused one is not remembered and may be
    /// asked for again under its id.
    ///
    /// # Errors
    /// `TransferDiffers` and `TransferTooOld` by the id, `Postings` by the length, and otherwise as [`Book::apply`].
    pub fn transfer(&mut self, transfer: &Transfer) -> Result<Taken, BookError> {
        if let Some(taken) = self.transfers.find(transfer)? {
            return Ok(taken);
        }
        let mut stage = Stage::default();
        self.stage_transfer(&mut stage, transfer)?;
        self.commit(stage);
        self.transfers.insert(transfer);
        Ok(Taken::Applied)
    }
    /// Forgets transfers of the days before `day`; a repeat of one is refused from then on.
    pub fn forget_transfers_before(&mut self, day: BusinessDate) {
        self.transfers.forget_before(day);
    }

    /// Records what an account takes from now on. What stands on it stays as it is.
    pub fn set_rules(&mut self, account: AccountId, rules: AccountRules) {
        let ruled = rules != AccountRules::of(account.kind);
        if ruled {
            self.rules.insert(account, rules);
        } else {
            self.rules.remove(&account);
        }
        // An account that nothing touched yet is not made by this: it would show up in every listing.
        if let Some(held) = self.accounts.get_mut(&account) {
            held.ruled = ruled;
        }
    }

    /// The entry that ends holds whose time is over at `now`, soonest first, [`Transfer::POSTINGS_MAX`] at most; empty
    /// when there are none. The holds stand until it is applied.
    pub fn due(&self, now: Timestamp) -> Entry {
        let ends = self.holds.due(now).take(Transfer::POSTINGS_MAX).map(|(id, hold)| Posting {
            debit: hold.debit,
            credit: hold.credit,
            amount_minor: hold.amount_minor,
            phase: Phase::VoidPending(id),
        });
        Entry(ends.collect())
    }

    /// Applies what a record does to the accounts; most records do nothing to them.
    ///
    /// # Errors
    /// [`BookError`] when the log could not have been written by this book.
    pub fn replay(&mut self, record: &Record) -> Result<(), BookError> {
        match record {
            Record::Transferred(transfer) => match self.transfer(transfer)? {
                Taken::Applied => Ok(()),
                Taken::Exists => Err(BookError::TransferRepeated { id: transfer.id }),
            },
            // A log of before these were refused may still have one; no entry of it was decided against it.
            Record::AccountRulesSet { account, .. } if account.kind.takes_everything() => Ok(()),
            Record::AccountRulesSet { account, rules } => {
                self.set_rules(*account, *rules);
                Ok(())
            }
            Record::DayCut { next, .. } => {
                let first = next.0.saturating_sub(TransferId::DAYS_KEPT);
                self.forget_transfers_before(BusinessDate(first));
                Ok(())
            }
            other => other.entry().map_or(Ok(()), |entry| self.apply(entry)),
        }
    }
}

/// Staging: nothing of the book changes before all of an entry is known to apply.
impl Book {
    fn account(&self, id: AccountId) -> Account {
        let unseen = || Account { ruled: self.rules.contains_key(&id), ..Account::default() };
        self.accounts.get(&id).copied().unwrap_or_else(unseen)
    }
    fn rules_of(&self, id: AccountId, ruled: bool) -> AccountRules {
        let own = if ruled { self.rules.get(&id).copied() } else { None };
        own.unwrap_or_else(|| AccountRules::of(id.kind))
    }

    fn commit(&mut self, stage: Stage) {
        stage.accounts().for_each(|(id, account)| self.accounts.insert(id, account));
        for (id, hold) in stage.holds {
            match hold {
                Some(hold) => self.holds.insert(id, hold),
                None => self.holds.remove(id),
            }
        }
    }

    fn stage_transfer(&self, stage: &mut Stage, transfer: &Transfer) -> Result<(), BookError> {
        let (have, max) = (transfer.entry.0.len(), Transfer::POSTINGS_MAX);
        if have > max {
            return Err(BookError::Postings { have, max });
        }
        self.stage(stage, &transfer.entry, transfer.holds_until)
    }

    fn stage(
        &self,
        stage: &mut Stage,
        entry: &Entry,
        expires_at: Option<Timestamp>,
    ) -> Result<(), BookError> {
        entry.0.iter().try_for_each(|posting| self.stage_one(stage, posting, expires_at))
    }

    fn stage_one(
        &self,
        stage: &mut Stage,
        posting: &Posting,
        expires_at: Option<Timestamp>,
    ) -> Result<(), BookError> {
        let Posting { debit, credit, amount_minor, phase } = *posting;
        if debit == credit {
            return Err(BookError::SameAccount { account: debit });
        }
        if debit.currency != credit.currency {
            return Err(BookError::Currency { debit, credit });
        }
        match phase {
            Phase::Posted => {
                self.demand(stage, posting)?;
                self.post(stage, posting)
            }
            Phase::Pending(id) => {
                if self.staged_hold(stage, id).is_some() {
                    return Err(BookError::HoldExists { hold: id });
                }
                self.demand(stage, posting)?;
                self.add(stage, debit, |b| &mut b.debits_pending, amount_minor)?;
                self.add(stage, credit, |b| &mut b.credits_pending, amount_minor)?;
                stage.holds.insert(id, Some(Hold { debit, credit, amount_minor, expires_at }));
                Ok(())
            }
            Phase::PostPending(id) => {
                let held = self.close(stage, id, posting)?;
                // What was reserved is owed, even where the account takes nothing new by now.
                if amount_minor > held.amount_minor {
                    self.demand(stage, posting)?;
                }
                self.post(stage, posting)
            }
            Phase::VoidPending(id) => self.close(stage, id, posting).map(drop),
        }
    }

    fn post(&self, stage: &mut Stage, posting: &Posting) -> Result<(), BookError> {
        self.add(stage, posting.debit, |b| &mut b.debits_posted, posting.amount_minor)?;
        self.add(stage, posting.credit, |b| &mut b.credits_posted, posting.amount_minor)
    }

    fn staged_hold(&self, stage: &Stage, id: HoldId) -> Option<Hold> {
        match stage.holds.get(&id) {
            Some(staged) => *staged,
            None => self.hold(id),
        }
    }

    fn close(&self, stage: &mut Stage, id: HoldId, posting: &Posting) -> Result<Hold, BookError> {
        let open = self.staged_hold(stage, id).ok_or(BookError::HoldNotOpen { hold: id })?;
        if (open.debit, open.credit) != (posting.debit, posting.credit) {
            return Err(BookError::HoldDiffers { hold: id });
        }
        stage.holds.insert(id, None);
        // The hold put these here, so they are there to be taken away.
        self.staged(stage, open.debit).balance.debits_pending -= open.amount_minor;
        self.staged(stage, open.credit).balance.credits_pending -= open.amount_minor;
        Ok(open)
    }

    /// That both accounts take this much more.
    fn demand(&self, stage: &mut Stage, posting: &Posting) -> Result<(), BookError> {
        let need = posting.amount_minor;
        let (debit, credit) = (posting.debit, posting.credit);
        let Account { balance, ruled } = *self.staged(stage, debit);
        let rules = self.rules_of(debit, ruled);
        if rules.closed {
            return Err(BookError::Closed { account: debit });
        }
        if let Some(limit) = rules.debit_limit_minor {
            let available = balance.available_credit_minor() + i128::from(limit);
            if i128::from(need) > available {
                return Err(BookError::Overdraft { account: debit, need, available });
            }
        }
        let Account { balance, ruled } = *self.staged(stage, credit);
        let rules = self.rules_of(credit, ruled);
        if rules.closed {
            return Err(BookError::Closed { account: credit });
        }
        if let Some(limit) = rules.credit_limit_minor {
            let held = i128::from(balance.credits_pending);
            let available = i128::from(limit) - balance.net_credit_minor() - held;
            if i128::from(need) > available {
                return Err(BookError::CreditLimit { account: credit, need, available });
            }
        }
        Ok(())
    }

    fn add(
        &self,
        stage: &mut Stage,
        account: AccountId,
        column: fn(&mut Balance) -> &mut u64,
        minor: u64,
    ) -> Result<(), BookError> {
        let cell = column(&mut self.staged(stage, account).balance);
        *cell = cell.checked_add(minor).ok_or(BookError::Overflow { account })?;
        Ok(())
    }

    fn staged<'s>(&self, stage: &'s mut Stage, account: AccountId) -> &'s mut Account {
        stage.account(account, || self.account(account))
    }
}
