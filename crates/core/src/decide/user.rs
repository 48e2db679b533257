//! People who log in: what they may do, wrong passwords, lockouts.

use crate::access::Act;
use crate::effect::{CommandError, CommandOutcome};
use crate::machine::{Core, Output};
use crate::state::User;
use crate::user::{USERS_MAX, UserCommand};
use switchyard_domain::{Actor, Record, Role, Timestamp, UserName, UserOrder};

const USER: &str = "user";
const LOCKED: &str =
    "too many wrong passwords: the user is locked out for 30 minutes, or until `user unlock`";

impl Core {
    /// Whether somebody may do something, by what the records say now: a session that is open gives no rights that
    /// were taken away since.
    pub(super) fn permitted(&self, actor: &Actor, act: Act) -> Result<(), CommandError> {
        let held = match actor {
            Actor::Switch | Actor::Installer => return Ok(()),
            Actor::Terminal(_) | Actor::Link(_) => return Err(CommandError::Forbidden { act: act.name() }),
            // The server lets only the user that the switch runs as, and root, come without a password.
            Actor::Operator(_) => act.roles().contains(&Role::Admin),
            Actor::User(user) => {
                let user = self.known_user(user)?;
                if user.disabled {
                    return Err(CommandError::NotNow { why: "the user is disabled" });
                }
                if user.must_change && act != Act::ChangePassword {
                    return Err(CommandError::NotNow {
                        why: "somebody else set this password; change it first with `user passwd`",
                    });
                }
                user.roles.any_of(act.roles())
            }
        };
        if held { Ok(()) } else { Err(CommandError::Forbidden { act: act.name() }) }
    }

    fn known_user(&self, user: &UserName) -> Result<&User, CommandError> {
        self.state.users.find(user).ok_or(CommandError::Missing { what: USER })
    }

    pub(super) fn user(
        &mut self,
        actor: Actor,
        command: UserCommand,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let record = match command {
            UserCommand::Add { user, roles, password } => {
                if self.state.users.find(&user).is_some() {
                    return Err(CommandError::Exists { what: USER });
                }
                let have = self.state.users.count() + 1;
                if have > USERS_MAX {
                    return Err(CommandError::TooMany { what: "users", have, max: USERS_MAX });
                }
                Record::UserAdded { user, roles, password }
            }
            UserCommand::Order { user, order, reason } => {
                if matches!(&actor, Actor::User(own) if *own == user) {
                    return Err(CommandError::NotNow { why: "nobody changes what they may do themselves" });
                }
                if is_so(self.known_user(&user)?, &order, now) {
                    return Ok(CommandOutcome::RecordedBefore);
                }
                Record::UserOrdered { user, order, reason }
            }
            UserCommand::List => return Ok(CommandOutcome::Users(self.state.users(now).collect())),
            UserCommand::Passwords { user } => {
                return Ok(CommandOutcome::Passwords(self.known_user(&user)?.passwords()));
            }
            UserCommand::SetPassword { user, password, version } => {
                let have = self.known_user(&user)?.version;
                if have != version {
                    return Err(CommandError::NotNow { why: "the password was changed meanwhile" });
                }
                Record::PasswordSet { user, password }
            }
            UserCommand::BeginLogin { user } => {
                return self.may_log_in(&user, now).map(|user| CommandOutcome::Passwords(user.passwords()));
            }
            UserCommand::EndLogin { user, version, right } => {
                let known = self.may_log_in(&user, now)?;
                if known.version != version {
                    return Err(CommandError::NotNow { why: "the password was changed meanwhile" });
                }
                // Who it was is known only when it was right.
                let actor = if right { Actor::User(user.clone()) } else { actor };
                self.emit(Record::LoginTried { user, right }, actor, now, out);
                return Ok(CommandOutcome::Recorded);
            }
        };
        self.try_emit(record, actor, now, out)?;
        Ok(CommandOutcome::Recorded)
    }

    fn may_log_in(&self, user: &UserName, now: Timestamp) -> Result<&User, CommandError> {
        let user = self.known_user(user)?;
        if user.disabled {
            return Err(CommandError::NotNow { why: "the user is disabled" });
        }
        if user.is_locked(now) {
            return Err(CommandError::NotNow { why: LOCKED });
        }
        Ok(user)
    }
}

/// Whether an order finds things as it wants them.
fn is_so(user: &User, order: &UserOrder, now: Timestamp) -> bool {
    match order {
        UserOrder::Disable => user.disabled,
        UserOrder::Enable => !user.disabled,
        UserOrder::Unlock => !user.has_failed(now),
        UserOrder::Roles(roles) => user.roles == *roles,
    }
}
