//! The part of an index that is in memory, by itself, for measurements.

use std::sync::{Arc, Mutex, PoisonError};

use super::hot::{HotSegment, Inserter, Range};
use super::key::{Key, Keys};
use crate::{SegmentNumber, Sequence};

/// The keys of one segment in memory.
#[derive(Debug)]
pub struct Memory {
    segment: Arc<HotSegment>,
    inserter: Mutex<Option<Inserter>>,
}

/// Its one writer.
#[derive(Debug)]
pub struct MemoryWriter(Inserter);

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        let inserter = Inserter::new(HotSegment::new(SegmentNumber::FIRST, Sequence(0)));
        Self { segment: Arc::clone(&inserter.segment), inserter: Mutex::new(Some(inserter)) }
    }

    /// The writer.
    ///
    /// # Panics
    /// When it was taken before.
    pub fn writer(&self) -> MemoryWriter {
        let mut inserter = self.inserter.lock().unwrap_or_else(PoisonError::into_inner);
        MemoryWriter(inserter.take().expect("there is one writer"))
    }

    /// Sequences under a key.
    pub fn find(&self, key: &Key) -> Vec<u64> {
        let mut found = Vec::new();
        let range = Range { from: 0, to: u64::MAX, descending: false, limit: usize::MAX };
        self.segment.find(key, &range, &mut found);
        found
    }
}

impl MemoryWriter {
    /// Puts a record under its keys.
    pub fn insert(&mut self, seq: Sequence, keys: &Keys) {
        self.0.insert(seq, keys);
    }
}
