//! The key library as an HSM.
//!
//! It is software: keys are in this process's memory while they are used, and it does not claim PCI PIN
//! compliance.

use std::sync::Arc;

use switchyard_keys::dukpt::tdes::derivation_variant;
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, Lmk, LmkRing, WrappedKey};
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::{AesCipher, DesKey, KeyError, SecretBytes, TdesCipher};

use crate::api::Health;
use crate::engine::{Engine, Store, named, text_of};
use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::open::{Cipher, OpenKey, OpenKeys, Parts};
use crate::request::KeySpec;

/// Key blocks under a local master key.
pub struct LmkStore {
    lmk: Arc<LmkRing>,
    open: OpenKeys,
}

/// A key in clear.
struct ClearKey {
    bytes: SecretBytes,
    algorithm: KeyAlgorithm,
}

impl ClearKey {
    fn des(&self) -> Result<DesKey, KeyError> {
        DesKey::from_slice(self.bytes.expose())
    }
}

impl Parts for ClearKey {
    fn left(&self) -> Result<TdesCipher, KeyError> {
        match self.bytes.expose() {
            key if key.len() == 16 => Ok(TdesCipher::new(&DesKey::from_slice(&key[..8])?)),
            key => Err(KeyError::Length { need: "16", have: key.len() }),
        }
    }

    fn masked(&self) -> Result<TdesCipher, KeyError> {
        match self.des()? {
            key if key.len() == 16 => Ok(TdesCipher::new(&derivation_variant(&key))),
            key => Err(KeyError::Length { need: "16", have: key.len() }),
        }
    }

    fn aes(&self) -> Result<(AesCipher, usize), KeyError> {
        Ok((AesCipher::new(self.bytes.expose())?, self.bytes.len()))
    }

    fn mac(&self, algorithm: MacAlgorithm) -> Result<MacKey, KeyError> {
        MacKey::new(algorithm, self.bytes.expose())
    }

    fn check_value(&self) -> Result<[u8; 4], KeyError> {
        self.algorithm.check_value(self.bytes.expose())
    }
}

impl Store for LmkStore {
    fn name(&self) -> &'static str {
        "software"
    }

    fn open(&self, handle: &KeyHandle) -> Result<Arc<OpenKey>, HsmError> {
        let open = || {
            let wrapped = WrappedKey::from_bytes(handle.reference().as_bytes().to_vec());
            let key =
                ClearKey { bytes: self.lmk.unwrap(&wrapped, handle.usage())?, algorithm: handle.algorithm() };
            let cipher = match key.algorithm {
                KeyAlgorithm::Des | KeyAlgorithm::Tdes => Cipher::Des(Box::new(TdesCipher::new(&key.des()?))),
                KeyAlgorithm::Aes => Cipher::Aes(Box::new(key.aes()?.0)),
                KeyAlgorithm::Hmac | KeyAlgorithm::Sm4 => Cipher::None,
            };
            OpenKey::new(handle, cipher, Box::new(key))
        };
        self.open.get(handle, || open().map_err(|source| handle.error(source)))
    }

    fn keep(&self, spec: KeySpec, key: &SecretBytes) -> Result<KeyHandle, HsmError> {
        let refused = |source| HsmError::Key { id: format!("new {}", spec.usage.name()), source };
        let attributes =
            KeyAttributes { algorithm: spec.algorithm, version: spec.version, exportable: spec.exportable };
        let wrapped = self.lmk.wrap(key.expose(), spec.usage, attributes).map_err(refused)?;
        let check_value = spec.algorithm.check_value(key.expose()).map_err(refused)?;
        named(wrapped.as_bytes(), spec.usage, check_value)
    }

    fn clear(&self, handle: &KeyHandle) -> Result<(SecretBytes, bool), HsmError> {
        let wrapped = WrappedKey::from_bytes(handle.reference().as_bytes().to_vec());
        let refused = |source| handle.error(source);
        let exportable = self.lmk.inspect(&wrapped).map_err(refused)?.attributes.exportable;
        Ok((self.lmk.unwrap(&wrapped, handle.usage()).map_err(refused)?, exportable))
    }

    fn health(&self) -> Result<Health, HsmError> {
        let detail = format!("local master key {}", text_of(&self.lmk.check_value()[..3]));
        Ok(Health { backend: self.name(), available: 1, configured: 1, detail })
    }
}

/// An HSM in this process: handles refer to key blocks under its local master key.
pub type SoftwareHsm = Engine<LmkStore>;

impl SoftwareHsm {
    /// An HSM whose keys are under `lmk`.
    #[must_use]
    pub fn new(lmk: Lmk) -> Self {
        Self::under(Arc::new(lmk.into()))
    }

    /// An HSM whose keys are under local master keys that somebody else changes.
    #[must_use]
    pub fn under(lmk: Arc<LmkRing>) -> Self {
        Self(LmkStore { lmk, open: OpenKeys::new() })
    }
}
