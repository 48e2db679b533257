//! Who gives a command: the user that the system vouches for, or one who has logged in, and nobody else.

use std::path::Path;

use switchyard_domain::{Actor, UserName};

/// Where the system keeps the names of its users.
const USERS: &str = "/etc/passwd";
/// The system's administrator.
const ROOT: u32 = 0;

/// Why nobody can be named as the one who gave a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoProof {
    /// The system does not say who is on the other end.
    #[error("the system does not say who is asking")]
    Unknown,
    /// A user of the system who is not the switch's own.
    #[error("you are {is}, whom the switch does not know: log in with --user")]
    Login {
        /// Who it is.
        is: String,
    },
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

/// Who is at the other end of a connection: whom the system vouches for, until somebody logs in.
#[derive(Debug)]
pub(crate) struct Asker {
    peer: Option<u32>,
    user: Option<UserName>,
}

impl Asker {
    pub(crate) fn of(peer: Option<u32>) -> Self {
        Self { peer, user: None }
    }
    pub(crate) fn is_now(&mut self, user: UserName) {
        self.user = Some(user);
    }
    pub(crate) fn is_logged_in(&self) -> bool {
        self.user.is_some()
    }

    /// In whose name commands of this connection are recorded. A name that came along has to be that one.
    ///
    /// # Errors
    /// [`NoProof`] when it is another's, or nobody is proven.
    pub(crate) fn actor(&self, claimed: Option<&str>) -> Result<Actor, NoProof> {
        match &self.user {
            Some(user) if claimed.is_none_or(|claimed| claimed == user.as_str()) => {
                Ok(Actor::User(user.clone()))
            }
            Some(user) => Err(NoProof::Other { is: user.to_string() }),
            None => peer(self.peer, rustix::process::getuid().as_raw(), claimed),
        }
    }
}

/// The user of the system at the other end of a socket: only the one that the switch runs as, and root, who can read its
/// keys as it is. A login that came along has to be that user's own.
fn peer(user: Option<u32>, own: u32, claimed: Option<&str>) -> Result<Actor, NoProof> {
    let user = user.ok_or(NoProof::Unknown)?;
    let login = login(user, Path::new(USERS));
    let named = |claimed: &str| login.as_deref() == Some(claimed);
    match claimed {
        Some(claimed) if !named(claimed) => Err(NoProof::Other { is: text(user, login) }),
        _ if user != own && user != ROOT => Err(NoProof::Login { is: text(user, login) }),
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
        assert_eq!(Asker::of(None).actor(None), Err(NoProof::Unknown));
        let Actor::Operator(me) = myself() else { panic!() };
        let own = rustix::process::getuid().as_raw();
        let mut asker = Asker::of(Some(own));
        assert_eq!(asker.actor(None), Ok(myself()));
        assert_eq!(asker.actor(Some("somebody-else")), Err(NoProof::Other { is: me.clone() }));
        if let Some((login, _)) = me.split_once(" (") {
            assert_eq!(asker.actor(Some(login)), Ok(myself()));
        }
        asker.is_now("anna".parse().unwrap());
        let anna = Actor::User("anna".parse().unwrap());
        assert_eq!(asker.actor(None), Ok(anna.clone()));
        assert_eq!(asker.actor(Some("anna")), Ok(anna));
        let other = Err(NoProof::Other { is: "anna".into() });
        for claimed in ["somebody-else", me.as_str()] {
            assert_eq!(asker.actor(Some(claimed)), other, "nor by the system any more");
        }
    }

    #[test]
    fn only_the_switchs_own_user_and_root_come_without_a_login() {
        assert!(peer(Some(1001), 1001, None).is_ok());
        assert!(peer(Some(ROOT), 1001, None).is_ok());
        assert!(matches!(peer(Some(1002), 1001, None), Err(NoProof::Login { .. })));
        assert!(matches!(peer(Some(1001), ROOT, None), Err(NoProof::Login { .. })));
    }
}
