//! `ledger backup`, `ledger restore`.

use crate::arguments::Output;
use crate::history::each_record;
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use switchyard_domain::Timestamp;
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

/// How much of a ledger is restored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// All of it.
    End,
    /// The records below this sequence.
    Sequence(u64),
    /// The records up to this time.
    Time(Timestamp),
}

impl Until {
    pub(super) fn new(to_seq: Option<u64>, to_time: Option<Timestamp>) -> Self {
        match (to_seq, to_time) {
            (Some(seq), _) => Self::Sequence(seq),
            (None, Some(at)) => Self::Time(at),
            (None, None) => Self::End,
        }
    }

    /// The sequence it ends before. Records keep their order in time even when a clock is set back, so the first one
    /// that is later ends them.
    fn sequence(self, data: &Path) -> Result<Option<u64>> {
        let limit = match self {
            Self::End => return Ok(None),
            Self::Sequence(seq) => return Ok(Some(seq)),
            Self::Time(at) => at,
        };
        let mut upto = 0;
        each_record(data, |sequence, stamped| {
            if stamped.at <= limit && sequence == upto {
                upto = sequence + 1;
            }
            Ok(())
        })?;
        Ok(Some(upto))
    }
}

pub(super) fn restore(data: &Path, until: Until, target: &Path, form: Output) -> Result<Verdict> {
    let to_seq = until.sequence(data)?;
    let (from, to) = (data.join("ledger"), target.join("ledger"));
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

pub(super) fn archive(data: &Path, to: &Path, keep: u64, form: Output) -> Result<Verdict> {
    let ledger = data.join("ledger");
    let bar = Bar::bytes("archiving");
    let report = switchyard_ledger::archive(&ledger, to, keep, |done, total| bar.set(done, total));
    bar.finish();
    let report = report.with_context(|| format!("{} is not archived to its end", ledger.display()))?;
    let segments: Vec<_> = report.segments.iter().map(|number| number.0).collect();
    match form {
        Output::Json => output::json(&json!({
            "segments": segments, "records": report.records, "bytes": report.bytes, "kept": report.kept,
            "directory": to,
        }))?,
        Output::Text => output::line(&format!(
            "{}: {} segments with {} records, {} bytes, verified there; {} sealed segments stay",
            to.display(),
            segments.len(),
            report.records,
            report.bytes,
            report.kept
        ))?,
    }
    Ok(Verdict::Fine)
}
