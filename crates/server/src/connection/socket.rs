//! One terminal's connection: a task that reads requests, hands them over, and writes answers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use switchyard_core::Reply;
use switchyard_domain::ResponseCode;
use switchyard_wire::Scan;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Place;
use super::answer::answer;
use super::intake::Intake;
use super::slab::Slab;
use super::tongue::Tongue;
use crate::keystore::{drop_front, wipe};
use crate::metrics::Closed;
use crate::queue::NotTaken;
use crate::shared::{Phase, Shared, reached};
use crate::tls::Stream;

/// Bytes read at once, into a buffer of the thread: an idle connection owns none.
const READ_BYTES: usize = 64 * 1024;
/// An output buffer above this is given back when it is empty.
const OUTPUT_KEEP_BYTES: usize = 4 * 1024;
/// Timers are far away or soon; this is far away.
const FAR: Duration = Duration::from_secs(86_400);
/// While the ledger's disk is full, held requests are offered again this often.
const HELD_RETRY: Duration = Duration::from_millis(200);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// One connection.
pub(super) struct Socket {
    shared: Arc<Shared>,
    stream: Stream,
    place: Place,
    tongue: Tongue,
    intake: Intake,
    slab: Slab,
    /// Bytes read and not taken yet: a frame that is not complete, or frames that wait for room.
    input: Vec<u8>,
    frame_since: Option<Instant>,
    heard_at: Instant,
    output: Vec<u8>,
    output_written: usize,
    output_since: Instant,
    /// Bytes that were written and may not have left.
    unflushed: bool,
    replies: Vec<(u64, Reply)>,
    not_taken: NotTaken,
    draining: bool,
    /// The peer sends no more, and may still wait for answers.
    ended: bool,
}

impl Socket {
    pub(super) fn new(shared: Arc<Shared>, stream: Stream, place: Place, tongue: Tongue) -> Self {
        let now = Instant::now();
        let must_name = shared.config.terminals.tls_certificate_names_terminal;
        let certificate = stream.peer_certificate().filter(|_| must_name);
        Self {
            slab: Slab::new(shared.config.terminals.in_flight_per_connection_max as usize),
            intake: Intake::new(place.number, tongue, certificate),
            tongue,
            shared,
            stream,
            place,
            input: Vec::new(),
            frame_since: None,
            heard_at: now,
            output: Vec::new(),
            output_written: 0,
            output_since: now,
            unflushed: false,
            replies: Vec::new(),
            not_taken: NotTaken::default(),
            draining: false,
            ended: false,
        }
    }

