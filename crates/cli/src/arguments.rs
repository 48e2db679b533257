//! The command line, as people type it.

mod change;
mod download;
mod key;
mod ledger;
mod operate;
mod product;
mod rate;
mod registry;
mod rules;
mod user;

pub(crate) use change::{ChangeLink, ChangeMerchant, ChangeTerminal};
pub(crate) use download::{DownloadCommand, DownloadKindName, Whose};
pub(crate) use key::{BroughtKey, DrawKey, InitKey, LmkCommand, MovedKey, NamedKey, RotateLmk};
pub(crate) use ledger::{ExportFormat, LedgerCommand, QueryOptions, StatementOptions, VerifyOptions};
pub(crate) use operate::{
    BatchCommand, Because, CardCommand, CaseCommand, ConfigCommand, ExplainCommand, LinkCommand, LinkTarget,
    Named, SafCommand, TransactionCommand,
};
pub(crate) use product::{AddProduct, ChangeProduct, ProductCommand};
pub(crate) use rate::{Pair, RateCommand, SetRate};
pub(crate) use registry::{
    AddLink, AddMerchant, AddTerminal, Bound, Cards, Change, FeePlanCommand, InjectKey, LimitCommand,
    OfferKey, RouteCommand, SetFeePlan,
};
pub(crate) use rules::{
    Counted, RemoveRules, RiskCommand, RoutingCommand, RulesChange, RulesFile, ScopeFlags, Score, SetRisk,
    SetRouting, SetStandIn, StandInCommand, TestFlags,
};
pub(crate) use user::{AddUser, NamedUser, RoleName, RolesOfUser, UserCommand};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use switchyard_domain::{BusinessDate, MatchKeys, UserName};

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
    /// Log in as this user; the password is typed at the terminal.
    #[arg(long, global = true, value_name = "NAME", env = "SWITCHYARD_USER")]
    pub(crate) user: Option<UserName>,
    /// Read passwords from standard input, one a line, before anything else that the command reads there.
    #[arg(long, global = true)]
    pub(crate) password_stdin: bool,
}

