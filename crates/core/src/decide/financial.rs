//! A transaction request, from the duplicate check to where it is decided.

use crate::decide::original;
use crate::decide::terminal::Caller;
use crate::effect::{Effect, PinJob, Reply, ReplyBody};
use crate::flight::{PinWait, join};
use crate::input::{Financial, PinOutcome, SlotId};
use crate::link_key::ZonePin;
use crate::machine::{Core, Output};
use crate::state::{BatchStage, Known, Transaction};
use switchyard_domain::{
    Actor, AdviceReason, Amount, Billing, CardClass, CardKind, CardRef, Entry, LinkIndex, Outcome, Record,
    ReplyFacts, RequestKey, ResponseCode, RiskFinding, RiskVerdict, Route, RouteTarget, Scheme, Timestamp,
    TransactionId, TransactionKind, TransactionOpened, UpstreamRef,
};

/// Where a transaction is decided, and what was found out on the way there.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) key: RequestKey,
    /// Class and product.
    pub(crate) card_kind: CardKind,
    pub(crate) issuer: u64,
    pub(crate) original: Option<TransactionId>,
    pub(crate) target: RouteTarget,
    /// The routing rule whose turn it takes.
    pub(crate) turn: Option<usize>,
    pub(crate) card: Option<CardRef>,
    /// The issuer is away, and a rule lets the switch approve in its place.
    pub(crate) stands_in: bool,
    /// What limits and risk rules found.
    pub(crate) risk: Option<Box<RiskFinding>>,
    /// What its messages say of the cardholder's billing.
    pub(crate) billing: Option<Billing>,
}

/// A refusal that is recorded, because the transaction was understood and authentic.
#[derive(Debug)]
pub(crate) struct Decline {
    pub(crate) code: ResponseCode,
    pub(crate) plan: Plan,
}

/// What the PIN work said.
#[derive(Debug)]
pub(crate) enum PinState {
    /// Not asked yet.
    NotAsked,
    /// It is right at the embedded issuer, or is under a link's key: good for this target alone.
    Done { target: RouteTarget, block: Option<ZonePin> },
}

impl Core {
    /// A request that is authentic and comes from a signed-on terminal.
    pub(crate) fn financial(
        &mut self,
        caller: Caller,
        request: Box<Financial>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let key = key_of(&caller, &request);
        if let Some(known) = self.state.requests.get(&key) {
            return self.repeat(caller, &request, known, out);
        }
        if let Some(slot) = self.flight.pin_by_key.get(&key) {
            let wait = self.flight.pins.get_mut(slot).expect("indexed while it waits");
            if wait.fingerprint != request.fingerprint {
                return out.refuse(caller.origin, ResponseCode::DUPLICATE);
            }
            if !join(&mut wait.origins, caller.origin) {
                out.refuse(caller.origin, ResponseCode::SYSTEM_MALFUNCTION);
            }
            return;
        }
        if self.state.requests.is_shut(&key) {
            return out.refuse(caller.origin, ResponseCode::MALFUNCTION);
        }
        if !self.takes(&key) {
            return out.refuse(caller.origin, ResponseCode::SIGN_ON_REQUIRED);
        }
        let under_way = self.flight.pins.len() + self.flight.upstream.len();
        if under_way >= self.config.in_flight_max && !request.kind.is_advice() {
            return out.refuse(caller.origin, ResponseCode::SYSTEM_MALFUNCTION);
        }
        if self.is_full(&key) && !request.kind.is_advice() {
            return out.refuse(caller.origin, ResponseCode::COUNT_LIMIT);
        }
        self.proceed(caller, vec![caller.origin], request, PinState::NotAsked, now, out);
    }

    /// Whether the key's batch has as many transactions as an upload can count. What has taken place is taken all the same.
    fn is_full(&self, key: &RequestKey) -> bool {
        let batch = self.state.batches.get(key.terminal);
        batch.is_some_and(|batch| batch.transactions.len() >= self.config.batch_items_max)
    }

