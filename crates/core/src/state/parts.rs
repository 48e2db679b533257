//! Parts: what is approved of a transaction, and what a terminal takes back of it.

use crate::state::apply::missing_number;
use crate::state::risk::Count;
use crate::state::{ApplyError, ReversalTaken, State};
use switchyard_domain::{Amount, Record, TransactionId};

impl State {
    /// The transaction is about a part of what was asked for; what limits count of it follows.
    pub(super) fn approve_part(&mut self, id: TransactionId, amount: Amount) -> Result<(), ApplyError> {
        self.count_risk(id, Count::Gone);
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.asked_minor = Some(transaction.opened.amount.minor);
        transaction.opened.amount = amount;
        self.count_risk(id, Count::Stands);
        Ok(())
    }

    /// A part was taken back: batch, limits and whatever follows are about the rest from here on.
    pub(super) fn apply_part(&mut self, record: &Record) -> Result<(), ApplyError> {
        let Record::PartReversed { key, fingerprint, echo, original, stands, reply, entry, saf, .. } = record
        else {
            unreachable!("only reversals of a part come here")
        };
        self.used_reference(&reply.rrn);
        let (key, fingerprint, echo, reply) = (*key, *fingerprint, *echo, *reply);
        self.requests.take_reversal(ReversalTaken { key, fingerprint, echo, reply });
        self.book.apply(entry)?;
        self.queue(saf.as_ref())?;
        self.reduce(*original, *stands)
    }

    fn reduce(&mut self, id: TransactionId, stands: Amount) -> Result<(), ApplyError> {
        let missing = || missing_number("transaction", id.0);
        let advice = self.transactions.get(id).ok_or_else(missing)?.advice;
        self.count_risk(id, Count::Gone);
        advice.into_iter().for_each(|why| self.advised(id, why, Count::Gone));
        let transaction = self.transactions.get_mut(id).ok_or_else(missing)?;
        let (whole, opened) = (transaction.opened.amount.minor, &mut transaction.opened);
        transaction.taken_minor = transaction.taken_minor.saturating_add(whole.saturating_sub(stands.minor));
        opened.amount = stands;
        let (key, kind, class) = (opened.key, opened.kind, opened.card_class.class);
        if let Some(batch) = self.batches.get_mut(key.terminal)
            && batch.number == key.batch
        {
            batch.uncount(kind, class, whole);
            batch.count(kind, class, stands.minor);
        }
        if let Some((_, held)) = self.risk.held.get_mut(&id) {
            *held = stands;
        }
        advice.into_iter().for_each(|why| self.advised(id, why, Count::Stands));
        self.count_risk(id, Count::Stands);
        Ok(())
    }
}
