//! Where a transaction goes: the range of its card names the issuer, rules choose among the links that lead there,
//! and only those in health count.

use crate::decide::saf::NO_LINE;
use crate::effect::{CommandError, Effect, PinJob, UpstreamRequest};
use crate::flight::{AskedAs, Over, RestRule};
use crate::input::PinOutcome;
use crate::link_key::ZonePin;
use crate::machine::{Core, Output};
use crate::state::{RiskSeen, State, about};
use std::collections::BTreeMap;
use switchyard_domain::{
    Actor, Choice, Destination, LinkIndex, LinkMode, Record, ResponseCode, Route, RouteTarget, RoutingRules,
    Timestamp, TransactionId, TransactionOpened, UpstreamRef,
};

impl Core {
    /// The way of a transaction that follows nothing: a rule's choice, or else what the range says. `prefer` is where its
    /// PIN has been brought already.
    pub(crate) fn destination(
        &self,
        seen: &RiskSeen,
        issuer: u64,
        base: RouteTarget,
        tried: &[LinkIndex],
        prefer: Option<RouteTarget>,
    ) -> Way {
        let healthy = |link| !tried.contains(&link) && self.is_healthy(link, seen.around.at);
        let turns = &self.flight.turns;
        way(&self.state.routing, seen, issuer, base, Links { healthy: &healthy, prefer, turns })
    }

    /// Signed on, and not resting after too many requests without an answer.
    pub(crate) fn is_healthy(&self, link: LinkIndex, now: Timestamp) -> bool {
        let flight = self.flight.links.get(usize::from(link.0));
        self.state.registry.link_mode(link) == LinkMode::Up
            && flight.is_some_and(|flight| flight.is_signed_on() && !flight.is_resting(now))
    }

    pub(crate) fn rest_rule(&self) -> RestRule {
        RestRule { timeouts_max: self.config.link_timeouts_max, rest_ms: self.config.link_rest_ms }
    }
    /// Nobody answered in time.
    pub(crate) fn link_silent(&mut self, over: Over, place: AskedAs, now: Timestamp) {
        let rule = self.rest_rule();
        let flight = self.flight.link(over.link);
        flight.silent(over.generation, now, rule);
        flight.keep_unanswered(over.generation, place);
    }

    /// A request of which not a byte left goes another way, or comes back where there is none.
    pub(crate) fn fail_over(
        &mut self,
        opened: &TransactionOpened,
        request: Box<UpstreamRequest>,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<(), Box<UpstreamRequest>> {
        let Some(before) = opened.upstream.filter(|_| !opened.kind.follows_another()) else {
            return Err(request);
        };
        let Some(wait) = self.flight.upstream.get_mut(&opened.id) else { return Err(request) };
        wait.tried.push(before.link);
        wait.unsent = true;
        let (issuer, tried) = (wait.issuer, wait.tried.clone());
        let base = RouteTarget::Link(before.link);
        let seen = self.state.seen(opened, now);
        let way = self.destination(&seen, issuer, base, &tried, None);
        let link = match way.target {
            RouteTarget::Link(link) if !tried.contains(&link) => link,
            RouteTarget::Link(_) | RouteTarget::OnUs => return Err(request),
        };
        if self.billing(opened.kind, opened.amount, None, link, now).is_err() {
            return Err(request);
        }
        self.flight.turns.take(way.turn);
        if request.request.pin.is_none() {
            self.send_again(link, request, None, now, out);
            return Ok(());
        }
        let Some(keys) = self.state.registry.terminal(opened.key.terminal).and_then(|t| t.keys.as_ref())
        else {
            return Err(request);
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
        Ok(())
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
        let Some(transaction) = self.pending(id) else { return };
        let (opened, reversal_wanted) = (transaction.opened.clone(), transaction.reversal_wanted);
        if matches!(outcome, PinOutcome::Malformed) {
            self.malformed_pin(opened.key.terminal, now, out);
        }
        match outcome {
            // Its terminal has taken it back meanwhile, and has heard that it is gone.
            _ if reversal_wanted => {
                self.give_up_unsent(&opened, ResponseCode::ISSUER_INOPERATIVE, now, out);
            }
            PinOutcome::Translated(block) if self.is_healthy(link, now) => {
                let again = self.upstream_request(&opened, request, None, None);
                self.send_again(link, Box::new(again), Some(block), now, out);
            }
            // The other link went away meanwhile.
            PinOutcome::Translated(_) => self.stand_in_or_give_up(&opened, &request, now, out),
            _ => self.give_up_unsent(&opened, ResponseCode::ISSUER_INOPERATIVE, now, out),
        }
    }

    fn send_again(
        &mut self,
        link: LinkIndex,
        mut request: Box<UpstreamRequest>,
        pin: Option<ZonePin>,
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
        request.leaves_by = self.leaves_by(&upstream);
        self.flight.postpone(id, now.plus_micros(u64::from(self.timeout_ms(link)) * 1_000));
        if let Some(wait) = self.flight.upstream.get_mut(&id) {
            wait.unsent = false;
            wait.lines_tried.clear();
        }
        (request.opened.upstream, request.pin) = (Some(upstream), pin);
        let generation = self.flight.link(link).choose(&[], now).unwrap_or(NO_LINE);
        self.send_over(Over { link, generation }, &upstream, request, now, out);
    }

    /// A new set of rules follows the one in force and names links that exist. With it begins a new round of weights.
    pub(crate) fn check_routing(&mut self, rules: &RoutingRules) -> Result<(), CommandError> {
        if rules.version != self.state.routing.version.wrapping_add(1) {
            return Err(CommandError::Invalid { what: "the version of the routing rules" });
        }
        rules.check().map_err(CommandError::Routing)?;
        let mut links = rules.rules.iter().flat_map(|rule| &rule.destinations);
        if links.any(|destination| self.state.registry.link(destination.link).is_none()) {
            return Err(CommandError::Missing { what: "link" });
        }
        self.flight.turns = Turns::default();
        Ok(())
    }
}

/// Where a transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) target: RouteTarget,
    /// The place of the rule in its set, where weights chose: its turn is taken by whoever goes this way.
    pub(crate) turn: Option<usize>,
}

/// How many times weights have chosen, by the place of their rule: so each rule's shares are exact over a round of its
/// own, whatever goes by other rules meanwhile. It says nothing that a record depends on, so it is not state: a start and
/// a new set of rules begin a new round.
#[derive(Debug, Clone, Default)]
pub struct Turns(BTreeMap<usize, u64>);

impl Turns {
    fn of(&self, rule: usize) -> u64 {
        self.0.get(&rule).copied().unwrap_or_default()
    }
    pub(crate) fn take(&mut self, rule: Option<usize>) {
        if let Some(rule) = rule {
            let turn = self.0.entry(rule).or_default();
            *turn = turn.wrapping_add(1);
        }
    }
}

/// What is known of links when a rule chooses among them.
struct Links<'l> {
    healthy: &'l dyn Fn(LinkIndex) -> bool,
    prefer: Option<RouteTarget>,
    turns: &'l Turns,
}

