//! Makes a new log from the first records of another.

use std::path::Path;

use crate::batch::PREFIX_BYTES;
use crate::error::Fault;
use crate::grow::grow;
use crate::limits::RESTORE_BATCH_BYTES;
use crate::log::{Log, Options};
use crate::staging::Staging;
use crate::walk::Cursor;
use crate::{Epoch, Error, Hash, LedgerId, Partition, Reader, RecordBatch, Result, Sequence};

/// What a restore made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The ledger that the records come from.
    pub from: LedgerId,
    /// The new ledger.
    pub ledger_id: LedgerId,
    /// The partition of both.
    pub partition: Partition,
    /// Epoch of the writer that made it.
    pub epoch: Epoch,
    /// Sequence of the next record.
    pub next_seq: Sequence,
    /// Merkle root over its records: that of the log they come from, at the same size.
    pub root: Hash,
}

/// Makes a log in `target`, which must not exist or be empty, of the records of the log in `dir` below `to`; of all
/// of them where there is no `to`.
///
/// The new log has the id in `options` and epochs of its own, for it may go on otherwise than the old one did: under
/// the same id two histories could both be signed. The partition is the old log's, whatever the options say. Records
/// keep their bytes and sequences, so that the root at every size is the old one; they are grouped anew, and a block
/// has the time of the youngest of its records. `progress` gets the records done so far.
///
/// # Errors
/// `Beyond` when the log is shorter than `to`, `SameLedger`, `Exists`, `Missing`, `Corrupt` when the old log is not
/// what was written, and what [`Log::open`] and [`Log::append`] return.
pub fn restore(
    dir: &Path,
    to: Option<Sequence>,
    target: &Path,
    options: &Options,
    mut progress: impl FnMut(u64),
) -> Result<RestoreReport> {
    let source = Reader::open(dir)?;
    let (from, partition) = (source.ledger_id(), source.partition());
    if from == options.ledger_id {
        return Err(Error::SameLedger { ledger_id: from });
    }
    let staging = Staging::start(target)?;
    let (mut log, recovery) = Log::open(staging.path(), &Options { partition, ..options.clone() })?;
    let room = log.payload_bytes_max().min(RESTORE_BATCH_BYTES);
    let mut batch = RecordBatch::new();
    let mut time_micros = options.now_micros;
    let mut root = crate::merkle::empty_root();
    let grown = grow(dir, to.map(|seq| seq.0), |leaf| {
        if batch.bytes().len() + PREFIX_BYTES + leaf.record.len() > room && !batch.is_empty() {
            log.append(&batch, time_micros)?;
            batch.clear();
            progress(leaf.seq.0);
        }
        batch.push_bytes(leaf.record)?;
        time_micros = leaf.time_micros;
        if to.is_none_or(|to| to.0 == leaf.tree.size()) {
            root = leaf.tree.root();
        }
        Ok(())
    })?;
    if !batch.is_empty() {
        log.append(&batch, time_micros)?;
    }
    let have = log.position().next_seq.0;
    if let Some(need) = to.map(|to| to.0).filter(|need| *need != have) {
        return Err(Error::Beyond { need, have: grown.tree.size() });
    }
    let position = log.position();
    if position.root != root {
        // The bytes were checked when they were read and hashed anew when they were written.
        return Err(Error::Corrupt(Cursor::START.finding(Fault::Root)));
    }
    log.close(options.now_micros)?;
    progress(have);
    staging.finish()?;
    let (ledger_id, epoch) = (recovery.ledger_id, recovery.epoch);
    Ok(RestoreReport { from, ledger_id, partition, epoch, next_seq: position.next_seq, root })
}
