//! Store and forward: messages that have to reach an issuer, however long that takes.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{LinkIndex, SafEntry, SafId};

/// Entries by number: first in, first out per link.
#[derive(Debug, Default)]
pub(crate) struct Saf {
    pub(crate) waiting: BTreeMap<SafId, SafEntry>,
    pub(crate) queues: BTreeSet<(LinkIndex, SafId)>,
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
        self.queues.insert((entry.upstream.link, entry.id));
        self.waiting.insert(entry.id, entry);
    }
    pub(crate) fn remove(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.waiting.remove(&id)?;
        self.queues.remove(&(entry.upstream.link, id));
        Some(entry)
    }
    /// The oldest entry for a link.
    pub(crate) fn first_for(&self, link: LinkIndex) -> Option<&SafEntry> {
        let (owner, id) = self.queues.range((link, SafId(0))..).next()?;
        if *owner == link { self.waiting.get(id) } else { None }
    }
}
