//! What can go wrong with an HSM, by what the caller does next.

use switchyard_keys::KeyError;
use switchyard_keys::pin::PinError;

/// Work that an HSM did not do. None of them is ever a reason to approve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HsmError {
    /// No HSM takes commands now; nothing was sent. Answer A7, try again later.
    #[error("no hsm is available")]
    Unavailable,
    /// The command was sent and no usable answer came in time: it may have been carried out. Not to be
    /// repeated blindly.
    #[error("the hsm did not answer")]
    Unanswered,
    /// The block holds no PIN under this key, format and card: answer 99 and count a try.
    #[error("pin block not usable")]
    PinBlock,
    /// The HSM said no.
    #[error("the hsm refused the command with code {code}")]
    Refused {
        /// Its error code, two digits.
        code: u8,
    },
    /// The key is not for this, is not this one, or cannot be used: a fault of configuration.
    #[error("key {id}: {source}")]
    Key {
        /// Name of the handle.
        id: String,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The key is not valid now.
    #[error("key {id} is outside its validity")]
    Expired {
        /// Name of the handle.
        id: String,
    },
    /// This HSM cannot do it: a fault of configuration.
    #[error("the hsm does not support {0}")]
    Unsupported(&'static str),
    /// What was asked is out of range.
    #[error("{0} is out of range")]
    Input(&'static str),
    /// The module's library reported a failure.
    #[error("the hsm failed: {0}")]
    Module(String),
}

impl HsmError {
    /// Whether the HSM itself is in trouble, as opposed to what it was asked.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Unanswered | Self::Module(_))
    }
}

impl From<PinError> for HsmError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Block => Self::PinBlock,
            PinError::Pan => Self::Input("card number"),
            PinError::Digits => Self::Input("pin"),
            PinError::Forbidden { .. } => Self::Input("pair of pin block formats"),
            PinError::Input(what) => Self::Input(what),
            _ => Self::Module("no randomness".to_owned()),
        }
    }
}
