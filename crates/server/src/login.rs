//! Logins and passwords, beside a running switch and on a data directory that nobody serves.
//!
//! Hashing takes some 20 milliseconds and never happens on the thread that decides: it asks the core what to compare with,
//! compares, and tells the core what came of it.

use std::sync::Arc;

use serde::Deserialize;
use switchyard_core::{Command, CommandError, CommandOutcome, PASSWORDS_KEPT, Passwords, UserCommand};
use switchyard_domain::{Actor, PasswordRecord, Roles, UserName};
use switchyard_keys::KeyError;
use switchyard_keys::password::Password;

use crate::shared::Shared;

/// Who somebody says to be, and the proof.
#[derive(Debug, Deserialize)]
pub struct Login {
    /// The login.
    pub user: UserName,
    /// The password.
    pub password: Password,
}

/// In whose name something is done.
#[derive(Debug)]
pub enum Who {
    /// One whom the caller has proven to be it.
    Proven(Actor),
    /// Whoever this opens.
    Login(Login),
}

/// Why somebody is not logged in, or has no other password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// One of the two; which is for nobody to know who has neither.
    #[error("user or password is wrong")]
    Wrong,
    /// The user may not, for now.
    #[error(transparent)]
    Refused(CommandError),
    /// A new password is too short.
    #[error("a password has {} characters at least", Password::CHARACTERS_MIN)]
    Short,
    /// A new password is one of those before it.
    #[error("a password differs from the last {PASSWORDS_KEPT}")]
    Repeated,
    /// It cannot be hashed.
    #[error("the password cannot be taken")]
    Key(#[from] KeyError),
    /// The switch ended meanwhile.
    #[error("the switch stopped before it was done")]
    Stopped,
}

/// A new password's record, when it may follow these.
pub(crate) fn next_password(
    typed: &Password,
    before: &[PasswordRecord],
) -> Result<PasswordRecord, LoginError> {
    if !typed.is_long_enough() {
        return Err(LoginError::Short);
    }
    if before.iter().any(|kept| typed.is(kept)) {
        return Err(LoginError::Repeated);
    }
    Ok(typed.record()?)
}

/// Who a login opens, where `ask` has commands of the switch itself carried out. Whatever came of it is recorded.
pub(crate) fn compare_alone(
    login: &Login,
    mut ask: impl FnMut(UserCommand) -> Result<CommandOutcome, CommandError>,
) -> Result<UserName, LoginError> {
    let user = login.user.clone();
    let begun = ask(UserCommand::BeginLogin { user: user.clone() });
    let Some(passwords) = begun_with(begun)? else {
        login.password.is_nobodys();
        return Err(LoginError::Wrong);
    };
    let right = is_right(&login.password, &passwords);
    let version = passwords.version;
    ask(UserCommand::EndLogin { user: user.clone(), version, right }).map_err(LoginError::Refused)?;
    if right { Ok(user) } else { Err(LoginError::Wrong) }
}

/// What to compare with; nothing where there is no such user.
fn begun_with(begun: Result<CommandOutcome, CommandError>) -> Result<Option<Passwords>, LoginError> {
    match begun {
        Ok(CommandOutcome::Passwords(passwords)) => Ok(Some(passwords)),
        Ok(_) | Err(CommandError::Missing { .. }) => Ok(None),
        Err(error) => Err(LoginError::Refused(error)),
    }
}

fn is_right(typed: &Password, passwords: &Passwords) -> bool {
    passwords.kept.first().is_some_and(|kept| typed.is(kept))
}

