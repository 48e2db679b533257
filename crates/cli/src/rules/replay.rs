//! `risk test`: a day under other rules.

use super::form::{Kind, read, typed};
use crate::arguments::Output;
use crate::explain::rules::verdict;
use crate::history::each_record;
use crate::operate::{cell, state};
use crate::{Verdict, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_core::{Command, State};
use switchyard_domain::{BusinessDate, Record, RiskFinding, RiskRules, Stamped, TransactionOpened};

/// Transactions that are named one by one; the sums count all.
const LISTED_MAX: usize = 50;

#[derive(Default)]
struct Findings {
    looked_at: u64,
    spoke: BTreeMap<u32, u64>,
    verdicts: BTreeMap<&'static str, u64>,
    listed: Vec<Value>,
}

/// Replays the ledger as a start does, with the other rules in the place of those that were in force.
pub(super) fn run(
    file: Option<&Path>,
    date: Option<BusinessDate>,
    data: &Path,
    form: Output,
) -> Result<Verdict> {
    let now = state(data)?;
    let rules = match file {
        None => now.risk_rules().clone(),
        Some(path) => {
            let (rules, mut whole) = read(path)?;
            whole.insert("rules".to_owned(), rules.into());
            match typed(Kind::Risk, whole.into(), 1, &now)? {
                Command::SetRiskRules(rules) => *rules,
                _ => bail!("these are no risk rules"),
            }
        }
    };
    let day = date.unwrap_or_else(|| now.day());
    let mut replayed = State::default();
    let mut findings = Findings::default();
    each_record(data, |_, stamped| {
        if matches!(stamped.record, Record::RiskRulesSet(_)) {
            return Ok(());
        }
        if let Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. } =
            &stamped.record
            && opened.day == day
            && opened.kind.is_assessed()
        {
            findings.look(opened, replayed.assess_opened(opened, stamped.at).as_deref());
        }
        let genesis = matches!(stamped.record, Record::Genesis { .. });
        replayed.apply(stamped).context("the ledger has no first record any more: it was archived")?;
        if genesis {
            put_in_force(&mut replayed, stamped, &rules)?;
        }
        Ok(())
    })?;
    findings.print(day, &rules, form)?;
    let harmless = ["approve", "alert"];
    let harms = findings.verdicts.keys().any(|verdict| !harmless.contains(verdict));
    Ok(if harms { Verdict::Finding } else { Verdict::Fine })
}

fn put_in_force(state: &mut State, genesis: &Stamped, rules: &RiskRules) -> Result<()> {
    let record = Record::RiskRulesSet(rules.clone());
    Ok(state.apply(&Stamped { at: genesis.at, actor: genesis.actor.clone(), record })?)
}

impl Findings {
    fn look(&mut self, opened: &TransactionOpened, found: Option<&RiskFinding>) {
        self.looked_at += 1;
        let Some(found) = found else { return };
        for number in &found.rules {
            *self.spoke.entry(*number).or_default() += 1;
        }
        let verdict = verdict(found.verdict);
        *self.verdicts.entry(verdict).or_default() += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(json!({
                "rrn": opened.rrn, "kind": opened.kind, "amount_minor": opened.amount.minor,
                "card": opened.card.as_ref().map(|card| card.masked.to_string()), "rules": found.rules,
                "score": found.score, "verdict": verdict,
            }));
        }
    }

    fn print(&self, day: BusinessDate, rules: &RiskRules, form: Output) -> Result<()> {
        let spoke: Vec<Value> = rules
            .rules
            .iter()
            .map(|rule| {
                let count = self.spoke.get(&rule.number).copied().unwrap_or_default();
                json!({"number": rule.number, "reason": rule.reason, "transactions": count})
            })
            .collect();
        if form == Output::Json {
            return output::json(&json!({
                "day": day.to_string(), "looked_at": self.looked_at, "verdicts": self.verdicts,
                "rules": spoke, "listed": self.listed,
            }));
        }
        output::line(&format!("{day}: {} transactions looked at", self.looked_at))?;
        for (verdict, count) in &self.verdicts {
            output::line(&format!("{verdict}: {count}"))?;
        }
        for (columns, rows) in [
            (&["number", "reason", "transactions"][..], &spoke),
            (&["rrn", "kind", "amount_minor", "card", "rules", "score", "verdict"], &self.listed),
        ] {
            if !rows.is_empty() {
                let row = |row: &Value| columns.iter().map(|column| cell(&row[*column])).collect();
                output::table(columns, rows.iter().map(row))?;
            }
        }
        Ok(())
    }
}
