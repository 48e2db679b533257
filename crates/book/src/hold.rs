//! Holds that are open, and when they end by themselves.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{AccountId, HoldId, Timestamp};

use crate::sharded::Sharded;

/// A reservation between two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Account that will be debited.
    pub debit: AccountId,
    /// Account that will be credited.
    pub credit: AccountId,
    /// Minor units reserved.
    pub amount_minor: u64,
    /// When it is due to end. It ends by the record that says so, and by nothing else.
    pub expires_at: Option<Timestamp>,
}

/// All open holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds {
    open: Sharded<HoldId, Hold>,
    /// The same in order: who looks for the oldest need not look at all.
    placed: BTreeSet<HoldId>,
    /// Those that end by themselves, soonest first.
    due: BTreeSet<(Timestamp, HoldId)>,
}

impl Holds {
    pub(crate) fn get(&self, id: HoldId) -> Option<&Hold> {
        self.open.get(&id)
    }
    /// Makes room for so many at once.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.open.reserve(count);
    }
    pub(crate) fn insert(&mut self, id: HoldId, hold: Hold) {
        self.remove(id);
        if let Some(at) = hold.expires_at {
            self.due.insert((at, id));
        }
        self.placed.insert(id);
        self.open.insert(id, hold);
    }
    pub(crate) fn remove(&mut self, id: HoldId) {
        self.placed.remove(&id);
        if let Some(Hold { expires_at: Some(at), .. }) = self.open.remove(&id) {
            self.due.remove(&(at, id));
        }
    }
    /// Those whose time is over at `now`, soonest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = (HoldId, &Hold)> {
        let over = self.due.iter().take_while(move |(at, _)| *at <= now);
        over.filter_map(|(_, id)| self.open.get(id).map(|hold| (*id, hold)))
    }
    /// Every one in order.
    pub(crate) fn placed(&self) -> impl Iterator<Item = HoldId> {
        self.placed.iter().copied()
    }
    pub(crate) fn ordered(&self) -> BTreeMap<HoldId, Hold> {
        self.open.iter().map(|(id, hold)| (*id, *hold)).collect()
    }
}
