//! The local master key while it changes: new keys go under the one in force, and what the ones before it wrapped
//! still opens.

use std::sync::{Arc, PoisonError, RwLock};

use super::{KeyAttributes, KeyInfo, KeyUsage, Lmk, WrappedKey};
use crate::error::KeyError;
use crate::secret::SecretBytes;

/// Most local master keys at a time: the one in force, and those whose keys are not all translated yet.
pub const LMKS_MAX: usize = 8;

/// Local master keys, of which the first is in force.
///
/// Nothing in a key block says which one it is under. Its MAC does: it is that of one of them, or the block is refused.
pub struct LmkRing {
    keys: RwLock<Arc<[Arc<Lmk>]>>,
}

impl LmkRing {
    /// `current` is in force; what `before` wrapped still opens.
    #[must_use]
    pub fn new(current: Lmk, before: impl IntoIterator<Item = Lmk>) -> Self {
        let mut keys = vec![Arc::new(current)];
        for lmk in before {
            if keys.iter().all(|known| known.check_value() != lmk.check_value()) {
                keys.push(Arc::new(lmk));
            }
        }
        Self { keys: RwLock::new(keys.into()) }
    }

    fn all(&self) -> Arc<[Arc<Lmk>]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Check values, the one in force first.
    #[must_use]
    pub fn check_values(&self) -> Vec<[u8; 4]> {
        self.all().iter().map(|lmk| lmk.check_value()).collect()
    }

    /// Check value of the one in force.
    #[must_use]
    pub fn check_value(&self) -> [u8; 4] {
        self.all()[0].check_value()
    }

    /// Puts another one in force; those before it still open. One that is there already comes to the front.
    ///
    /// # Errors
    /// [`KeyError::Input`] above [`LMKS_MAX`].
    pub fn succeed(&self, next: Lmk) -> Result<(), KeyError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let check_value = next.check_value();
        let before = keys.iter().filter(|lmk| lmk.check_value() != check_value).cloned();
        let all: Vec<Arc<Lmk>> = std::iter::once(Arc::new(next)).chain(before).collect();
        if all.len() > LMKS_MAX {
            return Err(KeyError::Input("local master keys that are not retired"));
        }
        *keys = all.into();
        Ok(())
    }

    /// Has the keys of another one from now on.
    pub fn take_over(&self, other: Self) {
        let theirs = other.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = theirs;
    }

    /// Forgets all but the one in force.
    pub fn retire(&self) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let current = Arc::clone(&keys[0]);
        *keys = [current].into();
    }

    /// As [`Lmk::wrap`], under the one in force.
    ///
    /// # Errors
    /// As [`Lmk::wrap`].
    pub fn wrap(
        &self,
        key: &[u8],
        usage: KeyUsage,
        attributes: KeyAttributes,
    ) -> Result<WrappedKey, KeyError> {
        self.all()[0].wrap(key, usage, attributes)
    }

    /// As [`Lmk::unwrap`], under whichever it is.
    ///
    /// # Errors
    /// As [`Lmk::unwrap`].
    pub fn unwrap(&self, wrapped: &WrappedKey, usage: KeyUsage) -> Result<SecretBytes, KeyError> {
        self.opened(|lmk| lmk.unwrap(wrapped, usage)).map(|(_, key)| key)
    }

    /// As [`Lmk::inspect`], under whichever it is.
    ///
    /// # Errors
    /// As [`Lmk::inspect`].
    pub fn inspect(&self, wrapped: &WrappedKey) -> Result<KeyInfo, KeyError> {
        self.opened(|lmk| lmk.inspect(wrapped)).map(|(_, info)| info)
    }

    /// A key under the one in force, as it was under another: the same key, use, cipher, version and exportability. Nothing
    /// when it is under the one in force already.
    ///
    /// # Errors
    /// As [`Lmk::inspect`] and [`Lmk::wrap`].
    pub fn translate(&self, wrapped: &WrappedKey) -> Result<Option<WrappedKey>, KeyError> {
        let all = self.all();
        let (place, info) = opened_by(&all, |lmk| lmk.inspect(wrapped))?;
        if place == 0 {
            return Ok(None);
        }
        let key = all[place].unwrap(wrapped, info.usage)?;
        all[0].wrap_known(key.expose(), info.usage, info.attributes).map(Some)
    }

    fn opened<T>(&self, open: impl Fn(&Lmk) -> Result<T, KeyError>) -> Result<(usize, T), KeyError> {
        opened_by(&self.all(), open)
    }
}

/// What the first key gives that the block's MAC is of, and which it is.
fn opened_by<T>(
    keys: &[Arc<Lmk>],
    open: impl Fn(&Lmk) -> Result<T, KeyError>,
) -> Result<(usize, T), KeyError> {
    for (place, lmk) in keys.iter().enumerate() {
        match open(lmk) {
            Err(KeyError::Authentication) => {}
            other => return other.map(|value| (place, value)),
        }
    }
    Err(KeyError::Authentication)
}

impl From<Lmk> for LmkRing {
    fn from(lmk: Lmk) -> Self {
        Self::new(lmk, [])
    }
}

impl std::fmt::Debug for LmkRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LmkRing(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lmk::KeyAlgorithm;

    #[test]
    fn what_was_wrapped_before_opens_until_it_is_retired() {
        let ring = LmkRing::from(Lmk::generate().unwrap());
        let clear = SecretBytes::random(32).unwrap();
        let attributes = KeyAttributes { algorithm: KeyAlgorithm::Aes, version: 42, exportable: true };
        let old = ring.wrap(clear.expose(), KeyUsage::Zmk, attributes).unwrap();
        assert_eq!(ring.translate(&old), Ok(None));
        let before = ring.check_value();
        ring.succeed(Lmk::generate().unwrap()).unwrap();
        assert_eq!(ring.check_values()[1..], [before]);
        assert_eq!(ring.unwrap(&old, KeyUsage::Zmk).unwrap().expose(), clear.expose());
        let new = ring.translate(&old).unwrap().expect("it is under the one before");
        assert_eq!(ring.inspect(&new), ring.inspect(&old), "the same in everything");
        assert!(matches!(ring.unwrap(&new, KeyUsage::Tmk), Err(KeyError::Usage { .. })));
        ring.retire();
        assert_eq!(ring.unwrap(&new, KeyUsage::Zmk).unwrap().expose(), clear.expose());
        assert_eq!(ring.unwrap(&old, KeyUsage::Zmk).unwrap_err(), KeyError::Authentication);
        assert_eq!(ring.translate(&old), Err(KeyError::Authentication));
    }

    #[test]
    fn there_is_a_limit_to_keys_that_are_not_retired() {
        let ring = LmkRing::from(Lmk::generate().unwrap());
        (1..LMKS_MAX).for_each(|_| ring.succeed(Lmk::generate().unwrap()).unwrap());
        let kept = ring.check_values();
        assert!(matches!(ring.succeed(Lmk::generate().unwrap()), Err(KeyError::Input(_))));
        assert_eq!(ring.check_values(), kept);
    }
}
