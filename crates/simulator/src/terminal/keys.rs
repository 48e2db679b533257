//! The working keys of a session.

use crate::error::SimError;
use crate::world::{DemoCard, DemoTerminal};
use switchyard_keys::TdesCipher;
use switchyard_keys::mac::MacKey;
use switchyard_keys::pin::{Pin, encode_iso0};
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock};

/// What a sign-on gave.
#[derive(Debug)]
pub struct SessionKeys {
    pin: TdesCipher,
    pub(crate) mac: MacKey,
    pub(crate) track: Option<TdesCipher>,
}

impl SessionKeys {
    /// Opens F62 under the terminal's master key; every check value has to be right.
    ///
    /// # Errors
    /// [`SimError::WorkingKeys`] for a check value, [`SimError::Untrusted`] for a block of another form.
    pub fn open(terminal: &DemoTerminal, block: &[u8]) -> Result<Self, SimError> {
        let MacProfile { algorithm, length, cipher } = terminal.mac.into();
        let keys = WorkingKeyBlock::open_with(&terminal.tmk.des(), block, length, cipher)?;
        if terminal.track_key != keys.tdk.is_some() {
            return Err(SimError::Untrusted { what: "number of working keys" });
        }
        Ok(Self {
            pin: TdesCipher::new(&keys.pik),
            mac: MacKey::new(algorithm, keys.mak.expose())?,
            track: keys.tdk.as_ref().map(TdesCipher::new),
        })
    }
    /// F52: X9.8 with the card number, under the PIN key.
    pub(crate) fn pin_block(&self, pin: &str, card: &DemoCard) -> Result<[u8; 8], SimError> {
        let clear = encode_iso0(&Pin::new(pin.as_bytes())?, card.pan.expose().as_bytes())?;
        Ok(self.pin.encrypt_block(clear))
    }
}
