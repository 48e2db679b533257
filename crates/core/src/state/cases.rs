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
    /// How many of them are about a place in a batch: nobody looks through them all while a terminal waits.
    #[serde(skip)]
    of_place: BTreeMap<Place, usize>,
}

/// What a case is about.
type Place = (TerminalIndex, BatchNumber, Stan);

impl OpenCase {
    fn place(&self) -> Place {
        (self.terminal, self.batch, self.case.stan)
    }
}

impl Cases {
    /// Whether a transaction has a case that nobody has settled.
    pub(crate) fn is_open(&self, terminal: TerminalIndex, batch: BatchNumber, stan: Stan) -> bool {
        self.of_place.contains_key(&(terminal, batch, stan))
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
            let open = OpenCase { terminal, batch, case: *case, at };
            *self.of_place.entry(open.place()).or_default() += 1;
            self.open.insert(CaseId(self.next), open);
            self.next += 1;
        }
    }

    /// Settles a case.
    pub(crate) fn close(&mut self, case: CaseId) -> Option<()> {
        let place = self.open.remove(&case)?.place();
        if let Some(count) = self.of_place.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.of_place.remove(&place);
            }
        }
        Some(())
    }

    /// With what follows from the cases, which no snapshot has.
    pub(crate) fn indexed(mut self) -> Self {
        self.of_place = self.places();
        self
    }

    fn places(&self) -> BTreeMap<Place, usize> {
        let mut places = BTreeMap::new();
        self.open.values().for_each(|case| *places.entry(case.place()).or_default() += 1);
        places
    }

    /// Whether the index says what a look at every case says.
    pub(super) fn is_indexed(&self) -> bool {
        self.of_place == self.places()
    }
}
