//! What the core wants done. Each effect waits until every record before it is durable.

use crate::change::FieldChange;
use crate::input::{Financial, KeyForm, Origin, SlotId};
use crate::key::KeyFacts;
use crate::link_key::{KeyArrival, KeyOpening, ZonePin};
use crate::user::{Passwords, UserView};
use serde::Serialize;
use switchyard_book::BookError;
use switchyard_domain::{
    Amount, AuthCode, BatchNumber, BatchTotals, BatchVerdict, Billing, BusinessDate, ChipData, DownloadError,
    Echo, FxError, KeyMessage, KeyRecord, LinkDialect, LinkIndex, LinkMode, MerchantId, ReplyFacts,
    ResponseCode, RiskError, RoutingError, SafEntry, Scheme, ScriptReport, Stan, Terminal, TerminalId,
    TerminalIndex, TerminalMac, TerminalProfile, Timestamp, TransactionOpened, UpstreamRef, WaitingKey,
    WorkingKeys,
};

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// Answer a terminal.
    Reply {
        /// To whom.
        origin: Origin,
        /// What.
        reply: Reply,
    },
    /// Verify a PIN or bring it under a link's key; answer with `Input::PinDone`.
    PinWork {
        /// Who waits.
        slot: SlotId,
        /// Under whose PIN key it is.
        terminal: TerminalIndex,
        /// Version of that terminal's working keys.
        version: u32,
        /// The request with card and PIN block, to be handed back.
        request: Box<Financial>,
        /// What to do.
        job: PinJob,
    },
    /// Verify the cryptogram of a card of the embedded issuer and make the answer; answer with `Input::ChipDone`.
    ChipWork {
        /// Who waits.
        slot: SlotId,
        /// The request with card and chip data, to be handed back.
        request: Box<Financial>,
    },
    /// Make working keys; answer with `Input::KeysMade`.
    MakeKeys {
        /// Who waits.
        slot: SlotId,
        /// For which terminal.
        terminal: TerminalIndex,
        /// Version that they get.
        version: u32,
        /// Which keys.
        form: KeyForm,
    },
    /// From now on the terminal exists (intake looks it up).
    UseTerminal {
        /// Its index.
        index: TerminalIndex,
        /// The terminal.
        terminal: Box<Terminal>,
    },
    /// From now on the terminal speaks like this.
    UseProfile {
        /// Whose profile.
        terminal: TerminalIndex,
        /// How it speaks.
        profile: TerminalProfile,
    },
    /// From now on the terminal's working keys are for this algorithm; those it has stay as they are.
    UseMac {
        /// Whose.
        terminal: TerminalIndex,
        /// How it authenticates.
        mac: TerminalMac,
    },
    /// From now on these working keys are in force: published before any reply that follows.
    UseKeys {
        /// Whose.
        terminal: TerminalIndex,
        /// The keys under the local master key.
        keys: Box<WorkingKeys>,
    },
    /// Send a message to an issuer.
    Send {
        /// Over which link.
        link: LinkIndex,
        /// On which of its connections; if that is gone, `Input::NotSent` for a request, nothing else.
        generation: u32,
        /// The message.
        message: Box<Upstream>,
    },
    /// An answer of an issuer led to nothing: to be counted.
    Stray {
        /// Over which link it came.
        link: LinkIndex,
        /// Why.
        why: Stray,
    },
    /// A link takes requests, or does not: to be shown.
    LinkState {
        /// Which.
        link: LinkIndex,
        /// On how many connections its host has taken the switch's sign-on.
        signed_on: u16,
        /// Whether it takes none for a while, because too many were not answered.
        resting: bool,
    },
    /// A host did not take the switch's sign-on: to be told and counted.
    SignOnRefused {
        /// Over which link.
        link: LinkIndex,
        /// What it said.
        code: ResponseCode,
    },
    /// Open a key that came over a link, and look whether it may be used; answer with `Input::LinkKeyOpened`.
    OpenLinkKey {
        /// Who waits.
        slot: SlotId,
        /// What came, and what it is opened with.
        opening: Box<KeyOpening>,
    },
    /// A key came over a link, or did not: to be told and counted.
    KeyArrived {
        /// Over which link.
        link: LinkIndex,
        /// What became of it.
        what: KeyArrival,
    },
    /// A command was carried out, or not.
    CommandDone {
        /// From the command.
        ticket: u64,
        /// The result.
        result: Result<CommandOutcome, CommandError>,
    },
}

/// Why an issuer's answer led to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// What it answers was given up before: its time was over, or somebody ended it.
    Late,
    /// What it answers was answered before.
    Duplicate,
    /// It is the answer to nothing that was asked on this connection.
    Unmatched,
}

