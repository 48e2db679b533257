//! What is asked of the core about people who log in.

use serde::Serialize;
use switchyard_domain::{PasswordRecord, Reason, Roles, Timestamp, UserName, UserOrder};

/// Wrong passwords in a row after which a user is locked out (PCI DSS 8.3.4).
pub const LOGIN_TRIES_MAX: u8 = 10;
/// Minutes that it lasts.
pub const LOCKOUT_MINUTES: u64 = 30;
/// Passwords of a user that the next one must differ from, the one in force included (PCI DSS 8.3.7).
pub const PASSWORDS_KEPT: usize = 4;
/// Most users: they are looked at one by one, by people.
pub const USERS_MAX: usize = 10_000;

/// What is asked.
#[derive(Debug)]
pub enum UserCommand {
    /// A person can log in from now on.
    Add {
        /// The login.
        user: UserName,
        /// What the person may do.
        roles: Roles,
        /// The first password.
        password: PasswordRecord,
    },
    /// What a user may do, and whether.
    Order {
        /// The login.
        user: UserName,
        /// What becomes of it.
        order: UserOrder,
        /// Why.
        reason: Reason,
    },
    /// All of them.
    List,
    /// What a new password must differ from.
    Passwords {
        /// The login.
        user: UserName,
    },
    /// Another password. That it differs from those before was seen to where passwords are hashed, which is not here.
    SetPassword {
        /// The login.
        user: UserName,
        /// The password.
        password: PasswordRecord,
        /// How many the user has had: refused when there is another by now.
        version: u32,
    },
    /// What a password is to be compared with; refused while the user may not log in.
    BeginLogin {
        /// The login.
        user: UserName,
    },
    /// What the comparison found.
    EndLogin {
        /// The login.
        user: UserName,
        /// Which password it was compared with.
        version: u32,
        /// Whether it was the same.
        right: bool,
    },
}

/// What a password is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passwords {
    /// The one in force first, then those before it.
    pub kept: Vec<PasswordRecord>,
    /// Counts them.
    pub version: u32,
}

/// A user, as people are shown one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// The login.
    pub user: UserName,
    /// What the person may do.
    pub roles: Roles,
    /// `active`, `disabled`, `locked`, or `password-to-change`.
    pub state: &'static str,
    /// Wrong passwords since the last right one.
    pub failures: u8,
    /// The last time of a right one.
    pub last_login: Option<Timestamp>,
    /// Until when nobody may try.
    pub locked_until: Option<Timestamp>,
    /// When the password in force was set.
    pub password_since: Timestamp,
}
