//! PIN keys of links that come over the line: what is said about them.

use switchyard_domain::{KeyMessage, KeyName, KeyRecord, LinkIndex, PinBlock, ResponseCode};

/// A key on its way, under a link's transport key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCargo {
    /// A double-length triple DES key, enciphered block by block (ECB).
    Ecb {
        /// The two blocks.
        wrapped: [u8; 16],
        /// The first three bytes of zeros enciphered under the key.
        check_value: [u8; 3],
    },
    /// A TR-31 key block, whose header says what the key is for.
    Block(String),
}

/// A host's message about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBrought {
    /// By what it is known again.
    pub message: KeyMessage,
    /// The key, or why there is none.
    pub cargo: Result<KeyCargo, KeyFault>,
}

/// What is needed to open a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOpening {
    /// Whose key it is to be.
    pub link: LinkIndex,
    /// Name of the transport key.
    pub under: KeyName,
    /// The transport key under the local master key.
    pub transport: KeyRecord,
    /// The link's key in force; one that is still to come has nothing in it.
    pub in_force: KeyRecord,
    /// What came.
    pub cargo: KeyCargo,
}

/// A PIN block under a link's key.
#[derive(Debug)]
pub struct ZonePin {
    /// DE 52.
    pub block: PinBlock,
    /// Check value of the key that it is under: when another is in force by now, the block is worth nothing.
    pub key: [u8; 4],
}

/// What became of a key that came, or was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyArrival {
    /// It is in force.
    Taken,
    /// It came once more and was answered once more; it is in force already.
    Repeated,
    /// It was not taken: the one before stays.
    Refused(KeyFault),
}

/// Why a key was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No transport key is agreed with the link.
    #[error("no transport key is agreed with the link, or it is not installed")]
    NotAgreed,
    /// The message has no key.
    #[error("the message has no key")]
    Absent,
    /// What it has is no key in one of the two layouts.
    #[error("the key is not laid out as agreed")]
    Malformed,
    /// The transport key opens no such layout: AES carries TR-31 alone.
    #[error("the transport key does not carry keys in this layout")]
    Carrier,
    /// It opens to a key of another check value, or its block is not authentic: another transport key, or bits that turned.
    #[error("the check value is another, or the key block is not authentic")]
    CheckValue,
    /// A byte has even parity, or it is a key that nobody may use.
    #[error("the key is weak, or of even parity")]
    Weak,
    /// Its block is for another use, cipher or length, or for an older version than the one in force.
    #[error("the key block is for another use, or of an older version")]
    Purpose,
    /// It is in force already.
    #[error("the key is the one in force")]
    Same,
    /// Another key of the link is being looked at, or was asked for.
    #[error("another key of the link is being looked at, or was asked for")]
    Busy,
    /// The key store could not do it.
    #[error("the key store could not open it")]
    Failed,
    /// The host refused to give one.
    #[error("the host gives no key")]
    HostRefused,
    /// The host did not answer in time, or its connection ended.
    #[error("the host did not answer, or its connection ended")]
    Unanswered,
}

impl KeyFault {
    /// DE 39 of the answer to a host that brought the key.
    pub fn code(self) -> ResponseCode {
        match self {
            Self::NotAgreed | Self::Absent => ResponseCode::INVALID_TRANSACTION,
            Self::Malformed | Self::Carrier => ResponseCode::FORMAT_ERROR,
            Self::CheckValue
            | Self::Weak
            | Self::Purpose
            | Self::Same
            | Self::Busy
            | Self::Failed
            | Self::HostRefused
            | Self::Unanswered => ResponseCode::SYSTEM_MALFUNCTION,
        }
    }
}
