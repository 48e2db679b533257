//! Keys that custodians bring together, take out and bring in, as people type them.

use super::ConfigOption;
use clap::{Args, ValueEnum};
use switchyard_domain::{KeyCipher, KeyName, Reason};

#[derive(Debug, Clone, Args)]
pub(crate) struct InitKey {
    /// The key: transport/N, pin-verification, issuer-cryptogram, zone-pin/LINK or terminal-master/TERMINAL.
    #[arg(value_name = "KEY")]
    pub(crate) key: KeyName,
    /// Its cipher.
    #[arg(long, value_name = "NAME", default_value = "tdes")]
    pub(crate) cipher: Cipher,
    /// Its length: 128 or 192 for tdes; 128, 192 or 256 for aes.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) bits: u16,
    /// How many custodians bring a component: 2 or 3.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) components: u8,
    /// It may leave later, under a transport key.
    #[arg(long)]
    pub(crate) exportable: bool,
    /// Its check value, six hexadecimal digits, where it is known before: another one is refused.
    #[arg(long, value_name = "HEX")]
    pub(crate) kcv: Option<String>,
    /// Why, in one line; the ledger keeps it with your name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

/// A cipher, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cipher {
    /// Triple DES.
    Tdes,
    /// AES.
    Aes,
}
impl From<Cipher> for KeyCipher {
    fn from(cipher: Cipher) -> Self {
        match cipher {
            Cipher::Tdes => Self::Tdes,
            Cipher::Aes => Self::Aes,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DrawKey {
    /// The key, for which a ceremony is open.
    #[arg(value_name = "KEY", required_unless_present = "lmk")]
    pub(crate) key: Option<KeyName>,
    /// A component of a local master key, for `init --lmk-components`: there is no ledger yet that could record it.
    #[arg(long, conflicts_with = "key")]
    pub(crate) lmk: bool,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NamedKey {
    /// The key, for which a ceremony is open.
    #[arg(value_name = "KEY")]
    pub(crate) key: KeyName,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MovedKey {
    /// The key.
    #[arg(value_name = "KEY")]
    pub(crate) key: KeyName,
    /// The transport key.
    #[arg(long, value_name = "KEY")]
    pub(crate) under: KeyName,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}
