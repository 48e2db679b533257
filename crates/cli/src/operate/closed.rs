//! `batch list --closed` and `batch show --batch`: batches that were closed, through the index, newest first.

use super::{nothing, object, rows};
use crate::arguments::Output;
use crate::ledger::open_index;
use crate::{Verdict, output};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_domain::{
    BatchCase, BatchNumber, BatchTotals, BatchVerdict, Record, Side, Stamped, TerminalId, TerminalIndex,
};
use switchyard_ledger::index::{Index, Order, Query};
use switchyard_server::index::{self as keys, Names};

/// Most records that are read for one answer: what a close belongs to stands shortly before it.
const RECORDS_MAX: usize = 100_000;

/// A batch that was closed.
struct Closed {
    terminal: TerminalIndex,
    batch: BatchNumber,
    at: String,
    by: Value,
    /// What the terminal said; nothing where it never did.
    terminal_totals: Option<BatchTotals>,
    host_totals: Option<BatchTotals>,
    verdict: Option<BatchVerdict>,
    cases: Vec<BatchCase>,
    reason: Option<String>,
    /// The terminal's totals may still stand in an older record.
    is_open_ended: bool,
}

pub(crate) fn list(terminal: Option<&str>, limit: usize, data: &Path, form: Output) -> Result<Verdict> {
    let index = open_index(data)?;
    let mut names = Names::new(&index);
    let key = match terminal.map(|id| of(id, &mut names)).transpose()? {
        None => keys::every_batch_close(),
        Some(Some(terminal)) => keys::batch_closes(terminal),
        Some(None) => return nothing("there is no such terminal", form),
    };
    let closed = read(&index, key, limit, |_| true)?;
    let shown: Result<Vec<Value>> = closed.iter().map(|closed| row(closed, &mut names)).collect();
    let columns = [
        "terminal",
        "batch",
        "closed_at",
        "verdict",
        "cases",
        "debit_minor",
        "credit_minor",
        "terminal_debit_minor",
        "terminal_credit_minor",
        "closed_by",
    ];
    rows(&columns, shown?, form)
}

pub(crate) fn show(terminal: &str, batch: BatchNumber, data: &Path, form: Output) -> Result<Verdict> {
    let index = open_index(data)?;
    let mut names = Names::new(&index);
    let Some(terminal) = of(terminal, &mut names)? else {
        return nothing("there is no such terminal", form);
    };
    // A number comes back after 999,999 batches: the newest is meant.
    let found = read(&index, keys::batch_closes(terminal), 1, |closed| closed.batch == batch)?;
    let Some(closed) = found.first() else { return nothing("no such batch was closed", form) };
    let mut value = row(closed, &mut names)?;
    match form {
        Output::Json => {
            value["host_totals"] = serde_json::to_value(closed.host_totals)?;
            value["terminal_totals"] = serde_json::to_value(closed.terminal_totals)?;
            value["differences"] = serde_json::to_value(&closed.cases)?;
            output::json(&value)?;
            Ok(Verdict::Fine)
        }
        Output::Text => {
            object(&value, form)?;
            let columns = ["kind", "stan", "terminal_minor", "host_minor"];
            let cases: Result<Vec<_>, _> = closed.cases.iter().map(serde_json::to_value).collect();
            rows(&columns, cases?, form)
        }
    }
}

fn of(id: &str, names: &mut Names<'_>) -> Result<Option<TerminalIndex>> {
    match id.parse::<TerminalId>() {
        Ok(id) => Ok(names.terminal_index(&id)?),
        Err(_) => Ok(None),
    }
}

/// The newest batches under a key that are wanted, so many at most.
fn read(
    index: &Index,
    key: switchyard_ledger::index::Key,
    limit: usize,
    wanted: impl Fn(&Closed) -> bool,
) -> Result<Vec<Closed>> {
    let mut query = Query { order: Order::Descending, ..Query::new(key) };
    let (mut closed, mut fetch, mut left) = (Vec::<Closed>::new(), index.fetch(), RECORDS_MAX);
    loop {
        let page = index.page(&query)?;
        query.after = page.cursor();
        for sequence in &page.sequences {
            let stamped = keys::record(&mut fetch, *sequence)?;
            take(&mut closed, &stamped, limit, &wanted);
            left = left.saturating_sub(1);
            let is_whole = closed.len() == limit && !closed.iter().any(|closed| closed.is_open_ended);
            if is_whole || left == 0 {
                return Ok(closed);
            }
        }
        if !page.more {
            return Ok(closed);
        }
    }
}

