//! What was asked before: the table by which repeats are recognised.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use switchyard_domain::{
    BatchNumber, Echo, Fingerprint, MessageClass, ReplyFacts, RequestKey, Stan, TransactionId,
};

/// A reversal that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReversalTaken {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) echo: Echo,
    pub(crate) reply: ReplyFacts,
}

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    /// A transaction: its fingerprint and reply are with it.
    Transaction(TransactionId),
    /// A reversal, by its position.
    Reversal(u32),
}

/// Requests by key, reversals, and the keys that a reversal without an original has shut.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) known: HashMap<RequestKey, Known, FixedState>,
    pub(crate) reversals: Vec<ReversalTaken>,
    pub(crate) tombstones: HashSet<RequestKey, FixedState>,
}

impl Requests {
    pub(crate) fn get(&self, key: &RequestKey) -> Option<Known> {
        self.known.get(key).copied()
    }
    pub(crate) fn reversal(&self, position: u32) -> Option<&ReversalTaken> {
        self.reversals.get(position as usize)
    }
    /// The transaction of a terminal under a batch and trace number, whatever its class.
    pub(crate) fn transaction_at(
        &self,
        terminal: &RequestKey,
        batch: BatchNumber,
        stan: Stan,
    ) -> Option<TransactionId> {
        [MessageClass::Financial, MessageClass::Authorization].into_iter().find_map(|class| {
            match self.known.get(&RequestKey { batch, stan, class, ..*terminal })? {
                Known::Transaction(id) => Some(*id),
                Known::Reversal(_) => None,
            }
        })
    }
}
