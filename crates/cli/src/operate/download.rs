//! `download`: what terminals are given to work with, and what each of them has.

use super::{give, nothing, object, rows, state, told};
use crate::admin::Admin;
use crate::arguments::{DownloadCommand, DownloadKindName, Output};
use crate::hex::unhex;
use crate::settle::hex;
use crate::{Verdict, serve};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Command, Order, State};
use switchyard_domain::{Download, DownloadKind, TerminalId, TerminalIndex};

pub(crate) fn run(command: &DownloadCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        DownloadCommand::List => list(&state(data)?, form),
        DownloadCommand::Parameter { code, value, config } => {
            let code: [u8; 2] = code.as_bytes().try_into().context("a parameter's code has two digits")?;
            let download = Download::parameter(code, value.as_bytes())?;
            let admin = Admin::open(data, &serve::load(config)?)?;
            told(&admin.command(Command::Order(Order::SetDownload { download }))?, form)
        }
        DownloadCommand::Add { kind, objects, config } => {
            let download = Download::objects((*kind).into(), unhex(objects)?)?;
            let admin = Admin::open(data, &serve::load(config)?)?;
            told(&admin.command(Command::Order(Order::SetDownload { download }))?, form)
        }
        DownloadCommand::Remove { kind, name, because } => {
            let kind = DownloadKind::from(*kind);
            let name = match kind {
                DownloadKind::Parameter => name.clone().into_bytes(),
                DownloadKind::CaKey | DownloadKind::Aid => unhex(name)?,
            };
            give(Order::RemoveDownload { kind, name, reason: because.reason.clone() }, because, data, form)
        }
        DownloadCommand::Status { terminal } => status(&state(data)?, terminal.as_deref(), form),
    }
}

fn list(state: &State, form: Output) -> Result<Verdict> {
    let row = |download: Download| {
        let (name, content) = match download.kind {
            DownloadKind::Parameter => (text(&download.name), text(&download.content)),
            DownloadKind::CaKey | DownloadKind::Aid => (hex(&download.name), hex(&download.content)),
        };
        json!({"kind": download.kind, "name": name, "content": content})
    };
    rows(&["kind", "name", "content"], state.downloads().map(row).collect(), form)
}

/// What terminals have of what there is, and what they said about themselves last.
fn status(state: &State, terminal: Option<&str>, form: Output) -> Result<Verdict> {
    let registry = state.registry();
    let one = |index: TerminalIndex, id: &TerminalId| {
        let has = |kind| format!("{}/{}", state.downloaded(index, kind), state.download_version(kind));
        let (since, status) = match state.reported(index) {
            Some((at, status)) => (json!(at.local(state.offset()).to_string()), json!(text(status))),
            None => (Value::Null, Value::Null),
        };
        json!({
            "tid": id, "parameters": has(DownloadKind::Parameter), "ca_keys": has(DownloadKind::CaKey),
            "aids": has(DownloadKind::Aid), "since": since, "status": status,
        })
    };
    let columns = ["tid", "parameters", "ca_keys", "aids", "since", "status"];
    let Some(wanted) = terminal else {
        let all = registry.terminals().map(|(index, terminal, _)| one(index, &terminal.id));
        return rows(&columns, all.collect(), form);
    };
    let id: TerminalId = wanted.parse()?;
    match registry.terminal_named(&id) {
        None => nothing(&format!("{wanted} is not registered"), form),
        Some(index) if form == Output::Json => object(&one(index, &id), form),
        Some(index) => rows(&columns, vec![one(index, &id)], form),
    }
}

/// Characters that a terminal sent or is sent: what is none is a dot.
fn text(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if (0x20..0x7F).contains(byte) { char::from(*byte) } else { '.' };
    bytes.iter().map(shown).collect::<String>().trim_end().to_owned()
}

impl From<DownloadKindName> for DownloadKind {
    fn from(name: DownloadKindName) -> Self {
        match name {
            DownloadKindName::Parameter => Self::Parameter,
            DownloadKindName::CaKey => Self::CaKey,
            DownloadKindName::Aid => Self::Aid,
        }
    }
}
