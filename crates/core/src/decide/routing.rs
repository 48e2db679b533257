//! Where a transaction goes: the range of its card names the issuer, rules choose among the links that lead there,
//! and only those in health count.

use crate::effect::{CommandError, Effect, PinJob, Upstream, UpstreamRequest};
use crate::flight::Asked;
use crate::input::PinOutcome;
use crate::machine::{Core, Output};
use crate::state::{RiskSeen, about};
use switchyard_domain::{
    Actor, Choice, Destination, LinkIndex, LinkMode, PinBlock, Record, ResponseCode, RouteTarget,
    RoutingRules, Timestamp, TransactionId, TransactionOpened, UpstreamRef,
};

impl Core {
    /// The target of a transaction that follows nothing: a rule's choice, or else what the range says. `prefer` is
    /// where its PIN has been brought already.
    pub(crate) fn destination(
        &self,
        seen: &RiskSeen,
        issuer: u64,
        base: RouteTarget,
        tried: &[LinkIndex],
        prefer: Option<RouteTarget>,
    ) -> RouteTarget {
        let rules = &self.state.routing.rules;
        if rules.is_empty() || base == RouteTarget::OnUs {
            return base;
        }
        let now = seen.around.at;
        for rule in rules {
            let fits = (rule.issuers.is_empty() || rule.issuers.contains(&issuer))
                && rule.minor_max.is_none_or(|max| seen.amount.minor <= max)
                && about(&rule.about, seen);
            if !fits {
                continue;
            }
            let healthy = |d: &&Destination| !tried.contains(&d.link) && self.is_healthy(d.link, now);
            let healthy: Vec<&Destination> = rule.destinations.iter().filter(healthy).collect();
            if let Some(kept) = prefer.filter(|p| healthy.iter().any(|d| RouteTarget::Link(d.link) == *p)) {
                return kept;
            }
            if let Some(link) = choose(rule.choose, &healthy, seen, self.state.references) {
                return RouteTarget::Link(link);
            }
        }
        base
    }

    /// Signed on, and not resting after too many requests without an answer.
    pub(crate) fn is_healthy(&self, link: LinkIndex, now: Timestamp) -> bool {
        let flight = self.flight.links.get(usize::from(link.0));
        self.flight.is_signed_on(link)
            && self.state.registry.link_mode(link) == LinkMode::Up
            && flight.is_some_and(|flight| flight.rests_until.is_none_or(|until| until <= now))
    }

    /// A request was sent: while the link is on probation this is the one that tries it.
    pub(crate) fn link_asked(&mut self, link: LinkIndex, now: Timestamp) {
        let (most, rest_ms) = (self.config.link_timeouts_max, self.config.link_rest_ms);
        let flight = self.flight.link(link);
        if flight.timeouts >= most {
            flight.rests_until = Some(now.plus_micros(rest_ms * 1_000));
        }
    }
    /// Nobody answered in time.
    pub(crate) fn link_silent(&mut self, link: LinkIndex, now: Timestamp) {
        let (most, rest_ms) = (self.config.link_timeouts_max, self.config.link_rest_ms);
        let flight = self.flight.link(link);
        flight.timeouts = flight.timeouts.saturating_add(1);
        if flight.timeouts >= most {
            flight.rests_until = Some(now.plus_micros(rest_ms * 1_000));
        }
    }
    /// The host answers.
    pub(crate) fn link_answered(&mut self, link: LinkIndex) {
        let flight = self.flight.link(link);
        (flight.timeouts, flight.rests_until) = (0, None);
    }

    /// A request of which not a byte left goes another way, where there is one. True when it does.
    pub(crate) fn fail_over(
        &mut self,
        opened: &TransactionOpened,
        request: Option<Box<UpstreamRequest>>,
        now: Timestamp,
        out: &mut Output,
    ) -> bool {
        let (Some(request), Some(before)) = (request, opened.upstream) else { return false };
        if opened.kind.follows_another() || request.opened.id != opened.id {
            return false;
        }
        let Some(wait) = self.flight.upstream.get_mut(&opened.id) else { return false };
        wait.tried.push(before.link);
        let (issuer, tried) = (wait.issuer, wait.tried.clone());
        let base = RouteTarget::Link(before.link);
        let seen = self.state.seen(opened, now);
        let link = match self.destination(&seen, issuer, base, &tried, None) {
            RouteTarget::Link(link) if !tried.contains(&link) => link,
            RouteTarget::Link(_) | RouteTarget::OnUs => return false,
        };
        if self.billing(opened.kind, opened.amount, None, link, now).is_err() {
            return false;
        }
        if request.request.pin.is_none() {
            self.send_again(link, request, None, now, out);
            return true;
        }
        let Some(keys) = self.state.registry.terminal(opened.key.terminal).and_then(|t| t.keys.as_ref())
        else {
            return false;
        };
        // The block is under the first link's key: it is made anew from the terminal's.
        let in_force = keys.version;
        let slot = self.flight.slot();
        let UpstreamRequest { request, .. } = *request;
        let version = request.key_version.unwrap_or(in_force);
        self.flight.reroutes.insert(slot, (opened.id, link));
        let terminal = opened.key.terminal;
        out.effects.push(Effect::PinWork {
            slot,
            terminal,
            version,
            request,
            job: PinJob::Translate { link },
        });
        true
    }

