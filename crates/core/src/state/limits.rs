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
                }
            }
            Record::PayoutReleased { transaction, .. } => {
                let missing = missing_number("held payout", transaction.0);
                self.risk.held.remove(transaction).ok_or(missing)?;
            }
            _ => unreachable!("only rules and what they found come here"),
        }
        Ok(())
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
        self.advised(opened.id, *why, Count::Stands);
        self.queue(Some(saf))
    }

    /// An issuer acknowledged what it was told.
    pub(super) fn delivered(&mut self, id: SafId, code: ResponseCode) -> Result<(), ApplyError> {
        let delivered = self.saf.remove(id).ok_or(missing_number("store-and-forward entry", id.0))?;
        match delivered.kind {
            SafKind::Reversal => self.reversed_upstream(delivered.transaction, code),
            SafKind::Advice | SafKind::Script => Ok(()),
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
    pub(super) fn advised(&mut self, id: TransactionId, why: AdviceReason, what: Count) {
        let Some(transaction) = self.transactions.get_mut(id) else { return };
        transaction.advice = Some(why);
        let opened = transaction.opened.clone();
        let today = opened.day == self.day();
        if let Some(card) = opened.card.as_ref().filter(|_| why == AdviceReason::IssuerAway && today) {
            self.risk.stood_in.get_or_default(card.hash).change(opened.amount, what);
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

    /// What rules look at in a transaction.
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
            around: self.surroundings(key.merchant, at),
        }
    }

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