/// PIN work.
#[derive(Debug)]
pub enum PinJob {
    /// Compare with a Visa PIN verification value.
    Verify {
        /// Four ASCII digits.
        pvv: [u8; 4],
    },
    /// Bring it under a link's zone key.
    Translate {
        /// The link.
        link: LinkIndex,
    },
}

/// An answer to a terminal. The server adds what only the retained request knows: the card number, the
/// identifiers, the header, and the MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// DE 39.
    pub code: ResponseCode,
    /// The rest.
    pub body: ReplyBody,
    /// Sixth header digit: what the terminal is to do next (0 nothing, 3 sign on again).
    pub requirement: u8,
    /// DE 55: the issuer's answer to the chip and its scripts. It is for this answer alone and never kept.
    pub chip: Option<Vec<u8>>,
}

/// What an answer carries besides its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// Only the code: nothing was recorded.
    Refused,
    /// A transaction or reversal.
    Financial {
        /// What is recorded of it.
        facts: ReplyFacts,
        /// Elements of the request that it repeats.
        echo: Echo,
        /// DE 44: institution code of the issuer.
        issuer: u64,
        /// DE 63.1: whose mark is on the card.
        scheme: Scheme,
        /// DE 4, where only this part of what was asked for is approved.
        approved: Option<Amount>,
    },
    /// A sign-on.
    SignOn {
        /// What is recorded of it.
        facts: ReplyFacts,
        /// DE 60.2: the batch that the host expects.
        batch: BatchNumber,
        /// DE 62.
        key_block: Vec<u8>,
    },
    /// A sign-off.
    SignOff {
        /// What is recorded of it.
        facts: ReplyFacts,
    },
    /// A part of a download, or that there is none.
    Download {
        /// For DE 12 and 13.
        at: Timestamp,
        /// DE 62.
        data: Vec<u8>,
    },
    /// What became of an issuer's scripts is known.
    ScriptResult {
        /// What is recorded of it.
        facts: ReplyFacts,
    },
    /// An echo test, a status upload or the end of a download.
    Echo {
        /// For DE 12 and 13.
        at: Timestamp,
    },
    /// A batch settlement.
    BatchTotals {
        /// What is recorded of it.
        facts: ReplyFacts,
        /// The host's totals.
        totals: BatchTotals,
        /// The verdict.
        verdict: BatchVerdict,
    },
    /// Part of a batch upload.
    BatchUpload {
        /// What is recorded of it.
        facts: ReplyFacts,
    },
}

impl ReplyBody {
    /// What is recorded of the answer.
    pub fn facts(&self) -> Option<&ReplyFacts> {
        match self {
            Self::Financial { facts, .. }
            | Self::SignOn { facts, .. }
            | Self::SignOff { facts }
            | Self::BatchTotals { facts, .. }
            | Self::BatchUpload { facts }
            | Self::ScriptResult { facts } => Some(facts),
            Self::Refused | Self::Echo { .. } | Self::Download { .. } => None,
        }
    }

    /// The part that is approved, where it is not all.
    pub fn approved(&self) -> Option<Amount> {
        match self {
            Self::Financial { approved, .. } => *approved,
            Self::Refused
            | Self::SignOn { .. }
            | Self::SignOff { .. }
            | Self::Download { .. }
            | Self::ScriptResult { .. }
            | Self::Echo { .. }
            | Self::BatchTotals { .. }
            | Self::BatchUpload { .. } => None,
        }
    }
}

impl Reply {
    /// A refusal that leaves no trace but a counter.
    pub fn refused(code: ResponseCode) -> Self {
        let sign_on = matches!(code, ResponseCode::SIGN_ON_REQUIRED | ResponseCode::MAC_ERROR);
        Self { code, body: ReplyBody::Refused, requirement: if sign_on { 3 } else { 0 }, chip: None }
    }
    /// An answer whose code is the recorded one.
    pub fn recorded(facts: &ReplyFacts, body: ReplyBody) -> Self {
        Self { code: facts.code, body, requirement: 0, chip: None }
    }
}