/// What `top` shows.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopOptions {
    /// Print once and end; also what happens when stdout is no terminal, and with `--output json`.
    #[arg(long)]
    pub(crate) once: bool,
    /// Milliseconds between two looks.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub(crate) interval_ms: u64,
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
    /// The main job end to end, with nothing to set up: terminals, issuers, switch, ledger, settlement.
    Demo(DemoOptions),
    /// Make a data directory.
    Init(InitOptions),
    /// Run the switch. Without a configuration it serves terminals on 127.0.0.1:8583 and HTTP on
    /// 127.0.0.1:8080.
    Serve(ConfigOption),
    /// Report every mistake in a configuration file with its line; exit 1 when there is one.
    CheckConfig {
        /// The file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read a message: its elements as text or JSON.
    Decode(MessageOptions),
    /// Make a message from JSON, in the form that `decode --output json` prints.
    Encode(EncodeOptions),
    /// Explain a message in several lines, with the names of its elements and the meaning of its codes.
    Describe(MessageOptions),
    /// Compare two messages element by element; exit 1 when they differ.
    Diff(DiffOptions),
    /// Dialects: list, show, import.
    #[command(subcommand)]
    Dialect(DialectCommand),
    /// The ledger: verify, checkpoint, prove, backup, restore, archive, stats, export, query, statement, reindex.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Merchants: add, change, list, show, disable, enable.
    #[command(subcommand)]
    Merchant(MerchantCommand),
    /// Terminals: add, change, list, show, disable, enable, reset-batch, force-sign-on, renew-keys, inject-key, offer-key,
    /// withdraw-key, speak.
    #[command(subcommand)]
    Terminal(TerminalCommand),
    /// Links to issuers: add, change, status, up, down, drain, sign-on, bill, match.
    #[command(subcommand)]
    Link(LinkCommand),
    /// Card products, which ranges of card numbers name: list, show, add, change.
    #[command(subcommand)]
    Product(ProductCommand),
    /// Which card numbers go where: list, add, remove, diff.
    #[command(subcommand)]
    Route(RouteCommand),
    /// What merchants pay: list, set.
    #[command(subcommand)]
    FeePlan(FeePlanCommand),
    /// What accounts take: list, set, remove.
    #[command(subcommand)]
    Limit(LimitCommand),
    /// Limits of transactions and risk rules: list, show, set, remove, test.
    #[command(subcommand)]
    Risk(RiskCommand),
    /// Rules that choose among links: list, show, set, remove.
    #[command(subcommand)]
    Routing(RoutingCommand),
    /// What is approved while an issuer is away: list, show, set, remove.
    #[command(subcommand)]
    StandIn(StandInCommand),
    /// Reversals on their way to issuers (store and forward): list, retry, resolve.
    #[command(subcommand)]
    Saf(SafCommand),
    /// Terminals' batches: list, show, force-close.
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Differences between terminals' batches and the host's: list, show, resolve.
    #[command(subcommand)]
    Case(CaseCommand),
    /// The hot-card list: list, block, unblock, import.
    #[command(subcommand)]
    Card(CardCommand),
    /// Rates at which cardholders are billed in another currency: set, list, quote.
    #[command(subcommand)]
    Rate(RateCommand),
    /// What terminals download: list, parameter, add, remove, status.
    #[command(subcommand)]
    Download(DownloadCommand),
    /// Transactions: search.
    #[command(subcommand)]
    Transaction(TransactionCommand),
    /// Explain what became of something, message by message, decision by decision.
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// The configuration of a running switch: reload.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// How a running switch is doing, live: links, rates, waiting times, queues, reasons of declines.
    #[command(after_help = "Keys: q quit, up and down choose a link, p pause, ? help.\n\
                            Example: switchyard top; switchyard top --once; switchyard top --output json")]
    Top(TopOptions),
    /// Business days: status, cut.
    Day {
        #[command(flatten)]
        config: ConfigOption,
        #[command(subcommand)]
        command: DayCommand,
    },
    /// Settlement of a day: price, net, write files.
    Settle {
        #[command(flatten)]
        config: ConfigOption,
        #[command(subcommand)]
        command: SettleCommand,
    },
    /// People who log in: add, list, show, disable, enable, unlock, roles, passwd.
    #[command(subcommand)]
    User(UserCommand),
    /// Keys and payment cryptography.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Play the other side of the demo world: issuers, terminals, load.
    #[command(subcommand)]
    Sim(SimCommand),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigOption {
    /// Configuration file; see deploy/switchyard.toml for every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoOptions {
    /// Transactions of the fleet; sign-ons, reversals and batch closes come on top.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) transactions: u64,
    /// Go on serving what the demo made until Ctrl-C.
    #[arg(long)]
    pub(crate) keep_running: bool,
    /// The same seed plays the same transactions.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where runs are kept; each has a directory of its own in it.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct InitOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOption,
    /// With a small world of merchants, terminals, cards and links; its keys and PINs go to DATA/demo.json.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Institution code of the acquirer (DE 32), for a ledger that is not a demo.
    #[arg(long, value_name = "CODE")]
    pub(crate) acquirer: Option<String>,
    /// Terminals of the demo world.
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) terminals: usize,
    /// Merchants of the demo world.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) merchants: usize,
    /// Ports on which the issuers of the demo world listen, one for each link.
    #[arg(long, value_name = "PORT,…", value_delimiter = ',', requires = "demo")]
    pub(crate) issuer_ports: Vec<u16>,
    /// What the issuers of the demo world speak, one dialect for each link, as `dialect list` names it.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "demo")]
    pub(crate) issuer_dialects: Vec<String>,
    /// Make the local master key out of so many components, typed one after the other by their custodians, in the place
    /// of one that is drawn; `key component --lmk` draws them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=3), conflicts_with = "demo")]
    pub(crate) lmk_components: Option<u8>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MerchantCommand {
    /// Register a merchant.
    #[command(
        after_help = "Example: switchyard merchant add M00000000000001 --name 'Tea House' --mcc 5812 --fee-plan 1 \\
                      --account-holder 'Tea House' --account-number 6222000011112222 --account-cnaps 102100099996"
    )]
    Add(AddMerchant),
    /// In the order of registration.
    List {
        /// Only those registered after the merchant with this number.
        #[arg(long, value_name = "N")]
        after: Option<u32>,
        /// At most this many.
        #[arg(long, default_value_t = 1_000, value_name = "N")]
        limit: usize,
    },
    /// One merchant; exit 1 when there is none.
    Show {
        /// Merchant id (DE 42).
        #[arg(value_name = "MID")]
        id: String,
    },
    /// Change its name, category, account or fee plan, at once and for what comes after; what it was is recorded too.
    #[command(
        after_help = "Example: switchyard merchant change M00000000000001 --fee-plan 2 --reason 'new contract'"
    )]
    Change(ChangeMerchant),
    /// Refuse whatever its terminals ask, with 03.
    #[command(after_help = "Example: switchyard merchant disable M00000000000001 --reason 'under review'")]
    Disable(Named),
    /// Let it trade again.
    #[command(after_help = "Example: switchyard merchant enable M00000000000001 --reason 'review is over'")]
    Enable(Named),
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TerminalCommand {
    /// Register a terminal. Its master key comes afterwards: `terminal inject-key`, `key import-tr31` or a ceremony
    /// (`key init`). A demonstration takes it on stdin, 32 or 48 hexadecimal digits, and prints its check value.
    #[command(after_help = "Example: switchyard terminal add T0000001 --merchant M00000000000001\n\
                            then:    switchyard terminal inject-key T0000001 --under transport/1")]
    Add(AddTerminal),
    /// In the order of registration.
    List {
        /// Only those registered after the terminal with this number.
        #[arg(long, value_name = "N")]
        after: Option<u32>,
        /// At most this many.
        #[arg(long, default_value_t = 1_000, value_name = "N")]
        limit: usize,
    },
    /// One terminal; exit 1 when there is none.
    Show {
        /// Terminal id (DE 41).
        #[arg(value_name = "TID")]
        id: String,
    },
    /// Give it to another merchant, or another MAC algorithm: it hears 77 until it has signed on again.
    #[command(
        after_help = "Example: switchyard terminal change T0000001 --mac cmac-aes --reason 'new firmware' --dry-run"
    )]
    Change(ChangeTerminal),
    /// Refuse whatever it asks, with 58.
    #[command(after_help = "Example: switchyard terminal disable T0000001 --reason 'stolen from the shop'")]
    Disable(Named),
    /// Let it speak again.
    #[command(after_help = "Example: switchyard terminal enable T0000001 --reason 'found again'")]
    Enable(Named),
    /// Go on under a higher batch number, which its next sign-on tells it; its batch has to be empty.
    #[command(
        after_help = "Example: switchyard terminal reset-batch T0000001 --number 120 --reason 'replaced device'"
    )]
    ResetBatch {
        #[command(flatten)]
        target: Named,
        /// The number.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=999_999))]
        number: u32,
    },
    /// Ask it, in its next answer, to sign on for new working keys; nothing is refused meanwhile.
    #[command(after_help = "Example: switchyard terminal renew-keys T0000001 --reason 'yearly change'")]
    RenewKeys(Named),
    /// Draw its next master key, and print it under a transport key with its check value for the key loader.
    #[command(after_help = "Example: switchyard terminal inject-key T0000001 --under transport/1")]
    InjectKey(InjectKey),
    /// Draw its next master key, which it may fetch over the line (0800 with 60.3 = 400) and which is in force once it has
    /// proven that it has it (401). It travels under the master key that the terminal has, or under a transport key that
    /// its maker put in. Where that key may be known to somebody, use inject-key.
    #[command(
        after_help = "Example: switchyard terminal offer-key T0000001 --hours 72 --reason 'yearly change'"
    )]
    OfferKey(OfferKey),
    /// Let it fetch that key no more.
    #[command(after_help = "Example: switchyard terminal withdraw-key T0000001 --reason 'replaced device'")]
    WithdrawKey(Named),
    /// Let it hear 77 until it has signed on again and has new keys.
    #[command(after_help = "Example: switchyard terminal force-sign-on T0000001 --reason 'new keys'")]
    ForceSignOn(Named),
    /// Say how it speaks: its dialect, whether its messages carry a MAC, whether it takes a part of an amount. What is not
    /// said becomes what a new terminal has. Another dialect takes an empty batch.
    #[command(
        after_help = "Example: switchyard terminal speak T0000001 --dialect iso87-binary --no-mac --reason 'generic till'"
    )]
    Speak {
        #[command(flatten)]
        target: Named,
        /// Its dialect, as `dialect list` names it; it connects to the listener of this dialect.
        #[arg(long, value_name = "NAME", default_value = "unionpay-pos")]
        dialect: String,
        /// Its transactions carry no MAC: whoever reaches its listener is believed.
        #[arg(long)]
        no_mac: bool,
        /// It understands that a part of the amount was approved (10, 002, 0002).
        #[arg(long)]
        takes_partial: bool,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DayCommand {
    /// The days and where they stand.
    Status,
    /// End the open business day.
    Cut,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SettleCommand {
    /// Price and net a cut day, write pain.001 and a statement per merchant, record their digests.
    Run {
        /// The day; without it the oldest that waits.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<BusinessDate>,
        /// Show the result, write and record nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// The days and where they stand.
    Status,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimHsm {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:1500", value_name = "ADDRESS")]
    pub(crate) listen: String,
    /// Characters of the message header.
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) header_bytes: usize,
    /// Answers that come late, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) delay_per_mille: u16,
    /// How late, milliseconds.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub(crate) delay_ms: u64,
    /// Answers that do not come, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) silent_per_mille: u16,
    /// Bytes that are no answer, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) garbage_per_mille: u16,
    /// Answers behind a header that no command had, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) wrong_header_per_mille: u16,
    /// Connections that break instead of an answer, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) disconnect_per_mille: u16,
    /// Commands that are refused, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) refuse_per_mille: u16,
    /// Seed of the draws.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SimCommand {
    /// Issuer hosts of the world's links, until Ctrl-C.
    Issuer(SimIssuer),
    /// A hardware security module with the payShield command set, until Ctrl-C. Its first start makes its
    /// local master key and the transport key that the switch finds beside its own keys.
    Hsm(SimHsm),
    /// Terminals that do everything terminals do; exit 1 when the switch answered wrongly.
    Terminals(SimTerminals),
    /// Sales as fast as they are answered, cryptography done beforehand.
    Load {
        /// Address of the switch.
        #[arg(long, default_value = "127.0.0.1:8583")]
        target: String,
        /// Sales. A batch of a terminal takes 9,999 (core.batch_items_max), then they hear 65: make more terminals, or set
        /// it higher.
        #[arg(long, default_value_t = 100_000)]
        transactions: u64,
        /// Requests in flight on each connection.
        #[arg(long, default_value_t = 64)]
        window: usize,
        /// Connections; above 2,000 the switch needs another terminals.connections_per_ip_max.
        #[arg(long, default_value_t = 4)]
        connections: usize,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimIssuer {
    /// Only this link.
    #[arg(long, value_name = "NAME")]
    pub(crate) link: Option<String>,
    /// Speak this dialect instead of the link's own, as `dialect list` names it.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// Delimit frames like this instead of as the link does, as `decode --frame` names it.
    #[arg(long, value_name = "KIND")]
    pub(crate) framing: Option<String>,
    /// Answers that are lost after the request was processed, per mille.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) drop_per_mille: u16,
    /// Scripts: of a thousand chips that ask, so many get one in the answer.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) script_per_mille: u16,
    /// Send the switch another PIN key so often, milliseconds; 0: never. One that it has not answered is sent again.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub(crate) new_key_ms: u64,
    /// Repeat no more of the elements that links match by (3, 7, 11, 12, 32, 37, 41) than these.
    #[arg(long, value_name = "ELEMENTS")]
    pub(crate) echo: Option<MatchKeys>,
    /// File that gets a line for each effect: what was posted, and again when it was reversed.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimTerminals {
    /// Address of the switch.
    #[arg(long, default_value = "127.0.0.1:8583")]
    pub(crate) target: String,
    /// File that gets a line before each request and after each reply.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Go on from that journal: what was not answered is asked again first.
    #[arg(long, requires = "journal")]
    pub(crate) resume: bool,
    /// Transactions over all terminals.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub(crate) transactions: u64,
    /// Terminals used, each on a connection of its own; all of the world without it. Above 2,000 the switch needs another
    /// terminals.connections_per_ip_max.
    #[arg(long, value_name = "N")]
    pub(crate) terminals: Option<usize>,
    /// The same seed plays the same transactions.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// No new transactions after so many seconds.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Leave out everything that a good terminal does not do.
    #[arg(long)]
    pub(crate) well_behaved: bool,
    /// Do not close batches at the end.
    #[arg(long)]
    pub(crate) leave_open: bool,
    /// What the terminals speak: `unionpay-pos` or a generic dialect. The switch has to know it of each of them
    /// (`switchyard terminal speak`) and to listen for it (`terminals.generic`).
    #[arg(long, default_value = "unionpay-pos", value_name = "NAME")]
    pub(crate) dialect: String,
    /// Framing of a generic dialect, as its listener has it.
    #[arg(long, default_value = "len2-be", value_name = "KIND")]
    pub(crate) framing: String,
    /// What stands between framing and message in a generic dialect: `none`, `tpdu`, `tpdu-header`, `header`,
    /// `tpdu-version`.
    #[arg(long, default_value = "none", value_name = "KIND")]
    pub(crate) envelope: String,
    /// Generic terminals without a MAC.
    #[arg(long)]
    pub(crate) no_mac: bool,
    /// Terminals that understand that a part was approved.
    #[arg(long)]
    pub(crate) takes_partial: bool,
    /// Fetch master keys that wait for the terminals (`switchyard terminal offer-key`) before they sign on, and keep them
    /// in DATA/demo.json.
    #[arg(long)]
    pub(crate) fetch_keys: bool,
}

/// Which message format.
#[derive(Debug, Clone, Args)]
pub(crate) struct DialectOption {
    /// Name of a built-in dialect (see `switchyard dialect list`) or a TOML file.
    #[arg(long, default_value = "unionpay-pos", value_name = "NAME|FILE")]
    pub(crate) dialect: String,
    /// What stands before the message: `auto`, `none`, or a framing: `len2-be`, `len2-le`, `len4-be`, `len4-le`,
    /// `len4-ascii`, `len2-bcd`, each also with `-inclusive`, `vap`, `stx-etx`, `stx-len2-bcd`.
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
    /// Exit 1 when the dialect's tables miss elements in the message or find forbidden ones; JSON lists them as
    /// `findings`. Text shows them always.
    #[arg(long)]
    pub(crate) validate: bool,
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
    /// A dialect from another implementation's file, as TOML; what it cannot say alike is a warning.
    Import {
        /// What the file is.
        #[arg(long, value_name = "FORMAT")]
        from: ImportFormat,
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// A jPOS GenericPackager file.
    JposXml,
    /// A moov-io/iso8583 specification.
    MoovJson,
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
    /// Begin a ceremony: two or three custodians bring a key together, each with a component of it.
    #[command(
        after_help = "Example: switchyard key init transport/1 --cipher aes --bits 256 --reason 'keys for terminals'"
    )]
    Init(InitKey),
    /// Draw a component at random and print it, once, with its check value: it is kept nowhere.
    #[command(after_help = "Example: switchyard key component transport/1 --user anna")]
    Component(DrawKey),
    /// Bring a component, typed at the terminal or on standard input. The last one makes the key.
    #[command(after_help = "Example: switchyard key load transport/1 --user anna < component")]
    Load(NamedKey),
    /// End a ceremony without a key.
    #[command(after_help = "Example: switchyard key cancel transport/1 --reason 'a component was lost'")]
    Cancel {
        #[command(flatten)]
        named: NamedKey,
        /// Why, in one line; the ledger keeps it with your name.
        #[arg(long, value_name = "TEXT")]
        reason: switchyard_domain::Reason,
    },
    /// Every key but those of terminals: check values, and the ceremonies that are open.
    #[command(after_help = "Example: switchyard key show")]
    Show {
        /// Only this one.
        #[arg(value_name = "KEY")]
        key: Option<switchyard_domain::KeyName>,
    },
    /// Take an exportable key out under a transport key, as a TR-31 block.
    #[command(after_help = "Example: switchyard key export-tr31 issuer-cryptogram --under transport/1")]
    ExportTr31(MovedKey),
    /// Bring a key in under a transport key: a TR-31 block on standard input.
    #[command(
        after_help = "Example: switchyard key import-tr31 pin-verification --under transport/1 < block"
    )]
    ImportTr31(BroughtKey),
    /// The keys that seal cards: the period of each, and which are shredded, by whom and why.
    List {
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Seal cards under a new key from now on; `serve` does so by itself every `keys.card_key_days`.
    Rotate {
        #[command(flatten)]
        config: ConfigOption,
    },
    /// The local master key, under which every other key is: change it, see which there are, destroy those before it.
    #[command(subcommand)]
    Lmk(LmkCommand),
    /// Destroy the keys of all cards that were sealed before a day. Nothing can open those cards again; the ledger
    /// keeps every byte, with masks and hashes, and verifies as before.
    Shred(ShredOptions),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ShredOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOption,
    /// Keys whose periods ended by the beginning of this day, local time of the switch.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) before: BusinessDate,
    /// Why, for the record that the ledger keeps.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Really do it.
    #[arg(long, required_unless_present = "dry_run")]
    pub(crate) yes: bool,
    /// Show which keys it would be, and destroy nothing.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}
