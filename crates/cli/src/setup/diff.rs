//! `route diff` and `routing test`: a day's transactions by another table of ranges, or by other rules that choose among
//! links. Both sides are judged alike, with every link in health, so that what differs is what was changed; where a
//! transaction went in fact is told beside it.

use super::route::{link_name, read};
use crate::arguments::{ConfigOption, Output};
use crate::history::each_record;
use crate::operate::{cell, state};
use crate::{Verdict, output, serve};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_core::{State, Turns};
use switchyard_domain::{
    BusinessDate, MaskedPan, Record, Route, RouteTarget, RoutingRules, Stamped, Timestamp, TransactionOpened,
};
use switchyard_server::{Cards, cards_of};

/// Transactions that are named one by one; the sums count all.
const LISTED_MAX: usize = 50;

/// What a day is replayed against: where something is not given, what is in force.
pub(crate) struct Against<'a> {
    pub(crate) table: Option<&'a Path>,
    pub(crate) rules: Option<RoutingRules>,
    pub(crate) date: Option<BusinessDate>,
}

/// A table of ranges, narrowest first, and rules.
struct Ways<'w> {
    table: &'w [Route],
    rules: &'w RoutingRules,
    turns: Turns,
}

/// What a table says of a card.
enum Says<'t> {
    Route(Option<&'t Route>),
    /// Only the mask is left of the number, and the table tells numbers of that mask apart.
    CannotTell,
}

/// Transactions that go from one place to another: of this kind, in this currency.
type Move = (String, String, String, String);

#[derive(Default)]
struct Comparison {
    compared: u64,
    same: u64,
    cannot_tell: u64,
    went_otherwise: u64,
    moved: BTreeMap<Move, (u64, u128)>,
    listed: Vec<Value>,
}

/// Replays the day; exit 1 when something would go elsewhere.
pub(crate) fn run(against: Against<'_>, config: &ConfigOption, data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let other = against.table.map(|path| table(path, &state)).transpose()?;
    let cards = cards_of(data, &serve::load(config)?, &state)?;
    let day = match against.date {
        Some(day) => day,
        None => last_day(data)?.unwrap_or_else(|| state.day()),
    };
    let (now, rules) = (state.registry().routes(), state.routing_rules());
    let mut in_force = Ways { table: now, rules, turns: Turns::default() };
    let mut others = Ways {
        table: other.as_deref().unwrap_or(now),
        rules: against.rules.as_ref().unwrap_or(rules),
        turns: Turns::default(),
    };
    let mut comparison = Comparison::default();
    each_record(data, |_, stamped| {
        if let Some(opened) = routed(stamped, day) {
            let ways = (&mut in_force, &mut others);
            comparison.compare(&state, &cards, opened, stamped.at, ways);
        }
        Ok(())
    })?;
    comparison.print(day, form)?;
    Ok(if comparison.moved.is_empty() { Verdict::Fine } else { Verdict::Finding })
}

fn table(path: &Path, state: &State) -> Result<Vec<Route>> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    read(&text, state).with_context(name)
}

/// A transaction of the day whose card says where it goes.
fn routed(stamped: &Stamped, day: BusinessDate) -> Option<&TransactionOpened> {
    let (Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. }) =
        &stamped.record
    else {
        return None;
    };
    let wanted = opened.day == day && !opened.kind.follows_another() && opened.card.is_some();
    wanted.then_some(opened)
}

/// The day that was cut last.
fn last_day(data: &Path) -> Result<Option<BusinessDate>> {
    let mut last = None;
    each_record(data, |_, stamped| {
        if let Record::DayCut { day, .. } = stamped.record {
            last = Some(day);
        }
        Ok(())
    })?;
    Ok(last)
}

impl Ways<'_> {
    /// Where a transaction goes by a range of this table; `None` is nowhere.
    fn way(
        &mut self,
        state: &State,
        route: Option<&Route>,
        opened: &TransactionOpened,
        at: Timestamp,
    ) -> Option<RouteTarget> {
        route.map(|route| state.way(self.rules, route, opened, at, &mut self.turns))
    }
}

