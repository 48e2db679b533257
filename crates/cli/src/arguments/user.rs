//! Users, as people type them.

use super::{Because, ConfigOption};
use clap::{Args, Subcommand, ValueEnum};
use switchyard_domain::{Role, UserName};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum UserCommand {
    /// Let a person log in. The first password is typed twice, or comes with --password-stdin; the person has to change
    /// it before anything else.
    #[command(after_help = "Example: switchyard user add anna --role operator --role risk")]
    Add(AddUser),
    /// Everybody who can log in.
    #[command(after_help = "Example: switchyard user list --output json")]
    List,
    /// One of them.
    #[command(after_help = "Example: switchyard user show anna")]
    Show {
        /// The login.
        #[arg(id = "login", value_name = "NAME")]
        user: UserName,
    },
    /// May not log in any more; what is open ends with its next command.
    #[command(after_help = "Example: switchyard user disable anna --reason 'left the company'")]
    Disable(NamedUser),
    /// May log in again.
    #[command(after_help = "Example: switchyard user enable anna --reason 'is back'")]
    Enable(NamedUser),
    /// Ends a lockout after too many wrong passwords.
    #[command(after_help = "Example: switchyard user unlock anna --reason 'called back, it was her'")]
    Unlock(NamedUser),
    /// These roles in the place of those before.
    #[command(after_help = "Example: switchyard user roles anna --role auditor --reason 'moved to audit'")]
    Roles(RolesOfUser),
    /// Another password: one's own with --user, or somebody's who has forgotten it.
    #[command(after_help = "Example: switchyard user passwd --user anna")]
    Passwd {
        /// Whose; the one of --user where it is left out.
        #[arg(id = "login", value_name = "NAME")]
        user: Option<UserName>,
        #[command(flatten)]
        config: ConfigOption,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddUser {
    /// The login: small letters, digits, '.', '_' and '-'.
    #[arg(id = "login", value_name = "NAME")]
    pub(crate) user: UserName,
    /// What the person may do; can be given more than once.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub(crate) roles: Vec<RoleName>,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NamedUser {
    /// The login.
    #[arg(id = "login", value_name = "NAME")]
    pub(crate) user: UserName,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RolesOfUser {
    #[command(flatten)]
    pub(crate) named: NamedUser,
    /// What the person may do; can be given more than once.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub(crate) roles: Vec<RoleName>,
}

/// What somebody is for; docs/users.md has what each opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Users, and everything but parts of keys.
    Admin,
    /// Terminals, merchants, links, queues, batches.
    Operator,
    /// Limits, rules, hot cards, held payouts.
    Risk,
    /// Days, settlement, transfers.
    Finance,
    /// Parts of keys, their rotation and destruction.
    KeyCustodian,
    /// Looks at everything and changes nothing.
    Auditor,
}
impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Admin => Self::Admin,
            RoleName::Operator => Self::Operator,
            RoleName::Risk => Self::Risk,
            RoleName::Finance => Self::Finance,
            RoleName::KeyCustodian => Self::KeyCustodian,
            RoleName::Auditor => Self::Auditor,
        }
    }
}
