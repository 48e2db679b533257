//! What the ledger's records are found by: the extractor that tells the index what they mean.
//!
//! A transaction is found by its reference, its place (terminal, batch, trace number), its terminal, its card and
//! its merchant through the one record that made it ([`Record::Opened`] or [`Record::Decided`]), so that a page has
//! each transaction once. Everything that happened to it afterwards is found by its number ([`of_transaction`]);
//! every record that moved money, by the accounts it moved.

use std::path::Path;
use std::sync::Arc;

use switchyard_domain::{
    AccountId, BatchNumber, BusinessDate, CardHash, Entry, MaskedPan, MerchantId, MerchantIndex, Record, Rrn,
    SafId, Stamped, Stan, TerminalId, TerminalIndex, TransactionId, TransactionOpened,
};
use switchyard_ledger::index::{
    Built, Event, Extract, Fetch, Index, IndexError, Indexer, Key, Keys, Unreadable, Watch,
};
use switchyard_ledger::{SegmentNumber, Sequence};

mod names;

pub use names::Names;

/// Kinds of keys. A new meaning is a new number and a new [`VERSION`].
mod kind {
    pub(super) const RRN: u8 = 1;
    pub(super) const PLACE: u8 = 2;
    pub(super) const TERMINAL: u8 = 3;
    pub(super) const CARD: u8 = 4;
    pub(super) const MASKED_CARD: u8 = 5;
    pub(super) const MERCHANT: u8 = 6;
    pub(super) const ACCOUNT: u8 = 7;
    pub(super) const TRANSACTION: u8 = 8;
    pub(super) const SAF: u8 = 9;
    pub(super) const ORIGINAL: u8 = 10;
    pub(super) const REVERSAL: u8 = 11;
    pub(super) const EVERY: u8 = 12;
    pub(super) const MERCHANTS: u8 = 13;
    pub(super) const TERMINALS: u8 = 14;
    pub(super) const MERCHANT_ID: u8 = 15;
    pub(super) const TERMINAL_ID: u8 = 16;
    pub(super) const BATCH_CLOSES: u8 = 17;
    pub(super) const TERMINAL_BATCH_CLOSES: u8 = 18;
}

/// Counts up when a record gives other keys than before: sealed indexes are then made anew.
const VERSION: u32 = 2;

/// Transactions with a retrieval reference: one, unless a ledger is older than the 400 days that it is unique for.
pub fn by_rrn(rrn: &Rrn) -> Key {
    Key::new(kind::RRN, &[rrn.as_bytes()])
}

/// All transactions.
pub fn every_transaction() -> Key {
    Key::new(kind::EVERY, &[])
}

/// Registrations of merchants, in the order of their numbers.
pub fn merchants() -> Key {
    Key::new(kind::MERCHANTS, &[])
}

/// Registrations of terminals, in the order of their numbers.
pub fn terminals() -> Key {
    Key::new(kind::TERMINALS, &[])
}

/// What closed batches, and the totals that were compared before.
pub fn every_batch_close() -> Key {
    Key::new(kind::BATCH_CLOSES, &[])
}

/// As [`every_batch_close`], of one terminal.
pub fn batch_closes(terminal: TerminalIndex) -> Key {
    Key::new(kind::TERMINAL_BATCH_CLOSES, &[&terminal.0.to_be_bytes()])
}

/// Registrations of a merchant.
pub fn merchant_named(id: &MerchantId) -> Key {
    Key::new(kind::MERCHANT_ID, &[id.as_bytes()])
}

/// Registrations of a terminal.
pub fn terminal_named(id: &TerminalId) -> Key {
    Key::new(kind::TERMINAL_ID, &[id.as_bytes()])
}

/// Transactions at a place.
pub fn by_place(terminal: TerminalIndex, batch: BatchNumber, stan: Stan) -> Key {
    place(kind::PLACE, terminal, batch, stan)
}

/// Terminals' reversals of what is or was to be at a place, also of what never came.
pub fn reversals_at(terminal: TerminalIndex, batch: BatchNumber, stan: Stan) -> Key {
    place(kind::REVERSAL, terminal, batch, stan)
}

/// Transactions of a terminal.
pub fn by_terminal(terminal: TerminalIndex) -> Key {
    Key::new(kind::TERMINAL, &[&terminal.0.to_be_bytes()])
}

/// Transactions with a card.
pub fn by_card(card: &CardHash) -> Key {
    Key::new(kind::CARD, &[&card.0])
}

/// Transactions of a business day with a card of which only the first and last digits are known.
pub fn by_masked_card(card: &MaskedPan, day: BusinessDate) -> Key {
    // Digits, then their count: eleven bytes, and the count keeps cards of other lengths apart.
    let text = card.to_string();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    Key::new(kind::MASKED_CARD, &[&digits, &[text.len() as u8], &day.0.to_be_bytes()])
}

