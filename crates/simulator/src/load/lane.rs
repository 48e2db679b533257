//! One connection of a load run: a writer with a window and a reader that opens it again.

use super::prepare::Prepared;
use super::run::LoadConfig;
use crate::error::SimError;
use crate::terminal::dialect;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use switchyard_domain::{Stan, TerminalId};
use switchyard_wire::{Envelope, EnvelopeKind, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

const FRAME_BYTES_MAX: usize = 4_096;
const READ_BYTES: usize = 64 * 1024;

/// What one connection counted.
#[derive(Debug)]
pub(super) struct LaneResult {
    pub(super) sent: u64,
    pub(super) replies: u64,
    pub(super) approved: u64,
    pub(super) declined: BTreeMap<String, u64>,
    pub(super) mac_errors: u64,
    pub(super) strays: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) last_reply: Option<Instant>,
}

/// What writer and reader share.
#[derive(Debug)]
struct Flight {
    prepared: Prepared,
    window: Semaphore,
    /// Microseconds after `started` at which each request left; zero before that.
    left_at: Vec<AtomicU64>,
    started: Instant,
    sent: AtomicU64,
    is_sent: AtomicBool,
}

/// A connection, ready to go.
#[derive(Debug)]
pub(super) struct Lane {
    stream: TcpStream,
    flight: Arc<Flight>,
    by_tid: HashMap<TerminalId, usize>,
    answer_timeout: Duration,
    verify_every: u64,
}

impl Lane {
    pub(super) async fn connect(config: &LoadConfig, prepared: Prepared) -> Result<Self, SimError> {
        let io = |source| SimError::Io { what: "connect to the switch", source };
        let stream = TcpStream::connect(&config.target).await.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        let by_tid = prepared.terminals.iter().enumerate().map(|(at, t)| (t.spec().tid, at)).collect();
        let flight = Flight {
            left_at: prepared.ends.iter().map(|_| AtomicU64::new(0)).collect(),
            prepared,
            window: Semaphore::new(config.window.max(1)),
            started: Instant::now(),
            sent: AtomicU64::new(0),
            is_sent: AtomicBool::new(false),
        };
        Ok(Self {
            stream,
            flight: Arc::new(flight),
            by_tid,
            answer_timeout: config.answer_timeout,
            verify_every: config.verify_every,
        })
    }

    pub(super) async fn run(self, deadline: Option<Instant>) -> Result<LaneResult, SimError> {
        let (reader, writer) = self.stream.into_split();
        let flight = Arc::clone(&self.flight);
        let writing = tokio::spawn(write(writer, flight, deadline));
        let mut listener = Listener {
            flight: self.flight,
            by_tid: self.by_tid,
            verify_every: self.verify_every,
            result: LaneResult::new()?,
        };
        let heard = listener.listen(reader, self.answer_timeout).await;
        // The writer may wait for a window that nobody opens any more.
        writing.abort();
        // An aborted task ends with an error that says so.
        let _ = writing.await;
        heard?;
        listener.result.sent = listener.flight.sent.load(Ordering::Relaxed);
        Ok(listener.result)
    }
}

/// Sends whatever the window lets, in one write; gives the socket back so that it stays open.
async fn write(
    mut writer: OwnedWriteHalf,
    flight: Arc<Flight>,
    deadline: Option<Instant>,
) -> Option<OwnedWriteHalf> {
    let ends = &flight.prepared.ends;
    let mut next = 0;
    while next < ends.len() && deadline.is_none_or(|at| Instant::now() < at) {
        flight.window.acquire().await.ok()?.forget();
        let mut count = 1;
        while next + count < ends.len() {
            let Ok(permit) = flight.window.try_acquire() else { break };
            permit.forget();
            count += 1;
        }
        let from = if next == 0 { 0 } else { ends[next - 1] };
        let now = flight.started.elapsed().as_micros() as u64;
        for left_at in &flight.left_at[next..next + count] {
            left_at.store(now.max(1), Ordering::Relaxed);
        }
        flight.sent.fetch_add(count as u64, Ordering::Release);
        writer.write_all(&flight.prepared.bytes[from..ends[next + count - 1]]).await.ok()?;
        next += count;
    }
    flight.is_sent.store(true, Ordering::Release);
    Some(writer)
}

struct Listener {
    flight: Arc<Flight>,
    by_tid: HashMap<TerminalId, usize>,
    verify_every: u64,
    result: LaneResult,
}

impl Listener {
    async fn listen(&mut self, mut reader: OwnedReadHalf, patience: Duration) -> Result<(), SimError> {
        /// How often the end is looked for while no reply comes.
        const GLANCE: Duration = Duration::from_millis(50);
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let mut quiet_since = Instant::now();
        while !self.is_over() {
            match timeout(GLANCE, reader.read_buf(&mut buffer)).await {
                Err(_) if quiet_since.elapsed() > patience => return Ok(()),
                Err(_) => continue,
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(_)) => {
                    quiet_since = Instant::now();
                    self.result.last_reply = Some(quiet_since);
                }
                Ok(Err(source)) => return Err(SimError::Io { what: "read from the switch", source }),
            }
            let mut frames = Framing::Len2BeExclusive.frames(&buffer, FRAME_BYTES_MAX);
            let mut count = 0;
            for range in frames.by_ref() {
                let range = range?;
                if !range.is_empty() {
                    self.hear(&buffer[range])?;
                    count += 1;
                }
            }
            let consumed = frames.consumed();
            buffer.drain(..consumed);
            self.flight.window.add_permits(count);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let is_sent = self.flight.is_sent.load(Ordering::Acquire);
        is_sent && self.result.replies >= self.flight.sent.load(Ordering::Acquire)
    }

    fn hear(&mut self, payload: &[u8]) -> Result<(), SimError> {
        let (_, body) = Envelope::split(payload, EnvelopeKind::TpduHeader)?;
        let message = dialect().parse(body)?;
        let terminal = message.raw(41).and_then(|tid| TerminalId::try_from(tid).ok());
        let at = terminal.and_then(|tid| self.by_tid.get(&tid).copied());
        let stan = message.number(11).and_then(|n| Stan::try_from(n).ok());
        let request = at.zip(stan).and_then(|(at, stan)| self.request_of(at, stan).map(|i| (at, stan, i)));
        let Some((at, stan, index)) = request else {
            self.result.strays += 1;
            return Ok(());
        };
        let left_at = self.flight.left_at[index].load(Ordering::Relaxed);
        let now = self.flight.started.elapsed().as_micros() as u64;
        self.result.latency.saturating_record(now.saturating_sub(left_at).max(1));
        self.result.replies += 1;
        match message.raw(39) {
            Some(b"00") => self.result.approved += 1,
            code => {
                let code = String::from_utf8_lossy(code.unwrap_or(b"??")).into_owned();
                *self.result.declined.entry(code).or_default() += 1;
            }
        }
        let is_sample = self.verify_every > 0 && self.result.replies.is_multiple_of(self.verify_every);
        let order = &self.flight.prepared.orders[index];
        if is_sample && !self.flight.prepared.terminals[at].trusts(payload, order, stan) {
            self.result.mac_errors += 1;
        }
        Ok(())
    }

    /// The request that a terminal's trace number stands for, if it was sent.
    fn request_of(&self, at: usize, stan: Stan) -> Option<usize> {
        let prepared = &self.flight.prepared;
        let round = (stan.get() + 999_999 - prepared.first.get(at)?.get()) % 999_999;
        let index = round as usize * prepared.terminals.len() + at;
        (self.flight.left_at.get(index)?.load(Ordering::Relaxed) > 0).then_some(index)
    }
}
