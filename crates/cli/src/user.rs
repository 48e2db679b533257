//! `user`: people who can log in.

use crate::admin::{self, Admin};
use crate::arguments::{AddUser, Output, RoleName, RolesOfUser, UserCommand};
use crate::operate::{nothing, object, rows, state, told};
use crate::{Verdict, login, serve};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use switchyard_core::{Command, UserCommand as Asked};
use switchyard_domain::{Roles, Timestamp, UserOrder};

pub(crate) fn run(command: &UserCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        UserCommand::Add(options) => add(options, data, form),
        UserCommand::List => {
            let columns = ["user", "roles", "state", "last_login", "password_since"];
            rows(&columns, users(data)?, form)
        }
        UserCommand::Show { user } => {
            match users(data)?.into_iter().find(|row| row["user"] == user.as_str()) {
                Some(row) => object(&row, form),
                None => nothing("no user of that name", form),
            }
        }
        UserCommand::Disable(named) => order(named, UserOrder::Disable, data, form),
        UserCommand::Enable(named) => order(named, UserOrder::Enable, data, form),
        UserCommand::Unlock(named) => order(named, UserOrder::Unlock, data, form),
        UserCommand::Roles(RolesOfUser { named, roles }) => {
            order(named, UserOrder::Roles(roles_of(roles)?), data, form)
        }
        UserCommand::Passwd { user, config } => {
            let user =
                user.as_ref().or(login::user()).context("whose password? Name a user, or use --user")?;
            let admin = Admin::open(data, &serve::load(config)?)?;
            told(&admin.set_password(user, || login::new_password(user))?, form)
        }
    }
}

fn add(options: &AddUser, data: &Path, form: Output) -> Result<Verdict> {
    let roles = roles_of(&options.roles)?;
    let admin = Admin::open(data, &serve::load(&options.config)?)?;
    told(&admin.add_user(&options.user, roles, || login::new_password(&options.user))?, form)
}

fn roles_of(roles: &[RoleName]) -> Result<Roles> {
    Roles::of(roles.iter().copied().map(Into::into)).context("a user has one role at least")
}

fn order(
    named: &crate::arguments::NamedUser,
    order: UserOrder,
    data: &Path,
    form: Output,
) -> Result<Verdict> {
    let (user, reason) = (named.user.clone(), named.because.reason.clone());
    let admin = Admin::open(data, &serve::load(&named.because.config)?)?;
    told(&admin.command(Command::User(Asked::Order { user, order, reason }))?, form)
}

/// Everybody, from the running switch, which says who is locked out by its own clock, or from the ledger.
fn users(data: &Path) -> Result<Vec<Value>> {
    let found = match admin::told_by_running(data, "users", "users")? {
        Some(Value::Array(users)) => users,
        Some(_) => bail!("the switch answered without users"),
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
            state(data)?.users(now).map(serde_json::to_value).collect::<Result<_, _>>()?
        }
    };
    Ok(found.into_iter().map(for_people).collect())
}

/// Times as people read them, roles as one text.
fn for_people(mut user: Value) -> Value {
    for field in ["last_login", "locked_until", "password_since"] {
        if let Some(micros) = user[field].as_u64() {
            user[field] = Timestamp(micros).to_string().into();
        }
    }
    user
}
