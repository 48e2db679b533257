//! The book as plain data, for snapshots.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{AccountId, AccountRules, BusinessDate, HoldId, Transfer};

use crate::balance::{Balance, TrialBalance};
use crate::book::Book;
use crate::error::BookError;
use crate::hold::Hold;
use crate::stage::Account;

/// Everything that a book holds, in order: two books that hold the same have the same image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct BookImage {
    /// Every account that was ever touched.
    pub accounts: Vec<(AccountId, Balance)>,
    /// Rules of accounts for which others than those of their kind were recorded.
    pub rules: Vec<(AccountId, AccountRules)>,
    /// Open holds.
    pub holds: Vec<(HoldId, Hold)>,
    /// Transfers that are remembered.
    pub transfers: Vec<Transfer>,
    /// First day whose transfers are.
    pub transfers_since: u32,
}

/// Why an image is not that of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Accounts, rules, holds or transfers are out of order, or one is there twice.
    #[error("{what} out of order")]
    Order {
        /// Which of them.
        what: &'static str,
    },
    /// What is pending on an account is not the sum of its holds.
    #[error("{account}: what is pending is not what is held")]
    Pending {
        /// The account.
        account: AccountId,
    },
    /// Debits and credits of a currency differ.
    #[error("debits and credits differ")]
    Unbalanced,
    /// A transfer that should have been forgotten, or has too many postings.
    #[error(transparent)]
    Transfer(#[from] BookError),
}

impl Book {
    /// All of it as plain data.
    pub fn image(&self) -> BookImage {
        BookImage {
            accounts: self.accounts().into_iter().collect(),
            rules: self.rules.iter().map(|(id, rules)| (*id, *rules)).collect(),
            holds: self.holds.ordered().into_iter().collect(),
            transfers: self.transfers.ordered(),
            transfers_since: self.transfers.since().0,
        }
    }

    /// The book that an image was taken of.
    ///
    /// # Errors
    /// [`ImageError`] when no book could have had it.
    pub fn from_image(image: &BookImage) -> Result<Self, ImageError> {
        let ordered = |what, ordered: bool| if ordered { Ok(()) } else { Err(ImageError::Order { what }) };
        ordered("accounts", image.accounts.is_sorted_by(|a, b| a.0 < b.0))?;
        ordered("rules", image.rules.is_sorted_by(|a, b| a.0 < b.0))?;
        ordered("holds", image.holds.is_sorted_by(|a, b| a.0 < b.0))?;
        ordered("transfers", image.transfers.is_sorted_by(|a, b| a.id < b.id))?;
        let mut book = Self { rules: image.rules.iter().copied().collect(), ..Self::default() };
        book.accounts.reserve(image.accounts.len());
        for (id, balance) in &image.accounts {
            let ruled = book.rules.contains_key(id);
            book.accounts.insert(*id, Account { balance: *balance, ruled });
        }
        pending_is_held(image)?;
        book.holds.reserve(image.holds.len());
        image.holds.iter().for_each(|(id, hold)| book.holds.insert(*id, *hold));
        book.forget_transfers_before(BusinessDate(image.transfers_since));
        for transfer in &image.transfers {
            book.transfers.find(transfer)?;
            book.transfers.insert(transfer);
        }
        if book.trial_balance().values().all(TrialBalance::is_balanced) {
            Ok(book)
        } else {
            Err(ImageError::Unbalanced)
        }
    }
}

/// That every pending sum is what the holds add up to.
fn pending_is_held(image: &BookImage) -> Result<(), ImageError> {
    let mut held: BTreeMap<AccountId, (u128, u128)> = BTreeMap::new();
    for (_, hold) in &image.holds {
        held.entry(hold.debit).or_default().0 += u128::from(hold.amount_minor);
        held.entry(hold.credit).or_default().1 += u128::from(hold.amount_minor);
    }
    for (account, balance) in &image.accounts {
        let (debits, credits) = held.remove(account).unwrap_or_default();
        let pending = (u128::from(balance.debits_pending), u128::from(balance.credits_pending));
        if pending != (debits, credits) {
            return Err(ImageError::Pending { account: *account });
        }
    }
    // A hold on an account that the image does not have.
    held.into_keys().next().map_or(Ok(()), |account| Err(ImageError::Pending { account }))
}
