//! What terminals download, as people type it.

use super::{Because, ConfigOption};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DownloadCommand {
    /// Everything that terminals are given: parameters, keys of certification authorities, applications of chips. With a
    /// merchant or a terminal: what it is given, and from where.
    #[command(after_help = "Examples: switchyard download list --output json\n          \
                            switchyard download list --terminal T0000001")]
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Set a terminal parameter. Terminals are told at their next sign-on.
    #[command(
        after_help = "Examples: switchyard download parameter 12 60    seconds to wait for an answer\n          \
                            switchyard download parameter 22 'Tea House' --merchant 104110000000001"
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
        whose: Whose,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Add or replace a key of a certification authority, or an application of chips.
    #[command(
        after_help = "Examples: switchyard download add aid '9F0607A0000003330101 DF010100'\n          \
                            switchyard download add aid '9F0607A0000003330102 DF010100' --terminal T0000001"
    )]
    Add {
        /// What it is.
        #[arg(value_name = "KIND")]
        kind: DownloadKindName,
        /// Its BER-TLV objects in hexadecimal; 9F06 (and 9F22 of a key) name it.
        #[arg(value_name = "HEX")]
        objects: String,
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Take one back. Terminals are given what is behind it: their merchant's, or everybody's.
    #[command(after_help = "Example: switchyard download remove ca-key A0000003330B --reason 'expired'")]
    Remove {
        /// What it is.
        #[arg(value_name = "KIND")]
        kind: DownloadKindName,
        /// Its name, as `download list` has it.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        because: Because,
    },
    /// Whether terminals have what they are given of each kind (current), are to fetch it (due), or are given none; and the
    /// status that they uploaded last.
    #[command(after_help = "Example: switchyard download status T0000001")]
    Status {
        /// One terminal (DE 41); without it, all.
        #[arg(value_name = "TID")]
        terminal: Option<String>,
    },
}

/// Whose downloads: without either, everybody's. A terminal is given its own, else its merchant's, else everybody's.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Whose {
    /// Those of a merchant's terminals (DE 42).
    #[arg(long, value_name = "MID", conflicts_with = "terminal")]
    pub(crate) merchant: Option<String>,
    /// Those of one terminal (DE 41).
    #[arg(long, value_name = "TID")]
    pub(crate) terminal: Option<String>,
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
