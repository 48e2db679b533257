//! Operators' commands, as people type them.

use super::{AddLink, ChangeLink, ConfigOption, QueryOptions};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use switchyard_domain::{BlockCause, CaseFinding, Currency, KeyName, MatchKeys, Reason, SafFinding};

/// What every order takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Because {
    /// Why, in one line; the ledger keeps it with your name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LinkCommand {
    /// Register a link. The key under which PIN blocks travel on it comes afterwards: `key import-tr31` or a ceremony
    /// (`key init`). A demonstration takes it on stdin, 32 or 48 hexadecimal digits, and prints its check value.
    #[command(after_help = "Example: switchyard link add harbour --address 10.0.0.7:8600\n\
                            then:    switchyard key import-tr31 zone-pin/0 --under transport/1 < block")]
    Add(AddLink),
    /// Change its address, dialect, framing, time-out, connections or credit, at once; what it was is recorded too.
    #[command(
        after_help = "Example: switchyard link change harbour --address 10.0.0.8:8600 --reason 'their new data centre'"
    )]
    Change(ChangeLink),
    /// Every link: what it is for, whether its host has signed it on, what is under way and what waits.
    #[command(after_help = "Example: switchyard link status --output json")]
    Status,
    /// Connect, and take transactions again.
    #[command(after_help = "Example: switchyard link up harbour --reason 'host maintenance is over'")]
    Up(LinkTarget),
    /// Let the connection go and stay without one: cards behind it hear 91, reversals wait.
    #[command(after_help = "Example: switchyard link down harbour --reason 'host maintenance until 3:00'")]
    Down(LinkTarget),
    /// Take no new transactions; answers and reversals go on. Then `link down` disturbs nobody.
    #[command(after_help = "Example: switchyard link drain harbour --reason 'before maintenance'")]
    Drain(LinkTarget),
    /// Sign on to the host once more, over the connection that stands.
    #[command(after_help = "Example: switchyard link sign-on harbour --reason 'the host lost its sessions'")]
    SignOn(LinkTarget),
    /// Bill the cardholders behind the link in a currency: amounts of another are converted for its host (`rate`).
    #[command(
        after_help = "Example: switchyard link bill harbour --currency USD --reason 'their cards are in dollars'"
    )]
    Bill {
        #[command(flatten)]
        target: LinkTarget,
        /// The currency, by its letters or number.
        #[arg(long, value_name = "CURRENCY", required_unless_present = "none", conflicts_with = "none")]
        currency: Option<Currency>,
        /// Convert nothing: the host does, or its cards are in the currency of the transactions.
        #[arg(long)]
        none: bool,
    },
    /// Say which elements the host repeats, so that an answer finds its request. Without --on: DE 7, 11 and 37, of which 37
    /// may be absent. Drain the link before: what is under way is not found by a key that it was not asked under.
    #[command(
        after_help = "Example: switchyard link match harbour --on 11,41 --reason 'their host gives DE 7 and 37 anew'"
    )]
    Match(MatchLink),
    /// Let its PIN keys come over the line (0800 with DE 70 = 161, 811 since 1993), under a transport key that its host has
    /// too. Without that, what its host says of keys hears 12.
    #[command(
        after_help = "Example: switchyard link key-under harbour transport/1 --reason 'agreed with their security officer'"
    )]
    KeyUnder {
        #[command(flatten)]
        target: LinkTarget,
        /// The transport key, as `key list` has it.
        #[arg(value_name = "KEY", required_unless_present = "none", conflicts_with = "none")]
        under: Option<KeyName>,
        /// They may not any more.
        #[arg(long)]
        none: bool,
    },
    /// Ask its host for a new PIN key. The one in force stays until the host's is there and found right; `link status` shows
    /// the check value.
    #[command(after_help = "Example: switchyard link new-key harbour --reason 'yearly change'")]
    NewKey(LinkTarget),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MatchLink {
    #[command(flatten)]
    pub(crate) target: LinkTarget,
    /// Numbers of the elements, between commas: of 3, 7, 11, 12, 32, 37 and 41, with 11 or 37 among them. The class of the
    /// message always has to fit.
    #[arg(long, value_name = "ELEMENTS", default_value = "7,11,37")]
    pub(crate) on: MatchKeys,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LinkTarget {
    /// Name of the link, as `link status` has it.
    #[arg(value_name = "NAME")]
    pub(crate) link: String,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SafCommand {
    /// Reversals that no issuer has acknowledged: those that gave up first, then those that wait.
    #[command(after_help = "Example: switchyard saf list --dead")]
    List {
        /// Only those that gave up.
        #[arg(long)]
        dead: bool,
    },
    /// Send one again that gave up, or one that waits at once.
    #[command(after_help = "Example: switchyard saf retry 17 --reason 'the issuer is back'")]
    Retry {
        /// Number of the entry, as `saf list` has it.
        #[arg(value_name = "ID")]
        id: u64,
        #[command(flatten)]
        because: Because,
    },
    /// End one by what the issuer says of its transaction: nothing is sent any more, and its outcome is known.
    #[command(
        after_help = "Example: switchyard saf resolve 17 --as undone --reason 'confirmed by the issuer, ticket 4711'"
    )]
    Resolve {
        /// Number of the entry, as `saf list` has it.
        #[arg(value_name = "ID")]
        id: u64,
        /// What the issuer says. A transaction that stands goes to suspense, for a `transfer` to give it to whom it
        /// belongs.
        #[arg(long = "as", value_name = "FINDING")]
        finding: Finding,
        #[command(flatten)]
        because: Because,
    },
}

