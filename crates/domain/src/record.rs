//! The facts that the ledger keeps. Everything the switch knows follows from these, in their order.

use crate::account::{AccountId, AccountRules};
use crate::batch::{BatchCase, BatchTotals, BatchVerdict};
use crate::card::CardHash;
use crate::ceremony::{KeyMove, KeyPlan, LmkChange};
use crate::change::{Changed, LinkSettings, TerminalSettings};
use crate::chip::ChipData;
use crate::device::{Download, DownloadDigest, DownloadKind, DownloadScope, ScriptReport};
use crate::fx::{Billing, ConversionRate, ExchangeRate};
use crate::ids::{BatchNumber, LinkIndex, MerchantIndex, Stan, TerminalIndex, TransactionId};
use crate::link_key::LinkKeyChange;
use crate::money::Amount;
use crate::operation::{
    BlockedCard, CaseFinding, CaseId, LinkOrder, MerchantOrder, Reason, SafFinding, TerminalOrder,
};
use crate::party::{CardIssued, FeePlan, KeyName, KeyRecord, Link, Merchant, Route, Terminal, WorkingKeys};
use crate::posting::{Entry, Transfer};
use crate::product::{Product, ProductIndex, ProductTerms};
use crate::risk::{RiskFinding, RiskRules};
use crate::routing::{RoutingRules, StandInRules};
use crate::time::{BusinessDate, Timestamp, UtcOffset};
use crate::transaction::{
    AdviceReason, Echo, Fingerprint, Movement, Outcome, ReplyFacts, RequestKey, ReversalReason, SafEntry,
    SafId, TransactionOpened, UpstreamRef,
};
use crate::user::{PasswordRecord, Roles, UserName, UserOrder};
use crate::waiting::{KeyOffer, WaitingKey};
use crate::{AcquirerId, ResponseCode};
use serde::{Deserialize, Serialize};

/// Who caused a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The switch itself: a timer, a restart.
    Switch,
    /// A terminal.
    Terminal(TerminalIndex),
    /// An issuer's link.
    Link(LinkIndex),
    /// A user of the system that the switch runs on, who is its administrator: by login and number.
    Operator(String),
    /// `switchyard init`.
    Installer,
    /// A person who logged in with a password.
    User(UserName),
}

