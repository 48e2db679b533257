//! What is asked of a ledger, as people type it.

use super::ConfigOption;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use switchyard_domain::{BusinessDate, Timestamp};
use switchyard_ledger::note::VerifierKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a record.
    Jsonl,
    /// One line a posting.
    Csv,
    /// One row a posting, in columns for analysts: Apache Parquet, Snappy.
    Parquet,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check every byte, the chain, the Merkle root, and that debits equal credits; exit 1 on a finding.
    Verify(Box<VerifyOptions>),
    /// Sign the ledger's size and root, for an outsider to keep: `switchyard ledger checkpoint >> kept`. The first
    /// use makes the key `ledger-checkpoint` in the directory of keys; the verifier key goes to stderr.
    Checkpoint {
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Prove that a record is in the ledger; the proof holds the record and a signed checkpoint.
    Prove {
        /// Sequence of the record.
        #[arg(long, value_name = "N")]
        record: u64,
        /// Where the proof goes; without it, stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Copy the ledger, also while the switch runs, to DIR/ledger; keys are not copied.
    Backup {
        /// Data directory of the copy.
        #[arg(value_name = "DIR")]
        target: PathBuf,
    },
    /// Make a ledger with an id of its own in DIR/ledger from a backup or another data directory.
    Restore {
        /// Data directory to take the records from.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Only the records below this sequence; all without it.
        #[arg(long, value_name = "N")]
        to_seq: Option<u64>,
        /// Only the records up to this time, such as 2026-11-23T18:00:00+08:00.
        #[arg(long, value_name = "TIME", conflicts_with = "to_seq", value_parser = time)]
        to_time: Option<Timestamp>,
        /// Data directory of the new ledger.
        #[arg(value_name = "DIR")]
        target: PathBuf,
    },
    /// How many records of each kind there are, and which snapshots.
    Stats,
    /// Move sealed segments to another directory, checked where they lie then. Everything that reads the ledger finds
    /// them there; a running switch goes on.
    Archive {
        /// The directory; made where it is missing.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Sealed segments that stay, the newest.
        #[arg(long, value_name = "N", default_value_t = 1)]
        keep: u64,
    },
    /// Write a snapshot of the state for a fast start, also while the switch runs; `serve` does so by itself.
    Snapshot,
    /// Every record or posting, to stdout; without sealed card numbers and wrapped keys.
    Export {
        /// In which form.
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// A new file to write to instead of stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make anew what is derived from the ledger: the index of every sealed segment, and the projections. It happens by
    /// itself whenever they are in doubt.
    Reindex,
    /// Transactions by what is known of them, newest first, a page at a time.
    Query(Box<QueryOptions>),
    /// What happened on an account, with the balance before, after each line and at the end.
    Statement(StatementOptions),
}

#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").args(["rrn", "terminal", "card_hash", "card", "merchant", "account"])))]
pub(crate) struct QueryOptions {
    /// This retrieval reference.
    #[arg(long, value_name = "RRN")]
    pub(crate) rrn: Option<String>,
    /// This terminal (DE 41); with --batch and --stan, one place.
    #[arg(long, value_name = "TID")]
    pub(crate) terminal: Option<String>,
    /// Only this batch of the terminal.
    #[arg(long, value_name = "N", requires = "terminal", value_parser = clap::value_parser!(u32).range(1..=999_999))]
    pub(crate) batch: Option<u32>,
    /// Only this trace number of the batch.
    #[arg(long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u32).range(0..=999_999))]
    pub(crate) stan: Option<u32>,
    /// This card, by its hash as the answers have it.
    #[arg(long, value_name = "HEX")]
    pub(crate) card_hash: Option<String>,
    /// A card of which the first six and last four digits are known: 622588******0008. Needs --amount and --date.
    #[arg(long, value_name = "MASKED", requires = "amount", requires = "date")]
    pub(crate) card: Option<String>,
    /// Only this amount, in minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) amount: Option<u64>,
    /// Only this business day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<BusinessDate>,
    /// This merchant (DE 42).
    #[arg(long, value_name = "MID")]
    pub(crate) merchant: Option<String>,
    /// Postings of this account, for example merchant-payable/0/CNY.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Nothing before this day or time (YYYY-MM-DDThh:mm:ss), local to the ledger.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Nothing after this day, or from this time on.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Oldest first.
    #[arg(long)]
    pub(crate) oldest_first: bool,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    /// Go on after the row that had this cursor, in the same query.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StatementOptions {
    /// The account: KIND/OWNER/CURRENCY, for example merchant-payable/0/CNY or cardholder/3/CNY; a merchant also by
    /// DE 42.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: String,
    /// Nothing before this day or time (YYYY-MM-DDThh:mm:ss), local to the ledger.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Nothing after this day, or from this time on.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only what stood on it after the first N records of the ledger.
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    pub(crate) at_seq: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyOptions {
    /// Check this proof and nothing else; needs the key and no data directory.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "witness")]
    pub(crate) proof: Option<PathBuf>,
    /// Compare the ledger also with the checkpoints that an outsider kept: a file of them, or a directory of files.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) witness: Option<PathBuf>,
    /// The ledger's verifier key, as `ledger checkpoint` prints it. Without it, --witness takes the data directory's
    /// own, which shows less: whoever exchanges the ledger can exchange the key.
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Option<VerifierKey>,
    /// Check only the blocks that hold the records from this one on: checksums and chain. Merkle roots and the meaning
    /// take all records.
    #[arg(long, value_name = "N", conflicts_with_all = ["proof", "witness"])]
    pub(crate) from: Option<u64>,
    /// Check only the blocks that hold the records below this one.
    #[arg(long, value_name = "N", conflicts_with_all = ["proof", "witness"])]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

/// A point in time with its offset from UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let at: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(at.as_microsecond()).map(Timestamp).map_err(|_| "it is before 1970".to_owned())
}
