//! People who log in: who they are, what they may do, and what is kept of their passwords.

use crate::ids::DataError;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A login: a small letter, then small letters, digits, `.`, `_` and `-`.
///
/// Users of the system are named with their number in brackets, so that none of them can be taken for one of these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UserName(String);

impl UserName {
    /// Longest login, characters.
    pub const CHARACTERS_MAX: usize = 32;

    /// The login.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        let what = "user name";
        if !(1..=Self::CHARACTERS_MAX).contains(&text.len()) {
            let need_max = Self::CHARACTERS_MAX;
            return Err(DataError::Length { what, need_min: 1, need_max, have: text.len() });
        }
        let fits = |position: usize, byte: u8| {
            byte.is_ascii_lowercase() || position > 0 && (byte.is_ascii_digit() || b"._-".contains(&byte))
        };
        match text.bytes().enumerate().find(|(position, byte)| !fits(*position, *byte)) {
            Some((position, byte)) => Err(DataError::Character { what, byte, position }),
            None => Ok(Self(text.to_owned())),
        }
    }
}
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What somebody is for. Which commands that opens is one table of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
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

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Operator, Self::Risk, Self::Finance, Self::KeyCustodian, Self::Auditor];

    /// Its name, as people type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Risk => "risk",
            Self::Finance => "finance",
            Self::KeyCustodian => "key-custodian",
            Self::Auditor => "auditor",
        }
    }
}
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The roles of a user: one at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// These roles; `None` when there are none.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Option<Self> {
        let roles: BTreeSet<Role> = roles.into_iter().collect();
        (!roles.is_empty()).then_some(Self(roles))
    }
    /// Whether one of these is among them.
    pub fn any_of(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.0.contains(role))
    }
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }
}
impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = BTreeSet::deserialize(deserializer)?;
        Self::of(roles).ok_or_else(|| de::Error::custom("a user has one role at least"))
    }
}

/// What is kept of a password: salt, costs and hash in one line (PHC string format). It opens nothing, and it is for nobody
/// to read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRecord(pub String);
impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordRecord(…)")
    }
}

/// What becomes of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserOrder {
    /// May not log in any more, and what is open ends with its next command.
    Disable,
    /// May log in again.
    Enable,
    /// May try again before the time of a lockout is over.
    Unlock,
    /// Has these roles and no others.
    Roles(Roles),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_cannot_be_taken_for_a_user_of_the_system() {
        for good in ["a", "anna", "anna.b-2_c", &"a".repeat(32)] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        for bad in ["", "Anna", "2anna", "-a", "anna (uid 7)", "uid 7", "a\n", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nobody_has_no_role() {
        assert!(Roles::of([]).is_none());
        assert!(serde_json::from_str::<Roles>("[]").is_err());
        let roles = serde_json::from_str::<Roles>(r#"["risk","admin","risk"]"#).unwrap();
        assert_eq!(roles.iter().collect::<Vec<_>>(), [Role::Admin, Role::Risk]);
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
    }
}