/// A recorded fact. The order of variants and fields is the on-disk format: add variants at the end,
/// never change one; a changed fact is a new variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields of a variant are nouns that carry their own documentation")]
pub enum Record {
    /// First record of a partition.
    Genesis { partition: u8, acquirer: AcquirerId, offset: UtcOffset, day: BusinessDate, demo: bool },
    /// A process opened the ledger for writing.
    Started { epoch: u64, cut_bytes: u64 },
    /// A key that is not a terminal's or a link's.
    KeyInstalled { name: KeyName, key: KeyRecord },
    /// A merchant joined.
    MerchantRegistered(Merchant),
    /// A terminal was bound to its merchant.
    TerminalRegistered(Terminal),
    /// A link to an issuer.
    LinkRegistered(Link),
    /// A range of card numbers.
    RouteAdded(Route),
    /// A fee plan or a new version of one.
    FeePlanSet(FeePlan),
    /// The embedded issuer gave out a card; its account is numbered in order.
    CardIssued(CardIssued),
    /// The embedded issuer moved money for a cardholder.
    AccountFunded { entry: Entry },
    /// A terminal signed on and has new working keys.
    SignedOn { terminal: TerminalIndex, stan: Stan, keys: WorkingKeys, batch: BatchNumber, reply: ReplyFacts },
    /// A terminal signed off.
    SignedOff { terminal: TerminalIndex, stan: Stan, reply: ReplyFacts },
    /// A transaction goes to an issuer: durable before it is sent.
    Opened(TransactionOpened),
    /// A transaction that the switch decided by itself, in one step.
    Decided {
        opened: TransactionOpened,
        outcome: Outcome,
        reply: ReplyFacts,
        entry: Entry,
        movement: Option<Movement>,
    },
    /// The outcome of an opened transaction. With an advice it was approved in the place of its issuer, whom nobody could
    /// ask.
    Resolved {
        transaction: TransactionId,
        outcome: Outcome,
        reply: ReplyFacts,
        entry: Entry,
        movement: Option<Movement>,
        saf: Option<SafEntry>,
    },
    /// A terminal's reversal, with what it did to the original.
    ReversalTaken {
        key: RequestKey,
        fingerprint: Fingerprint,
        echo: Echo,
        reason: ReversalReason,
        original: Option<TransactionId>,
        effect: ReversalEffect,
        reply: ReplyFacts,
        entry: Entry,
        movement: Option<Movement>,
        saf: Option<SafEntry>,
    },
    /// An issuer acknowledged a store-and-forward entry.
    SafDelivered { id: SafId, code: ResponseCode },
    /// A store-and-forward entry gave up and waits for an operator.
    SafDeadLettered { id: SafId, attempts: u32 },
    /// An answer came after its transaction was already resolved.
    LateAnswer { transaction: TransactionId, code: ResponseCode, cancels: Option<SafId> },
    /// A batch's totals were compared.
    BatchReconciled {
        terminal: TerminalIndex,
        batch: BatchNumber,
        stan: Stan,
        terminal_totals: BatchTotals,
        host_totals: BatchTotals,
        verdict: BatchVerdict,
        reply: ReplyFacts,
    },
    /// Transactions of an unbalanced batch, as the terminal has them.
    BatchUploaded { terminal: TerminalIndex, batch: BatchNumber, items: Vec<UploadedItem> },
    /// The upload ended, the batch is closed, the differences are cases.
    BatchUploadEnded {
        terminal: TerminalIndex,
        batch: BatchNumber,
        stan: Stan,
        count: u32,
        cases: Vec<BatchCase>,
        reply: ReplyFacts,
    },
    /// Refusals that matter for lockout, summed up per terminal and minute.
    Refusals { terminal: TerminalIndex, code: ResponseCode, count: u32 },
    /// The business day ended with this record.
    DayCut { day: BusinessDate, next: BusinessDate },
    /// A merchant's net of a day was fixed.
    MerchantNetted { day: BusinessDate, merchant: MerchantIndex, entry: Entry, lines: u64, net_minor: i64 },
    /// The settlement files of a day were rendered; approvals bind to these digests.
    FilesRendered { day: BusinessDate, files: Vec<FileDigest> },
    /// A cardholder of the embedded issuer tried a PIN: wrong ones count, a right one forgets them.
    PinTried { card: CardHash, right: bool },
    /// A pre-authorization that nobody completed in time ended, and its hold with it.
    HoldExpired { transaction: TransactionId, entry: Entry },
    /// An issuer approved after it had said that it never had the transaction: it is told once more.
    ReversalQueued { saf: SafEntry },
    /// An account has rules of its own from here on.
    AccountRulesSet { account: AccountId, rules: AccountRules },
    /// Value moved between accounts at somebody's wish, once however often it was asked for.
    Transferred(Transfer),
    /// Holds of transfers ended because their time was over.
    HoldsExpired { entry: Entry },
    /// Keys that sealed cards are destroyed: what they sealed cannot be opened again, and no byte of the ledger
    /// changes. The reason is a person's.
    CardKeysShredded { keys: Vec<u16>, reason: String },
    /// An operator changed what a link is for.
    LinkOrdered { link: LinkIndex, order: LinkOrder, reason: Reason },
    /// An operator changed what a terminal may do, or what is expected of it.
    TerminalOrdered { terminal: TerminalIndex, order: TerminalOrder, reason: Reason },
    /// An operator changed what a merchant may do.
    MerchantOrdered { merchant: MerchantIndex, order: MerchantOrder, reason: Reason },
    /// A store-and-forward entry that had given up is on its way again.
    SafRetried { id: SafId, reason: Reason },
    /// An operator learned what became of a store-and-forward entry's transaction; the entry is done.
    SafResolved { id: SafId, finding: SafFinding, entry: Entry, reason: Reason },
    /// A batch was closed without its terminal; what the terminal had uploaded until then was compared.
    BatchForceClosed {
        terminal: TerminalIndex,
        batch: BatchNumber,
        totals: BatchTotals,
        cases: Vec<BatchCase>,
        reply: ReplyFacts,
        reason: Reason,
    },
    /// A difference between a terminal's batch and the host's was settled.
    CaseResolved { case: CaseId, finding: CaseFinding, reason: Reason },
    /// A card came onto the hot-card list, or is there for another cause.
    CardBlocked { blocked: BlockedCard, reason: Reason },
    /// A card left the hot-card list.
    CardUnblocked { card: CardHash, reason: Reason },
    /// A range of card numbers goes this way no more.
    RouteRemoved { route: Route, reason: Reason },
    /// Limits and risk rules, all of them: these replace what was in force.
    RiskRulesSet(RiskRules),
    /// The rules spoke about the transaction of the record before. `stands` says whether it is approved already.
    RiskFlagged {
        transaction: TransactionId,
        merchant: MerchantIndex,
        amount: Amount,
        finding: RiskFinding,
        stands: bool,
    },
    /// What a merchant gained by a transaction may be paid out after all. The reason is a person's.
    PayoutReleased { transaction: TransactionId, reason: String },
    /// Rules that choose among links: these replace what was in force.
    RoutingRulesSet(RoutingRules),
    /// What is approved while an issuer is away: these replace what was in force.
    StandInRulesSet(StandInRules),
    /// A transaction of which not a byte had left goes over another link.
    Rerouted { transaction: TransactionId, upstream: UpstreamRef },
    /// A transaction that was approved without asking its issuer, who is told by an advice.
    Advised {
        opened: TransactionOpened,
        why: AdviceReason,
        reply: ReplyFacts,
        entry: Entry,
        movement: Option<Movement>,
        saf: SafEntry,
    },
    /// A person can log in from here on.
    UserAdded { user: UserName, roles: Roles, password: PasswordRecord },
    /// What a user may do has changed.
    UserOrdered { user: UserName, order: UserOrder, reason: Reason },
    /// A user has another password. One that somebody else set has to be changed before anything else.
    PasswordSet { user: UserName, password: PasswordRecord },
    /// A password was tried: wrong ones count, a right one forgets them.
    LoginTried { user: UserName, right: bool },
    /// The issuer approved a part of what was asked for: from here on the transaction is about this amount. Its outcome
    /// follows.
    PartlyApproved { transaction: TransactionId, amount: Amount },
    /// Terminals of this scope are given this from now on, in place of what is behind it.
    DownloadSet { scope: DownloadScope, download: Download },
    /// Terminals of this scope are given this no more, but what is behind it.
    DownloadRemoved { scope: DownloadScope, kind: DownloadKind, name: Vec<u8>, reason: Reason },
    /// A terminal has downloaded everything of a kind that it is given. What it has is not known where that was another
    /// before it had come to the end.
    Downloaded { terminal: TerminalIndex, kind: DownloadKind, digest: Option<DownloadDigest> },
    /// A terminal said something else about itself than before.
    TerminalReported { terminal: TerminalIndex, status: Vec<u8> },
    /// A terminal told what a chip made of its issuer's scripts.
    ScriptReported { terminal: TerminalIndex, report: ScriptReport, reply: ReplyFacts },
    /// Custodians begin to bring a key together.
    KeyCeremonyBegun { key: KeyName, plan: KeyPlan, reason: Reason },
    /// A component was drawn and printed for the custodian who asked. It is kept nowhere.
    KeyComponentDrawn { key: KeyName, check_value: [u8; 4] },
    /// A custodian brought a component, which waits under the local master key. The last one is followed by the key.
    KeyComponentLoaded { key: KeyName, component: KeyRecord },
    /// A ceremony ended without a key.
    KeyCeremonyCancelled { key: KeyName, reason: Reason },
    /// A key went out under a transport key, or came in under one.
    KeyMoved { key: KeyName, under: KeyName, way: KeyMove, check_value: [u8; 4] },
    /// Amounts are converted by this rate from its moment on.
    RateSet { rate: ExchangeRate, reason: Reason },
    /// What the messages about a transaction say of its cardholder's billing. Postings stay in the transaction's currency.
    Converted { transaction: TransactionId, billing: Billing },
    /// The issuer's answer says otherwise: this is what it bills its cardholder, and the rate where it names one.
    IssuerBilled { transaction: TransactionId, amount: Amount, rate: Option<ConversionRate> },
    /// Custodians brought another local master key together. It is in force from here on, and keys under the one
    /// before it are translated by the records that follow.
    LmkChanged(Box<LmkChange>),
    /// Keys, the same as before, under the local master key in force. A key of a terminal's session is named by its use
    /// and the terminal.
    KeysTranslated { keys: Vec<(KeyName, KeyRecord)> },
    /// Local master keys that are not in force any more were destroyed, by their check values.
    LmkRetired { check_values: Vec<[u8; 4]>, reason: Reason },
    /// How many wrong MACs came for a terminal in a row; none, when a right one came after wrong ones.
    MacsFailed { terminal: TerminalIndex, in_a_row: u32 },
    /// A store-and-forward entry goes out for the `count`th time, as one in so many sends is recorded.
    SafTried { id: SafId, count: u32 },
    /// The issuer whose scripts they were is told what a chip made of them.
    ScriptQueued { saf: SafEntry, report: ScriptReport },
    /// A terminal may fetch its next master key over the line.
    TerminalKeyOffered { terminal: TerminalIndex, offer: Box<KeyOffer> },
    /// A terminal proved that it has the key that it was offered: this is its master key from here on.
    TerminalKeyTaken { terminal: TerminalIndex, key: KeyRecord },
    /// A terminal is offered a key no more: somebody withdrew it and says why, or its time was over.
    TerminalKeyWithdrawn { terminal: TerminalIndex, check_value: [u8; 4], reason: Option<Reason> },
    /// Keys that wait, the same as before, under the local master key in force.
    WaitingKeysTranslated { keys: Vec<(WaitingKey, KeyRecord)> },
    /// How many PIN blocks of a terminal did not open since a moment: the first of them, or of those after a day.
    PinsMalformed { terminal: TerminalIndex, count: u32, since: Timestamp },
    /// Somebody has to look: a terminal took back what still stands and the reversal of the record before was refused, or
    /// the record before approved what belongs to a batch that its terminal has closed.
    CaseRaised { transaction: TransactionId, terminal: TerminalIndex, batch: BatchNumber, case: BatchCase },
    /// A link is reached or spoken to in another way from here on.
    LinkChanged { link: LinkIndex, change: Box<Changed<LinkSettings>>, reason: Reason },
    /// A merchant has another name, category, account or fee plan from here on.
    MerchantChanged { merchant: MerchantIndex, change: Box<Changed<Merchant>>, reason: Reason },
    /// A terminal is another merchant's, or authenticates its messages in another way, from here on.
    TerminalChanged { terminal: TerminalIndex, change: Changed<TerminalSettings>, reason: Reason },
    /// What the advice of a transaction tells its issuer of the chip.
    ChipKept { transaction: TransactionId, chip: ChipData },
    /// A card product that ranges may name from here on; products are numbered in order.
    ProductAdded { product: Box<Product>, reason: Reason },
    /// A card product has other names, refuses other kinds or asks for a PIN from another amount on.
    ProductChanged { product: ProductIndex, change: Box<Changed<ProductTerms>>, reason: Reason },
    /// A terminal took back a part of what had been approved: the transaction stands with the rest.
    PartReversed {
        key: RequestKey,
        fingerprint: Fingerprint,
        echo: Echo,
        reason: ReversalReason,
        original: TransactionId,
        stands: Amount,
        reply: ReplyFacts,
        entry: Entry,
        /// The whole that goes and the rest that comes, so that its fee is the fee of what stands.
        movements: Option<[Movement; 2]>,
        saf: Option<SafEntry>,
    },
    /// Differences of a batch that the records after this one close: more of them than the last record should hold.
    BatchCompared { terminal: TerminalIndex, batch: BatchNumber, cases: Vec<BatchCase> },
    /// When a terminal whose dialect names no batch made the totals of the record before.
    TotalsDated { terminal: TerminalIndex, batch: BatchNumber, moment: u64 },
    /// A link's PIN key came over the line and is in force from here on.
    LinkKeyChanged(Box<LinkKeyChange>),
}

