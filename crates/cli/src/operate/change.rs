//! `link change`, `merchant change`, `terminal change`: what is registered becomes another.

use super::state;
use crate::admin::Admin;
use crate::arguments::{Because, ChangeLink, ChangeMerchant, ChangeTerminal, Output};
use crate::{Verdict, login, output, serve};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use switchyard_core::{
    AccountChange, Command, CommandOutcome, Core, CoreConfig, Effect, FieldChange, Input, LinkChange,
    MerchantChange, Order, TerminalChange,
};
use switchyard_domain::{Actor, LinkDialect};
use switchyard_server::{Who, check_link_change};

pub(crate) fn link(options: &ChangeLink, data: &Path, form: Output) -> Result<Verdict> {
    let dialect = options.dialect.as_deref().map(|name| {
        LinkDialect::named(name).with_context(|| format!("--dialect is none of {}", LinkDialect::names()))
    });
    let change = LinkChange {
        address: options.address.clone(),
        dialect: dialect.transpose()?,
        framing: options.framing.clone(),
        answer_timeout_ms: options.answer_timeout_ms,
        connections: options.connections,
        credit_max: options.credit,
    };
    let (because, dry_run) = (options.because(), options.trial.dry_run);
    let link = options.target.link.clone();
    let order = Order::ChangeLink { link, change, reason: because.reason.clone(), dry_run };
    check_link_change(&order)?;
    give(order, dry_run, because, data, form)
}

pub(crate) fn merchant(options: &ChangeMerchant, data: &Path, form: Output) -> Result<Verdict> {
    let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
    let change = MerchantChange {
        name: trimmed(&options.name),
        mcc: options.mcc,
        account: AccountChange {
            holder: trimmed(&options.account_holder),
            number: trimmed(&options.account_number),
            cnaps: options.account_cnaps.clone(),
        },
        fee_plan: options.fee_plan,
    };
    let (because, dry_run) = (&options.named.because, options.trial.dry_run);
    let merchant = options.named.id.parse()?;
    let order = Order::ChangeMerchant { merchant, change, reason: because.reason.clone(), dry_run };
    give(order, dry_run, because, data, form)
}

pub(crate) fn terminal(options: &ChangeTerminal, data: &Path, form: Output) -> Result<Verdict> {
    let change = TerminalChange {
        merchant: options.merchant.as_deref().map(str::parse).transpose()?,
        mac: options.mac.map(Into::into),
        takes_partial: options.takes_partial,
    };
    let (because, dry_run) = (&options.named.because, options.trial.dry_run);
    let terminal = options.named.id.parse()?;
    let order = Order::ChangeTerminal { terminal, change, reason: because.reason.clone(), dry_run };
    give(order, dry_run, because, data, form)
}

/// Gives the order, or tries it: then nothing is written, whether a switch runs or not.
pub(crate) fn give(
    order: Order,
    dry_run: bool,
    because: &Because,
    data: &Path,
    form: Output,
) -> Result<Verdict> {
    let admin = Admin::open(data, &serve::load(&because.config)?)?;
    let outcome = match admin {
        Admin::Alone(..) if dry_run => tried(order, data)?,
        admin => admin.command(Command::Order(order))?,
    };
    let CommandOutcome::Altered { recorded, fields } = outcome else {
        bail!("the switch answered something else")
    };
    told(recorded, &fields, form)
}

/// What the core would say, on a copy of what it knows.
fn tried(order: Order, data: &Path) -> Result<CommandOutcome> {
    let (mut core, mut out) = (Core::resume(CoreConfig::default(), state(data)?), Default::default());
    let actor = match login::who()? {
        Who::Proven(actor) => actor,
        Who::Login(login) => Actor::User(login.user),
    };
    let command = Box::new(Command::Order(order));
    core.handle(Input::Command { ticket: 0, actor, command }, super::rate::now(), &mut out);
    let mut results = out.effects.into_iter().filter_map(|effect| match effect {
        Effect::CommandDone { result, .. } => Some(result),
        _ => None,
    });
    Ok(results.next().context("the core says nothing")??)
}

fn told(recorded: bool, fields: &[FieldChange], form: Output) -> Result<Verdict> {
    match form {
        Output::Json => output::json(&json!({"recorded": recorded, "fields": fields}))?,
        Output::Text if fields.is_empty() => output::line("nothing to do: it is so")?,
        Output::Text => {
            for FieldChange { field, before, after } in fields {
                output::line(&format!("{field}: {before} → {after}"))?;
            }
            output::line(if recorded { "recorded" } else { "not recorded: this was a dry run" })?;
        }
    }
    Ok(Verdict::Fine)
}
