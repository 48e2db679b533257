//! The local master key: every key at rest is a key block under it.
//!
//! The caller stores what [`Lmk::wrap`] gives and brings the LMK back at start from its
//! components; this crate touches no file.

mod import;
mod ring;
mod usage;

use zeroize::Zeroize;

use crate::des_key::DesKey;
use crate::error::{KeyError, Weakness};
use crate::mac::aes_cmac;
use crate::secret::SecretBytes;
use crate::tr31::{self, AesProtection, Header, Unwrapped, Version};

pub use self::ring::{LMKS_MAX, LmkRing};
pub use self::usage::{KeyAlgorithm, KeyUsage};

/// Length of the LMK, in bytes: AES-256.
pub const LMK_BYTES: usize = 32;

/// What is bound to a key beside its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAttributes {
    /// Cipher the key is for.
    pub algorithm: KeyAlgorithm,
    /// Version within its slot, 0 to 99.
    pub version: u8,
    /// Whether it may leave under another key block protection key.
    pub exportable: bool,
}

impl KeyAttributes {
    /// Version 0, not exportable.
    #[must_use]
    pub const fn new(algorithm: KeyAlgorithm) -> Self {
        Self { algorithm, version: 0, exportable: false }
    }
}

/// What a wrapped key says of itself, authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// What the key is for.
    pub usage: KeyUsage,
    /// What is bound to it.
    pub attributes: KeyAttributes,
    /// First 3 bytes of its check value, as people compare it.
    pub check_value: [u8; 3],
}

/// A key under the LMK: a TR-31 version D block in ASCII. No secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// Takes the text of a key block as it was stored; it is checked when unwrapped.
    #[must_use]
    pub const fn from_bytes(ascii: Vec<u8>) -> Self {
        Self(ascii)
    }

    /// The text of the key block.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The local master key, with the keys of its blocks expanded.
pub struct Lmk {
    bytes: [u8; LMK_BYTES],
    protection: AesProtection,
}

