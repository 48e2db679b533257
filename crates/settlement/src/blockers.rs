//! What still stands in a day's way.

use std::collections::BTreeMap;
use switchyard_domain::{
    BatchNumber, BatchVerdict, Outcome, Record, RequestKey, SafEntry, SafId, TerminalIndex, TransactionId,
    TransactionOpened,
};

/// Facts from the day or before that are still open as of the last record observed. Whether to go on in
/// spite of them is for an approver to say, not for the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Blockers {
    /// Transactions that were sent on and have no outcome.
    pub pending: u64,
    /// Transactions of which nobody knows how they ended.
    pub unknown: u64,
    /// Store-and-forward entries that no issuer has acknowledged.
    pub queued: u64,
    /// Store-and-forward entries that gave up and wait for an operator.
    pub dead_lettered: u64,
    /// Terminals whose current batch has money in it and is not closed.
    pub open_batches: u64,
}
impl Blockers {
    /// Whether nothing stands in the way.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }
}

/// What a transaction without an outcome will need when it has one.
#[derive(Debug, Clone, Copy)]
struct Pending {
    key: RequestKey,
    original: Option<TransactionId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct TerminalBatches {
    open: Option<BatchNumber>,
    closed: Option<BatchNumber>,
}

/// Follows open facts. After the fence nothing new is taken up; what was open may still be closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenFacts {
    pending: BTreeMap<TransactionId, Pending>,
    unknown: BTreeMap<TransactionId, Option<TransactionId>>,
    queued: BTreeMap<SafId, TransactionId>,
    dead: BTreeMap<SafId, TransactionId>,
    batches: Vec<TerminalBatches>,
}

impl OpenFacts {
    pub(crate) fn counts(&self) -> Blockers {
        let open = self.batches.iter().filter(|batches| batches.open.is_some());
        Blockers {
            pending: self.pending.len() as u64,
            unknown: self.unknown.len() as u64,
            queued: self.queued.len() as u64,
            dead_lettered: self.dead.len() as u64,
            open_batches: open.count() as u64,
        }
    }
    /// The original of a transaction that is pending or unknown.
    pub(crate) fn original_of(&self, transaction: TransactionId) -> Option<TransactionId> {
        let pending = self.pending.get(&transaction).and_then(|pending| pending.original);
        pending.or_else(|| self.unknown.get(&transaction).copied().flatten())
    }

    pub(crate) fn observe(&mut self, record: &Record, fenced: bool) {
        match record {
            Record::TerminalRegistered(_) if !fenced => self.batches.push(TerminalBatches::default()),
            Record::Opened(opened) if !fenced => self.opened(opened),
            Record::Advised { opened, movement, saf, .. } if !fenced => {
                if movement.is_some() {
                    self.money_in_batch(opened.key);
                }
                self.enqueue(Some(saf), fenced);
            }
            Record::Decided { opened, movement, .. } if !fenced && movement.is_some() => {
                self.money_in_batch(opened.key);
            }
            Record::Resolved { transaction, outcome, movement, saf, .. } => {
                self.resolved(*transaction, *outcome, movement.is_some(), fenced);
                self.enqueue(saf.as_ref(), fenced);
            }
            Record::ReversalTaken { saf, .. } | Record::PartReversed { saf, .. } => {
                self.enqueue(saf.as_ref(), fenced)
            }
            Record::ReversalQueued { saf } => self.enqueue(Some(saf), fenced),
            Record::SafDelivered { id, .. } | Record::SafResolved { id, .. } => self.delivered(*id),
            Record::SafRetried { id, .. } => {
                if let Some(transaction) = self.dead.remove(id) {
                    self.queued.insert(*id, transaction);
                }
            }
            Record::SafDeadLettered { id, .. } => {
                if let Some(transaction) = self.queued.remove(id) {
                    self.dead.insert(*id, transaction);
                }
            }
            Record::LateAnswer { transaction, cancels, .. } => {
                self.unknown.remove(transaction);
                if let Some(id) = cancels {
                    self.delivered(*id);
                }
            }
            Record::BatchReconciled { terminal, batch, verdict: BatchVerdict::Balanced, .. }
            | Record::BatchUploadEnded { terminal, batch, .. }
            | Record::BatchForceClosed { terminal, batch, .. } => self.close(*terminal, *batch),
            _ => {}
        }
    }

    fn opened(&mut self, opened: &TransactionOpened) {
        self.pending.insert(opened.id, Pending { key: opened.key, original: opened.original });
    }
    fn resolved(&mut self, transaction: TransactionId, outcome: Outcome, moved: bool, fenced: bool) {
        let pending = match outcome {
            Outcome::Pending => return,
            Outcome::Unknown => {
                let pending = self.pending.remove(&transaction);
                if pending.is_some() || !fenced {
                    self.unknown.insert(transaction, pending.and_then(|pending| pending.original));
                }
                pending
            }
            Outcome::Approved | Outcome::Declined | Outcome::Reversed => {
                self.unknown.remove(&transaction);
                self.pending.remove(&transaction)
            }
        };
        if let Some(pending) = pending.filter(|_| moved && !fenced) {
            self.money_in_batch(pending.key);
        }
    }
    fn enqueue(&mut self, saf: Option<&SafEntry>, fenced: bool) {
        if let Some(saf) = saf.filter(|saf| !fenced || self.unknown.contains_key(&saf.transaction)) {
            self.queued.insert(saf.id, saf.transaction);
        }
    }
    /// The issuer knows of the reversal: the transaction that it is about is no longer in doubt.
    fn delivered(&mut self, id: SafId) {
        let transaction = self.queued.remove(&id).or_else(|| self.dead.remove(&id));
        if let Some(transaction) = transaction {
            self.unknown.remove(&transaction);
        }
    }
    fn money_in_batch(&mut self, key: RequestKey) {
        let Some(batches) = self.batches.get_mut(key.terminal.0 as usize) else { return };
        // An outcome may come after its batch was closed; that does not open the batch again.
        if batches.closed != Some(key.batch) {
            batches.open = Some(key.batch);
        }
    }
    fn close(&mut self, terminal: TerminalIndex, batch: BatchNumber) {
        let Some(batches) = self.batches.get_mut(terminal.0 as usize) else { return };
        batches.closed = Some(batch);
        if batches.open == Some(batch) {
            batches.open = None;
        }
    }
}
