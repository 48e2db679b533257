//! `ledger checkpoint`, `ledger prove`, `ledger verify --proof`, `ledger verify --witness`.

use crate::arguments::{ConfigOption, Output};
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use switchyard_domain::Stamped;
use switchyard_keys::signing::SigningKey;
use switchyard_ledger::checkpoint::{self, Checkpoint, Origin, SignedCheckpoint, WitnessReport};
use switchyard_ledger::limits::{PROOF_BYTES_MAX, WITNESS_BYTES_MAX};
use switchyard_ledger::note::{NoteSigner, VerifierKey};
use switchyard_ledger::proof::{self, Proof};
use switchyard_ledger::{Reader, Sequence};
use switchyard_server::{DataDir, draw_checkpoint_secret, read_checkpoint_secret};

/// The key that lies in the data directory: good for demonstrations, for whoever writes the ledger's files can
/// sign with it. Production keeps it where the ledger's host cannot read it.
struct CheckpointKey(SigningKey);

impl NoteSigner for CheckpointKey {
    fn public_key(&self) -> [u8; 32] {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

impl CheckpointKey {
    fn read(keys: &Path) -> Result<Self> {
        let secret = read_checkpoint_secret(keys)?;
        Ok(Self(SigningKey::from_secret(secret.expose()).context("the checkpoint key cannot be used")?))
    }

    /// Reads the key, or draws one when there is none.
    fn read_or_make(keys: &Path) -> Result<Self> {
        if draw_checkpoint_secret(keys)? {
            eprintln!("{}: a checkpoint key was made; good for demonstrations", keys.display());
        }
        Self::read(keys)
    }
}

/// A ledger, and the directory of the key that signs its checkpoints, as the configuration has it.
pub(super) struct Signer {
    ledger: PathBuf,
    keys: PathBuf,
}

impl Signer {
    pub(super) fn new(data: &Path, config: &ConfigOption) -> Result<Self> {
        let dir = DataDir::new(data, &crate::serve::load(config)?.keys);
        Ok(Self { ledger: dir.ledger(), keys: dir.keys().to_path_buf() })
    }

    /// Signs what the ledger is now.
    fn sign(&self, checkpoint: &Checkpoint) -> Result<(SignedCheckpoint, VerifierKey)> {
        let key = CheckpointKey::read_or_make(&self.keys)?;
        Ok((checkpoint.sign(&key)?, checkpoint.origin.verifier(&key.public_key())?))
    }
}

pub(super) fn checkpoint(signer: &Signer, form: Output) -> Result<Verdict> {
    let progress = Bar::records("reading", &signer.ledger, 1);
    let checkpoint = checkpoint::current_watched(&signer.ledger, progress).context("no checkpoint")?;
    let (signed, key) = signer.sign(&checkpoint)?;
    match form {
        Output::Json => {
            let mut value = checkpoint_json(&checkpoint);
            value["key"] = key.to_string().into();
            value["checkpoint"] = signed.to_string().into();
            output::json(&value)?;
        }
        Output::Text => {
            // Stdout is the checkpoint and nothing else, so that it can be appended to what a witness keeps.
            output::line(signed.to_string().trim_end_matches('\n'))?;
            eprintln!("verifier key: {key}");
        }
    }
    Ok(Verdict::Fine)
}

pub(super) fn prove(signer: &Signer, record: u64, out: Option<&Path>, form: Output) -> Result<Verdict> {
    let progress = Bar::records("proving", &signer.ledger, 2);
    let (inclusion, checkpoint) =
        proof::inclusion_watched(&signer.ledger, Sequence(record), progress).context("no proof")?;
    let (signed, key) = signer.sign(&checkpoint)?;
    let text = Proof::new(inclusion, signed).to_string();
    if let Some(path) = out {
        fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match form {
        Output::Json => {
            let mut value = checkpoint_json(&checkpoint);
            value["index"] = record.into();
            value["key"] = key.to_string().into();
            value["proof"] = text.into();
            output::json(&value)?;
        }
        Output::Text => {
            if out.is_none() {
                output::line(text.trim_end_matches('\n'))?;
            }
            eprintln!("verifier key: {key}");
        }
    }
    Ok(Verdict::Fine)
}

/// Checks a proof with the file and the key alone.
pub(super) fn verify(path: &Path, key: &VerifierKey, form: Output) -> Result<Verdict> {
    let bytes = read(path, PROOF_BYTES_MAX)?;
    let proof = Proof::parse(&bytes);
    match proof.as_ref().map_err(|error| *error).and_then(|proof| proof.verify(key)) {
        Ok((inclusion, checkpoint)) => {
            // A record of a newer program is proven all the same.
            let meaning = Stamped::decode(&inclusion.record).ok().map(serde_json::to_value).transpose()?;
            let hex = crate::settle::hex(&inclusion.record);
            match form {
                Output::Json => {
                    let mut value = checkpoint_json(checkpoint);
                    value["verified"] = true.into();
                    value["index"] = inclusion.index.0.into();
                    value["record_hex"] = hex.into();
                    value["record"] = meaning.into();
                    output::json(&value)?;
                }
                Output::Text => {
                    output::line(&format!(
                        "record {} of {} is in the log of {} records with Merkle root {}",
                        inclusion.index, checkpoint.origin, checkpoint.size, checkpoint.root
                    ))?;
                    output::line(&meaning.map_or(hex, |value| value.to_string()))?;
                    output::line("verified")?;
                }
            }
            Ok(Verdict::Fine)
        }
        Err(error) => {
            match form {
                Output::Json => output::json(&json!({ "verified": false, "finding": error.to_string() }))?,
                Output::Text => output::line(&format!("NOT VERIFIED: {error}"))?,
            }
            Ok(Verdict::Finding)
        }
    }
}

/// What an outsider kept, with the key to check it by.
pub(super) struct Witness {
    kept: Vec<SignedCheckpoint>,
    key: VerifierKey,
}

impl Witness {
    /// Compares the ledger with it.
    pub(super) fn check(&self, data: &Path) -> Result<WitnessReport> {
        let ledger = data.join("ledger");
        let progress = Bar::records("comparing", &ledger, 1);
        Ok(checkpoint::check_witness_watched(&ledger, &self.kept, &self.key, progress)?)
    }
}

/// Reads a file of checkpoints, or every file of a directory.
pub(super) fn read_witness(path: &Path, key: Option<&VerifierKey>, signer: &Signer) -> Result<Witness> {
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.retain(|file| file.is_file());
        files.sort();
    }
    let mut kept = Vec::new();
    for file in files {
        let parsed = checkpoint::parse_witness(&read(&file, WITNESS_BYTES_MAX)?);
        kept.extend(parsed.with_context(|| format!("{} is no file of checkpoints", file.display()))?);
    }
    ensure!(!kept.is_empty(), "{}: no checkpoint in it", path.display());
    let key = match key {
        Some(key) => key.clone(),
        None => {
            let reader = Reader::open(&signer.ledger)?;
            let own = CheckpointKey::read(&signer.keys)
                .context("--witness needs --key, for the ledger has none")?;
            Origin::of(reader.ledger_id(), reader.partition()).verifier(&own.public_key())?
        }
    };
    Ok(Witness { kept, key })
}

pub(super) fn witness_json(report: &WitnessReport) -> Value {
    let kept = report.kept.iter().map(|(checkpoint, verdict)| {
        let mut value = checkpoint_json(checkpoint);
        value["consistent"] = (*verdict == checkpoint::Verdict::Consistent).into();
        value["finding"] = finding(verdict).into();
        value
    });
    kept.collect()
}

pub(super) fn witness_text(report: &WitnessReport) -> Result<()> {
    for (checkpoint, verdict) in &report.kept {
        let finding = finding(verdict).map_or("consistent".to_owned(), |f| format!("NOT CONSISTENT: {f}"));
        output::line(&format!("checkpoint at {} records: {finding}", checkpoint.size))?;
    }
    Ok(())
}

fn finding(verdict: &checkpoint::Verdict) -> Option<String> {
    match verdict {
        checkpoint::Verdict::Consistent => None,
        checkpoint::Verdict::Shorter => Some("the ledger is shorter".to_owned()),
        checkpoint::Verdict::Differs { root } => Some(format!("the ledger's root there is {root}")),
        checkpoint::Verdict::NotProven(error) => Some(error.to_string()),
        _ => Some("unknown".to_owned()),
    }
}

fn checkpoint_json(checkpoint: &Checkpoint) -> Value {
    json!({
        "origin": checkpoint.origin.to_string(), "size": checkpoint.size, "root": checkpoint.root.to_string(),
    })
}

/// A whole file, unless it is longer than any that makes sense.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let length = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    ensure!(length <= bytes_max as u64, "{}: {length} bytes; the limit is {bytes_max}", path.display());
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
