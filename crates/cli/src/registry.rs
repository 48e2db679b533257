//! `merchant` and `terminal`: who is registered, from the projections.
//!
//! A running switch has them open, so it is asked over its socket; without one the command opens them itself, and
//! where that cannot be, it reads the ledger.

use crate::admin;
use crate::arguments::{MerchantCommand, Named, Output, TerminalCommand};
use crate::progress::Bar;
use crate::{Verdict, operate, setup};
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::Order;
use switchyard_domain::{
    BatchNumber, LinkDialect, MerchantOrder, TerminalDialect, TerminalOrder, TerminalProfile,
};
use switchyard_server::DataDir;
use switchyard_server::config::KeyFiles;
use switchyard_server::registry::{self, Ask};

pub(crate) fn merchant(command: &MerchantCommand, data: &Path, form: Output) -> Result<Verdict> {
    let columns = ["mid", "name", "mcc", "fee_plan"];
    match command {
        MerchantCommand::List { after, limit } => {
            show(&Ask::Merchants { after: *after, limit: *limit }, data, form, &columns)
        }
        MerchantCommand::Show { id } => match id.parse() {
            Ok(id) => show_one(&Ask::Merchant { id }, data, form),
            Err(_) => nobody(form),
        },
        MerchantCommand::Add(options) => setup::add_merchant(options, data, form),
        MerchantCommand::Change(options) => operate::change::merchant(options, data, form),
        MerchantCommand::Disable(named) => order_merchant(named, MerchantOrder::Disable, data, form),
        MerchantCommand::Enable(named) => order_merchant(named, MerchantOrder::Enable, data, form),
    }
}

fn order_merchant(named: &Named, what: MerchantOrder, data: &Path, form: Output) -> Result<Verdict> {
    let merchant = named.id.parse()?;
    let order = Order::Merchant { merchant, what, reason: named.because.reason.clone() };
    operate::give(order, &named.because, data, form)
}

fn order_terminal(named: &Named, what: TerminalOrder, data: &Path, form: Output) -> Result<Verdict> {
    let terminal = named.id.parse()?;
    let order = Order::Terminal { terminal, what, reason: named.because.reason.clone() };
    operate::give(order, &named.because, data, form)
}

pub(crate) fn terminal(command: &TerminalCommand, data: &Path, form: Output) -> Result<Verdict> {
    let columns = ["tid", "mid", "dialect", "mac", "kcv", "signed_on", "batch"];
    match command {
        TerminalCommand::List { after, limit } => {
            show(&Ask::Terminals { after: *after, limit: *limit }, data, form, &columns)
        }
        TerminalCommand::Show { id } => match id.parse() {
            Ok(id) => show_one(&Ask::Terminal { id }, data, form),
            Err(_) => nobody(form),
        },
        TerminalCommand::Add(options) => setup::add_terminal(options, data, form),
        TerminalCommand::Change(options) => operate::change::terminal(options, data, form),
        TerminalCommand::Disable(named) => order_terminal(named, TerminalOrder::Disable, data, form),
        TerminalCommand::Enable(named) => order_terminal(named, TerminalOrder::Enable, data, form),
        TerminalCommand::RenewKeys(named) => order_terminal(named, TerminalOrder::RenewKeys, data, form),
        TerminalCommand::InjectKey(options) => crate::keys::ceremony::inject(options, data, form),
        TerminalCommand::OfferKey(options) => crate::keys::ceremony::offer(options, data, form),
        TerminalCommand::WithdrawKey(named) => crate::keys::ceremony::withdraw(named, data, form),
        TerminalCommand::ForceSignOn(named) => order_terminal(named, TerminalOrder::ForceSignOn, data, form),
        TerminalCommand::ResetBatch { target, number } => {
            let number = BatchNumber::try_from(u64::from(*number))?;
            order_terminal(target, TerminalOrder::ResetBatch(number), data, form)
        }
        TerminalCommand::Speak { target, dialect, no_mac, takes_partial } => {
            let dialect = TerminalDialect::named(dialect).with_context(|| {
                let names = LinkDialect::names();
                format!("--dialect is none of unionpay-pos, {names}")
            })?;
            let profile = TerminalProfile { dialect, carries_mac: !no_mac, takes_partial: *takes_partial };
            order_terminal(target, TerminalOrder::Speak(profile), data, form)
        }
    }
}

fn show(ask: &Ask, data: &Path, form: Output, columns: &[&str]) -> Result<Verdict> {
    operate::rows(columns, rows(ask, data)?, form)
}

fn show_one(ask: &Ask, data: &Path, form: Output) -> Result<Verdict> {
    match rows(ask, data)?.pop() {
        Some(row) => operate::object(&row, form),
        None => nobody(form),
    }
}

fn nobody(form: Output) -> Result<Verdict> {
    operate::nothing("nobody of that name", form)
}

/// The answer to a question, from whoever can give it.
fn rows(ask: &Ask, data: &Path) -> Result<Vec<Value>> {
    if let Some(answer) = admin::ask_running(data, &json!({"command": "registry", "ask": ask}))? {
        match answer {
            Ok(mut answer) => {
                return match answer["rows"].take() {
                    Value::Array(rows) => Ok(rows),
                    _ => Err(anyhow!("the switch answered without rows")),
                };
            }
            // It serves terminals without them; the ledger has it all.
            Err(reason) => eprintln!("the switch has no projections ({reason}); reading the ledger"),
        }
    }
    let paths = DataDir::new(data, &KeyFiles::default());
    let bar = Bar::count("reading the ledger");
    let opened = registry::open(&paths.projections(), &paths.ledger(), |records| bar.set(records, records));
    bar.finish();
    let mut projector = opened.with_context(|| crate::data_hint(data))?;
    Ok(registry::answer(&mut projector, ask)?)
}
