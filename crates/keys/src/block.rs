//! The block ciphers behind everything else, with their key schedules kept.
//!
//! Rebuilding a schedule costs more than enciphering a block, so whoever uses a key twice
//! keeps one of these. The round keys are wiped on drop (feature `zeroize` of the ciphers).

use aes::{Aes128, Aes192, Aes256};
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use sm4::Sm4;

use crate::des_key::DesKey;
use crate::des_rounds::{Halves, Subkeys};
use crate::error::KeyError;

/// A cipher whose key is somewhere else, in a module. Whoever made it learns from it of failures: a block that
/// could not be enciphered is left as zeros and must not be used.
pub trait ExternalCipher<const N: usize>: Send + Sync {
    /// Enciphers a block in place.
    fn encrypt(&self, block: &mut [u8; N]);
    /// Deciphers a block in place.
    fn decrypt(&self, block: &mut [u8; N]);
}

/// A keyed permutation of blocks of `N` bytes.
pub(crate) trait BlockCipher<const N: usize> {
    fn encrypt(&self, block: &mut [u8; N]);
    fn decrypt(&self, block: &mut [u8; N]);
}

/// DES with an 8-byte key, triple DES (encrypt-decrypt-encrypt) with 16 or 24.
pub struct TdesCipher(TdesSchedule);

#[allow(
    clippy::large_enum_variant,
    reason = "long-lived and used by reference; a box would cost a hop per block"
)]
enum TdesSchedule {
    Single(Subkeys),
    Double([Subkeys; 2]),
    Triple([Subkeys; 3]),
    External(Box<dyn ExternalCipher<8>>),
}

impl TdesCipher {
    /// Expands `key` once.
    #[must_use]
    pub fn new(key: &DesKey) -> Self {
        Self(match key.expose().as_chunks::<8>().0 {
            [first, second, third] => TdesSchedule::Triple([first, second, third].map(Subkeys::new)),
            [first, second] => TdesSchedule::Double([first, second].map(Subkeys::new)),
            parts => TdesSchedule::Single(Subkeys::new(parts.first().expect("a DesKey has 8 bytes or more"))),
        })
    }

    /// A cipher whose key is in a module.
    #[must_use]
    pub fn external(cipher: Box<dyn ExternalCipher<8>>) -> Self {
        Self(TdesSchedule::External(cipher))
    }

    /// Enciphers one block.
    #[must_use]
    pub fn encrypt_block(&self, mut block: [u8; 8]) -> [u8; 8] {
        BlockCipher::encrypt(self, &mut block);
        block
    }

    /// Deciphers one block.
    #[must_use]
    pub fn decrypt_block(&self, mut block: [u8; 8]) -> [u8; 8] {
        BlockCipher::decrypt(self, &mut block);
        block
    }
}

impl BlockCipher<8> for TdesCipher {
    fn encrypt(&self, block: &mut [u8; 8]) {
        let halves = Halves::permute_in(block);
        *block = match &self.0 {
            TdesSchedule::External(cipher) => return cipher.encrypt(block),
            TdesSchedule::Single(k) => k.encipher(halves),
            TdesSchedule::Double([k1, k2]) => k1.encipher(k2.decipher(k1.encipher(halves))),
            TdesSchedule::Triple([k1, k2, k3]) => k3.encipher(k2.decipher(k1.encipher(halves))),
        }
        .permute_out();
    }

    fn decrypt(&self, block: &mut [u8; 8]) {
        let halves = Halves::permute_in(block);
        *block = match &self.0 {
            TdesSchedule::External(cipher) => return cipher.decrypt(block),
            TdesSchedule::Single(k) => k.decipher(halves),
            TdesSchedule::Double([k1, k2]) => k1.decipher(k2.encipher(k1.decipher(halves))),
            TdesSchedule::Triple([k1, k2, k3]) => k1.decipher(k2.encipher(k3.decipher(halves))),
        }
        .permute_out();
    }
}

/// AES with a 16, 24 or 32-byte key.
pub struct AesCipher(AesSchedule);

#[allow(
    clippy::large_enum_variant,
    reason = "long-lived and used by reference; a box would cost a hop per block"
)]
enum AesSchedule {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    External(Box<dyn ExternalCipher<16>>),
}

