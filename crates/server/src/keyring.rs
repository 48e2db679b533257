//! Keys that belong to no terminal: the embedded issuer's and the links'.

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use switchyard_domain::{KeyName, KeyRecord, KeyUse, LinkIndex};

use crate::hsm::HsmKey;

/// Keys in force; a key is opened where it is used, in the HSM.
#[derive(Default)]
pub(crate) struct KeyRing {
    pin_verification: ArcSwapOption<HsmKey>,
    cryptogram: ArcSwapOption<HsmKey>,
    zones: RwLock<Vec<Option<Arc<HsmKey>>>>,
}

impl KeyRing {
    /// The key of Visa PIN verification values.
    pub(crate) fn pin_verification(&self) -> Option<Arc<HsmKey>> {
        self.pin_verification.load_full()
    }

    /// The master key of the embedded issuer's application cryptograms.
    pub(crate) fn cryptogram(&self) -> Option<Arc<HsmKey>> {
        self.cryptogram.load_full()
    }

    /// The key of PIN blocks on a link.
    pub(crate) fn zone(&self, link: LinkIndex) -> Option<Arc<HsmKey>> {
        self.zones.read().unwrap_or_else(PoisonError::into_inner).get(usize::from(link.0)).cloned().flatten()
    }

    /// A key of the registry is in force from now on.
    pub(crate) fn use_key(&self, name: KeyName, key: &KeyRecord) {
        match name.usage {
            KeyUse::PinVerification => {
                self.pin_verification.store(Some(Arc::new(HsmKey::new(name.usage, key.clone()))));
            }
            KeyUse::IssuerCryptogram => {
                self.cryptogram.store(Some(Arc::new(HsmKey::new(name.usage, key.clone()))));
            }
            KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::TerminalMaster
            | KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::Transport => {}
            KeyUse::ZonePin => {
                if let Ok(link) = u16::try_from(name.owner) {
                    self.use_zone(LinkIndex(link), key);
                }
            }
        }
    }

    /// The key of a link is in force from now on.
    pub(crate) fn use_zone(&self, link: LinkIndex, key: &KeyRecord) {
        let index = usize::from(link.0);
        let mut zones = self.zones.write().unwrap_or_else(PoisonError::into_inner);
        if zones.len() <= index {
            zones.resize(index + 1, None);
        }
        let is_there = !key.is_to_come();
        zones[index] = is_there.then(|| Arc::new(HsmKey::new(KeyUse::ZonePin, key.clone())));
    }
}
