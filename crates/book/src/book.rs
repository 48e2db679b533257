//! The book: every account with its balance, every open hold.

use crate::balance::Balance;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{AccountId, Currency, Entry, HoldId, Phase, Posting};

/// Why an entry does not apply; the book is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The account may not be overdrawn: answer "insufficient funds".
    #[error("{account}: {need} needed, {available} available")]
    Overdraft {
        /// The account that would go below zero.
        account: AccountId,
        /// Minor units that were to be debited.
        need: u64,
        /// Minor units that may be.
        available: i128,
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
    /// A sum would leave 64 bits.
    #[error("{account}: sum out of range")]
    Overflow {
        /// The account.
        account: AccountId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    debit: AccountId,
    credit: AccountId,
    amount_minor: u64,
}

/// Sums over all accounts of one currency. Debits equal credits, or the book is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialBalance {
    /// All debits posted, minor units.
    pub debits_minor: u128,
    /// All credits posted, minor units.
    pub credits_minor: u128,
}
impl TrialBalance {
    /// Whether the two sides agree.
    pub fn is_balanced(&self) -> bool {
        self.debits_minor == self.credits_minor
    }
}

/// Accounts and holds. Iteration never depends on the hasher: whatever leaves the book is ordered.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub(crate) balances: HashMap<AccountId, Balance, FixedState>,
    pub(crate) holds: HashMap<HoldId, Hold, FixedState>,
}

