//! Which rule or range chose the link of a transaction, and which links were passed over.
//!
//! No record says so, and none has to: the first rule about a transaction that has a link in health decides, so that it is
//! the first one with the link that the transaction went over. What a link's health was is not recorded: where it can be
//! told from what was chosen, it is, and else both are named.

use crate::setup::diff::{Says, by_mask};
use anyhow::{Context, Result};
use std::path::Path;
use switchyard_core::{State, Turns};
use switchyard_domain::{
    Actor, Choice, Destination, LinkIndex, Reason, Record, Route, RouteTarget, RoutingRule, RoutingRules,
    Stamped, Timestamp, TransactionOpened,
};
use switchyard_ledger::{Reader, Sequence};

/// A link that there is not: where a rule sends what it is not about.
const NOWHERE: RouteTarget = RouteTarget::Link(LinkIndex(u16::MAX));

/// Ranges and rules as they were when a transaction was made.
pub(super) struct Ways<'s> {
    state: &'s State,
    table: Vec<Route>,
    rules: RoutingRules,
    /// Whether the table is that of then: without rules it is not looked for.
    is_of_then: bool,
}

impl<'s> Ways<'s> {
    /// Those of `sequence`. Where there never was a rule the table of now does; else the ledger is read for both.
    pub(super) fn at(data: &Path, state: &'s State, sequence: Option<Sequence>) -> Result<Self> {
        let rules = state.routing_rules();
        let Some(until) = sequence.filter(|_| rules.version > 0) else {
            let table = state.registry().routes().to_vec();
            return Ok(Self { state, table, rules: RoutingRules::default(), is_of_then: false });
        };
        let mut ways = Self { state, table: Vec::new(), rules: RoutingRules::default(), is_of_then: true };
        let kinds = variants()?;
        let reader = Reader::open(&data.join("ledger")).with_context(|| crate::data_hint(data))?;
        reader.for_each(|sequence, bytes| {
            if sequence < until && Stamped::variant(bytes).is_some_and(|kind| kinds.contains(&kind)) {
                let stamped = Stamped::decode(bytes).with_context(|| format!("record {}", sequence.0))?;
                ways.observe(stamped.record);
            }
            anyhow::Ok(())
        })?;
        ways.table.sort_by_key(|route| (route.high.saturating_sub(route.low), route.low));
        Ok(ways)
    }

    fn observe(&mut self, record: Record) {
        match record {
            Record::RoutingRulesSet(rules) => self.rules = rules,
            Record::RouteAdded(route) => self.table.push(route),
            Record::RouteRemoved { route, .. } => {
                if let Some(place) = self.table.iter().position(|known| *known == route) {
                    self.table.remove(place);
                }
            }
            _ => {}
        }
    }

    /// Why it went over this link; `tried` are those over which not a byte could be sent. `away` says that no link was in
    /// health, so that no rule chose.
    pub(super) fn tell(
        &self,
        (opened, at): (&TransactionOpened, Timestamp),
        went: LinkIndex,
        tried: &[LinkIndex],
        away: bool,
        name: &dyn Fn(LinkIndex) -> String,
    ) -> Vec<String> {
        if opened.kind.follows_another() {
            return vec!["it goes where its original went".to_owned()];
        }
        let range = self.range(opened);
        let mut told = Vec::new();
        for rule in &self.rules.rules {
            if range.is_none() && !rule.issuers.is_empty() {
                let why = "only the mask of the card is known, and ranges tell numbers of that mask apart";
                told.push(format!("whether rule {} was about it cannot be told: {why}", rule.number));
                return told;
            }
            if !self.is_about(rule, range, opened, at) {
                continue;
            }
            if !away && rule.destinations.iter().any(|to| to.link == went) {
                told.extend(self.chosen(rule, opened, went, tried, name));
                return told;
            }
            let links: Vec<String> = rule.destinations.iter().map(|to| name(to.link)).collect();
            let links = links.join(", ");
            told.push(format!("routing rule {} is passed over: not in health was {links}", rule.number));
        }
        told.push(self.by_range(range, went, name));
        told
    }

    /// Why a transaction went nowhere that no link in health was there for.
    pub(super) fn nowhere(
        &self,
        (opened, at): (&TransactionOpened, Timestamp),
        name: &dyn Fn(LinkIndex) -> String,
    ) -> Vec<String> {
        let Some(RouteTarget::Link(link)) = self.range(opened).map(|range| range.target) else {
            return Vec::new();
        };
        let mut told = self.tell((opened, at), link, &[], true, name);
        told.push(format!("link {} is not in health", name(link)));
        told
    }

