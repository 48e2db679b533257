//! CMAC (NIST SP 800-38B, ISO 9797-1 algorithm 5) over AES and triple DES.

use zeroize::Zeroize;

use crate::block::{AesCipher, BlockCipher, TdesCipher, xor_into};
use crate::des_key::DesKey;
use crate::error::KeyError;

/// A cipher with its two CMAC subkeys.
pub(crate) struct CmacKey<const N: usize, C: BlockCipher<N>> {
    cipher: C,
    /// XORed into a last block that is whole, and into one that was padded.
    subkeys: [[u8; N]; 2],
}

impl<const N: usize, C: BlockCipher<N>> CmacKey<N, C> {
    pub(crate) fn new(cipher: C) -> Self {
        let mut zero = [0; N];
        cipher.encrypt(&mut zero);
        let whole = double(zero);
        zero.zeroize();
        Self { cipher, subkeys: [whole, double(whole)] }
    }

    pub(crate) fn compute(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut chain = [0_u8; N];
        let mut filled = 0;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                if filled == N {
                    self.cipher.encrypt(&mut chain);
                    filled = 0;
                }
                let take = rest.len().min(N - filled);
                xor_into(&mut chain[filled..filled + take], &rest[..take]);
                filled += take;
                rest = &rest[take..];
            }
        }
        if filled == N {
            xor_into(&mut chain, &self.subkeys[0]);
        } else {
            chain[filled] ^= 0x80;
            xor_into(&mut chain, &self.subkeys[1]);
        }
        self.cipher.encrypt(&mut chain);
        chain
    }
}

impl<const N: usize, C: BlockCipher<N>> Drop for CmacKey<N, C> {
    fn drop(&mut self) {
        self.subkeys.zeroize();
    }
}

impl<const N: usize, C: BlockCipher<N>> std::fmt::Debug for CmacKey<N, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CmacKey(…)")
    }
}

/// CMAC over `parts` with a cipher used once.
pub(crate) fn cmac<const N: usize>(cipher: impl BlockCipher<N>, parts: &[&[u8]]) -> [u8; N] {
    CmacKey::new(cipher).compute(parts)
}

/// AES-CMAC in full length.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16, 24 or 32 bytes.
pub fn aes_cmac(key: &[u8], data: &[u8]) -> Result<[u8; 16], KeyError> {
    Ok(cmac(AesCipher::new(key)?, &[data]))
}

/// Triple-DES CMAC in full length.
#[must_use]
pub fn tdes_cmac(key: &DesKey, data: &[u8]) -> [u8; 8] {
    cmac(TdesCipher::new(key), &[data])
}

/// Doubling in GF(2^64) or GF(2^128), without a branch on the secret top bit.
fn double<const N: usize>(block: [u8; N]) -> [u8; N] {
    let reduction: u8 = if N == 8 { 0x1B } else { 0x87 };
    let mut out = [0; N];
    let mut carry = 0;
    for index in (0..N).rev() {
        out[index] = block[index] << 1 | carry;
        carry = block[index] >> 7;
    }
    out[N - 1] ^= reduction & carry.wrapping_neg();
    out
}
