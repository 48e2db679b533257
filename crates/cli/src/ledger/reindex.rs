//! `ledger reindex`: what is derived from the ledger, made anew: the index of every sealed segment, the projections.

use crate::arguments::Output;
use crate::progress::Bar;
use crate::{Verdict, admin, output};
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use switchyard_server::DataDir;
use switchyard_server::config::KeyFiles;
use switchyard_server::{index, registry};

/// How often a running switch is asked how far it has come.
const POLL: Duration = Duration::from_millis(50);

pub(crate) fn run(data: &Path, form: Output) -> Result<Verdict> {
    let paths = DataDir::new(data, &KeyFiles::default());
    let bar = Bar::count("indexing segments");
    // Safe beside a running switch: the same segment gives the same bytes, and a file is renamed whole.
    let made = index::rebuild(&paths.ledger(), |done, of| bar.set(done, of));
    bar.finish();
    let made = made.with_context(|| crate::data_hint(data))?;
    let records = projections(data, &paths)?;
    let (keys, bytes) =
        made.iter().fold((0, 0), |(keys, bytes), (_, built)| (keys + built.keys, bytes + built.bytes));
    match form {
        Output::Json => output::json(&json!({
            "segments": made.len(), "keys": keys, "index_bytes": bytes, "projected_records": records,
        }))?,
        Output::Text => output::line(&format!(
            "{} segments indexed: {keys} keys in {bytes} bytes; projections made of {records} records",
            made.len()
        ))?,
    }
    Ok(Verdict::Fine)
}

fn projections(data: &Path, paths: &DataDir) -> Result<u64> {
    let ask = |command: &str| admin::ask_running(data, &json!({ "command": command }));
    let Some(begun) = ask("reindex")? else {
        let bar = Bar::count("projecting records");
        let made = registry::rebuild(&paths.projections(), &paths.ledger(), |done| bar.set(done, done));
        bar.finish();
        return Ok(made?.0);
    };
    begun.map_err(|reason| anyhow!("{reason}"))?;
    let bar = Bar::count("projecting records");
    loop {
        let answer =
            ask("projections")?.context("the switch stopped")?.map_err(|reason| anyhow!("{reason}"))?;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        let (reached, durable): (u64, u64) = (number("reached"), number("durable"));
        bar.set(reached, durable);
        if reached >= durable || answer["reached"] == Value::Null {
            bar.finish();
            return Ok(reached);
        }
        std::thread::sleep(POLL);
    }
}
