//! Differences between terminals' batches and the host's, and reversals that were refused, until an operator settles them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{BatchCase, BatchNumber, CaseId, Stan, TerminalIndex, Timestamp};

/// A case that nobody has settled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCase {
    /// Whose batch.
    pub terminal: TerminalIndex,
    /// The batch.
    pub batch: BatchNumber,
    /// What differs.
    pub case: BatchCase,
    /// When it arose.
    pub at: Timestamp,
}

/// The cases that are open. Those that are settled are in the ledger.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Cases {
    pub(crate) open: BTreeMap<CaseId, OpenCase>,
    pub(crate) next: u64,
}

impl Cases {
    /// Whether a transaction has a case that nobody has settled.
    pub(crate) fn is_open(&self, terminal: TerminalIndex, batch: BatchNumber, stan: Stan) -> bool {
        let mut open = self.open.values();
        open.any(|case| (case.terminal, case.batch, case.case.stan) == (terminal, batch, stan))
    }

    /// Numbers the differences of a batch in their order.
    pub(crate) fn arise(
        &mut self,
        terminal: TerminalIndex,
        batch: BatchNumber,
        cases: &[BatchCase],
        at: Timestamp,
    ) {
        for case in cases {
            self.open.insert(CaseId(self.next), OpenCase { terminal, batch, case: *case, at });
            self.next += 1;
        }
    }
}
