//! Passwords of people: how long they are, what is kept of them, and whether one is right.
//!
//! What is kept is argon2id in its PHC string: salt and costs stand in it, so that costs can be raised without touching
//! what was kept before.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use switchyard_domain::PasswordRecord;
use zeroize::Zeroize;

use crate::error::KeyError;
use crate::secret::fill_random;

/// Bytes of salt, drawn for each password.
const SALT_BYTES: usize = 16;

/// What is compared where there is no user of a name, so that it takes as long: of a password that nobody knows.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3dpdGNoeWFyZC1ub2JvZHk$\
    9cEpx9tSqZvXnNBPNkaV3GKXp4yJmJ9qqtdGYZW9Gms";

/// A password that somebody typed: wiped when dropped, printed never.
pub struct Password(String);

impl Password {
    /// Fewest characters of a new password (PCI DSS 8.3.6).
    pub const CHARACTERS_MIN: usize = 12;
    /// Most characters: nobody types more, and hashing takes what it is given.
    pub const CHARACTERS_MAX: usize = 128;

    /// Takes what was typed.
    ///
    /// # Errors
    /// [`KeyError::Input`] for one that is longer than any password or has control characters; it is never quoted.
    pub fn new(mut typed: String) -> Result<Self, KeyError> {
        let fits = typed.chars().count() <= Self::CHARACTERS_MAX && !typed.contains(char::is_control);
        if fits && !typed.is_empty() {
            return Ok(Self(typed));
        }
        typed.zeroize();
        Err(KeyError::Input("password"))
    }

    /// What was typed. Named so that a reviewer finds every use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is long enough to be somebody's next password.
    #[must_use]
    pub fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= Self::CHARACTERS_MIN
    }

    /// What is kept of it, under a fresh salt. Takes some 20 milliseconds and 19 MiB.
    ///
    /// # Errors
    /// [`KeyError::Entropy`] without randomness, [`KeyError::Input`] when the hash refuses.
    pub fn record(&self) -> Result<PasswordRecord, KeyError> {
        let mut salt = [0; SALT_BYTES];
        fill_random(&mut salt)?;
        let hash = Argon2::default().hash_password_with_salt(self.0.as_bytes(), &salt);
        Ok(PasswordRecord(hash.map_err(|_| KeyError::Input("password"))?.to_string()))
    }

    /// Whether it is the one that was kept. Takes as long as [`Password::record`].
    #[must_use]
    pub fn is(&self, kept: &PasswordRecord) -> bool {
        PasswordVerifier::<str>::verify_password(&Argon2::default(), self.0.as_bytes(), &kept.0).is_ok()
    }

    /// Takes as long as to find it wrong: for a user that there is not.
    pub fn is_nobodys(&self) {
        let _never_right = self.is(&PasswordRecord(NOBODY.to_owned()));
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = String::deserialize(deserializer)?;
        Self::new(typed).map_err(serde::de::Error::custom)
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_password_is_right_or_not_and_its_record_does_not_tell() {
        let typed = password("a horse by the sea");
        let (one, other) = (typed.record().unwrap(), typed.record().unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !one.0.contains("horse"));
        assert!(typed.is(&one) && typed.is(&other));
        assert!(!password("a horse by the se").is(&one));
        assert!(!typed.is(&PasswordRecord("no record".into())), "what is damaged opens nothing");
        assert_eq!(format!("{typed:?} {one:?}"), "Password(…) PasswordRecord(…)");
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for (text, takes, long) in [
            (String::new(), false, false),
            ("a".repeat(11), true, false),
            ("ä".repeat(12), true, true),
            ("a".repeat(128), true, true),
            ("a".repeat(129), false, false),
            ("abcdefghijkl\n".to_owned(), false, false),
        ] {
            let taken = Password::new(text.clone());
            assert_eq!(taken.is_ok(), takes, "{text:?}");
            assert_eq!(taken.is_ok_and(|password| password.is_long_enough()), long, "{text:?}");
        }
    }

    #[test]
    fn nobodys_password_costs_what_everybodys_does() {
        // A record that cannot be read would be found wrong at once, and tell which users there are.
        let typed = password("x");
        let kept = password("another password").record().unwrap();
        let costs = |record: &str| record.split('$').nth(3).map(str::to_owned);
        assert_eq!(costs(NOBODY), costs(&kept.0));
        let params = argon2::PasswordHash::new(NOBODY);
        assert!(params.is_ok(), "it is read, and hashed against");
        typed.is_nobodys();
    }
}