    /// Serves the connection until it ends, and says why it did.
    pub(super) async fn run(mut self) -> Closed {
        match self.serve().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Closed> {
        let shared = Arc::clone(&self.shared);
        let outbox = Arc::clone(&self.place.outbox);
        let mut drain = std::pin::pin!(reached(shared.phase.subscribe(), Phase::Draining));
        let mut stop = std::pin::pin!(reached(shared.phase.subscribe(), Phase::Stopping));
        let mut armed = Instant::now() + FAR;
        let mut timer = std::pin::pin!(tokio::time::sleep_until(armed.into()));
        loop {
            self.take_input()?;
            self.flush()?;
            if (self.draining || self.ended) && self.slab.is_empty() && self.is_written() {
                return Err(if self.ended { Closed::Peer } else { Closed::Shutdown });
            }
            let deadline = self.deadline();
            if deadline < armed {
                armed = deadline;
                timer.as_mut().reset(armed.into());
            }
            let holds = !self.not_taken.held.is_empty();
            tokio::select! {
                biased;
                () = &mut stop => return Err(Closed::Shutdown),
                () = &mut drain, if !self.draining => self.draining = true,
                () = outbox.filled() => self.answer(),
                io = poll_fn(|context| self.poll_io(context)) => io?,
                () = room(&shared), if holds => self.offer(),
                () = &mut timer => {
                    self.check_deadlines(Instant::now())?;
                    armed = self.deadline();
                    timer.as_mut().reset(armed.into());
                }
            }
        }
    }

    /// Frames are not taken while requests wait for room, while answers are not taken, and when the switch drains.
    fn may_take(&self) -> bool {
        !self.draining
            && !self.slab.is_full()
            && self.not_taken.held.is_empty()
            && self.output.len() - self.output_written
                <= self.shared.config.terminals.output_bytes_max as usize
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if self.output_written < self.output.len()
            && let Poll::Ready(written) = self.poll_write(context)
        {
            return Poll::Ready(written);
        }
        if self.unflushed && self.output.is_empty() {
            let flushed = Pin::new(&mut self.stream).poll_flush(context);
            if let Poll::Ready(flushed) = flushed {
                self.unflushed = false;
                return Poll::Ready(flushed.map_err(|_| Closed::Peer));
            }
        }
        if self.may_take() && !self.ended { self.poll_read(context) } else { Poll::Pending }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let rest = &self.output[self.output_written..];
        let written =
            ready!(Pin::new(&mut self.stream).poll_write(context, rest)).map_err(|_| Closed::Peer)?;
        self.unflushed = self.stream.keeps_bytes();
        self.wrote(written);
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)).map_err(|_| Closed::Peer)?;
            let bytes = buffer.filled_mut();
            if bytes.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            self.heard_at = Instant::now();
            let taken = if self.input.is_empty() {
                self.take_frames(bytes).map(|taken| self.input.extend_from_slice(&bytes[taken..]))
            } else {
                // Taken on the next turn, together with what was there.
                self.input.extend_from_slice(bytes);
                Ok(())
            };
            wipe(bytes);
            Poll::Ready(taken)
        })
    }

    /// Takes frames that were read before, as far as there is room for them.
    fn take_input(&mut self) -> Result<(), Closed> {
        if !self.input.is_empty() && self.may_take() {
            let mut input = std::mem::take(&mut self.input);
            let taken = self.take_frames(&input).inspect_err(|_| wipe(&mut input))?;
            drop_front(&mut input, taken);
            if !input.is_empty() {
                self.input = input;
            }
        }
        self.frame_since = match (self.input.is_empty() || !self.may_take(), self.frame_since) {
            (true, _) => None,
            (false, Some(since)) => Some(since),
            (false, None) => Some(self.heard_at),
        };
        Ok(())
    }

    /// Takes complete frames from the front of `bytes` and hands all their requests over at once.
    fn take_frames(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        let frame_bytes_max = self.shared.config.terminals.frame_bytes_max as usize;
        let mut at = 0;
        let mut failed = None;
        while !self.slab.is_full() && !self.draining {
            match self.tongue.framing.scan(&bytes[at..], frame_bytes_max) {
                Scan::Frame { start, end, consumed } => {
                    let payload = &bytes[at + start..at + end];
                    at += consumed;
                    self.frame_since = None;
                    let (slab, output) = (&mut self.slab, &mut self.output);
                    if let Err(reason) = self.intake.take(&self.shared, payload, self.heard_at, slab, output)
                    {
                        failed = Some(reason);
                        break;
                    }
                }
                Scan::KeepAlive { consumed } => at += consumed,
                Scan::NeedMore { .. } => break,
                Scan::Bad(_) => {
                    failed = Some(Closed::BadLength);
                    break;
                }
            }
        }
        // What stood before the bad bytes was in order and is worked on.
        self.offer_new();
        failed.map_or(Ok(at), Err)
    }

    fn offer_new(&mut self) {
        let count = self.intake.requests.len();
        if count > 0 {
            self.shared.metrics.requests.increment(count as u64);
            let mut requests = std::mem::take(&mut self.intake.requests);
            self.hand_over(&mut requests);
            self.intake.requests = requests;
        }
    }

    /// Offers held requests again.
    fn offer(&mut self) {
        let mut held = std::mem::take(&mut self.not_taken.held);
        self.hand_over(&mut held);
    }

    fn hand_over(&mut self, requests: &mut Vec<Box<switchyard_core::Request>>) {
        if self.shared.ledger_full.load(std::sync::atomic::Ordering::Relaxed) {
            crate::queue::refuse_all(requests, &mut self.not_taken);
        } else {
            self.shared.queue.offer(requests, &mut self.not_taken);
        }
        for request in std::mem::take(&mut self.not_taken.shed) {
            self.shared.metrics.requests_shed.increment(1);
            if let Some(retained) = self.slab.take(request.origin.ticket) {
                let reply = Reply::refused(ResponseCode::SYSTEM_MALFUNCTION);
                answer(&self.shared, self.tongue, &retained, &reply, &mut self.output);
            }
        }
    }

    /// Encodes every answer that is there.
    fn answer(&mut self) {
        let mut replies = std::mem::take(&mut self.replies);
        self.place.outbox.take(&mut replies);
        let now = Instant::now();
        for (ticket, reply) in replies.drain(..) {
            if let Some(request) = self.slab.take(ticket) {
                answer(&self.shared, self.tongue, &request, &reply, &mut self.output);
                let waited = now.saturating_duration_since(request.read_at);
                self.shared.metrics.waited(waited);
            }
        }
        self.replies = replies;
    }

    /// Writes what there is to write, in one call where the socket takes it.
    fn flush(&mut self) -> Result<(), Closed> {
        if self.output_written == 0 && !self.output.is_empty() {
            self.output_since = Instant::now();
        }
        while self.output_written < self.output.len() {
            match self.stream.try_write(&self.output[self.output_written..]) {
                Ok(written) => self.wrote(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed::Peer),
            }
        }
        Ok(())
    }

    fn is_written(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    fn wrote(&mut self, written: usize) {
        self.output_written += written;
        self.output_since = Instant::now();
        if self.output_written == self.output.len() {
            wipe(&mut self.output);
            self.output.clear();
            self.output.shrink_to(OUTPUT_KEEP_BYTES);
            self.output_written = 0;
        } else if self.output_written >= OUTPUT_KEEP_BYTES.max(self.output.len() / 2) {
            // A terminal that is always a little behind never lets the buffer become empty.
            drop_front(&mut self.output, self.output_written);
            self.output_written = 0;
        }
    }

    fn deadline(&self) -> Instant {
        let limits = &self.shared.config.terminals;
        let after = |since: Instant, millis: u64| since + Duration::from_millis(millis);
        let mut deadline = Instant::now() + FAR;
        if self.slab.is_empty() {
            deadline = deadline.min(after(self.heard_at, u64::from(limits.idle_timeout_s) * 1_000));
        }
        if let Some(since) = self.frame_since {
            deadline = deadline.min(after(since, u64::from(limits.frame_deadline_ms)));
        }
        if !self.is_written() {
            deadline = deadline.min(after(self.output_since, u64::from(limits.output_deadline_ms)));
        }
        deadline
    }

    fn check_deadlines(&self, now: Instant) -> Result<(), Closed> {
        let limits = &self.shared.config.terminals;
        let passed = |since: Instant, millis: u64| now >= since + Duration::from_millis(millis);
        if !self.is_written() && passed(self.output_since, u64::from(limits.output_deadline_ms)) {
            return Err(Closed::OutputDeadline);
        }
        if self.frame_since.is_some_and(|since| passed(since, u64::from(limits.frame_deadline_ms))) {
            return Err(Closed::FrameDeadline);
        }
        if self.slab.is_empty() && passed(self.heard_at, u64::from(limits.idle_timeout_s) * 1_000) {
            return Err(Closed::Idle);
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        wipe(&mut self.input);
        wipe(&mut self.output);
    }
}

async fn room(shared: &Shared) {
    let _ = tokio::time::timeout(HELD_RETRY, shared.queue.room()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of_future<A, F: Future>(_: fn(A) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn an_idle_connection_takes_little_memory() {
        // With the socket's registration and its places in the tables this stays far below 8 KiB.
        let bytes = bytes_of_future(Socket::run);
        assert!(bytes <= 2_048, "{bytes}");
    }
}