/// A message to an issuer.
#[derive(Debug)]
pub enum Upstream {
    /// A transaction.
    Request(Box<UpstreamRequest>),
    /// A reversal out of the store-and-forward queue.
    Reversal {
        /// The queue's entry: its trace number and time are the message's.
        saf: SafEntry,
        /// The transaction: its sealed card is opened by the server, its upstream is DE 90.
        opened: Box<TransactionOpened>,
        /// What stands, where only a part is taken back.
        stands: Option<Amount>,
        /// DE 41.
        terminal: TerminalId,
        /// DE 42.
        merchant: MerchantId,
        /// DE 6, 10, 16 and 51, as the request had them.
        billing: Option<Billing>,
        /// False for the first send (0420), true for a repeat (0421).
        repeat: bool,
    },
    /// What was approved without asking, out of the store-and-forward queue.
    Advice {
        /// The queue's entry: its trace number and time are the message's.
        saf: SafEntry,
        /// The transaction: its sealed card is opened by the server.
        opened: Box<TransactionOpened>,
        /// DE 41.
        terminal: TerminalId,
        /// DE 42.
        merchant: MerchantId,
        /// DE 38.
        auth_code: Option<AuthCode>,
        /// DE 90 of a follow-up.
        original: Option<UpstreamRef>,
        /// DE 23 and 55.
        chip: Option<ChipData>,
        /// DE 6, 10, 16 and 51.
        billing: Option<Billing>,
        /// False for the first send, true for a repeat.
        repeat: bool,
    },
    /// What a chip made of its issuer's scripts, out of the store-and-forward queue.
    Script {
        /// The queue's entry: its trace number and time are the message's.
        saf: SafEntry,
        /// The transaction whose answer had the scripts: its upstream is DE 90.
        opened: Box<TransactionOpened>,
        /// DE 41.
        terminal: TerminalId,
        /// DE 42.
        merchant: MerchantId,
        /// DE 55.
        report: ScriptReport,
        /// False for the first send (0620), true for a repeat (0621).
        repeat: bool,
    },
    /// Network management.
    Network {
        /// DE 11.
        stan: Stan,
        /// DE 7.
        at: Timestamp,
        /// DE 70: 001 sign-on, 002 sign-off, 161 a new key, 301 echo.
        code: u16,
    },
    /// The answer to a host that brought a key. It leaves behind every request before it: those have their PIN under the
    /// key before.
    KeyAnswer {
        /// What it answers.
        message: KeyMessage,
        /// DE 39.
        code: ResponseCode,
    },
}

/// A transaction on its way to an issuer.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// As recorded, with link, trace number, time and MTI.
    pub opened: TransactionOpened,
    /// As it came: card, track, chip data.
    pub request: Box<Financial>,
    /// DE 52 under the link's key.
    pub pin: Option<ZonePin>,
    /// DE 41.
    pub terminal: TerminalId,
    /// DE 42.
    pub merchant: MerchantId,
    /// DE 90 of a follow-up.
    pub original: Option<UpstreamRef>,
    /// DE 38 of a follow-up to a pre-authorization.
    pub auth_code: Option<AuthCode>,
    /// DE 6, 10, 16 and 51.
    pub billing: Option<Billing>,
    /// What has not left by then must not leave any more, whatever the link's time has been changed to.
    pub leaves_by: Timestamp,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It is recorded.
    Recorded,
    /// The route is recorded, and counts when those of the same range that were there first are removed.
    RecordedBehind {
        /// How many were there first.
        ahead: usize,
    },
    /// The transfer was recorded before, with the same content.
    RecordedBefore,
    /// The day that ended.
    DayCut {
        /// The day.
        day: BusinessDate,
    },
    /// The digest asked for.
    Digest(u64),
    /// Debits and credits per currency, minor units.
    TrialBalance(Vec<(u16, u128, u128)>),
    /// What is another than before, or would be.
    Altered {
        /// Whether it has a record now.
        recorded: bool,
        /// What differs; nothing where it was so before.
        fields: Vec<FieldChange>,
    },
    /// Of the things of one order, how many changed and how many were so before.
    Changed {
        /// How many have a record now.
        count: usize,
        /// How many needed none.
        unchanged: usize,
    },
    /// The links asked for, in the order of registration.
    Links(Vec<LinkFacts>),
    /// What a password is compared with.
    Passwords(Passwords),
    /// The actor may.
    Permitted,
    /// The users asked for, by name.
    Users(Vec<UserView>),
    /// The keys asked for. Whoever shows them leaves the wrapped keys out.
    Keys(Vec<KeyFacts>),
    /// Keys that wait, as they are wrapped.
    WaitingKeys(Vec<(WaitingKey, KeyRecord)>),
}

