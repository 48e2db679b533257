//! Store and forward: messages that have to reach an issuer, however long that takes.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{LinkIndex, SafEntry, SafId, SafKind, TransactionId};

/// Entries by number: first in, first out per link.
#[derive(Debug, Default)]
pub(crate) struct Saf {
    pub(crate) waiting: BTreeMap<SafId, SafEntry>,
    /// By link; reversals before advices, but not before the advice of what they reverse.
    pub(crate) queues: BTreeSet<(LinkIndex, bool, SafId)>,
    /// Transactions whose advice waits.
    pub(crate) advised: BTreeSet<TransactionId>,
    pub(crate) dead: BTreeMap<SafId, SafEntry>,
    pub(crate) next: u64,
}

impl Saf {
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
    pub(crate) fn dead(&self) -> usize {
        self.dead.len()
    }
    pub(crate) fn next_id(&self) -> SafId {
        SafId(self.next)
    }
    pub(crate) fn push(&mut self, entry: SafEntry) {
        self.next = entry.id.0 + 1;
        let behind = entry.kind == SafKind::Advice || self.advised.contains(&entry.transaction);
        if entry.kind == SafKind::Advice {
            self.advised.insert(entry.transaction);
        }
        self.queues.insert((entry.upstream.link, behind, entry.id));
        self.waiting.insert(entry.id, entry);
    }
    pub(crate) fn remove(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.waiting.remove(&id)?;
        for behind in [false, true] {
            self.queues.remove(&(entry.upstream.link, behind, id));
        }
        if entry.kind == SafKind::Advice {
            self.advised.remove(&entry.transaction);
        }
        Some(entry)
    }
    /// The oldest entry for a link.
    pub(crate) fn first_for(&self, link: LinkIndex) -> Option<&SafEntry> {
        let (owner, _, id) = self.queues.range((link, false, SafId(0))..).next()?;
        if *owner == link { self.waiting.get(id) } else { None }
    }
}
