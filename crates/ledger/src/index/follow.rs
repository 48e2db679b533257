//! Follows the log: durable records go into memory, sealed segments into files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::build;
use super::hot::{HotSegment, Inserter};
use super::key::{Extract, Keys};
use super::sealed::{self, Identity, Sealed};
use super::view::{Index, Inner, Part, Source, State};
use super::watch::{Event, Watch};
use super::work::{Job, Work};
use super::{Built, Doubt, IndexError};
use crate::block::BlockHeader;
use crate::segment::{self, DirSource, Source as _};
use crate::signal::Signal;
use crate::walk::Cursor as LogCursor;
use crate::{Reader, SegmentNumber, Sequence};

/// Blocks after which what was indexed can be seen.
const PUBLISH_BLOCKS: usize = 64;

/// Between two looks at a busy log: one read then covers many blocks.
const PAUSE: Duration = Duration::from_millis(2);

impl Index {
    /// Opens the index of a log for reading, without the log's lock: what is missing is made first, and the records
    /// of the unsealed tail up to the last whole block are read into memory.
    ///
    /// # Errors
    /// `Log` when there is no log or it cannot be read, `Unreadable`. An index file that cannot be written is no
    /// error: its segment is read instead.
    pub fn open(dir: &Path, extract: Arc<dyn Extract>, watch: Watch) -> Result<Self, IndexError> {
        let (index, mut feeder) = open_parts(dir, extract, watch, false)?;
        while let Some(job) = index.inner.work.try_next() {
            index.inner.perform(job);
        }
        feeder.feed(&index.inner, u64::MAX)?;
        index.inner.end.store(feeder.reader.next_seq().0, Ordering::Release);
        Ok(index)
    }

    /// Makes every sealed index anew. `progress` hears of the segments done and their count.
    ///
    /// # Errors
    /// `Log`, `Unreadable` and `Write`.
    pub fn rebuild(
        dir: &Path,
        extract: Arc<dyn Extract>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Vec<(SegmentNumber, Built)>, IndexError> {
        let (index, _) = open_parts(dir, extract, Watch::default(), false)?;
        let numbers: Vec<_> = index.inner.snapshot().0.iter().map(|part| part.number).collect();
        let mut made = Vec::new();
        for (done, number) in numbers.iter().enumerate() {
            progress(done as u64, numbers.len() as u64);
            if let Some(identity) = index.inner.identity(*number)? {
                made.push((*number, index.inner.rebuild(&identity)?));
            }
        }
        Ok(made)
    }
}

/// An index that follows a log which this process writes.
///
/// It reads the log itself, behind the writer: nothing is queued for it but the number of the last durable record,
/// so it takes no memory when it falls behind, and loses nothing. Lookups read from the log what it has not come to.
#[derive(Debug)]
pub struct Indexer {
    index: Index,
    signal: Arc<Signal>,
    threads: Vec<JoinHandle<()>>,
}

/// Tells the index how far the log is durable; from the committer's thread, it costs a few nanoseconds.
#[derive(Debug, Clone)]
pub struct Durable {
    signal: Arc<Signal>,
    inner: Index,
}

impl Durable {
    /// Every record below `next_seq` is durable.
    pub fn advance(&self, next_seq: Sequence) {
        self.inner.inner.end.fetch_max(next_seq.0, Ordering::Release);
        self.signal.advance(next_seq.0);
    }

    /// Durable records that are not indexed yet.
    pub fn behind(&self) -> u64 {
        self.inner.end().0.saturating_sub(self.inner.indexed().0)
    }
}

impl Indexer {
    /// Starts following a log whose records below `durable` are durable.
    ///
    /// # Errors
    /// `Log` when there is no log or it cannot be read.
    pub fn start(
        dir: &Path,
        extract: Arc<dyn Extract>,
        watch: Watch,
        durable: Sequence,
    ) -> Result<Self, IndexError> {
        build::clean(dir);
        let (index, mut feeder) = open_parts(dir, extract, watch, true)?;
        index.inner.end.store(durable.0, Ordering::Release);
        let signal = Arc::new(Signal::new(durable.0));
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
            started.map_err(crate::Error::io("start an index thread", "")).map_err(IndexError::from)
        };
        let builder = {
            let inner = Arc::clone(&index.inner);
            spawn(
                "ledger-index-build",
                Box::new(move || {
                    while let Some(job) = inner.work.next() {
                        inner.perform(job);
                    }
                }),
            )?
        };
        let follower = {
            let (inner, signal) = (Arc::clone(&index.inner), Arc::clone(&signal));
            spawn(
                "ledger-index",
                Box::new(move || {
                    while signal.wait(feeder.reader.next_seq().0) {
                        if let Err(error) = feeder.feed(&inner, signal.durable()) {
                            return inner.watch.tell(&Event::Stopped { error: error.to_string() });
                        }
                        std::thread::sleep(PAUSE);
                    }
                }),
            )?
        };
        Ok(Self { index, signal, threads: vec![follower, builder] })
    }

