//! Who gives a command: the user that the system vouches for, and nobody else.

use std::path::Path;

use switchyard_domain::Actor;

/// Where the system keeps the names of its users.
const USERS: &str = "/etc/passwd";

/// Why nobody can be named as the one who gave a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoProof {
    /// The system does not say who is on the other end.
    #[error("the system does not say who is asking")]
    Unknown,
    /// Somebody else's name was given.
    #[error("you are {is}, and cannot act as somebody else: let them ask under their own user")]
    Other {
        /// Who it is.
        is: String,
    },
}

/// The user of this process.
pub fn myself() -> Actor {
    named(rustix::process::getuid().as_raw(), Path::new(USERS))
}

/// The user at the other end of a socket. A login that came along has to be that user's own.
///
/// # Errors
/// [`NoProof`] when it is another's, or when the system names nobody.
pub(crate) fn peer(user: Option<u32>, claimed: Option<&str>) -> Result<Actor, NoProof> {
    let user = user.ok_or(NoProof::Unknown)?;
    let login = login(user, Path::new(USERS));
    let own = |claimed: &str| login.as_deref() == Some(claimed);
    match claimed {
        Some(claimed) if !own(claimed) => Err(NoProof::Other { is: text(user, login) }),
        _ => Ok(Actor::Operator(text(user, login))),
    }
}

fn named(user: u32, users: &Path) -> Actor {
    Actor::Operator(text(user, login(user, users)))
}

fn text(user: u32, login: Option<String>) -> String {
    match login {
        Some(login) => format!("{login} (uid {user})"),
        None => format!("uid {user}"),
    }
}

/// The login of a user; several may share a number, and then it is the first.
fn login(user: u32, users: &Path) -> Option<String> {
    let text = std::fs::read_to_string(users).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (login, number) = (fields.next()?, fields.nth(1)?);
        let plain =
            !login.is_empty() && login.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-$".contains(&b));
        (plain && number.parse() == Ok(user)).then(|| login.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_system_alone() {
        let dir = tempfile::tempdir().unwrap();
        let users = dir.path().join("passwd");
        std::fs::write(&users, "root:x:0:0::/root:/bin/sh\nanna:x:1001:1001::/:\nbad name:x:7:7::/:\n")
            .unwrap();
        let operator = |name: &str| Actor::Operator(name.to_owned());
        assert_eq!(named(1001, &users), operator("anna (uid 1001)"));
        assert_eq!(named(7, &users), operator("uid 7"));
        assert_eq!(named(9, &dir.path().join("none")), operator("uid 9"));
    }

    #[test]
    fn another_users_name_is_refused_and_ones_own_is_not() {
        assert_eq!(peer(None, None), Err(NoProof::Unknown));
        let Actor::Operator(me) = myself() else { panic!() };
        let user = rustix::process::getuid().as_raw();
        assert_eq!(peer(Some(user), None), Ok(myself()));
        assert_eq!(peer(Some(user), Some("somebody-else")), Err(NoProof::Other { is: me.clone() }));
        if let Some((login, _)) = me.split_once(" (") {
            assert_eq!(peer(Some(user), Some(login)), Ok(myself()));
        }
    }
}
