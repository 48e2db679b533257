//! What the risk rules found: `risk flagged`, and the payouts that they hold: `risk held`, `risk release`.

use crate::admin::Admin;
use crate::arguments::{Because, Output};
use crate::explain::newest;
use crate::explain::rules::{Rules, found_in, verdict};
use crate::history::each_record;
use crate::ledger::open_index;
use crate::operate::{nothing, rows, state, told};
use crate::{Verdict, serve};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Command, State};
use switchyard_domain::{BusinessDate, Record, RiskFinding, RiskVerdict, TransactionId, TransactionOpened};
use switchyard_server::index as keys;

const FLAGGED: [&str; 10] =
    ["at", "rrn", "kind", "amount", "card", "merchant", "terminal", "verdict", "score", "why"];
const HELD: [&str; 8] = ["since", "rrn", "kind", "amount", "card", "merchant", "outcome", "why"];

/// Every finding from a business day on, without those where only a score below every threshold came together, unless all
/// are wanted.
pub(super) fn flagged(since: Option<BusinessDate>, all: bool, data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let since = since.unwrap_or_else(|| state.day());
    let (mut rules, mut last, mut found) = (Rules::default(), None, Vec::new());
    each_record(data, |_, stamped| {
        rules.observe(&stamped.record);
        if let Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. } =
            &stamped.record
        {
            last = (opened.day >= since).then(|| opened.clone());
        }
        // What was found follows the record that made the transaction.
        if let (Some((id, finding)), Some(opened)) = (found_in(&stamped.record), &last)
            && opened.id == id
            && (all || finding.verdict != RiskVerdict::Approve)
        {
            let mut row = row(&state, opened, finding, &rules);
            row["at"] = stamped.at.to_string().into();
            found.push(row);
        }
        Ok(())
    })?;
    rows(&FLAGGED, found, form)
}

/// Payouts that wait for somebody.
pub(super) fn held(data: &Path, form: Output) -> Result<Verdict> {
    let (state, index) = (state(data)?, open_index(data)?);
    let mut waiting = Vec::new();
    for id in state.held_transactions() {
        let story = keys::records(&index, keys::of_transaction(id))?;
        let finding = story.iter().find_map(|(_, stamped)| found_in(&stamped.record)).map(|(_, found)| found);
        if let (Some((opened, outcome, at)), Some(finding)) = (state.transaction(id), finding) {
            waiting.push((opened, outcome, at, finding.clone()));
        }
    }
    let findings = waiting.iter().map(|(_, _, _, finding)| finding);
    let rules = Rules::of(data, state.risk_rules(), findings)?;
    let listed = waiting.iter().map(|(opened, outcome, at, finding)| {
        let mut row = row(&state, opened, finding, &rules);
        row["since"] = at.to_string().into();
        row["outcome"] = json!(outcome);
        row
    });
    rows(&HELD, listed.collect(), form)
}

/// Lets a payout go.
pub(super) fn release(rrn: &str, because: &Because, data: &Path, form: Output) -> Result<Verdict> {
    let held = |id: TransactionId, state: &State| state.held_transactions().any(|held| held == id);
    let found = rrn.parse().ok().map(|rrn| newest(&open_index(data)?, &rrn)).transpose()?.flatten();
    let Some(opened) = found.filter(|opened| state(data).is_ok_and(|state| held(opened.id, &state))) else {
        return nothing("no payout is held under this reference: see `switchyard risk held`", form);
    };
    let (transaction, reason) = (opened.id, because.reason.to_string());
    let admin = Admin::open(data, &serve::load(&because.config)?)?;
    told(&admin.command(Command::ReleasePayout { transaction, reason })?, form)
}

fn row(state: &State, opened: &TransactionOpened, finding: &RiskFinding, rules: &Rules) -> Value {
    let registry = state.registry();
    let why: Vec<String> =
        finding.rules.iter().map(|number| rules.reason(finding.version, *number)).collect();
    json!({
        "rrn": opened.rrn, "kind": opened.kind, "amount": opened.amount.to_string(),
        "amount_minor": opened.amount.minor, "currency": opened.amount.currency.to_string(),
        "card": opened.card.as_ref().map(|card| card.masked.to_string()),
        "merchant": registry.merchant(opened.key.merchant).map(|merchant| merchant.id),
        "terminal": registry.terminal_id(opened.key.terminal), "day": opened.day.to_string(),
        "verdict": verdict(finding.verdict), "score": finding.score, "rules": finding.rules,
        "version": finding.version, "why": why.join("; "),
    })
}
