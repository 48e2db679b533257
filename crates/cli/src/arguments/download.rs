//! What terminals download, as people type it.

use super::{Because, ConfigOption};
use clap::{Subcommand, ValueEnum};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DownloadCommand {
    /// Everything that terminals are given: parameters, keys of certification authorities, applications of chips.
    #[command(after_help = "Example: switchyard download list --output json")]
    List,
    /// Set a terminal parameter. Terminals are told at their next sign-on.
    #[command(
        after_help = "Examples: switchyard download parameter 12 60    seconds to wait for an answer\n          \
                            switchyard download parameter 22 'Tea House'"
    )]
    Parameter {
        /// Its two digits: 11 transactions, 12 time-out, 13 tries, 14 to 17 telephone numbers, 18 tips, 19 per cent,
        /// 20 manual entry, 21 automatic sign-off, 22 merchant's name, 23 tries of an offline sale.
        #[arg(value_name = "CODE")]
        code: String,
        /// Its value, as long as the parameter is.
        #[arg(value_name = "VALUE")]
        value: String,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Add or replace a key of a certification authority, or an application of chips.
    #[command(after_help = "Example: switchyard download add aid '9F0607A0000003330101 DF010100'")]
    Add {
        /// What it is.
        #[arg(value_name = "KIND")]
        kind: DownloadKindName,
        /// Its BER-TLV objects in hexadecimal; 9F06 (and 9F22 of a key) name it.
        #[arg(value_name = "HEX")]
        objects: String,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Take one back.
    #[command(after_help = "Example: switchyard download remove ca-key A0000003330B --reason 'expired'")]
    Remove {
        /// What it is.
        #[arg(value_name = "KIND")]
        kind: DownloadKindName,
        /// Its name, as `download list` has it.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        because: Because,
    },
    /// Which version of each kind terminals have, of which there is; and the status that they uploaded last.
    #[command(after_help = "Example: switchyard download status T0000001")]
    Status {
        /// One terminal (DE 41); without it, all.
        #[arg(value_name = "TID")]
        terminal: Option<String>,
    },
}

/// What terminals download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DownloadKindName {
    /// A terminal parameter.
    Parameter,
    /// A key of a certification authority.
    CaKey,
    /// An application of chips.
    Aid,
}
