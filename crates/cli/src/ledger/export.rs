//! `ledger export`: records as JSON lines, postings as CSV or Parquet.

mod parquet;

use crate::Verdict;
use crate::arguments::ExportFormat;
use crate::history::each_record;
use crate::ledger::name_of;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use switchyard_book::Book;
use switchyard_domain::Stamped;

const CSV_HEAD: &str = "sequence,at,actor,record,debit,credit,amount_minor,phase";

/// One posting with the record that it stands in.
struct Row<'a> {
    sequence: u64,
    at_micros: u64,
    at: String,
    actor: String,
    record: String,
    posting: &'a switchyard_domain::Posting,
}

pub(super) fn run(data: &Path, format: ExportFormat, out: Option<&Path>) -> Result<Verdict> {
    let mut target = Target::open(out, format)?;
    let done = match format {
        ExportFormat::Jsonl => records(data, &mut target),
        ExportFormat::Csv => table(data, &mut target),
        ExportFormat::Parquet => columns(data, &mut target),
    };
    match done.and_then(|()| target.finish()) {
        // A reader that has gone away (`| head`) has seen what it wanted.
        Err(error) if is_broken_pipe(&error) => Ok(Verdict::Fine),
        other => other.map(|()| Verdict::Fine),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |source: &std::io::Error| source.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(broken))
}

fn records(data: &Path, out: &mut impl Write) -> Result<()> {
    each_record(data, |sequence, stamped| {
        let mut value = serde_json::to_value(stamped)?;
        redact(&mut value);
        if let Some(object) = value.as_object_mut() {
            object.insert("sequence".into(), sequence.into());
        }
        serde_json::to_writer(&mut *out, &value)?;
        Ok(out.write_all(b"\n")?)
    })?;
    Ok(())
}

fn table(data: &Path, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{CSV_HEAD}")?;
    each_posting(data, |row| {
        let Row { sequence, at, actor, record, posting, .. } = row;
        let (debit, credit, minor) = (posting.debit, posting.credit, posting.amount_minor);
        let actor = cell(&actor);
        Ok(writeln!(out, "{sequence},{at},{actor},{record},{debit},{credit},{minor},{:?}", posting.phase)?)
    })
}

fn columns(data: &Path, out: &mut Target) -> Result<()> {
    let mut rows = parquet::Writer::start(out)?;
    each_posting(data, |row| rows.push(&row))?;
    rows.finish()
}

/// Hands every posting on. The book goes along, so that an export of entries that do not apply stops.
fn each_posting(data: &Path, mut visit: impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
    let mut book = Book::new();
    each_record(data, |sequence, stamped| {
        book.replay(&stamped.record)?;
        let Stamped { at, actor, record } = stamped;
        for posting in record.entry().into_iter().flat_map(|entry| &entry.0) {
            visit(Row {
                sequence,
                at_micros: at.0,
                at: at.to_string(),
                actor: format!("{actor:?}"),
                record: name_of(record),
                posting,
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Takes out what an export, which is passed around, has no business to carry: sealed card numbers, PIN
/// verification values and expiry dates of cards, wrapped keys and what proves them, hashes of passwords. They stay in the ledger.
fn redact(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["sealed", "key_id", "intake", "wrapped", "proof", "pvv", "expiry", "password"] {
                object.remove(key);
            }
            object.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A cell as RFC 4180 has it: a login may hold anything.
fn cell(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

/// Where an export goes: stdout, or a file that appears under its name when it is whole.
enum Target {
    Stdout(BufWriter<std::io::Stdout>),
    File { temp: PathBuf, path: PathBuf, file: BufWriter<File> },
}

impl Target {
    fn open(out: Option<&Path>, format: ExportFormat) -> Result<Self> {
        let Some(path) = out else {
            let stdout = std::io::stdout();
            let bytes = format == ExportFormat::Parquet && stdout.is_terminal();
            ensure!(!bytes, "Parquet is not for a terminal: use --out FILE, or send stdout to a file");
            return Ok(Self::Stdout(BufWriter::new(stdout)));
        };
        if path.exists() {
            bail!("{} exists already", path.display());
        }
        let mut temp = path.as_os_str().to_owned();
        temp.push(".partial");
        let temp = PathBuf::from(temp);
        let mut options = OpenOptions::new();
        // Masks, amounts and merchants are nobody else's business.
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temp);
        let file = BufWriter::new(file.with_context(|| format!("cannot write {}", temp.display()))?);
        Ok(Self::File { temp, path: path.to_path_buf(), file })
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        if let Self::File { temp, path, file } = &self {
            file.get_ref().sync_all()?;
            fs::rename(temp, path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_export_has_no_sealed_card_and_no_key() {
        let mut value = json!({"record": {"card_issued": {
            "card": {"sealed": [1], "key_id": 1, "intake": 7, "hash": [2], "masked": 3},
            "expiry": "3012", "pvv": [4], "keys": [{"wrapped": "D0", "proof": [6], "check_value": [5]}],
        }}});
        redact(&mut value);
        let left = json!({"card": {"hash": [2], "masked": 3}, "keys": [{"check_value": [5]}]});
        assert_eq!(value, json!({"record": {"card_issued": left}}));
    }
}