/// Who a login opens, at a running switch.
pub(crate) async fn log_in(shared: &Arc<Shared>, login: Login) -> Result<UserName, LoginError> {
    // One at a time: passwords that are compared side by side would all be tried before the first wrong one counts.
    let _turn = shared.logins.lock().await;
    let Login { user, password } = login;
    let passwords = begun_with(own(shared, UserCommand::BeginLogin { user: user.clone() }).await?)?;
    let version = passwords.as_ref().map(|passwords| passwords.version);
    let compared = hashing(move || {
        let right = passwords.as_ref().map(|passwords| is_right(&password, passwords));
        right.unwrap_or_else(|| {
            password.is_nobodys();
            false
        })
    });
    let right = compared.await?;
    if let Some(version) = version {
        let end = UserCommand::EndLogin { user: user.clone(), version, right };
        own(shared, end).await?.map_err(LoginError::Refused)?;
    }
    if right {
        return Ok(user);
    }
    shared.metrics.login_failures.increment(1);
    Err(LoginError::Wrong)
}

/// A user's next password, at a running switch.
pub(crate) async fn set_password(
    shared: &Arc<Shared>,
    actor: Actor,
    user: UserName,
    typed: Password,
) -> Result<CommandOutcome, LoginError> {
    let asked = UserCommand::Passwords { user: user.clone() };
    let CommandOutcome::Passwords(passwords) = asking(shared, actor.clone(), asked).await? else {
        return Err(LoginError::Stopped);
    };
    let version = passwords.version;
    let password = hashing(move || next_password(&typed, &passwords.kept)).await??;
    asking(shared, actor, UserCommand::SetPassword { user, password, version }).await
}

/// A person who can log in from now on, at a running switch.
pub(crate) async fn add_user(
    shared: &Arc<Shared>,
    actor: Actor,
    user: UserName,
    roles: Roles,
    typed: Password,
) -> Result<CommandOutcome, LoginError> {
    let password = hashing(move || next_password(&typed, &[])).await??;
    asking(shared, actor, UserCommand::Add { user, roles, password }).await
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoginError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LoginError::Stopped)
}

async fn own(
    shared: &Shared,
    command: UserCommand,
) -> Result<Result<CommandOutcome, CommandError>, LoginError> {
    shared.command(Actor::Switch, Command::User(command)).await.map_err(|_| LoginError::Stopped)
}

async fn asking(shared: &Shared, actor: Actor, command: UserCommand) -> Result<CommandOutcome, LoginError> {
    let done = shared.command(actor, Command::User(command)).await.map_err(|_| LoginError::Stopped)?;
    done.map_err(LoginError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_new_password_is_long_enough_and_none_of_the_last() {
        let kept: Vec<_> =
            ["the first of all", "the second of all"].map(|text| typed(text).record().unwrap()).into();
        assert!(matches!(next_password(&typed("eleven char"), &kept), Err(LoginError::Short)));
        for before in ["the first of all", "the second of all"] {
            assert!(matches!(next_password(&typed(before), &kept), Err(LoginError::Repeated)));
        }
        let next = next_password(&typed("the third of all"), &kept).unwrap();
        assert!(typed("the third of all").is(&next));
    }

    #[test]
    fn a_login_without_a_user_is_wrong_and_records_nothing() {
        let login = Login { user: "nobody".parse().unwrap(), password: typed("whatever it is") };
        let mut asked = 0;
        let compared = compare_alone(&login, |command| {
            asked += 1;
            assert!(matches!(command, UserCommand::BeginLogin { .. }));
            Err(CommandError::Missing { what: "user" })
        });
        assert!(matches!(compared, Err(LoginError::Wrong)));
        assert_eq!(asked, 1);
    }

    #[test]
    fn a_request_never_shows_its_password() {
        let login: Login =
            serde_json::from_str(r#"{"user":"anna","password":"a horse by the sea"}"#).unwrap();
        assert!(!format!("{login:?}").contains("horse"));
        for bad in [r#"{"user":"anna","password":""}"#, "{\"user\":\"anna\",\"password\":\"horse\\u0007\"}"] {
            let error = serde_json::from_str::<Login>(bad).unwrap_err().to_string();
            assert!(!error.contains("horse"), "{error}");
        }
    }
}
