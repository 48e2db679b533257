//! The plainest possible book: wide numbers, a copy of everything before each step, and no staging.

#![allow(dead_code, reason = "each test file uses its part")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use switchyard_book::{Book, BookError, Taken};
use switchyard_domain::*;

/// What happened to a step, without the facts of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Applied,
    Exists,
    Limit,
    Closed,
    Nonsense,
    Hold,
    Differs,
    TooOld,
}

impl From<Result<Taken, BookError>> for Verdict {
    fn from(result: Result<Taken, BookError>) -> Self {
        match result {
            Ok(Taken::Applied) => Self::Applied,
            Ok(Taken::Exists) => Self::Exists,
            Err(BookError::Overdraft { .. } | BookError::CreditLimit { .. }) => Self::Limit,
            Err(BookError::Closed { .. }) => Self::Closed,
            Err(BookError::SameAccount { .. } | BookError::Currency { .. }) => Self::Nonsense,
            Err(
                BookError::HoldExists { .. } | BookError::HoldNotOpen { .. } | BookError::HoldDiffers { .. },
            ) => Self::Hold,
            Err(BookError::TransferDiffers { .. }) => Self::Differs,
            Err(BookError::TransferTooOld { .. }) => Self::TooOld,
            Err(other) => panic!("not expected here: {other}"),
        }
    }
}

/// Debits posted, credits posted, debits held, credits held.
pub(crate) type Sums = [i128; 4];

#[derive(Debug, Clone, Default)]
pub(crate) struct Plain {
    pub(crate) sums: BTreeMap<AccountId, Sums>,
    pub(crate) holds: BTreeMap<HoldId, (AccountId, AccountId, i128, Option<Timestamp>)>,
    pub(crate) rules: BTreeMap<AccountId, AccountRules>,
    pub(crate) transfers: BTreeMap<TransferId, Transfer>,
    pub(crate) since: u32,
}

impl Plain {
    pub(crate) fn entry(&mut self, entry: &Entry, until: Option<Timestamp>) -> Verdict {
        let before = self.clone();
        for posting in &entry.0 {
            let verdict = self.posting(posting, until);
            if verdict != Verdict::Applied {
                *self = before;
                return verdict;
            }
        }
        Verdict::Applied
    }

    pub(crate) fn transfer(&mut self, transfer: &Transfer) -> Verdict {
        if transfer.id.day.0 < self.since {
            return Verdict::TooOld;
        }
        match self.transfers.get(&transfer.id) {
            Some(known) if known == transfer => return Verdict::Exists,
            Some(_) => return Verdict::Differs,
            None => {}
        }
        let verdict = self.entry(&transfer.entry, transfer.holds_until);
        if verdict == Verdict::Applied {
            self.transfers.insert(transfer.id, transfer.clone());
        }
        verdict
    }

    pub(crate) fn forget_before(&mut self, day: u32) {
        self.since = self.since.max(day);
        self.transfers.retain(|id, _| id.day.0 >= self.since);
    }

    /// Ends, in any order, every hold whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let over = self.holds.iter().filter(|(_, hold)| hold.3.is_some_and(|at| at <= now));
        let over: Vec<_> = over.map(|(id, hold)| (*id, *hold)).collect();
        for (id, (debit, credit, minor, _)) in over {
            self.holds.remove(&id);
            self.sums.entry(debit).or_default()[2] -= minor;
            self.sums.entry(credit).or_default()[3] -= minor;
        }
    }

    fn posting(&mut self, posting: &Posting, until: Option<Timestamp>) -> Verdict {
        let Posting { debit, credit, amount_minor, phase } = *posting;
        let minor = i128::from(amount_minor);
        if debit == credit || debit.currency != credit.currency {
            return Verdict::Nonsense;
        }
        match phase {
            Phase::Posted => {
                let verdict = self.room(debit, credit, minor);
                if verdict == Verdict::Applied {
                    self.sums.entry(debit).or_default()[0] += minor;
                    self.sums.entry(credit).or_default()[1] += minor;
                }
                verdict
            }
            Phase::Pending(id) => {
                if self.holds.contains_key(&id) {
                    return Verdict::Hold;
                }
                let verdict = self.room(debit, credit, minor);
                if verdict == Verdict::Applied {
                    self.holds.insert(id, (debit, credit, minor, until));
                    self.sums.entry(debit).or_default()[2] += minor;
                    self.sums.entry(credit).or_default()[3] += minor;
                }
                verdict
            }
            Phase::PostPending(id) | Phase::VoidPending(id) => {
                let Some(&(from, to, held, _)) = self.holds.get(&id) else { return Verdict::Hold };
                if (from, to) != (debit, credit) {
                    return Verdict::Hold;
                }
                self.holds.remove(&id);
                self.sums.entry(debit).or_default()[2] -= held;
                self.sums.entry(credit).or_default()[3] -= held;
                if matches!(phase, Phase::VoidPending(_)) {
                    return Verdict::Applied;
                }
                if minor > held {
                    let verdict = self.room(debit, credit, minor);
                    if verdict != Verdict::Applied {
                        return verdict;
                    }
                }
                self.sums.entry(debit).or_default()[0] += minor;
                self.sums.entry(credit).or_default()[1] += minor;
                Verdict::Applied
            }
        }
    }

    fn room(&self, debit: AccountId, credit: AccountId, minor: i128) -> Verdict {
        let of = |id: AccountId| {
            let rules = self.rules.get(&id).copied().unwrap_or(AccountRules::of(id.kind));
            (self.sums.get(&id).copied().unwrap_or_default(), rules)
        };
        let ([debits, credits, debits_held, _], rules) = of(debit);
        if rules.closed {
            return Verdict::Closed;
        }
        let over = |limit: Option<u64>, above: i128| limit.is_some_and(|limit| above > i128::from(limit));
        if over(rules.debit_limit_minor, debits + debits_held + minor - credits) {
            return Verdict::Limit;
        }
        let ([debits, credits, _, credits_held], rules) = of(credit);
        if rules.closed {
            return Verdict::Closed;
        }
        if over(rules.credit_limit_minor, credits + credits_held + minor - debits) {
            return Verdict::Limit;
        }
        Verdict::Applied
    }
}