impl AesCipher {
    /// Expands `key` once.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `key` has 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self, KeyError> {
        let length = |_| KeyError::Length { need: "16, 24 or 32", have: key.len() };
        Ok(Self(match key.len() {
            16 => AesSchedule::Aes128(Aes128::new_from_slice(key).map_err(length)?),
            24 => AesSchedule::Aes192(Aes192::new_from_slice(key).map_err(length)?),
            _ => AesSchedule::Aes256(Aes256::new_from_slice(key).map_err(length)?),
        }))
    }

    /// A cipher whose key is in a module.
    #[must_use]
    pub fn external(cipher: Box<dyn ExternalCipher<16>>) -> Self {
        Self(AesSchedule::External(cipher))
    }

    /// Enciphers one block.
    #[must_use]
    pub fn encrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        BlockCipher::encrypt(self, &mut block);
        block
    }

    /// Deciphers one block.
    #[must_use]
    pub fn decrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        BlockCipher::decrypt(self, &mut block);
        block
    }
}

impl BlockCipher<16> for AesCipher {
    fn encrypt(&self, block: &mut [u8; 16]) {
        match &self.0 {
            AesSchedule::Aes128(c) => c.encrypt_block(block.into()),
            AesSchedule::Aes192(c) => c.encrypt_block(block.into()),
            AesSchedule::Aes256(c) => c.encrypt_block(block.into()),
            AesSchedule::External(c) => c.encrypt(block),
        }
    }

    fn decrypt(&self, block: &mut [u8; 16]) {
        match &self.0 {
            AesSchedule::Aes128(c) => c.decrypt_block(block.into()),
            AesSchedule::Aes192(c) => c.decrypt_block(block.into()),
            AesSchedule::Aes256(c) => c.decrypt_block(block.into()),
            AesSchedule::External(c) => c.decrypt(block),
        }
    }
}

/// SM4 (GB/T 32907) with its 16-byte key.
pub struct Sm4Cipher(Sm4);

impl Sm4Cipher {
    /// Expands `key` once.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `key` has 16 bytes.
    pub fn new(key: &[u8]) -> Result<Self, KeyError> {
        Sm4::new_from_slice(key).map(Self).map_err(|_| KeyError::Length { need: "16", have: key.len() })
    }

    /// Enciphers one block.
    #[must_use]
    pub fn encrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        BlockCipher::encrypt(self, &mut block);
        block
    }

    /// Deciphers one block.
    #[must_use]
    pub fn decrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        BlockCipher::decrypt(self, &mut block);
        block
    }
}

impl BlockCipher<16> for Sm4Cipher {
    fn encrypt(&self, block: &mut [u8; 16]) {
        self.0.encrypt_block(block.into());
    }

    fn decrypt(&self, block: &mut [u8; 16]) {
        self.0.decrypt_block(block.into());
    }
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
redacted!(TdesCipher, AesCipher, Sm4Cipher);

/// Enciphers whole blocks under electronic code book; `data` is a multiple of `N`.
pub(crate) fn ecb_encrypt<const N: usize>(cipher: &impl BlockCipher<N>, data: &mut [u8]) {
    for block in data.as_chunks_mut::<N>().0 {
        cipher.encrypt(block);
    }
}

/// Deciphers whole blocks under electronic code book; `data` is a multiple of `N`.
pub(crate) fn ecb_decrypt<const N: usize>(cipher: &impl BlockCipher<N>, data: &mut [u8]) {
    for block in data.as_chunks_mut::<N>().0 {
        cipher.decrypt(block);
    }
}

/// Enciphers whole blocks under cipher block chaining; `data` is a multiple of `N`.
pub(crate) fn cbc_encrypt<const N: usize>(cipher: &impl BlockCipher<N>, iv: [u8; N], data: &mut [u8]) {
    let mut chain = iv;
    for block in data.as_chunks_mut::<N>().0 {
        xor_into(block, &chain);
        cipher.encrypt(block);
        chain = *block;
    }
}

/// Deciphers whole blocks under cipher block chaining; `data` is a multiple of `N`.
pub(crate) fn cbc_decrypt<const N: usize>(cipher: &impl BlockCipher<N>, iv: [u8; N], data: &mut [u8]) {
    let mut chain = iv;
    for block in data.as_chunks_mut::<N>().0 {
        let next = *block;
        cipher.decrypt(block);
        xor_into(block, &chain);
        chain = next;
    }
}

/// `target ^= other`, over the shorter of the two.
pub(crate) fn xor_into(target: &mut [u8], other: &[u8]) {
    for (t, o) in target.iter_mut().zip(other) {
        *t ^= o;
    }
}
