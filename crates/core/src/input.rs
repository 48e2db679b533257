//! What reaches the core.

use crate::access::Act;
use crate::config::CoreConfig;
use crate::effect::UpstreamRequest;
use crate::key::KeyCommand;
use crate::link_key::{KeyBrought, KeyCargo, KeyFault, ZonePin};
use crate::order::Order;
use crate::user::UserCommand;
use switchyard_domain::{
    AccountId, AccountRules, AcquirerId, Actor, Amount, AuthCode, BatchNumber, BatchTotals, CardIssued,
    CardRef, ConversionRate, Currency, DownloadKind, Echo, Expiry, FeePlan, Fingerprint, KeyName, KeyRecord,
    Link, LinkIndex, Merchant, MerchantId, MessageClass, Pan, PinBlock, Record, ResponseCode, ReversalReason,
    RiskRules, Route, RoutingRules, Rrn, ServiceAccount, Stan, StandInRules, Terminal, TerminalId, Track2,
    TransactionId, TransactionKind, Transfer, UploadedItem, WorkingKeys,
};

/// Where a reply goes: a connection and the request that it keeps under a ticket. The core only hands
/// it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Number of the connection, never reused while the process runs.
    pub connection: u64,
    /// The retained request on that connection.
    pub ticket: u64,
}

/// Work that the server does for the core; the result comes back under the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u64);

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A terminal asks.
    Request(Box<Request>),
    /// PIN work is done.
    PinDone {
        /// The slot that waits.
        slot: SlotId,
        /// The request, handed back.
        request: Box<Financial>,
        /// The result.
        outcome: PinOutcome,
    },
    /// A cryptogram was looked at.
    ChipDone {
        /// The slot that waits.
        slot: SlotId,
        /// The request, handed back.
        request: Box<Financial>,
        /// The result.
        outcome: ChipOutcome,
    },
    /// Working keys were made; `None` when the key store could not.
    KeysMade {
        /// The slot that waits.
        slot: SlotId,
        /// The keys.
        made: Option<Box<MadeKeys>>,
    },
    /// A link has a connection.
    LinkConnected {
        /// The link.
        link: LinkIndex,
        /// Counts its connections: an answer of an older one cannot match.
        generation: u32,
    },
    /// A link lost its connection.
    LinkLost {
        /// The link.
        link: LinkIndex,
        /// Of which connection.
        generation: u32,
    },
    /// A host signs on, or off: what its connection is for until it says otherwise. Its message is answered already.
    HostSigned {
        /// The link.
        link: LinkIndex,
        /// On which connection.
        generation: u32,
        /// Whether it takes requests.
        on: bool,
    },
    /// A host brings another PIN key for its link.
    KeyBrought {
        /// The link.
        link: LinkIndex,
        /// On which connection.
        generation: u32,
        /// The key.
        brought: Box<KeyBrought>,
    },
    /// A key that came over a link was looked at.
    LinkKeyOpened {
        /// The slot that waits.
        slot: SlotId,
        /// The link.
        link: LinkIndex,
        /// The key under the local master key, or why it may not be used.
        opened: Result<KeyRecord, KeyFault>,
    },
    /// An issuer answers.
    Answer {
        /// The link it came over.
        link: LinkIndex,
        /// On which connection.
        generation: u32,
        /// What it says.
        answer: Box<Answer>,
    },
    /// A request could not be sent; not a byte of it left.
    NotSent {
        /// The link.
        link: LinkIndex,
        /// The transaction.
        transaction: TransactionId,
        /// The request, where it is still at hand: it may go another way.
        request: Option<Box<UpstreamRequest>>,
    },
    /// Time went by: the server sends one at least every 100 ms.
    Tick,
    /// An operator, the installer or settlement wants something recorded.
    Command {
        /// Handed back with the result.
        ticket: u64,
        /// Who.
        actor: Actor,
        /// What.
        command: Box<Command>,
    },
}

/// What the intake found out about a message's authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacCheck {
    /// This kind of message carries none.
    NotRequired,
    /// It is right under the terminal's keys of this version.
    Verified {
        /// Version of the working keys.
        version: u32,
    },
    /// It is wrong or absent.
    Wrong,
    /// The terminal has no working keys.
    NoKey,
}

