//! What risk rules hold back: it stays owed to the merchant and is carried over until somebody releases it.

use crate::registry::PerMerchant;
use std::collections::BTreeMap;
use switchyard_domain::{MerchantIndex, Movement, Record, RiskVerdict, TransactionId};

#[derive(Debug, Clone, Copy)]
struct Hold {
    merchant: MerchantIndex,
    amount: switchyard_domain::Amount,
    /// Whether the merchant gained it and has not lost it since.
    stands: bool,
}

/// Holds by transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(BTreeMap<TransactionId, Hold>);

impl Held {
    /// A rule held the transaction, or a person released it.
    pub(crate) fn observe(&mut self, record: &Record) {
        match record {
            Record::RiskFlagged { transaction, merchant, amount, finding, stands }
                if finding.verdict == RiskVerdict::HoldPayout =>
            {
                let hold = Hold { merchant: *merchant, amount: *amount, stands: *stands };
                self.0.insert(*transaction, hold);
            }
            Record::PayoutReleased { transaction, .. } => {
                self.0.remove(transaction);
            }
            _ => {}
        }
    }
    /// The transaction takes place, or is undone.
    pub(crate) fn moved(&mut self, movement: &Movement) {
        if let Some(hold) = self.0.get_mut(&movement.transaction) {
            hold.stands = movement.gain;
            // What its issuer approved may be a part of what the rules had looked at.
            hold.amount = movement.amount;
        }
    }
    /// Minor units held, by merchant and currency.
    pub(crate) fn sums(&self) -> PerMerchant<i128> {
        let mut sums = PerMerchant::default();
        for hold in self.0.values().filter(|hold| hold.stands) {
            *sums.slot(hold.merchant, hold.amount.currency) += i128::from(hold.amount.minor);
        }
        sums
    }
}