/// Transactions at a merchant; sequences are in the order of time, see [`Index::first_at`].
pub fn by_merchant(merchant: MerchantIndex) -> Key {
    Key::new(kind::MERCHANT, &[&merchant.0.to_be_bytes()])
}

/// Records that moved or reserved money on an account.
pub fn by_account(account: &AccountId) -> Key {
    let AccountId { kind: account_kind, owner, currency } = account;
    let kind_byte = [*account_kind as u8];
    Key::new(kind::ACCOUNT, &[&kind_byte, &owner.to_be_bytes(), &currency.numeric().to_be_bytes()])
}

/// Every record that tells of a transaction, from the one that made it on.
pub fn of_transaction(id: TransactionId) -> Key {
    Key::new(kind::TRANSACTION, &[&id.0.to_be_bytes()])
}

/// Transactions that follow another one: voids, refunds, completions.
pub fn following(original: TransactionId) -> Key {
    Key::new(kind::ORIGINAL, &[&original.0.to_be_bytes()])
}

/// Records of a store-and-forward entry, from the one that queued it on.
pub fn of_saf(id: SafId) -> Key {
    Key::new(kind::SAF, &[&id.0.to_be_bytes()])
}

fn place(kind: u8, terminal: TerminalIndex, batch: BatchNumber, stan: Stan) -> Key {
    let parts = [terminal.0.to_be_bytes(), batch.get().to_be_bytes(), stan.get().to_be_bytes()];
    Key::new(kind, &[&parts[0], &parts[1], &parts[2]])
}

/// Tells the index what records mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionKeys;

impl Extract for TransactionKeys {
    fn version(&self) -> u32 {
        VERSION
    }

    fn keys(&self, record: &[u8], keys: &mut Keys) -> Result<(), Unreadable> {
        let stamped = Stamped::decode(record).map_err(|_| Unreadable)?;
        name_keys(&stamped.record, keys);
        Ok(())
    }

    fn time_micros(&self, record: &[u8]) -> Result<u64, Unreadable> {
        Stamped::decode(record).map(|stamped| stamped.at.0).map_err(|_| Unreadable)
    }
}

fn name_keys(record: &Record, keys: &mut Keys) {
    if let Some(entry) = record.entry() {
        moved(entry, keys);
    }
    match record {
        Record::Opened(opened) | Record::Decided { opened, .. } => made(opened, keys),
        Record::Advised { opened, saf, .. } => {
            made(opened, keys);
            keys.push(of_saf(saf.id));
        }
        Record::Rerouted { transaction, .. }
        | Record::PartlyApproved { transaction, .. }
        | Record::RiskFlagged { transaction, .. }
        | Record::Converted { transaction, .. }
        | Record::ChipKept { transaction, .. }
        | Record::IssuerBilled { transaction, .. }
        | Record::CaseRaised { transaction, .. }
        | Record::PayoutReleased { transaction, .. } => keys.push(of_transaction(*transaction)),
        Record::Resolved { transaction, saf, .. } => {
            keys.push(of_transaction(*transaction));
            saf.iter().for_each(|saf| keys.push(of_saf(saf.id)));
        }
        Record::ReversalTaken { key, original, saf, .. } => {
            keys.push(reversals_at(key.terminal, key.batch, key.stan));
            original.iter().for_each(|id| keys.push(of_transaction(*id)));
            saf.iter().for_each(|saf| keys.push(of_saf(saf.id)));
        }
        Record::ScriptReported { report, .. } => {
            report.transaction.iter().for_each(|id| keys.push(of_transaction(*id)));
        }
        Record::ReversalQueued { saf } | Record::ScriptQueued { saf, .. } => {
            keys.push(of_transaction(saf.transaction));
            keys.push(of_saf(saf.id));
        }
        Record::SafDelivered { id, .. }
        | Record::SafDeadLettered { id, .. }
        | Record::SafRetried { id, .. }
        | Record::SafTried { id, .. }
        | Record::SafResolved { id, .. } => keys.push(of_saf(*id)),
        Record::LateAnswer { transaction, cancels, .. } => {
            keys.push(of_transaction(*transaction));
            cancels.iter().for_each(|id| keys.push(of_saf(*id)));
        }
        Record::HoldExpired { transaction, .. } => keys.push(of_transaction(*transaction)),
        Record::DayCut { .. } => keys.end_generation(),
        Record::BatchReconciled { terminal, .. }
        | Record::BatchUploadEnded { terminal, .. }
        | Record::BatchForceClosed { terminal, .. } => {
            keys.push(every_batch_close());
            keys.push(batch_closes(*terminal));
        }
        Record::MerchantRegistered(merchant) => {
            keys.push(merchants());
            keys.push(merchant_named(&merchant.id));
        }
        Record::TerminalRegistered(terminal) => {
            keys.push(terminals());
            keys.push(terminal_named(&terminal.id));
        }
        _ => {}
    }
}

