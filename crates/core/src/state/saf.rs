//! Store and forward: messages that have to reach an issuer, however long that takes.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{
    CardHash, ChipData, LinkIndex, SafEntry, SafId, SafKind, ScriptReport, TransactionId,
};

/// Within a lane order holds, and between lanes none: the entries of one card for one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) link: LinkIndex,
    whose: Whose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Card(CardHash),
    /// A transaction that names no card has nothing to keep in order but itself.
    Transaction(TransactionId),
}

impl Lane {
    /// The lane of an entry whose transaction is about `card`.
    pub(crate) fn of(entry: &SafEntry, card: Option<CardHash>) -> Self {
        let whose = card.map_or(Whose::Transaction(entry.transaction), Whose::Card);
        Self { link: entry.upstream.link, whose }
    }
}

/// How many entries there are for a link.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfLink {
    pub(crate) waiting: usize,
    pub(crate) dead: usize,
}

/// Entries by number, which is the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Saf {
    pub(crate) waiting: BTreeMap<SafId, SafEntry>,
    pub(crate) dead: BTreeMap<SafId, SafEntry>,
    /// What waits, in lanes.
    lanes: BTreeSet<(Lane, SafId)>,
    /// The lane of everything that waits or is dead.
    lane_of: BTreeMap<SafId, Lane>,
    /// The same by transaction.
    of_transaction: BTreeSet<(TransactionId, SafId)>,
    /// How many there are for each link: an operator who looks does not hold the core up.
    of_link: BTreeMap<LinkIndex, OfLink>,
    /// The keys that the cards of either are sealed under.
    pub(crate) card_keys: BTreeMap<SafId, u16>,
    /// How often entries were sent, where that is recorded.
    pub(crate) tries: BTreeMap<SafId, u32>,
    /// What the entries about scripts tell, of those that wait and those that gave up.
    pub(crate) scripts: BTreeMap<SafId, ScriptReport>,
    /// What advices tell of their transactions' chips, of those that wait and those that gave up.
    pub(crate) chips: BTreeMap<TransactionId, ChipData>,
    pub(crate) next: u64,
    /// What the last record put in, took out or put aside, for whoever sends: no fact, and in no image.
    moved: Option<(SafId, Lane)>,
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
    pub(crate) fn push(&mut self, entry: SafEntry, card_key: Option<u16>, lane: Lane) {
        self.next = entry.id.0 + 1;
        if let Some(key) = card_key {
            self.card_keys.insert(entry.id, key);
        }
        self.know(&entry, lane);
        self.enqueue(entry, lane);
    }
    /// Has an entry that had given up before.
    pub(crate) fn push_dead(&mut self, entry: SafEntry, lane: Lane) {
        self.know(&entry, lane);
        self.bury(entry);
    }
    fn bury(&mut self, entry: SafEntry) {
        self.of_link_mut(&entry).dead += 1;
        self.dead.insert(entry.id, entry);
    }
    fn unbury(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.dead.remove(&id)?;
        self.of_link_mut(&entry).dead -= 1;
        Some(entry)
    }
    fn of_link_mut(&mut self, entry: &SafEntry) -> &mut OfLink {
        self.of_link.entry(entry.upstream.link).or_default()
    }
    /// How many entries there are for a link.
    pub(crate) fn of_link(&self, link: LinkIndex) -> OfLink {
        self.of_link.get(&link).copied().unwrap_or_default()
    }
    /// Whether the counts of links are what a look at every entry counts.
    pub(super) fn is_counted(&self) -> bool {
        let mut counts: BTreeMap<LinkIndex, OfLink> = BTreeMap::new();
        let link = |entry: &SafEntry| entry.upstream.link;
        self.waiting.values().for_each(|entry| counts.entry(link(entry)).or_default().waiting += 1);
        self.dead.values().for_each(|entry| counts.entry(link(entry)).or_default().dead += 1);
        let known = self.of_link.iter().filter(|(_, count)| **count != OfLink::default());
        known.eq(counts.iter())
    }
    fn know(&mut self, entry: &SafEntry, lane: Lane) {
        self.lane_of.insert(entry.id, lane);
        self.of_transaction.insert((entry.transaction, entry.id));
    }
    fn enqueue(&mut self, entry: SafEntry, lane: Lane) {
        self.lanes.insert((lane, entry.id));
        self.moved = Some((entry.id, lane));
        self.of_link_mut(&entry).waiting += 1;
        self.waiting.insert(entry.id, entry);
    }
    fn unqueue(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.waiting.remove(&id)?;
        self.of_link_mut(&entry).waiting -= 1;
        let lane = *self.lane_of.get(&id)?;
        self.lanes.remove(&(lane, id));
        self.moved = Some((id, lane));
        Some(entry)
    }
    /// Takes out an entry that was delivered, or need not be.
    pub(crate) fn remove(&mut self, id: SafId) -> Option<SafEntry> {
        let entry = self.unqueue(id)?;
        self.forget(&entry);
        Some(entry)
    }
    fn forget(&mut self, entry: &SafEntry) {
        self.lane_of.remove(&entry.id);
        self.of_transaction.remove(&(entry.transaction, entry.id));
        self.card_keys.remove(&entry.id);
        self.tries.remove(&entry.id);
        self.scripts.remove(&entry.id);
        if entry.kind == SafKind::Advice {
            self.chips.remove(&entry.transaction);
        }
    }
    /// Gives an entry up: an operator may still want its card.
    pub(crate) fn give_up(&mut self, id: SafId) -> Option<()> {
        let entry = self.unqueue(id)?;
        self.tries.remove(&id);
        self.bury(entry);
        Some(())
    }
    /// An entry that had given up waits again, in its old place.
    pub(crate) fn revive(&mut self, id: SafId) -> Option<()> {
        let entry = self.unbury(id)?;
        let lane = *self.lane_of.get(&id)?;
        self.enqueue(entry, lane);
        Some(())
    }
    /// Takes an entry out, wherever it is.
    pub(crate) fn end(&mut self, id: SafId) -> Option<SafEntry> {
        if self.waiting.contains_key(&id) {
            return self.remove(id);
        }
        let entry = self.unbury(id)?;
        self.moved = self.lane_of.get(&id).map(|lane| (id, *lane));
        self.forget(&entry);
        Some(entry)
    }
    /// What the last record moved, once.
    pub(crate) fn take_moved(&mut self) -> Option<(SafId, Lane)> {
        self.moved.take()
    }

    /// An entry that waits to be delivered, or that gave up.
    pub(crate) fn get(&self, id: SafId) -> Option<&SafEntry> {
        self.waiting.get(&id).or_else(|| self.dead.get(&id))
    }
    /// Entries about a transaction, those that gave up too.
    pub(crate) fn about(&self, transaction: TransactionId) -> impl Iterator<Item = &SafEntry> {
        let ids = self.of_transaction.range((transaction, SafId(0))..=(transaction, SafId(u64::MAX)));
        ids.filter_map(|(_, id)| self.get(*id))
    }
    /// Whether there is something that the issuer has to hear before anything can follow the transaction, and has not heard or
    /// refused to: its advice, or that a part of it was taken back.
    pub(crate) fn is_untold(&self, transaction: TransactionId) -> bool {
        let tells = |entry: &SafEntry| matches!(entry.kind, SafKind::Advice | SafKind::PartReversal);
        self.about(transaction).any(tells)
    }
    /// Whether the advice of a transaction has not reached its issuer.
    pub(crate) fn is_advised(&self, transaction: TransactionId) -> bool {
        self.about(transaction).any(|entry| entry.kind == SafKind::Advice)
    }
    /// Whether a reversal of a transaction waits, or gave up.
    pub(crate) fn is_taking_back(&self, transaction: TransactionId) -> bool {
        self.about(transaction).any(|entry| entry.kind == SafKind::Reversal)
    }

    /// The lane of an entry that waits or gave up.
    pub(crate) fn lane_of(&self, id: SafId) -> Option<Lane> {
        self.lane_of.get(&id).copied()
    }
    /// The entry of a lane that may go next: the oldest, and behind what is about a transaction whose advice gave up the one
    /// after it. That waits for what an operator makes of the advice: its issuer has not heard of the transaction.
    pub(crate) fn head(&self, lane: Lane) -> Option<&SafEntry> {
        let ids = self.lanes.range((lane, SafId(0))..=(lane, SafId(u64::MAX)));
        ids.filter_map(|(_, id)| self.waiting.get(id)).find(|entry| !self.is_held(entry))
    }
    fn is_held(&self, entry: &SafEntry) -> bool {
        let dead = |other: &SafEntry| other.kind == SafKind::Advice && self.dead.contains_key(&other.id);
        entry.kind != SafKind::Advice && self.about(entry.transaction).any(dead)
    }
    /// Every lane in which something waits.
    pub(crate) fn lanes(&self) -> BTreeSet<Lane> {
        self.lanes.iter().map(|(lane, _)| *lane).collect()
    }
}
