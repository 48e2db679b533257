//! Currencies: what a cardholder is billed where an issuer's link bills in another currency than the transaction's.
//!
//! Only messages to that issuer say so. Postings, limits and settlement stay in the transaction's currency.

use crate::decide::order::Desk;
use crate::effect::{CommandError, CommandOutcome};
use crate::input::{Answer, IssuersBilling};
use crate::machine::{Core, Output};
use crate::state::Transaction;
use switchyard_domain::{
    Actor, Amount, Billing, BusinessDate, ExchangeRate, LinkIndex, RATES_AHEAD_MAX, RATES_MAX, Reason,
    Record, ResponseCode, Timestamp, TransactionId, TransactionKind,
};

/// Microseconds in an hour.
const HOUR_MICROS: u64 = 3_600_000_000;

impl Core {
    /// What the messages of a transaction that goes over `link` say of its cardholder's billing.
    ///
    /// What follows another transaction is billed at that one's rate, in that one's currency, whatever has changed since:
    /// what is taken back is what was billed. What has taken place already is told, in the transaction's currency alone
    /// if there is no other way.
    pub(crate) fn billing(
        &self,
        kind: TransactionKind,
        amount: Amount,
        original: Option<TransactionId>,
        link: LinkIndex,
        now: Timestamp,
    ) -> Result<Option<Billing>, ResponseCode> {
        if kind == TransactionKind::BalanceInquiry {
            return Ok(None);
        }
        let billed = match original.and_then(|id| self.state.transactions.get(id)) {
            Some(original) => original.billing.map(|billing| billing.of(amount)).transpose(),
            None => {
                let quoted = |rate: &ExchangeRate| {
                    let quote = rate.quote(amount)?;
                    let rate_day = BusinessDate::at(rate.valid_from, self.offset());
                    Ok(Billing { amount: quote.billed, rate: quote.billed_rate, rate_day })
                };
                self.rate_for(kind, amount, link, now)?.map(quoted).transpose()
            }
        };
        match billed {
            Ok(billing) => Ok(billing),
            Err(_) if kind.is_advice() => Ok(None),
            Err(_) => Err(ResponseCode::INVALID_AMOUNT),
        }
    }

    /// The rate for a link, where it needs one. Without one, or with one that is too old, nothing new is sent there: the
    /// terminal hears 96, because it is the switch that lacks something.
    fn rate_for(
        &self,
        kind: TransactionKind,
        amount: Amount,
        link: LinkIndex,
        now: Timestamp,
    ) -> Result<Option<&ExchangeRate>, ResponseCode> {
        let terms = self.state.registry.link_terms(link);
        let Some(currency) = terms.billing.filter(|currency| *currency != amount.currency) else {
            return Ok(None);
        };
        let rate = self.state.rates.in_force(amount.currency, currency, now);
        let usable = rate.filter(|rate| kind.is_advice() || !self.is_stale(rate, now));
        if usable.is_none() && !kind.is_advice() {
            return Err(ResponseCode::SYSTEM_MALFUNCTION);
        }
        Ok(usable)
    }

    fn is_stale(&self, rate: &ExchangeRate, now: Timestamp) -> bool {
        now.micros_since(rate.valid_from) > u64::from(self.config.rate_age_hours_max) * HOUR_MICROS
    }

    /// Records what the messages of a transaction say.
    pub(crate) fn convert(
        &mut self,
        transaction: TransactionId,
        billing: Option<Billing>,
        actor: Actor,
        now: Timestamp,
        out: &mut Output,
    ) {
        if let Some(billing) = billing {
            self.emit(Record::Converted { transaction, billing }, actor, now, out);
        }
    }

    /// Records what an issuer bills otherwise than it was told, where it says so. That is between it and its cardholder:
    /// the approval stands, and what takes it back says what the request said.
    pub(crate) fn note_billing(
        &mut self,
        id: TransactionId,
        approved: Amount,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(transaction) = self.state.transactions.get(id) else { return };
        let Some(record) = billed_otherwise(transaction, approved, &answer.billing) else { return };
        let actor = Self::link_of(&transaction.opened).map_or(Actor::Switch, Actor::Link);
        self.emit(record, actor, now, out);
    }

    /// Amounts are converted by this rate from its moment on. What is so already is not recorded again.
    pub(super) fn set_rate(
        &mut self,
        rate: ExchangeRate,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Result<CommandOutcome, CommandError> {
        rate.check().map_err(CommandError::Rate)?;
        let (now, rates) = (desk.now(), &self.state.rates);
        let known = rates.of(rate.from, rate.to);
        if known.contains(&rate) {
            return Ok(CommandOutcome::RecordedBefore);
        }
        if self.is_stale(&rate, now) {
            return Err(CommandError::NotNow {
                why: "the rate is older than core.rate_age_hours_max already",
            });
        }
        if rates.in_force(rate.from, rate.to, now).is_some_and(|newer| newer.valid_from > rate.valid_from) {
            return Err(CommandError::NotNow { why: "a later rate of these currencies is in force already" });
        }
        let ahead = known.iter().filter(|known| known.valid_from > now).count();
        if rate.valid_from > now && ahead >= RATES_AHEAD_MAX {
            let what = "rates of one pair ahead of their time";
            return Err(CommandError::TooMany { what, have: ahead + 1, max: RATES_AHEAD_MAX });
        }
        if known.is_empty() && rates.pairs() >= RATES_MAX {
            let what = "pairs of currencies";
            return Err(CommandError::TooMany { what, have: rates.pairs() + 1, max: RATES_MAX });
        }
        self.ordered(Record::RateSet { rate, reason }, desk)
    }
}

/// What is to be recorded of an issuer's billing that differs from what it was told for this amount.
fn billed_otherwise(transaction: &Transaction, approved: Amount, billing: &IssuersBilling) -> Option<Record> {
    let told = transaction.billing?;
    let told = told.of(approved).unwrap_or(told);
    let amount = Amount::new(billing.minor?, billing.currency.unwrap_or(told.amount.currency));
    let same = amount == told.amount && billing.rate.is_none_or(|rate| rate == told.rate);
    let record = Record::IssuerBilled { transaction: transaction.opened.id, amount, rate: billing.rate };
    (!same).then_some(record)
}