fn made(opened: &TransactionOpened, keys: &mut Keys) {
    let key = &opened.key;
    keys.push(every_transaction());
    keys.push(by_rrn(&opened.rrn));
    keys.push(by_place(key.terminal, key.batch, key.stan));
    keys.push(by_terminal(key.terminal));
    keys.push(by_merchant(key.merchant));
    keys.push(of_transaction(opened.id));
    opened.original.iter().for_each(|original| keys.push(following(*original)));
    if let Some(card) = &opened.card {
        keys.push(by_card(&card.hash));
        keys.push(by_masked_card(&card.masked, opened.day));
    }
}

fn moved(entry: &Entry, keys: &mut Keys) {
    for posting in &entry.0 {
        keys.push(by_account(&posting.debit));
        keys.push(by_account(&posting.credit));
    }
}

/// Starts following a ledger. Without an index the switch does all that terminals ask of it, so a failure is told
/// and no more.
pub(crate) fn start(ledger: &Path, durable: Sequence) -> Option<Indexer> {
    Indexer::start(ledger, Arc::new(TransactionKeys), Watch::new(tell), durable)
        .inspect_err(|error| tracing::error!(code = error.code(), %error, "records are not indexed"))
        .ok()
}

fn tell(event: &Event) {
    match event {
        Event::Rebuilding { segment, doubt } => {
            tracing::warn!(segment = segment.0, reason = %doubt, "an index of records is made anew");
        }
        Event::Built { segment, built } => {
            tracing::info!(
                segment = segment.0,
                keys = built.keys,
                bytes = built.bytes,
                "records of a sealed segment are indexed"
            );
        }
        Event::Failed { segment, error } => {
            tracing::error!(segment = segment.0, %error, "records of a sealed segment cannot be indexed");
        }
        Event::Stopped { error } => tracing::error!(%error, "records are not indexed any more"),
        _ => tracing::warn!(?event, "the index of records"),
    }
}

/// Opens the index of a ledger for reading, beside a running switch or without one.
///
/// # Errors
/// [`IndexError`] when there is no ledger or it cannot be read.
pub fn open(ledger: &Path) -> Result<Index, IndexError> {
    Index::open(ledger, Arc::new(TransactionKeys), Watch::new(tell))
}

/// Makes every sealed index of a ledger anew; `progress` hears of the segments done and their count.
///
/// # Errors
/// [`IndexError`] when the ledger cannot be read or an index not be written.
pub fn rebuild(
    ledger: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Vec<(SegmentNumber, Built)>, IndexError> {
    Index::rebuild(ledger, Arc::new(TransactionKeys), progress)
}

/// The records under a key, oldest first and decoded: for keys that few records have.
///
/// # Errors
/// [`IndexError`] when the log has to be read and cannot be.
pub fn records(index: &Index, key: Key) -> Result<Vec<(Sequence, Stamped)>, IndexError> {
    let mut fetch = index.fetch();
    let mut found = Vec::new();
    for sequence in index.find(key)? {
        found.push((sequence, record(&mut fetch, sequence)?));
    }
    Ok(found)
}

/// The record at a sequence that the index found, decoded.
///
/// # Errors
/// [`IndexError`] when it cannot be read or decoded.
pub fn record(fetch: &mut Fetch<'_>, sequence: Sequence) -> Result<Stamped, IndexError> {
    let unreadable = || IndexError::Unreadable { sequence };
    let bytes = fetch.record(sequence)?.ok_or_else(unreadable)?;
    Stamped::decode(&bytes).map_err(|_| unreadable())
}

/// Every record that tells of a transaction, oldest first, what its store-and-forward entries came to included.
///
/// # Errors
/// As [`records`].
pub fn story(index: &Index, id: TransactionId) -> Result<Vec<(Sequence, Stamped)>, IndexError> {
    let mut found = records(index, of_transaction(id))?;
    let queued: Vec<SafId> = found.iter().filter_map(|(_, stamped)| queued_by(&stamped.record)).collect();
    for saf in queued {
        found.extend(records(index, of_saf(saf))?);
    }
    found.sort_by_key(|(sequence, _)| *sequence);
    found.dedup_by_key(|(sequence, _)| *sequence);
    Ok(found)
}

/// The store-and-forward entry that a record queued.
fn queued_by(record: &Record) -> Option<SafId> {
    match record {
        Record::Resolved { saf, .. } | Record::ReversalTaken { saf, .. } => saf.as_ref().map(|saf| saf.id),
        Record::Advised { saf, .. } | Record::ReversalQueued { saf } | Record::ScriptQueued { saf, .. } => {
            Some(saf.id)
        }
        _ => None,
    }
}
