//! The terminal itself: its session, and how one request is carried out.

use super::ask::Asking;
use super::close;
use super::compose::Composer;
use super::keys::SessionKeys;
use super::line::Line;
use super::order::{AdminKind, Done, FinalState, MessageKind, Order, Tamper, is_reversible};
use super::reply::{Expectation, Reply};
use super::script::ScriptRun;
use super::state::{PendingReversal, TerminalState, Unanswered, state_of};
use crate::clock;
use crate::error::SimError;
use crate::journal::{Journal, JournalLine, LineKind};
use crate::world::DemoTerminal;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::time::Duration;
use switchyard_domain::{BatchNumber, Download, ResponseCode, Stan};
use tokio::time::Instant;

/// Sends of one refund, which is repeated and never reversed.
const REFUND_ATTEMPTS_MAX: u32 = 5;
/// Replies to older requests that may come before the one that is waited for.
const STRAY_REPLIES_MAX: usize = 64;
/// Sign-ons that one request may need.
pub(super) const SIGN_ONS_MAX: u32 = 3;

/// How a terminal behaves.
#[derive(Debug, Clone)]
pub struct TerminalOptions {
    /// `host:port` of the switch.
    pub target: String,
    /// How long it waits for an answer.
    pub answer_timeout: Duration,
    /// How long it tries to connect.
    pub connect_patience: Duration,
    /// Sends of one reversal before it gives up.
    pub reversal_attempts_max: u32,
}
impl TerminalOptions {
    /// Patient defaults for a switch at `target`.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            answer_timeout: Duration::from_secs(30),
            connect_patience: Duration::from_secs(30),
            reversal_attempts_max: 20,
        }
    }
}

/// What a terminal counted.
#[derive(Debug, Clone)]
pub struct TerminalCounts {
    /// Messages sent.
    pub sent: u64,
    /// Reversals sent, repeats included.
    pub reversals_sent: u64,
    /// Sign-ons that worked.
    pub sign_ons: u64,
    /// Replies that came too late for anybody.
    pub stray_replies: u64,
    /// Microseconds from send to verified reply.
    pub latency: Histogram<u64>,
}

/// The terminal.
#[derive(Debug)]
pub struct Terminal {
    pub(super) spec: DemoTerminal,
    pub(super) options: TerminalOptions,
    pub(super) line: Line,
    pub(super) keys: Option<SessionKeys>,
    pub(super) state: TerminalState,
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) unanswered: Vec<Unanswered>,
    pub(super) needs_sign_on: bool,
    pub(super) counts: TerminalCounts,
    /// Orders that ended after [`Terminal::transact`] had failed.
    pub(super) ended_late: Vec<Done>,
    /// The last transaction's frame and reply, for a repeat.
    pub(super) last: Option<(Vec<u8>, Reply)>,
    /// What the host gave it to work with.
    pub(super) downloads: Vec<Download>,
    /// What chips made of scripts and nobody has heard yet.
    pub(super) owed: Vec<ScriptRun>,
}

impl Terminal {
    /// A terminal that was never used.
    ///
    /// # Errors
    /// [`SimError::Limit`] never in practice: the histogram's bounds are fixed.
    pub fn new(
        spec: DemoTerminal,
        options: TerminalOptions,
        journal: Option<Arc<Journal>>,
    ) -> Result<Self, SimError> {
        let state = TerminalState::new(spec.batch);
        Self::with_state(spec, options, journal, state, Vec::new())
    }

    pub(super) fn with_state(
        spec: DemoTerminal,
        options: TerminalOptions,
        journal: Option<Arc<Journal>>,
        state: TerminalState,
        unanswered: Vec<Unanswered>,
    ) -> Result<Self, SimError> {
        let line = Line::new(options.target.clone(), options.connect_patience, spec.speech.framing);
        let counts = TerminalCounts {
            sent: 0,
            reversals_sent: 0,
            sign_ons: 0,
            stray_replies: 0,
            latency: latency_histogram()?,
        };
        Ok(Self {
            spec,
            options,
            line,
            keys: None,
            state,
            journal,
            unanswered,
            needs_sign_on: true,
            counts,
            ended_late: Vec::new(),
            last: None,
            downloads: Vec::new(),
            owed: Vec::new(),
        })
    }

    /// Who it is.
    pub fn spec(&self) -> &DemoTerminal {
        &self.spec
    }
    /// The open batch.
    pub fn batch(&self) -> BatchNumber {
        self.state.batch
    }
    /// Whether the batch has to be closed before more goes into it.
    pub fn is_batch_full(&self) -> bool {
        self.state.is_batch_full()
    }
    /// What it counted.
    pub fn counts(&self) -> &TerminalCounts {
        &self.counts
    }
    /// Breaks the connection, as a pulled cable does.
    pub fn hang_up(&mut self) {
        self.line.hang_up();
    }

