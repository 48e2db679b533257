//! Takes up the segments in a directory for writing: lock, recovery, and what a crash left cut off.

use std::fs;
use std::path::Path;

use crate::backup::BACKUP_NAME;
use crate::direct::DirectWriter;
use crate::file::make_dirs;
use crate::limits::page_up;
use crate::log::{Cut, Options, SyncMethod};
use crate::mark::{Mark, sync_dir, write_file};
use crate::prepare::Plan;
use crate::recover::{End, recover};
use crate::segment::{self, DirSource};
use crate::store::{SegmentStore, Tail, WriterLock, check_partition, open_for_writing};
use crate::walk::Walker;
use crate::{Epoch, Error, Result};

impl SegmentStore {
    /// Takes the writer's lock of a directory and finds the end of the segments in it, or makes the directory.
    ///
    /// What recovery read is made durable, and a torn tail is kept aside in `torn-….bin` and zeroed. The log itself
    /// goes on with [`Log::over`](crate::Log::over).
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `NoSpace`, `WrongPartition`, `BadOption`, `Backup`, `NoDirect` and `Io`.
    pub fn open(dir: &Path, options: &Options) -> Result<Self> {
        let plan = options.plan(dir)?;
        // A writer on a backup would go on under the ledger id of the log it was taken from.
        if dir.join(BACKUP_NAME).exists() {
            return Err(Error::Backup { path: dir.to_path_buf() });
        }
        make_dirs(dir)?;
        let lock = WriterLock::take(dir)?;
        if plan.sync == SyncMethod::Direct {
            DirectWriter::probe(dir, &plan.files)?;
        }
        let mark = Mark::read(dir)?;
        let mut walker = Walker::new(DirSource::new(dir));
        let end = recover(&mut walker, mark.as_ref(), options.scan, &mut |_, _| {})?;
        let owner = walker.owner.unwrap_or((options.ledger_id, options.partition));
        check_partition(options.partition, owner.1)?;
        let epoch = end.cursor.epoch;
        let cut = cut_tail(dir, &plan, &end, Epoch(epoch.0 + 1))?;
        sync_read(dir, &plan, &end)?;
        let tail = Tail {
            owner,
            epoch,
            next_block: end.cursor.block,
            next_seq: end.cursor.seq,
            hash: end.cursor.hash,
            frontier: end.frontier.clone(),
            clean: mark.as_ref().is_some_and(|mark| mark.clean),
            marked: mark.is_some(),
            cut,
            blocks_read: end.blocks_read,
        };
        Self::start(plan, lock, tail, &end)
    }
}

/// Keeps what is torn in a file of its own, then zeroes it durably, so that no later recovery can take it for more
/// than it was.
///
/// The file carries the epoch that is about to start. A crash between this and the opening block leaves the
/// file behind, and the next attempt at the same epoch reports the cut although it no longer sees the bytes.
fn cut_tail(dir: &Path, plan: &Plan, end: &End, epoch: Epoch) -> Result<Option<Cut>> {
    let name = format!("torn-{:08}.bin", epoch.0);
    let kept_in = dir.join(&name);
    let kept_bytes = fs::metadata(&kept_in).map_or(0, |meta| meta.len());
    let (segment, offset) = (end.cursor.segment, end.cursor.offset);
    if end.cut_bytes > 0 {
        let path = segment::path(dir, segment);
        let file = open_for_writing(&path)?;
        if kept_bytes < end.cut_bytes {
            let mut torn = vec![0; end.cut_bytes as usize];
            let read = std::os::unix::fs::FileExt::read_exact_at(&file, &mut torn, offset);
            read.map_err(Error::io("read", &path))?;
            write_file(dir, &name, &torn)?;
        }
        let zeros = vec![0; page_up(end.cut_bytes as usize)];
        let written = plan.files.write_at(&file, &path, &zeros, offset);
        written.and_then(|()| plan.files.sync(&file, &path)).map_err(Error::io("cut", &path))?;
    }
    let bytes = kept_bytes.max(end.cut_bytes);
    Ok((bytes > 0).then_some(Cut { segment, offset, bytes, kept_in }))
}

/// Makes durable what recovery read: a block may have been whole in the page cache of a machine whose writer died
/// before its sync.
fn sync_read(dir: &Path, plan: &Plan, end: &End) -> Result<()> {
    let segments = end.last.map(|(segment, _)| segment).into_iter().chain([end.cursor.segment]);
    for number in segments {
        let path = segment::path(dir, number);
        if path.exists() {
            let file = open_for_writing(&path)?;
            plan.files.sync(&file, &path).map_err(Error::io("sync", &path))?;
        }
    }
    sync_dir(dir)
}