    /// The index.
    pub fn index(&self) -> Index {
        self.index.clone()
    }

    /// The way to say that more is durable.
    pub fn durable(&self) -> Durable {
        Durable { signal: Arc::clone(&self.signal), inner: self.index.clone() }
    }
}

impl Drop for Indexer {
    /// Ends the threads. What is in memory is made again at the next start.
    fn drop(&mut self) {
        self.index.inner.work.close();
        self.signal.stop();
        // A panic in the extractor has ended the thread and been printed; lookups go on with the log.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Opens what there is; what is not is asked for, and the feeder stands before the tail.
fn open_parts(
    dir: &Path,
    extract: Arc<dyn Extract>,
    watch: Watch,
    has_builder: bool,
) -> Result<(Index, Feeder), IndexError> {
    let reader = Reader::open(dir)?;
    let owner = (reader.ledger_id(), reader.partition());
    let reached = LogCursor::START;
    let inner = Inner {
        dir: dir.to_path_buf(),
        owner,
        extract,
        watch,
        state: RwLock::new(State { parts: Arc::default(), reached }),
        end: AtomicU64::new(0),
        work: Work::default(),
        has_builder,
    };
    let mut source = DirSource::new(dir);
    let homes = sealed::homes(dir);
    let (mut parts, mut start) = (Vec::new(), reached);
    let numbers = segment::list(dir)?;
    let mut own = numbers.first().map(|first| source.header(*first)).transpose()?.flatten();
    for number in numbers {
        let Some(this) = own else { break };
        start = LogCursor::before(&this);
        own = source.header(number.next())?;
        let Some(next) = &own else { break };
        let identity = inner.identity_of(number, &this, next);
        let source = match Sealed::find_and_open(&homes, &identity) {
            Ok(sealed) => Source::Sealed(Arc::new(sealed)),
            Err(doubt) => {
                if doubt != Doubt::Missing {
                    inner.watch.tell(&Event::Rebuilding { segment: number, doubt });
                }
                inner.work.rebuild(number);
                Source::Log
            }
        };
        let (first_seq, next_seq) = (identity.first_seq, identity.next_seq);
        parts.push(Part { number, first_seq, next_seq, source });
    }
    let inserter = Inserter::new(HotSegment::new(start.segment, start.seq));
    parts.push(tail(&inserter));
    inner.state.write().unwrap_or_else(PoisonError::into_inner).parts = Arc::new(parts);
    inner.state.write().unwrap_or_else(PoisonError::into_inner).reached = start;
    let feeder = Feeder {
        reader: Reader::resume(dir, owner, start),
        inserter,
        keys: Keys::default(),
        hand_over: true,
    };
    Ok((Index { inner: Arc::new(inner) }, feeder))
}

fn tail(inserter: &Inserter) -> Part {
    let hot = Arc::clone(&inserter.segment);
    Part { number: hot.number, first_seq: hot.first_seq, next_seq: u64::MAX, source: Source::Hot(hot) }
}

/// Reads blocks and inserts their records.
struct Feeder {
    reader: Reader,
    inserter: Inserter,
    keys: Keys,
    /// Whether segments that are complete go to the thread that writes them.
    hand_over: bool,
}

impl Feeder {
    /// Goes on to the record before `to`, or to the end of the log.
    fn feed(&mut self, inner: &Inner, to: u64) -> Result<(), IndexError> {
        let mut unpublished = 0;
        while self.reader.next_seq().0 < to && !inner.work.is_closed() {
            let Some((segment, offset, block)) = self.reader.next_found()? else { break };
            if segment != self.inserter.segment.number {
                let fresh = Inserter::new(HotSegment::new(segment, block.header.first_seq));
                let full = std::mem::replace(&mut self.inserter, fresh);
                if self.hand_over {
                    inner.roll(&full, &self.inserter, &block.header);
                }
            }
            if block.header.count > 0 {
                self.inserter.block(block.header.first_seq, offset);
            }
            for (sequence, record) in block.records() {
                self.keys.clear();
                inner
                    .extract
                    .keys(record, &mut self.keys)
                    .map_err(|_| IndexError::Unreadable { sequence })?;
                self.inserter.insert(sequence, &self.keys);
            }
            unpublished += 1;
            if unpublished >= PUBLISH_BLOCKS && self.hand_over {
                unpublished = 0;
                inner.publish(self.reader.cursor());
            }
        }
        if self.hand_over {
            inner.publish(self.reader.cursor());
        }
        Ok(())
    }
}

impl Inner {
    fn publish(&self, reached: LogCursor) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).reached = reached;
    }

