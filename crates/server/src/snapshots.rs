//! Snapshots of the core's state: read at start, made while the switch runs.
//!
//! A snapshot is made by a thread of low priority that does what a start does: it loads the one before, replays the
//! log from there up to what is durable, and writes the result. So the core never waits for a snapshot,
//! every snapshot but the first comes from one that could be read, and there is one way to get a state from files.
//!
//! Nothing is believed that does not fit: the head names the ledger, a block of it with its hash, and a digest, and all
//! of them have to agree with the log and with what was read. What does not is said in the log of the
//! process, and an older snapshot or the whole ledger is taken instead.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use switchyard_core::{Digest, ImageError, Part, Restore, STATE_FORMAT, State};
use switchyard_domain::Stamped;
use switchyard_ledger::{
    Anchor, Error, Reader, Sequence, SnapshotError, SnapshotHead, SnapshotReader, SnapshotWriter,
    prune_snapshots, snapshots,
};

use crate::open::ReplayError;
use crate::shared::{Phase, Shared};

/// Snapshots that are kept: when the newest cannot be used, the one before still saves most of the replay.
const KEPT: usize = 2;

/// The thread looks this often whether another one is due.
const POLL: Duration = Duration::from_millis(200);

/// How much less of the processor it gets than others, 0 to 19.
const NICENESS: i32 = 15;

/// Threads that read sections at start: most of it is the copying of pages into memory.
const LOADERS_MAX: usize = 4;

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Its file.
    #[error(transparent)]
    File(#[from] SnapshotError),
    /// Its content.
    #[error(transparent)]
    Content(#[from] ImageError),
    /// The log does not have the block that it follows from.
    #[error("it belongs to another ledger, or to blocks that this one does not have")]
    Foreign,
    /// It is ahead of what the log holds for certain.
    #[error("it follows from {have} records, the log has {end}")]
    Ahead {
        /// Records that it follows from.
        have: u64,
        /// Records that are durable.
        end: u64,
    },
    /// What was read is not what was written.
    #[error("its content has digest {have:016x}, it should be {need:016x}")]
    Digest {
        /// Digest of what was read.
        have: u64,
        /// Digest in its head.
        need: u64,
    },
    /// The log could not be read to hold it against.
    #[error("the log could not be read")]
    Log(#[from] Error),
}

/// A snapshot that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its file.
    pub path: PathBuf,
    /// Records that it follows from.
    pub sequence: Sequence,
    /// Size of the file.
    pub bytes: u64,
    /// Digest of the state.
    pub digest: u64,
}

/// Why no snapshot was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The ledger cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The state cannot be taken apart again.
    #[error(transparent)]
    Content(#[from] ImageError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] SnapshotError),
}

/// Reads a snapshot and holds it against the log, which has `end` records for certain.
///
/// # Errors
/// [`Unusable`], by the first thing that does not fit.
pub fn load(path: &Path, ledger: &Path, end: Sequence) -> Result<(State, Reader), Unusable> {
    load_with(path, ledger, end, loaders())
}

fn loaders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(LOADERS_MAX)
}

fn load_with(path: &Path, ledger: &Path, end: Sequence, threads: usize) -> Result<(State, Reader), Unusable> {
    let file = SnapshotReader::open(path)?;
    let SnapshotHead { anchor, digest: need, content_version } = *file.head();
    if content_version != STATE_FORMAT {
        return Err(SnapshotError::Version { have: content_version, need: STATE_FORMAT }.into());
    }
    if anchor.next_seq > end {
        return Err(Unusable::Ahead { have: anchor.next_seq.0, end: end.0 });
    }
    let reader = Reader::open(ledger)?.after(&anchor)?.ok_or(Unusable::Foreign)?;
    let (state, have) = take_apart(file, threads)?;
    if have != need {
        return Err(Unusable::Digest { have, need });
    }
    if state.records() != anchor.next_seq.0 {
        return Err(Unusable::Ahead { have: state.records(), end: anchor.next_seq.0 });
    }
    Ok((state, reader))
}

/// Sections are found one after the other, and read and checked by several threads.
fn take_apart(file: SnapshotReader, threads: usize) -> Result<(State, u64), Unusable> {
    let file = Mutex::new(file);
    let failed = AtomicBool::new(false);
    let work = || -> Result<Vec<Part>, Unusable> {
        let mut parts = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let section = file.lock().unwrap_or_else(PoisonError::into_inner).next_section()?;
            let Some(section) = section else { break };
            let (kind, index, bytes) = section.read()?;
            parts.push(Part::parse(kind, index, bytes)?);
        }
        Ok(parts)
    };
    let work = || work().inspect_err(|_| failed.store(true, Ordering::Relaxed));
    let results: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let join = |other: std::thread::ScopedJoinHandle<'_, _>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(mine).chain(others.into_iter().map(join)).collect()
    });
    let mut restore = Restore::default();
    // One that stopped early because another failed has no error of its own.
    for result in results {
        result?.into_iter().try_for_each(|part| restore.add(part))?;
    }
    Ok(restore.finish()?)
}

/// The newest state that can be had without replay, and the log behind it: from the newest snapshot that can be
/// used, or empty and from the first record.
pub(crate) fn newest(ledger: &Path, dir: &Path, end: Sequence) -> Result<(State, Reader), Error> {
    newest_with(ledger, dir, end, loaders())
}