    /// Whether the key's batch is the one that takes transactions.
    pub(crate) fn takes(&self, key: &RequestKey) -> bool {
        let batch = self.state.batches.get(key.terminal);
        batch.is_some_and(|b| b.number == key.batch && b.stage == BatchStage::Open)
    }

    /// The same key again: the same request hears the same answer, another one hears 94.
    fn repeat(&mut self, caller: Caller, request: &Financial, known: Known, out: &mut Output) {
        let Known::Transaction(id) = known else { return out.refuse(caller.origin, ResponseCode::DUPLICATE) };
        let transaction = self.state.transactions.get(id).expect("the table names transactions that exist");
        let another_moment = self.is_unbatched(&caller) && transaction.opened.echo.de60 != request.echo.de60;
        if another_moment || transaction.opened.fingerprint != request.fingerprint {
            return out.refuse(caller.origin, ResponseCode::DUPLICATE);
        }
        let issuer =
            request.card.as_ref().and_then(|c| self.state.registry.route(&c.pan)).map_or(0, |r| r.issuer);
        match transaction.reply {
            Some(facts) => {
                let scheme = self.state.scheme_of(transaction.opened.card_class);
                out.reply(caller.origin, stored_reply(transaction, facts, issuer, scheme));
            }
            None => match self.flight.upstream.get_mut(&id) {
                Some(wait) => {
                    if !join(&mut wait.origins, caller.origin) {
                        out.refuse(caller.origin, ResponseCode::SYSTEM_MALFUNCTION);
                    }
                }
                None => out.refuse(caller.origin, ResponseCode::NO_ISSUER_ANSWER),
            },
        }
    }

    /// From the rules to the place of decision. Called once without the PIN's result, and where there is a
    /// PIN, again with it: everything is looked at again then, because the world went on meanwhile.
    pub(crate) fn proceed(
        &mut self,
        caller: Caller,
        origins: Vec<crate::input::Origin>,
        request: Box<Financial>,
        pin: PinState,
        now: Timestamp,
        out: &mut Output,
    ) {
        let prefer = match pin {
            PinState::NotAsked => None,
            PinState::Done { target, .. } => Some(target),
        };
        let plan = match self.plan(&caller, &request, prefer, now) {
            Ok(plan) => plan,
            Err(decline) => return self.decline(&origins, &request, *decline, now, out),
        };
        // Before a PIN is brought there, so that those who come meanwhile are not all sent the same way.
        self.flight.turns.take(plan.turn);
        let advice = request.kind.is_advice();
        if let (RouteTarget::Link(link), true) = (plan.target, plan.stands_in || advice) {
            let why = if advice { AdviceReason::Offline } else { AdviceReason::IssuerAway };
            return self.decide_by_advice(link, why, &origins, &request, plan, now, out);
        }
        if self.needs_chip(&plan, &request) {
            return self.ask_chip(origins, request, &plan, out);
        }
        if request.pin.is_some() && !advice && matches!(pin, PinState::NotAsked) {
            return self.ask_pin(caller, origins, request, plan, now, out);
        }
        let block = match pin {
            PinState::NotAsked => None,
            PinState::Done { target, block } if target == plan.target => block,
            PinState::Done { .. } => {
                // The route changed meanwhile: nobody has seen this PIN for the target of now.
                let decline = Decline { code: ResponseCode::SECURITY_FAILURE, plan };
                return self.decline(&origins, &request, decline, now, out);
            }
        };
        match plan.target {
            RouteTarget::OnUs => self.decide_on_us(&origins, &request, plan, now, out),
            RouteTarget::Link(link) => self.send_upstream(link, origins, request, block, plan, now, out),
        }
    }

