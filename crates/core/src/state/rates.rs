//! Rates at which amounts are converted for cardholders, and what transactions were converted by.

use crate::state::apply::missing_number;
use crate::state::{ApplyError, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{Billing, Currency, ExchangeRate, Record, Stamped, Timestamp, TransactionId};

/// Rates by pair: the one in force, and those that are set ahead, by their moments. What went before is in the ledger.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rates(BTreeMap<(Currency, Currency), Vec<ExchangeRate>>);

impl Rates {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Pairs that have rates.
    pub(crate) fn pairs(&self) -> usize {
        self.0.len()
    }
    /// Rates of a pair, by their moments.
    pub(crate) fn of(&self, from: Currency, to: Currency) -> &[ExchangeRate] {
        self.0.get(&(from, to)).map_or(&[], Vec::as_slice)
    }
    /// The rate of a pair that is in force.
    pub(crate) fn in_force(&self, from: Currency, to: Currency, now: Timestamp) -> Option<&ExchangeRate> {
        self.of(from, to).iter().rfind(|rate| rate.valid_from <= now)
    }
    /// Takes a rate in the place of one of the same moment, and forgets what is over.
    fn set(&mut self, rate: ExchangeRate, now: Timestamp) {
        let rates = self.0.entry((rate.from, rate.to)).or_default();
        rates.retain(|known| known.valid_from != rate.valid_from);
        let place = rates.partition_point(|known| known.valid_from < rate.valid_from);
        rates.insert(place, rate);
        let over = rates.partition_point(|known| known.valid_from <= now).saturating_sub(1);
        rates.drain(..over);
    }
}

impl State {
    pub(super) fn apply_rate(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        match &stamped.record {
            Record::RateSet { rate, .. } => self.rates.set(*rate, stamped.at),
            Record::Converted { transaction, billing } => {
                let missing = missing_number("transaction", transaction.0);
                self.transactions.get_mut(*transaction).ok_or(missing)?.billing = Some(*billing);
            }
            // It is the issuer's business; messages about the transaction go on saying what the first one said.
            Record::IssuerBilled { .. } => {}
            _ => unreachable!("only records about rates come here"),
        }
        Ok(())
    }

    /// Every rate that is in force or set ahead, by pair and moment.
    pub fn rates(&self) -> impl Iterator<Item = &ExchangeRate> {
        self.rates.0.values().flatten()
    }
    /// The rate of a pair that is in force.
    pub fn rate(&self, from: Currency, to: Currency, now: Timestamp) -> Option<&ExchangeRate> {
        self.rates.in_force(from, to, now)
    }
    /// What messages about a transaction say of its cardholder's billing.
    pub fn billing(&self, transaction: TransactionId) -> Option<Billing> {
        self.transactions.get(transaction)?.billing
    }
}