    /// The PIN is under the other link's key, or cannot be brought there.
    pub(crate) fn rerouted_pin(
        &mut self,
        (id, link): (TransactionId, LinkIndex),
        request: Box<crate::input::Financial>,
        outcome: PinOutcome,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(opened) = self.pending(id).map(|transaction| transaction.opened.clone()) else { return };
        if matches!(outcome, PinOutcome::Malformed) {
            self.malformed_pin(opened.key.terminal, now, out);
        }
        match outcome {
            PinOutcome::Translated(block) if self.is_healthy(link, now) => {
                let again = self.upstream_request(&opened, request, None, None);
                self.send_again(link, Box::new(again), Some(block), now, out);
            }
            _ => self.give_up_unsent(&opened, ResponseCode::ISSUER_INOPERATIVE, now, out),
        }
    }

    fn send_again(
        &mut self,
        link: LinkIndex,
        mut request: Box<UpstreamRequest>,
        pin: Option<PinBlock>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let id = request.opened.id;
        let mti = crate::dialect::iso::link::upstream_mti(request.opened.kind);
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti };
        let (kind, amount) = (request.opened.kind, request.opened.amount);
        // A rate that was there when the way was chosen is there still; without it the host converts.
        request.billing = self.billing(kind, amount, None, link, now).ok().flatten();
        self.emit(Record::Rerouted { transaction: id, upstream }, Actor::Switch, now, out);
        self.convert(id, request.billing, Actor::Switch, now, out);
        let timeout_ms = self.state.registry.link(link).map_or(0, |l| u64::from(l.answer_timeout_ms));
        self.flight.postpone(id, now.plus_micros(timeout_ms * 1_000));
        self.link_asked(link, now);
        (request.opened.upstream, request.pin) = (Some(upstream), pin);
        let place = self.asked_as(&upstream, request.opened.rrn);
        let flight = self.flight.link(link);
        flight.asked.insert(place, Asked::Transaction(id));
        let generation = flight.generation;
        let message = Box::new(Upstream::Request(request));
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// A new set of rules follows the one in force and names links that exist.
    pub(crate) fn check_routing(&self, rules: &RoutingRules) -> Result<(), CommandError> {
        if rules.version != self.state.routing.version.wrapping_add(1) {
            return Err(CommandError::Invalid { what: "the version of the routing rules" });
        }
        rules.check().map_err(CommandError::Routing)?;
        let mut links = rules.rules.iter().flat_map(|rule| &rule.destinations);
        if links.any(|destination| self.state.registry.link(destination.link).is_none()) {
            return Err(CommandError::Missing { what: "link" });
        }
        Ok(())
    }
}

fn choose(choice: Choice, healthy: &[&Destination], seen: &RiskSeen, references: u64) -> Option<LinkIndex> {
    match choice {
        Choice::First => healthy.first().map(|d| d.link),
        Choice::Cost => healthy.iter().min_by_key(|d| cost(d, seen.amount.minor)).map(|d| d.link),
        Choice::Weight => {
            let total: u64 = healthy.iter().map(|d| u64::from(d.weight)).sum();
            // References count up by one with each transaction, so the shares are exact over a round.
            let mut left = references.checked_rem(total)?;
            let mut chosen = healthy.iter().filter(|d| d.weight > 0);
            chosen
                .find(|d| {
                    let here = left < u64::from(d.weight);
                    left = left.saturating_sub(u64::from(d.weight));
                    here
                })
                .map(|d| d.link)
        }
    }
}

/// In millionths of a minor unit.
fn cost(destination: &Destination, minor: u64) -> u128 {
    u128::from(minor) * u128::from(destination.cost_ppm) + u128::from(destination.cost_minor) * 1_000_000
}