/// One thing that a book is asked to do.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Entry(Entry),
    Transfer(Transfer),
    /// The transfer that was asked for so many steps ago, once more.
    Repeat(usize),
    Rules(AccountId, AccountRules),
    Expire(Timestamp),
    Forget(BusinessDate),
}

pub(crate) fn account() -> impl Strategy<Value = AccountId> {
    let cny = |kind| move |owner| AccountId::of(kind, owner, Currency::CNY);
    prop_oneof![
        4 => (0_u32..3).prop_map(cny(AccountKind::Cardholder)),
        3 => (0_u32..3).prop_map(cny(AccountKind::MerchantPayable)),
        2 => (0_u32..2).prop_map(cny(AccountKind::Wallet)),
        4 => Just(AccountId::own(AccountKind::IssuerSettlement, Currency::CNY)),
        1 => Just(AccountId::own(AccountKind::Bank, Currency::USD)),
        1 => Just(AccountId::own(AccountKind::Suspense, Currency::USD)),
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    let hold = (0_u64..5).prop_map(HoldId);
    prop_oneof![
        4 => Just(Phase::Posted),
        2 => hold.clone().prop_map(Phase::Pending),
        2 => hold.clone().prop_map(Phase::PostPending),
        1 => hold.prop_map(Phase::VoidPending),
    ]
}

fn posting() -> impl Strategy<Value = Posting> {
    // Few different amounts, so that captures often are exactly what was held and limits exactly met.
    let round = prop::sample::select(vec![0_u64, 1, 100, 200]);
    let amount = prop_oneof![6 => round, 4 => 0_u64..300, 1 => Just(u64::MAX / 64)];
    (account(), account(), amount, phase()).prop_map(|(debit, credit, amount_minor, phase)| Posting {
        debit,
        credit,
        amount_minor,
        phase,
    })
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        6 => prop::collection::vec(posting(), 1),
        3 => prop::collection::vec(posting(), 0..5),
        // More accounts than are searched from the front.
        1 => prop::collection::vec(posting(), 5..12),
    ]
    .prop_map(Entry)
}

fn rules() -> impl Strategy<Value = AccountRules> {
    let limit = prop::sample::select(vec![None, None, Some(0), Some(100), Some(200), Some(350)]);
    (limit.clone(), limit, prop::bool::weighted(0.2)).prop_map(
        |(debit_limit_minor, credit_limit_minor, closed)| AccountRules {
            debit_limit_minor,
            credit_limit_minor,
            closed,
        },
    )
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let id = (0_u32..4, 0_u64..12).prop_map(|(day, number)| TransferId { day: BusinessDate(day), number });
    let until = prop::option::of((0_u64..40).prop_map(Timestamp));
    prop_oneof![
        8 => entry().prop_map(Step::Entry),
        8 => (id, entry(), until)
            .prop_map(|(id, entry, holds_until)| Step::Transfer(Transfer { id, entry, holds_until })),
        3 => (1_usize..6).prop_map(Step::Repeat),
        2 => (account(), rules()).prop_map(|(account, rules)| Step::Rules(account, rules)),
        1 => (0_u64..40).prop_map(|at| Step::Expire(Timestamp(at))),
        1 => (0_u32..3).prop_map(|day| Step::Forget(BusinessDate(day))),
    ]
}

/// Makes the whole state comparable.
pub(crate) fn sums_of(book: &Book) -> BTreeMap<AccountId, Sums> {
    let wide = |b: switchyard_book::Balance| {
        [b.debits_posted, b.credits_posted, b.debits_pending, b.credits_pending].map(i128::from)
    };
    book.accounts().into_iter().map(|(id, balance)| (id, wide(balance))).collect()
}