/// A terminal's request, free of wire types.
#[derive(Debug)]
pub struct Request {
    /// Where the reply goes.
    pub origin: Origin,
    /// DE 41.
    pub terminal: TerminalId,
    /// DE 42.
    pub merchant: MerchantId,
    /// Whether the message is authentic.
    pub mac: MacCheck,
    /// What is asked.
    pub body: Body,
}

/// Which working keys a sign-on asks for (DE 60.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// 001: single-length keys.
    Single,
    /// 003: double-length PIN key.
    Double,
    /// 004: as 003 and a track key.
    DoubleWithTrack,
}

/// What a terminal asks for.
#[derive(Debug)]
pub enum Body {
    /// 签到 0800; sign-on and key change of the generic dialects.
    SignOn {
        /// DE 11.
        stan: Stan,
        /// Which keys.
        form: KeyForm,
    },
    /// 签退 0820, 60.3 = 002.
    SignOff {
        /// DE 11.
        stan: Stan,
    },
    /// 回响测试 0820, 60.3 = 301.
    Echo,
    /// 状态上送 0820, 60.3 = 362.
    Status {
        /// DE 62 as it came.
        status: Vec<u8>,
    },
    /// 参数传递, 公钥下载, IC 卡参数下载.
    Download {
        /// What.
        kind: DownloadKind,
        /// How far.
        step: DownloadStep,
    },
    /// 主密钥下载 0800, 60.3 = 400 and 401.
    MasterKey(MasterKeyStep),
    /// 脚本结果 0620, 60.3 = 951.
    ScriptResult(Box<ScriptResult>),
    /// A transaction.
    Financial(Box<Financial>),
    /// 冲正 0400.
    Reversal(Box<Reversal>),
    /// 批结算 0500.
    BatchTotals {
        /// DE 11.
        stan: Stan,
        /// The batch.
        batch: BatchNumber,
        /// The terminal's totals.
        totals: BatchTotals,
        /// The batch ends whatever comes out: the terminal tells, and does not ask.
        closes: bool,
        /// When the terminal made them, as its dialect says it (DE 7 or 12); zero where it does not.
        moment: u64,
    },
    /// 批上送 0320.
    BatchUpload {
        /// DE 11.
        stan: Stan,
        /// The batch.
        batch: BatchNumber,
        /// What is uploaded.
        upload: Upload,
    },
    /// Well formed, but not something that this switch does: DE 39 says which kind of no.
    Unsupported {
        /// 12 or 40.
        code: ResponseCode,
    },
}

/// A step of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadStep {
    /// What there is, beginning after as many as the terminal has heard of already.
    List {
        /// How many.
        seen: usize,
    },
    /// One key or application.
    One {
        /// Its name: RID and index, or AID.
        name: Vec<u8>,
    },
    /// Parameters, beginning after as many as the terminal has already.
    Parameters {
        /// How many.
        seen: usize,
    },
    /// The terminal has all of them.
    End,
}

/// A step of the download of a terminal's master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeyStep {
    /// 60.3 = 400: it asks for the key that it is offered.
    Fetch,
    /// 60.3 = 401: it has the key.
    Confirm {
        /// Check value of the key.
        check_value: [u8; 4],
        /// Eight bytes `FF` enciphered under the key, which only who has opened it can tell.
        proof: [u8; 8],
    },
}

/// What a chip made of its issuer's scripts.
#[derive(Debug)]
pub struct ScriptResult {
    /// DE 11.
    pub stan: Stan,
    /// DE 60.2.
    pub batch: BatchNumber,
    /// Which transaction had the scripts in its answer.
    pub original: OriginalRef,
    /// Tag DF31.
    pub results: Vec<u8>,
    /// Tag 95.
    pub verification: Option<[u8; 5]>,
    /// Tag 9F36.
    pub counter: Option<u16>,
}

/// Part of a batch upload.
#[derive(Debug)]
pub enum Upload {
    /// Up to eight stripe transactions (60.3 = 201) or one detail (203 to 206).
    Items(Vec<UploadedItem>),
    /// 60.3 = 202 or 207: how many transactions were uploaded.
    End {
        /// The terminal's count.
        count: u32,
    },
}

/// A card while its message is in flight.
#[derive(Debug)]
pub struct Card {
    /// The number, for routing only: the core compares ranges and never reads digits.
    pub pan: Pan,
    /// What is kept.
    pub reference: CardRef,
    /// Expiry, from DE 14 or the track.
    pub expiry: Option<Expiry>,
}

