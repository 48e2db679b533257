//! Bytes that are wiped when dropped.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::error::KeyError;

/// Key bytes on the heap: wiped on drop, never printed, never cloned.
pub struct SecretBytes(Box<[u8]>);

impl SecretBytes {
    /// Takes a copy of `bytes`; the caller wipes its own.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Draws `count` random bytes from the operating system.
    ///
    /// # Errors
    /// [`KeyError::Entropy`] when the operating system refuses.
    pub fn random(count: usize) -> Result<Self, KeyError> {
        let mut bytes = Self(vec![0; count].into_boxed_slice());
        fill_random(&mut bytes.0)?;
        Ok(bytes)
    }

    /// The bytes themselves. Named so that a reviewer finds every use.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    /// Takes the vector over; when it has spare capacity it is copied and the original wiped.
    fn from(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into_boxed_slice());
        }
        let copy = Self(bytes.as_slice().into());
        bytes.zeroize();
        copy
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

pub(crate) fn fill_random(out: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(out).map_err(|_| KeyError::Entropy)
}

/// Compares without leaking where two values differ; the lengths are public.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && bool::from(left.ct_eq(right))
}
