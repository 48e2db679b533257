//! What became of each transaction, read off the records and nothing else: a second opinion beside the
//! running core, for `ledger query` and the demo's comparison of journals.

use crate::progress::Bar;
use crate::settle::hex;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use switchyard_domain::{
    BatchNumber, MerchantId, MerchantIndex, Outcome, Record, ReplyFacts, ResponseCode, ReversalEffect, Rrn,
    SafId, Stamped, Stan, TerminalId, TerminalIndex, TransactionId, TransactionKind, TransactionOpened,
};
use switchyard_ledger::Reader;

/// A transaction as the ledger tells it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Story {
    pub(crate) id: TransactionId,
    pub(crate) terminal: TerminalId,
    pub(crate) merchant: MerchantId,
    pub(crate) batch: BatchNumber,
    pub(crate) stan: Stan,
    pub(crate) kind: TransactionKind,
    pub(crate) amount_minor: u64,
    pub(crate) currency: String,
    pub(crate) card: Option<String>,
    /// Hash of the card, by which its transactions are found.
    pub(crate) card_hash: Option<String>,
    /// Business day that was open.
    pub(crate) day: String,
    pub(crate) rrn: Rrn,
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<ResponseCode>,
    /// Whether an issuer behind a link decided it.
    pub(crate) over_link: bool,
    /// Sequences of the records that tell it.
    pub(crate) records: Vec<u64>,
}

impl Story {
    /// As the record that made the transaction tells it.
    pub(crate) fn new(
        sequence: u64,
        opened: &TransactionOpened,
        terminal: TerminalId,
        merchant: MerchantId,
        outcome: Outcome,
        reply: Option<&ReplyFacts>,
    ) -> Self {
        Self {
            id: opened.id,
            terminal,
            merchant,
            batch: opened.key.batch,
            stan: opened.key.stan,
            kind: opened.kind,
            amount_minor: opened.amount.minor,
            currency: opened.amount.currency.to_string(),
            card: opened.card.as_ref().map(|c| c.masked.to_string()),
            card_hash: opened.card.as_ref().map(|c| hex(&c.hash.0)),
            day: opened.day.to_string(),
            rrn: opened.rrn,
            outcome,
            code: reply.map(|r| r.code),
            over_link: opened.upstream.is_some(),
            records: vec![sequence],
        }
    }

    /// A later record tells more of it.
    pub(crate) fn observe(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::Resolved { outcome, reply, .. } => {
                (self.outcome, self.code) = (*outcome, Some(reply.code));
            }
            Record::ReversalTaken { effect: ReversalEffect::Undone, .. } => self.outcome = Outcome::Reversed,
            Record::SafDelivered { .. } | Record::SafResolved { .. } if self.outcome == Outcome::Unknown => {
                self.outcome = Outcome::Reversed;
            }
            Record::LateAnswer { cancels: Some(_), .. } => self.outcome = Outcome::Declined,
            Record::PartlyApproved { amount, .. } => self.amount_minor = amount.minor,
            Record::ReversalTaken { .. }
            | Record::ReversalQueued { .. }
            | Record::ScriptReported { .. }
            | Record::ScriptQueued { .. }
            | Record::SafDelivered { .. }
            | Record::SafDeadLettered { .. }
            | Record::SafRetried { .. }
            | Record::SafTried { .. }
            | Record::SafResolved { .. }
            | Record::Rerouted { .. }
            | Record::RiskFlagged { .. }
            | Record::PayoutReleased { .. }
            | Record::CaseRaised { .. }
            | Record::HoldExpired { .. }
            | Record::Converted { .. }
            | Record::ChipKept { .. }
            | Record::IssuerBilled { .. }
            | Record::LateAnswer { .. } => {}
            _ => return,
        }
        self.records.push(sequence);
    }
}

/// All of them, and what else the records add up to.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) stories: Vec<Story>,
    /// Answers to terminals' reversals.
    pub(crate) reversals: u64,
    terminals: Vec<(TerminalId, MerchantIndex)>,
    merchants: Vec<MerchantId>,
    queued: HashMap<SafId, TransactionId>,
}

