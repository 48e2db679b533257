//! The embedded issuer: cards whose accounts are in this book.

use crate::decide::financial::{Decline, Plan};
use crate::decide::postings;
use crate::decide::terminal::Caller;
use crate::effect::{Reply, ReplyBody};
use crate::input::{Financial, Origin, PinOutcome};
use crate::machine::{Core, Output, digits};
use switchyard_book::BookError;
use switchyard_domain::{
    AccountId, AccountKind, Actor, Amount, AuthCode, Outcome, Record, ResponseCode, Timestamp, TransactionId,
    TransactionKind,
};

impl Core {
    /// What the issuer checks before it looks at a PIN or a balance.
    pub(crate) fn card_in_order(
        &self,
        plan: &Plan,
        request: &Financial,
        now: Timestamp,
    ) -> Result<(), ResponseCode> {
        if request.kind.follows_another() {
            // What takes something back needs no PIN; one that comes along is a try like any other.
            let card = plan.card.as_ref().and_then(|card| self.state.registry.issued(&card.hash));
            let locked = card.is_some_and(|(_, c)| c.pin_failures >= self.config.pin_tries_max);
            let tries = request.pin.is_some() && locked;
            return if tries { Err(ResponseCode::PIN_TRIES_EXCEEDED) } else { Ok(()) };
        }
        let issued = plan.card.as_ref().and_then(|card| self.state.registry.issued(&card.hash));
        let (_, issued) = issued.ok_or(ResponseCode::INVALID_CARD)?;
        if request.kind.is_advice() {
            return Ok(());
        }
        if issued.card.expiry.is_before(self.year_month(now)) {
            return Err(ResponseCode::EXPIRED_CARD);
        }
        if issued.pin_failures >= self.config.pin_tries_max {
            return Err(ResponseCode::PIN_TRIES_EXCEEDED);
        }
        let free = request.amount.minor <= self.config.no_pin_minor_max
            && request.kind != TransactionKind::BalanceInquiry;
        if request.pin.is_none() && !free {
            return Err(ResponseCode::WRONG_PIN);
        }
        Ok(())
    }

    /// The card's PIN verification value; a card that is not on file has been refused before.
    pub(crate) fn pvv_of(&self, plan: &Plan) -> [u8; 4] {
        let issued = plan.card.as_ref().and_then(|card| self.state.registry.issued(&card.hash));
        issued.map_or([0; 4], |(_, issued)| issued.card.pvv)
    }

    /// Counts a wrong PIN, and forgets the wrong ones after a right one, unless the card is locked by then. A block that
    /// does not open is a try: whoever sends another card's block learns from that whether digits fit.
    /// Nothing but a PIN moves the count: neither a sale without one nor a refund buys new tries.
    pub(crate) fn pin_tried(
        &mut self,
        caller: &Caller,
        request: &Financial,
        outcome: &PinOutcome,
        now: Timestamp,
        out: &mut Output,
    ) {
        let right = match outcome {
            PinOutcome::Verified => true,
            PinOutcome::Wrong | PinOutcome::Malformed => false,
            PinOutcome::Failed | PinOutcome::Translated(_) => return,
        };
        let Some(card) = request.card.as_ref().map(|c| c.reference.hash) else { return };
        let Some((_, issued)) = self.state.registry.issued(&card) else { return };
        let failures = issued.pin_failures;
        if failures >= self.config.pin_tries_max || (right && failures == 0) {
            return;
        }
        self.emit(Record::PinTried { card, right }, Actor::Terminal(caller.terminal), now, out);
    }

    /// Approves or declines against the account, in one record.
    pub(crate) fn decide_on_us(
        &mut self,
        origins: &[Origin],
        request: &Financial,
        mut plan: Plan,
        now: Timestamp,
        out: &mut Output,
    ) {
        let mut facts = self.facts(ResponseCode::APPROVED, now);
        let issuer = plan.issuer;
        let opened = self.opened(request, plan.clone(), facts.rrn, None);
        let Some(source) = self.source_on_us(&plan, request) else {
            let decline = Decline { code: ResponseCode::INVALID_CARD, plan };
            return self.decline(origins, request, decline, now, out);
        };
        let mut entry = postings::approval(&opened, source);
        let has_taken_place =
            matches!(request.kind, TransactionKind::OfflineSale | TransactionKind::PreAuthAdvice);
        if has_taken_place && self.state.book.check(&entry).is_err() {
            // The goods are gone, or promised: what the account does not cover stands in suspense until it is collected.
            let suspense = AccountId::own(AccountKind::Suspense, opened.amount.currency);
            entry = postings::approval(&opened, suspense);
        }
        if let Err(error) = self.state.book.check(&entry) {
            let code = match error {
                BookError::Overdraft { .. } => ResponseCode::INSUFFICIENT_FUNDS,
                BookError::Closed { .. } => ResponseCode::RESTRICTED_CARD,
                BookError::CreditLimit { .. } => ResponseCode::AMOUNT_LIMIT,
                BookError::HoldNotOpen { .. } => ResponseCode::ORIGINAL_NOT_FOUND,
                _ => ResponseCode::SYSTEM_MALFUNCTION,
            };
            return self.decline(origins, request, Decline { code, plan }, now, out);
        }
        if request.kind == TransactionKind::BalanceInquiry {
            let available = self.state.book.balance(source).available_credit_minor();
            let minor = u64::try_from(available.unsigned_abs()).unwrap_or(u64::MAX).min(Amount::MINOR_MAX);
            facts.balance = Some((Amount::new(minor, request.amount.currency), available >= 0));
        } else {
            // What was approved by somebody else already has its code.
            let told = request.original.auth_code.filter(|_| request.kind == TransactionKind::PreAuthAdvice);
            facts.auth_code = told.or_else(|| Some(auth_code(opened.id)));
        }
        let movement = postings::movement(&opened, true, self.priced_at(&opened, now));
        let (echo, scheme) = (opened.echo, self.state.scheme_of(opened.card_class));
        let actor = Actor::Terminal(opened.key.terminal);
        let finding = plan.risk.take();
        let flagged = finding.as_ref().map(|_| opened.clone());
        let record = Record::Decided { opened, outcome: Outcome::Approved, reply: facts, entry, movement };
        self.emit(record, actor, now, out);
        if let Some(opened) = flagged {
            self.flag(finding, &opened, true, now, out);
        }
        let body = ReplyBody::Financial { facts, echo, issuer, scheme, approved: None };
        let reply = Reply { chip: request.chip_answer.clone(), ..Reply::recorded(&facts, body) };
        origins.iter().for_each(|origin| out.reply(*origin, reply.clone()));
    }

    fn source_on_us(&self, plan: &Plan, request: &Financial) -> Option<AccountId> {
        if let Some(original) = plan.original.and_then(|id| self.state.transactions.get(id)) {
            return Some(original.source);
        }
        let (owner, _) = self.state.registry.issued(&plan.card.as_ref()?.hash)?;
        Some(AccountId::of(AccountKind::Cardholder, owner, request.amount.currency))
    }
}

/// Six digits that differ between neighbours, so that two approvals are not mistaken for one another.
pub(crate) fn auth_code(id: TransactionId) -> AuthCode {
    let number = (id.0 % 1_000_000 + 1) * 7_919 % 1_000_000;
    AuthCode::try_from(&digits::<6>(number)[..]).expect("six digits are an authorization code")
}