/// How a follow-up names its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OriginalRef {
    /// DE 61.1 and 61.2. The generic dialects name no batch: [`BatchNumber::OPEN`] and the number in DE 90 or 56.
    pub batch_stan: Option<(BatchNumber, Stan)>,
    /// The time in DE 90 or 56, which the original had in DE 7 or 12.
    pub moment: Option<u64>,
    /// DE 61.3, `MMDD`.
    pub date: Option<[u8; 4]>,
    /// DE 37.
    pub rrn: Option<Rrn>,
    /// DE 38.
    pub auth_code: Option<AuthCode>,
}

/// A transaction request.
#[derive(Debug)]
pub struct Financial {
    /// What is asked.
    pub kind: TransactionKind,
    /// Class of the message.
    pub class: MessageClass,
    /// DE 11.
    pub stan: Stan,
    /// DE 60.2; [`BatchNumber::OPEN`] from a terminal whose dialect names no batch.
    pub batch: BatchNumber,
    /// DE 4 and 49; zero for an inquiry.
    pub amount: Amount,
    /// The card; a follow-up may come without.
    pub card: Option<Card>,
    /// DE 52, under the terminal's PIN key.
    pub pin: Option<PinBlock>,
    /// Version of the working keys that its MAC was right under, and that its PIN block is under; none without a MAC.
    pub key_version: Option<u32>,
    /// DE 35 in clear, for the issuer.
    pub track2: Option<Track2>,
    /// DE 48 of a value-added payment, for whoever renders the service.
    pub service: Option<ServiceAccount>,
    /// DE 55 as it came, for the issuer.
    pub emv: Option<Vec<u8>>,
    /// DE 23.
    pub card_sequence: Option<u16>,
    /// What the embedded issuer answers the chip when it approves, once the cryptogram was found right.
    pub chip_answer: Option<Vec<u8>>,
    /// The original of a follow-up.
    pub original: OriginalRef,
    /// For telling a repeat from another request.
    pub fingerprint: Fingerprint,
    /// For the reply.
    pub echo: Echo,
}

/// A terminal's reversal.
#[derive(Debug)]
pub struct Reversal {
    /// Kind of the original.
    pub kind: TransactionKind,
    /// Class of the original's message.
    pub original_class: MessageClass,
    /// DE 11: the original's.
    pub stan: Stan,
    /// DE 60.2: the original's.
    pub batch: BatchNumber,
    /// DE 4 and 49; since 1993 DE 30 of a reversal of a part: what was asked for or approved.
    pub amount: Amount,
    /// DE 95, since 1993 DE 4: what stands, where a part is taken back.
    pub stands: Option<Amount>,
    /// DE 39.
    pub reason: ReversalReason,
    /// The time in DE 90 or 56, which the original had in DE 7 or 12; none in UnionPay's dialect.
    pub original_moment: Option<u64>,
    /// For telling a repeat from another request.
    pub fingerprint: Fingerprint,
    /// For the reply.
    pub echo: Echo,
}

/// Result of PIN work.
#[derive(Debug)]
pub enum PinOutcome {
    /// The PIN is the cardholder's.
    Verified,
    /// It is not.
    Wrong,
    /// The block is malformed.
    Malformed,
    /// The key store could not do it.
    Failed,
    /// The block under the link's key.
    Translated(ZonePin),
}

/// What became of a cryptogram.
#[derive(Debug)]
pub enum ChipOutcome {
    /// It is the card's; this goes back in DE 55 when the issuer approves.
    Right(Vec<u8>),
    /// It is not, or it is over another amount.
    Wrong,
    /// The chip data has no cryptogram to look at.
    Malformed,
    /// The key store could not do it.
    Failed,
}

/// Fresh working keys: as the ledger keeps them, and as the terminal gets them.
#[derive(Debug)]
pub struct MadeKeys {
    /// Under the local master key.
    pub keys: WorkingKeys,
    /// DE 62, under the terminal's master key.
    pub block: Vec<u8>,
}

