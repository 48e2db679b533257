//! `saf`: reversals, advices and results of scripts on their way to issuers.

use super::{give, rows, state};
use crate::Verdict;
use crate::arguments::{Output, SafCommand};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Order, SafView, State};
use switchyard_domain::SafId;

pub(crate) fn run(command: &SafCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        SafCommand::List { dead } => {
            let state = state(data)?;
            let entries = state.saf_entries().filter(|view| view.is_dead || !dead);
            let columns = [
                "id",
                "state",
                "entry",
                "link",
                "rrn",
                "terminal",
                "kind",
                "amount_minor",
                "outcome",
                "since",
            ];
            rows(&columns, entries.map(|view| row(&state, &view)).collect(), form)
        }
        SafCommand::Retry { id, because } => {
            let order = Order::RetrySaf { saf: SafId(*id), reason: because.reason.clone() };
            give(order, because, data, form)
        }
        SafCommand::Resolve { id, finding, because } => {
            let (saf, finding) = (SafId(*id), (*finding).into());
            let order = Order::ResolveSaf { saf, finding, reason: because.reason.clone() };
            give(order, because, data, form)
        }
    }
}

fn row(state: &State, view: &SafView<'_>) -> Value {
    let (entry, opened) = (view.entry, view.opened);
    let registry = state.registry();
    let link = registry.link(entry.upstream.link);
    json!({
        "id": entry.id.0, "state": if view.is_dead { "dead" } else { "waiting" }, "entry": entry.kind,
        "link": link.map(|link| link.name.clone()), "stan": entry.upstream.stan,
        "since": entry.upstream.transmitted_at.to_string(), "reason": entry.reason,
        "transaction": opened.id.0, "rrn": opened.rrn, "terminal": registry.terminal_id(opened.key.terminal),
        "kind": opened.kind, "amount_minor": opened.amount.minor, "currency": opened.amount.currency.to_string(),
        "card": opened.card.as_ref().map(|card| card.masked.to_string()), "outcome": view.outcome,
    })
}
