//! What people ask a state: read-only, and free of anything secret.

use crate::state::{BatchStage, OpenCase, State};
use switchyard_domain::{
    BatchNumber, BatchTotals, CaseId, Outcome, SafEntry, TerminalIndex, Timestamp, TransactionId,
    TransactionOpened,
};

/// A terminal's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchView {
    /// Whose.
    pub terminal: TerminalIndex,
    /// Its number.
    pub number: BatchNumber,
    /// What stands in it, as the host counts.
    pub totals: BatchTotals,
    /// Transactions in it, whatever their outcome.
    pub transactions: usize,
    /// Of these, how many have no final outcome.
    pub unresolved: usize,
    /// Whether its totals differed and the terminal uploads what it has.
    pub uploading: bool,
    /// The batch that was closed before it.
    pub closed: Option<BatchNumber>,
}

/// A store-and-forward entry and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct SafView<'s> {
    /// The entry.
    pub entry: &'s SafEntry,
    /// Whether it gave up and waits for an operator.
    pub is_dead: bool,
    /// Its transaction as it was recorded.
    pub opened: &'s TransactionOpened,
    /// How the transaction stands.
    pub outcome: Outcome,
}

impl State {
    /// A terminal's batch.
    pub fn batch(&self, terminal: TerminalIndex) -> Option<BatchView> {
        let batch = self.batches.get(terminal)?;
        let open = |id: &TransactionId| self.transactions.unresolved.contains(id);
        Some(BatchView {
            terminal,
            number: batch.number,
            totals: batch.totals,
            transactions: batch.transactions.len(),
            unresolved: batch.transactions.iter().filter(|id| open(id)).count(),
            uploading: matches!(batch.stage, BatchStage::Uploading { .. }),
            closed: batch.last.map(|last| last.batch).filter(|closed| *closed != batch.number),
        })
    }

    /// The transactions of a terminal's batch, in order, each with its outcome and the time it began.
    pub fn batch_transactions(
        &self,
        terminal: TerminalIndex,
    ) -> impl Iterator<Item = (&TransactionOpened, Outcome, Timestamp)> {
        let ids = self.batches.get(terminal).map_or(&[][..], |batch| &batch.transactions);
        let known = ids.iter().filter_map(|id| self.transactions.get(*id));
        known.map(|transaction| (&transaction.opened, transaction.outcome, transaction.at))
    }

    /// Store-and-forward entries, those that gave up first.
    pub fn saf_entries(&self) -> impl Iterator<Item = SafView<'_>> {
        let dead = self.saf.dead.values().map(|entry| (entry, true));
        let all = dead.chain(self.saf.waiting.values().map(|entry| (entry, false)));
        all.filter_map(|(entry, is_dead)| {
            let transaction = self.transactions.get(entry.transaction)?;
            Some(SafView { entry, is_dead, opened: &transaction.opened, outcome: transaction.outcome })
        })
    }

    /// A transaction as it stands, how it ended so far, and when it began. Nothing where it is not kept any more.
    pub fn transaction(&self, id: TransactionId) -> Option<(&TransactionOpened, Outcome, Timestamp)> {
        let transaction = self.transactions.get(id)?;
        Some((&transaction.opened, transaction.outcome, transaction.at))
    }

    /// Payouts that are held and would take place: not those of what was declined, reversed, voided or refunded whole.
    pub fn held_transactions(&self) -> impl Iterator<Item = TransactionId> {
        self.risk.held_standing.iter().copied()
    }

    /// Differences that nobody has settled, in the order in which they arose.
    pub fn open_cases(&self) -> impl Iterator<Item = (CaseId, &OpenCase)> {
        self.cases.open.iter().map(|(id, case)| (*id, case))
    }

    /// Payouts that are held and would take place.
    pub fn held_count(&self) -> usize {
        self.risk.held_standing.len()
    }

    /// The first index that says something else than a look at everything; tests ask after every step.
    #[doc(hidden)]
    pub fn wrong_index(&self) -> Option<&'static str> {
        let days = self.book.holds_placed().filter_map(|hold| self.transactions.get(TransactionId(hold.0)));
        [
            ("who follows whom", self.transactions.is_indexed()),
            ("entries of links", self.saf.is_counted()),
            ("cases of places", self.cases.is_indexed()),
            ("held payouts", self.is_held_indexed()),
            ("holds in order", self.book.holds_placed().eq(self.book.holds().into_keys())),
            ("days of holds", days.map(|transaction| transaction.opened.day).is_sorted()),
        ]
        .into_iter()
        .find_map(|(name, is_right)| (!is_right).then_some(name))
    }
}
