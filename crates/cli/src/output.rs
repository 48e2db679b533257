//! Printing.

use anyhow::Result;
use serde_json::Value;
use std::io::Write;

/// A line on stdout. A reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// A JSON document on stdout.
pub(crate) fn json(value: &Value) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// A JSON object on one line.
pub(crate) fn json_line(value: &Value) -> Result<()> {
    line(&serde_json::to_string(value)?)
}

/// A table without ornament.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    line(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").as_str())
}