/// What an issuer answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// MTI, 0 to 9999.
    pub mti: u16,
    /// DE 11.
    pub stan: Option<Stan>,
    /// DE 7.
    pub transmitted: Option<[u8; 10]>,
    /// DE 37.
    pub rrn: Option<Rrn>,
    /// What else it repeats of its request.
    pub echoed: Echoed,
    /// DE 4, where the answer repeats it.
    pub amount_minor: Option<u64>,
    /// DE 39.
    pub code: Option<ResponseCode>,
    /// DE 38.
    pub auth_code: Option<AuthCode>,
    /// DE 54: available balance, true where in credit.
    pub balance: Option<(Amount, bool)>,
    /// DE 70.
    pub network_code: Option<u16>,
    /// DE 55: for the chip, untouched.
    pub chip: Option<Vec<u8>>,
    /// A PIN key that the switch asked for, in the element of the edition.
    pub key: Option<Result<KeyCargo, KeyFault>>,
    /// DE 6, 10 and 51.
    pub billing: IssuersBilling,
}

/// Elements that an answer repeats of its request, where it has them and they can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Echoed {
    /// DE 3.
    pub processing_code: Option<u32>,
    /// DE 12: `hhmmss`, without the date that it has since 1993.
    pub local_time: Option<[u8; 6]>,
    /// DE 32.
    pub acquirer: Option<AcquirerId>,
    /// DE 41.
    pub terminal: Option<TerminalId>,
}

/// What an answer says of the cardholder's billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IssuersBilling {
    /// DE 6.
    pub minor: Option<u64>,
    /// DE 51; in 2003 the currency in DE 6.
    pub currency: Option<Currency>,
    /// DE 10.
    pub rate: Option<ConversionRate>,
}

/// What an operator, the installer or settlement wants recorded.
#[derive(Debug)]
pub enum Command {
    /// First of all.
    Genesis(Box<Record>),
    /// A key that is not a terminal's or a link's.
    InstallKey {
        /// Its name.
        name: KeyName,
        /// The key.
        key: KeyRecord,
    },
    /// Destroys keys that sealed cards: refused while anything may still need a card that they sealed.
    ShredCardKeys {
        /// Numbers of the keys.
        keys: Vec<u16>,
        /// Why, in a person's words.
        reason: String,
    },
    /// A merchant.
    Register(Box<Merchant>),
    /// A terminal.
    Bind(Box<Terminal>),
    /// A link.
    AddLink(Box<Link>),
    /// A card range.
    AddRoute(Route),
    /// A fee plan.
    SetFeePlan(FeePlan),
    /// A card of the embedded issuer and its opening balance, minor units.
    IssueCard {
        /// The card.
        card: Box<CardIssued>,
        /// Opening balance.
        balance_minor: u64,
    },
    /// Ends the business day.
    CutDay,
    /// Results of a settlement run: refused unless the day is cut and not netted yet.
    RecordSettlement {
        /// Netting and file records.
        records: Vec<Record>,
        /// How many changes of merchants the plan knew of: files name the accounts that payouts go to.
        merchant_changes: u64,
    },
    /// What an account takes from now on.
    SetAccountRules {
        /// The account.
        account: AccountId,
        /// Its rules.
        rules: AccountRules,
    },
    /// Moves or holds value between accounts that no transaction explains; takes effect once, however often it is
    /// asked for. What is owed to merchants it cannot touch: that follows from transactions, and settlement proves
    /// it from them.
    Transfer(Transfer),
    /// What an operator orders.
    Order(Order),
    /// A command that somebody decided on after looking at the registry: refused when that changed since.
    Expecting {
        /// Version of the registry that was looked at.
        version: u64,
        /// The command.
        command: Box<Command>,
    },
    /// Other rules and limits from now on; nothing is recorded.
    Configure(Box<CoreConfig>),
    /// How each link is doing.
    Links,
    /// Limits and risk rules in the place of those in force; their version is the next.
    SetRiskRules(Box<RiskRules>),
    /// Rules that choose among links, in the place of those in force; their version is the next.
    SetRoutingRules(Box<RoutingRules>),
    /// What is approved while an issuer is away, in the place of what is in force; the version is the next.
    SetStandInRules(Box<StandInRules>),
    /// Pays out what a risk rule holds.
    ReleasePayout {
        /// The transaction.
        transaction: TransactionId,
        /// Why, in a person's words.
        reason: String,
    },
    /// People who log in.
    User(UserCommand),
    /// Keys that people bring together, take out and bring in.
    Key(KeyCommand),
    /// Whether the actor may do this, which the server does without the core.
    May(Act),
    /// A digest over the whole persistent state.
    Digest,
    /// Balances of the book, for reports.
    TrialBalance,
}
