//! Keys opened once and kept expanded: opening a key block costs more than most of what is done with the key.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use switchyard_keys::lmk::{KeyAlgorithm, Lmk, WrappedKey};
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::{AesCipher, DesKey, KeyError, SecretBytes, TdesCipher, constant_time_eq};

use crate::error::HsmError;
use crate::handle::KeyHandle;

/// Shards of the cache: more than there are threads that use it.
const SHARDS: usize = 32;
/// Keys that a shard keeps; a full one is emptied, so that what is in use is opened again.
const KEYS_PER_SHARD_MAX: usize = 2_048;

/// A key in clear, and what was expanded from it.
pub(super) struct OpenKey {
    bytes: SecretBytes,
    cipher: Cipher,
    mac: OnceLock<MacKey>,
}

enum Cipher {
    Des(Box<TdesCipher>),
    Aes(Box<AesCipher>),
    /// SM4 and HMAC keys are used through [`OpenKey::with_mac`] only.
    None,
}

impl OpenKey {
    fn open(lmk: &Lmk, handle: &KeyHandle) -> Result<Self, KeyError> {
        let wrapped = WrappedKey::from_bytes(handle.reference().as_bytes().to_vec());
        let bytes = lmk.unwrap(&wrapped, handle.usage())?;
        let check_value = handle.algorithm().check_value(bytes.expose())?;
        if !constant_time_eq(&check_value[..3], &handle.check_value()[..3]) {
            return Err(KeyError::CheckValue);
        }
        let cipher = match handle.algorithm() {
            KeyAlgorithm::Des | KeyAlgorithm::Tdes => {
                Cipher::Des(Box::new(TdesCipher::new(&DesKey::from_slice(bytes.expose())?)))
            }
            KeyAlgorithm::Aes => Cipher::Aes(Box::new(AesCipher::new(bytes.expose())?)),
            KeyAlgorithm::Hmac | KeyAlgorithm::Sm4 => Cipher::None,
        };
        Ok(Self { bytes, cipher, mac: OnceLock::new() })
    }

    pub(super) fn bytes(&self) -> &SecretBytes {
        &self.bytes
    }

    pub(super) fn des(&self) -> Result<&TdesCipher, HsmError> {
        match &self.cipher {
            Cipher::Des(cipher) => Ok(cipher),
            Cipher::Aes(_) | Cipher::None => Err(HsmError::Input("algorithm of a key")),
        }
    }

    pub(super) fn aes(&self) -> Result<&AesCipher, HsmError> {
        match &self.cipher {
            Cipher::Aes(cipher) => Ok(cipher),
            Cipher::Des(_) | Cipher::None => Err(HsmError::Input("algorithm of a key")),
        }
    }

    /// The key for one way to make a MAC: a key is used in one way, so the first is kept.
    pub(super) fn with_mac<T>(
        &self,
        algorithm: MacAlgorithm,
        work: impl FnOnce(&MacKey) -> T,
    ) -> Result<T, KeyError> {
        if let Some(key) = self.mac.get().filter(|key| key.algorithm() == algorithm) {
            return Ok(work(key));
        }
        let key = MacKey::new(algorithm, self.bytes.expose())?;
        let result = work(&key);
        // Another thread may have been first, or the key is used in two ways: this one is not kept.
        let _ = self.mac.set(key);
        Ok(result)
    }
}

/// Open keys by the reference of their handle.
type Shard = HashMap<Arc<str>, Arc<OpenKey>, foldhash::fast::FixedState>;

/// The keys that are open.
pub(super) struct OpenKeys {
    shards: Vec<RwLock<Shard>>,
}

impl OpenKeys {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// The key of a handle; its check value is compared when it is opened.
    pub(super) fn get(&self, lmk: &Lmk, handle: &KeyHandle) -> Result<Arc<OpenKey>, HsmError> {
        let reference = handle.shared_reference();
        // The MAC at the end of a key block is as good as a hash of it.
        let place = reference.bytes().rev().take(4).fold(0_usize, |sum, byte| sum * 31 + usize::from(byte));
        let shard = &self.shards[place % SHARDS];
        if let Some(open) = shard.read().unwrap_or_else(PoisonError::into_inner).get(reference) {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(OpenKey::open(lmk, handle).map_err(|source| handle.error(source))?);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= KEYS_PER_SHARD_MAX {
            shard.clear();
        }
        shard.insert(Arc::clone(reference), Arc::clone(&open));
        Ok(open)
    }
}