fn newest_with(ledger: &Path, dir: &Path, end: Sequence, threads: usize) -> Result<(State, Reader), Error> {
    let found = snapshots(dir).unwrap_or_else(|error| {
        tracing::warn!(%error, dir = %dir.display(), "snapshots cannot be listed");
        Vec::new()
    });
    for (sequence, path) in found {
        let began = Instant::now();
        match load_with(&path, ledger, end, threads) {
            Ok(loaded) => {
                let millis = began.elapsed().as_millis() as u64;
                tracing::info!(records = sequence.0, millis, "the state is taken from a snapshot");
                return Ok(loaded);
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(path = %path.display(), error, "a snapshot is not used");
            }
        }
    }
    Ok((State::default(), Reader::open(ledger)?))
}

/// An error with what caused it, for one log line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Applies the records up to `end`, or to the end of the log, and returns the block that the state follows from then.
/// Stops early, without a block, when `stop` says so.
pub(crate) fn follow(
    state: &mut State,
    reader: &mut Reader,
    end: Sequence,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Anchor>, ReplayError> {
    while reader.next_seq() < end && !stop() {
        let Some(block) = reader.next_block()? else { break };
        for (sequence, bytes) in block.records() {
            let sequence = sequence.0;
            let stamped =
                Stamped::decode(bytes).map_err(|source| ReplayError::Record { sequence, source })?;
            state.apply(&stamped).map_err(|source| ReplayError::Apply { sequence, source })?;
        }
    }
    Ok(if stop() { None } else { reader.anchor().copied() })
}

/// The state that follows from everything that is in the ledger of a data directory, beside whoever writes there.
///
/// # Errors
/// [`ReplayError`] when the ledger cannot be replayed.
pub fn state_of(ledger: &Path, dir: &Path) -> Result<State, ReplayError> {
    let end = Sequence(u64::MAX);
    let (mut state, mut reader) = newest(ledger, dir, end)?;
    follow(&mut state, &mut reader, end, &|| false)?;
    Ok(state)
}

/// Makes a snapshot of the ledger's state at `end` or, when that is further than the log, at its end.
///
/// Needs no lock: a switch may be writing to the log. `None` when there is nothing in the log.
///
/// # Errors
/// [`MakeError`] when the ledger cannot be replayed or the file cannot be written.
pub fn make(ledger: &Path, dir: &Path, end: Sequence) -> Result<Option<Made>, MakeError> {
    make_with(ledger, dir, end, loaders(), &|| false)
}

fn make_with(
    ledger: &Path,
    dir: &Path,
    end: Sequence,
    threads: usize,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Made>, MakeError> {
    let (mut state, mut reader) = newest_with(ledger, dir, end, threads).map_err(ReplayError::Ledger)?;
    match follow(&mut state, &mut reader, end, stop)? {
        Some(anchor) if state.is_initialised() => write(dir, &state, &anchor, stop),
        _ => Ok(None),
    }
}

/// Writes the snapshot of a state that follows from the records up to `anchor`.
fn write(
    dir: &Path,
    state: &State,
    anchor: &Anchor,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Made>, MakeError> {
    let mut writer = SnapshotWriter::create(dir, anchor.next_seq)?;
    let mut digest = Digest::default();
    for section in state.sections() {
        if stop() {
            return Ok(None);
        }
        // A start believes the pages of rows without taking them apart.
        section.check()?;
        digest.add(&section);
        writer.section(section.kind as u16, section.index, &section.bytes)?;
    }
    let digest = digest.value();
    let head = SnapshotHead { anchor: *anchor, digest, content_version: STATE_FORMAT };
    let (path, bytes) = writer.finish(&head)?;
    prune_snapshots(dir, KEPT)?;
    Ok(Some(Made { path, sequence: anchor.next_seq, bytes, digest }))
}

/// Writes the snapshot of a core that has ended, when its log was closed in good order and nothing of it is missing.
pub(crate) fn write_last(ledger: &Path, dir: &Path, state: &State) {
    let began = Instant::now();
    let made = || match Anchor::at_mark(ledger).map_err(ReplayError::Ledger)? {
        Some(anchor) if anchor.next_seq.0 == state.records() && state.is_initialised() => {
            write(dir, state, &anchor, &|| false)
        }
        _ => Ok(None),
    };
    report(began, made());
}

/// Starts the thread that makes snapshots; `from` is what the newest one holds.
pub(crate) fn start(
    shared: &Arc<Shared>,
    ledger: PathBuf,
    dir: PathBuf,
    from: Sequence,
) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
        // Without the right to be nice it is as any other thread.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        watch(&shared, &ledger, &dir, from);
    })
}

/// A snapshot that fails is no reason to stop: the log is the truth, and the next one may succeed.
fn watch(shared: &Shared, ledger: &Path, dir: &Path, mut last: Sequence) {
    let every = u64::from(shared.config.ledger.snapshot_records);
    let stop = || *shared.phase.borrow() >= Phase::Stopping;
    while !stop() {
        std::thread::park_timeout(POLL);
        let durable = Sequence(shared.durable.load(Ordering::Acquire));
        if stop() || every == 0 || durable.0.saturating_sub(last.0) < every {
            continue;
        }
        // Whatever comes of it, the next attempt is as far away as the next snapshot would be.
        last = durable;
        report(Instant::now(), make_with(ledger, dir, durable, 1, &stop));
    }
}

/// Says what came of it.
fn report(began: Instant, made: Result<Option<Made>, MakeError>) {
    let millis = began.elapsed().as_millis() as u64;
    match made {
        Ok(Some(made)) => {
            tracing::info!(records = made.sequence.0, bytes = made.bytes, millis, "snapshot written");
        }
        Ok(None) => {}
        Err(error) => {
            let error = with_causes(&error);
            tracing::warn!(error, "no snapshot could be written; the next start replays more");
        }
    }
}
