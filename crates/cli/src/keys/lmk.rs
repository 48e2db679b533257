//! `key lmk`: the local master key of a ledger that exists.

use crate::admin::{self, Admin};
use crate::arguments::{LmkCommand, Output, RotateLmk};
use crate::hex::hex;
use crate::operate::{object, state};
use crate::{Verdict, login, output, serve};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use switchyard_keys::lmk::Lmk;
use switchyard_server::{Custodian, LmkOrder, LmkView};

pub(super) fn run(command: &LmkCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        LmkCommand::Rotate(options) => rotate(options, data, form),
        LmkCommand::Status { config } => {
            let view = match admin::told_by_running(data, "lmk", "lmk")? {
                Some(view) => serde_json::from_value(view).context("the switch answered something else")?,
                None => switchyard_server::lmk_view(data, &serve::load(config)?, &state(data)?)?,
            };
            object(&json!({ "in_force": view.in_force, "before": view.before }), form)
        }
        LmkCommand::Retire { reason, config } => {
            let config = serve::load(config)?;
            tell(&Admin::open(data, &config)?.retire_lmk(reason.clone())?, form)
        }
    }
}

fn rotate(options: &RotateLmk, data: &Path, form: Output) -> Result<Verdict> {
    let names = &options.custodians;
    ensure!(matches!(names.len(), 2 | 3), "two or three custodians bring the local master key");
    let config = serve::load(&options.config)?;
    let admin = Admin::open(data, &config)?;
    let mut custodians = Vec::new();
    for user in names {
        let password = login::password_of(user)?;
        let component = login::component(&format!("component of {user}: "))?;
        // Each compares with what is on the envelope before the next one types.
        let check_value = Lmk::from_slice(component.expose())
            .context("a component of the local master key has 64 hexadecimal digits")?
            .check_value();
        eprintln!("component of {user}: check value {}", hex(&check_value));
        custodians.push(Custodian { user: user.clone(), password, component });
    }
    tell(&admin.change_lmk(LmkOrder { custodians, reason: options.reason.clone() })?, form)
}

fn tell(view: &LmkView, form: Output) -> Result<Verdict> {
    match form {
        Output::Json => output::json(&serde_json::to_value(view)?)?,
        Output::Text => {
            output::line(&format!("local master key in force: check value {}", view.in_force))?;
            output::line(&format!("{} keys translated", view.translated))?;
            for before in &view.before {
                output::line(&format!("before it, not retired: {before}"))?;
            }
            if view.in_module > 0 {
                output::line(&format!(
                    "{} keys are under the module's own master key, which is changed there",
                    view.in_module
                ))?;
            }
        }
    }
    Ok(Verdict::Fine)
}