    /// Every rule that needs no secret.
    pub(crate) fn plan(
        &self,
        caller: &Caller,
        request: &Financial,
        prefer: Option<RouteTarget>,
        now: Timestamp,
    ) -> Result<Plan, Box<Decline>> {
        let route = request.card.as_ref().and_then(|c| self.state.registry.route(&c.pan));
        let mut plan = Plan {
            key: key_of(caller, request),
            card_kind: route.map_or(CardClass::Debit.into(), |r| r.class),
            issuer: route.map_or(0, |r| r.issuer),
            original: None,
            target: route.map_or(RouteTarget::OnUs, |r| r.target),
            turn: None,
            card: request.card.as_ref().map(|c| c.reference.clone()),
            stands_in: false,
            risk: None,
            billing: None,
        };
        match self.fill_plan(&mut plan, route, request, prefer, now) {
            Ok(()) => Ok(plan),
            Err(code) => Err(Box::new(Decline { code, plan })),
        }
    }

    fn fill_plan(
        &self,
        plan: &mut Plan,
        route: Option<&Route>,
        request: &Financial,
        prefer: Option<RouteTarget>,
        now: Timestamp,
    ) -> Result<(), ResponseCode> {
        if request.amount.is_zero() && request.kind != TransactionKind::BalanceInquiry {
            return Err(ResponseCode::INVALID_AMOUNT);
        }
        if request.amount.minor > Amount::MINOR_MAX {
            return Err(ResponseCode::INVALID_AMOUNT);
        }
        let hot = plan.card.as_ref().and_then(|card| self.state.registry.blocked.get(&card.hash));
        if request.kind.follows_another() {
            let id = original::find(&self.state, &self.config, &plan.key, request)?;
            let original = self.state.transactions.get(id).expect("just found");
            plan.original = Some(id);
            plan.card_kind = original.opened.card_class;
            plan.card = plan.card.take().or_else(|| original.opened.card.clone());
            plan.target = original.opened.upstream.map_or(RouteTarget::OnUs, |u| RouteTarget::Link(u.link));
        } else {
            route.ok_or(ResponseCode::NO_SUCH_ISSUER)?;
            // A hot card is refused wherever it belongs; what gives its holder money back is not.
            if let Some(cause) = hot.filter(|_| !request.kind.is_advice()) {
                return Err(cause.code());
            }
            let expiry = request.card.as_ref().and_then(|c| c.expiry);
            if !request.kind.is_advice() && expiry.is_some_and(|e| e.is_before(self.year_month(now))) {
                return Err(ResponseCode::EXPIRED_CARD);
            }
            self.product_in_order(plan.card_kind, request)?;
        }
        let seen = self.seen_asked(plan, request, now);
        if let Some(seen) = seen.as_ref().filter(|_| !request.kind.follows_another()) {
            let way = self.destination(seen, plan.issuer, plan.target, &[], prefer);
            (plan.target, plan.turn) = (way.target, way.turn);
        }
        plan.risk = seen.as_ref().and_then(|seen| self.state.assess(seen));
        if request.kind.is_advice() {
            let is_hot = hot.is_some() && !request.kind.follows_another();
            plan.risk = self.state.assess_taken_place(plan.risk.take(), is_hot);
        } else if let Some(RiskVerdict::Decline(code)) = plan.risk.as_ref().map(|found| found.verdict) {
            return Err(code);
        }
        let RouteTarget::Link(link) = plan.target else {
            return self.card_in_order(plan, request, now);
        };
        // What has taken place waits for its issuer.
        if !request.kind.is_advice() && !self.is_healthy(link, now) {
            plan.stands_in = seen.as_ref().is_some_and(|seen| self.may_stand_in(plan.issuer, request, seen));
            if !plan.stands_in {
                return Err(ResponseCode::ISSUER_INOPERATIVE);
            }
        }
        plan.billing = self.billing(request.kind, request.amount, plan.original, link, now)?;
        Ok(())
    }

    /// `YYMM` of the switch's local time.
    pub(crate) fn year_month(&self, now: Timestamp) -> [u8; 4] {
        let date = now.local(self.offset());
        crate::machine::digits::<4>((date.year() % 100) as u64 * 100 + date.month() as u64)
    }