/// What an issuer says of a transaction that was to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Finding {
    /// It took it back.
    Undone,
    /// It never had it.
    NeverTaken,
    /// It keeps it.
    Stands,
}
impl From<Finding> for SafFinding {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Undone => Self::Undone,
            Finding::NeverTaken => Self::NeverTaken,
            Finding::Stands => Self::Stands,
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BatchCommand {
    /// The open batch of every terminal that has something in it.
    #[command(after_help = "Example: switchyard batch list")]
    List {
        /// Empty ones too.
        #[arg(long)]
        all: bool,
        /// Those that were closed, newest first: totals of both sides, verdict, by whom and when.
        #[arg(long, conflicts_with = "all")]
        closed: bool,
        /// Those of one terminal (DE 41).
        #[arg(long, value_name = "TID", requires = "closed")]
        terminal: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 20, value_name = "N", requires = "closed", value_parser = clap::value_parser!(u16).range(1..=1_000))]
        limit: u16,
    },
    /// A terminal's open batch with its totals and transactions; exit 1 when there is no such terminal.
    #[command(after_help = "Example: switchyard batch show T0000001 --batch 41")]
    Show {
        /// Terminal id (DE 41).
        #[arg(value_name = "TID")]
        terminal: String,
        /// The batch of this number, which was closed: totals of both sides, differences, by whom and when.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=999_999))]
        batch: Option<u32>,
    },
    /// Close a batch whose terminal does not: with the host's totals. The terminal hears 77 and takes the next
    /// number when it signs on.
    #[command(
        after_help = "Example: switchyard batch force-close T0000001 --batch 7 --reason 'the terminal is broken'"
    )]
    ForceClose {
        /// Terminal id (DE 41).
        #[arg(value_name = "TID")]
        terminal: String,
        /// Its open batch: named so that no other is closed by mistake.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=999_999))]
        batch: u32,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CaseCommand {
    /// Differences between terminals' batches and the host's that nobody has settled.
    #[command(after_help = "Example: switchyard case list --all")]
    List {
        /// Settled ones too.
        #[arg(long)]
        all: bool,
    },
    /// One case, with how it was settled; exit 1 when there is none.
    #[command(after_help = "Example: switchyard case show 3")]
    Show {
        /// Its number, as `case list` has it.
        #[arg(value_name = "N")]
        case: u64,
    },
    /// Settle a case.
    #[command(after_help = "Example: switchyard case resolve 3 --as host-right --reason 'no slip was found'")]
    Resolve {
        /// Its number, as `case list` has it.
        #[arg(value_name = "N")]
        case: u64,
        /// How.
        #[arg(long = "as", value_name = "FINDING")]
        finding: Settled,
        #[command(flatten)]
        because: Because,
    },
}

/// How a difference was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Settled {
    /// The host was right: nothing moves.
    HostRight,
    /// The terminal was right, and money was moved accordingly.
    Adjusted,
    /// The acquirer bears it.
    WrittenOff,
}
impl From<Settled> for CaseFinding {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::HostRight => Self::HostRight,
            Settled::Adjusted => Self::Adjusted,
            Settled::WrittenOff => Self::WrittenOff,
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CardCommand {
    /// Cards on the hot-card list, with who put them there and why.
    #[command(after_help = "Example: switchyard card list")]
    List,
    /// Put a card on the hot-card list. Its number comes on stdin: on the command line it would stay in the shell's
    /// history.
    #[command(
        after_help = "Example: switchyard card block --cause stolen --reason 'called by the holder' < number"
    )]
    Block {
        /// Why: the terminal hears 41 for lost, 43 for stolen, 62 for restricted.
        #[arg(long, value_name = "CAUSE")]
        cause: Cause,
        #[command(flatten)]
        because: Because,
    },
    /// Take a card off the hot-card list. Its number comes on stdin.
    #[command(after_help = "Example: switchyard card unblock --reason 'found again' < number")]
    Unblock {
        /// Hash of the card, as `card list` has it, instead of its number.
        #[arg(long, value_name = "HEX")]
        card_hash: Option<String>,
        #[command(flatten)]
        because: Because,
    },
    /// Put many cards on the hot-card list: a line each, `NUMBER` or `NUMBER,CAUSE`; `#` begins a comment. A file with
    /// a wrong line is refused whole, with every wrong line named; exit 1.
    #[command(
        after_help = "Example: switchyard card import hot.csv --cause lost --reason 'list of 2026-11-23'"
    )]
    Import {
        /// The file; `-` is stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Cause of lines that name none.
        #[arg(long, value_name = "CAUSE", default_value = "lost")]
        cause: Cause,
        #[command(flatten)]
        because: Because,
    },
}

