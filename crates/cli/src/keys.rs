//! `key selftest`; the keys of cards are below.

mod cards;
pub(crate) mod ceremony;
mod lmk;

use crate::arguments::{KeyCommand, Output};
use crate::{Verdict, output};
use anyhow::{Context, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_keys::selftest::{self, Outcome, Vector};

/// Known answers that every installation can check without a file.
const BUILT_IN: &str = include_str!("../data/selftest.jsonl");

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    unknown: u64,
}

pub(crate) fn run(command: &KeyCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        KeyCommand::Selftest { vectors } => self_test(vectors.as_deref(), form),
        KeyCommand::Init(options) => ceremony::init(options, data, form),
        KeyCommand::Component(options) => ceremony::component(options, data, form),
        KeyCommand::Load(named) => ceremony::load(named, data, form),
        KeyCommand::Cancel { named, reason } => ceremony::cancel(named, reason, data, form),
        KeyCommand::Show { key } => ceremony::show(*key, data, form),
        KeyCommand::ExportTr31(moved) => ceremony::export(moved, data, form),
        KeyCommand::ImportTr31(moved) => ceremony::import(moved, data, form),
        KeyCommand::List { config } => cards::list(data, config, form),
        KeyCommand::Rotate { config } => cards::rotate(data, config, form),
        KeyCommand::Lmk(command) => lmk::run(command, data, form),
        KeyCommand::Shred(options) => cards::shred(data, options, form),
    }
}

fn self_test(vectors: Option<&Path>, form: Output) -> Result<Verdict> {
    let text = match vectors {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => BUILT_IN.to_owned(),
    };
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let vector: Vector = serde_json::from_str(line).with_context(|| format!("line {}", number + 1))?;
        let tally = tallies.entry(vector.alg.clone()).or_default();
        match selftest::run(&vector) {
            Outcome::Pass => tally.passed += 1,
            Outcome::Unknown => tally.unknown += 1,
            Outcome::Fail { got } => {
                tally.failed += 1;
                eprintln!("line {}: {}: got {got}", number + 1, vector.alg);
            }
        }
    }
    print(&tallies, form)?;
    let fine = tallies.values().all(|t| t.failed == 0);
    Ok(if fine { Verdict::Fine } else { Verdict::Finding })
}

fn print(tallies: &BTreeMap<String, Tally>, form: Output) -> Result<()> {
    let sum = |column: fn(&Tally) -> u64| tallies.values().map(column).sum::<u64>();
    let (passed, failed, unknown) = (sum(|t| t.passed), sum(|t| t.failed), sum(|t| t.unknown));
    if form == Output::Json {
        let row = |t: &Tally| json!({"passed": t.passed, "failed": t.failed, "unknown": t.unknown});
        let rows: BTreeMap<_, _> = tallies.iter().map(|(alg, t)| (alg, row(t))).collect();
        return output::json(
            &json!({"algorithms": rows, "passed": passed, "failed": failed, "unknown": unknown}),
        );
    }
    let row = |(alg, t): (&String, &Tally)| {
        vec![alg.clone(), t.passed.to_string(), t.failed.to_string(), t.unknown.to_string()]
    };
    output::table(&["algorithm", "passed", "failed", "unknown"], tallies.iter().map(row))?;
    output::line(&format!("{passed} passed, {failed} failed, {unknown} unknown"))
}
