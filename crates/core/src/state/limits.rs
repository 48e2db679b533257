//! How rules, what they find, and what is approved without asking change the state.

use crate::state::apply::missing_number;
use crate::state::risk::{Count, Seen, Surroundings};
use crate::state::{ApplyError, State};
use switchyard_domain::{
    AccountId, AccountKind, AdviceReason, Entry, MerchantIndex, Outcome, Record, ResponseCode, RiskVerdict,
    SafEntry, SafId, SafKind, ScriptReport, Stamped, Timestamp, TransactionId, TransactionKind,
    TransactionOpened, UpstreamRef,
};

impl State {
    pub(super) fn apply_rules(&mut self, record: &Record) -> Result<(), ApplyError> {
        match record {
            Record::RiskRulesSet(rules) => self.risk.set(rules.clone(), self.transactions.next_id()),
            Record::RoutingRulesSet(rules) => self.routing = rules.clone(),
            Record::StandInRulesSet(rules) => self.risk.stand_in = rules.clone(),
            Record::RiskFlagged { transaction, merchant, amount, finding, .. } => {
                if finding.verdict == RiskVerdict::HoldPayout {
                    self.risk.held.insert(*transaction, (*merchant, *amount));
                    self.judge(*transaction);
                }
            }
            Record::PayoutReleased { transaction, .. } => {
                let missing = missing_number("held payout", transaction.0);
                self.risk.held.remove(transaction).ok_or(missing)?;
                self.risk.held_standing.remove(transaction);
            }
            _ => unreachable!("only rules and what they found come here"),
        }
        Ok(())
    }

    /// Looks again at held payouts whose transactions the last record changed.
    pub(super) fn judge_held(&mut self) {
        // The same memory every time: this is done after each record.
        let mut touched = std::mem::take(&mut self.transactions.touched);
        touched.drain(..).for_each(|id| self.judge(id));
        self.transactions.touched = touched;
    }

    /// Whether the index says what a look at every held payout says.
    pub(super) fn is_held_indexed(&self) -> bool {
        let standing = self.risk.held.keys().filter(|id| self.would_be_paid(**id));
        self.risk.held_standing.iter().eq(standing)
    }

    fn judge(&mut self, id: TransactionId) {
        if !self.risk.held.contains_key(&id) {
            return;
        }
        match self.would_be_paid(id) {
            true => self.risk.held_standing.insert(id),
            false => self.risk.held_standing.remove(&id),
        };
    }

    /// Whether a payout would take place: not that of what was declined, reversed, voided or refunded whole.
    fn would_be_paid(&self, id: TransactionId) -> bool {
        self.transactions.get(id).is_none_or(|transaction| {
            !matches!(transaction.outcome, Outcome::Declined | Outcome::Reversed)
                && !transaction.voided
                && transaction.left_minor() > 0
        })
    }

    /// What an account did not cover of an offline sale was paid by suspense: what is given back goes there too.
    pub(super) fn paid_by(&mut self, id: TransactionId, entry: &Entry) {
        if let (Some(transaction), Some(posting)) = (self.transactions.get_mut(id), entry.0.first())
            && matches!(
                transaction.opened.kind,
                TransactionKind::OfflineSale | TransactionKind::PreAuthAdvice
            )
        {
            transaction.source = posting.debit;
        }
    }

    /// Approved without asking: its advice is in the queue with it.
    pub(super) fn apply_advice(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        let Record::Advised { opened, why, reply, entry, saf, .. } = &stamped.record else {
            unreachable!("only advices come here")
        };
        self.open(opened, stamped.at, Some((Outcome::Approved, *reply)))?;
        self.settle(opened.id, Outcome::Approved, entry)?;
        self.advised(opened.id, *why);
        self.queue(Some(saf))
    }

