//! The command line, as people type it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A transaction processing switch: ISO 8583 terminals in, durable double-entry ledger, settlement out.
#[derive(Debug, Parser)]
#[command(name = "switchyard", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The data directory.
    #[arg(long, global = true, default_value = "./data", value_name = "DIR", env = "SWITCHYARD_DATA")]
    pub(crate) data: PathBuf,
    /// How to print data.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a message: its elements as text or JSON.
    Decode(MessageOptions),
    /// Make a message from JSON, in the form that `decode --output json` prints.
    Encode(EncodeOptions),
    /// Explain a message in several lines, with the names of its elements and the meaning of its codes.
    Describe(MessageOptions),
    /// Compare two messages element by element; exit 1 when they differ.
    Diff(DiffOptions),
    /// Dialects: list, show.
    #[command(subcommand)]
    Dialect(DialectCommand),
    /// Keys and payment cryptography.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// Which message format.
#[derive(Debug, Clone, Args)]
pub(crate) struct DialectOption {
    /// Name of a built-in dialect (see `switchyard dialect list`) or a TOML file.
    #[arg(long, default_value = "unionpay-pos", value_name = "NAME|FILE")]
    pub(crate) dialect: String,
    /// What stands before the message: `auto`, `none`, or a framing such as `len2-be`.
    #[arg(long, default_value = "auto", value_name = "KIND")]
    pub(crate) frame: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MessageOptions {
    #[command(flatten)]
    pub(crate) dialect: DialectOption,
    /// Read one message a line from stdin and print one JSON object a line.
    #[arg(long)]
    pub(crate) lines: bool,
    /// Show card numbers, tracks, PIN blocks and verification values.
    #[arg(long)]
    pub(crate) unmasked: bool,
    /// The message in hexadecimal; spaces are ignored. Without it, stdin.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct EncodeOptions {
    #[command(flatten)]
    pub(crate) dialect: DialectOption,
    /// Read one JSON object a line from stdin and print one message a line.
    #[arg(long)]
    pub(crate) lines: bool,
    /// The message as JSON. Without it, stdin.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiffOptions {
    #[command(flatten)]
    pub(crate) dialect: DialectOption,
    /// Show card numbers, tracks, PIN blocks and verification values.
    #[arg(long)]
    pub(crate) unmasked: bool,
    /// The one message, in hexadecimal.
    pub(crate) left: String,
    /// The other.
    pub(crate) right: String,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DialectCommand {
    /// The built-in dialects.
    List,
    /// A dialect's elements, or with `--toml` its file, to start one's own from.
    Show {
        /// Name of a built-in dialect or a TOML file.
        dialect: String,
        /// Print the TOML file.
        #[arg(long)]
        toml: bool,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeyCommand {
    /// Compute known answers and compare; exit 1 on any difference.
    Selftest {
        /// A file of vectors, one JSON object a line: `{"alg", "inputs", "output", "source"}`. Without it,
        /// a built-in selection.
        #[arg(long, value_name = "FILE")]
        vectors: Option<PathBuf>,
    },
}
