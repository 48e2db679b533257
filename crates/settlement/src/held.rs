//! What risk rules hold back: it stays owed to the merchant and is carried over until somebody releases it.

use crate::registry::PerMerchant;
use std::collections::BTreeMap;
use switchyard_domain::{
    BatchSide, MerchantIndex, Movement, Record, RiskVerdict, TransactionId, TransactionOpened,
};

#[derive(Debug, Clone, Copy)]
struct Hold {
    merchant: MerchantIndex,
    amount: switchyard_domain::Amount,
    /// Whether the merchant gained it and has not lost it since.
    stands: bool,
    /// Minor units that its void or its refunds have given back: there is nothing of these to be held.
    given_back_minor: u64,
}

/// Holds by transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    holds: BTreeMap<TransactionId, Hold>,
    /// Voids and refunds of what is held: each has a number of its own.
    followers: BTreeMap<TransactionId, TransactionId>,
}

impl Held {
    /// A rule held the transaction, or a person released it.
    pub(crate) fn observe(&mut self, record: &Record) {
        match record {
            Record::RiskFlagged { transaction, merchant, amount, finding, stands }
                if finding.verdict == RiskVerdict::HoldPayout =>
            {
                let (merchant, amount, stands) = (*merchant, *amount, *stands);
                let hold = Hold { merchant, amount, stands, given_back_minor: 0 };
                self.holds.insert(*transaction, hold);
            }
            Record::PayoutReleased { transaction, .. } => {
                self.holds.remove(transaction);
                self.followers.retain(|_, original| original != transaction);
            }
            _ => {}
        }
    }
    /// A transaction is about to follow another one.
    pub(crate) fn opened(&mut self, opened: &TransactionOpened) {
        let gives_back = opened.kind.batch_side() == Some(BatchSide::Credit);
        if let Some(original) = opened.original.filter(|id| gives_back && self.holds.contains_key(id)) {
            self.followers.insert(opened.id, original);
        }
    }
    /// The transaction takes place, or is undone.
    pub(crate) fn moved(&mut self, movement: &Movement) {
        if let Some(original) = self.followers.get(&movement.transaction)
            && let Some(hold) = self.holds.get_mut(original)
        {
            let minor = movement.amount.minor;
            hold.given_back_minor = match movement.gain {
                true => hold.given_back_minor.saturating_sub(minor),
                false => hold.given_back_minor.saturating_add(minor),
            };
        }
        if let Some(hold) = self.holds.get_mut(&movement.transaction) {
            hold.stands = movement.gain;
            // What its issuer approved may be a part of what the rules had looked at.
            hold.amount = movement.amount;
        }
    }
    /// Minor units held, by merchant and currency.
    pub(crate) fn sums(&self) -> PerMerchant<i128> {
        let mut sums = PerMerchant::default();
        for hold in self.holds.values().filter(|hold| hold.stands) {
            let minor = hold.amount.minor.saturating_sub(hold.given_back_minor);
            *sums.slot(hold.merchant, hold.amount.currency) += i128::from(minor);
        }
        sums
    }
}
