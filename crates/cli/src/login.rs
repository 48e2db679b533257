//! Who runs this command, and passwords that people type.
//!
//! Passwords come from the terminal, which does not show them, or with `--password-stdin` from standard input, one a line in
//! the order in which they are needed. They are never arguments: every user of a machine can read those.

use crate::arguments::Global;
use crate::prompt;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, IsTerminal};
use std::sync::{Mutex, OnceLock, PoisonError};
use switchyard_domain::UserName;
use switchyard_keys::password::Password;
use switchyard_server::{Component, Login, Who, myself};
use zeroize::Zeroizing;

/// Who asks, as the command line says: the same for all that a process does.
static ASKING: OnceLock<Asking> = OnceLock::new();

#[derive(Debug, Default)]
struct Asking {
    user: Option<UserName>,
    stdin: bool,
    /// Typed once, however many connections a command opens.
    password: Mutex<Option<Password>>,
}

/// Takes what the command line says. A password on standard input comes before whatever a command reads there.
pub(crate) fn begin(global: &Global) -> Result<()> {
    let asking = Asking { user: global.user.clone(), stdin: global.password_stdin, ..Asking::default() };
    // A process begins once.
    let _ = ASKING.set(asking);
    if global.password_stdin && global.user.is_some() {
        login()?;
    }
    Ok(())
}

/// Forgets what was typed.
pub(crate) fn end() {
    if let Some(asking) = ASKING.get() {
        drop(asking.password.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The login of `--user`, when there is one.
pub(crate) fn user() -> Option<&'static UserName> {
    ASKING.get()?.user.as_ref()
}

/// The login of `--user` with its password, when there is one.
pub(crate) fn login() -> Result<Option<Login>> {
    let Some(Asking { user: Some(user), password, .. }) = ASKING.get() else { return Ok(None) };
    let mut kept = password.lock().unwrap_or_else(PoisonError::into_inner);
    let password = match &*kept {
        Some(password) => password,
        None => kept.insert(typed(&format!("password of {user}: "))?),
    };
    let password = Password::new(password.expose().to_owned())?;
    Ok(Some(Login { user: user.clone(), password }))
}

/// In whose name things are done on data that nobody serves.
pub(crate) fn who() -> Result<Who> {
    Ok(login()?.map_or_else(|| Who::Proven(myself()), Who::Login))
}

/// The password of one custodian of several, who stand at the console one after the other.
pub(crate) fn password_of(user: &UserName) -> Result<Password> {
    typed(&format!("password of {user}: "))
}

/// A user's next password.
pub(crate) fn new_password(user: &UserName) -> Result<Password> {
    let password = typed(&format!("new password of {user}: "))?;
    if !from_stdin() {
        let again = typed("the same again: ")?;
        ensure!(password.expose() == again.expose(), "that is not the same");
    }
    Ok(password)
}

fn from_stdin() -> bool {
    ASKING.get().is_some_and(|asking| asking.stdin)
}

/// A component of a key: from the terminal, or from standard input where it is not one.
pub(crate) fn component(prompt: &str) -> Result<Component> {
    let mut line = String::new();
    if from_stdin() || !std::io::stdin().is_terminal() {
        std::io::stdin().lock().read_line(&mut line)?;
    } else {
        line = prompt::unseen(prompt)?;
    }
    let line = Zeroizing::new(line.into_bytes());
    Component::from_hex(&line).context("a component is 32, 48 or 64 hexadecimal digits on one line")
}

fn typed(prompt: &str) -> Result<Password> {
    let mut line = String::new();
    if from_stdin() {
        std::io::stdin().lock().read_line(&mut line)?;
    } else {
        line = prompt::unseen(prompt)?;
    }
    if line.ends_with('\n') {
        line.pop();
    }
    if line.ends_with('\r') {
        line.pop();
    }
    ensure!(!line.is_empty(), "a password is missing");
    Password::new(line).context("a password is one line of at most 128 characters")
}