    /// An issuer acknowledged what it was told.
    pub(super) fn delivered(&mut self, id: SafId, code: ResponseCode) -> Result<(), ApplyError> {
        let delivered = self.saf.remove(id).ok_or(missing_number("store-and-forward entry", id.0))?;
        match delivered.kind {
            SafKind::Reversal => self.reversed_upstream(delivered.transaction, code),
            SafKind::Advice | SafKind::Script | SafKind::PartReversal => Ok(()),
        }
    }

    /// What became of a transaction's scripts is on its way to its issuer, once.
    pub(super) fn tell_scripts(&mut self, saf: &SafEntry, report: &ScriptReport) -> Result<(), ApplyError> {
        let (id, missing) = (saf.transaction, missing_number("transaction", saf.transaction.0));
        self.transactions.get_mut(id).ok_or(missing)?.scripts_told = true;
        self.saf.scripts.insert(saf.id, report.clone());
        self.queue(Some(saf))
    }

    /// It goes over another link: its money comes from there now.
    pub(super) fn reroute(&mut self, id: TransactionId, upstream: UpstreamRef) -> Result<(), ApplyError> {
        self.used_stan(upstream.link, upstream.stan);
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.opened.upstream = Some(upstream);
        // What the host before would have heard is not what this one hears.
        transaction.billing = None;
        let (owner, currency) = (u32::from(upstream.link.0), transaction.opened.amount.currency);
        transaction.source = AccountId::of(AccountKind::NetworkReceivable, owner, currency);
        Ok(())
    }

    /// Notes why a transaction was approved without asking, and what the card spends so.
    pub(super) fn advised(&mut self, id: TransactionId, why: AdviceReason) {
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.advice = Some(why);
        }
        self.count_stood_in(id, Count::Stands);
    }

    /// What a card spends while its issuer is away, or gets back of it: today's only, because a day starts at nothing.
    pub(super) fn count_stood_in(&mut self, id: TransactionId, what: Count) {
        let Some(transaction) = self.transactions.get(id) else { return };
        let today = transaction.opened.day == self.day();
        if transaction.advice != Some(AdviceReason::IssuerAway) || !today {
            return;
        }
        if let Some(card) = &transaction.opened.card {
            let (card, amount) = (card.hash, transaction.opened.amount);
            self.risk.stood_in.get_or_default(card).change(amount, what);
        }
    }

    /// Counts a transaction for the risk rules, or takes it out.
    pub(super) fn count_risk(&mut self, id: TransactionId, what: Count) {
        if self.risk.counts_nothing() {
            return;
        }
        let Some(transaction) = self.transactions.get(id) else { return };
        if transaction.opened.kind.is_assessed() {
            let (seen, today) = (self.seen(&transaction.opened, transaction.at), self.day());
            self.risk.count(&seen, today, what);
        }
    }

    /// What rules look at in a transaction: as it was counted, so that what is given back is what was taken.
    pub(crate) fn seen(&self, opened: &TransactionOpened, at: Timestamp) -> Seen {
        let key = &opened.key;
        Seen {
            id: opened.id,
            kind: opened.kind,
            merchant: key.merchant,
            terminal: key.terminal,
            card_kind: opened.card_class,
            card: opened.card.as_ref().map(|card| card.hash),
            amount: opened.amount,
            entry_mode: opened.echo.entry_mode,
            day: opened.day,
            around: Surroundings { mcc: opened.mcc, ..self.surroundings(key.merchant, at) },
        }
    }

    /// Where and when a merchant asks, as it is now.
    pub(crate) fn surroundings(&self, merchant: MerchantIndex, at: Timestamp) -> Surroundings {
        let local = at.local(self.offset());
        let merchant = self.registry.merchant(merchant);
        let digit = |byte: &u8| u16::from(byte.wrapping_sub(b'0') % 10);
        let area = merchant.map_or(0, |m| m.id.as_bytes()[3..7].iter().fold(0, |n, b| n * 10 + digit(b)));
        Surroundings {
            mcc: merchant.map_or(0, |m| m.mcc),
            area,
            at,
            minute: local.hour() as u16 * 60 + local.minute() as u16,
            weekday: local.weekday().to_monday_one_offset() as u8,
        }
    }
}
