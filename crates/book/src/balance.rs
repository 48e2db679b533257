//! What stands on one account.

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
