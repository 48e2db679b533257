//! A terminal's 0400. The terminal repeats it before every next sale until it hears 00, 12 or 25: so every
//! path ends in one of these.

use crate::decide::original::is_open;
use crate::decide::postings;
use crate::decide::terminal::Caller;
use crate::effect::{Reply, ReplyBody};
use crate::input::Reversal;
use crate::machine::{Core, Output};
use crate::state::{Known, Transaction};
use switchyard_domain::{
    Actor, BatchCase, BatchCaseKind, Echo, Entry, MessageClass, Movement, Outcome, Record, ReplyFacts,
    RequestKey, ResponseCode, ReversalEffect, SafEntry, Timestamp, TransactionId, TransactionKind,
};

/// What the table says about the original at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    code: ResponseCode,
    effect: ReversalEffect,
}

impl Verdict {
    const fn ends(effect: ReversalEffect) -> Self {
        Self { code: ResponseCode::APPROVED, effect }
    }
    const REFUSED: Self = Self { code: ResponseCode::ORIGINAL_NOT_FOUND, effect: ReversalEffect::Refused };
}

/// The table: what a reversal of this original leads to.
fn verdict(
    original: Option<&Transaction>,
    sale: Option<&Transaction>,
    reversal: &Reversal,
    day_is_open: bool,
) -> Verdict {
    let Some(transaction) = original else { return Verdict::ends(ReversalEffect::Tombstone) };
    // Of a part that was approved a terminal may name that or what it had asked for, of one that stands also that.
    let amounts = [transaction.opened.amount, transaction.approved(), transaction.asked()];
    if !amounts.contains(&reversal.amount) || transaction.opened.kind != reversal.kind {
        return Verdict::REFUSED;
    }
    match transaction.outcome {
        Outcome::Pending => Verdict::ends(ReversalEffect::WhenResolved),
        // Reversed here means by the switch itself, after an unknown outcome: the terminal's own reversal
        // would be known under its key.
        Outcome::Declined | Outcome::Unknown | Outcome::Reversed => Verdict::ends(ReversalEffect::Nothing),
        // What has been voided, completed or refunded since was taken up by the merchant: taking it back
        // again would do so twice.
        Outcome::Approved if !day_is_open || !transaction.is_untouched() => Verdict::REFUSED,
        // A refund of the sale may have given its tip back.
        Outcome::Approved
            if transaction.opened.kind == TransactionKind::Tip
                && sale.is_some_and(|sale| sale.left_minor() < transaction.opened.amount.minor) =>
        {
            Verdict::REFUSED
        }
        Outcome::Approved => Verdict::ends(ReversalEffect::Undone),
    }
}

impl Core {
    /// Takes a reversal.
    pub(crate) fn reversal(&mut self, caller: Caller, reversal: &Reversal, now: Timestamp, out: &mut Output) {
        if let Some(stands) = reversal.stands {
            return self.reverse_part(caller, reversal, stands, now, out);
        }
        let key = RequestKey {
            merchant: caller.merchant,
            terminal: caller.terminal,
            batch: reversal.batch,
            stan: reversal.stan,
            class: MessageClass::Reversal,
        };
        if self.repeats_reversal(caller, &key, reversal, out) {
            return;
        }
        let original_key = RequestKey { class: reversal.original_class, ..key };
        let id = self.state.requests.transaction(&original_key);
        // A generic terminal may mean what it made at another moment under this number: then it is not this.
        let waiting = self.flight.pin_by_key.get(&original_key).and_then(|slot| self.flight.pins.get(slot));
        let recorded = id.and_then(|id| self.state.transactions.get(id));
        let made_at = waiting.map(|wait| wait.moment).or(recorded.map(|recorded| recorded.opened.echo.de60));
        if let (Some(made_at), Some(moment)) = (made_at, reversal.original_moment)
            && made_at != moment
        {
            return out.refuse(caller.origin, ResponseCode::ORIGINAL_NOT_FOUND);
        }
        self.cancel_pin_work(&original_key);
        let original = id.and_then(|id| self.state.transactions.get(id));
        let day_is_open = original.is_none_or(|t| is_open(&self.state, t.day));
        let sale = original.and_then(|t| t.opened.original).and_then(|id| self.state.transactions.get(id));
        let verdict = verdict(original, sale, reversal, day_is_open);
        let (entry, movement, saf) = match (verdict.effect, id) {
            (ReversalEffect::Undone, Some(id)) => self.undoing(id, reversal, now),
            _ => (Entry::NONE, None, None),
        };
        let facts = self.facts(verdict.code, now);
        let case = id.filter(|_| verdict.effect == ReversalEffect::Refused);
        let case = case.and_then(|id| self.case_of(id, reversal));
        let record = Record::ReversalTaken {
            key,
            fingerprint: reversal.fingerprint,
            echo: reversal.echo,
            reason: reversal.reason,
            original: id,
            effect: verdict.effect,
            reply: facts,
            entry,
            movement,
            saf,
        };
        self.emit(record, Actor::Terminal(caller.terminal), now, out);
        if let Some(case) = case {
            self.emit(case, Actor::Switch, now, out);
        }
        out.reply(caller.origin, self.reply_to_reversal(facts, reversal.echo, &original_key));
        self.hurry(saf.as_ref(), now, out);
    }

