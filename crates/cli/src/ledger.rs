//! `ledger verify`, `ledger stats`, `ledger query`; checkpoints, proofs, copies and exports are below.

pub(crate) mod account;
mod copies;
mod export;
mod moment;
mod proofs;
mod query;
mod range;
mod reindex;
mod snapshots;
mod statement;

pub(crate) use moment::instant;
pub(crate) use snapshots::Digests;

use crate::arguments::{LedgerCommand, Output, VerifyOptions};
use crate::history::each_record;
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::Result;
use proofs::Signer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use switchyard_core::{Core, CoreConfig};
use switchyard_domain::Record;
use switchyard_ledger::{Finding, VerifyError, VerifyReport};

pub(crate) use query::{card_hash, open as open_index, run as query};

pub(crate) fn run(command: &LedgerCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        LedgerCommand::Verify(options) => match options.as_ref() {
            VerifyOptions { proof: Some(file), key: Some(key), .. } => proofs::verify(file, key, form),
            VerifyOptions { from: None, to: None, .. } => verify(options, data, form),
            VerifyOptions { from, to, .. } => range::verify(from.unwrap_or_default(), *to, data, form),
        },
        LedgerCommand::Checkpoint { config } => proofs::checkpoint(&Signer::new(data, config)?, form),
        LedgerCommand::Prove { record, out, config } => {
            proofs::prove(&Signer::new(data, config)?, *record, out.as_deref(), form)
        }
        LedgerCommand::Backup { target } => copies::backup(data, target, form),
        LedgerCommand::Restore { from, to_seq, to_time, target } => {
            let until = copies::Until::new(*to_seq, *to_time);
            copies::restore(from, until, target, form)
        }
        LedgerCommand::Archive { to, keep } => copies::archive(data, to, *keep, form),
        LedgerCommand::Stats => stats(data, form),
        LedgerCommand::Export { format, out } => export::run(data, *format, out.as_deref()),
        LedgerCommand::Snapshot => snapshots::snapshot(data, form),
        LedgerCommand::Reindex => reindex::run(data, form),
        LedgerCommand::Query(options) => query::run(options, data, form),
        LedgerCommand::Statement(options) => statement::run(options, data, form),
    }
}

/// Bytes, chain, Merkle root; then the meaning: every record follows from the ones before it, and debits
/// equal credits.
fn verify(options: &VerifyOptions, data: &Path, form: Output) -> Result<Verdict> {
    // Read first: a witness file that cannot be used is told before an hour of reading.
    let signer = Signer::new(data, &options.config)?;
    let witness =
        options.witness.as_deref().map(|path| proofs::read_witness(path, options.key.as_ref(), &signer));
    let witness = witness.transpose()?;
    let bar = Bar::bytes("verifying");
    let result = switchyard_ledger::verify(&data.join("ledger"), |p| bar.set(p.done_bytes, p.total_bytes));
    bar.finish();
    let report = match result {
        Ok(report) => report,
        Err(VerifyError::Finding(finding)) => return not_verified(&finding, form),
        Err(VerifyError::CouldNot(error)) => {
            return Err(anyhow::Error::from(error).context(crate::data_hint(data)));
        }
    };
    let meaning = Digests::wanted(data).and_then(|digests| check_meaning(data, digests));
    let taken = meaning.as_ref().map_or(Ok(Vec::new()), |meaning| snapshots::compare(data, meaning))?;
    let balanced =
        meaning.as_ref().is_ok_and(|m| m.balanced) && taken.iter().all(snapshots::Found::is_harmless);
    let kept = witness.map(|witness| witness.check(data)).transpose()?;
    let holds = kept.as_ref().is_none_or(|kept| kept.holds());
    match form {
        Output::Json => {
            let mut value = verify_json(&report, &meaning);
            value["verified"] = Value::Bool(balanced);
            value["snapshots"] = taken.iter().map(snapshots::Found::json).collect();
            if let Some(kept) = &kept {
                value["verified"] = Value::Bool(balanced && holds);
                value["witness"] = proofs::witness_json(kept);
            }
            output::json(&value)?;
        }
        Output::Text => {
            kept.as_ref().map_or(Ok(()), proofs::witness_text)?;
            taken.iter().try_for_each(|found| output::line(&found.text()))?;
            verify_text(&report, &meaning)?;
        }
    }
    Ok(if balanced && holds { Verdict::Fine } else { Verdict::Finding })
}

/// The first byte that is not what was written.
fn not_verified(finding: &Finding, form: Output) -> Result<Verdict> {
    match form {
        Output::Json => output::json(&json!({
            "verified": false,
            "finding": {
                "segment": finding.segment.0, "offset": finding.offset, "block": finding.block.0,
                "what": finding.what.to_string(),
            },
        }))?,
        Output::Text => output::line(&format!("NOT VERIFIED: {finding}"))?,
    }
    Ok(Verdict::Finding)
}