    /// Carries out an order. What got no answer is reversed before this returns; the code of a refusal is
    /// in the result, not an error.
    ///
    /// # Errors
    /// When the switch cannot be reached, or does not let the terminal sign on.
    pub async fn transact(&mut self, order: &Order) -> Result<Done, SimError> {
        if order.tamper != Tamper::SignedOff {
            self.get_ready().await?;
        }
        let stan = self.state.take_stan();
        self.attempt(order, self.state.batch, stan, 1).await
    }

    /// Sends the last transaction's bytes again: F2 and F64 apart the reply has to be the same.
    ///
    /// # Errors
    /// [`SimError::Untrusted`] when the reply differs, else as [`Terminal::transact`].
    pub async fn repeat_last(&mut self, order: &Order, done: &Done) -> Result<(), SimError> {
        let Some((frame, first)) = self.last.clone() else {
            return Err(SimError::Limit { what: "no last request" });
        };
        let line = self.order_line(order, done.batch, done.stan, 2);
        let expected = self.expected(order, done.batch, done.stan);
        let second = self.converse(&frame, line, &expected).await?;
        if second.image == first.image { Ok(()) } else { Err(SimError::Untrusted { what: "repeated reply" }) }
    }

    /// Signs on where that is needed and ends what is pending.
    pub(super) async fn get_ready(&mut self) -> Result<(), SimError> {
        if self.needs_sign_on || self.keys.is_none() {
            self.sign_on().await?;
        }
        if let Some(pending) = self.state.pending.clone() {
            let state = self.flush_reversal().await?;
            self.ended_late.push(done(&pending.order, pending.batch, pending.stan, None, state));
        }
        Ok(())
    }

    pub(super) async fn attempt(
        &mut self,
        order: &Order,
        batch: BatchNumber,
        stan: Stan,
        attempt: u32,
    ) -> Result<Done, SimError> {
        let frame = self.composer(batch).transaction(order, stan)?;
        if is_reversible(order.kind) && !order.tamper.is_refused_stateless() {
            self.state.pending =
                Some(PendingReversal { order: order.clone(), batch, stan, reason: "98", stands_minor: None });
        }
        let mut attempt = attempt;
        loop {
            let line = self.order_line(order, batch, stan, attempt);
            match self.deliver(&frame, line, order, (batch, stan)).await {
                Ok(reply) => return self.conclude(order, batch, stan, frame, reply),
                Err(error) if !is_line_trouble(&error) => {
                    // A reversal stays pending and ends later; what has none ends here.
                    if self.state.pending.is_none() {
                        self.ended_late.push(done(order, batch, stan, None, FinalState::Unknown));
                    }
                    return Err(error);
                }
                Err(error) => {
                    if let (Some(pending), SimError::Untrusted { .. }) = (&mut self.state.pending, &error) {
                        pending.reason = "A0";
                    }
                    if self.state.pending.is_some() {
                        let state = self.flush_reversal().await?;
                        return Ok(done(order, batch, stan, None, state));
                    }
                    if order.tamper.is_refused_stateless() {
                        // The host hung up on it, as it may with what it cannot read.
                        return Ok(done(order, batch, stan, None, FinalState::Declined));
                    }
                    if attempt >= REFUND_ATTEMPTS_MAX {
                        return Ok(done(order, batch, stan, None, FinalState::Unknown));
                    }
                    attempt += 1;
                }
            }
        }
    }

    async fn deliver(
        &mut self,
        frame: &[u8],
        line: JournalLine,
        order: &Order,
        (batch, stan): (BatchNumber, Stan),
    ) -> Result<Reply, SimError> {
        if order.tamper == Tamper::HangUp {
            self.write_journal(&line)?;
            self.counts.sent += 1;
            self.line.send(frame).await?;
            self.line.hang_up();
            return Err(SimError::Lost { what: "a reply, on purpose" });
        }
        let expected = self.expected(order, batch, stan);
        self.converse(frame, line, &expected).await
    }

    fn conclude(
        &mut self,
        order: &Order,
        batch: BatchNumber,
        stan: Stan,
        frame: Vec<u8>,
        reply: Reply,
    ) -> Result<Done, SimError> {
        self.state.pending = None;
        let done = done(order, batch, stan, Some(&reply), state_of(reply.code));
        if done.state == FinalState::Approved && batch == self.state.batch {
            self.state.count(&Order { amount_minor: done.amount_minor, ..order.clone() }, stan);
        }
        self.owe(ScriptRun::of(&done, &reply));
        if order.tamper == Tamper::None {
            self.last = Some((frame, reply));
        }
        Ok(done)
    }

