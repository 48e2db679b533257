//! The index of a segment that is not sealed yet, in memory.
//!
//! Keys live in generations: one for each business day, and a new one before a table would have to grow. A
//! generation's tables are reserved when it starts, so that no insert ever waits for a rehash of all that came
//! before it. One thread inserts; any number read.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::key::{Key, Keys};
use super::limits::{GENERATION_KEYS_MAX, SEGMENT_GENERATIONS_MAX, SHARD_BUCKETS, SHARDS};
use crate::{SegmentNumber, Sequence};

/// Stands for "none" among the indexes below.
const NONE: u32 = u32::MAX;

/// Where a block begins: sequence of its first record, offset in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) first_seq: u64,
    pub(crate) offset: u64,
}

/// One key and the records that have it, as distances from the segment's first sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) key: Key,
    first: u32,
    /// Index of the list with the rest; most keys have one record and no list.
    list: u32,
    next: u32,
}

#[derive(Debug)]
pub(crate) struct Shard {
    /// Index of the newest slot plus one, so that untouched zeros mean "empty".
    buckets: Vec<u32>,
    pub(crate) slots: Vec<Slot>,
    lists: Vec<Vec<u32>>,
}

impl Shard {
    fn new() -> Self {
        Self { buckets: vec![0; SHARD_BUCKETS], slots: Vec::with_capacity(SHARD_BUCKETS), lists: Vec::new() }
    }

    fn find(&self, bucket: usize, key: &Key) -> Option<usize> {
        let mut at = self.buckets[bucket].checked_sub(1)?;
        loop {
            let slot = &self.slots[at as usize];
            if slot.key == *key {
                return Some(at as usize);
            }
            if slot.next == NONE {
                return None;
            }
            at = slot.next;
        }
    }

    /// Whether the key is new.
    fn insert(&mut self, bucket: usize, key: &Key, distance: u32) -> bool {
        let Some(at) = self.find(bucket, key) else {
            let next = self.buckets[bucket].checked_sub(1).unwrap_or(NONE);
            self.slots.push(Slot { key: *key, first: distance, list: NONE, next });
            self.buckets[bucket] = self.slots.len() as u32;
            return true;
        };
        let slot = &mut self.slots[at];
        if slot.list == NONE {
            if slot.first != distance {
                slot.list = self.lists.len() as u32;
                self.lists.push(vec![distance]);
            }
        } else {
            let list = &mut self.lists[slot.list as usize];
            if list.last() != Some(&distance) {
                list.push(distance);
            }
        }
        false
    }

    /// The records of a slot, ascending.
    pub(crate) fn distances(&self, slot: &Slot) -> impl DoubleEndedIterator<Item = u32> + use<'_> {
        std::iter::once(slot.first).chain(self.rest(slot).iter().copied())
    }

    fn rest(&self, slot: &Slot) -> &[u32] {
        if slot.list == NONE { &[] } else { &self.lists[slot.list as usize] }
    }

    /// Adds to `found` what lies in `range`, in its order, until there are `limit`.
    fn collect(&self, slot: &Slot, range: &Range, found: &mut Vec<u64>, base: u64) {
        let rest = self.rest(slot);
        let start = rest.partition_point(|distance| base + u64::from(*distance) < range.from);
        let end = rest.partition_point(|distance| base + u64::from(*distance) < range.to);
        let rest = rest.get(start..end).unwrap_or_default().iter().copied();
        let first = Some(slot.first).filter(|first| range.holds(base + u64::from(*first)));
        let room = range.limit.saturating_sub(found.len());
        let sequence = |distance| base + u64::from(distance);
        if range.descending {
            found.extend(rest.rev().chain(first).map(sequence).take(room));
        } else {
            found.extend(first.into_iter().chain(rest).map(sequence).take(room));
        }
    }
}

