//! `batch`: terminals' batches, of which the open ones are read off the state.

use super::{closed, give, nothing, object, rows, state};
use crate::arguments::{BatchCommand, Output};
use crate::{Verdict, output};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{BatchView, Order};
use switchyard_domain::{BatchNumber, TerminalId};

pub(crate) fn run(command: &BatchCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        BatchCommand::List { closed: true, terminal, limit, .. } => {
            closed::list(terminal.as_deref(), usize::from(*limit), data, form)
        }
        BatchCommand::List { all, .. } => list(*all, data, form),
        BatchCommand::Show { terminal, batch: Some(batch) } => {
            closed::show(terminal, BatchNumber::try_from(u64::from(*batch))?, data, form)
        }
        BatchCommand::Show { terminal, batch: None } => show(terminal, data, form),
        BatchCommand::ForceClose { terminal, batch, because } => {
            let order = Order::CloseBatch {
                terminal: terminal.parse()?,
                batch: BatchNumber::try_from(u64::from(*batch))?,
                reason: because.reason.clone(),
            };
            give(order, because, data, form)
        }
    }
}

fn list(all: bool, data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let batches = state.registry().terminals().filter_map(|(index, terminal, _)| {
        let view = state.batch(index)?;
        (all || view.transactions > 0 || view.uploading).then(|| row(terminal.id, &view))
    });
    let columns = ["terminal", "batch", "stage", "transactions", "unresolved", "debit_minor", "credit_minor"];
    rows(&columns, batches.collect(), form)
}

fn row(terminal: TerminalId, view: &BatchView) -> Value {
    let (domestic, foreign) = (view.totals.domestic, view.totals.foreign);
    json!({
        "terminal": terminal, "batch": view.number, "stage": if view.uploading { "uploading" } else { "open" },
        "transactions": view.transactions, "unresolved": view.unresolved,
        "debit_count": domestic.debit.count + foreign.debit.count,
        "debit_minor": domestic.debit.amount_minor + foreign.debit.amount_minor,
        "credit_count": domestic.credit.count + foreign.credit.count,
        "credit_minor": domestic.credit.amount_minor + foreign.credit.amount_minor,
        "closed_before": view.closed,
    })
}

fn show(terminal: &str, data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let found = terminal.parse::<TerminalId>().ok().and_then(|id| {
        let index = state.registry().terminal_named(&id)?;
        Some((index, id, state.batch(index)?))
    });
    let Some((index, id, view)) = found else { return nothing("there is no such terminal", form) };
    let mut batch = row(id, &view);
    let columns = ["rrn", "stan", "kind", "amount_minor", "card", "outcome", "at"];
    let transactions: Vec<Value> = state
        .batch_transactions(index)
        .map(|(opened, outcome, at)| {
            json!({
                "rrn": opened.rrn, "stan": opened.key.stan, "kind": opened.kind,
                "amount_minor": opened.amount.minor, "currency": opened.amount.currency.to_string(),
                "card": opened.card.as_ref().map(|card| card.masked.to_string()), "outcome": outcome,
                "at": at.to_string(),
            })
        })
        .collect();
    match form {
        Output::Json => {
            batch["totals"] = serde_json::to_value(view.totals)?;
            batch["listed"] = transactions.into();
            output::json(&batch)?;
            Ok(Verdict::Fine)
        }
        Output::Text => {
            object(&batch, form)?;
            rows(&columns, transactions, form)
        }
    }
}