impl Record {
    /// What it does to the accounts. Every record that moves or holds value says so here, and nowhere else does an
    /// account change.
    #[allow(
        clippy::too_many_lines,
        reason = "one line a kind of record, so that a new one does not compile without"
    )]
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::AccountFunded { entry }
            | Self::Decided { entry, .. }
            | Self::Advised { entry, .. }
            | Self::Resolved { entry, .. }
            | Self::ReversalTaken { entry, .. }
            | Self::PartReversed { entry, .. }
            | Self::MerchantNetted { entry, .. }
            | Self::HoldExpired { entry, .. }
            | Self::HoldsExpired { entry }
            | Self::SafResolved { entry, .. }
            | Self::Transferred(Transfer { entry, .. }) => Some(entry),
            Self::Genesis { .. }
            | Self::Started { .. }
            | Self::KeyInstalled { .. }
            | Self::MerchantRegistered(_)
            | Self::TerminalRegistered(_)
            | Self::LinkRegistered(_)
            | Self::RouteAdded(_)
            | Self::FeePlanSet(_)
            | Self::CardIssued(_)
            | Self::SignedOn { .. }
            | Self::SignedOff { .. }
            | Self::Opened(_)
            | Self::SafDelivered { .. }
            | Self::SafDeadLettered { .. }
            | Self::LateAnswer { .. }
            | Self::BatchReconciled { .. }
            | Self::BatchUploaded { .. }
            | Self::BatchUploadEnded { .. }
            | Self::Refusals { .. }
            | Self::DayCut { .. }
            | Self::FilesRendered { .. }
            | Self::PinTried { .. }
            | Self::ReversalQueued { .. }
            | Self::AccountRulesSet { .. }
            | Self::CardKeysShredded { .. }
            | Self::LinkOrdered { .. }
            | Self::TerminalOrdered { .. }
            | Self::MerchantOrdered { .. }
            | Self::SafRetried { .. }
            | Self::BatchForceClosed { .. }
            | Self::CaseResolved { .. }
            | Self::CardBlocked { .. }
            | Self::CardUnblocked { .. }
            | Self::RouteRemoved { .. }
            | Self::RiskRulesSet(_)
            | Self::RiskFlagged { .. }
            | Self::PayoutReleased { .. }
            | Self::RoutingRulesSet(_)
            | Self::StandInRulesSet(_)
            | Self::Rerouted { .. }
            | Self::UserAdded { .. }
            | Self::UserOrdered { .. }
            | Self::PasswordSet { .. }
            | Self::LoginTried { .. }
            | Self::PartlyApproved { .. }
            | Self::DownloadSet { .. }
            | Self::DownloadRemoved { .. }
            | Self::Downloaded { .. }
            | Self::TerminalReported { .. }
            | Self::ScriptReported { .. }
            | Self::KeyCeremonyBegun { .. }
            | Self::KeyComponentDrawn { .. }
            | Self::KeyComponentLoaded { .. }
            | Self::KeyCeremonyCancelled { .. }
            | Self::KeyMoved { .. }
            | Self::RateSet { .. }
            | Self::Converted { .. }
            | Self::IssuerBilled { .. }
            | Self::LmkChanged(_)
            | Self::KeysTranslated { .. }
            | Self::LmkRetired { .. }
            | Self::MacsFailed { .. }
            | Self::SafTried { .. }
            | Self::ScriptQueued { .. }
            | Self::TerminalKeyOffered { .. }
            | Self::TerminalKeyTaken { .. }
            | Self::TerminalKeyWithdrawn { .. }
            | Self::WaitingKeysTranslated { .. }
            | Self::PinsMalformed { .. }
            | Self::CaseRaised { .. }
            | Self::LinkChanged { .. }
            | Self::MerchantChanged { .. }
            | Self::TerminalChanged { .. }
            | Self::ChipKept { .. }
            | Self::ProductAdded { .. }
            | Self::ProductChanged { .. }
            | Self::BatchCompared { .. }
            | Self::TotalsDated { .. }
            | Self::LinkKeyChanged(_) => None,
        }
    }
}

