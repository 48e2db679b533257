//! ISO 9797-1 algorithms 1 and 3 with its three paddings.

use crate::block::{AesCipher, TdesCipher};
use crate::des_key::DesKey;
use crate::error::KeyError;

use super::cbc::CbcMac;

/// How ISO 9797-1 fills the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Method 1: zeros, as few as needed.
    Zero,
    /// Method 2: one bit 1, then zeros.
    Bit,
    /// Method 3: zeros at the end, and the length in bits as a block in front.
    Length,
}

/// Algorithm 1 (plain CBC-MAC) with DES or triple DES, in full length.
#[must_use]
pub fn iso9797_alg1_tdes(key: &DesKey, padding: Padding, data: &[u8]) -> [u8; 8] {
    let cipher = TdesCipher::new(key);
    padded(padding, data, |parts| CbcMac::compute(&cipher, &cipher, parts))
}

/// Algorithm 1 with AES, in full length.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16, 24 or 32 bytes.
pub fn iso9797_alg1_aes(key: &[u8], padding: Padding, data: &[u8]) -> Result<[u8; 16], KeyError> {
    let cipher = AesCipher::new(key)?;
    Ok(padded(padding, data, |parts| CbcMac::compute(&cipher, &cipher, parts)))
}

/// Algorithm 3 (retail MAC): single DES, and triple DES for the last block.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16 bytes.
pub fn iso9797_alg3(key: &DesKey, padding: Padding, data: &[u8]) -> Result<[u8; 8], KeyError> {
    if key.len() != 16 {
        return Err(KeyError::Length { need: "16", have: key.len() });
    }
    let inner = TdesCipher::new(&DesKey::from_slice(&key.expose()[..8])?);
    let last = TdesCipher::new(key);
    Ok(padded(padding, data, |parts| CbcMac::compute(&inner, &last, parts)))
}

/// Calls `mac` with `data` and what the padding puts around it; zeros are the CBC's own.
fn padded<const N: usize>(padding: Padding, data: &[u8], mac: impl Fn(&[&[u8]]) -> [u8; N]) -> [u8; N] {
    match padding {
        Padding::Zero => mac(&[data]),
        Padding::Bit => mac(&[data, &[0x80]]),
        Padding::Length => {
            let mut length = [0; N];
            length[N - 8..].copy_from_slice(&(data.len() as u64 * 8).to_be_bytes());
            mac(&[&length, data])
        }
    }
}