    /// The range of its card, where the mask is enough to tell.
    fn range(&self, opened: &TransactionOpened) -> Option<&Route> {
        match by_mask(&self.table, &opened.card.as_ref()?.masked) {
            Says::Route(range) => range,
            Says::CannotTell => None,
        }
    }

    /// Whether a rule is about it: then it sends it to the only link that it is given.
    fn is_about(
        &self,
        rule: &RoutingRule,
        range: Option<&Route>,
        opened: &TransactionOpened,
        at: Timestamp,
    ) -> bool {
        let link = LinkIndex(0);
        let destinations = vec![Destination { link, weight: 1, cost_ppm: 0, cost_minor: 0 }];
        let alone = RoutingRule { choose: Choice::First, destinations, ..rule.clone() };
        let rules = RoutingRules { version: 1, rules: vec![alone] };
        let issuer = range.map_or(0, |range| range.issuer);
        let route = Route { low: 0, high: u64::MAX, class: opened.card_class, target: NOWHERE, issuer };
        self.state.way(&rules, &route, opened, at, &mut Turns::default()) == RouteTarget::Link(link)
    }

    fn chosen(
        &self,
        rule: &RoutingRule,
        opened: &TransactionOpened,
        went: LinkIndex,
        tried: &[LinkIndex],
        name: &dyn Fn(LinkIndex) -> String,
    ) -> Vec<String> {
        let how = match rule.choose {
            Choice::First => "the first of its links in health",
            Choice::Weight => "by weight, in turn among its links in health",
            Choice::Cost => "the one of its links in health that costs least",
        };
        let (number, version) = (rule.number, self.rules.version);
        let mut told =
            vec![format!("routing rule {number} of version {version} chooses link {}: {how}", name(went))];
        let place = rule.destinations.iter().position(|to| to.link == went);
        let minor = opened.amount.minor;
        let least = place.map(|place| (cost(&rule.destinations[place], minor), place));
        for (other, to) in rule.destinations.iter().enumerate().filter(|(_, to)| to.link != went) {
            let why = match rule.choose {
                _ if tried.contains(&to.link) => "not a byte could be sent over it".to_owned(),
                Choice::First if Some(other) < place => "not in health".to_owned(),
                Choice::First => "it stands behind".to_owned(),
                Choice::Weight if to.weight == 0 => "it has no weight".to_owned(),
                Choice::Weight => format!("weight {}: another's turn, or not in health", to.weight),
                Choice::Cost if Some((cost(to, minor), other)) < least => {
                    format!("it costs {} and is not in health", shown(cost(to, minor)))
                }
                Choice::Cost => format!("it costs {}", shown(cost(to, minor))),
            };
            told.push(format!("link {} is passed over: {why}", name(to.link)));
        }
        told
    }

    fn by_range(&self, range: Option<&Route>, went: LinkIndex, name: &dyn Fn(LinkIndex) -> String) -> String {
        let of = if self.is_of_then { "" } else { ", by the table of now" };
        match range {
            Some(Route { low, high, target, .. }) if *target == RouteTarget::Link(went) => {
                format!("the range {low:019} to {high:019} chooses link {}{of}", name(went))
            }
            _ => format!("its range chooses link {}; which one that is cannot be told{of}", name(went)),
        }
    }
}

/// In millionths of a minor unit, as the core has it.
fn cost(to: &Destination, minor: u64) -> u128 {
    u128::from(minor) * u128::from(to.cost_ppm) + u128::from(to.cost_minor) * 1_000_000
}

fn shown(cost: u128) -> String {
    format!("{}.{:06} minor units", cost / 1_000_000, cost % 1_000_000)
}

/// By which records of ranges and rules are known before they are taken apart.
fn variants() -> Result<Vec<u32>> {
    let reason: Reason = "a sample".parse()?;
    let route = || Route {
        low: 0,
        high: 0,
        class: switchyard_domain::CardClass::Debit.into(),
        target: RouteTarget::OnUs,
        issuer: 0,
    };
    let samples = [
        Record::RoutingRulesSet(RoutingRules::default()),
        Record::RouteAdded(route()),
        Record::RouteRemoved { route: route(), reason },
    ];
    let variant = |record| {
        let mut bytes = Vec::new();
        Stamped { at: Timestamp::default(), actor: Actor::Switch, record }.encode(&mut bytes);
        Stamped::variant(&bytes)
    };
    Ok(samples.into_iter().filter_map(variant).collect())
}
