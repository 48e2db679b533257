//! People who can log in.

use crate::state::{ApplyError, State};
use crate::user::{LOCKOUT_MINUTES, LOGIN_TRIES_MAX, PASSWORDS_KEPT, Passwords, UserView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{Actor, PasswordRecord, Record, Roles, Stamped, Timestamp, UserName, UserOrder};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) roles: Roles,
    /// The one in force first.
    passwords: Vec<PasswordRecord>,
    /// Counts passwords.
    pub(crate) version: u32,
    password_since: Timestamp,
    /// Somebody else set the password, and knows it.
    pub(crate) must_change: bool,
    pub(crate) disabled: bool,
    failures: u8,
    locked_until: Timestamp,
    last_login: Option<Timestamp>,
}

impl User {
    pub(crate) fn is_locked(&self, now: Timestamp) -> bool {
        now < self.locked_until
    }
    /// Whether an administrator's hand would free it: it is locked, or on its way there.
    pub(crate) fn has_failed(&self, now: Timestamp) -> bool {
        self.failures > 0 || self.is_locked(now)
    }
    pub(crate) fn passwords(&self) -> Passwords {
        Passwords { kept: self.passwords.clone(), version: self.version }
    }

    fn set_password(&mut self, password: &PasswordRecord, at: Timestamp, must_change: bool) {
        self.passwords.insert(0, password.clone());
        self.passwords.truncate(PASSWORDS_KEPT);
        self.version += 1;
        self.password_since = at;
        self.must_change = must_change;
    }

    fn tried(&mut self, right: bool, at: Timestamp) {
        if right {
            (self.failures, self.last_login) = (0, Some(at));
            return;
        }
        self.failures += 1;
        if self.failures >= LOGIN_TRIES_MAX {
            self.failures = 0;
            self.locked_until = at.plus_micros(LOCKOUT_MINUTES * 60_000_000);
        }
    }

    fn view(&self, user: &UserName, now: Timestamp) -> UserView {
        let locked = self.is_locked(now);
        let state = match (self.disabled, locked, self.must_change) {
            (true, _, _) => "disabled",
            (false, true, _) => "locked",
            (false, false, true) => "password-to-change",
            (false, false, false) => "active",
        };
        UserView {
            user: user.clone(),
            roles: self.roles.clone(),
            state,
            failures: self.failures,
            last_login: self.last_login,
            locked_until: locked.then_some(self.locked_until),
            password_since: self.password_since,
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Users(BTreeMap<UserName, User>);

impl Users {
    pub(crate) fn find(&self, user: &UserName) -> Option<&User> {
        self.0.get(user)
    }
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One of the four records about users.
    pub(super) fn apply(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        let at = stamped.at;
        match &stamped.record {
            Record::UserAdded { user, roles, password } => {
                let added = User {
                    roles: roles.clone(),
                    passwords: vec![password.clone()],
                    version: 1,
                    password_since: at,
                    must_change: true,
                    disabled: false,
                    failures: 0,
                    locked_until: Timestamp(0),
                    last_login: None,
                };
                self.0.insert(user.clone(), added);
            }
            Record::PasswordSet { user, password } => {
                let own = matches!(&stamped.actor, Actor::User(actor) if actor == user);
                self.known(user)?.set_password(password, at, !own);
            }
            Record::LoginTried { user, right } => self.known(user)?.tried(*right, at),
            Record::UserOrdered { user, order, .. } => {
                let user = self.known(user)?;
                match order {
                    UserOrder::Disable => user.disabled = true,
                    UserOrder::Enable => user.disabled = false,
                    UserOrder::Unlock => (user.failures, user.locked_until) = (0, Timestamp(0)),
                    UserOrder::Roles(roles) => user.roles = roles.clone(),
                }
            }
            _ => unreachable!("only records about users come here"),
        }
        Ok(())
    }

    fn known(&mut self, user: &UserName) -> Result<&mut User, ApplyError> {
        let missing = ApplyError::Missing { what: "user of a record", number: self.0.len() as u64 };
        self.0.get_mut(user).ok_or(missing)
    }
}

impl State {
    /// People who can log in, by name; `now` says which of them are locked out.
    pub fn users(&self, now: Timestamp) -> impl Iterator<Item = UserView> {
        self.users.0.iter().map(move |(user, known)| known.view(user, now))
    }
}