    fn ask_pin(
        &mut self,
        caller: Caller,
        origins: Vec<crate::input::Origin>,
        request: Box<Financial>,
        plan: Plan,
        now: Timestamp,
        out: &mut Output,
    ) {
        let keys = self.state.registry.terminal(caller.terminal).and_then(|t| t.keys.as_ref());
        let Some(version) = request.key_version.or(keys.map(|k| k.version)) else {
            return origins.iter().for_each(|o| out.refuse(*o, ResponseCode::SIGN_ON_REQUIRED));
        };
        if request.card.is_none() {
            let decline = Decline { code: ResponseCode::PIN_FORMAT, plan };
            return self.decline(&origins, &request, decline, now, out);
        }
        let job = match plan.target {
            RouteTarget::Link(link) => PinJob::Translate { link },
            RouteTarget::OnUs => PinJob::Verify { pvv: self.pvv_of(&plan) },
        };
        let slot = self.wait_for_keys(&plan, &request, origins);
        out.effects.push(Effect::PinWork { slot, terminal: caller.terminal, version, request, job });
    }

    /// Remembers who waits while keys are at work for a transaction.
    pub(crate) fn wait_for_keys(
        &mut self,
        plan: &Plan,
        request: &Financial,
        origins: Vec<crate::input::Origin>,
    ) -> SlotId {
        let slot = self.flight.slot();
        let (key, fingerprint, target) = (plan.key, request.fingerprint, plan.target);
        let moment = request.echo.de60;
        self.flight.pin_by_key.insert(key, slot);
        self.flight
            .pins
            .insert(slot, PinWait { key, fingerprint, moment, target, origins, cancelled: false });
        slot
    }

    /// Who waited for it and for whom to go on. When it may not be decided any more, they hear so and nobody is left.
    pub(crate) fn waited_for_keys(&mut self, slot: SlotId, out: &mut Output) -> Option<(PinWait, Caller)> {
        let wait = self.flight.pins.remove(&slot)?;
        self.flight.pin_by_key.remove(&wait.key);
        let first = wait.origins.first().copied()?;
        let refused = if wait.cancelled {
            Some(ResponseCode::MALFUNCTION)
        } else if let Some(code) = self.shut_out(wait.key.terminal, wait.key.merchant) {
            // An operator took it out of service meanwhile.
            Some(code)
        } else if !self.takes(&wait.key) {
            // The batch was closed meanwhile: it has been added up without this.
            Some(ResponseCode::SIGN_ON_REQUIRED)
        } else {
            None
        };
        if let Some(code) = refused {
            wait.origins.iter().for_each(|origin| out.refuse(*origin, code));
            return None;
        }
        let caller = Caller { terminal: wait.key.terminal, merchant: wait.key.merchant, origin: first };
        Some((wait, caller))
    }

    /// The PIN work is done.
    pub(crate) fn pin_done(
        &mut self,
        slot: SlotId,
        request: Box<Financial>,
        outcome: PinOutcome,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(request) = self.remade_pin(slot, request, &outcome, out) else { return };
        if let Some(reroute) = self.flight.reroutes.remove(&slot) {
            return self.rerouted_pin(reroute, request, outcome, now, out);
        }
        let Some((wait, caller)) = self.waited_for_keys(slot, out) else { return };
        if matches!(outcome, PinOutcome::Malformed) {
            self.malformed_pin(caller.terminal, now, out);
        }
        let target = wait.target;
        let plan = self.plan(&caller, &request, Some(target), now);
        if target == RouteTarget::OnUs {
            self.pin_tried(&caller, &request, &outcome, now, out);
        }
        let code = match (outcome, target) {
            (PinOutcome::Verified, RouteTarget::OnUs) => {
                let pin = PinState::Done { target, block: None };
                return self.proceed(caller, wait.origins, request, pin, now, out);
            }
            (PinOutcome::Translated(block), RouteTarget::Link(_)) => {
                let pin = PinState::Done { target, block: Some(block) };
                return self.proceed(caller, wait.origins, request, pin, now, out);
            }
            (PinOutcome::Wrong, _) => ResponseCode::WRONG_PIN,
            (PinOutcome::Malformed, _) => ResponseCode::PIN_FORMAT,
            (PinOutcome::Failed | PinOutcome::Verified | PinOutcome::Translated(_), _) => {
                ResponseCode::SECURITY_FAILURE
            }
        };
        let decline = match plan {
            Ok(plan) => Decline { code, plan },
            Err(decline) => *decline,
        };
        self.decline(&wait.origins, &request, decline, now, out);
    }