/// What a terminal's reversal did to the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalEffect {
    /// There is no original: one that comes later under the key is refused.
    Tombstone,
    /// It waits until the outcome of the original is known.
    WhenResolved,
    /// The original was approved and is undone.
    Undone,
    /// There was nothing to undo.
    Nothing,
    /// It was refused: another amount, or the original's day is closed.
    Refused,
}

/// One transaction in a terminal's upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UploadedItem {
    /// Trace number.
    pub stan: Stan,
    /// Minor units.
    pub amount_minor: u64,
    /// The card, where the upload names it.
    pub card: Option<CardHash>,
}

/// A settlement file and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// File name within the day's directory.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// A record with its time and its cause: one leaf of the ledger.
///
/// | bytes | content |
/// |---|---|
/// | 1 | format version, 1 |
/// | … | `at`, `actor`, `record` in postcard's encoding |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// When it was decided.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub record: Record,
}

/// Why stored bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Decode {
    /// Nothing there.
    #[error("an empty record")]
    Empty,
    /// Written by a newer version of the switch.
    #[error("record format {have}, this program reads {need}")]
    Version {
        /// Format found.
        have: u8,
        /// Format understood.
        need: u8,
    },
    /// The bytes do not follow the format.
    #[error("malformed record")]
    Malformed(#[source] postcard::Error),
    /// Bytes are left after the record.
    #[error("{count} bytes after the record")]
    Trailing {
        /// How many.
        count: usize,
    },
}