/// What replaying the records shows.
pub(crate) struct Meaning {
    pub(crate) digest: u64,
    pub(crate) balanced: bool,
    pub(crate) trial: Vec<(String, u128, u128)>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) records: u64,
    digests: Digests,
}

/// Replays every record into a core of its own, and notes the digests that are wanted on the way.
pub(crate) fn check_meaning(data: &Path, mut digests: Digests) -> Result<Meaning> {
    let mut core = Core::new(CoreConfig::default());
    let mut counts = BTreeMap::new();
    let records = each_record(data, |sequence, stamped| {
        digests.note(sequence, core.state());
        core.replay(stamped).map_err(|error| anyhow::anyhow!("record {sequence}: {error}"))?;
        *counts.entry(name_of(&stamped.record)).or_default() += 1;
        Ok(())
    })?;
    digests.note(records, core.state());
    let trial = core.state().book().trial_balance();
    Ok(Meaning {
        records,
        digests,
        digest: core.state().digest(),
        balanced: trial.values().all(|sum| sum.is_balanced()),
        trial: trial.iter().map(|(c, s)| (c.to_string(), s.debits_minor, s.credits_minor)).collect(),
        counts,
    })
}

fn verify_json(report: &VerifyReport, meaning: &Result<Meaning>) -> Value {
    let mut value = json!({
        "verified": meaning.as_ref().is_ok_and(|m| m.balanced),
        "ledger_id": report.ledger_id.to_string(),
        "segments": report.segments, "blocks": report.blocks, "records": report.records,
        "used_bytes": report.used_bytes, "epochs": report.epochs, "cuts": report.cuts,
        "root": report.root.to_string(), "closed": report.closed,
        "torn_tail": report.torn_tail.map(|t| json!({"segment": t.segment.0, "offset": t.offset, "bytes": t.bytes})),
    });
    let extra = match meaning {
        Ok(m) => json!({
            "state_digest": format!("{:016x}", m.digest),
            "trial_balance": m.trial.iter().map(|(c, d, k)| json!({"currency": c, "debits_minor": d.to_string(),
                "credits_minor": k.to_string()})).collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "finding": format!("{error:#}") }),
    };
    if let (Some(value), Value::Object(extra)) = (value.as_object_mut(), extra) {
        value.extend(extra);
    }
    value
}

fn verify_text(report: &VerifyReport, meaning: &Result<Meaning>) -> Result<()> {
    output::line(&format!(
        "{} records in {} blocks, {} segments, {} openings, {} cuts",
        report.records, report.blocks, report.segments, report.epochs, report.cuts
    ))?;
    output::line(&format!("Merkle root {}", report.root))?;
    if let Some(tail) = report.torn_tail {
        output::line(&format!(
            "segment {} offset {}: {} bytes of an unfinished write; the next start cuts them",
            tail.segment.0, tail.offset, tail.bytes
        ))?;
    }
    match meaning {
        Ok(m) => {
            for (currency, debits, credits) in &m.trial {
                output::line(&format!("trial balance {currency}: debits {debits} = credits {credits}"))?;
            }
            output::line(&format!("state digest {:016x}", m.digest))?;
            output::line(if m.balanced { "verified" } else { "NOT VERIFIED: debits and credits differ" })
        }
        Err(error) => output::line(&format!("NOT VERIFIED: {error:#}")),
    }
}

fn stats(data: &Path, form: Output) -> Result<Verdict> {
    let meaning = check_meaning(data, Digests::default())?;
    let taken = snapshots::found(data)?;
    match form {
        Output::Json => {
            let taken: Vec<Value> = taken.iter().map(snapshots::Found::json).collect();
            output::json(&json!({ "records": meaning.counts, "snapshots": taken }))?;
        }
        Output::Text => {
            output::table(
                &["record", "count"],
                meaning.counts.iter().map(|(n, c)| vec![n.clone(), c.to_string()]),
            )?;
            taken.iter().try_for_each(|found| output::line(&found.text()))?;
        }
    }
    Ok(Verdict::Fine)
}

/// The record's name, as its JSON spells it.
pub(crate) fn name_of(record: &Record) -> String {
    let mut name = Name(String::new());
    // Ends with an error behind the name, which spares writing out the rest.
    let _ = write!(name, "{record:?}");
    name.0
}

/// Takes up what is written to it as far as the first word goes.
struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let word = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        self.0.push_str(&text[..word]);
        if word == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