/// Hands every record of a data directory's ledger on.
pub(crate) fn each_record(data: &Path, mut visit: impl FnMut(u64, &Stamped) -> Result<()>) -> Result<u64> {
    let dir = data.join("ledger");
    let reader = Reader::open(&dir).with_context(|| crate::data_hint(data))?;
    let mut progress = Bar::records("reading", &dir, 1);
    let end = reader.for_each(|sequence, bytes| {
        progress(sequence.0);
        let stamped = Stamped::decode(bytes).with_context(|| format!("record {}", sequence.0))?;
        visit(sequence.0, &stamped)
    })?;
    Ok(end.0)
}

impl History {
    /// Reads the whole ledger.
    pub(crate) fn read(data: &Path) -> Result<Self> {
        let mut history = Self::default();
        each_record(data, |sequence, stamped| {
            history.observe(sequence, &stamped.record);
            Ok(())
        })?;
        Ok(history)
    }

    /// Stories by terminal, batch and trace number. A trace number is used once in a batch, whatever the
    /// class of message.
    pub(crate) fn by_place(&self) -> BTreeMap<(TerminalId, BatchNumber, Stan), &Story> {
        self.stories.iter().map(|s| ((s.terminal, s.batch, s.stan), s)).collect()
    }

    fn observe(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::MerchantRegistered(merchant) => self.merchants.push(merchant.id),
            Record::TerminalRegistered(terminal) => self.terminals.push((terminal.id, terminal.merchant)),
            Record::Opened(opened) => self.open(sequence, opened, Outcome::Pending, None),
            Record::Decided { opened, outcome, reply, .. } => {
                self.open(sequence, opened, *outcome, Some(reply))
            }
            Record::Advised { opened, reply, saf, .. } => {
                self.queued.insert(saf.id, opened.id);
                self.open(sequence, opened, Outcome::Approved, Some(reply));
            }
            Record::Resolved { transaction, saf, .. } => {
                if let Some(entry) = saf {
                    self.queued.insert(entry.id, *transaction);
                }
                self.change(sequence, *transaction, record);
            }
            Record::ReversalTaken { original, saf, .. } => {
                self.reversals += 1;
                if let (Some(entry), Some(id)) = (saf, original) {
                    self.queued.insert(entry.id, *id);
                }
                if let Some(id) = original {
                    self.change(sequence, *id, record);
                }
            }
            Record::ReversalQueued { saf } | Record::ScriptQueued { saf, .. } => {
                self.queued.insert(saf.id, saf.transaction);
                self.change(sequence, saf.transaction, record);
            }
            Record::ScriptReported { report, .. } => {
                if let Some(id) = report.transaction {
                    self.change(sequence, id, record);
                }
            }
            Record::SafDelivered { id, .. }
            | Record::SafDeadLettered { id, .. }
            | Record::SafRetried { id, .. }
            | Record::SafTried { id, .. }
            | Record::SafResolved { id, .. } => {
                if let Some(transaction) = self.queued.get(id).copied() {
                    self.change(sequence, transaction, record);
                }
            }
            Record::LateAnswer { transaction, .. }
            | Record::Rerouted { transaction, .. }
            | Record::RiskFlagged { transaction, .. }
            | Record::PayoutReleased { transaction, .. }
            | Record::CaseRaised { transaction, .. }
            | Record::HoldExpired { transaction, .. }
            | Record::Converted { transaction, .. }
            | Record::ChipKept { transaction, .. }
            | Record::IssuerBilled { transaction, .. }
            | Record::PartlyApproved { transaction, .. } => {
                self.change(sequence, *transaction, record);
            }
            _ => {}
        }
    }

    fn change(&mut self, sequence: u64, id: TransactionId, record: &Record) {
        if let Some(story) = self.stories.get_mut(id.0 as usize) {
            story.observe(sequence, record);
        }
    }

    fn open(
        &mut self,
        sequence: u64,
        opened: &TransactionOpened,
        outcome: Outcome,
        reply: Option<&ReplyFacts>,
    ) {
        let TerminalIndex(terminal) = opened.key.terminal;
        let MerchantIndex(merchant) = opened.key.merchant;
        let (Some((terminal, _)), Some(merchant)) =
            (self.terminals.get(terminal as usize), self.merchants.get(merchant as usize))
        else {
            return;
        };
        self.stories.push(Story::new(sequence, opened, *terminal, *merchant, outcome, reply));
    }
}
