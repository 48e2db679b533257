//! Operators' hands: orders to a running switch, or to the data of one that does not run.

pub(crate) mod batch;
pub(crate) mod card;
pub(crate) mod case;
pub(crate) mod change;
mod closed;
pub(crate) mod download;
pub(crate) mod link;
pub(crate) mod rate;
pub(crate) mod saf;

use crate::admin::{self, Admin};
use crate::arguments::{Because, Output};
use crate::{Verdict, output, serve};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Command, CommandOutcome, Order, State};
use switchyard_server::snapshots::state_of;

/// Has an order carried out and says what it did.
pub(crate) fn give(order: Order, because: &Because, data: &Path, form: Output) -> Result<Verdict> {
    let config = serve::load(&because.config)?;
    told(&Admin::open(data, &config)?.command(Command::Order(order))?, form)
}

/// Says what a command did.
pub(crate) fn told(outcome: &CommandOutcome, form: Output) -> Result<Verdict> {
    let (value, text) = match outcome {
        CommandOutcome::RecordedBefore => (json!({"recorded": false}), "nothing to do: it is so".to_owned()),
        CommandOutcome::Changed { count, unchanged } => (
            json!({"recorded": *count > 0, "changed": count, "unchanged": unchanged}),
            format!("{count} changed, {unchanged} were so before"),
        ),
        CommandOutcome::RecordedBehind { ahead } => (
            json!({"recorded": true, "behind": ahead}),
            format!(
                "recorded, behind {ahead} of the same range: the first of them counts, and is the one that `route remove` takes"
            ),
        ),
        CommandOutcome::Recorded
        | CommandOutcome::DayCut { .. }
        | CommandOutcome::Altered { .. }
        | CommandOutcome::Digest(_)
        | CommandOutcome::TrialBalance(_)
        | CommandOutcome::Links(_)
        | CommandOutcome::Users(_)
        | CommandOutcome::Keys(_)
        | CommandOutcome::WaitingKeys(_)
        | CommandOutcome::Passwords(_)
        | CommandOutcome::Permitted => (json!({"recorded": true}), "recorded".to_owned()),
    };
    match form {
        Output::Json => output::json(&value)?,
        Output::Text => output::line(&text)?,
    }
    Ok(Verdict::Fine)
}

/// What the records of a data directory add up to, beside a switch that may be writing more.
pub(crate) fn state(data: &Path) -> Result<State> {
    let state = state_of(&data.join("ledger"), &data.join("snapshots"));
    state.with_context(|| crate::data_hint(data))
}

/// Rows of JSON objects for people or for programs.
pub(crate) fn rows(columns: &[&str], rows: Vec<Value>, form: Output) -> Result<Verdict> {
    match form {
        Output::Json => output::json(&Value::Array(rows))?,
        Output::Text => output::table(
            columns,
            rows.iter().map(|row| columns.iter().map(|column| cell(&row[*column])).collect()),
        )?,
    }
    Ok(Verdict::Fine)
}

/// One object, name by name.
pub(crate) fn object(value: &Value, form: Output) -> Result<Verdict> {
    match (form, value) {
        (Output::Text, Value::Object(fields)) => {
            for (name, value) in fields {
                output::line(&format!("{name}: {}", cell(value)))?;
            }
        }
        _ => output::json(value)?,
    }
    Ok(Verdict::Fine)
}

/// There is nothing of the name that was asked for.
pub(crate) fn nothing(what: &str, form: Output) -> Result<Verdict> {
    match form {
        Output::Json => output::json(&Value::Null)?,
        Output::Text => eprintln!("{what}"),
    }
    Ok(Verdict::Finding)
}

/// A value as a cell of a table.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Has the running switch read its configuration again; exit 1 when some of it waits for a start.
pub(crate) fn reload(data: &Path, form: Output) -> Result<Verdict> {
    let Some(config) = admin::told_by_running(data, "reload-config", "config")? else {
        bail!("no switch serves {}: the next `switchyard serve` reads its configuration", data.display());
    };
    match form {
        Output::Json => output::json(&config)?,
        Output::Text => {
            let keys = |name: &str| config[name].as_array().map_or(0, Vec::len);
            if keys("applied") + keys("restart") == 0 {
                output::line("nothing has changed")?;
            }
            for (name, what) in [("applied", "in force"), ("restart", "waits for a start")] {
                for key in config[name].as_array().into_iter().flatten() {
                    output::line(&format!("{}: {what}", cell(key)))?;
                }
            }
        }
    }
    let waits = config["restart"].as_array().is_some_and(|keys| !keys.is_empty());
    Ok(if waits { Verdict::Finding } else { Verdict::Fine })
}