fn way(rules: &RoutingRules, seen: &RiskSeen, issuer: u64, base: RouteTarget, links: Links<'_>) -> Way {
    let fixed = |target| Way { target, turn: None };
    if base == RouteTarget::OnUs {
        return fixed(base);
    }
    for (place, rule) in rules.rules.iter().enumerate() {
        let fits = (rule.issuers.is_empty() || rule.issuers.contains(&issuer))
            && rule.minor_max.is_none_or(|max| seen.amount.minor <= max)
            && about(&rule.about, seen);
        if !fits {
            continue;
        }
        let healthy = |d: &&Destination| (links.healthy)(d.link);
        let healthy: Vec<&Destination> = rule.destinations.iter().filter(healthy).collect();
        let kept = |kept: &RouteTarget| healthy.iter().any(|d| RouteTarget::Link(d.link) == *kept);
        if let Some(kept) = links.prefer.filter(kept) {
            return fixed(kept);
        }
        if let Some(link) = choose(rule.choose, &healthy, seen, links.turns.of(place)) {
            let turn = (rule.choose == Choice::Weight).then_some(place);
            return Way { target: RouteTarget::Link(link), turn };
        }
    }
    fixed(base)
}

impl State {
    /// Where a transaction would go by this range of a card and these rules, were every link in health; `turns` goes on
    /// with it. For those who try routes and rules out.
    pub fn way(
        &self,
        rules: &RoutingRules,
        route: &Route,
        opened: &TransactionOpened,
        at: Timestamp,
        turns: &mut Turns,
    ) -> RouteTarget {
        let seen = RiskSeen { card_kind: route.class, ..self.seen(opened, at) };
        let links = Links { healthy: &|_| true, prefer: None, turns };
        let Way { target, turn } = way(rules, &seen, route.issuer, route.target, links);
        turns.take(turn);
        target
    }
}

fn choose(choice: Choice, healthy: &[&Destination], seen: &RiskSeen, turn: u64) -> Option<LinkIndex> {
    match choice {
        Choice::First => healthy.first().map(|d| d.link),
        Choice::Cost => healthy.iter().min_by_key(|d| cost(d, seen.amount.minor)).map(|d| d.link),
        Choice::Weight => {
            let total: u64 = healthy.iter().map(|d| u64::from(d.weight)).sum();
            let mut left = turn.checked_rem(total)?;
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
