//! `dialect list`, `dialect show` and `dialect import`, and finding a dialect by name or file.

use crate::arguments::{DialectCommand, ImportFormat, Output};
use crate::{Verdict, output};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::borrow::Cow;
use switchyard_wire::{Class, Dialect, Element, Length};

/// A dialect that is built in, or one compiled from a file.
pub(crate) enum Found {
    Builtin(&'static Dialect),
    File(Box<Dialect>),
}
impl std::ops::Deref for Found {
    type Target = Dialect;
    fn deref(&self) -> &Dialect {
        match self {
            Self::Builtin(dialect) => dialect,
            Self::File(dialect) => dialect,
        }
    }
}

/// A built-in dialect by its name, else the TOML file of that name.
pub(crate) fn find(name: &str) -> Result<Found> {
    if let Some(dialect) = Dialect::builtin(name) {
        return Ok(Found::Builtin(dialect));
    }
    if !std::path::Path::new(name).is_file() {
        bail!("{name}: neither a built-in dialect ({}) nor a file", Dialect::builtin_names().join(", "));
    }
    let text = std::fs::read_to_string(name).with_context(|| name.to_owned())?;
    Ok(Found::File(Box::new(Dialect::from_toml(&text).with_context(|| name.to_owned())?)))
}

pub(crate) fn run(command: &DialectCommand, form: Output) -> Result<Verdict> {
    match command {
        DialectCommand::List => list(form)?,
        DialectCommand::Show { dialect, toml: true } => {
            let text: Cow<'_, str> = match Dialect::builtin_source(dialect) {
                Some(text) => text.into(),
                None => std::fs::read_to_string(dialect).with_context(|| dialect.clone())?.into(),
            };
            output::line(text.trim_end())?;
        }
        DialectCommand::Show { dialect, toml: false } => {
            let found = find(dialect)?;
            show(&found, form)?;
        }
        DialectCommand::Import { from, file } => import(*from, file)?,
    }
    Ok(Verdict::Fine)
}

/// Prints a dialect made from another implementation's file; warnings go to standard error.
fn import(from: ImportFormat, file: &std::path::Path) -> Result<()> {
    let place = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(place)?;
    let imported = match from {
        ImportFormat::JposXml => switchyard_wire::import::jpos_xml(&text),
        ImportFormat::MoovJson => switchyard_wire::import::moov_json(&text),
    };
    let (toml, warnings) = imported.with_context(place)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    output::line(toml.trim_end())
}

fn list(form: Output) -> Result<()> {
    let all = Dialect::builtin_names().iter().filter_map(|name| Dialect::builtin(name));
    match form {
        Output::Json => output::json(
            &all.map(|d| json!({"name": d.name(), "title": d.title(), "framing": d.framing().to_string()}))
                .collect(),
        ),
        Output::Text => output::table(
            &["name", "framing", "title"],
            all.map(|d| vec![d.name().to_owned(), d.framing().to_string(), d.title().to_owned()]),
        ),
    }
}

fn show(dialect: &Dialect, form: Output) -> Result<()> {
    match form {
        Output::Json => output::json(
            &dialect
                .elements()
                .map(|e| json!({"de": e.de(), "name": e.name(), "name_zh": e.name_zh(), "format": format(e)}))
                .collect(),
        ),
        Output::Text => output::table(
            &["de", "format", "name", "名称"],
            dialect.elements().map(|e| {
                vec![e.de().to_string(), format(e), e.name().to_owned(), e.name_zh().unwrap_or("").to_owned()]
            }),
        ),
    }
}

/// The format in the notation of the standard: `n6`, `n..19 LL`.
fn format(element: &Element) -> String {
    let class = match element.class() {
        Class::Numeric => "n",
        Class::SignedAmount => "x+n",
        Class::Alpha => "a",
        Class::Track => "z",
        Class::AlphaNumeric => "an",
        Class::Text => "ans",
        Class::Binary => "b",
    };
    match element.length() {
        Length::Fixed(units) => format!("{class}{units}"),
        Length::Variable { max, prefix } => format!("{class}..{max} {}", "L".repeat(prefix.places.into())),
    }
}
