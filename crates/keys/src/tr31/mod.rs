//! TR-31 / X9.143 key blocks: a key, what it may be used for, and a MAC over both.
//!
//! Versions B (triple DES) and D (AES) are written and read; A, C and E (ISO 20038) are read
//! only, because they are what older or other modules send.

mod header;
mod protect;

use crate::block::AesCipher;
use crate::error::KeyError;
use crate::secret::SecretBytes;

pub use self::header::{Header, OptionalBlock, Version};

pub(crate) use self::protect::AesProtection;

use self::protect::{open_e, open_variant, seal_b};

/// Longest key block, in characters: its length field has four digits.
pub const KEY_BLOCK_BYTES_MAX: usize = 9999;

/// A key out of its block.
#[derive(Debug)]
pub struct Unwrapped {
    /// What the block says about the key, authenticated.
    pub header: Header,
    /// The clear key.
    pub key: SecretBytes,
}

/// Authenticates and opens `block` under the key block protection key `kbpk`.
///
/// # Errors
/// [`KeyError::Malformed`] when it is no key block, [`KeyError::Length`] when `kbpk` does not
/// fit its version, [`KeyError::Authentication`] when its MAC is wrong.
pub fn unwrap(kbpk: &[u8], block: &[u8]) -> Result<Unwrapped, KeyError> {
    let parsed = header::parse(block)?;
    let payload = match parsed.header.version {
        Version::A | Version::C => open_variant(kbpk, &parsed)?,
        Version::B => protect::open_b(kbpk, &parsed)?,
        Version::D => AesProtection::new(kbpk)?.open(&parsed)?,
        Version::E => open_e(kbpk, &parsed)?,
    };
    Ok(Unwrapped { key: key_of(&payload, parsed.header.version)?, header: parsed.header })
}

/// [`unwrap`] for a version D block under a key block protection key that is somewhere else.
///
/// # Errors
/// As [`unwrap`].
pub fn unwrap_with(kbpk: AesCipher, kbpk_bytes: usize, block: &[u8]) -> Result<Unwrapped, KeyError> {
    AesProtection::derived(kbpk, kbpk_bytes)?.unwrap(block)
}

/// [`wrap`] of a version D block under a key block protection key that is somewhere else.
///
/// # Errors
/// As [`wrap`].
pub fn wrap_with(
    kbpk: AesCipher,
    kbpk_bytes: usize,
    header: &Header,
    key: &[u8],
) -> Result<Vec<u8>, KeyError> {
    AesProtection::derived(kbpk, kbpk_bytes)?.seal(header, key)
}

/// Wraps `key` as `header` says, under `kbpk`. The key's length is hidden by padding up to
/// the longest key of its algorithm.
///
/// # Errors
/// [`KeyError::Input`] for a version that is read only or a header with impossible text,
/// [`KeyError::Length`] for a `kbpk` or `key` of the wrong length, [`KeyError::Entropy`]
/// without randomness for the padding.
pub fn wrap(kbpk: &[u8], header: &Header, key: &[u8]) -> Result<Vec<u8>, KeyError> {
    match header.version {
        Version::B => seal_b(kbpk, header, key),
        Version::D => AesProtection::new(kbpk)?.seal(header, key),
        Version::A | Version::C | Version::E => Err(KeyError::Input("key block version to write")),
    }
}

/// The length field and the key at the front of a decrypted payload.
fn key_of(payload: &SecretBytes, version: Version) -> Result<SecretBytes, KeyError> {
    let malformed = KeyError::Malformed { offset: version.header_bytes() };
    let (bits, rest) = payload.expose().split_first_chunk::<2>().ok_or(malformed.clone())?;
    let bits = usize::from(u16::from_be_bytes(*bits));
    if bits == 0 || bits % 8 != 0 {
        return Err(malformed);
    }
    rest.get(..bits / 8).map(SecretBytes::from_slice).ok_or(malformed)
}
