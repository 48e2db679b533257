//! `download`: what terminals are given to work with, and what each of them has.

use super::{give, nothing, object, rows, state, told};
use crate::admin::Admin;
use crate::arguments::{ConfigOption, DownloadCommand, DownloadKindName, Output, Whose};
use crate::hex::unhex;
use crate::settle::hex;
use crate::{Verdict, serve};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Command, DownloadStanding, DownloadsOf, Order, State};
use switchyard_domain::{Download, DownloadKind, DownloadScope, TerminalId, TerminalIndex};

pub(crate) fn run(command: &DownloadCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        DownloadCommand::List { whose } => list(&state(data)?, whose, form),
        DownloadCommand::Parameter { code, value, whose, config } => {
            let code: [u8; 2] = code.as_bytes().try_into().context("a parameter's code has two digits")?;
            set(whose, Download::parameter(code, value.as_bytes())?, config, data, form)
        }
        DownloadCommand::Add { kind, objects, whose, config } => {
            set(whose, Download::objects((*kind).into(), unhex(objects)?)?, config, data, form)
        }
        DownloadCommand::Remove { kind, name, whose, because } => {
            let kind = DownloadKind::from(*kind);
            let name = match kind {
                DownloadKind::Parameter => name.clone().into_bytes(),
                DownloadKind::CaKey | DownloadKind::Aid => unhex(name)?,
            };
            let (whose, reason) = (whose.of()?, because.reason.clone());
            give(Order::RemoveDownload { whose, kind, name, reason }, because, data, form)
        }
        DownloadCommand::Status { terminal } => status(&state(data)?, terminal.as_deref(), form),
    }
}

impl Whose {
    fn of(&self) -> Result<DownloadsOf> {
        Ok(match (&self.terminal, &self.merchant) {
            (Some(terminal), _) => DownloadsOf::Terminal(terminal.parse()?),
            (None, Some(merchant)) => DownloadsOf::Merchant(merchant.parse()?),
            (None, None) => DownloadsOf::Everybody,
        })
    }
}

/// Has terminals given something from now on.
fn set(
    whose: &Whose,
    download: Download,
    config: &ConfigOption,
    data: &Path,
    form: Output,
) -> Result<Verdict> {
    let admin = Admin::open(data, &serve::load(config)?)?;
    let whose = whose.of()?;
    told(&admin.command(Command::Order(Order::SetDownload { whose, download }))?, form)
}

/// Everything that is set, or what a merchant's terminals or one terminal are given.
fn list(state: &State, whose: &Whose, form: Output) -> Result<Verdict> {
    let registry = state.registry();
    let row = |(scope, download): (DownloadScope, Download)| {
        let (scope, owner) = match scope {
            DownloadScope::Everybody => ("everybody", Value::Null),
            DownloadScope::Merchant(index) => ("merchant", json!(registry.merchant(index).map(|m| m.id))),
            DownloadScope::Terminal(index) => ("terminal", json!(registry.terminal_id(index))),
        };
        let (name, content) = match download.kind {
            DownloadKind::Parameter => (text(&download.name), text(&download.content)),
            DownloadKind::CaKey | DownloadKind::Aid => (hex(&download.name), hex(&download.content)),
        };
        json!({"kind": download.kind, "name": name, "content": content, "scope": scope, "owner": owner})
    };
    let scopes = match whose.of()? {
        DownloadsOf::Everybody => None,
        DownloadsOf::Merchant(id) => match registry.merchants().find(|(_, merchant)| merchant.id == id) {
            None => return nothing(&format!("{id} is not registered"), form),
            Some((index, _)) => Some(vec![DownloadScope::Everybody, DownloadScope::Merchant(index)]),
        },
        DownloadsOf::Terminal(id) => match registry.terminal_named(&id) {
            None => return nothing(&format!("{id} is not registered"), form),
            Some(index) => Some(state.download_scopes(index)),
        },
    };
    let found: Vec<Value> = match scopes {
        None => state.downloads().map(row).collect(),
        Some(scopes) => {
            DownloadKind::ALL.into_iter().flat_map(|kind| state.given(&scopes, kind)).map(row).collect()
        }
    };
    rows(&["kind", "name", "content", "scope", "owner"], found, form)
}

/// Whether terminals have what they are given, and what they said about themselves last.
fn status(state: &State, terminal: Option<&str>, form: Output) -> Result<Verdict> {
    let registry = state.registry();
    let one = |index: TerminalIndex, id: &TerminalId| {
        let has = |kind| match state.download_standing(index, kind) {
            DownloadStanding::Nothing => "none",
            DownloadStanding::Due => "due",
            DownloadStanding::Current => "current",
        };
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
