//! Writers in front of a store: hand a record over, wait until it is durable.
//!
//! The product has its own front, the committer. Every other store gets one of the same build, so that what is
//! compared is the store and not how its writers wait.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use switchyard_ledger::{
    Committer, LedgerId, Log, Options, Outcome, Partition, Position, RecordBatch, Sequence, Submitter,
};

use crate::ledger_peer::{Failed, Peer, RECORD_BYTES, Record, Store};

/// How long a producer waits before it looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(50);
/// What the helper of a new log is given at most to zero its first segment.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// A store with writers in front of it.
pub trait Line: Sync {
    /// Writes one record and returns when it is durable: for threads.
    ///
    /// # Errors
    /// When the store failed.
    fn write(&self, record: &Record) -> Result<(), Failed>;

    /// Hands over what several clients of one producer want written.
    ///
    /// # Errors
    /// When the store failed.
    fn submit(&self, records: &[Record]) -> Result<(), Failed>;

    /// Count of records, handed over by `submit`, that became durable; 0 when none did for a while.
    fn released(&self) -> usize;

    /// Ends, and says how many records the store holds if it knows.
    ///
    /// # Errors
    /// When the store failed.
    fn close(self: Box<Self>) -> Result<Option<u64>, Failed>;
}

struct Ours {
    committer: Committer<usize>,
    submitter: Submitter<usize>,
    next: Mutex<Sequence>,
    released: Mutex<Receiver<usize>>,
}

struct Count(Sender<usize>);

impl Outcome<usize> for Count {
    fn on_durable(&mut self, _: Position, effects: Vec<usize>) {
        // Each submission is released by itself, and comes back as one: told only the sum, a producer that was late
        // once would hand over everything at once for ever after, and wait while it is written, as the writer would
        // wait while it is prepared.
        for count in effects.into_iter().filter(|count| *count > 0) {
            // Nobody listens any more at the end.
            let _ended = self.0.send(count);
        }
    }
    fn on_poison(&mut self, error: &switchyard_ledger::Error) {
        eprintln!("the log failed: {error}");
    }
}

/// The product: a log with its committer.
///
/// # Errors
/// When the log cannot be made.
pub fn ours(dir: &Path) -> Result<Box<dyn Line>, Failed> {
    // A burst is measured, as for the plain file, which is zeroed beforehand: the helper zeroes a whole segment ahead
    // and the one after it, and is given time to. While it does, every sync of the writer waits behind eight megabytes
    // of zeros now and then, which small groups feel most.
    let mut options = Options::new(Partition(0), LedgerId([1; 16]), 0);
    options.zero_ahead_bytes = options.segment_bytes;
    let (log, recovery) = Log::open(&dir.join("log"), &options)?;
    let (sender, receiver) = channel();
    let committer = Committer::spawn(log, || 1, Count(sender))?;
    let submitter = committer.submitter();
    let start = std::time::Instant::now();
    for name in ["log/segment-00000001.log", "log/segment-00000002.log"] {
        let is_zeroed =
            || dir.join(name).metadata().is_ok_and(|segment| segment.len() >= options.segment_bytes);
        while !is_zeroed() && start.elapsed() < SETTLE_MAX {
            std::thread::sleep(PATIENCE);
        }
    }
    let (next, released) = (Mutex::new(recovery.next_seq), Mutex::new(receiver));
    Ok(Box::new(Ours { committer, submitter, next, released }))
}

