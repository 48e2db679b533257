//! What is approved without asking the issuer: because it is away and a rule allows it, or because the terminal
//! has approved it already. The issuer hears of it by an advice out of the store-and-forward queue.

use crate::decide::financial::{Decline, Plan};
use crate::decide::postings;
use crate::effect::{CommandError, Reply, ReplyBody};
use crate::input::{Financial, Origin};
use crate::machine::{Core, Output};
use crate::state::{RiskSeen, about};
use switchyard_domain::{
    AccountId, AccountKind, Actor, AdviceReason, Amount, LinkIndex, Outcome, Record, ReplyFacts,
    ResponseCode, ReversalReason, SafKind, StandInRule, StandInRules, Timestamp, TransactionOpened,
    UpstreamRef,
};

impl Core {
    /// Whether a rule lets the switch approve this while the issuer is away.
    pub(crate) fn may_stand_in(&self, issuer: u64, request: &Financial, seen: &RiskSeen) -> bool {
        let rules = &self.state.risk.stand_in.rules;
        if rules.is_empty() || !request.kind.is_limited() {
            return false;
        }
        let Some(card) = seen.card else { return false };
        let fits = |rule: &&StandInRule| {
            (rule.issuers.is_empty() || rule.issuers.contains(&issuer)) && about(&rule.about, seen)
        };
        let Some(rule) = rules.iter().find(fits) else { return false };
        let Amount { minor, currency } = request.amount;
        let spent = self.state.risk.stood_in.get(&card);
        let (spent, count) = spent.map_or((0, 0), |spent| (spent.minor(currency), spent.count));
        minor <= rule.minor_max
            && spent.saturating_add(minor) <= rule.day_minor_max
            && count < rule.day_count_max
            && !(rule.refuses_pin && request.pin.is_some())
    }

    /// Approves, and puts the advice to the issuer into the queue, in one record.
    #[allow(clippy::too_many_arguments, reason = "a request with all that belongs to it")]
    pub(crate) fn decide_by_advice(
        &mut self,
        link: LinkIndex,
        why: AdviceReason,
        origins: &[Origin],
        request: &Financial,
        mut plan: Plan,
        now: Timestamp,
        out: &mut Output,
    ) {
        let mti = crate::dialect::iso::link::advice_mti(request.kind);
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti };
        let mut facts = self.facts(ResponseCode::APPROVED, now);
        let (issuer, finding, billing) = (plan.issuer, plan.risk.take(), plan.billing);
        let opened = self.opened(request, plan.clone(), facts.rrn, Some(upstream));
        facts.auth_code =
            request.original.auth_code.or_else(|| Some(crate::decide::issuer::auth_code(opened.id)));
        let network =
            AccountId::of(AccountKind::NetworkReceivable, u32::from(link.0), opened.amount.currency);
        let entry = postings::approval(&opened, network);
        if self.state.book.check(&entry).is_err() {
            let decline = Decline { code: ResponseCode::SYSTEM_MALFUNCTION, plan };
            return self.decline(origins, request, decline, now, out);
        }
        let saf = self.saf_entry(SafKind::Advice, opened.id, upstream, ReversalReason::Other);
        let movement = postings::movement(&opened, true, self.priced_at(&opened, now));
        let (echo, actor) = (opened.echo, Actor::Terminal(opened.key.terminal));
        let scheme = self.state.scheme_of(opened.card_class);
        let flagged = finding.as_ref().map(|_| opened.clone());
        let id = opened.id;
        self.emit(
            Record::Advised { opened, why, reply: facts, entry, movement, saf },
            actor.clone(),
            now,
            out,
        );
        self.convert(id, billing, actor.clone(), now, out);
        self.keep_chip(id, request, actor, now, out);
        if let Some(opened) = flagged {
            self.flag(finding, &opened, true, now, out);
        }
        let reply =
            Reply::recorded(&facts, ReplyBody::Financial { facts, echo, issuer, scheme, approved: None });
        origins.iter().for_each(|origin| out.reply(*origin, reply.clone()));
        self.hurry(Some(&saf), now, out);
    }

    /// What was to be asked, and of which not a byte left, is approved where a rule allows it. Its advice takes the place of
    /// the request that nobody saw. False when no rule does.
    pub(crate) fn stand_in_unsent(
        &mut self,
        opened: &TransactionOpened,
        request: &Financial,
        now: Timestamp,
        out: &mut Output,
    ) -> bool {
        let (Some(wait), Some(link)) = (self.flight.upstream.get(&opened.id), Self::link_of(opened)) else {
            return false;
        };
        let Some(transaction) = self.state.transactions.get(opened.id) else { return false };
        let (entry, billing) = (postings::approval(opened, transaction.source), transaction.billing);
        let seen = self.state.seen(opened, now);
        if !self.may_stand_in(wait.issuer, request, &seen) || self.state.book.check(&entry).is_err() {
            return false;
        }
        let mti = crate::dialect::iso::link::advice_mti(opened.kind);
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti };
        self.emit(Record::Rerouted { transaction: opened.id, upstream }, Actor::Switch, now, out);
        self.convert(opened.id, billing, Actor::Switch, now, out);
        self.keep_chip(opened.id, request, Actor::Switch, now, out);
        let saf = self.saf_entry(SafKind::Advice, opened.id, upstream, ReversalReason::Other);
        let facts = ReplyFacts {
            auth_code: Some(crate::decide::issuer::auth_code(opened.id)),
            ..self.upstream_facts(opened, ResponseCode::APPROVED, now)
        };
        let movement = postings::movement(opened, true, self.priced_at(opened, now));
        self.resolve(opened, Outcome::Approved, facts, entry, movement, Some(saf), now, out);
        true
    }

    /// A new set of rules follows the one in force.
    pub(crate) fn check_stand_in(&self, rules: &StandInRules) -> Result<(), CommandError> {
        if rules.version != self.state.risk.stand_in.version.wrapping_add(1) {
            return Err(CommandError::Invalid { what: "the version of the stand-in rules" });
        }
        rules.check().map_err(CommandError::Routing)
    }
}
