//! The thread that makes batches durable and lets their effects go.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::limits::{QUEUE_BYTES_MAX, QUEUE_SUBMISSIONS_MAX, ROOM_CHECK_MILLIS};
use crate::log::{Log, Position};
use crate::{Error, RecordBatch, Result};

/// Why a submission was not taken; the batch and the effects come back.
#[derive(Debug)]
pub enum Refused<T> {
    /// The queue is at its limit: try later, or shed.
    Full(RecordBatch, T),
    /// The committer is shutting down or the log is poisoned.
    Closed(RecordBatch, T),
    /// The batch alone is longer than a block of this log.
    TooLarge(RecordBatch, T),
}

/// Counters of a committer, each readable at any time.
#[derive(Debug, Default)]
pub struct Stats {
    blocks: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    last_sync_micros: AtomicU64,
    queued: AtomicU64,
}

impl Stats {
    /// Blocks of records written.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Records made durable.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Record bytes made durable, length prefixes included.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How long the last append took by the committer's clock, write and sync.
    pub fn last_sync_micros(&self) -> u64 {
        self.last_sync_micros.load(Ordering::Relaxed)
    }

    /// Submissions that wait.
    pub fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }
}

/// What the committer calls on its own thread. None of these may block for long: the log waits meanwhile.
pub trait Outcome<T>: Send {
    /// Everything up to `position` is durable: the effects, in the order of submission, may go out.
    fn on_durable(&mut self, position: Position, effects: Vec<T>);

    /// The log failed. Called once; no effect is released after it, and none of those still queued ever will be.
    fn on_poison(&mut self, error: &Error);
}

/// What becomes of the submissions that the committer takes at once: where the log stands when all of them are
/// durable, or nothing when they never will be.
#[derive(Debug, Default)]
struct Fate(OnceLock<Option<Position>>);

/// Ends the wait of a group in any case, for a panic in the caller's code must not leave writers waiting for ever.
struct Group(Arc<Fate>);

impl Drop for Group {
    fn drop(&mut self) {
        // Refused where the fate is known: it stands.
        let _known = self.0.0.set(None);
    }
}

/// Waits for a submission to be durable; for threads that have nothing else to do meanwhile.
///
/// All who wait for one block wait on one place, and are woken by one call: a wake-up each costs the committer more
/// than the sync, when many threads write.
#[derive(Debug, Clone)]
pub struct Ticket(Arc<Fate>);

impl Ticket {
    /// Blocks until the submission is durable, and all before it. The position may be behind others' records too.
    ///
    /// # Errors
    /// `Poisoned` when the log failed: nobody knows whether the submission is in it.
    pub fn wait(&self) -> Result<Position> {
        self.0.0.wait().ok_or(Error::Poisoned)
    }
}

/// Hands batches to the committer thread; any number of clones may.
pub struct Submitter<T> {
    shared: Arc<Shared<T>>,
}

/// The committer: a thread that owns a [`Log`].
///
/// It writes everything that is queued as one block, and what queues during that sync becomes the next one: there
/// is no timer and no delay. Submissions are made durable and released in their order.
#[derive(Debug)]
pub struct Committer<T> {
    submitter: Submitter<T>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    /// The committer waits for work on it.
    work: Condvar,
    /// Producers wait for room on it.
    room: Condvar,
    stats: Stats,
    writable: AtomicBool,
    payload_bytes_max: usize,
}

struct Queue<T> {
    waiting: Vec<(RecordBatch, T)>,
    /// What becomes of those that wait.
    group: Arc<Fate>,
    bytes: usize,
    seal: bool,
    closed: bool,
    idle: bool,
}

impl<T> Clone for Submitter<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Submitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter").field("stats", &self.shared.stats).finish_non_exhaustive()
    }
}

impl<T> Submitter<T> {
    /// Queues a batch, and `effects` to be released when it and all before it are durable. An empty batch waits for
    /// those before it. Blocks while the queue is at [`QUEUE_SUBMISSIONS_MAX`] or [`QUEUE_BYTES_MAX`].
    ///
    /// # Errors
    /// `Closed` and `TooLarge`.
    pub fn submit(&self, batch: RecordBatch, effects: T) -> Result<(), Refused<T>> {
        self.submit_with_ticket(batch, effects).map(drop)
    }

