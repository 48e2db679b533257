//! A terminal's reversal of a part: less was sold or paid out than had been approved, and the transaction stands with
//! the rest. It is known under a key of its own, so that the whole can still be taken back after it.

use crate::decide::original::is_open;
use crate::decide::postings;
use crate::decide::terminal::Caller;
use crate::input::Reversal;
use crate::machine::{Core, Output};
use crate::state::Transaction;
use switchyard_domain::{
    Actor, Amount, Entry, MessageClass, Outcome, Record, RequestKey, ResponseCode, ReversalEffect, SafEntry,
    SafKind, Timestamp,
};

impl Core {
    /// Takes a reversal that leaves `stands` of its original.
    ///
    /// Only who heard an approval knows that a part of it was not needed. So what is not known (25) or still waits for its
    /// answer (22, it may come again) is refused without a record, and no key is shut for what comes later.
    pub(super) fn reverse_part(
        &mut self,
        caller: Caller,
        reversal: &Reversal,
        stands: Amount,
        now: Timestamp,
        out: &mut Output,
    ) {
        let key = RequestKey {
            merchant: caller.merchant,
            terminal: caller.terminal,
            batch: reversal.batch,
            stan: reversal.stan,
            class: MessageClass::PartReversal,
        };
        if self.repeats_reversal(caller, &key, reversal, out) {
            return;
        }
        let original_key = RequestKey { class: reversal.original_class, ..key };
        let known = self.state.requests.transaction(&original_key);
        let known = known.and_then(|id| self.state.transactions.get(id));
        let is_meant = |original: &&Transaction| {
            reversal.original_moment.is_none_or(|moment| original.opened.echo.de60 == moment)
        };
        let waits = self.flight.pin_by_key.contains_key(&original_key);
        let original = match known.filter(is_meant) {
            Some(original) if original.outcome != Outcome::Pending => original,
            None if !waits => return out.refuse(caller.origin, ResponseCode::ORIGINAL_NOT_FOUND),
            Some(_) | None => return out.refuse(caller.origin, ResponseCode::MALFUNCTION),
        };
        let id = original.opened.id;
        let (record, saf) = self.part_taken(key, original, reversal, stands, now);
        let (facts, case) = match &record {
            Record::PartReversed { reply, .. } => (*reply, None),
            Record::ReversalTaken { reply, .. } => (*reply, self.case_of(id, reversal)),
            _ => unreachable!("it is one of the two"),
        };
        self.emit(record, Actor::Terminal(caller.terminal), now, out);
        if let Some(case) = case {
            self.emit(case, Actor::Switch, now, out);
        }
        out.reply(caller.origin, self.reply_to_reversal(facts, reversal.echo, &original_key));
        self.hurry(saf.as_ref(), now, out);
    }

    /// What is recorded: that the rest stands, or that it was refused.
    fn part_taken(
        &self,
        key: RequestKey,
        transaction: &Transaction,
        reversal: &Reversal,
        stands: Amount,
        now: Timestamp,
    ) -> (Record, Option<SafEntry>) {
        let opened = &transaction.opened;
        let (fingerprint, echo, reason) = (reversal.fingerprint, reversal.echo, reversal.reason);
        let entry = self.is_divisible(transaction, reversal, stands);
        let entry = entry.then(|| postings::give_back(transaction, stands, &self.state.book)).flatten();
        let Some(entry) = entry else {
            let refused = Record::ReversalTaken {
                key,
                fingerprint,
                echo,
                reason,
                original: Some(opened.id),
                effect: ReversalEffect::Refused,
                reply: self.facts(ResponseCode::ORIGINAL_NOT_FOUND, now),
                entry: Entry::NONE,
                movement: None,
                saf: None,
            };
            return (refused, None);
        };
        let saf = self.reversal_entry(opened, reason, now);
        let saf = saf.map(|saf| SafEntry { kind: SafKind::PartReversal, ..saf });
        let mut rest = opened.clone();
        rest.amount = stands;
        let whole = postings::movement(opened, false, transaction.at);
        let movements = whole.zip(postings::movement(&rest, true, transaction.at));
        let taken = Record::PartReversed {
            key,
            fingerprint,
            echo,
            reason,
            original: opened.id,
            stands,
            reply: self.facts(ResponseCode::APPROVED, now),
            entry,
            movements: movements.map(|(whole, rest)| [whole, rest]),
            saf,
        };
        (taken, saf)
    }

    /// Whether a part of this transaction can be taken back: it stands as it was approved, today, and nothing has followed.
    fn is_divisible(&self, transaction: &Transaction, reversal: &Reversal, stands: Amount) -> bool {
        let opened = &transaction.opened;
        let amounts = [transaction.approved(), transaction.asked()];
        opened.kind == reversal.kind
            && amounts.contains(&reversal.amount)
            && stands.currency == opened.amount.currency
            && (1..opened.amount.minor).contains(&stands.minor)
            && transaction.is_untouched()
            && is_open(&self.state, transaction.day)
    }
}