/// Why a card is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cause {
    /// Reported lost: 41.
    Lost,
    /// Reported stolen: 43.
    Stolen,
    /// Not to be taken for another reason: 62.
    Restricted,
}
impl From<Cause> for BlockCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Lost => Self::Lost,
            Cause::Stolen => Self::Stolen,
            Cause::Restricted => Self::Restricted,
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Have the running switch read its configuration file again: limits of the core are in force at once, the rest
    /// is named and waits for a start. A file with a mistake changes nothing.
    #[command(after_help = "Example: switchyard config reload")]
    Reload,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TransactionCommand {
    /// Transactions by what is known of them, newest first; the same as `ledger query`.
    #[command(
        after_help = "Example: switchyard transaction search --card '622588******0008' --amount 1250 --date 2026-11-23"
    )]
    Search(Box<QueryOptions>),
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ExplainCommand {
    /// A transaction: its messages as far as records hold them, its decisions with their reasons, its postings. Exit 1
    /// when there is none.
    #[command(after_help = "Example: switchyard explain transaction 380000000001")]
    Transaction {
        /// Retrieval reference (DE 37).
        #[arg(value_name = "RRN")]
        rrn: String,
    },
}

/// What becomes of a terminal or a merchant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// Terminal id (DE 41) or merchant id (DE 42).
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) because: Because,
}
