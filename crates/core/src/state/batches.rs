//! Each terminal's batch.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{
    BatchNumber, BatchSide, BatchTotals, BatchVerdict, CardClass, ReplyFacts, Side, Stan, TerminalIndex,
    TransactionId, TransactionKind, UploadedItem,
};

/// Where the batch is on its way to being closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(crate) enum BatchStage {
    /// Takes transactions.
    #[default]
    Open,
    /// Totals differed: the terminal uploads what it has.
    Uploading {
        /// What came so far, by trace number: an item that is sent again replaces itself.
        items: BTreeMap<Stan, UploadedItem>,
    },
}

/// The close of the batch before, kept so that its repeat is answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct LastClose {
    pub(crate) batch: BatchNumber,
    /// Trace number of the terminal's totals; none where an operator closed the batch.
    pub(crate) stan: Option<Stan>,
    pub(crate) terminal_totals: BatchTotals,
    pub(crate) host_totals: BatchTotals,
    pub(crate) verdict: BatchVerdict,
    pub(crate) reply: ReplyFacts,
    /// Reply to the end of the upload, once it came.
    pub(crate) ended: Option<ReplyFacts>,
    /// When the terminal made its totals; zero where it did not say.
    pub(crate) moment: u64,
}

/// Closes before the last one that are kept of a terminal whose dialect names no batch.
const CLOSES_BEFORE_MAX: usize = 7;

/// A terminal's batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) number: BatchNumber,
    pub(crate) totals: BatchTotals,
    pub(crate) stage: BatchStage,
    pub(crate) last: Option<LastClose>,
    /// The dated closes before it, newest first: a copy of their totals may still be on its way.
    pub(crate) before: Vec<LastClose>,
    /// Its transactions in order of arrival: the upload is compared with these, not with the whole history.
    pub(crate) transactions: Vec<TransactionId>,
    /// Trace numbers of those that are cases already: the terminal took them back in vain, or what closes the batch was
    /// cut short by a crash.
    pub(crate) cases_raised: BTreeSet<Stan>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            number: BatchNumber::FIRST,
            totals: BatchTotals::default(),
            stage: BatchStage::Open,
            last: None,
            before: Vec::new(),
            transactions: Vec::new(),
            cases_raised: BTreeSet::new(),
        }
    }
}

impl Batch {
    /// The closes that are remembered, newest first.
    pub(crate) fn closes(&self) -> impl Iterator<Item = &LastClose> {
        self.last.iter().chain(&self.before)
    }
    /// Remembers a close. Totals that were compared before, of the same batch, are forgotten.
    pub(crate) fn remember(&mut self, close: LastClose) {
        let batch = close.batch;
        if let Some(old) = self.last.replace(close).filter(|old| old.batch != batch && old.moment != 0) {
            self.before.truncate(CLOSES_BEFORE_MAX - 1);
            self.before.insert(0, old);
        }
    }
    /// Closes this batch and opens the next.
    pub(crate) fn advance(&mut self) {
        self.number = self.number.next();
        self.totals = BatchTotals::default();
        self.stage = BatchStage::Open;
        self.transactions.clear();
        self.cases_raised.clear();
    }
    fn side(&mut self, class: CardClass, side: BatchSide) -> &mut Side {
        let sums = match class {
            CardClass::Debit | CardClass::Credit => &mut self.totals.domestic,
            CardClass::Foreign => &mut self.totals.foreign,
        };
        match side {
            BatchSide::Debit => &mut sums.debit,
            BatchSide::Credit => &mut sums.credit,
        }
    }
    /// Counts an approved transaction.
    pub(crate) fn count(&mut self, kind: TransactionKind, class: CardClass, amount_minor: u64) {
        if let Some(side) = kind.batch_side() {
            self.side(class, side).add(amount_minor);
        }
    }
    /// Takes a reversed transaction out again.
    pub(crate) fn uncount(&mut self, kind: TransactionKind, class: CardClass, amount_minor: u64) {
        if let Some(side) = kind.batch_side() {
            self.side(class, side).remove(amount_minor);
        }
    }
}

/// The batches of all terminals.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    pub(crate) by_terminal: Vec<Batch>,
}

impl Batches {
    pub(crate) fn get(&self, terminal: TerminalIndex) -> Option<&Batch> {
        self.by_terminal.get(terminal.0 as usize)
    }
    pub(crate) fn get_mut(&mut self, terminal: TerminalIndex) -> Option<&mut Batch> {
        self.by_terminal.get_mut(terminal.0 as usize)
    }
}
