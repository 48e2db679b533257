//! Registering merchants, terminals, links, routes, fee plans and limits, as people type it.

use super::{ConfigOption, Named};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use switchyard_domain::{BusinessDate, CardClass, KeyName, ProductCode, Reason, TerminalMac};

/// What every change of the registry takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Change {
    /// Refuse when the registry is not at this version any more (`route list` and `--output json` show it).
    #[arg(long, value_name = "N")]
    pub(crate) expect_version: Option<u64>,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddMerchant {
    /// Merchant id (DE 42).
    #[arg(value_name = "MID")]
    pub(crate) id: String,
    /// Its name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: String,
    /// Merchant category code.
    #[arg(long, value_name = "MCC", value_parser = clap::value_parser!(u16).range(1..=9_999))]
    pub(crate) mcc: u16,
    /// Number of its fee plan.
    #[arg(long, value_name = "N")]
    pub(crate) fee_plan: u32,
    /// Holder of the account that payouts go to.
    #[arg(long, value_name = "TEXT")]
    pub(crate) account_holder: String,
    /// Number of that account.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) account_number: String,
    /// CNAPS code of its bank, 12 digits.
    #[arg(long, value_name = "CODE")]
    pub(crate) account_cnaps: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddTerminal {
    /// Terminal id (DE 41).
    #[arg(value_name = "TID")]
    pub(crate) id: String,
    /// Its merchant (DE 42).
    #[arg(long, value_name = "MID")]
    pub(crate) merchant: String,
    /// How it authenticates messages.
    #[arg(long, value_name = "ALGORITHM", default_value = "cup-ecb")]
    pub(crate) mac: Mac,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// How a terminal authenticates messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mac {
    /// UnionPay's fold, single-length key.
    CupEcb,
    /// UnionPay's fold, double-length key.
    CupEcbDouble,
    /// ANSI X9.9.
    X99,
    /// ANSI X9.19.
    X919,
    /// CMAC with TDES.
    CmacTdes,
    /// CMAC with AES-128.
    CmacAes,
    /// UnionPay's fold with SM4.
    Sm4,
}
impl From<Mac> for TerminalMac {
    fn from(mac: Mac) -> Self {
        match mac {
            Mac::CupEcb => Self::CupEcb,
            Mac::CupEcbDouble => Self::CupEcbDouble,
            Mac::X99 => Self::X99,
            Mac::X919 => Self::X919,
            Mac::CmacTdes => Self::CmacTdes,
            Mac::CmacAes => Self::CmacAes,
            Mac::Sm4 => Self::Sm4,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddLink {
    /// Its name, for people and metrics.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// `host:port` of the issuer's host, `tls://host:port`, or `listen://IP:PORT?peer=IP` (and `listen+tls://`) where the
    /// host connects to the switch.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: String,
    /// What the host speaks: a built-in dialect of ISO 8583, as `dialect list` names it.
    #[arg(long, value_name = "NAME", default_value = "iso87-binary")]
    pub(crate) dialect: String,
    /// How its messages are framed, as `decode --frame` names it.
    #[arg(long, value_name = "KIND", default_value = "len2-be")]
    pub(crate) framing: String,
    /// Milliseconds to wait for an answer.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=300_000))]
    pub(crate) answer_timeout_ms: u32,
    /// How many connections it has at a time, all to the same host, which signs each on for itself.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) connections: u8,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Which card numbers: a prefix, or a range of up to 19 digits.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Cards {
    /// Card numbers that begin with these digits.
    #[arg(long, value_name = "DIGITS", conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<String>,
    /// From the first card number that begins with these digits.
    #[arg(long, value_name = "DIGITS", requires = "to")]
    pub(crate) from: Option<String>,
    /// To the last card number that begins with these digits.
    #[arg(long, value_name = "DIGITS", requires = "from")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RouteCommand {
    /// Every range of card numbers, the narrowest first, and the version of the registry.
    #[command(after_help = "Example: switchyard route list --output json")]
    List,
    /// Send a range of card numbers somewhere; the narrowest range that holds a number counts.
    #[command(
        after_help = "Example: switchyard route add --prefix 622588 --class credit --link harbour --issuer 3010000"
    )]
    Add {
        #[command(flatten)]
        cards: Cards,
        /// Class of these cards: fees depend on it.
        #[arg(long, value_name = "CLASS", required_unless_present = "product")]
        class: Option<Class>,
        /// Their product (`product list`), which says what class they are of.
        #[arg(long, value_name = "CODE")]
        product: Option<ProductCode>,
        /// The link that leads to their issuer; without it, the embedded issuer.
        #[arg(long, value_name = "NAME")]
        link: Option<String>,
        /// Institution code of the issuer (DE 44).
        #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u64).range(0..=99_999_999_999))]
        issuer: u64,
        #[command(flatten)]
        change: Change,
    },
    /// Take a range out.
    #[command(
        after_help = "Example: switchyard route remove --prefix 622588 --reason 'moved to another network'"
    )]
    Remove {
        #[command(flatten)]
        cards: Cards,
        /// Why, in one line; the ledger keeps it with your name.
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        #[command(flatten)]
        change: Change,
    },
    /// Replay a day's card numbers against another table: what would go elsewhere. Nothing is changed; exit 1 when
    /// something would. Reads the keys that open sealed cards.
    #[command(after_help = "Example: switchyard route list --output json > table.json; edit it; \
                      switchyard route diff --against table.json")]
    Diff {
        /// The other table, in the form of `route list --output json`.
        #[arg(long, value_name = "FILE")]
        against: PathBuf,
        /// The business day; without it the last that was cut, or the open one when none was.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<BusinessDate>,
        #[command(flatten)]
        config: ConfigOption,
    },
}

