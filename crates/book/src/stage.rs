//! What an entry would change, kept apart until all of it is known to apply.

use crate::balance::Balance;
use crate::hold::Hold;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use switchyard_domain::{AccountId, HoldId};

/// Accounts of a usual entry: a sale touches two, a netting three or four.
const FEW: usize = 4;

/// An account as the book keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    pub(crate) balance: Balance,
    /// Whether rules other than those of its kind were recorded.
    pub(crate) ruled: bool,
}

/// Balances and holds that differ from the book's.
///
/// The first few accounts are searched from the front and need no memory of their own; the rest go through an
/// index, so that an entry of many postings is not paid for in squares.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    few: [(Option<AccountId>, Account); FEW],
    more: Vec<(AccountId, Account)>,
    index: HashMap<AccountId, usize, FixedState>,
    /// Holds opened, and `None` for holds ended.
    pub(crate) holds: BTreeMap<HoldId, Option<Hold>>,
}

impl Stage {
    /// The account as the entry has left it so far; `from_book` is asked at the first touch.
    pub(crate) fn account(&mut self, id: AccountId, from_book: impl FnOnce() -> Account) -> &mut Account {
        let slot = self.few.iter().position(|(held, _)| held.is_none_or(|held| held == id));
        if let Some(slot) = slot {
            let (held, account) = &mut self.few[slot];
            if held.is_none() {
                (*held, *account) = (Some(id), from_book());
            }
            return account;
        }
        let position = *self.index.entry(id).or_insert_with(|| {
            self.more.push((id, from_book()));
            self.more.len() - 1
        });
        &mut self.more[position].1
    }

    /// Every account touched.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (AccountId, Account)> {
        let few = self.few.iter().filter_map(|(id, account)| id.map(|id| (id, *account)));
        few.chain(self.more.iter().copied())
    }
}