impl Line for Ours {
    fn write(&self, record: &Record) -> Result<(), Failed> {
        let mut batch = RecordBatch::with_capacity(1, RECORD_BYTES);
        batch.push_bytes(record)?;
        let ticket = self.submitter.submit_with_ticket(batch, 0).map_err(|_| "refused")?;
        ticket.wait()?;
        Ok(())
    }
    fn submit(&self, records: &[Record]) -> Result<(), Failed> {
        let mut next = self.next.lock().map_err(|_| "a writer panicked")?;
        let mut batch = RecordBatch::starting_at(*next);
        batch.reserve(records.len(), records.len() * RECORD_BYTES);
        records.iter().try_for_each(|record| batch.push_bytes(record))?;
        *next = Sequence(next.0 + records.len() as u64);
        self.submitter.submit(batch, records.len()).map_err(|_| "refused".into())
    }
    fn released(&self) -> usize {
        self.released.lock().map_or(0, |receiver| receiver.recv_timeout(PATIENCE).unwrap_or(0))
    }
    fn close(self: Box<Self>) -> Result<Option<u64>, Failed> {
        let Self { committer, submitter, .. } = *self;
        let records = submitter.stats().records();
        committer.shutdown()?;
        Ok(Some(records))
    }
}

/// Writers' front of another store.
struct Front {
    shared: Arc<Shared>,
    released: Mutex<Receiver<usize>>,
    thread: JoinHandle<Result<Option<u64>, Failed>>,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Record>,
    /// How many of those each `submit` handed over.
    submitted: Vec<usize>,
    fate: Arc<OnceLock<()>>,
    closed: bool,
}

/// Another store behind a thread that commits whatever has queued.
///
/// # Errors
/// When the store cannot be made.
pub fn behind_front(peer: &Peer, dir: &Path) -> Result<Box<dyn Line>, Failed> {
    let store = (peer.open)(dir)?;
    let shared = Arc::new(Shared { queue: Mutex::default(), work: Condvar::new() });
    let (sender, receiver) = channel();
    let thread = std::thread::spawn({
        let shared = Arc::clone(&shared);
        move || commit_all(&shared, store, &sender)
    });
    Ok(Box::new(Front { shared, released: Mutex::new(receiver), thread }))
}

fn commit_all(
    shared: &Shared,
    mut store: Box<dyn Store>,
    sender: &Sender<usize>,
) -> Result<Option<u64>, Failed> {
    loop {
        let mut queue = shared.queue.lock().map_err(|_| "a writer panicked")?;
        while queue.waiting.is_empty() && !queue.closed {
            queue = shared.work.wait(queue).map_err(|_| "a writer panicked")?;
        }
        if queue.waiting.is_empty() {
            return store.count();
        }
        let room = Vec::with_capacity(queue.waiting.len());
        let records = std::mem::replace(&mut queue.waiting, room);
        let submitted = std::mem::take(&mut queue.submitted);
        let fate = std::mem::take(&mut queue.fate);
        drop(queue);
        let committed = store.commit(&records);
        // Writers are not left waiting for a store that failed; closing tells of it.
        let _first = fate.set(());
        if committed.is_err() {
            shared.queue.lock().map_err(|_| "a writer panicked")?.closed = true;
            return committed.map(|()| None);
        }
        for count in submitted {
            let _ended = sender.send(count);
        }
    }
}

impl Line for Front {
    fn write(&self, record: &Record) -> Result<(), Failed> {
        let mut queue = self.shared.queue.lock().map_err(|_| "a writer panicked")?;
        if queue.closed {
            return Err("the store failed".into());
        }
        queue.waiting.push(*record);
        let fate = Arc::clone(&queue.fate);
        let first = queue.waiting.len() == 1;
        drop(queue);
        if first {
            self.shared.work.notify_one();
        }
        fate.wait();
        Ok(())
    }
    fn submit(&self, records: &[Record]) -> Result<(), Failed> {
        let mut queue = self.shared.queue.lock().map_err(|_| "a writer panicked")?;
        queue.waiting.extend_from_slice(records);
        queue.submitted.push(records.len());
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }
    fn released(&self) -> usize {
        self.released.lock().map_or(0, |receiver| receiver.recv_timeout(PATIENCE).unwrap_or(0))
    }
    fn close(self: Box<Self>) -> Result<Option<u64>, Failed> {
        let Self { shared, thread, .. } = *self;
        shared.queue.lock().map_err(|_| "a writer panicked")?.closed = true;
        shared.work.notify_all();
        thread.join().map_err(|_| "the store panicked")?
    }
}
