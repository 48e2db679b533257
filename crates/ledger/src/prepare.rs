//! The helper thread that makes segments ready ahead of the writer.
//!
//! Space for a whole segment is reserved (`fallocate`, keeping the length) when its file is made, so that a full
//! disk shows then and not in the middle of a commit. Then zeros are written over it in steps, each synced, length
//! and extents included, before the writer may use it. A block is therefore written over extents that are allocated,
//! initialised and within a durable length, and its `fdatasync` moves data and no metadata: that is what makes
//! it fast. It is durable in any case, for `fdatasync` takes along the metadata that reading back needs; and what
//! stands behind the last block is always zeros, for files are never used again.
//!
//! An opening waits for one step of zeros at most. The segment in use is kept zeroed a stretch ahead of the write
//! position. Its successor is zeroed whole, once half of the one in use is full: as another file, it does not put
//! its dirty pages in the way of the writer's syncs.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crate::file::{FileLayer, for_writing, is_full};
use crate::limits::PAGE_BYTES;
use crate::log::SyncMethod;
use crate::mark::sync_dir;
use crate::{Error, Result, SegmentNumber, segment};

const WRITE_BYTES: usize = 1024 * 1024;

/// Sizes the helper works with.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) dir: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) step_bytes: u64,
    pub(crate) ahead_bytes: u64,
    pub(crate) free_bytes_min: u64,
    pub(crate) sync: SyncMethod,
    pub(crate) files: Arc<dyn FileLayer>,
}

/// A segment file that is being made ready.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) number: SegmentNumber,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) capacity_bytes: u64,
    /// Up to here zeros or blocks are durable.
    pub(crate) ready_bytes: u64,
}

/// Why the helper stands still.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The writer's next wish makes it look again.
    NoSpace { need_bytes: u64, free_bytes: u64 },
    /// A write or a sync failed: for good.
    Failed,
}