    /// Queues a batch like [`submit`](Self::submit), and gives a ticket to wait for it with. A writer of several
    /// batches needs the ticket of the last one only.
    ///
    /// # Errors
    /// `Closed` and `TooLarge`.
    pub fn submit_with_ticket(&self, batch: RecordBatch, effects: T) -> Result<Ticket, Refused<T>> {
        let mut queue = self.shared.lock();
        while !queue.closed && queue.is_full(&batch) {
            queue = self.shared.room.wait(queue).unwrap_or_else(|poison| poison.into_inner());
        }
        self.put(queue, batch, effects)
    }

    /// Queues a batch like [`submit`](Self::submit) but refuses where that would block.
    ///
    /// # Errors
    /// `Full`, `Closed` and `TooLarge`.
    pub fn try_submit(&self, batch: RecordBatch, effects: T) -> Result<(), Refused<T>> {
        let queue = self.shared.lock();
        if !queue.closed && queue.is_full(&batch) {
            return Err(Refused::Full(batch, effects));
        }
        self.put(queue, batch, effects).map(drop)
    }

    /// Asks for a seal once nothing is queued. For a timer that notices an idle gap, and before snapshots.
    pub fn seal(&self) {
        self.shared.lock().seal = true;
        self.shared.work.notify_one();
    }

    /// Whether the log had room and was whole after the last block, looked at again every [`ROOM_CHECK_MILLIS`](crate::limits::ROOM_CHECK_MILLIS) while
    /// it had not. The server refuses new work (response code 96) when it is not: what is submitted to a full log
    /// poisons it.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Relaxed)
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    fn put(
        &self,
        mut queue: MutexGuard<'_, Queue<T>>,
        batch: RecordBatch,
        effects: T,
    ) -> Result<Ticket, Refused<T>> {
        if queue.closed {
            return Err(Refused::Closed(batch, effects));
        }
        if batch.bytes().len() > self.shared.payload_bytes_max {
            return Err(Refused::TooLarge(batch, effects));
        }
        queue.bytes += batch.bytes().len();
        queue.waiting.push((batch, effects));
        self.shared.stats.queued.store(queue.waiting.len() as u64, Ordering::Relaxed);
        // Of those who come while the committer wakes up, only the first has to call it.
        let wake = std::mem::take(&mut queue.idle);
        let ticket = Ticket(Arc::clone(&queue.group));
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(ticket)
    }
}

impl<T: Send + 'static> Committer<T> {
    /// Starts the thread. `now_micros` is the clock for block times and statistics.
    ///
    /// # Errors
    /// `Io` when the operating system gives no thread.
    pub fn spawn(
        log: Log,
        now_micros: impl Fn() -> u64 + Send + 'static,
        outcome: impl Outcome<T> + 'static,
    ) -> Result<Self> {
        let queue = Queue {
            waiting: Vec::new(),
            group: Arc::default(),
            bytes: 0,
            seal: false,
            closed: false,
            idle: false,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            room: Condvar::new(),
            stats: Stats::default(),
            writable: AtomicBool::new(log.writable().is_ok()),
            payload_bytes_max: log.payload_bytes_max(),
        });
        let worker = Worker { shared: Arc::clone(&shared), log, now_micros, outcome };
        let thread = std::thread::Builder::new()
            .name("ledger-commit".into())
            .spawn(move || worker.run())
            .map_err(Error::io("start the committer thread", ""))?;
        Ok(Self { submitter: Submitter { shared }, thread: Some(thread) })
    }
}

impl<T> Committer<T> {
    /// A handle to submit with.
    pub fn submitter(&self) -> Submitter<T> {
        self.submitter.clone()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        self.submitter.stats()
    }

    /// Takes nothing more, makes durable and releases what is queued, and closes the log in good order.
    ///
    /// # Errors
    /// What poisoned the log, or kept it from being closed.
    ///
    /// # Panics
    /// When the committer's thread did, which only a panic in [`Outcome`] or in the clock can bring about.
    pub fn shutdown(mut self) -> Result<()> {
        self.submitter.shared.close();
        let thread = self.thread.take().expect("only shutdown and drop take the thread");
        thread.join().expect("the committer thread panicked")
    }
}

impl<T> Drop for Committer<T> {
    /// As [`shutdown`](Committer::shutdown), with nobody to tell of an error.
    fn drop(&mut self) {
        self.submitter.shared.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }
}

impl<T> Queue<T> {
    /// A batch of any size is taken by an empty queue.
    fn is_full(&self, batch: &RecordBatch) -> bool {
        let full =
            self.waiting.len() >= QUEUE_SUBMISSIONS_MAX || self.bytes + batch.bytes().len() > QUEUE_BYTES_MAX;
        full && !self.waiting.is_empty()
    }
}