/// One record more, going back in time: it closes a batch, or says what the terminal's totals were in one that is known to
/// be closed.
fn take(closed: &mut Vec<Closed>, stamped: &Stamped, limit: usize, wanted: &impl Fn(&Closed) -> bool) {
    let base = |terminal, batch| Closed {
        terminal,
        batch,
        at: stamped.at.to_string(),
        by: json!(stamped.actor),
        terminal_totals: None,
        host_totals: None,
        verdict: None,
        cases: Vec::new(),
        reason: None,
        is_open_ended: false,
    };
    let found = match &stamped.record {
        Record::BatchReconciled { terminal, batch, terminal_totals, host_totals, verdict, .. } => {
            let known = closed
                .iter_mut()
                .find(|known| known.is_open_ended && (known.terminal, known.batch) == (*terminal, *batch));
            let totals = (Some(*terminal_totals), Some(*host_totals), Some(*verdict));
            if let Some(known) = known {
                (known.terminal_totals, known.host_totals, known.verdict) = totals;
                known.is_open_ended = false;
                return;
            }
            // One that did not balance closes with the end of its upload, which is another record.
            if *verdict != BatchVerdict::Balanced {
                return;
            }
            let (terminal_totals, host_totals, verdict) = totals;
            Closed { terminal_totals, host_totals, verdict, ..base(*terminal, *batch) }
        }
        Record::BatchUploadEnded { terminal, batch, cases, .. } => {
            Closed { cases: cases.clone(), is_open_ended: true, ..base(*terminal, *batch) }
        }
        Record::BatchCompared { terminal, batch, cases } => {
            let mut open = closed.iter_mut().filter(|known| known.is_open_ended);
            if let Some(known) = open.find(|known| (known.terminal, known.batch) == (*terminal, *batch)) {
                known.cases.splice(0..0, cases.iter().copied());
            }
            return;
        }
        Record::BatchForceClosed { terminal, batch, totals, cases, reason, .. } => Closed {
            host_totals: Some(*totals),
            cases: cases.clone(),
            reason: Some(reason.to_string()),
            is_open_ended: true,
            ..base(*terminal, *batch)
        },
        _ => return,
    };
    // An older close of the terminal: whatever said something of a later batch would have come before it.
    let later = closed.iter_mut().filter(|known| known.terminal == found.terminal);
    later.for_each(|known| known.is_open_ended = false);
    if closed.len() < limit && wanted(&found) {
        closed.push(found);
    }
}

fn row(closed: &Closed, names: &mut Names<'_>) -> Result<Value> {
    let minor = |totals: &Option<BatchTotals>, side: fn(&BatchTotals) -> [Side; 2]| {
        totals.as_ref().map(|totals| side(totals).iter().map(|side| side.amount_minor).sum::<u64>())
    };
    let debit = |totals: &BatchTotals| [totals.domestic.debit, totals.foreign.debit];
    let credit = |totals: &BatchTotals| [totals.domestic.credit, totals.foreign.credit];
    let verdict = match (&closed.reason, closed.verdict) {
        (Some(_), _) => "forced".to_owned(),
        (None, verdict) => verdict.map_or("unbalanced".to_owned(), |verdict| verdict.to_string()),
    };
    Ok(json!({
        "terminal": names.terminal(closed.terminal)?.map(|terminal| terminal.id),
        "batch": closed.batch, "closed_at": closed.at, "closed_by": closed.by, "verdict": verdict,
        "reason": closed.reason, "cases": closed.cases.len(),
        "debit_minor": minor(&closed.host_totals, debit), "credit_minor": minor(&closed.host_totals, credit),
        "terminal_debit_minor": minor(&closed.terminal_totals, debit),
        "terminal_credit_minor": minor(&closed.terminal_totals, credit),
    }))
}
