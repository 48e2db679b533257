//! Setting a switch up: merchants, terminals, links, fee plans, and below products, routes and limits.

pub(crate) mod diff;
pub(crate) mod limit;
pub(crate) mod product;
pub(crate) mod route;

use crate::admin::Admin;
use crate::arguments::{AddLink, AddMerchant, AddTerminal, Change, FeePlanCommand, Output, SetFeePlan};
use crate::hex::hex;
use crate::operate::{object, rows, state, told};
use crate::{Verdict, serve};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::cell::Cell;
use std::io::{IsTerminal, Read};
use std::path::Path;
use switchyard_core::{Command, CommandError};
use switchyard_domain::{
    BankAccount, BusinessDate, FeePlan, KeyRecord, KeyUse, Link, LinkDialect, Merchant, MerchantId, Terminal,
};
use switchyard_server::{ClearKey, LinkAddress};
use switchyard_wire::Framing;
use zeroize::Zeroizing;

/// Room for a key with its spaces.
const KEY_TEXT_BYTES_MAX: usize = 256;

/// Has a change recorded, when the registry is still what the person looked at.
pub(crate) fn change(command: Command, change: &Change, data: &Path, form: Output) -> Result<Verdict> {
    let admin = Admin::open(data, &serve::load(&change.config)?)?;
    told(&admin.command(expecting(command, change))?, form)
}

fn change_recorded(command: Command, change: &Change, data: &Path) -> Result<()> {
    let admin = Admin::open(data, &serve::load(&change.config)?)?;
    admin.command(expecting(command, change)).map(drop)
}

fn expecting(command: Command, change: &Change) -> Command {
    match change.expect_version {
        Some(version) => Command::Expecting { version, command: Box::new(command) },
        None => command,
    }
}

/// Registers something without its key, which others bring. A demonstration takes a key on stdin and shows its check
/// value.
fn with_key(
    (usage, is_demo): (KeyUse, bool),
    options: &Change,
    data: &Path,
    form: Output,
    make: impl FnOnce(KeyRecord) -> Command,
) -> Result<Verdict> {
    let Some(key) = key_from_stdin(is_demo)? else {
        change_recorded(make(KeyRecord::to_come()), options, data)?;
        return object(&json!({"recorded": true, "kcv": null}), form);
    };
    let check_value = Cell::new([0; 4]);
    let admin = Admin::open(data, &serve::load(&options.config)?)?;
    admin.with_wrapped(usage, &key, |record| {
        check_value.set(record.check_value);
        expecting(make(record), options)
    })?;
    object(&json!({"recorded": true, "kcv": hex(&check_value.get()[..3])}), form)
}

/// A key that came on stdin. Outside a demonstration it is refused before it goes anywhere: it has been one person's.
fn key_from_stdin(is_demo: bool) -> Result<Option<ClearKey>> {
    let stdin = std::io::stdin();
    if !is_demo && stdin.is_terminal() {
        return Ok(None);
    }
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_TEXT_BYTES_MAX));
    stdin.take(KEY_TEXT_BYTES_MAX as u64).read_to_end(&mut text)?;
    match text.trim_ascii() {
        [] => Ok(None),
        _ if !is_demo => Err(CommandError::OnePersonsKey.into()),
        digits => ClearKey::from_hex(digits).map(Some).context("the key comes on stdin"),
    }
}

