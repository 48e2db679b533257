//! Keys that belong to no terminal: the embedded issuer's and the links'.

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use switchyard_domain::{KeyName, KeyRecord, KeyUse, LinkIndex};
use switchyard_keys::{DesKey, TdesCipher};

use crate::keystore::KeyStore;

/// Keys in force, ready to use.
#[derive(Default)]
pub(crate) struct KeyRing {
    pin_verification: ArcSwapOption<TdesCipher>,
    cryptogram: ArcSwapOption<DesKey>,
    zones: RwLock<Vec<Option<Arc<TdesCipher>>>>,
}

impl KeyRing {
    /// The key of Visa PIN verification values.
    pub(crate) fn pin_verification(&self) -> Option<Arc<TdesCipher>> {
        self.pin_verification.load_full()
    }

    /// The master key of the embedded issuer's application cryptograms.
    pub(crate) fn cryptogram(&self) -> Option<Arc<DesKey>> {
        self.cryptogram.load_full()
    }

    /// The key of PIN blocks on a link.
    pub(crate) fn zone(&self, link: LinkIndex) -> Option<Arc<TdesCipher>> {
        self.zones.read().unwrap_or_else(PoisonError::into_inner).get(usize::from(link.0)).cloned().flatten()
    }

    /// A key of the registry is in force from now on. One that cannot be unwrapped is logged: what needs it
    /// is then answered A7.
    pub(crate) fn use_key(&self, store: &KeyStore, name: KeyName, key: &KeyRecord) {
        match name.usage {
            KeyUse::PinVerification => match store.unwrap_cipher(name.usage, key) {
                Ok(cipher) => self.pin_verification.store(Some(Arc::new(cipher))),
                Err(error) => tracing::error!(%error, "the PIN verification key cannot be unwrapped"),
            },
            KeyUse::IssuerCryptogram => match store.unwrap_des(name.usage, key) {
                Ok(key) => self.cryptogram.store(Some(Arc::new(key))),
                Err(error) => tracing::error!(%error, "the cryptogram key cannot be unwrapped"),
            },
            KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::TerminalMaster
            | KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::ZonePin => {}
        }
    }

    /// The key of a link is in force from now on.
    pub(crate) fn use_zone(&self, store: &KeyStore, link: LinkIndex, key: &KeyRecord) {
        let cipher = store.unwrap_cipher(KeyUse::ZonePin, key);
        if let Err(error) = &cipher {
            tracing::error!(%link, %error, "the PIN key of a link cannot be unwrapped");
        }
        let index = usize::from(link.0);
        let mut zones = self.zones.write().unwrap_or_else(PoisonError::into_inner);
        if zones.len() <= index {
            zones.resize(index + 1, None);
        }
        zones[index] = cipher.ok().map(Arc::new);
    }
}
