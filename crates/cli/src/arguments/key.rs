//! Keys that custodians bring together, take out and bring in, as people type them.

use super::ConfigOption;
use clap::{Args, Subcommand, ValueEnum};
use switchyard_domain::{KeyCipher, KeyName, Reason, UserName};

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

#[derive(Debug, Clone, Args)]
pub(crate) struct BroughtKey {
    #[command(flatten)]
    pub(crate) moved: MovedKey,
    /// Take a terminal's master key whose parity is wrong and put it right: terminals in the field have such keys.
    #[arg(long)]
    pub(crate) set_parity: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LmkCommand {
    /// Put another one in force, out of the components of two or three custodians, each of whom types a password and a
    /// component. Every key goes under it while terminals are at work; the one before opens what it wrapped until
    /// `key lmk retire`.
    #[command(
        after_help = "Example: switchyard key lmk rotate --custodian anna --custodian ben --reason 'yearly change'"
    )]
    Rotate(RotateLmk),
    /// Check values of the one in force and of those before it that are not retired.
    Status {
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Destroy those before the one in force, once every key is under it. A backup from before the change opens with
    /// its own copy of the key file only.
    #[command(after_help = "Example: switchyard key lmk retire --reason 'no backup needs it any more'")]
    Retire {
        /// Why, in one line; the ledger keeps it with your name.
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        #[command(flatten)]
        config: ConfigOption,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RotateLmk {
    /// A custodian, two or three times, in the order in which they type. `key component --lmk` draws components.
    #[arg(long = "custodian", value_name = "USER", required = true)]
    pub(crate) custodians: Vec<UserName>,
    /// Why, in one line; the ledger keeps it with your name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}