pub(crate) fn add_merchant(options: &AddMerchant, data: &Path, form: Output) -> Result<Verdict> {
    let cnaps = &options.account_cnaps;
    ensure!(
        cnaps.len() == 12 && cnaps.bytes().all(|byte| byte.is_ascii_digit()),
        "--account-cnaps needs 12 digits"
    );
    for (name, text) in [
        ("--name", &options.name),
        ("--account-holder", &options.account_holder),
        ("--account-number", &options.account_number),
    ] {
        ensure!(
            !text.trim().is_empty() && text.chars().count() <= 140 && !text.contains(char::is_control),
            "{name} needs one line of 1 to 140 characters"
        );
    }
    let known = state(data)?.registry().fee_plans().iter().any(|plan| plan.plan == options.fee_plan);
    ensure!(
        known,
        "there is no fee plan {0}: set one with `switchyard fee-plan set {0} …`",
        options.fee_plan
    );
    let merchant = Merchant {
        id: options.id.parse()?,
        name: options.name.trim().to_owned(),
        mcc: options.mcc,
        account: BankAccount {
            holder: options.account_holder.trim().to_owned(),
            number: options.account_number.trim().to_owned(),
            cnaps: cnaps.clone(),
        },
        fee_plan: options.fee_plan,
    };
    change(Command::Register(Box::new(merchant)), &options.change, data, form)
}

pub(crate) fn add_terminal(options: &AddTerminal, data: &Path, form: Output) -> Result<Verdict> {
    let merchant: MerchantId = options.merchant.parse()?;
    let state = state(data)?;
    let found = state.registry().merchants().find(|(_, known)| known.id == merchant);
    let Some((owner, _)) = found else {
        bail!("{merchant} is not registered: add it with `switchyard merchant add {merchant} …`");
    };
    let (id, mac) = (options.id.parse()?, options.mac.into());
    let key = (KeyUse::TerminalMaster, state.is_demo());
    with_key(key, &options.change, data, form, |master_key| {
        Command::Bind(Box::new(Terminal { id, merchant: owner, mac, master_key }))
    })
}

pub(crate) fn add_link(options: &AddLink, data: &Path, form: Output) -> Result<Verdict> {
    let dialect = LinkDialect::named(&options.dialect);
    let dialect = dialect.with_context(|| format!("--dialect is none of {}", LinkDialect::names()))?;
    if options.framing.parse::<Framing>().is_err() {
        bail!("--framing {:?} is none: see `switchyard decode --help`", options.framing);
    }
    options.address.parse::<LinkAddress>().context("--address")?;
    ensure!(
        options.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && (1..=32).contains(&options.name.len()),
        "a link's name has 1 to 32 letters, digits, '-', '_' and '.'"
    );
    let key = (KeyUse::ZonePin, state(data)?.is_demo());
    with_key(key, &options.change, data, form, |pin_key| {
        Command::AddLink(Box::new(Link {
            name: options.name.clone(),
            address: options.address.clone(),
            dialect,
            framing: options.framing.clone(),
            pin_key,
            answer_timeout_ms: options.answer_timeout_ms,
            connections: options.connections,
        }))
    })
}

pub(crate) fn fee_plan(command: &FeePlanCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        FeePlanCommand::List => {
            let state = state(data)?;
            let plans = state.registry().fee_plans().iter();
            let plans: Result<Vec<_>, _> = plans.map(serde_json::to_value).collect();
            let columns = ["plan", "from", "debit_ppm", "debit_cap_minor", "credit_ppm", "fixed_minor"];
            rows(&columns, plans?, form)
        }
        FeePlanCommand::Set(options) => set_fee_plan(options, data, form),
    }
}

fn set_fee_plan(options: &SetFeePlan, data: &Path, form: Output) -> Result<Verdict> {
    let plan = FeePlan {
        plan: options.plan,
        from: options.from.unwrap_or(BusinessDate(0)),
        debit_ppm: options.debit_ppm,
        debit_cap_minor: options.debit_cap,
        credit_ppm: options.credit_ppm,
        credit_cap_minor: options.credit_cap,
        foreign_ppm: options.foreign_ppm,
        foreign_cap_minor: options.foreign_cap,
        fixed_minor: options.fixed,
        minimum_minor: options.minimum,
        refund_returns_fee: !options.keep_on_refund,
    };
    change(Command::SetFeePlan(plan), &options.change, data, form)
}