#[derive(Debug)]
struct State {
    current: Option<Prepared>,
    spare: Option<Prepared>,
    next: SegmentNumber,
    write_at: u64,
    /// The writer waits for the next segment, however much of this one is free.
    next_wanted: bool,
    trouble: Option<Trouble>,
    stop: bool,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

/// The writer's handle on the helper; dropping it stops the thread.
#[derive(Debug)]
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// Starts the helper. `current` is the segment in use, written up to `write_at`; `next` follows it.
    pub(crate) fn start(
        plan: Plan,
        current: Option<Prepared>,
        write_at: u64,
        next: SegmentNumber,
    ) -> Result<Self> {
        let path = plan.dir.clone();
        let state =
            State { current, spare: None, next, write_at, next_wanted: false, trouble: None, stop: false };
        let shared = Arc::new(Shared { plan, state: Mutex::new(state), changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger-prepare".into())
            .spawn(move || worker.run())
            .map_err(Error::io("start the helper thread for", path))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until the segment in use is ready up to `end`.
    ///
    /// # Errors
    /// `NoSpace`, or `Poisoned` when the helper's own write failed.
    pub(crate) fn wait_ready(&self, end: u64) -> Result<()> {
        self.wait(|state| state.current.as_ref().is_some_and(|segment| segment.ready_bytes >= end)).map(drop)
    }

    /// Waits for the first step of the next segment and makes it the one in use.
    ///
    /// # Errors
    /// As [`wait_ready`](Self::wait_ready).
    pub(crate) fn take_next(&self) -> Result<Prepared> {
        let step_bytes = self.shared.plan.step_bytes;
        self.shared.lock().next_wanted = true;
        self.shared.changed.notify_all();
        let mut state = self.wait(|state| {
            state
                .spare
                .as_ref()
                .is_some_and(|spare| spare.ready_bytes >= step_bytes.min(spare.capacity_bytes))
        })?;
        let taken = state.spare.take().expect("waited for");
        state.next_wanted = false;
        state.next = taken.number.next();
        state.write_at = PAGE_BYTES as u64;
        state.current = Some(taken.clone());
        drop(state);
        self.shared.changed.notify_all();
        Ok(taken)
    }

    /// Tells how far the segment in use is written.
    pub(crate) fn advance(&self, write_at: u64) {
        let mut state = self.shared.lock();
        state.write_at = write_at;
        let busy = !matches!(self.shared.plan.next_job(&state), Job::Wait);
        drop(state);
        if busy {
            self.shared.changed.notify_all();
        }
    }

    /// Whether at least `reserve` bytes can still be written; makes the helper look again when they cannot.
    ///
    /// # Errors
    /// As [`wait_ready`](Self::wait_ready).
    pub(crate) fn check_room(&self, reserve: u64) -> Result<()> {
        let mut state = self.shared.lock();
        let left =
            state.current.as_ref().map_or(0, |segment| segment.capacity_bytes.saturating_sub(state.write_at));
        let spare = state.spare.as_ref().map_or(0, |spare| spare.capacity_bytes);
        match state.trouble {
            None => Ok(()),
            Some(Trouble::Failed) => Err(Error::Poisoned),
            Some(Trouble::NoSpace { .. }) if left + spare >= reserve => Ok(()),
            Some(Trouble::NoSpace { need_bytes, free_bytes }) => {
                // Answered from what was seen last; by the next question the helper has looked again.
                state.trouble = None;
                self.shared.changed.notify_all();
                Err(Error::NoSpace { need_bytes, free_bytes })
            }
        }
    }

    fn wait(&self, ready: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>> {
        let mut state = self.shared.lock();
        if let (false, Some(Trouble::NoSpace { .. })) = (ready(&state), state.trouble) {
            state.trouble = None;
            self.shared.changed.notify_all();
        }
        loop {
            if ready(&state) {
                return Ok(state);
            }
            match state.trouble {
                Some(Trouble::NoSpace { need_bytes, free_bytes }) => {
                    return Err(Error::NoSpace { need_bytes, free_bytes });
                }
                Some(Trouble::Failed) => return Err(Error::Poisoned),
                None => state = self.shared.changed.wait(state).unwrap_or_else(|poison| poison.into_inner()),
            }
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the helper was seen by the writer as a segment that never came; nothing is left to do.
            let _ = thread.join();
        }
    }
}

/// What the helper does next.
#[derive(Debug)]
enum Job {
    Stop,
    Wait,
    Create(SegmentNumber),
    ZeroCurrent(Prepared),
    ZeroSpare(Prepared),
}

impl Plan {
    fn next_job(&self, state: &State) -> Job {
        if state.stop {
            return Job::Stop;
        }
        if state.trouble.is_some() {
            return Job::Wait;
        }
        let behind = |segment: &&Prepared| {
            segment.ready_bytes < segment.capacity_bytes.min(state.write_at.saturating_add(self.ahead_bytes))
        };
        if let Some(current) = state.current.as_ref().filter(behind) {
            return Job::ZeroCurrent(current.clone());
        }
        let half_full =
            state.current.as_ref().is_none_or(|current| state.write_at >= current.capacity_bytes / 2);
        match &state.spare {
            None if half_full || state.next_wanted => Job::Create(state.next),
            Some(spare) if spare.ready_bytes < self.spare_goal(state, spare) => Job::ZeroSpare(spare.clone()),
            _ => Job::Wait,
        }
    }

    /// Before the first segment is in use one step is enough to begin with.
    fn spare_goal(&self, state: &State, spare: &Prepared) -> u64 {
        let goal = if state.current.is_some() { spare.capacity_bytes } else { self.step_bytes };
        goal.min(spare.capacity_bytes)
    }

    /// Makes or takes up the file of a segment and reserves its space.
    fn create(&self, number: SegmentNumber) -> Result<Prepared, Trouble> {
        let path = segment::path(&self.dir, number);
        let failed = |_| Trouble::Failed;
        let free_bytes = self.files.free_bytes(&self.dir).map_err(failed)?;
        let full = Trouble::NoSpace {
            need_bytes: self.segment_bytes.saturating_add(self.free_bytes_min),
            free_bytes,
        };
        let held = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        if free_bytes.saturating_add(held) < self.segment_bytes.saturating_add(self.free_bytes_min) {
            return Err(full);
        }
        let opened = for_writing().read(true).truncate(false).open(&path);
        let file = opened.map_err(|error| if is_full(&error) { full } else { Trouble::Failed })?;
        match self.files.reserve(&file, &path, self.segment_bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(error) if is_full(&error) => return Err(full),
            Err(_) => return Err(Trouble::Failed),
        }
        self.files.sync(&file, &path).map_err(failed)?;
        sync_dir(&self.dir).map_err(|_| Trouble::Failed)?;
        let ready_bytes = held.min(self.segment_bytes) / PAGE_BYTES as u64 * PAGE_BYTES as u64;
        Ok(Prepared { number, path, file: Arc::new(file), capacity_bytes: self.segment_bytes, ready_bytes })
    }

    /// Writes and syncs one step of zeros; returns how far the segment is ready then.
    fn zero(&self, segment: &Prepared) -> Result<u64, Trouble> {
        let end = segment.capacity_bytes.min(segment.ready_bytes + self.step_bytes);
        let zeros = vec![0; WRITE_BYTES.min((end - segment.ready_bytes) as usize)];
        let mut at = segment.ready_bytes;
        while at < end {
            let count = zeros.len().min((end - at) as usize);
            let written = self.files.write_at(&segment.file, &segment.path, &zeros[..count], at);
            written.map_err(|error| match is_full(&error) {
                true => Trouble::NoSpace { need_bytes: end - at, free_bytes: 0 },
                false => Trouble::Failed,
            })?;
            at += count as u64;
        }
        self.files.sync(&segment.file, &segment.path).map_err(|_| Trouble::Failed)?;
        Ok(end)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let job = self.plan.next_job(&state);
            if matches!(job, Job::Wait) {
                state = self.changed.wait(state).unwrap_or_else(|poison| poison.into_inner());
                continue;
            }
            drop(state);
            let done = match &job {
                Job::Stop | Job::Wait => return,
                Job::Create(number) => self.plan.create(*number),
                Job::ZeroCurrent(segment) | Job::ZeroSpare(segment) => {
                    self.plan.zero(segment).map(|ready_bytes| Prepared { ready_bytes, ..segment.clone() })
                }
            };
            state = self.lock();
            match done {
                Ok(segment) => state.put(segment),
                Err(trouble) => state.trouble = Some(trouble),
            }
            self.changed.notify_all();
        }
    }
}

impl State {
    /// The writer may have taken the spare into use while the helper worked on it.
    fn put(&mut self, segment: Prepared) {
        match &mut self.current {
            Some(current) if current.number == segment.number => current.ready_bytes = segment.ready_bytes,
            _ => self.spare = Some(segment),
        }
    }
}