impl Stamped {
    /// Version of the encoding.
    pub const FORMAT: u8 = 1;
    /// Most bytes of an encoded record: the ledger takes none that is longer.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Appends the encoded record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::FORMAT);
        let buffer = std::mem::take(out);
        *out = postcard::to_extend(self, buffer).expect("a record always encodes into a vector");
    }
    /// The place of the record's variant, which the format fixes, without reading the rest: for those who look for
    /// few kinds among many. `None` when the bytes do not say.
    pub fn variant(bytes: &[u8]) -> Option<u32> {
        let (&format, rest) = bytes.split_first()?;
        if format != Self::FORMAT {
            return None;
        }
        let ((_at, _actor), rest) = postcard::take_from_bytes::<(Timestamp, Actor)>(rest).ok()?;
        postcard::take_from_bytes(rest).ok().map(|(variant, _)| variant)
    }
    /// Reads a record back.
    ///
    /// # Errors
    /// [`Decode`] by what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let (&format, rest) = bytes.split_first().ok_or(Decode::Empty)?;
        if format != Self::FORMAT {
            return Err(Decode::Version { have: format, need: Self::FORMAT });
        }
        let (stamped, rest) = postcard::take_from_bytes::<Self>(rest).map_err(Decode::Malformed)?;
        if rest.is_empty() { Ok(stamped) } else { Err(Decode::Trailing { count: rest.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_refuse_damage() {
        let stamped = Stamped {
            at: Timestamp(1),
            actor: Actor::Operator("anna".into()),
            record: Record::DayCut { day: BusinessDate(20_000), next: BusinessDate(20_001) },
        };
        let mut bytes = Vec::new();
        stamped.encode(&mut bytes);
        assert_eq!(Stamped::decode(&bytes).unwrap(), stamped);
        assert_eq!((Stamped::variant(&bytes), Stamped::variant(&bytes[..2])), (Some(23), None));
        assert!(matches!(Stamped::decode(&[]), Err(Decode::Empty)));
        assert!(matches!(Stamped::decode(&[9]), Err(Decode::Version { have: 9, need: 1 })));
        assert!(Stamped::decode(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(matches!(Stamped::decode(&bytes), Err(Decode::Trailing { count: 1 })));
        let json = serde_json::to_value(&stamped).unwrap();
        assert!(json["record"]["day_cut"].is_object());
    }
}
