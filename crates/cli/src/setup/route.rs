//! `route`: which card numbers go where.

use super::{change, diff};
use crate::arguments::{Cards, Output, RouteCommand};
use crate::operate::{rows, state};
use crate::{Verdict, output};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Command, Order, State};
use switchyard_domain::{CardClass, CardKind, LinkIndex, Pan, ProductCode, Route, RouteTarget};

pub(crate) fn run(command: &RouteCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        RouteCommand::List => list(data, form),
        RouteCommand::Add { cards, class, product, link, issuer, change: options } => {
            let (low, high) = range(cards)?;
            let state = state(data)?;
            let class = kind(class.map(Into::into), product.as_ref(), &state)?;
            let target = match link {
                Some(name) => RouteTarget::Link(link_named(&state, name)?),
                None => RouteTarget::OnUs,
            };
            let route = Route { low, high, class, target, issuer: *issuer };
            change(Command::AddRoute(route), options, data, form)
        }
        RouteCommand::Remove { cards, reason, change: options } => {
            let (low, high) = range(cards)?;
            let order = Order::RemoveRoute { low, high, reason: reason.clone() };
            change(Command::Order(order), options, data, form)
        }
        RouteCommand::Diff { against, date, config } => {
            let against = diff::Against { table: Some(against), rules: None, date: *date };
            diff::run(against, config, data, form)
        }
    }
}

fn list(data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let version = state.registry().version();
    let routes: Vec<Value> = state.registry().routes().iter().map(|route| row(&state, route)).collect();
    if form == Output::Json {
        output::json(&json!({"version": version, "routes": routes}))?;
        return Ok(Verdict::Fine);
    }
    eprintln!("version {version} of the registry");
    rows(&["from", "to", "class", "product", "link", "issuer"], routes, form)
}

/// A range as people see it.
pub(super) fn row(state: &State, route: &Route) -> Value {
    let link = match route.target {
        RouteTarget::OnUs => None,
        RouteTarget::Link(link) => Some(link_name(state, link)),
    };
    let registry = state.registry();
    json!({
        "from": format!("{:019}", route.low), "to": format!("{:019}", route.high), "class": route.class.class,
        "product": route.class.product.and_then(|index| registry.product(index)).map(|product| &product.code),
        "link": link, "issuer": route.issuer,
    })
}

/// Name of a link.
pub(super) fn link_name(state: &State, link: LinkIndex) -> String {
    let found = state.registry().link(link);
    found.map_or_else(|| format!("link {}", link.0), |link| link.name.clone())
}

fn link_named(state: &State, name: &str) -> Result<LinkIndex> {
    let found = state.registry().link_named(name);
    found.with_context(|| format!("there is no link {name:?}: see `switchyard link status`"))
}

/// A table as `route list --output json` prints it, narrowest range first.
pub(super) fn read(text: &str, state: &State) -> Result<Vec<Route>> {
    let table: Value = serde_json::from_str(text).context("the table is not JSON")?;
    let rows = table["routes"].as_array().or(table.as_array()).context("the table has no \"routes\"")?;
    let mut routes = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        routes.push(route(row, state).with_context(|| format!("route {number} of the table"))?);
    }
    routes.sort_by_key(|route: &Route| (route.high.saturating_sub(route.low), route.low));
    Ok(routes)
}

fn route(row: &Value, state: &State) -> Result<Route> {
    let text = |name: &str| row[name].as_str().with_context(|| format!("no {name:?}"));
    let (low, high) = (fill(text("from")?, '0')?, fill(text("to")?, '9')?);
    ensure!(low <= high, "\"from\" is above \"to\"");
    let class: Option<CardClass> = serde_json::from_value(row["class"].clone()).context("\"class\"")?;
    let product: Option<ProductCode> =
        serde_json::from_value(row["product"].clone()).context("\"product\"")?;
    let class = kind(class, product.as_ref(), state)?;
    let target = match row["link"].as_str() {
        Some(name) => RouteTarget::Link(link_named(state, name)?),
        None => RouteTarget::OnUs,
    };
    Ok(Route { low, high, class, target, issuer: row["issuer"].as_u64().unwrap_or_default() })
}

/// What cards a range is of: the class follows from a product, and has to be named without one.
fn kind(class: Option<CardClass>, product: Option<&ProductCode>, state: &State) -> Result<CardKind> {
    let Some(code) = product else {
        return Ok(class.context("name the class of the cards, or their product")?.into());
    };
    let registry = state.registry();
    let index = registry.product_named(code);
    let product = index.and_then(|index| registry.product(index));
    let product =
        product.with_context(|| format!("there is no product {code}: see `switchyard product list`"))?;
    ensure!(
        class.is_none_or(|class| class == product.class()),
        "the class is not that of the product {code}: leave it out"
    );
    Ok(CardKind { class: product.class(), product: index })
}

/// The card numbers meant, left-aligned in 19 digits.
fn range(cards: &Cards) -> Result<(u64, u64)> {
    let (from, to) = match (&cards.prefix, &cards.from, &cards.to) {
        (Some(prefix), ..) => (prefix, prefix),
        (None, Some(from), Some(to)) => (from, to),
        _ => anyhow::bail!("name the cards with --prefix, or with --from and --to"),
    };
    let range = (fill(from, '0')?, fill(to, '9')?);
    ensure!(range.0 <= range.1, "--from is above --to");
    Ok(range)
}

fn fill(digits: &str, digit: char) -> Result<u64> {
    ensure!(
        (1..=Pan::DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "card numbers are named by their first 1 to {} digits",
        Pan::DIGITS_MAX
    );
    let filled: String = digits.chars().chain(std::iter::repeat(digit)).take(Pan::DIGITS_MAX).collect();
    filled.parse().context("card numbers of 19 digits end at 18446744073709551615")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_range_of_all_numbers_that_begin_with_it() {
        assert_eq!(fill("622588", '0').unwrap(), 6_225_880_000_000_000_000);
        assert_eq!(fill("622588", '9').unwrap(), 6_225_889_999_999_999_999);
        assert_eq!(fill("6225880000000008123", '0').unwrap(), 6_225_880_000_000_008_123);
        for wrong in ["", "62x", "62258800000000081234"] {
            assert!(fill(wrong, '0').is_err(), "{wrong}");
        }
    }
}