    /// What a terminal takes back and the host does not is for an operator: the cardholder has paid or may have, and the
    /// terminal does not know. Nothing where the close of the batch found the same before.
    pub(super) fn case_of(&self, id: TransactionId, reversal: &Reversal) -> Option<Record> {
        let transaction = self.state.transactions.get(id)?;
        let opened = &transaction.opened;
        let RequestKey { terminal, batch, stan, .. } = opened.key;
        let may_stand = matches!(transaction.outcome, Outcome::Approved | Outcome::Pending);
        if !may_stand || self.state.cases.is_open(terminal, batch, stan) {
            return None;
        }
        let taken_back =
            reversal.amount.minor.saturating_sub(reversal.stands.map_or(0, |stands| stands.minor));
        let (terminal_minor, host_minor) = (taken_back, opened.amount.minor);
        let case = BatchCase { kind: BatchCaseKind::Reversal, stan, terminal_minor, host_minor };
        Some(Record::CaseRaised { transaction: id, terminal, batch, case })
    }

    /// The answer to a reversal of what is, or would be, under a key.
    pub(super) fn reply_to_reversal(&self, facts: ReplyFacts, echo: Echo, original: &RequestKey) -> Reply {
        let scheme = self.state.scheme_of_original(self.state.requests.transaction(original));
        Reply::recorded(&facts, ReplyBody::Financial { facts, echo, issuer: 0, scheme, approved: None })
    }

    /// Answers a reversal that was taken before as it was answered then, and says whether it is one.
    pub(super) fn repeats_reversal(
        &self,
        caller: Caller,
        key: &RequestKey,
        reversal: &Reversal,
        out: &mut Output,
    ) -> bool {
        let Some(Known::Reversal(position)) = self.state.requests.get(key) else { return false };
        let taken = *self.state.requests.reversal(position).expect("indexed when it was taken");
        if taken.fingerprint == reversal.fingerprint {
            let original = RequestKey { class: reversal.original_class, ..*key };
            out.reply(caller.origin, self.reply_to_reversal(taken.reply, taken.echo, &original));
        } else {
            out.refuse(caller.origin, ResponseCode::ORIGINAL_NOT_FOUND);
        }
        true
    }

    /// The original waits for PIN work: nothing is recorded of it, so that it is enough to let it end in
    /// nothing. The tombstone that this reversal leaves refuses it.
    fn cancel_pin_work(&mut self, key: &RequestKey) {
        if let Some(slot) = self.flight.pin_by_key.get(key)
            && let Some(wait) = self.flight.pins.get_mut(slot)
        {
            wait.cancelled = true;
        }
    }

    fn undoing(
        &self,
        id: TransactionId,
        reversal: &Reversal,
        now: Timestamp,
    ) -> (Entry, Option<Movement>, Option<SafEntry>) {
        let transaction = self.state.transactions.get(id).expect("found by the caller");
        let opened = &transaction.opened;
        let original = opened.original.and_then(|id| self.state.transactions.get(id));
        let entry = postings::undo(transaction, original, &self.state.book);
        let priced_at = match opened.original {
            Some(_) => self.priced_at(opened, transaction.at),
            None => transaction.at,
        };
        let movement = postings::movement(opened, false, priced_at);
        (entry, movement, self.reversal_entry(opened, reversal.reason, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_ends_the_terminals_repeats() {
        for verdict in [Verdict::REFUSED, Verdict::ends(ReversalEffect::Tombstone)] {
            assert!(matches!(verdict.code.as_bytes(), b"00" | b"12" | b"25"));
        }
    }
}
