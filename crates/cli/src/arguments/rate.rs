//! Rates between currencies, as people type them.

use super::{Because, ConfigOption};
use clap::{Args, Subcommand};
use switchyard_domain::Currency;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RateCommand {
    /// Set a rate. Links that bill in the second currency (`link bill`) convert by it from its moment on.
    #[command(
        after_help = "Example: switchyard rate set CNY USD 0.1389 --markup-ppm 15000 --reason 'morning fixing'"
    )]
    Set(SetRate),
    /// Every rate that is in force or set ahead of its time. Those before are in the ledger.
    #[command(after_help = "Example: switchyard rate list --output json")]
    List {
        #[command(flatten)]
        config: ConfigOption,
    },
    /// What a cardholder would be billed for an amount: by the rate alone, and with the mark-up. Nothing is recorded.
    #[command(after_help = "Example: switchyard rate quote CNY USD 123.45")]
    Quote {
        #[command(flatten)]
        pair: Pair,
        /// The amount in major units, with as many decimals as the first currency has.
        #[arg(value_name = "AMOUNT", allow_hyphen_values = true)]
        amount: String,
        #[command(flatten)]
        config: ConfigOption,
    },
}

/// Two currencies, by their letters or numbers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Pair {
    /// What transactions are in.
    #[arg(value_name = "FROM")]
    pub(crate) from: Currency,
    /// What cardholders are billed in.
    #[arg(value_name = "TO")]
    pub(crate) to: Currency,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetRate {
    #[command(flatten)]
    pub(crate) pair: Pair,
    /// Units of the second currency for one of the first: at most seven significant digits, as DE 10 carries them.
    #[arg(value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) rate: String,
    /// What is put on top, in millionths: 15000 is 1.5 %.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) markup_ppm: u32,
    /// From when on, in the ledger's local time: YYYY-MM-DD or YYYY-MM-DDThh:mm:ss. Without it, from now on.
    #[arg(long, value_name = "TIME")]
    pub(crate) from_time: Option<String>,
    /// Take a rate that is less than half or more than twice the one before.
    #[arg(long)]
    pub(crate) allow_jump: bool,
    /// Say what it would bill, and record nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) because: Because,
}