struct CloseOnDrop<T>(Arc<Shared<T>>);

impl<T> Drop for CloseOnDrop<T> {
    fn drop(&mut self) {
        self.0.close();
        drop(Group(std::mem::take(&mut self.0.lock().group)));
    }
}

/// What the committer found to do.
enum Work<T> {
    Commit(Vec<(RecordBatch, T)>, Group),
    Seal,
    CheckRoom,
    Close,
}

struct Worker<T, C, O> {
    shared: Arc<Shared<T>>,
    log: Log,
    now_micros: C,
    outcome: O,
}

impl<T, C: Fn() -> u64, O: Outcome<T>> Worker<T, C, O> {
    fn run(mut self) -> Result<()> {
        // Producers must not wait for ever on a committer that a panic in its caller's code ended.
        let _closed = CloseOnDrop(Arc::clone(&self.shared));
        loop {
            let work = self.next_work();
            let done = match work {
                Work::CheckRoom => Ok(()),
                Work::Commit(taken, group) => self.commit(taken).map(|position| {
                    let _first = group.0.0.set(Some(position));
                }),
                Work::Seal => self.log.seal((self.now_micros)()),
                Work::Close => return self.finish(),
            };
            if let Err(error) = done {
                self.shared.writable.store(false, Ordering::Relaxed);
                return Err(self.poison(error));
            }
            self.shared.writable.store(self.log.writable().is_ok(), Ordering::Relaxed);
        }
    }

    fn next_work(&self) -> Work<T> {
        let mut queue = self.shared.lock();
        loop {
            if !queue.waiting.is_empty() {
                let room = Vec::with_capacity(queue.waiting.len());
                let taken = std::mem::replace(&mut queue.waiting, room);
                let group = Group(std::mem::take(&mut queue.group));
                queue.bytes = 0;
                self.shared.stats.queued.store(0, Ordering::Relaxed);
                drop(queue);
                self.shared.room.notify_all();
                return Work::Commit(taken, group);
            }
            if std::mem::take(&mut queue.seal) {
                return Work::Seal;
            }
            if queue.closed {
                return Work::Close;
            }
            queue.idle = true;
            if self.shared.writable.load(Ordering::Relaxed) {
                queue = self.shared.work.wait(queue).unwrap_or_else(|poison| poison.into_inner());
                queue.idle = false;
            } else {
                let pause = Duration::from_millis(ROOM_CHECK_MILLIS);
                let waited = self.shared.work.wait_timeout(queue, pause);
                waited.unwrap_or_else(|poison| poison.into_inner()).0.idle = false;
                return Work::CheckRoom;
            }
        }
    }

    /// Writes what was taken as one block, or as few as its limit allows, releasing after each.
    fn commit(&mut self, taken: Vec<(RecordBatch, T)>) -> Result<Position> {
        let max = self.shared.payload_bytes_max;
        let mut rest = taken.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut batches, mut effects) = (Vec::with_capacity(rest.len()), Vec::with_capacity(rest.len()));
            let mut bytes = 0;
            while let Some((batch, effect)) = rest.next_if(|(batch, _)| bytes + batch.bytes().len() <= max) {
                bytes += batch.bytes().len();
                batches.push(batch);
                effects.push(effect);
            }
            let position = self.write(&batches, bytes)?;
            self.outcome.on_durable(position, effects);
        }
        Ok(self.log.position())
    }

    fn write(&mut self, batches: &[RecordBatch], bytes: usize) -> Result<Position> {
        if bytes == 0 {
            return Ok(self.log.position());
        }
        let start = (self.now_micros)();
        let position = self.log.append_group(batches.iter(), start)?;
        let stats = &self.shared.stats;
        stats.last_sync_micros.store((self.now_micros)().saturating_sub(start), Ordering::Relaxed);
        stats.blocks.fetch_add(1, Ordering::Relaxed);
        stats.records.fetch_add(position.next_seq.0 - position.first_seq.0, Ordering::Relaxed);
        stats.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(position)
    }

    fn finish(mut self) -> Result<()> {
        let now_micros = (self.now_micros)();
        self.log.close(now_micros).inspect_err(|error| self.outcome.on_poison(error))
    }

    /// Drops what is queued without releasing it, and takes nothing more.
    fn poison(&mut self, error: Error) -> Error {
        let mut queue = self.shared.lock();
        queue.closed = true;
        let lost = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.shared.room.notify_all();
        self.outcome.on_poison(&error);
        drop(lost);
        error
    }
}
