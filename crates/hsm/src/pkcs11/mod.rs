//! Keys in a token behind PKCS#11: any module that brings the library, SoftHSM2 in the tests.
//!
//! The token holds two AES-256 keys that never leave it, made at its first use: one wraps every other key
//! (`CKM_AES_KEY_WRAP`), one binds a wrapped key to its usage, cipher, version and exportability
//! (`CKM_AES_CMAC`). A handle's reference is that text; to use a key it is unwrapped into a session object, so
//! its bytes stay in the token. General tokens know no PIN blocks and no card values: the token enciphers and
//! deciphers, and what is made of a block (a clear PIN for a moment, session keys of a card, the keys derived
//! for a key block) is made in this process. So is a new key, which has to go out under a terminal's master
//! key, and a key on its way out. A payment HSM does better; the documentation says so too.
//!
//! | characters | of a reference |
//! |---|---|
//! | 0–15 | as a key block's header, version `P` |
//! | n | one or two wrapped keys, hexadecimal: the key, and what is needed beside it |
//! | 32 | MAC |

mod key;
mod token;

use std::path::PathBuf;

use switchyard_keys::SecretBytes;
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};

use crate::engine::{Engine, Store};
use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::request::KeySpec;

pub use token::TokenStore;

/// Which token, and how to get in.
#[derive(Debug)]
pub struct TokenSettings {
    /// The module's library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// The user's PIN.
    pub pin: SecretBytes,
}

/// An HSM whose keys are in a token. Its answers are ready at once: whoever asks waits for the token.
pub type Pkcs11Hsm = Engine<TokenStore>;

impl Pkcs11Hsm {
    /// Loads the library and logs in; makes the token's own keys where there are none.
    ///
    /// # Errors
    /// [`HsmError::Module`] with what the library says.
    pub fn open(settings: &TokenSettings) -> Result<Self, HsmError> {
        Ok(Self(TokenStore::open(settings)?))
    }

    /// Takes in a transport key of known value, when keys are first loaded.
    ///
    /// # Errors
    /// [`HsmError::Key`] when it is no AES key.
    pub fn load_transport(&self, key: &SecretBytes) -> Result<KeyHandle, HsmError> {
        self.0.keep(KeySpec::new(KeyUsage::Zmk, KeyAlgorithm::Aes, key.len()), key)
    }
}