    /// Records a refusal and answers.
    pub(crate) fn decline(
        &mut self,
        origins: &[crate::input::Origin],
        request: &Financial,
        decline: Decline,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Decline { code, mut plan } = decline;
        let risk = plan.risk.take();
        let facts = self.facts(code, now);
        let issuer = plan.issuer;
        let opened = self.opened(request, plan, facts.rrn, None);
        let (echo, scheme) = (opened.echo, self.state.scheme_of(opened.card_class));
        let actor = Actor::Terminal(opened.key.terminal);
        let flagged = risk.as_ref().map(|_| opened.clone());
        let record = Record::Decided {
            opened,
            outcome: Outcome::Declined,
            reply: facts,
            entry: Entry::NONE,
            movement: None,
        };
        self.emit(record, actor, now, out);
        if let Some(opened) = flagged {
            self.flag(risk, &opened, false, now, out);
        }
        let reply =
            Reply::recorded(&facts, ReplyBody::Financial { facts, echo, issuer, scheme, approved: None });
        origins.iter().for_each(|origin| out.reply(*origin, reply.clone()));
    }

    /// The transaction as it is recorded.
    pub(crate) fn opened(
        &self,
        request: &Financial,
        plan: Plan,
        rrn: switchyard_domain::Rrn,
        upstream: Option<UpstreamRef>,
    ) -> TransactionOpened {
        let merchant = self.state.registry.merchant(plan.key.merchant);
        TransactionOpened {
            id: self.state.transactions.next_id(),
            key: plan.key,
            fingerprint: request.fingerprint,
            kind: request.kind,
            amount: request.amount,
            card: plan.card,
            card_class: plan.card_kind,
            original: plan.original,
            rrn,
            echo: request.echo,
            upstream,
            day: self.state.day(),
            mcc: merchant.map_or(0, |merchant| merchant.mcc),
        }
    }

    /// The time at which a movement is priced: a follow-up that takes something back is priced as what it
    /// takes back.
    pub(crate) fn priced_at(&self, opened: &TransactionOpened, now: Timestamp) -> Timestamp {
        match (opened.kind, opened.original.and_then(|id| self.state.transactions.get(id))) {
            (
                TransactionKind::Void | TransactionKind::Refund | TransactionKind::CompletionVoid,
                Some(original),
            ) => original.at,
            _ => now,
        }
    }

    /// The link that a transaction went over.
    pub(crate) fn link_of(opened: &TransactionOpened) -> Option<LinkIndex> {
        opened.upstream.map(|u| u.link)
    }
}

/// The key of a request.
pub(crate) fn key_of(caller: &Caller, request: &Financial) -> RequestKey {
    RequestKey {
        merchant: caller.merchant,
        terminal: caller.terminal,
        batch: request.batch,
        stan: request.stan,
        class: request.class,
    }
}

/// The stored answer of a transaction.
fn stored_reply(transaction: &Transaction, facts: ReplyFacts, issuer: u64, scheme: Scheme) -> Reply {
    let (echo, approved) = (transaction.opened.echo, transaction.approved_part());
    Reply::recorded(&facts, ReplyBody::Financial { facts, echo, issuer, scheme, approved })
}
