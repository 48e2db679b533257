//! `ledger backup`, `ledger restore`.

use crate::arguments::Output;
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use switchyard_ledger::{LedgerId, Options, Partition, Reader, Sequence};

pub(super) fn backup(data: &Path, target: &Path, form: Output) -> Result<Verdict> {
    let (from, to) = (data.join("ledger"), target.join("ledger"));
    let bar = Bar::bytes("copying");
    let report = switchyard_ledger::backup(&from, &to, |done| bar.set(done, done));
    bar.finish();
    let report = report.with_context(|| format!("no backup of {}", from.display()))?;
    match form {
        Output::Json => output::json(&json!({
            "ledger_id": report.ledger_id.to_string(), "segments": report.segments, "blocks": report.blocks,
            "records": report.records, "bytes": report.bytes, "root": report.root.to_string(),
            "directory": to,
        }))?,
        Output::Text => {
            output::line(&format!(
                "{}: {} records in {} blocks, {} bytes",
                to.display(),
                report.records,
                report.blocks,
                report.bytes
            ))?;
            output::line(&format!("Merkle root {}", report.root))?;
            output::line("keys are not in it: without them, card numbers stay sealed")?;
        }
    }
    Ok(Verdict::Fine)
}

pub(super) fn restore(from: &Path, to_seq: Option<u64>, target: &Path, form: Output) -> Result<Verdict> {
    let (from, to) = (from.join("ledger"), target.join("ledger"));
    let mut id = [0; 16];
    getrandom::fill(&mut id).context("no randomness for the id of the new ledger")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let options = Options::new(Partition::default(), LedgerId(id), now.as_micros() as u64);
    let total = match to_seq {
        Some(count) => count,
        None => Reader::open(&from).and_then(|r| r.from(Sequence(u64::MAX))).map_or(0, |r| r.next_seq().0),
    };
    let bar = Bar::count("restoring");
    let restored =
        switchyard_ledger::restore(&from, to_seq.map(Sequence), &to, &options, |done| bar.set(done, total));
    bar.finish();
    let report = restored.with_context(|| format!("nothing restored from {}", from.display()))?;
    match form {
        Output::Json => output::json(&json!({
            "from": report.from.to_string(), "ledger_id": report.ledger_id.to_string(),
            "epoch": report.epoch.0, "records": report.next_seq.0, "root": report.root.to_string(),
            "directory": to,
        }))?,
        Output::Text => {
            output::line(&format!(
                "{}: ledger {} with {} records of ledger {}",
                to.display(),
                report.ledger_id,
                report.next_seq,
                report.from
            ))?;
            output::line(&format!("Merkle root {}", report.root))?;
            output::line(
                "next: give it the keys of the old data directory, then `switchyard ledger verify`",
            )?;
        }
    }
    Ok(Verdict::Fine)
}