/// Which records of a key are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    /// First sequence.
    pub(crate) from: u64,
    /// The sequence after the last.
    pub(crate) to: u64,
    pub(crate) descending: bool,
    pub(crate) limit: usize,
}

impl Range {
    pub(crate) fn holds(&self, seq: u64) -> bool {
        (self.from..self.to).contains(&seq)
    }

    pub(crate) fn is_full(&self, found: &[u64]) -> bool {
        found.len() >= self.limit
    }

    /// The part of it between two sequences.
    pub(crate) fn within(&self, from: u64, to: u64) -> Self {
        Self { from: self.from.max(from), to: self.to.min(to), ..*self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

#[derive(Debug)]
pub(crate) struct Generation {
    first_seq: u64,
    pub(crate) shards: Vec<RwLock<Shard>>,
}

impl Generation {
    fn new(first_seq: u64) -> Self {
        Self { first_seq, shards: (0..SHARDS).map(|_| RwLock::new(Shard::new())).collect() }
    }

    pub(crate) fn shard(&self, index: usize) -> RwLockReadGuard<'_, Shard> {
        self.shards[index].read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index of one segment in memory.
#[derive(Debug)]
pub(crate) struct HotSegment {
    pub(crate) number: SegmentNumber,
    pub(crate) first_seq: u64,
    hasher: RandomState,
    generations: RwLock<Vec<Arc<Generation>>>,
    blocks: RwLock<Vec<BlockPlace>>,
    /// Records below it are indexed, those from it on are not: the limit of generations was reached there.
    indexed_to: AtomicU64,
}

/// The inserting side: there is one, and it remembers how full the generation is.
#[derive(Debug)]
pub(crate) struct Inserter {
    pub(crate) segment: Arc<HotSegment>,
    current: Option<Arc<Generation>>,
    keys: usize,
    stopped: bool,
}

impl HotSegment {
    pub(crate) fn new(number: SegmentNumber, first_seq: Sequence) -> Self {
        Self {
            number,
            first_seq: first_seq.0,
            hasher: RandomState::new(),
            generations: RwLock::default(),
            blocks: RwLock::default(),
            indexed_to: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn generations(&self) -> Vec<Arc<Generation>> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn blocks(&self) -> RwLockReadGuard<'_, Vec<BlockPlace>> {
        self.blocks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the index of this segment ends; the end of time while the limit was not reached.
    pub(crate) fn indexed_to(&self) -> u64 {
        self.indexed_to.load(Ordering::Acquire)
    }

    /// Adds the records of a key that lie in the range to `found`.
    pub(crate) fn find(&self, key: &Key, range: &Range, found: &mut Vec<u64>) {
        let generations = self.generations();
        let mut order: Vec<_> = generations.iter().collect();
        if range.descending {
            order.reverse();
        }
        let (shard, bucket) = self.place(key);
        for generation in order {
            if range.is_full(found) {
                return;
            }
            if generation.first_seq >= range.to {
                continue;
            }
            let shard = generation.shard(shard);
            if let Some(at) = shard.find(bucket, key) {
                shard.collect(&shard.slots[at], range, found, self.first_seq);
            }
        }
    }

    /// The block that holds a record.
    pub(crate) fn block_of(&self, seq: u64) -> Option<BlockPlace> {
        let blocks = self.blocks();
        let after = blocks.partition_point(|block| block.first_seq <= seq);
        after.checked_sub(1).map(|at| blocks[at])
    }

    fn place(&self, key: &Key) -> (usize, usize) {
        let hash = self.hasher.hash_one(key);
        (hash as usize % SHARDS, (hash >> 32) as usize % SHARD_BUCKETS)
    }
}

impl Inserter {
    pub(crate) fn new(segment: HotSegment) -> Self {
        Self { segment: Arc::new(segment), current: None, keys: 0, stopped: false }
    }

    /// A block whose records follow.
    pub(crate) fn block(&mut self, first_seq: Sequence, offset: u64) {
        let place = BlockPlace { first_seq: first_seq.0, offset };
        self.segment.blocks.write().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Puts a record under its keys.
    pub(crate) fn insert(&mut self, seq: Sequence, keys: &Keys) {
        let distance = u32::try_from(seq.0 - self.segment.first_seq).ok().filter(|distance| *distance < NONE);
        if self.keys >= GENERATION_KEYS_MAX {
            self.current = None;
        }
        let generation = match &self.current {
            Some(generation) => Arc::clone(generation),
            None => match self.start(seq) {
                Some(generation) => generation,
                None => return,
            },
        };
        let Some(distance) = distance else { return self.stop(seq) };
        for key in keys.as_slice() {
            let (shard, bucket) = self.segment.place(key);
            let mut shard = generation.shards[shard].write().unwrap_or_else(PoisonError::into_inner);
            self.keys += usize::from(shard.insert(bucket, key, distance));
        }
        if keys.ends_generation_here() {
            self.current = None;
        }
    }

    fn start(&mut self, seq: Sequence) -> Option<Arc<Generation>> {
        if self.stopped {
            return None;
        }
        let mut generations = self.segment.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.len() >= SEGMENT_GENERATIONS_MAX {
            drop(generations);
            self.stop(seq);
            return None;
        }
        let generation = Arc::new(Generation::new(seq.0));
        generations.push(Arc::clone(&generation));
        self.current = Some(Arc::clone(&generation));
        self.keys = 0;
        Some(generation)
    }

    fn stop(&mut self, seq: Sequence) {
        if !self.stopped {
            self.stopped = true;
            self.segment.indexed_to.store(seq.0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[Key]) -> Keys {
        let mut keys = Keys::default();
        list.iter().for_each(|key| keys.push(*key));
        keys
    }

    fn all(segment: &HotSegment, key: &Key, descending: bool) -> Vec<u64> {
        let mut found = Vec::new();
        segment.find(key, &Range { from: 0, to: u64::MAX, descending, limit: usize::MAX }, &mut found);
        found
    }

    #[test]
    fn a_key_is_found_in_every_generation_and_named_twice_is_kept_once() {
        let mut hot = Inserter::new(HotSegment::new(SegmentNumber(3), Sequence(100)));
        let (even, every) = (Key::new(1, &[b"even"]), Key::new(1, &[b"every"]));
        for seq in 100..400 {
            let mut found = keys(&[every, every]);
            if seq % 2 == 0 {
                found.push(even);
            }
            if seq % 70 == 0 {
                found.end_generation();
            }
            hot.insert(Sequence(seq), &found);
        }
        let segment = &hot.segment;
        assert_eq!(segment.generations().len(), 5);
        assert_eq!(all(segment, &every, false), (100..400).collect::<Vec<_>>());
        assert_eq!(all(segment, &even, true), (100..400).rev().filter(|n| n % 2 == 0).collect::<Vec<_>>());
        let mut some = Vec::new();
        segment.find(&even, &Range { from: 211, to: 300, descending: false, limit: 3 }, &mut some);
        assert_eq!(some, [212, 214, 216]);
        assert!(all(segment, &Key::new(2, &[b"even"]), false).is_empty());
    }

    #[test]
    fn a_segment_with_too_many_generations_says_where_its_index_ends() {
        let mut hot = Inserter::new(HotSegment::new(SegmentNumber(1), Sequence(0)));
        let key = Key::new(1, &[]);
        for seq in 0..SEGMENT_GENERATIONS_MAX as u64 + 9 {
            let mut found = keys(&[key]);
            found.end_generation();
            hot.insert(Sequence(seq), &found);
        }
        assert_eq!(hot.segment.indexed_to(), SEGMENT_GENERATIONS_MAX as u64);
        assert_eq!(all(&hot.segment, &key, false).len(), SEGMENT_GENERATIONS_MAX);
    }
}
