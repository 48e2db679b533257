//! DES and triple-DES keys.

use zeroize::Zeroize;

use crate::block::{TdesCipher, ecb_decrypt, ecb_encrypt};
use crate::error::{KeyError, Weakness};
use crate::secret::fill_random;

/// Longest DES key, in bytes.
pub const DES_KEY_BYTES_MAX: usize = 24;

/// A DES key of 8 bytes or a triple-DES key of 16 or 24.
///
/// Wiped on drop; no `Clone`, no `Serialize`, and `Debug` shows the length alone.
///
/// ```compile_fail
/// let key = switchyard_keys::DesKey::generate(16)?;
/// let copy = key.clone();
/// # Ok::<(), switchyard_keys::KeyError>(())
/// ```
pub struct DesKey {
    bytes: [u8; DES_KEY_BYTES_MAX],
    len: u8,
}

impl DesKey {
    /// Takes a copy of the key bytes as they are: terminals in the field hold keys without
    /// odd parity, so parity is not asked for here (see [`DesKey::check_quality`]).
    ///
    /// # Errors
    /// [`KeyError::Length`] unless there are 8, 16 or 24 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        if !matches!(bytes.len(), 8 | 16 | 24) {
            return Err(KeyError::Length { need: "8, 16 or 24", have: bytes.len() });
        }
        let mut key = Self { bytes: [0; DES_KEY_BYTES_MAX], len: bytes.len() as u8 };
        key.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(key)
    }

    /// Draws a key of `len_bytes` with odd parity that passes [`DesKey::check_quality`].
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `len_bytes` is 8, 16 or 24; [`KeyError::Entropy`] without
    /// randomness.
    pub fn generate(len_bytes: usize) -> Result<Self, KeyError> {
        let zero = [0; DES_KEY_BYTES_MAX];
        let length = KeyError::Length { need: "8, 16 or 24", have: len_bytes };
        let mut key = Self::from_slice(zero.get(..len_bytes).ok_or(length)?)?;
        loop {
            fill_random(&mut key.bytes[..len_bytes])?;
            set_odd_parity(&mut key.bytes[..len_bytes]);
            if key.check_quality().is_ok() {
                return Ok(key);
            }
        }
    }

    /// The key bytes. Named so that a reviewer finds every use.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Length in bytes: 8, 16 or 24.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Refuses what must not be loaded into production: all zero, two equal parts, or a part
    /// on the list of weak, semi-weak and possibly weak keys (NIST SP 800-67). Parity bits
    /// do not count.
    ///
    /// # Errors
    /// [`KeyError::Weak`] with the reason.
    pub fn check_quality(&self) -> Result<(), KeyError> {
        let mut copy = self.duplicate();
        set_odd_parity(&mut copy.bytes);
        let key = copy.expose();
        if key.iter().all(|&b| b == 0x01) {
            return Err(KeyError::Weak(Weakness::AllZero));
        }
        // The third part may equal the first: that is two-key triple DES written out.
        if key.len() > 8 && key[..8] == key[8..16] || key.len() == 24 && key[8..16] == key[16..] {
            return Err(KeyError::Weak(Weakness::EqualParts));
        }
        if key.chunks_exact(8).any(|part| des::weak_key_test(part).is_err()) {
            return Err(KeyError::Weak(Weakness::WeakPart));
        }
        Ok(())
    }

    /// Refuses a key with an even-parity byte, which is how a mistyped component shows.
    ///
    /// # Errors
    /// [`KeyError::Weak`] with [`Weakness::Parity`].
    pub fn check_parity(&self) -> Result<(), KeyError> {
        if self.expose().iter().all(|b| b.count_ones() % 2 == 1) {
            Ok(())
        } else {
            Err(KeyError::Weak(Weakness::Parity))
        }
    }

    /// This key enciphered under `wrapping`, block by block (ECB), as UnionPay wraps working
    /// keys under a TMK.
    #[must_use]
    pub(crate) fn wrap_ecb(&self, wrapping: &TdesCipher) -> WrappedDes {
        let mut wrapped = WrappedDes { bytes: self.bytes, len: self.len };
        ecb_encrypt(wrapping, &mut wrapped.bytes[..usize::from(self.len)]);
        wrapped
    }

    /// Reverses [`DesKey::wrap_ecb`].
    pub(crate) fn unwrap_ecb(wrapping: &TdesCipher, wrapped: &[u8]) -> Result<Self, KeyError> {
        let mut key = Self::from_slice(wrapped)?;
        ecb_decrypt(wrapping, &mut key.bytes[..wrapped.len()]);
        Ok(key)
    }

    /// A second copy, wiped like the first. Not `Clone`, so that outside this crate a key has
    /// one owner.
    pub(crate) fn duplicate(&self) -> Self {
        Self { bytes: self.bytes, len: self.len }
    }

    /// The exclusive or of this key with `mask`, repeated to the key's length.
    pub(crate) fn variant(&self, mask: &[u8]) -> Self {
        let mut key = self.duplicate();
        for (byte, m) in key.bytes[..usize::from(self.len)].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= m;
        }
        key
    }
}

/// An enciphered key: no secret, and therefore copyable.
#[derive(Clone, Copy)]
pub(crate) struct WrappedDes {
    bytes: [u8; DES_KEY_BYTES_MAX],
    len: u8,
}

impl WrappedDes {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Drop for DesKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl std::fmt::Debug for DesKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DesKey({} bytes)", self.len)
    }
}

/// Check value: the first 4 bytes of a zero block enciphered under the key.
///
/// UnionPay carries 4; elsewhere the first 3 are shown.
#[must_use]
pub fn kcv(key: &DesKey) -> [u8; 4] {
    let block = TdesCipher::new(key).encrypt_block([0; 8]);
    [block[0], block[1], block[2], block[3]]
}

/// Enciphers key bytes under `wrapping` block by block (ECB), as UnionPay wraps working keys under a TMK.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 8, 16 or 24 bytes.
pub fn wrap_des_ecb(wrapping: &TdesCipher, key: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(DesKey::from_slice(key)?.wrap_ecb(wrapping).as_bytes().to_vec())
}

/// Sets the lowest bit of each byte so that its number of ones is odd.
pub fn set_odd_parity(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = (*byte & 0xFE) | u8::from((*byte & 0xFE).count_ones() % 2 == 0);
    }
}
