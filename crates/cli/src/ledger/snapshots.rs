//! `ledger snapshot`, and what `verify` and `stats` say of the snapshots that are there.

use super::Meaning;
use crate::arguments::Output;
use crate::{Verdict, output};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use switchyard_core::State;
use switchyard_ledger::{Sequence, SnapshotReader, snapshots};
use switchyard_server::snapshots::{load, make};

/// Makes a snapshot of everything that is in the ledger, also while a switch runs.
pub(crate) fn snapshot(data: &Path, form: Output) -> Result<Verdict> {
    let made = make(&data.join("ledger"), &dir(data), Sequence(u64::MAX));
    let Some(made) = made.with_context(|| crate::data_hint(data))? else {
        anyhow::bail!("{} holds no ledger that was begun", data.display());
    };
    match form {
        Output::Json => output::json(&json!({
            "path": made.path, "records": made.sequence.0, "bytes": made.bytes,
            "state_digest": format!("{:016x}", made.digest),
        }))?,
        Output::Text => {
            let (path, records) = (made.path.display(), made.sequence.0);
            output::line(&format!("{path}: {records} records, {} bytes", made.bytes))?;
            output::line(&format!("state digest {:016x}", made.digest))?;
        }
    }
    Ok(Verdict::Fine)
}

fn dir(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// A snapshot that is there.
pub(crate) struct Found {
    path: PathBuf,
    records: u64,
    bytes: u64,
    verdict: FoundVerdict,
}

enum FoundVerdict {
    /// Not looked into.
    Unread,
    /// The replay of its records gives the same state.
    Exact,
    /// It would be used, and is wrong.
    Differs,
    /// A start would not use it, and why.
    Unusable(String),
}

impl Found {
    /// Whether it does no harm: at worst it is of no use.
    pub(crate) fn is_harmless(&self) -> bool {
        !matches!(self.verdict, FoundVerdict::Differs)
    }
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({ "path": self.path, "records": self.records, "bytes": self.bytes });
        match &self.verdict {
            FoundVerdict::Unread => {}
            FoundVerdict::Exact => value["verdict"] = "exact".into(),
            FoundVerdict::Differs => value["verdict"] = "differs".into(),
            FoundVerdict::Unusable(reason) => {
                value["verdict"] = "unusable".into();
                value["reason"] = reason.as_str().into();
            }
        }
        value
    }
    pub(crate) fn text(&self) -> String {
        let head = format!("snapshot of {} records, {} bytes", self.records, self.bytes);
        match &self.verdict {
            FoundVerdict::Unread => head,
            FoundVerdict::Exact => format!("{head}: exactly what its records give"),
            FoundVerdict::Differs => format!("{head}: NOT VERIFIED: its records give another state"),
            FoundVerdict::Unusable(reason) => format!("{head}: not used: {reason}"),
        }
    }
}

/// Those that are there, the newest first.
pub(crate) fn found(data: &Path) -> Result<Vec<Found>> {
    let found = snapshots(&dir(data))?.into_iter().map(|(sequence, path)| {
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Found { path, records: sequence.0, bytes, verdict: FoundVerdict::Unread }
    });
    Ok(found.collect())
}

/// Digests of the state where snapshots were taken, noted while the ledger is replayed.
#[derive(Default)]
pub(crate) struct Digests {
    wanted: Vec<u64>,
    noted: BTreeMap<u64, u64>,
}

impl Digests {
    pub(crate) fn wanted(data: &Path) -> Result<Self> {
        let wanted = found(data)?.into_iter().map(|found| found.records).collect();
        Ok(Self { wanted, noted: BTreeMap::new() })
    }
    /// To be called before the record `sequence` is applied, and once behind the last.
    pub(crate) fn note(&mut self, sequence: u64, state: &State) {
        if self.wanted.contains(&sequence) {
            self.noted.insert(sequence, state.digest());
        }
    }
}

/// Loads every snapshot as a start does and compares it with the replay.
pub(crate) fn compare(data: &Path, meaning: &Meaning) -> Result<Vec<Found>> {
    let mut all = found(data)?;
    for found in &mut all {
        found.verdict = match load(&found.path, &data.join("ledger"), Sequence(meaning.records)) {
            Err(error) => FoundVerdict::Unusable(format!("{:#}", anyhow::Error::from(error))),
            Ok((state, _)) if meaning.digests.noted.get(&found.records) == Some(&state.digest()) => {
                FoundVerdict::Exact
            }
            // One that was written while this ran is compared by itself.
            Ok((state, _)) if !meaning.digests.wanted.contains(&found.records) => {
                let written = SnapshotReader::open(&found.path)?.head().digest;
                if written == state.digest() { FoundVerdict::Unread } else { FoundVerdict::Differs }
            }
            Ok(_) => FoundVerdict::Differs,
        };
    }
    Ok(all)
}
