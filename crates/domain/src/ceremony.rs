//! Keys that people bring together: plans of a ceremony, names of keys.

use crate::ids::DataError;
use crate::operation::Reason;
use crate::party::{KeyName, KeyUse};
use crate::user::UserName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which cipher a key is for that its custodians bring together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyCipher {
    /// Triple DES.
    Tdes,
    /// AES.
    Aes,
}

/// What custodians are to bring together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyPlan {
    /// Its cipher.
    pub cipher: KeyCipher,
    /// Its length, bytes.
    pub bytes: u8,
    /// How many components there are, each of another custodian.
    pub components: u8,
    /// Whether it may leave under a transport key.
    pub exportable: bool,
    /// First three bytes of its check value, where they are known before.
    pub check_value: Option<[u8; 3]>,
}

impl KeyPlan {
    /// Whether there can be such a key: its length fits its cipher, and two or three people bring it.
    pub fn is_sound(&self) -> bool {
        let fits = match self.cipher {
            KeyCipher::Tdes => matches!(self.bytes, 16 | 24),
            KeyCipher::Aes => matches!(self.bytes, 16 | 24 | 32),
        };
        fits && matches!(self.components, 2 | 3)
    }
}

/// How a key left the switch, or came to it, under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMove {
    /// Out, as a key block.
    Exported,
    /// In, as a key block.
    Imported,
    /// Drawn here, and out to the terminal whose master key it is.
    Injected,
}

/// What is known of a change of the local master key. The key itself is in no ledger, wrapped or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LmkChange {
    /// Check value of the one before.
    pub before: [u8; 4],
    /// Check value of the one in force from now on.
    pub now: [u8; 4],
    /// Who brought a component, with its check value.
    pub custodians: Vec<(UserName, [u8; 4])>,
    /// Why.
    pub reason: Reason,
}

impl KeyUse {
    /// Every use with its name, as people type it.
    const NAMES: [(Self, &'static str); 10] = [
        (Self::TerminalMaster, "terminal-master"),
        (Self::TerminalPin, "terminal-pin"),
        (Self::TerminalMac, "terminal-mac"),
        (Self::TerminalTrack, "terminal-track"),
        (Self::ZonePin, "zone-pin"),
        (Self::PinVerification, "pin-verification"),
        (Self::CardData, "card-data"),
        (Self::CardHash, "card-hash"),
        (Self::IssuerCryptogram, "issuer-cryptogram"),
        (Self::Transport, "transport"),
    ];

    /// Its name, as people type it.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(usage, _)| *usage == self);
        found.map_or("?", |(_, name)| *name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.usage.name(), self.owner)
    }
}

impl FromStr for KeyName {
    type Err = DataError;
    /// `transport/1`; without a number it is 0.
    fn from_str(text: &str) -> Result<Self, DataError> {
        let (name, number) = text.split_once('/').unwrap_or((text, "0"));
        let usage = KeyUse::NAMES.iter().find(|(_, known)| *known == name).map(|(usage, _)| *usage);
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match (usage, number.parse()) {
            (Some(usage), Ok(owner)) if plain => Ok(Self { usage, owner }),
            _ => Err(DataError::Character { what: "name of a key", byte: b'?', position: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_use_and_number() {
        for (usage, text) in KeyUse::NAMES {
            let name = KeyName { usage, owner: 7 };
            assert_eq!(name.to_string(), format!("{text}/7"));
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(text.parse(), Ok(KeyName { usage, owner: 0 }));
        }
        for bad in
            ["", "transport/", "transport/x", "transport/+1", "transport/4294967296", "nothing/1", "?/1"]
        {
            assert!(bad.parse::<KeyName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plan_takes_two_or_three_people_and_a_length_of_its_cipher() {
        let plan = |cipher, bytes, components| KeyPlan {
            cipher,
            bytes,
            components,
            exportable: false,
            check_value: None,
        };
        for (cipher, bytes, components, sound) in [
            (KeyCipher::Tdes, 16, 2, true),
            (KeyCipher::Tdes, 24, 3, true),
            (KeyCipher::Tdes, 8, 2, false),
            (KeyCipher::Tdes, 32, 2, false),
            (KeyCipher::Aes, 32, 2, true),
            (KeyCipher::Aes, 32, 1, false),
            (KeyCipher::Aes, 16, 4, false),
        ] {
            assert_eq!(plan(cipher, bytes, components).is_sound(), sound, "{cipher:?} {bytes} {components}");
        }
    }
}
