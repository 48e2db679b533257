//! Ciphers that are objects of a token.

use std::sync::Arc;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use switchyard_keys::lmk::KeyAlgorithm;
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::{AesCipher, ExternalCipher, KeyError, TdesCipher};

use super::token::Token;
use crate::fault;
use crate::open::Parts;

/// An object of the token; it is destroyed when the last user is gone.
pub(super) struct Object {
    pub(super) token: Arc<Token>,
    pub(super) handle: ObjectHandle,
}

impl Drop for Object {
    fn drop(&mut self) {
        self.token.forget(self.handle);
    }
}

/// An object as a cipher.
struct TokenCipher(Arc<Object>);

impl TokenCipher {
    /// Replaces a block by what the token makes of it, or by zeros, and then says so.
    fn apply<const N: usize>(&self, block: &mut [u8; N], mechanism: &Mechanism<'_>, encrypt: bool) {
        match self.0.token.block(mechanism, self.0.handle, block, encrypt) {
            Ok(result) => *block = result,
            Err(error) => {
                tracing::error!(%error, "a token's cipher failed");
                *block = [0; N];
                fault::raise();
            }
        }
    }
}

impl ExternalCipher<8> for TokenCipher {
    fn encrypt(&self, block: &mut [u8; 8]) {
        self.apply(block, &Mechanism::Des3Ecb, true);
    }
    fn decrypt(&self, block: &mut [u8; 8]) {
        self.apply(block, &Mechanism::Des3Ecb, false);
    }
}

impl ExternalCipher<16> for TokenCipher {
    fn encrypt(&self, block: &mut [u8; 16]) {
        self.apply(block, &Mechanism::AesEcb, true);
    }
    fn decrypt(&self, block: &mut [u8; 16]) {
        self.apply(block, &Mechanism::AesEcb, false);
    }
}

pub(super) fn des(object: &Arc<Object>) -> TdesCipher {
    TdesCipher::external(Box::new(TokenCipher(Arc::clone(object))))
}

pub(super) fn aes(object: &Arc<Object>) -> AesCipher {
    AesCipher::external(Box::new(TokenCipher(Arc::clone(object))))
}

/// A key in the token with what goes beside it.
pub(super) struct TokenKey {
    pub(super) whole: Arc<Object>,
    /// Left half of a MAC or card verification key; a base derivation key under its mask.
    pub(super) beside: Option<Arc<Object>>,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) bytes: usize,
}

impl TokenKey {
    fn beside(&self) -> Result<TdesCipher, KeyError> {
        self.beside.as_ref().map(des).ok_or(KeyError::Length { need: "16", have: self.bytes })
    }
}

impl Parts for TokenKey {
    fn left(&self) -> Result<TdesCipher, KeyError> {
        self.beside()
    }

    fn masked(&self) -> Result<TdesCipher, KeyError> {
        self.beside()
    }

    fn aes(&self) -> Result<(AesCipher, usize), KeyError> {
        match self.algorithm {
            KeyAlgorithm::Aes => Ok((aes(&self.whole), self.bytes)),
            _ => Err(KeyError::Input("algorithm of a key")),
        }
    }

    fn mac(&self, algorithm: MacAlgorithm) -> Result<MacKey, KeyError> {
        let is_single = self.bytes == 8;
        match (algorithm, self.algorithm) {
            (MacAlgorithm::CmacAes, KeyAlgorithm::Aes) => Ok(MacKey::with_aes(aes(&self.whole))),
            (MacAlgorithm::X99, KeyAlgorithm::Des) | (MacAlgorithm::X919, KeyAlgorithm::Des) => {
                MacKey::with_ciphers(algorithm, des(&self.whole), des(&self.whole))
            }
            (MacAlgorithm::X919, KeyAlgorithm::Tdes) => {
                MacKey::with_ciphers(algorithm, self.beside()?, des(&self.whole))
            }
            (MacAlgorithm::CupEcb, KeyAlgorithm::Des | KeyAlgorithm::Tdes)
            | (MacAlgorithm::CmacTdes, KeyAlgorithm::Tdes)
                if is_single || self.bytes == 16 || self.bytes == 24 =>
            {
                MacKey::with_ciphers(algorithm, des(&self.whole), des(&self.whole))
            }
            _ => Err(KeyError::Input("mac algorithm")),
        }
    }

    fn check_value(&self) -> Result<[u8; 4], KeyError> {
        let first = |block: &[u8]| [block[0], block[1], block[2], block[3]];
        match self.algorithm {
            KeyAlgorithm::Des | KeyAlgorithm::Tdes => Ok(first(&des(&self.whole).encrypt_block([0; 8]))),
            KeyAlgorithm::Aes => {
                let mac = MacKey::with_aes(aes(&self.whole)).compute(&[0; 16]);
                Ok(first(mac.as_bytes()))
            }
            KeyAlgorithm::Hmac | KeyAlgorithm::Sm4 => Err(KeyError::Input("algorithm of a key")),
        }
    }
}