impl Lmk {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`KeyError::Entropy`] without randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let bytes = SecretBytes::random(LMK_BYTES)?;
        Self::from_slice(bytes.expose())
    }

    /// Takes 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless there are 32, [`KeyError::Weak`] when all are equal.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; LMK_BYTES] =
            bytes.try_into().map_err(|_| KeyError::Length { need: "32", have: bytes.len() })?;
        if bytes.iter().all(|b| b == &bytes[0]) {
            let zero = bytes[0] == 0;
            return Err(KeyError::Weak(if zero { Weakness::AllZero } else { Weakness::EqualParts }));
        }
        Ok(Self { bytes: *bytes, protection: AesProtection::new(bytes)? })
    }

    /// The exclusive or of 2 or 3 components of 32 bytes, each entered by another person.
    ///
    /// # Errors
    /// [`KeyError::Input`] unless there are 2 or 3, [`KeyError::Weak`] when two are equal,
    /// else as [`Lmk::from_slice`].
    pub fn from_components(components: &[&[u8]]) -> Result<Self, KeyError> {
        let sum = crate::components::combine(components)?;
        Self::from_slice(sum.expose())
    }

    /// Draws `count` (2 or 3) components whose exclusive or is this key, for its custodians.
    ///
    /// # Errors
    /// [`KeyError::Input`] unless `count` is 2 or 3, [`KeyError::Entropy`] without randomness.
    pub fn split(&self, count: usize) -> Result<Vec<SecretBytes>, KeyError> {
        crate::components::split(&self.bytes, count)
    }

    /// Check value: the first 5 bytes of the CMAC of a zero block (X9.24-1 for AES).
    #[must_use]
    pub fn kcv(&self) -> [u8; 5] {
        aes_kcv(&self.bytes).expect("an LMK has 32 bytes")
    }

    /// The first 4 bytes of [`kcv`](Self::kcv), as the ledger keeps check values.
    #[must_use]
    pub fn check_value(&self) -> [u8; 4] {
        let [a, b, c, d, _] = self.kcv();
        [a, b, c, d]
    }

    /// Wraps `key` for storage.
    ///
    /// # Errors
    /// [`KeyError::Length`] when `key` does not fit its algorithm, [`KeyError::Weak`] for a DES
    /// key that [`DesKey::check_quality`] or [`DesKey::check_parity`] refuses, [`KeyError::Input`] for a
    /// version over 99, [`KeyError::Entropy`] without randomness.
    pub fn wrap(
        &self,
        key: &[u8],
        usage: KeyUsage,
        attributes: KeyAttributes,
    ) -> Result<WrappedKey, KeyError> {
        if matches!(attributes.algorithm, KeyAlgorithm::Des | KeyAlgorithm::Tdes) {
            let key = DesKey::from_slice(key)?;
            key.check_quality()?;
            key.check_parity()?;
        }
        self.wrap_known(key, usage, attributes)
    }

    /// As [`Lmk::wrap`], for a key that was taken in before: whatever may be said against it, it is in use.
    pub(super) fn wrap_known(
        &self,
        key: &[u8],
        usage: KeyUsage,
        attributes: KeyAttributes,
    ) -> Result<WrappedKey, KeyError> {
        if !attributes.algorithm.takes(key.len()) {
            return Err(KeyError::Length { need: "as its algorithm says", have: key.len() });
        }
        if attributes.version > 99 {
            return Err(KeyError::Input("key version"));
        }
        let mut header = Header::new(
            Version::D,
            usage.stored_code(),
            attributes.algorithm.code(),
            usage.mode_of_use(),
            if attributes.exportable { b'E' } else { b'N' },
        );
        header.key_version = [b'0' + attributes.version / 10, b'0' + attributes.version % 10];
        self.protection.seal(&header, key).map(WrappedKey)
    }

    /// Opens `wrapped` for `usage` and no other.
    ///
    /// # Errors
    /// [`KeyError::Authentication`] under another LMK or when altered, [`KeyError::Usage`]
    /// when the key is for something else, [`KeyError::Malformed`] when it is no key block.
    pub fn unwrap(&self, wrapped: &WrappedKey, usage: KeyUsage) -> Result<SecretBytes, KeyError> {
        let unwrapped = self.protection.unwrap(&wrapped.0)?;
        let have = unwrapped.header.usage;
        if have != usage.stored_code() || unwrapped.header.mode_of_use != usage.mode_of_use() {
            return Err(KeyError::Usage { need: usage.name(), have });
        }
        Ok(unwrapped.key)
    }

    /// What `wrapped` is, for a listing.
    ///
    /// # Errors
    /// [`KeyError::Authentication`] under another LMK or when altered, [`KeyError::Malformed`]
    /// when it is no key block of ours.
    pub fn inspect(&self, wrapped: &WrappedKey) -> Result<KeyInfo, KeyError> {
        let Unwrapped { header, key } = self.protection.unwrap(&wrapped.0)?;
        let usage = KeyUsage::ALL.into_iter().find(|usage| usage.stored_code() == header.usage);
        let algorithm = KeyAlgorithm::from_code(header.algorithm);
        let [tens, units] = header.key_version.map(|digit| digit.wrapping_sub(b'0'));
        let (Some(usage), Some(algorithm), 0..=9, 0..=9) = (usage, algorithm, tens, units) else {
            return Err(KeyError::Malformed { offset: 5 });
        };
        let attributes =
            KeyAttributes { algorithm, version: 10 * tens + units, exportable: header.exportability == b'E' };
        let [a, b, c, _] = algorithm.check_value(key.expose())?;
        Ok(KeyInfo { usage, attributes, check_value: [a, b, c] })
    }

    /// Takes a key in from a TR-31 block under `kbpk`, a key for the cipher `kbpk_algorithm`, if the block says
    /// that it is for `usage`.
    ///
    /// # Errors
    /// As [`tr31::unwrap`], [`KeyAttributes::of_import`] and [`Lmk::wrap`].
    pub fn import(
        &self,
        (kbpk_algorithm, kbpk): (KeyAlgorithm, &[u8]),
        block: &[u8],
        usage: KeyUsage,
    ) -> Result<WrappedKey, KeyError> {
        let unwrapped = tr31::unwrap(kbpk, block)?;
        let attributes = KeyAttributes::of_import(&unwrapped, (kbpk_algorithm, kbpk.len()), usage)?;
        self.wrap(unwrapped.key.expose(), usage, attributes)
    }

    /// Exports a stored key as a TR-31 version D block under the AES key `kbpk`, if it was
    /// wrapped as exportable.
    ///
    /// # Errors
    /// As [`Lmk::unwrap`], and [`KeyError::Input`] when the key is not exportable.
    pub fn export(&self, wrapped: &WrappedKey, usage: KeyUsage, kbpk: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.unwrap(wrapped, usage)?;
        let mut header = self.protection.unwrap(&wrapped.0)?.header;
        if header.exportability != b'E' {
            return Err(KeyError::Input("exportability"));
        }
        header.usage = usage.tr31_code();
        AesProtection::new(kbpk)?.seal(&header, key.expose())
    }
}

impl Drop for Lmk {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl std::fmt::Debug for Lmk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lmk(…)")
    }
}

/// Check value of an AES key: the first 5 bytes of the CMAC of a zero block.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16, 24 or 32 bytes.
pub fn aes_kcv(key: &[u8]) -> Result<[u8; 5], KeyError> {
    let mac = aes_cmac(key, &[0; 16])?;
    Ok([mac[0], mac[1], mac[2], mac[3], mac[4]])
}
