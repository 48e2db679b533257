//! Keys opened once and kept expanded: opening a key block costs more than most of what is done with the key.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::{AesCipher, KeyError, TdesCipher, constant_time_eq};

use crate::error::HsmError;
use crate::fault;
use crate::handle::KeyHandle;

/// Shards of the cache: more than there are threads that use it.
const SHARDS: usize = 32;
/// Keys that a shard keeps; a full one is emptied, so that what is in use is opened again.
const KEYS_PER_SHARD_MAX: usize = 2_048;

/// What can be made of a key, beside its cipher.
pub(crate) trait Parts: Send + Sync {
    /// Single DES with the left half of a double-length key.
    fn left(&self) -> Result<TdesCipher, KeyError>;
    /// A base derivation key under the mask of its derivation.
    fn masked(&self) -> Result<TdesCipher, KeyError>;
    /// An AES key, and how many bytes it has.
    fn aes(&self) -> Result<(AesCipher, usize), KeyError>;
    /// The key for one way to make MACs.
    fn mac(&self, algorithm: MacAlgorithm) -> Result<MacKey, KeyError>;
    /// First bytes of its check value.
    fn check_value(&self) -> Result<[u8; 4], KeyError>;
}

/// A key that can be used.
pub(crate) struct OpenKey {
    cipher: Cipher,
    parts: Box<dyn Parts>,
    mac: OnceLock<MacKey>,
    usage: KeyUsage,
    check_value: [u8; 4],
}

/// The cipher that most work is done with.
pub(crate) enum Cipher {
    /// DES and triple DES.
    Des(Box<TdesCipher>),
    /// AES.
    Aes(Box<AesCipher>),
    /// SM4 and HMAC keys are used for MACs only.
    None,
}

impl OpenKey {
    /// A key, if its check value is that of the handle.
    pub(crate) fn new(handle: &KeyHandle, cipher: Cipher, parts: Box<dyn Parts>) -> Result<Self, KeyError> {
        let check_value = parts.check_value()?;
        if !constant_time_eq(&check_value[..3], &handle.check_value()[..3]) {
            return Err(KeyError::CheckValue);
        }
        Ok(Self { cipher, parts, mac: OnceLock::new(), usage: handle.usage(), check_value })
    }

    /// Whether it was opened for what this handle says: a handle that says something else of the same reference
    /// is judged anew.
    fn is_for(&self, handle: &KeyHandle) -> bool {
        self.usage == handle.usage() && self.check_value[..3] == handle.check_value()[..3]
    }

    pub(crate) fn parts(&self) -> &dyn Parts {
        &*self.parts
    }

    pub(crate) fn des(&self) -> Result<&TdesCipher, HsmError> {
        match &self.cipher {
            Cipher::Des(cipher) => Ok(cipher),
            Cipher::Aes(_) | Cipher::None => Err(HsmError::Input("algorithm of a key")),
        }
    }

    pub(crate) fn aes(&self) -> Result<&AesCipher, HsmError> {
        match &self.cipher {
            Cipher::Aes(cipher) => Ok(cipher),
            Cipher::Des(_) | Cipher::None => Err(HsmError::Input("algorithm of a key")),
        }
    }

    /// The key for one way to make a MAC: a key is used in one way, so the first is kept.
    pub(crate) fn with_mac<T>(
        &self,
        algorithm: MacAlgorithm,
        work: impl FnOnce(&MacKey) -> T,
    ) -> Result<T, KeyError> {
        if let Some(key) = self.mac.get().filter(|key| key.algorithm() == algorithm) {
            return Ok(work(key));
        }
        let key = self.parts.mac(algorithm)?;
        let result = work(&key);
        if !fault::is_raised() {
            // Another thread may have been first, or the key is used in two ways: this one is not kept. Nor is
            // one whose making failed: its subkeys would be known.
            let _ = self.mac.set(key);
        }
        Ok(result)
    }
}

/// Open keys by the reference of their handle.
type Shard = HashMap<Arc<str>, Arc<OpenKey>, foldhash::fast::FixedState>;

/// The keys that are open.
pub(crate) struct OpenKeys {
    shards: Vec<RwLock<Shard>>,
}

impl OpenKeys {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// The key of a handle, or what `open` gives for it.
    pub(crate) fn get(
        &self,
        handle: &KeyHandle,
        open: impl FnOnce() -> Result<OpenKey, HsmError>,
    ) -> Result<Arc<OpenKey>, HsmError> {
        let reference = handle.shared_reference();
        // The MAC at the end of a key block is as good as a hash of it.
        let place = reference.bytes().rev().take(4).fold(0_usize, |sum, byte| sum * 31 + usize::from(byte));
        let shard = &self.shards[place % SHARDS];
        if let Some(open) = shard.read().unwrap_or_else(PoisonError::into_inner).get(reference)
            && open.is_for(handle)
        {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(open()?);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= KEYS_PER_SHARD_MAX {
            shard.clear();
        }
        shard.insert(Arc::clone(reference), Arc::clone(&open));
        Ok(open)
    }
}
