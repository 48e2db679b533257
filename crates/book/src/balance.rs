//! What stands on one account, and on all of a currency.

use serde::{Deserialize, Serialize};

/// Sums of an account in minor units: what was posted, and what holds have reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Balance {
    /// Debits that took effect.
    pub debits_posted: u64,
    /// Credits that took effect.
    pub credits_posted: u64,
    /// Debits under a hold.
    pub debits_pending: u64,
    /// Credits under a hold.
    pub credits_pending: u64,
}

impl Balance {
    /// Credits less debits: positive where the account is in credit.
    pub fn net_credit_minor(&self) -> i128 {
        i128::from(self.credits_posted) - i128::from(self.debits_posted)
    }
    /// What may still be debited from a credit-normal account: credits less debits and less what holds
    /// reserve.
    pub fn available_credit_minor(&self) -> i128 {
        self.net_credit_minor() - i128::from(self.debits_pending)
    }
}

/// Sums over all accounts of one currency. Debits equal credits, or the book is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialBalance {
    /// All debits posted, minor units.
    pub debits_minor: u128,
    /// All credits posted, minor units.
    pub credits_minor: u128,
    /// All debits under holds, minor units.
    pub debits_pending_minor: u128,
    /// All credits under holds, minor units.
    pub credits_pending_minor: u128,
}

impl TrialBalance {
    /// Whether the two sides agree, of what was posted and of what is held.
    pub fn is_balanced(&self) -> bool {
        self.debits_minor == self.credits_minor && self.debits_pending_minor == self.credits_pending_minor
    }

    pub(crate) fn add(&mut self, balance: &Balance) {
        self.debits_minor += u128::from(balance.debits_posted);
        self.credits_minor += u128::from(balance.credits_posted);
        self.debits_pending_minor += u128::from(balance.debits_pending);
        self.credits_pending_minor += u128::from(balance.credits_pending);
    }
}