impl Comparison {
    fn compare(
        &mut self,
        state: &State,
        cards: &Cards,
        opened: &TransactionOpened,
        at: Timestamp,
        (in_force, others): (&mut Ways<'_>, &mut Ways<'_>),
    ) {
        let Some(card) = &opened.card else { return };
        self.compared += 1;
        let pan = cards.open_card(card).ok();
        let (now, other) = (in_force.table, others.table);
        let says = |table| match &pan {
            Some(pan) => Says::Route(place(table, pan.routing_key())),
            // The key of its period is shredded: the mask is all that is known.
            None => by_mask(table, &card.masked),
        };
        let (Says::Route(now), Says::Route(other)) = (says(now), says(other)) else {
            self.cannot_tell += 1;
            return;
        };
        let from = in_force.way(state, now, opened, at);
        let to = others.way(state, other, opened, at);
        // As it stands now: what could not be sent one way has gone another.
        let went = state.transaction(opened.id).and_then(|(opened, ..)| opened.upstream);
        if let (Some(upstream), true) = (went, from.is_some()) {
            self.went_otherwise += u64::from(from != Some(RouteTarget::Link(upstream.link)));
        }
        if from == to {
            self.same += 1;
            return;
        }
        let name = |place: Option<RouteTarget>| match place {
            None => "nowhere (15)".to_owned(),
            Some(RouteTarget::OnUs) => "the embedded issuer".to_owned(),
            Some(RouteTarget::Link(link)) => link_name(state, link),
        };
        self.note(opened, card.masked.to_string(), name(from), name(to));
    }

    fn note(&mut self, opened: &TransactionOpened, card: String, from: String, to: String) {
        let (kind, currency) = (cell(&json!(opened.kind)), opened.amount.currency.to_string());
        if self.listed.len() < LISTED_MAX {
            self.listed.push(json!({
                "rrn": opened.rrn, "kind": kind, "card": card, "amount_minor": opened.amount.minor,
                "currency": currency, "from": from, "to": to,
            }));
        }
        let sum = self.moved.entry((from, to, kind, currency)).or_default();
        *sum = (sum.0 + 1, sum.1 + u128::from(opened.amount.minor));
    }

    fn print(&self, day: BusinessDate, form: Output) -> Result<()> {
        let row = |((from, to, kind, currency), (count, minor)): (&Move, &(u64, u128))| {
            let minor = u64::try_from(*minor).unwrap_or(u64::MAX);
            json!({"from": from, "to": to, "kind": kind, "currency": currency, "count": count, "amount_minor": minor})
        };
        let moved: Vec<Value> = self.moved.iter().map(row).collect();
        if form == Output::Json {
            return output::json(&json!({
                "day": day.to_string(), "compared": self.compared, "same": self.same,
                "cannot_tell": self.cannot_tell, "went_otherwise": self.went_otherwise, "moved": moved,
                "listed": self.listed,
            }));
        }
        let Self { compared, same, cannot_tell, went_otherwise, .. } = self;
        output::line(&format!(
            "{day}: {compared} transactions compared, {same} go the same way, {cannot_tell} cannot be told; \
             {went_otherwise} went another way than rules and links in health would have had it"
        ))?;
        for (columns, rows) in [
            (&["from", "to", "kind", "currency", "count", "amount_minor"][..], &moved),
            (&["rrn", "kind", "card", "amount_minor", "currency", "from", "to"], &self.listed),
        ] {
            if !rows.is_empty() {
                let row = |row: &Value| columns.iter().map(|name| cell(&row[*name])).collect();
                output::table(columns, rows.iter().map(row))?;
            }
        }
        Ok(())
    }
}

/// The narrowest range that holds the number, as the core finds it.
fn place(table: &[Route], key: u64) -> Option<&Route> {
    table.iter().find(|route| route.low <= key && key <= route.high)
}

/// What a table says of every number with these first six digits, if it says one thing.
fn by_mask<'t>(table: &'t [Route], masked: &MaskedPan) -> Says<'t> {
    let text = masked.to_string();
    let first = |digit: &str| {
        let filled = format!("{}{}", &text[..6], digit.repeat(13));
        filled.parse::<u64>().unwrap_or(u64::MAX)
    };
    let (low, high) = (first("0"), first("9"));
    let inside = |route: &&Route| route.high >= low && route.low <= high;
    match table.iter().find(inside) {
        None => Says::Route(None),
        Some(route) if route.low <= low && high <= route.high => Says::Route(Some(route)),
        Some(_) => Says::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{CardClass, LinkIndex, Pan};

    #[test]
    fn a_mask_says_where_a_card_goes_only_where_no_number_of_it_goes_elsewhere() {
        let route = |low: u64, high: u64, target| Route {
            low,
            high,
            class: CardClass::Debit.into(),
            target,
            issuer: 0,
        };
        let unit = 10_u64.pow(13);
        let (link, own) = (RouteTarget::Link(LinkIndex(0)), RouteTarget::OnUs);
        let wide = route(622_588 * unit, 622_589 * unit - 1, link);
        let narrow = route(622_588 * unit, 622_588 * unit + unit / 10 - 1, own);
        let masked = Pan::from_digits(b"6225880000000008").unwrap().masked();
        let place = |table: &[Route]| match by_mask(table, &masked) {
            Says::Route(route) => Some(route.map(|route| route.target)),
            Says::CannotTell => None,
        };
        assert_eq!(place(&[]), Some(None));
        assert_eq!(place(std::slice::from_ref(&wide)), Some(Some(link)));
        assert_eq!(place(&[narrow, wide]), None);
    }
}
