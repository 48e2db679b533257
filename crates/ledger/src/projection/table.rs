//! Where rows are kept: sled on disk, or memory for those who only read once.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use super::Trouble;
use super::limits::{CACHE_BYTES, RELEASE_PAUSE, RELEASE_TRIES_MAX};

/// Key of the position; rows have keys that begin with another byte.
const POSITION_KEY: &[u8] = &[0];

/// Changed rows by key; `None` for one that is gone.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Debug)]
pub(crate) enum Table {
    Sled(sled::Db),
    Memory { rows: BTreeMap<Vec<u8>, Vec<u8>>, position: Option<Vec<u8>> },
}

/// Calls sled. It may panic on a database that is not as it left it, and its threads go down with it: both are
/// doubts about the rows and nothing more.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Trouble::Database(error.to_string())),
        Err(_) => Err(Trouble::Panic),
    }
}

/// Waits until whoever had the database before has let its file go. The directory is this engine's alone by then, but
/// sled's own threads may hold the file a moment longer than its last owner; a database that is merely not free yet
/// is no reason to make its rows anew.
fn await_release(path: &Path) {
    let Ok(file) = File::open(path.join("db")) else { return };
    for _ in 0..RELEASE_TRIES_MAX {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(RELEASE_PAUSE),
            // Closing the file gives the lock back; what else is wrong, sled says better.
            Ok(()) | Err(TryLockError::Error(_)) => return,
        }
    }
}

impl Table {
    pub(crate) fn memory() -> Self {
        Self::Memory { rows: BTreeMap::new(), position: None }
    }

    pub(crate) fn sled(path: &Path) -> Result<Self, Trouble> {
        await_release(path);
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).use_compression(false);
        guarded(|| config.open()).map(Self::Sled)
    }

    pub(crate) fn position(&self) -> Result<Option<Vec<u8>>, Trouble> {
        match self {
            Self::Sled(db) => guarded(|| db.get(POSITION_KEY)).map(|found| found.map(|v| v.to_vec())),
            Self::Memory { position, .. } => Ok(position.clone()),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        match self {
            Self::Sled(db) => guarded(|| db.get(key)).map(|found| found.map(|value| value.to_vec())),
            Self::Memory { rows, .. } => Ok(rows.get(key).cloned()),
        }
    }

    /// Hands rows on in the order of their keys, from behind `after` on, until `visit` has enough.
    pub(crate) fn scan(
        &self,
        after: Bound<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Trouble> {
        match self {
            Self::Sled(db) => guarded(|| {
                for row in db.range::<&[u8], _>((after, Bound::Unbounded)) {
                    let (key, value) = row?;
                    if &key[..] != POSITION_KEY && !visit(&key, &value) {
                        break;
                    }
                }
                Ok(())
            }),
            Self::Memory { rows, .. } => {
                for (key, value) in rows.range::<[u8], _>((after, Bound::Unbounded)) {
                    if !visit(key, value) {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Changes rows and position together, or neither.
    pub(crate) fn commit(&mut self, changes: Changes, new_position: Vec<u8>) -> Result<(), Trouble> {
        match self {
            Self::Sled(db) => {
                let mut batch = sled::Batch::default();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                batch.insert(POSITION_KEY, new_position);
                guarded(|| db.apply_batch(batch))
            }
            Self::Memory { rows, position } => {
                for (key, value) in changes {
                    match value {
                        Some(value) => drop(rows.insert(key, value)),
                        None => drop(rows.remove(&key)),
                    }
                }
                *position = Some(new_position);
                Ok(())
            }
        }
    }

    /// Asks sled to write what it has; only so that less has to be made again.
    pub(crate) fn flush(&self) -> Result<(), Trouble> {
        match self {
            Self::Sled(db) => guarded(|| db.flush()).map(|_| ()),
            Self::Memory { .. } => Ok(()),
        }
    }

    /// Closes the database; its last owner may panic as well as any other.
    pub(crate) fn close(self) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self)));
    }
}
