//! Store and forward: messages that have to reach an issuer, however long that takes.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{LinkIndex, SafEntry, SafId, SafKind, ScriptReport, TransactionId};

/// Entries by number: first in, first out per link.
#[derive(Debug, Default)]
pub(crate) struct Saf {
    pub(crate) waiting: BTreeMap<SafId, SafEntry>,
    /// By link; reversals before advices and results of scripts, and nothing before the advice of its transaction.
    pub(crate) queues: BTreeSet<(LinkIndex, bool, SafId)>,
    /// Transactions whose advice waits.
    pub(crate) advised: BTreeSet<TransactionId>,
    pub(crate) dead: BTreeMap<SafId, SafEntry>,
    /// The keys that the cards of either are sealed under.
    pub(crate) card_keys: BTreeMap<SafId, u16>,
    /// What the entries about scripts tell, of those that wait and those that gave up.
    pub(crate) scripts: BTreeMap<SafId, ScriptReport>,
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
    /// Queues an entry whose card is sealed under `card_key`.
    pub(crate) fn push(&mut self, entry: SafEntry, card_key: Option<u16>) {
        self.next = entry.id.0 + 1;
        if let Some(key) = card_key {
            self.card_keys.insert(entry.id, key);
        }
        self.enqueue(entry);
    }
    fn enqueue(&mut self, entry: SafEntry) {
        let behind = entry.kind != SafKind::Reversal || self.advised.contains(&entry.transaction);
        if entry.kind == SafKind::Advice {
            self.advised.insert(entry.transaction);
        }
        // What a chip made of scripts is about something that the issuer has not heard of while its advice is given up.
        if entry.kind != SafKind::Script || !self.has_dead_advice(entry.transaction) {
            self.queues.insert((entry.upstream.link, behind, entry.id));
        }
        self.waiting.insert(entry.id, entry);
    }
    /// Takes out an entry that was delivered, or need not be.
    pub(crate) fn remove(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.unqueue(id)?;
        self.card_keys.remove(&id);
        self.scripts.remove(&id);
        Some(entry)
    }
    /// Gives an entry up: an operator may still want its card.
    pub(crate) fn give_up(&mut self, id: SafId) -> Option<()> {
        let entry = self.unqueue(id)?;
        self.dead.insert(id, entry);
        if entry.kind == SafKind::Advice {
            for script in self.scripts_of(entry.transaction) {
                self.queues.remove(&(script.upstream.link, true, script.id));
            }
        }
        Some(())
    }
    fn unqueue(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.waiting.remove(&id)?;
        for behind in [false, true] {
            self.queues.remove(&(entry.upstream.link, behind, id));
        }
        if entry.kind == SafKind::Advice {
            self.advised.remove(&entry.transaction);
        }
        Some(entry)
    }
    /// An entry that waits to be delivered, or that gave up.
    pub(crate) fn get(&self, id: SafId) -> Option<&SafEntry> {
        self.waiting.get(&id).or_else(|| self.dead.get(&id))
    }
    /// Whether the advice of a transaction has not reached its issuer.
    pub(crate) fn is_advised(&self, transaction: TransactionId) -> bool {
        self.advised.contains(&transaction) || self.has_dead_advice(transaction)
    }
    fn has_dead_advice(&self, transaction: TransactionId) -> bool {
        let mut dead = self.dead.values();
        dead.any(|entry| entry.kind == SafKind::Advice && entry.transaction == transaction)
    }
    /// What waits to be told of a transaction's scripts.
    fn scripts_of(&self, transaction: TransactionId) -> Vec<SafEntry> {
        let about = |id: &SafId| self.waiting.get(id).filter(|entry| entry.transaction == transaction);
        self.scripts.keys().filter_map(about).copied().collect()
    }
    /// An advice is not given up any more: what waited for it goes behind it.
    fn release(&mut self, advice: &SafEntry) {
        if advice.kind == SafKind::Advice {
            self.scripts_of(advice.transaction).into_iter().for_each(|script| self.enqueue(script));
        }
    }
    /// Whether a reversal of a transaction waits, or gave up.
    pub(crate) fn is_taking_back(&self, transaction: TransactionId) -> bool {
        let mut entries = self.waiting.values().chain(self.dead.values());
        entries.any(|entry| entry.kind == SafKind::Reversal && entry.transaction == transaction)
    }
    /// An entry that had given up waits again, in its old place.
    pub(crate) fn revive(&mut self, id: SafId) -> Option<()> {
        let entry = self.dead.remove(&id)?;
        self.enqueue(entry);
        self.release(&entry);
        Some(())
    }
    /// Takes an entry out, wherever it is.
    pub(crate) fn end(&mut self, id: SafId) -> Option<SafEntry> {
        self.card_keys.remove(&id);
        self.scripts.remove(&id);
        let ended = self.unqueue(id).or_else(|| self.dead.remove(&id))?;
        self.release(&ended);
        Some(ended)
    }
    /// The oldest entry for a link.
    pub(crate) fn first_for(&self, link: LinkIndex) -> Option<&SafEntry> {
        let (owner, _, id) = self.queues.range((link, false, SafId(0))..).next()?;
        if *owner == link { self.waiting.get(id) } else { None }
    }
}