    /// A segment is complete and the next one has begun.
    fn roll(&self, full: &Inserter, fresh: &Inserter, first: &BlockHeader) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let mut parts = state.parts.as_ref().clone();
            if let Some(last) = parts.last_mut() {
                last.next_seq = fresh.segment.first_seq;
            }
            parts.push(tail(fresh));
            state.parts = Arc::new(parts);
            // Everything of the full segment is in it; of the fresh one nothing is yet.
            state.reached = LogCursor {
                segment: fresh.segment.number,
                offset: 0,
                block: first.block,
                seq: first.first_seq,
                epoch: LogCursor::EPOCH_UNKNOWN,
                hash: first.previous,
            };
        }
        if self.has_builder {
            self.work.seal(Arc::clone(&full.segment));
        }
    }

    /// Makes one sealed index and puts it to use.
    fn perform(&self, job: Job) {
        let (number, hot) = match job {
            Job::Seal(hot) => (hot.number, Some(hot)),
            Job::Rebuild(number) => (number, None),
        };
        let held = hot.is_some();
        let made = self.make(number, hot);
        match made {
            Ok(built) => self.watch.tell(&Event::Built { segment: number, built }),
            Err(IndexError::Stopped) => {}
            Err(error) => {
                self.replace(number, Source::Log);
                self.watch.tell(&Event::Failed { segment: number, error: error.to_string() });
            }
        }
        if held {
            self.work.done();
        }
    }

    fn make(&self, number: SegmentNumber, hot: Option<Arc<HotSegment>>) -> Result<Built, IndexError> {
        let identity = self.identity(number)?.ok_or(IndexError::Unreadable { sequence: Sequence(0) })?;
        let built = match hot {
            Some(hot) => build::build(&self.dir, &hot, &identity, &|| self.work.is_closed())?,
            None => self.rebuild(&identity)?,
        };
        let path = sealed::path(&self.dir, number);
        let sealed = Sealed::open(&path, &identity).map_err(|doubt| {
            IndexError::write("read back", path)(std::io::Error::other(doubt.to_string()))
        })?;
        self.replace(number, Source::Sealed(Arc::new(sealed)));
        Ok(built)
    }

    /// Reads a sealed segment and writes its index.
    fn rebuild(&self, identity: &Identity) -> Result<Built, IndexError> {
        let header = DirSource::new(&self.dir)
            .header(identity.segment)?
            .ok_or(IndexError::Unreadable { sequence: Sequence(identity.first_seq) })?;
        let mut feeder = Feeder {
            reader: Reader::resume(&self.dir, self.owner, LogCursor::before(&header)),
            inserter: Inserter::new(HotSegment::new(identity.segment, header.first_seq)),
            keys: Keys::default(),
            hand_over: false,
        };
        feeder.feed(self, identity.next_seq)?;
        if feeder.reader.next_seq().0 < identity.next_seq {
            return Err(IndexError::Stopped);
        }
        build::build(&self.dir, &feeder.inserter.segment, identity, &|| self.work.is_closed())
    }
}