/// Class of cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Class {
    /// Domestic debit cards.
    Debit,
    /// Domestic credit cards.
    Credit,
    /// Cards issued abroad.
    Foreign,
}
impl From<Class> for CardClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Debit => Self::Debit,
            Class::Credit => Self::Credit,
            Class::Foreign => Self::Foreign,
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum FeePlanCommand {
    /// Every version of every fee plan.
    #[command(after_help = "Example: switchyard fee-plan list")]
    List,
    /// Set a fee plan, or a new version of one that counts from a day on.
    #[command(
        after_help = "Example: switchyard fee-plan set 1 --debit-ppm 3500 --debit-cap 1300 --credit-ppm 4500"
    )]
    Set(SetFeePlan),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetFeePlan {
    /// Its number.
    #[arg(value_name = "N")]
    pub(crate) plan: u32,
    /// First business day that it prices; without it, from the beginning.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Option<BusinessDate>,
    /// Debit cards: parts per million of the amount.
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) debit_ppm: u32,
    /// Debit cards: most per transaction, minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) debit_cap: Option<u64>,
    /// Credit cards: parts per million.
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) credit_ppm: u32,
    /// Credit cards: most per transaction, minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) credit_cap: Option<u64>,
    /// Foreign cards: parts per million.
    #[arg(long, value_name = "PPM", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) foreign_ppm: u32,
    /// Foreign cards: most per transaction, minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) foreign_cap: Option<u64>,
    /// Added to each transaction, minor units.
    #[arg(long, value_name = "MINOR", default_value_t = 0)]
    pub(crate) fixed: u64,
    /// Least per transaction, minor units.
    #[arg(long, value_name = "MINOR", default_value_t = 0)]
    pub(crate) minimum: u64,
    /// Keep the fee when a transaction is refunded.
    #[arg(long)]
    pub(crate) keep_on_refund: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LimitCommand {
    /// Accounts with rules of their own, and what they are.
    #[command(after_help = "Example: switchyard limit list")]
    List,
    /// What an account takes from now on; what is not given stays as it is.
    #[command(after_help = "Example: switchyard limit set cardholder/3/CNY --debit 50000 --credit none")]
    Set {
        /// The account: KIND/OWNER/CURRENCY, for example cardholder/3/CNY or wallet/0/CNY; a merchant also by DE 42.
        /// Payables, receivables and suspense have none: what has taken place is posted there.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// How far it may be overdrawn, minor units; `none` is no limit.
        #[arg(long, value_name = "MINOR|none", value_parser = bound)]
        debit: Option<Bound>,
        /// How much may stand on it, minor units; `none` is no limit.
        #[arg(long, value_name = "MINOR|none", value_parser = bound)]
        credit: Option<Bound>,
        /// Take nothing any more: true or false.
        #[arg(long, value_name = "BOOL")]
        closed: Option<bool>,
        #[command(flatten)]
        change: Change,
    },
    /// Take an account's own rules away: those of its kind count again.
    #[command(after_help = "Example: switchyard limit remove cardholder/3/CNY")]
    Remove {
        /// The account, as in `set`.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        #[command(flatten)]
        change: Change,
    },
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Option<u64>);

fn bound(text: &str) -> Result<Bound, String> {
    match text {
        "none" => Ok(Bound(None)),
        _ => text.parse().map(|minor| Bound(Some(minor))).map_err(|_| "neither a number nor none".to_owned()),
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OfferKey {
    #[command(flatten)]
    pub(crate) target: Named,
    /// The transport key that it travels under, as `key show` names it; without it the terminal's own master key.
    #[arg(long, value_name = "KEY")]
    pub(crate) under: Option<KeyName>,
    /// For how long it may be fetched.
    #[arg(long, value_name = "N", default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=KEY_OFFER_HOURS))]
    pub(crate) hours: u32,
}

/// Longest time for which a key may be fetched.
const KEY_OFFER_HOURS: i64 = switchyard_domain::KEY_OFFER_HOURS_MAX as i64;

#[derive(Debug, Clone, Args)]
pub(crate) struct InjectKey {
    /// Terminal id (DE 41).
    #[arg(value_name = "TID")]
    pub(crate) id: String,
    /// The transport key that the key loader shares, as `key show` names it.
    #[arg(long, value_name = "KEY")]
    pub(crate) under: KeyName,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}
