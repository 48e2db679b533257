//! `route diff`: a day's cards against another table.

use super::route::{link_name, read};
use crate::arguments::{ConfigOption, Output};
use crate::history::each_record;
use crate::operate::{cell, state};
use crate::{Verdict, output, serve};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_core::State;
use switchyard_domain::{BusinessDate, CardRef, MaskedPan, Record, Route, RouteTarget, TransactionOpened};
use switchyard_server::{Cards, cards_of};

/// Transactions that are named one by one; the sums count all.
const LISTED_MAX: usize = 50;

/// Where a card goes; `None` is nowhere.
type Place = Option<RouteTarget>;

/// What one table says of a card.
enum Says {
    Place(Place),
    /// Only the mask is left of the number, and the table tells numbers of that mask apart.
    CannotTell,
}

#[derive(Default)]
struct Comparison {
    compared: u64,
    same: u64,
    cannot_tell: u64,
    moved: BTreeMap<(String, String), (u64, u64)>,
    listed: Vec<Value>,
}

pub(super) fn run(
    against: &Path,
    date: Option<BusinessDate>,
    config: &ConfigOption,
    data: &Path,
    form: Output,
) -> Result<Verdict> {
    let state = state(data)?;
    let text = std::fs::read_to_string(against).with_context(|| against.display().to_string())?;
    let other = read(&text, &state).with_context(|| against.display().to_string())?;
    let cards = cards_of(data, &serve::load(config)?, &state)?;
    let day = match date {
        Some(day) => day,
        None => last_day(data)?.unwrap_or_else(|| state.day()),
    };
    let mut comparison = Comparison::default();
    each_record(data, |_, stamped| {
        if let Record::Opened(opened) | Record::Decided { opened, .. } = &stamped.record
            && opened.day == day
            && !opened.kind.follows_another()
            && let Some(card) = &opened.card
        {
            comparison.compare(&state, &cards, card, opened, &other);
        }
        Ok(())
    })?;
    comparison.print(day, form)?;
    Ok(if comparison.moved.is_empty() { Verdict::Fine } else { Verdict::Finding })
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

impl Comparison {
    fn compare(
        &mut self,
        state: &State,
        cards: &Cards,
        card: &CardRef,
        opened: &TransactionOpened,
        other: &[Route],
    ) {
        self.compared += 1;
        let says = |table: &[Route]| match cards.open_card(card) {
            Ok(pan) => Says::Place(place(table, pan.routing_key())),
            // The key of its period is shredded: the mask is all that is known.
            Err(_) => by_mask(table, &card.masked),
        };
        let (Says::Place(from), Says::Place(to)) = (says(state.registry().routes()), says(other)) else {
            self.cannot_tell += 1;
            return;
        };
        if from == to {
            self.same += 1;
            return;
        }
        let name = |place: Place| match place {
            None => "nowhere (15)".to_owned(),
            Some(RouteTarget::OnUs) => "the embedded issuer".to_owned(),
            Some(RouteTarget::Link(link)) => link_name(state, link),
        };
        let (from, to) = (name(from), name(to));
        if self.listed.len() < LISTED_MAX {
            self.listed.push(json!({
                "rrn": opened.rrn, "card": card.masked.to_string(), "amount_minor": opened.amount.minor,
                "currency": opened.amount.currency.to_string(), "from": from, "to": to,
            }));
        }
        let sum = self.moved.entry((from, to)).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(opened.amount.minor));
    }

    fn print(&self, day: BusinessDate, form: Output) -> Result<()> {
        let moved: Vec<Value> = self
            .moved
            .iter()
            .map(|((from, to), (count, minor))| json!({"from": from, "to": to, "count": count, "amount_minor": minor}))
            .collect();
        let whole = json!({
            "day": day.to_string(), "compared": self.compared, "same": self.same,
            "cannot_tell": self.cannot_tell, "moved": moved, "listed": self.listed,
        });
        if form == Output::Json {
            return output::json(&whole);
        }
        output::line(&format!(
            "{day}: {} transactions compared, {} go the same way, {} cannot be told",
            self.compared, self.same, self.cannot_tell
        ))?;
        for row in &moved {
            let text = |name: &str| cell(&row[name]);
            let (count, minor) = (text("count"), text("amount_minor"));
            output::line(&format!(
                "{} -> {}: {count} transactions, {minor} minor units",
                text("from"),
                text("to")
            ))?;
        }
        let columns = ["rrn", "card", "amount_minor", "from", "to"];
        if !self.listed.is_empty() {
            output::table(
                &columns,
                self.listed.iter().map(|row| columns.map(|name| cell(&row[name])).to_vec()),
            )?;
        }
        Ok(())
    }
}

/// The narrowest range that holds the number, as the core finds it.
fn place(table: &[Route], key: u64) -> Place {
    table.iter().find(|route| route.low <= key && key <= route.high).map(|route| route.target)
}

/// What a table says of every number with these first six digits, if it says one thing.
fn by_mask(table: &[Route], masked: &MaskedPan) -> Says {
    let text = masked.to_string();
    let first = |digit: &str| {
        let filled = format!("{}{}", &text[..6], digit.repeat(13));
        filled.parse::<u64>().unwrap_or(u64::MAX)
    };
    let (low, high) = (first("0"), first("9"));
    let inside = |route: &&Route| route.high >= low && route.low <= high;
    match table.iter().find(inside) {
        None => Says::Place(None),
        Some(route) if route.low <= low && high <= route.high => Says::Place(Some(route.target)),
        Some(_) => Says::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{CardClass, LinkIndex, Pan};

    #[test]
    fn a_mask_says_where_a_card_goes_only_where_no_number_of_it_goes_elsewhere() {
        let route =
            |low: u64, high: u64, target| Route { low, high, class: CardClass::Debit, target, issuer: 0 };
        let unit = 10_u64.pow(13);
        let (link, own) = (RouteTarget::Link(LinkIndex(0)), RouteTarget::OnUs);
        let wide = route(622_588 * unit, 622_589 * unit - 1, link);
        let narrow = route(622_588 * unit, 622_588 * unit + unit / 10 - 1, own);
        let masked = Pan::from_digits(b"6225880000000008").unwrap().masked();
        let place = |table: &[Route]| match by_mask(table, &masked) {
            Says::Place(place) => Some(place),
            Says::CannotTell => None,
        };
        assert_eq!(place(&[]), Some(None));
        assert_eq!(place(std::slice::from_ref(&wide)), Some(Some(link)));
        assert_eq!(place(&[narrow, wide]), None);
    }
}
