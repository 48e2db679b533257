//! What a new process makes of what the one before left open.

use crate::machine::{Core, Output};
use switchyard_domain::{Outcome, ReversalReason, Timestamp, TransactionId};

impl Core {
    /// Every intent without an outcome becomes unknown and is reversed.
    pub(crate) fn abandon_pending(&mut self, now: Timestamp, out: &mut Output) {
        let transactions = &self.state.transactions;
        let pending =
            |id: &TransactionId| transactions.get(*id).is_some_and(|t| t.outcome == Outcome::Pending);
        let open: Vec<TransactionId> = transactions.unresolved.iter().copied().filter(pending).collect();
        for id in open {
            self.resolve_unknown(id, ReversalReason::NoAnswer, now, out);
        }
    }
}