/// How a link is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkFacts {
    /// Its name.
    pub name: String,
    /// Where its host is.
    pub address: String,
    /// What its host speaks.
    pub dialect: LinkDialect,
    /// Name of its framing.
    pub framing: String,
    /// Milliseconds to wait for an answer.
    pub answer_timeout_ms: u32,
    /// Most requests that its host may have unanswered, where it is not what the configuration says.
    pub credit_max: Option<u32>,
    /// What it is for, by order.
    pub mode: LinkMode,
    /// `down`, `connected`, `signed-off` (by its host) or `signed-on`.
    pub status: &'static str,
    /// How many connections it is to have.
    pub connections: u8,
    /// How many stand.
    pub connections_up: usize,
    /// On how many its host has taken the sign-on.
    pub connections_signed_on: usize,
    /// Whether it takes no requests for a while, because too many were not answered.
    pub resting: bool,
    /// Transactions that wait for an answer.
    pub in_flight: usize,
    /// Store-and-forward entries that wait to be delivered.
    pub saf_waiting: usize,
    /// Those that gave up.
    pub saf_dead: usize,
    /// The currency that its cardholders are billed in, where the switch converts for it.
    pub bills_in: Option<String>,
    /// By which elements its answers find their requests.
    pub matches_by: String,
    /// The transport key that its PIN keys may come under, over the line.
    pub keys_under: Option<String>,
    /// Check value of its PIN key, where it has one.
    pub pin_key: Option<String>,
}

/// Why a command was refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The ledger has no first record yet, or has one already.
    #[error("the ledger is {}", if *exists { "already initialised" } else { "not initialised" })]
    Genesis {
        /// Which of the two.
        exists: bool,
    },
    /// The identifier is taken.
    #[error("{what} is registered already")]
    Exists {
        /// Kind of thing.
        what: &'static str,
    },
    /// Something it refers to is not registered.
    #[error("{what} is not registered")]
    Missing {
        /// Kind of thing.
        what: &'static str,
    },
    /// It is not what there can be.
    #[error("{what}: needs {need}")]
    Unfit {
        /// Kind of thing.
        what: &'static str,
        /// What it has to be.
        need: &'static str,
    },
    /// It contradicts itself.
    #[error("{what} contradicts itself")]
    Invalid {
        /// Kind of thing.
        what: &'static str,
    },
    /// The settlement records do not fit the state of their day.
    #[error("day {day} is not ready for this: {why}")]
    Day {
        /// The day.
        day: BusinessDate,
        /// What is in the way.
        why: &'static str,
    },
    /// Something under way, or another thing registered, still needs it.
    #[error("{what} is still needed")]
    InUse {
        /// Kind of thing.
        what: &'static str,
    },
    /// It cannot be done as things stand; another time it might.
    #[error("not now: {why}")]
    NotNow {
        /// What is in the way, and what to do.
        why: &'static str,
    },
    /// One person would bring a whole key. Demonstrations take it, because their keys are known anyway.
    #[error(
        "a whole key in clear is one person's, and only a demonstration takes it: add it without a key, then bring the key \
         by a ceremony (`switchyard key init`), `switchyard key import-tr31` or `switchyard terminal inject-key`"
    )]
    OnePersonsKey,
    /// The registry changed since somebody looked at it.
    #[error("the registry is at version {have}, not {need}: look again, then decide again")]
    Moved {
        /// The version that the command was decided on.
        need: u64,
        /// The version that there is.
        have: u64,
    },
    /// One order has too many things.
    #[error("{have} {what} in one order, at most {max}")]
    TooMany {
        /// Kind of thing.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there may be.
        max: usize,
    },
    /// There are as many as there may be.
    #[error("there are {max} {what} already: remove one first")]
    Full {
        /// Kind of thing.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// The record of it would be longer than the ledger takes.
    #[error("its record would have {have} bytes, at most {max}: make it shorter, or several of it")]
    TooLong {
        /// Bytes that it would have.
        have: usize,
        /// Bytes that a record may have.
        max: usize,
    },
    /// The limits and risk rules cannot be held to.
    #[error("the risk rules are refused: {0}")]
    Rules(#[source] RiskError),
    /// Amounts cannot be converted by it.
    #[error("the rate is refused: {0}")]
    Rate(#[source] FxError),
    /// Terminals could not download it.
    #[error("the download is refused: {0}")]
    Download(#[source] DownloadError),
    /// The routing or stand-in rules cannot be followed.
    #[error("the rules are refused: {0}")]
    Routing(#[source] RoutingError),
    /// None of the actor's roles may do this.
    #[error("none of your roles may do this: {act}")]
    Forbidden {
        /// Name of the act.
        act: &'static str,
    },
    /// An entry does not apply to the book.
    #[error("the entry does not apply")]
    Entry,
    /// The book refuses the transfer.
    #[error("the transfer is refused: {0}")]
    Transfer(#[source] BookError),
}
