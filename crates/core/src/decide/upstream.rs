//! Transactions that an issuer behind a link decides.

use crate::decide::financial::{Decline, Plan};
use crate::decide::postings;
use crate::decide::saf::NO_LINE;
use crate::effect::{Effect, Reply, ReplyBody, Stray, Upstream, UpstreamRequest};
use crate::flight::{Asked, AskedAs, Over, UpstreamWait};
use crate::input::{Answer, Financial, Origin};
use crate::link_key::ZonePin;
use crate::machine::{Core, Output};
use crate::state::Transaction;
use switchyard_domain::{
    Actor, Amount, Billing, Entry, LinkIndex, Outcome, Record, ReplyFacts, ResponseCode, ReversalReason,
    SafEntry, SafKind, Timestamp, TransactionId, TransactionKind, TransactionOpened, UpstreamRef,
};

/// A request leaves within this share of the time its answer may take.
const LEAVES_WITHIN_PERCENT: u64 = 90;

impl Core {
    /// Records the intent, then asks the issuer: the server sends only what is durable.
    #[allow(clippy::too_many_arguments, reason = "a request on its way with all that belongs to it")]
    pub(crate) fn send_upstream(
        &mut self,
        link: LinkIndex,
        origins: Vec<Origin>,
        request: Box<Financial>,
        pin: Option<ZonePin>,
        mut plan: Plan,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(terms) = self.state.registry.link(link) else {
            let decline = Decline { code: ResponseCode::NO_ROUTE, plan };
            return self.decline(&origins, &request, decline, now, out);
        };
        let deadline = now.plus_micros(u64::from(terms.answer_timeout_ms) * 1_000);
        let mti = crate::dialect::iso::link::upstream_mti(request.kind);
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti };
        let (issuer, finding, billing) = (plan.issuer, plan.risk.take(), plan.billing);
        let opened = self.opened(&request, plan, self.next_rrn(), Some(upstream));
        let message = Box::new(self.upstream_request(&opened, request, pin, billing));
        let (id, terminal) = (opened.id, opened.key.terminal);
        let flagged = finding.as_ref().map(|_| opened.clone());
        self.emit(Record::Opened(opened), Actor::Terminal(terminal), now, out);
        self.convert(id, billing, Actor::Terminal(terminal), now, out);
        if let Some(opened) = flagged {
            self.flag(finding, &opened, false, now, out);
        }
        self.flight.wait_upstream(id, UpstreamWait::new(origins, deadline, issuer));
        let generation = self.flight.link(link).choose(&[], now).unwrap_or(NO_LINE);
        self.send_over(Over { link, generation }, &upstream, message, now, out);
    }

    /// A request goes out over a connection.
    pub(crate) fn send_over(
        &mut self,
        over: Over,
        upstream: &UpstreamRef,
        request: Box<UpstreamRequest>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Over { link, generation } = over;
        let (id, place) = (request.opened.id, self.asked_as(upstream, request.opened.rrn));
        let rule = self.rest_rule();
        let flight = self.flight.link(link);
        flight.asked(generation, now, rule);
        flight.note_asked(generation, place, Asked::Transaction(id));
        self.flight.went_over(id, over);
        out.effects.push(Effect::Send { link, generation, message: Box::new(Upstream::Request(request)) });
    }

    pub(crate) fn upstream_request(
        &self,
        opened: &TransactionOpened,
        request: Box<Financial>,
        pin: Option<ZonePin>,
        billing: Option<Billing>,
    ) -> UpstreamRequest {
        let registry = &self.state.registry;
        let original = opened.original.and_then(|id| self.state.transactions.get(id));
        let merchant = registry.merchant(opened.key.merchant).expect("the caller's merchant is registered");
        let terminal = registry.terminal(opened.key.terminal).expect("the caller is registered");
        UpstreamRequest {
            opened: opened.clone(),
            request,
            pin,
            terminal: terminal.terminal.id,
            merchant: merchant.id,
            original: original.and_then(|t| t.opened.upstream),
            auth_code: original.and_then(|t| t.reply).and_then(|r| r.auth_code),
            billing,
            leaves_by: opened.upstream.map_or(Timestamp(0), |upstream| self.leaves_by(&upstream)),
        }
    }

    /// Until when a request may leave. Its reversal is queued when its time is over, and a host that works on both at once may
    /// take the reversal first and then approve what nobody takes back; what is left of the time is for the issuer.
    pub(crate) fn leaves_by(&self, upstream: &UpstreamRef) -> Timestamp {
        let micros = u64::from(self.timeout_ms(upstream.link)) * 1_000;
        upstream.transmitted_at.plus_micros(micros * LEAVES_WITHIN_PERCENT / 100)
    }

    /// For how long a link's answers are waited for.
    pub(crate) fn timeout_ms(&self, link: LinkIndex) -> u32 {
        self.state.registry.link(link).map_or(0, |link| link.answer_timeout_ms)
    }

    /// An issuer says something. What was not asked on this connection is not an answer.
    pub(crate) fn answer(&mut self, over: Over, answer: &Answer, now: Timestamp, out: &mut Output) {
        let stray = match self.asked_by(over, answer) {
            Some((place, Asked::SignOn(offs))) => self.signed_on_upstream(over, (place, offs), answer, out),
            Some((place, Asked::NewKey)) => self.key_answered(over, place, answer, out),
            Some((place, Asked::Saf(id))) => self.saf_answered((over, place), id, answer, now, out),
            Some((place, Asked::Transaction(id))) => {
                self.transaction_answered((over, place), id, answer, now, out)
            }
            Some((place, Asked::Refused(id))) if answer.code.is_some_and(ResponseCode::is_approval) => {
                self.transaction_answered((over, place), id, answer, now, out)
            }
            Some((_, Asked::Answered | Asked::Refused(_))) => Some(Stray::Duplicate),
            None => Some(Stray::Unmatched),
        };
        stray.into_iter().for_each(|why| out.stray(over.link, why));
    }

    /// Says why, where it leads to nothing.
    fn transaction_answered(
        &mut self,
        (over, place): (Over, AskedAs),
        id: TransactionId,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Stray> {
        let transaction = self.state.transactions.get(id).expect("asked about a transaction that exists");
        let (opened, outcome) = (&transaction.opened, transaction.outcome);
        let about =
            |upstream: &UpstreamRef| answer.mti == upstream.mti + 10 && self.fits(upstream, opened, answer);
        let fits = opened.upstream.as_ref().is_some_and(about);
        let Some(code) = answer.code.filter(|_| fits) else { return Some(Stray::Unmatched) };
        self.flight.link(over.link).answered(over.generation);
        if outcome == Outcome::Declined && !code.is_approval() {
            return Some(Stray::Duplicate);
        }
        // Who refused, or did not know, may approve yet: then there is something to take back.
        let known = if code.is_approval() { Asked::Answered } else { Asked::Refused(id) };
        self.flight.link(over.link).keep_answered(over.generation, place, known);
        if outcome == Outcome::Pending {
            if let Some(wait) = self.flight.upstream.get_mut(&id) {
                wait.chip.clone_from(&answer.chip);
            }
            self.resolve_answered(id, code, answer, now, out);
            return None;
        }
        self.late_answer(id, code, now, out);
        Some(Stray::Late)
    }

    /// The answer came in time.
    fn resolve_answered(
        &mut self,
        id: TransactionId,
        code: ResponseCode,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) {
        let transaction = self.state.transactions.get(id).expect("checked by the caller");
        let opened = transaction.opened.clone();
        let (source, wanted) = (transaction.source, transaction.reversal_wanted);
        if let Some(part) = self.acceptable_part(transaction, code, answer)
            && !wanted
        {
            return self.resolve_part(id, part, answer, now, out);
        }
        let as_asked = answer.amount_minor.is_none_or(|minor| minor == opened.amount.minor);
        let whole = code.approves_whole() && as_asked;
        if code.is_unknown() || (code.is_approval() && !whole) {
            // The network does not know either; or it is approved, but not as asked for (a part of it, another
            // amount): it cannot stand, so it is undone.
            return self.resolve_unknown(id, ReversalReason::Other, now, out);
        }
        if whole && wanted {
            return self.reverse_resolved(&opened, now, out);
        }
        let entry = if whole { postings::approval(&opened, source) } else { Entry::NONE };
        if self.state.book.check(&entry).is_err() {
            return self.resolve_unknown(id, ReversalReason::Other, now, out);
        }
        // What a host adds to an approval (look at a passport, write track 3) no terminal knows how to do.
        let told = match code.as_bytes() {
            b"08" | b"16" if whole => ResponseCode::APPROVED,
            _ => code,
        };
        let facts = ReplyFacts {
            auth_code: answer.auth_code.filter(|_| whole),
            balance: answer.balance.filter(|_| whole && opened.kind == TransactionKind::BalanceInquiry),
            ..self.upstream_facts(&opened, told, now)
        };
        let movement =
            if whole { postings::movement(&opened, true, self.priced_at(&opened, now)) } else { None };
        let outcome = if whole { Outcome::Approved } else { Outcome::Declined };
        if whole {
            self.note_billing(id, opened.amount, answer, now, out);
        }
        self.resolve(&opened, outcome, facts, entry, movement, None, now, out);
    }

    /// The part of a transaction that an issuer approves, where the terminal understands that and the kind allows it.
    fn acceptable_part(
        &self,
        transaction: &Transaction,
        code: ResponseCode,
        answer: &Answer,
    ) -> Option<Amount> {
        let opened = &transaction.opened;
        let profile = self.state.registry.profile(opened.key.terminal)?;
        let divisible = matches!(
            opened.kind,
            TransactionKind::Sale | TransactionKind::CashAdvance | TransactionKind::PreAuth
        );
        let minor = answer.amount_minor.filter(|minor| (1..opened.amount.minor).contains(minor))?;
        (code == ResponseCode::PARTIAL && divisible && profile.takes_partial)
            .then_some(Amount::new(minor, opened.amount.currency))
    }

    /// A part is approved and stands: postings, limits and the batch are about this part from here on.
    fn resolve_part(
        &mut self,
        id: TransactionId,
        part: Amount,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) {
        let transaction = self.state.transactions.get(id).expect("checked by the caller");
        let (mut opened, source) = (transaction.opened.clone(), transaction.source);
        opened.amount = part;
        let entry = postings::approval(&opened, source);
        if self.state.book.check(&entry).is_err() {
            return self.resolve_unknown(id, ReversalReason::Other, now, out);
        }
        let actor = Self::link_of(&opened).map_or(Actor::Switch, Actor::Link);
        self.emit(Record::PartlyApproved { transaction: id, amount: part }, actor, now, out);
        self.note_billing(id, part, answer, now, out);
        let facts = ReplyFacts {
            auth_code: answer.auth_code,
            ..self.upstream_facts(&opened, ResponseCode::PARTIAL, now)
        };
        let movement = postings::movement(&opened, true, self.priced_at(&opened, now));
        self.resolve(&opened, Outcome::Approved, facts, entry, movement, None, now, out);
    }

    /// Facts of a reply under the reference that the transaction has already.
    pub(crate) fn upstream_facts(
        &self,
        opened: &TransactionOpened,
        code: ResponseCode,
        now: Timestamp,
    ) -> ReplyFacts {
        ReplyFacts { rrn: opened.rrn, ..self.facts(code, now) }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    pub(crate) fn resolve(
        &mut self,
        opened: &TransactionOpened,
        outcome: Outcome,
        reply: ReplyFacts,
        entry: Entry,
        movement: Option<switchyard_domain::Movement>,
        saf: Option<SafEntry>,
        now: Timestamp,
        out: &mut Output,
    ) {
        // What is approved in an issuer's place is the switch's own word.
        let asked = !saf.is_some_and(|entry| entry.kind == SafKind::Advice);
        let actor = Self::link_of(opened).filter(|_| asked).map_or(Actor::Switch, Actor::Link);
        let record = Record::Resolved { transaction: opened.id, outcome, reply, entry, movement, saf };
        self.emit(record, actor, now, out);
        self.raise_when_too_late(opened.id, now, out);
        if let Some(wait) = self.flight.end_upstream(opened.id) {
            let transaction = self.state.transactions.get(opened.id);
            let approved = transaction
                .filter(|transaction| transaction.outcome == Outcome::Approved)
                .and_then(Transaction::approved_part);
            let (echo, issuer) = (opened.echo, wait.issuer);
            let scheme = self.state.scheme_of(opened.card_class);
            let body = ReplyBody::Financial { facts: reply, echo, issuer, scheme, approved };
            let chip = wait.chip.filter(|_| reply.code != ResponseCode::NO_ISSUER_ANSWER);
            let reply = Reply { chip, ..Reply::recorded(&reply, body) };
            wait.origins.iter().for_each(|origin| out.reply(*origin, reply.clone()));
        }
        self.hurry(saf.as_ref(), now, out);
    }

    /// Approved upstream, but the terminal has taken it back meanwhile.
    fn reverse_resolved(&mut self, opened: &TransactionOpened, now: Timestamp, out: &mut Output) {
        let facts = self.upstream_facts(opened, ResponseCode::NO_ISSUER_ANSWER, now);
        let saf = self.reversal_entry(opened, ReversalReason::NoAnswer, now);
        self.resolve(opened, Outcome::Reversed, facts, Entry::NONE, None, saf, now, out);
    }

    /// Nobody knows what became of it: the terminal hears 98 and a reversal is on its way.
    pub(crate) fn resolve_unknown(
        &mut self,
        id: TransactionId,
        reason: ReversalReason,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(transaction) = self.state.transactions.get(id) else { return };
        let opened = transaction.opened.clone();
        let facts = self.upstream_facts(&opened, ResponseCode::NO_ISSUER_ANSWER, now);
        if opened.kind == TransactionKind::BalanceInquiry {
            return self.resolve(&opened, Outcome::Declined, facts, Entry::NONE, None, None, now, out);
        }
        let saf = self.reversal_entry(&opened, reason, now);
        self.resolve(&opened, Outcome::Unknown, facts, Entry::NONE, None, saf, now, out);
    }

    /// A reversal for the queue, with a trace number of its own.
    pub(crate) fn reversal_entry(
        &self,
        opened: &TransactionOpened,
        reason: ReversalReason,
        now: Timestamp,
    ) -> Option<SafEntry> {
        // An inquiry moved nothing at the issuer: there is nothing to take back.
        let moved = opened.kind != TransactionKind::BalanceInquiry;
        let link = Self::link_of(opened).filter(|_| moved)?;
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti: 420 };
        Some(self.saf_entry(SafKind::Reversal, opened.id, upstream, reason))
    }

    /// The next entry of the store-and-forward queue.
    pub(crate) fn saf_entry(
        &self,
        kind: SafKind,
        transaction: TransactionId,
        upstream: UpstreamRef,
        reason: ReversalReason,
    ) -> SafEntry {
        SafEntry { id: self.state.saf.next_id(), kind, transaction, upstream, reason }
    }

    /// The answer came too late. An approval leaves the reversal on its way; a decline makes one that was
    /// not sent yet unnecessary.
    fn late_answer(&mut self, id: TransactionId, code: ResponseCode, now: Timestamp, out: &mut Output) {
        let transaction = self.state.transactions.get(id).expect("checked by the caller");
        let link = Self::link_of(&transaction.opened);
        let declines = transaction.outcome == Outcome::Unknown && !code.is_approval() && !code.is_unknown();
        let unsent = self.state.saf.about(id).find(|entry| {
            let waits = self.state.saf.waiting.contains_key(&entry.id);
            waits && entry.kind == SafKind::Reversal && !self.was_sent(entry)
        });
        let cancels = unsent.filter(|_| declines).map(|entry| entry.id);
        let actor = link.map_or(Actor::Switch, Actor::Link);
        // Its reversal overtook it at the issuer and found nothing, or the issuer had refused it before and the terminal
        // has heard so: now there is something to reverse.
        let nothing_known = transaction.unfound || transaction.outcome == Outcome::Declined;
        let again = nothing_known && code.is_approval() && !self.state.saf.is_taking_back(id);
        let saf = if again {
            self.reversal_entry(&transaction.opened, ReversalReason::NoAnswer, now)
        } else {
            None
        };
        self.emit(Record::LateAnswer { transaction: id, code, cancels }, actor.clone(), now, out);
        if let Some(saf) = saf {
            self.emit(Record::ReversalQueued { saf }, actor, now, out);
            self.hurry(Some(&saf), now, out);
        }
    }

    /// A transaction that waits for its outcome.
    pub(crate) fn pending(&self, id: TransactionId) -> Option<&Transaction> {
        self.state.transactions.get(id).filter(|transaction| transaction.outcome == Outcome::Pending)
    }

    /// The request never left: nothing happened upstream.
    pub(crate) fn not_sent(
        &mut self,
        link: LinkIndex,
        id: TransactionId,
        request: Option<Box<UpstreamRequest>>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(transaction) = self.pending(id) else { return };
        let (opened, reversal_wanted) = (transaction.opened.clone(), transaction.reversal_wanted);
        let Some(upstream) = opened.upstream.filter(|upstream| upstream.link == link) else { return };
        let place = self.asked_as(&upstream, opened.rrn);
        if let Some(over) = self.flight.took_back(id) {
            self.flight.link(link).forget(over.generation, place);
            if let Some(wait) = self.flight.upstream.get_mut(&id) {
                wait.lines_tried.push(over.generation);
            }
        }
        let request = request.filter(|request| request.opened.id == id && !reversal_wanted);
        let Some(request) = request else {
            return self.give_up_unsent(&opened, ResponseCode::ISSUER_INOPERATIVE, now, out);
        };
        let elsewhere = self.over_another_line(&upstream, request, now, out);
        let elsewhere = elsewhere.or_else(|request| self.fail_over(&opened, request, now, out));
        if let Err(request) = elsewhere {
            self.stand_in_or_give_up(&opened, &request.request, now, out);
        }
    }

    /// A request of which not a byte left goes over another connection of the same link, as it is: to the same host, under
    /// the same numbers and in what is left of its time. Comes back where there is none.
    fn over_another_line(
        &mut self,
        upstream: &UpstreamRef,
        request: Box<UpstreamRequest>,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<(), Box<UpstreamRequest>> {
        let link = upstream.link;
        let is_current = request.pin.as_ref().is_none_or(|pin| self.is_under_key_in_force(link, pin.key));
        let may = is_current && request.leaves_by > now && self.is_healthy(link, now);
        let wait = self.flight.upstream.get(&request.opened.id).filter(|_| may);
        let Some(tried) = wait.map(|wait| wait.lines_tried.clone()) else { return Err(request) };
        let Some(generation) = self.flight.link(link).choose(&tried, now) else { return Err(request) };
        self.send_over(Over { link, generation }, upstream, request, now, out);
        Ok(())
    }

    /// Nobody can be asked: a rule approves it in its issuer's place, or nothing has happened.
    pub(crate) fn stand_in_or_give_up(
        &mut self,
        opened: &TransactionOpened,
        request: &Financial,
        now: Timestamp,
        out: &mut Output,
    ) {
        if !self.stand_in_unsent(opened, request, now, out) {
            self.give_up_unsent(opened, ResponseCode::ISSUER_INOPERATIVE, now, out);
        }
    }

    /// Nothing happened anywhere, and nothing will.
    pub(crate) fn give_up_unsent(
        &mut self,
        opened: &TransactionOpened,
        code: ResponseCode,
        now: Timestamp,
        out: &mut Output,
    ) {
        let facts = self.upstream_facts(opened, code, now);
        self.resolve(opened, Outcome::Declined, facts, Entry::NONE, None, None, now, out);
    }

    /// Whoever was not answered in time.
    pub(crate) fn expire_upstream(&mut self, now: Timestamp, out: &mut Output) {
        while let Some(&(deadline, id)) = self.flight.deadlines.first() {
            if deadline > now {
                return;
            }
            self.flight.deadlines.pop_first();
            let opened = self.state.transactions.get(id).map(|transaction| transaction.opened.clone());
            let unsent = self.flight.upstream.get(&id).is_some_and(|wait| wait.unsent);
            if let Some(opened) = opened.as_ref().filter(|_| unsent) {
                self.give_up_unsent(opened, ResponseCode::ISSUER_INOPERATIVE, now, out);
                continue;
            }
            if let Some((upstream, rrn)) = opened.and_then(|opened| Some((opened.upstream?, opened.rrn))) {
                let place = self.asked_as(&upstream, rrn);
                let generation = self.flight.took_back(id).map_or(NO_LINE, |over| over.generation);
                self.link_silent(Over { link: upstream.link, generation }, place, now);
            }
            self.resolve_unknown(id, ReversalReason::NoAnswer, now, out);
        }
    }
}
