//! `link`: what links are for, and how they are doing.

use super::{give, rows, state};
use crate::Verdict;
use crate::admin;
use crate::arguments::{LinkCommand, LinkTarget, Output};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::Order;
use switchyard_domain::{KeyUse, LinkOrder};

pub(crate) fn run(command: &LinkCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        LinkCommand::Add(options) => crate::setup::add_link(options, data, form),
        LinkCommand::Change(options) => super::change::link(options, data, form),
        LinkCommand::Status => status(data, form),
        LinkCommand::Up(target) => order(target, LinkOrder::Up, data, form),
        LinkCommand::Down(target) => order(target, LinkOrder::Down, data, form),
        LinkCommand::Drain(target) => order(target, LinkOrder::Drain, data, form),
        LinkCommand::SignOn(target) => order(target, LinkOrder::SignOn, data, form),
        LinkCommand::Match(options) => order(&options.target, LinkOrder::Match(options.on), data, form),
        LinkCommand::Bill { target, currency, none: _ } => {
            order(target, LinkOrder::Bill(*currency), data, form)
        }
        LinkCommand::KeyUnder { target, under, none: _ } => {
            let is_other = under.is_some_and(|under| under.usage != KeyUse::Transport);
            ensure!(!is_other, "keys of links travel under a transport key: transport/N");
            order(target, LinkOrder::KeyUnder(under.map(|under| under.owner)), data, form)
        }
        LinkCommand::NewKey(target) => order(target, LinkOrder::NewKey, data, form),
    }
}

fn order(target: &LinkTarget, what: LinkOrder, data: &Path, form: Output) -> Result<Verdict> {
    let (link, reason) = (target.link.clone(), target.because.reason.clone());
    give(Order::Link { link, what, reason }, &target.because, data, form)
}

fn status(data: &Path, form: Output) -> Result<Verdict> {
    let columns = [
        "name",
        "address",
        "mode",
        "status",
        "connections",
        "connections_up",
        "connections_signed_on",
        "resting",
        "in_flight",
        "saf_waiting",
        "saf_dead",
        "matches_by",
        "bills_in",
        "pin_key",
        "keys_under",
    ];
    let links = match admin::told_by_running(data, "links", "links")? {
        Some(Value::Array(links)) => links,
        Some(_) => bail!("the switch answered without links"),
        None => recorded(data)?,
    };
    rows(&columns, links, form)
}

/// Without a switch no link has a connection; what it is for and what waits is in the ledger.
fn recorded(data: &Path) -> Result<Vec<Value>> {
    let state = state(data)?;
    let registry = state.registry();
    let links = registry.links().zip(registry.link_modes()).map(|((index, link), mode)| {
        let of_link = |dead: bool| {
            let entries = state.saf_entries().filter(|view| view.entry.upstream.link == index);
            entries.filter(|view| view.is_dead == dead).count()
        };
        json!({
            "name": link.name, "address": link.address, "dialect": link.dialect, "framing": link.framing,
            "answer_timeout_ms": link.answer_timeout_ms, "credit_max": registry.link_terms(index).credit_max,
            "mode": mode, "status": "not running", "connections": link.connections,
            "connections_up": 0, "connections_signed_on": 0, "resting": false, "in_flight": 0,
            "saf_waiting": of_link(false), "saf_dead": of_link(true),
            "matches_by": registry.link_terms(index).matching,
            "bills_in": registry.link_terms(index).billing.map(|currency| currency.to_string()),
            "pin_key": (!link.pin_key.is_to_come()).then(|| crate::hex::hex(&link.pin_key.check_value[..3])),
            "keys_under": registry.link_terms(index).key_under.map(|number| format!("transport/{number}")),
        })
    });
    Ok(links.collect())
}