    /// Journal, send, wait for the reply that fits, verify, journal.
    pub(super) async fn converse(
        &mut self,
        frame: &[u8],
        mut line: JournalLine,
        expected: &Expectation,
    ) -> Result<Reply, SimError> {
        self.write_journal(&line)?;
        self.counts.sent += 1;
        let started = Instant::now();
        self.line.send(frame).await?;
        let reply = self.await_reply(started + self.options.answer_timeout, expected).await?;
        let micros = started.elapsed().as_micros() as u64;
        self.counts.latency.saturating_record(micros.max(1));
        if reply.must_sign_on {
            self.needs_sign_on = true;
        }
        line.t = LineKind::Rep;
        line.mti = reply.mti.to_string();
        line.code = reply.code;
        line.rrn = reply.rrn;
        line.auth.clone_from(&reply.auth);
        line.date.clone_from(&reply.date);
        line.closed = closes_batch(&line, &reply);
        if line.kind == MessageKind::Admin(AdminKind::SignOn) {
            line.batch = reply.batch.unwrap_or(line.batch);
        }
        self.write_journal(&line)?;
        Ok(reply)
    }

    async fn await_reply(&mut self, deadline: Instant, expected: &Expectation) -> Result<Reply, SimError> {
        for _ in 0..STRAY_REPLIES_MAX {
            let frame = self.line.receive(deadline).await?;
            match Reply::read(&frame, &self.spec, self.keys.as_ref(), expected)? {
                Some(reply) => return Ok(reply),
                None => self.counts.stray_replies += 1,
            }
        }
        self.line.hang_up();
        Err(SimError::Limit { what: "replies to other requests" })
    }

    /// The frame of an order under the next trace number, for a load run that sends it itself.
    pub(crate) fn prepare(&mut self, order: &Order) -> Result<(Stan, Vec<u8>), SimError> {
        let stan = self.state.take_stan();
        Ok((stan, self.composer(self.state.batch).transaction(order, stan)?))
    }
    /// Whether a reply to such a frame is what its MAC says.
    pub(crate) fn trusts(&self, payload: &[u8], order: &Order, stan: Stan) -> bool {
        let expected = self.expected(order, self.state.batch, stan);
        Reply::read(payload, &self.spec, self.keys.as_ref(), &expected).is_ok_and(|r| r.is_some())
    }
    pub(super) fn composer(&self, batch: BatchNumber) -> Composer<'_> {
        Composer { terminal: &self.spec, batch, keys: self.keys.as_ref(), now: clock::now() }
    }
    fn expected(&self, order: &Order, batch: BatchNumber, stan: Stan) -> Expectation {
        self.composer(batch).expected_of(Asking::Transaction(order.kind), order, stan)
    }
    fn write_journal(&self, line: &JournalLine) -> Result<(), SimError> {
        self.journal.as_ref().map_or(Ok(()), |journal| journal.append(line))
    }
}

/// Microseconds up to two minutes, three significant digits.
pub(crate) fn latency_histogram() -> Result<Histogram<u64>, SimError> {
    Histogram::new_with_bounds(1, 120_000_000, 3).map_err(|_| SimError::Limit { what: "histogram" })
}

/// Whether the terminal should reverse or repeat: the switch may have heard it.
pub(super) fn is_line_trouble(error: &SimError) -> bool {
    matches!(
        error,
        SimError::Lost { .. }
            | SimError::Silent { .. }
            | SimError::Untrusted { .. }
            | SimError::Frame(_)
            | SimError::Parse(_)
    )
}

pub(super) fn done(
    order: &Order,
    batch: BatchNumber,
    stan: Stan,
    reply: Option<&Reply>,
    state: FinalState,
) -> Done {
    Done {
        kind: order.kind,
        batch,
        stan,
        amount_minor: reply.map_or(order.amount_minor, |reply| reply.approved_minor(order.amount_minor)),
        code: reply.and_then(|r| r.code),
        rrn: reply.and_then(|r| r.rrn),
        auth: reply.and_then(|r| r.auth.clone()),
        date: reply.and_then(|r| r.date.clone()),
        balance_minor: reply.and_then(|r| r.balance_minor),
        at: order.at,
        state,
    }
}

/// A balanced 0510 closes the batch, and so does the answer to the end of an upload.
fn closes_batch(line: &JournalLine, reply: &Reply) -> bool {
    match line.kind {
        MessageKind::Admin(AdminKind::Settlement) => close::is_balanced(reply.verdicts),
        MessageKind::Admin(AdminKind::UploadEnd) => reply.is_approved(),
        MessageKind::Admin(_) | MessageKind::Transaction(_) => false,
    }
}

pub(super) fn refused(what: &'static str, code: Option<ResponseCode>) -> SimError {
    SimError::Refused { what, code: code.map_or_else(|| "no code".to_owned(), |c| c.to_string()) }
}
