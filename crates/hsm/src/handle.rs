//! How a key is named.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use switchyard_keys::KeyError;
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};

use crate::error::HsmError;

/// When a key may be used; an absent bound is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// First moment.
    pub from: Option<SystemTime>,
    /// First moment at which it may be used no more.
    pub until: Option<SystemTime>,
}

impl Validity {
    /// Whether `now` is inside.
    #[must_use]
    pub fn contains(&self, now: SystemTime) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    const fn is_open(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }
}

/// A key that an HSM holds or can open. It never carries the key's bytes: `reference` is what the HSM gave
/// for it, the key enciphered under a key that does not leave the HSM.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHandle {
    id: Arc<str>,
    reference: Arc<str>,
    usage: KeyUsage,
    algorithm: KeyAlgorithm,
    check_value: [u8; 4],
    version: u8,
    validity: Validity,
}

impl KeyHandle {
    /// A key by its reference, with no bound in time. `id` is for people; `check_value` is the first bytes of
    /// the key's check value, of which HSMs compare the first three.
    ///
    /// # Errors
    /// [`HsmError::Key`] when `reference` has the form of no backend.
    pub fn new(id: &str, reference: &str, usage: KeyUsage, check_value: [u8; 4]) -> Result<Self, HsmError> {
        let (algorithm, version) = described(reference.as_bytes())
            .ok_or_else(|| HsmError::Key { id: id.to_owned(), source: KeyError::Malformed { offset: 0 } })?;
        let validity = Validity::default();
        Ok(Self {
            id: id.into(),
            reference: reference.into(),
            usage,
            algorithm,
            check_value,
            version,
            validity,
        })
    }

    /// The same key, to be used in `validity` only.
    #[must_use]
    pub fn with_validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// Its name, for people.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the HSM knows it by; printable, to be stored.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    pub(crate) fn shared_reference(&self) -> &Arc<str> {
        &self.reference
    }

    /// What it is for.
    #[must_use]
    pub const fn usage(&self) -> KeyUsage {
        self.usage
    }

    /// What may be done with it, as a key block says it (`B` both ways, `C` compute and verify …).
    #[must_use]
    pub const fn mode(&self) -> u8 {
        self.usage.mode_of_use()
    }

    /// Its cipher.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// First bytes of its check value.
    #[must_use]
    pub const fn check_value(&self) -> &[u8; 4] {
        &self.check_value
    }

    /// Its version, 0 to 99.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// When it may be used.
    #[must_use]
    pub const fn validity(&self) -> &Validity {
        &self.validity
    }

    /// Refuses a key that is not for one of `usages`, or not now.
    pub(crate) fn check(&self, usages: &[KeyUsage]) -> Result<(), HsmError> {
        if !usages.contains(&self.usage) {
            let need = usages.first().map_or("none", |usage| usage.name());
            return Err(self.error(KeyError::Usage { need, have: self.usage.stored_code() }));
        }
        if !self.validity.is_open() && !self.validity.contains(SystemTime::now()) {
            return Err(HsmError::Expired { id: self.id.to_string() });
        }
        Ok(())
    }

    pub(crate) fn error(&self, source: KeyError) -> HsmError {
        HsmError::Key { id: self.id.to_string(), source }
    }
}

impl fmt::Debug for KeyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHandle").field("id", &self.id).field("usage", &self.usage).finish_non_exhaustive()
    }
}

/// Cipher and version that a reference tells of its key.
///
/// | begins with | is |
/// |---|---|
/// | `D` | a key block of the software store |
/// | `S` | a key block under an HSM's local master key |
/// | `P` | a key under the wrapping key of a PKCS#11 token, behind a header like a key block's |
/// | `U`, `X`, `T`, `Y`, `Z`, 16 digits | a DES key under a variant of an HSM's local master key |
fn described(reference: &[u8]) -> Option<(KeyAlgorithm, u8)> {
    if !reference.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let block = match reference.first()? {
        b'S' => reference.get(1..)?,
        b'D' | b'P' => reference,
        b'U' | b'X' if reference.len() == 33 => return Some((KeyAlgorithm::Tdes, 0)),
        b'T' | b'Y' if reference.len() == 49 => return Some((KeyAlgorithm::Tdes, 0)),
        b'Z' if reference.len() == 17 => return Some((KeyAlgorithm::Des, 0)),
        _ if reference.len() == 16 => return Some((KeyAlgorithm::Des, 0)),
        _ => return None,
    };
    let algorithm = KeyAlgorithm::from_code(*block.get(7)?)?;
    let [tens, units] = [*block.get(9)?, *block.get(10)?].map(|digit| digit.wrapping_sub(b'0'));
    // A block of another maker may number its versions in letters; they have no order to us.
    Some((algorithm, if tens < 10 && units < 10 { 10 * tens + units } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_handle_says_what_its_reference_tells_and_refuses_other_work() {
        let block = "S00072P0TB00E0001EA421618B34F5FA1A77F7CF6480111B97CF0FAE7BD77D589EC921EF9";
        let handle = KeyHandle::new("zone", block, KeyUsage::Zpk, [1, 2, 3, 4]).unwrap();
        assert_eq!((handle.algorithm(), handle.version(), handle.mode()), (KeyAlgorithm::Tdes, 0, b'B'));
        assert!(handle.check(&[KeyUsage::Zpk]).is_ok());
        assert!(matches!(handle.check(&[KeyUsage::Pik]), Err(HsmError::Key { .. })));
        assert!(!format!("{handle:?}").contains("EA4216"));
        let past = Validity { from: None, until: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)) };
        assert!(matches!(handle.with_validity(past).check(&[KeyUsage::Zpk]), Err(HsmError::Expired { .. })));
        for bad in ["", "S", "Q123", "U12", "D0144", "S00072P0ÄB00"] {
            assert!(KeyHandle::new("bad", bad, KeyUsage::Zpk, [0; 4]).is_err(), "{bad}");
        }
    }
}