/// Accounts touched by the entry at hand: a handful, so a list that is searched from the front.
struct Staged {
    balances: Vec<(AccountId, Balance)>,
    opened: Vec<(HoldId, Hold)>,
    closed: Vec<HoldId>,
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }
    /// The balance of an account; zero for one that was never touched.
    pub fn balance(&self, account: AccountId) -> Balance {
        self.balances.get(&account).copied().unwrap_or_default()
    }
    /// Minor units under an open hold.
    pub fn held_minor(&self, hold: HoldId) -> Option<u64> {
        self.holds.get(&hold).map(|h| h.amount_minor)
    }
    /// Every account in order.
    pub fn accounts(&self) -> BTreeMap<AccountId, Balance> {
        self.balances.iter().map(|(id, balance)| (*id, *balance)).collect()
    }
    /// Every open hold in order, with the minor units it reserves.
    pub fn holds(&self) -> BTreeMap<HoldId, u64> {
        self.holds.iter().map(|(id, hold)| (*id, hold.amount_minor)).collect()
    }
    /// Sums per currency.
    pub fn trial_balance(&self) -> BTreeMap<Currency, TrialBalance> {
        let mut sums: BTreeMap<Currency, TrialBalance> = BTreeMap::new();
        for (id, balance) in &self.balances {
            let sum = sums.entry(id.currency).or_default();
            sum.debits_minor += u128::from(balance.debits_posted);
            sum.credits_minor += u128::from(balance.credits_posted);
        }
        sums
    }
    /// Whether the entry would apply.
    ///
    /// # Errors
    /// As [`Book::apply`].
    pub fn check(&self, entry: &Entry) -> Result<(), BookError> {
        self.stage(entry).map(|_| ())
    }
    /// Applies every posting of the entry, or none.
    ///
    /// # Errors
    /// [`BookError`] by the first posting that does not apply.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), BookError> {
        let staged = self.stage(entry)?;
        self.balances.extend(staged.balances);
        for hold in &staged.closed {
            self.holds.remove(hold);
        }
        self.holds.extend(staged.opened);
        Ok(())
    }

    fn stage(&self, entry: &Entry) -> Result<Staged, BookError> {
        let mut staged = Staged { balances: Vec::with_capacity(4), opened: Vec::new(), closed: Vec::new() };
        for posting in &entry.0 {
            self.stage_one(&mut staged, posting)?;
        }
        Ok(staged)
    }

    fn stage_one(&self, staged: &mut Staged, posting: &Posting) -> Result<(), BookError> {
        let Posting { debit, credit, amount_minor, phase } = *posting;
        if debit == credit {
            return Err(BookError::SameAccount { account: debit });
        }
        if debit.currency != credit.currency {
            return Err(BookError::Currency { debit, credit });
        }
        match phase {
            Phase::Posted => self.post(staged, debit, credit, amount_minor),
            Phase::Pending(hold) => {
                if self.holds.contains_key(&hold) || staged.opened.iter().any(|(id, _)| *id == hold) {
                    return Err(BookError::HoldExists { hold });
                }
                self.demand(staged, debit, amount_minor)?;
                self.add(staged, debit, |b| &mut b.debits_pending, amount_minor)?;
                self.add(staged, credit, |b| &mut b.credits_pending, amount_minor)?;
                staged.opened.push((hold, Hold { debit, credit, amount_minor }));
                Ok(())
            }
            Phase::PostPending(hold) => {
                self.close(staged, hold)?;
                self.post(staged, debit, credit, amount_minor)
            }
            Phase::VoidPending(hold) => self.close(staged, hold),
        }
    }

    fn post(
        &self,
        staged: &mut Staged,
        debit: AccountId,
        credit: AccountId,
        minor: u64,
    ) -> Result<(), BookError> {
        self.demand(staged, debit, minor)?;
        self.add(staged, debit, |b| &mut b.debits_posted, minor)?;
        self.add(staged, credit, |b| &mut b.credits_posted, minor)
    }

    fn close(&self, staged: &mut Staged, hold: HoldId) -> Result<(), BookError> {
        let open = match staged.opened.iter().position(|(id, _)| *id == hold) {
            Some(index) => staged.opened.swap_remove(index).1,
            None => {
                let open = *self.holds.get(&hold).ok_or(BookError::HoldNotOpen { hold })?;
                if staged.closed.contains(&hold) {
                    return Err(BookError::HoldNotOpen { hold });
                }
                staged.closed.push(hold);
                open
            }
        };
        // The hold put these here, so they are there to be taken away.
        self.staged_mut(staged, open.debit).debits_pending -= open.amount_minor;
        self.staged_mut(staged, open.credit).credits_pending -= open.amount_minor;
        Ok(())
    }

    fn demand(&self, staged: &mut Staged, account: AccountId, need: u64) -> Result<(), BookError> {
        if !account.kind.forbids_overdraft() {
            return Ok(());
        }
        let available = self.staged_mut(staged, account).available_credit_minor();
        if i128::from(need) > available {
            return Err(BookError::Overdraft { account, need, available });
        }
        Ok(())
    }

    fn add(
        &self,
        staged: &mut Staged,
        account: AccountId,
        column: fn(&mut Balance) -> &mut u64,
        minor: u64,
    ) -> Result<(), BookError> {
        let cell = column(self.staged_mut(staged, account));
        *cell = cell.checked_add(minor).ok_or(BookError::Overflow { account })?;
        Ok(())
    }

    fn staged_mut<'s>(&self, staged: &'s mut Staged, account: AccountId) -> &'s mut Balance {
        let index = match staged.balances.iter().position(|(id, _)| *id == account) {
            Some(index) => index,
            None => {
                staged.balances.push((account, self.balance(account)));
                staged.balances.len() - 1
            }
        };
        &mut staged.balances[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use switchyard_domain::AccountKind;

    fn card(owner: u32) -> AccountId {
        AccountId::of(AccountKind::Cardholder, owner, Currency::CNY)
    }
    fn merchant(owner: u32) -> AccountId {
        AccountId::of(AccountKind::MerchantPayable, owner, Currency::CNY)
    }
    fn bank() -> AccountId {
        AccountId::own(AccountKind::IssuerSettlement, Currency::CNY)
    }
    fn funded(minor: u64) -> Book {
        let mut book = Book::new();
        book.apply(&Entry::one(bank(), card(0), minor, Phase::Posted)).unwrap();
        book
    }

    #[test]
    fn a_hold_reserves_and_its_capture_may_differ() {
        let mut book = funded(1_000);
        let hold = HoldId(7);
        book.apply(&Entry::one(card(0), merchant(0), 800, Phase::Pending(hold))).unwrap();
        assert_eq!(book.balance(card(0)).available_credit_minor(), 200);
        assert_eq!(
            book.check(&Entry::one(card(0), merchant(0), 201, Phase::Posted)),
            Err(BookError::Overdraft { account: card(0), need: 201, available: 200 })
        );
        book.apply(&Entry::one(card(0), merchant(0), 900, Phase::PostPending(hold))).unwrap();
        assert_eq!(book.balance(card(0)).available_credit_minor(), 100);
        assert_eq!(book.balance(merchant(0)).net_credit_minor(), 900);
        let again = Entry::one(card(0), merchant(0), 1, Phase::PostPending(hold));
        assert_eq!(book.apply(&again), Err(BookError::HoldNotOpen { hold }));
    }

    #[test]
    fn an_entry_stands_or_falls_whole() {
        let mut book = funded(100);
        let before = book.accounts();
        let mut entry = Entry::one(card(0), merchant(0), 60, Phase::Posted);
        entry.0.extend(Entry::one(card(0), merchant(1), 60, Phase::Posted).0);
        assert!(matches!(book.apply(&entry), Err(BookError::Overdraft { available: 40, .. })));
        assert_eq!(book.accounts(), before);
    }

    #[test]
    fn nonsense_is_refused() {
        let book = funded(100);
        let other = AccountId::of(AccountKind::MerchantPayable, 0, Currency::USD);
        assert!(matches!(
            book.check(&Entry::one(card(0), other, 1, Phase::Posted)),
            Err(BookError::Currency { .. })
        ));
        assert!(matches!(
            book.check(&Entry::one(card(0), card(0), 1, Phase::Posted)),
            Err(BookError::SameAccount { .. })
        ));
        let mut book = funded(100);
        assert!(matches!(
            book.apply(&Entry::one(bank(), card(1), u64::MAX, Phase::Posted)),
            Err(BookError::Overflow { .. })
        ));
    }

    /// The plainest possible book: three signed numbers an account, no staging.
    #[derive(Default)]
    struct Plain {
        posted: BTreeMap<AccountId, i128>,
        held: BTreeMap<AccountId, i128>,
        holds: BTreeMap<u64, (AccountId, i128)>,
    }
    impl Plain {
        fn apply(&mut self, debit: AccountId, credit: AccountId, minor: u64, phase: Phase) -> bool {
            let minor = i128::from(minor);
            let free = |plain: &Self| {
                plain.posted.get(&debit).copied().unwrap_or(0) - plain.held.get(&debit).copied().unwrap_or(0)
            };
            let guarded = debit.kind.forbids_overdraft();
            if debit == credit {
                return false;
            }
            match phase {
                Phase::Pending(hold) => {
                    if self.holds.contains_key(&hold.0) || guarded && minor > free(self) {
                        return false;
                    }
                    self.holds.insert(hold.0, (debit, minor));
                    *self.held.entry(debit).or_default() += minor;
                    return true;
                }
                Phase::PostPending(hold) | Phase::VoidPending(hold) => {
                    let Some(&(account, held)) = self.holds.get(&hold.0) else { return false };
                    let freed = if account == debit { held } else { 0 };
                    if matches!(phase, Phase::PostPending(_)) && guarded && minor > free(self) + freed {
                        return false;
                    }
                    self.holds.remove(&hold.0);
                    *self.held.entry(account).or_default() -= held;
                    if matches!(phase, Phase::VoidPending(_)) {
                        return true;
                    }
                }
                Phase::Posted => {
                    if guarded && minor > free(self) {
                        return false;
                    }
                }
            }
            *self.posted.entry(debit).or_default() -= minor;
            *self.posted.entry(credit).or_default() += minor;
            true
        }
    }

    fn account() -> impl Strategy<Value = AccountId> {
        prop_oneof![(0_u32..3).prop_map(card), (0_u32..2).prop_map(merchant), Just(bank())]
    }
    fn phase() -> impl Strategy<Value = Phase> {
        let hold = (0_u64..4).prop_map(HoldId);
        prop_oneof![
            3 => Just(Phase::Posted),
            1 => hold.clone().prop_map(Phase::Pending),
            1 => hold.clone().prop_map(Phase::PostPending),
            1 => hold.prop_map(Phase::VoidPending),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_book(steps in prop::collection::vec((account(), account(), 0_u64..500, phase()), 0..200)) {
            let (mut book, mut plain) = (Book::new(), Plain::default());
            for (debit, credit, minor, phase) in steps {
                let applied = book.apply(&Entry::one(debit, credit, minor, phase)).is_ok();
                prop_assert_eq!(applied, plain.apply(debit, credit, minor, phase));
                for (id, balance) in book.accounts() {
                    prop_assert_eq!(balance.net_credit_minor(), plain.posted.get(&id).copied().unwrap_or(0));
                    prop_assert_eq!(
                        i128::from(balance.debits_pending), plain.held.get(&id).copied().unwrap_or(0)
                    );
                }
                prop_assert!(book.trial_balance().values().all(TrialBalance::is_balanced));
            }
        }
    }
}
