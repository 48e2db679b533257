//! `ledger verify`, `ledger stats`, `ledger export`, `ledger query`; checkpoints, proofs and copies are below.

mod account;
mod copies;
mod moment;
mod proofs;
mod query;
mod reindex;
mod snapshots;
mod statement;

use crate::arguments::{ExportFormat, LedgerCommand, Output, VerifyOptions};
use crate::history::each_record;
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::Result;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_book::Book;
use switchyard_core::{Core, CoreConfig};
use switchyard_domain::{Record, Stamped};
use switchyard_ledger::{VerifyError, VerifyReport};

pub(crate) fn run(command: &LedgerCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        LedgerCommand::Verify(options) => match options.as_ref() {
            VerifyOptions { proof: Some(file), key: Some(key), .. } => proofs::verify(file, key, form),
            options => verify(options, data, form),
        },
        LedgerCommand::Checkpoint => proofs::checkpoint(data, form),
        LedgerCommand::Prove { record, out } => proofs::prove(data, *record, out.as_deref(), form),
        LedgerCommand::Backup { target } => copies::backup(data, target, form),
        LedgerCommand::Restore { from, to_seq, target } => copies::restore(from, *to_seq, target, form),
        LedgerCommand::Stats => stats(data, form),
        LedgerCommand::Snapshot => snapshots::snapshot(data, form),
        LedgerCommand::Export { format } => export(data, *format),
        LedgerCommand::Reindex => reindex::run(data, form),
        LedgerCommand::Query(options) => query::run(options, data, form),
        LedgerCommand::Statement(options) => statement::run(options, data, form),
    }
}

/// Bytes, chain, Merkle root; then the meaning: every record follows from the ones before it, and debits
/// equal credits.
fn verify(options: &VerifyOptions, data: &Path, form: Output) -> Result<Verdict> {
    // Read first: a witness file that cannot be used is told before an hour of reading.
    let witness =
        options.witness.as_deref().map(|path| proofs::read_witness(path, options.key.as_ref(), data));
    let witness = witness.transpose()?;
    let bar = Bar::bytes("verifying");
    let result = switchyard_ledger::verify(&data.join("ledger"), |p| bar.set(p.done_bytes, p.total_bytes));
    bar.finish();
    let report = match result {
        Ok(report) => report,
        Err(VerifyError::Finding(finding)) => {
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
            return Ok(Verdict::Finding);
        }
        Err(VerifyError::CouldNot(error)) => {
            return Err(anyhow::Error::from(error).context(crate::data_hint(data)));
        }
    };
    let meaning = check_meaning(data);
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

/// What replaying the records shows.
pub(crate) struct Meaning {
    pub(crate) digest: u64,
    pub(crate) balanced: bool,
    pub(crate) trial: Vec<(String, u128, u128)>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) records: u64,
    digests: snapshots::Digests,
}

/// Replays every record into a core of its own.
pub(crate) fn check_meaning(data: &Path) -> Result<Meaning> {
    let mut core = Core::new(CoreConfig::default());
    let mut counts = BTreeMap::new();
    let mut digests = snapshots::Digests::wanted(data)?;
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
    let meaning = check_meaning(data)?;
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

fn export(data: &Path, format: ExportFormat) -> Result<Verdict> {
    let mut book = Book::new();
    if format == ExportFormat::Csv {
        output::line("sequence,at,actor,record,debit,credit,amount_minor,phase")?;
    }
    each_record(data, |sequence, stamped| match format {
        ExportFormat::Jsonl => {
            let mut value = serde_json::to_value(stamped)?;
            redact(&mut value);
            if let Some(object) = value.as_object_mut() {
                object.insert("sequence".into(), sequence.into());
            }
            output::json_line(&value)
        }
        ExportFormat::Csv => postings(sequence, stamped, &mut book),
    })?;
    Ok(Verdict::Fine)
}

/// Takes out what an export, which is passed around, has no business to carry: sealed card numbers, PIN
/// verification values and expiry dates of cards, wrapped keys. They stay in the ledger.
fn redact(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["sealed", "key_id", "intake", "wrapped", "pvv", "expiry"] {
                object.remove(key);
            }
            object.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One line a posting. The book goes along, so that an export of entries that do not apply stops.
fn postings(sequence: u64, stamped: &Stamped, book: &mut Book) -> Result<()> {
    book.replay(&stamped.record)?;
    for posting in stamped.record.entry().into_iter().flat_map(|entry| &entry.0) {
        output::line(&format!(
            "{sequence},{},{},{},{},{},{},{:?}",
            stamped.at,
            cell(&format!("{:?}", stamped.actor)),
            name_of(&stamped.record),
            posting.debit,
            posting.credit,
            posting.amount_minor,
            posting.phase
        ))?;
    }
    Ok(())
}

/// A cell as RFC 4180 has it: a login may hold anything.
fn cell(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

/// The record's name, as its JSON spells it.
pub(crate) fn name_of(record: &Record) -> String {
    let text = format!("{record:?}");
    text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_has_no_sealed_card_and_no_key() {
        let mut value = json!({"record": {"card_issued": {
            "card": {"sealed": [1], "key_id": 1, "intake": 7, "hash": [2], "masked": 3},
            "expiry": "3012", "pvv": [4], "keys": [{"wrapped": "D0", "check_value": [5]}],
        }}});
        redact(&mut value);
        let left = json!({"card": {"hash": [2], "masked": 3}, "keys": [{"check_value": [5]}]});
        assert_eq!(value, json!({"record": {"card_issued": left}}));
    }
}
