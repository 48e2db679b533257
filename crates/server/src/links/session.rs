//! One connection of a link.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use switchyard_core::dialect::iso::link::{self, ECHO, LinkContext, SIGN_OFF, SIGN_ON};
use switchyard_core::{Answer, Input, KeyBrought, Upstream, UpstreamRequest};
use switchyard_domain::{CardRef, LinkIndex, Pan, ResponseCode, Rrn, Stan, Timestamp};
use switchyard_wire::{BuildError, Dialect, FrameError, Framing, Scan};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::LinkHandle;
use super::backlog::Backlog;
use super::outgoing::{FrameStart, Outgoing};
use crate::keystore::{drop_front, wipe};
use crate::metrics::LinkMetrics;
use crate::shared::Shared;
use crate::tls::Stream;

/// Bytes read at once.
pub(super) const READ_BYTES: usize = 32 * 1024;
/// Longest wait for a host's answer to the sign-off of a connection that is let go.
const SIGN_OFF_WAIT: Duration = Duration::from_secs(1);
/// Encoded bytes that may wait for the socket.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;

/// Why a connection of a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the host closed it")]
    Closed,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the host's framing is off: {0}")]
    Frame(#[from] FrameError),
    #[error("the host does not answer an echo")]
    Silent,
    #[error("it is to end")]
    Ended(Ending),
}

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By order, or the switch stops: its host is told before.
    Order,
    /// The link is reached otherwise from now on.
    Changed,
    /// Its host has made another one instead.
    Replaced,
    /// The ledger cannot be trusted any more: not another byte leaves.
    Failed,
}

/// What stays the same for all connections of a link.
pub(super) struct Speech {
    pub(super) index: LinkIndex,
    pub(super) dialect: &'static Dialect,
    pub(super) framing: Framing,
}

/// A connection.
pub(super) struct Session<'a> {
    shared: &'a Shared,
    speech: &'a Speech,
    handle: &'a LinkHandle,
    metrics: &'a LinkMetrics,
    generation: u32,
    /// Says that something waits in the queue.
    filled: Arc<Notify>,
    /// Taken from the queue, not encoded yet.
    pending: VecDeque<Box<Upstream>>,
    /// How many of them are counted.
    counted: u64,
    /// Requests wait until another connection gives some credit back, or this one.
    waits_for_credit: bool,
    outgoing: Outgoing<Box<UpstreamRequest>>,
    input: Vec<u8>,
    inputs: Vec<Input>,
    /// What the core has not taken of it yet.
    backlog: Backlog<'a>,
    /// Which requests were not answered yet and when each left; a lost answer gives its credit back in time.
    outstanding: VecDeque<(Stan, Rrn, Instant)>,
    heard_at: Instant,
    echo_sent: Option<Instant>,
    /// The host has taken the sign-on of this connection.
    is_signed_on: bool,
    /// The host has signed off: it is sent nothing but answers to what it asks, and sign-ons.
    is_host_off: bool,
    /// The host has answered the sign-off.
    is_signed_off: bool,
    /// Requests that were taken back from what goes out.
    cut: Vec<Box<UpstreamRequest>>,
}

/// What a host's message is.
enum Heard {
    Answer(Answer),
    /// A question about the link, with its answer, and what was approved of it.
    Question(Vec<u8>, Option<u16>),
    /// Another PIN key: the core answers.
    Key(KeyBrought),
    Nothing,
}

/// One step of sending.
enum Pushed {
    Wrote(usize),
    Flushed,
}

/// Writes some of what there is; with nothing to write, sends off what was written.
async fn push(writer: &mut (impl AsyncWrite + Unpin), rest: &[u8]) -> std::io::Result<Pushed> {
    if rest.is_empty() {
        return writer.flush().await.map(|()| Pushed::Flushed);
    }
    writer.write(rest).await.map(Pushed::Wrote)
}

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

impl<'a> Session<'a> {
    pub(super) fn new(shared: &'a Shared, speech: &'a Speech, handle: &'a LinkHandle) -> Self {
        let (generation, filled) = handle.queue.join();
        handle.metrics.connections.increment(1);
        Self {
            shared,
            speech,
            handle,
            metrics: &handle.metrics,
            generation,
            filled,
            pending: VecDeque::new(),
            counted: 0,
            waits_for_credit: false,
            outgoing: Outgoing::default(),
            input: Vec::with_capacity(READ_BYTES),
            inputs: Vec::new(),
            backlog: Backlog::new(&shared.queue),
            outstanding: VecDeque::new(),
            heard_at: Instant::now(),
            echo_sent: None,
            is_signed_on: false,
            is_host_off: false,
            is_signed_off: false,
            cut: Vec::new(),
        }
    }

    /// The number of the connection.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Serves the connection until it ends.
    pub(super) async fn run(&mut self, stream: Stream, stop: impl Future<Output = Ending>) -> Lost {
        match stream {
            Stream::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                self.serve(reader, writer, false, stop).await
            }
            Stream::Tls(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                self.serve(reader, writer, true, stop).await
            }
        }
    }

    /// As [`run`](Self::run); `keeps_bytes` when what was written may wait inside until it is flushed.
    async fn serve(
        &mut self,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        keeps_bytes: bool,
        stop: impl Future<Output = Ending>,
    ) -> Lost {
        let mut stop = std::pin::pin!(stop);
        let mut unflushed = false;
        let echo_interval = Duration::from_secs(u64::from(self.shared.config.links.echo_interval_s));
        // Credits come back and echoes fall due on this beat.
        let mut beat = tokio::time::interval(Duration::from_millis(100).min(echo_interval));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.encode_pending();
            self.count_pending();
            let done = tokio::select! {
                biased;
                ending = &mut stop => {
                    if self.is_signed_on && !self.is_host_off && ending == Ending::Order {
                        // Nobody waits for it longer than this, and a host that cannot be told is not.
                        let _ = tokio::time::timeout(SIGN_OFF_WAIT, self.sign_off(&mut reader, &mut writer)).await;
                    }
                    Err(Lost::Ended(ending))
                }
                written = push(&mut writer, self.outgoing.rest()), if unflushed || !self.outgoing.is_empty() => {
                    match written {
                        Ok(Pushed::Flushed) => {
                            unflushed = false;
                            Ok(())
                        }
                        Ok(Pushed::Wrote(0)) => Err(Lost::Closed),
                        Ok(Pushed::Wrote(count)) => {
                            unflushed = keeps_bytes;
                            self.outgoing.wrote(count);
                            Ok(())
                        }
                        Err(error) => Err(Lost::Io(error)),
                    }
                },
                read = reader.read_buf(&mut self.input), if !self.backlog.is_full() => match read {
                    Ok(0) => Err(Lost::Closed),
                    Ok(_) => self.take_frames(),
                    Err(error) => Err(Lost::Io(error)),
                },
                () = self.backlog.room(), if self.backlog.is_full() => Ok(()),
                // What cannot be sent yet stays in the queue, which has a limit.
                () = self.filled.notified(), if self.pending.is_empty() => {
                    self.handle.queue.take(self.generation, &mut self.pending);
                    Ok(())
                }
                () = self.handle.queue.credit.given_back(), if self.waits_for_credit => Ok(()),
                _ = beat.tick() => self.beat(echo_interval),
            };
            if let Err(lost) = done {
                return lost;
            }
        }
    }

    /// Counts what waits here together with what waits on the link's other connections.
    fn count_pending(&mut self) {
        let pending = self.pending.len() as u64;
        self.metrics.pending.increment(pending.wrapping_sub(self.counted));
        self.counted = pending;
    }

    /// Tells the host that nothing more comes, and hears it out until it has answered. What has begun to leave leaves whole
    /// before; other requests go another way.
    async fn sign_off(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Lost> {
        self.cut = self.outgoing.cut();
        self.is_signed_off = false;
        let stan = Stan::try_from(0).expect("zero is a trace number");
        // Number 0 is given to nothing but echoes, and the core never sees the answer.
        self.encode(&Upstream::Network { stan, at: crate::shared::now(), code: SIGN_OFF });
        while !self.outgoing.is_empty() {
            match writer.write(self.outgoing.rest()).await? {
                0 => return Err(Lost::Closed),
                count => self.outgoing.wrote(count),
            }
        }
        writer.flush().await?;
        while !self.is_signed_off {
            self.backlog.room().await;
            if reader.read_buf(&mut self.input).await? == 0 {
                return Err(Lost::Closed);
            }
            self.take_frames()?;
        }
        Ok(())
    }

    /// What never left, for the core: it is as if it had not been sent, and may go another way.
    pub(super) fn unsent(mut self) -> Vec<Box<UpstreamRequest>> {
        let mut unsent = std::mem::take(&mut self.cut);
        unsent.extend(self.outgoing.unsent());
        self.handle.queue.leave(self.generation, &mut self.pending);
        unsent.extend(self.pending.drain(..).filter_map(|message| request_of(*message)));
        unsent
    }

    /// Encodes what waits, as far as the credit goes.
    fn encode_pending(&mut self) {
        let credit_max = self.handle.in_force.credit_max(self.shared.config.links.credit_max);
        let credit = &self.handle.queue.credit;
        self.waits_for_credit = false;
        while !self.pending.is_empty() && self.outgoing.rest().len() < OUTGOING_BYTES_MAX {
            // Credit is for requests: what takes something back, and the link's own messages, never wait behind
            // a request that has none. A reversal's own request is overdue by then and does not leave any more.
            let has_credit = credit.take(credit_max);
            let next = next_to_leave(&self.pending, !has_credit);
            let message = next.and_then(|next| self.pending.remove(next));
            let Some(message) = message else {
                credit.give_back(usize::from(has_credit));
                self.waits_for_credit = !has_credit;
                return;
            };
            let is_own = matches!(*message, Upstream::Network { .. } | Upstream::KeyAnswer { .. });
            let is_wanted = !self.is_host_off || is_own;
            let may_leave = is_wanted && !self.is_overdue(&message);
            let sent = if may_leave { self.encode(&message) } else { None };
            let mut spent = false;
            match (request_of(*message), sent) {
                (Some(request), Some(start)) => {
                    if let Some(upstream) = request.opened.upstream {
                        self.outstanding.push_back((upstream.stan, request.opened.rrn, Instant::now()));
                        spent = true;
                    }
                    self.outgoing.keep(start, request);
                }
                (Some(request), None) => {
                    self.metrics.unsent.increment(1);
                    self.shared.queue.push([not_sent(self.speech.index, request)]);
                }
                (None, _) => {}
            }
            credit.give_back(usize::from(has_credit && !spent));
        }
    }

    /// Whether the core has stopped waiting for this request's answer, or is about to.
    fn is_overdue(&self, message: &Upstream) -> bool {
        match message {
            // The core's own time: the wall clock may have been set back since.
            Upstream::Request(request) => {
                Timestamp(self.shared.clock.load(Ordering::Relaxed)) >= request.leaves_by
            }
            Upstream::Reversal { .. }
            | Upstream::Advice { .. }
            | Upstream::Script { .. }
            | Upstream::Network { .. }
            | Upstream::KeyAnswer { .. } => false,
        }
    }

    /// Appends a message to what goes out and says where; `None` when it cannot be built.
    fn encode(&mut self, message: &Upstream) -> Option<FrameStart> {
        let (shared, speech) = (self.shared, self.speech);
        let context = LinkContext { offset: shared.offset, acquirer: shared.acquirer };
        let card = sealed_card(message).and_then(|card| open_card(shared, card));
        let appended = self.outgoing.append(|out| {
            speech.framing.try_write(out, |out| -> Result<(), SendError> {
                link::write(speech.dialect, message, card.as_ref(), &context, out)?;
                Ok(())
            })
        });
        match appended {
            Ok(_) => self.metrics.sent.increment(1),
            Err(ref error) => tracing::error!(link = %self.metrics.name, %error, "a message cannot be built"),
        }
        appended.ok()
    }

    fn beat(&mut self, echo_interval: Duration) -> Result<(), Lost> {
        let now = Instant::now();
        let oldest = now.checked_sub(self.handle.in_force.answer_timeout());
        while self.outstanding.front().is_some_and(|(.., sent)| oldest.is_some_and(|oldest| *sent < oldest)) {
            self.outstanding.pop_front();
            self.handle.queue.credit.give_back(1);
            self.metrics.timeouts.increment(1);
        }
        match self.echo_sent {
            // What it says is not read.
            _ if self.backlog.is_full() => Ok(()),
            Some(sent) if now.saturating_duration_since(sent) > echo_interval => Err(Lost::Silent),
            None if now.saturating_duration_since(self.heard_at) > echo_interval => {
                self.echo_sent = Some(now);
                let stan = Stan::try_from(0).expect("zero is a trace number");
                // Number 0 is given to nothing else, and the core never sees the answer.
                self.encode(&Upstream::Network { stan, at: crate::shared::now(), code: ECHO });
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Hands every answer that was read to the core, in one batch.
    fn take_frames(&mut self) -> Result<(), Lost> {
        self.heard_at = Instant::now();
        self.echo_sent = None;
        let frame_bytes_max = self.shared.config.links.frame_bytes_max as usize;
        let mut at = 0;
        let ended = loop {
            match self.speech.framing.scan(&self.input[at..], frame_bytes_max) {
                Scan::Frame { start, end, consumed } => {
                    self.metrics.received.increment(1);
                    match self.hear(&self.input[at + start..at + end]) {
                        // Hosts need not repeat what their answer is about: the number tells.
                        Heard::Answer(answer)
                            if answer.mti == 810 && answer.stan == Stan::try_from(0).ok() =>
                        {
                            self.is_signed_off = true;
                        }
                        Heard::Answer(answer) => {
                            let is_sign_on = answer.network_code.is_none_or(|code| code == SIGN_ON);
                            if is_sign_on && answer.mti == 810 && answer.code == Some(ResponseCode::APPROVED)
                            {
                                (self.is_signed_on, self.is_host_off) = (true, false);
                            }
                            self.note_answer(&answer);
                            let (link, generation) = (self.speech.index, self.generation);
                            self.inputs.push(Input::Answer { link, generation, answer: Box::new(answer) });
                        }
                        Heard::Question(reply, asked) => {
                            self.host_asked(asked);
                            self.reply(&reply);
                        }
                        Heard::Key(brought) => {
                            let (link, generation) = (self.speech.index, self.generation);
                            self.inputs.push(Input::KeyBrought {
                                link,
                                generation,
                                brought: Box::new(brought),
                            });
                        }
                        Heard::Nothing => {}
                    }
                    at += consumed;
                }
                Scan::KeepAlive { consumed } => at += consumed,
                Scan::NeedMore { .. } => break Ok(()),
                Scan::Bad(error) => break Err(Lost::Frame(error)),
            }
        };
        drop_front(&mut self.input, at);
        if !self.inputs.is_empty() {
            self.backlog.push(self.inputs.drain(..));
        }
        ended
    }

    /// Gives the credit of an answered request back and counts how it was answered.
    fn note_answer(&mut self, answer: &Answer) {
        // What is stored and forwarded is answered too and waits for no credit; a reversal has its request's reference.
        if !matches!(answer.mti % 1_000, 110 | 210 | 230) {
            return;
        }
        // Hosts answer nearly in order: the place is near the front. One that repeats no trace number, or its own, repeats
        // the reference; one that gives a reference of its own repeats the trace number.
        let outstanding = &self.outstanding;
        let by_reference = |rrn| outstanding.iter().position(|(_, asked, _)| *asked == rrn);
        let by_trace = |stan| outstanding.iter().position(|(asked, ..)| *asked == stan);
        let place = answer.rrn.and_then(by_reference).or_else(|| answer.stan.and_then(by_trace));
        if let Some((.., sent)) = place.and_then(|place| self.outstanding.remove(place)) {
            self.handle.queue.credit.give_back(1);
            self.metrics.answer.record(sent.elapsed());
            answer.code.into_iter().for_each(|code| self.metrics.answered(code));
        }
    }

    /// A host that signs off is sent nothing more until it signs on again; the core hears of both.
    fn host_asked(&mut self, asked: Option<u16>) {
        let on = match asked {
            Some(SIGN_ON) => true,
            Some(SIGN_OFF) => false,
            _ => return,
        };
        self.metrics.host_signed(on);
        self.is_host_off = !on;
        let (link, generation) = (self.speech.index, self.generation);
        self.inputs.push(Input::HostSigned { link, generation, on });
        if !on {
            // What it would have heard next goes another way.
            for request in self.outgoing.cut() {
                let asked = self.outstanding.iter().position(|(_, rrn, _)| *rrn == request.opened.rrn);
                let asked = asked.and_then(|place| self.outstanding.remove(place));
                self.handle.queue.credit.give_back(usize::from(asked.is_some()));
                self.metrics.unsent.increment(1);
                self.inputs.push(not_sent(link, request));
            }
        }
    }

    /// Answers a question about the link; a host that does not take its answers gets no more of them.
    fn reply(&mut self, body: &[u8]) {
        if self.outgoing.rest().len() >= OUTGOING_BYTES_MAX {
            return;
        }
        let framing = self.speech.framing;
        let appended = self.outgoing.append(|out| framing.write(out, |out| out.extend_from_slice(body)));
        match appended {
            Ok(_) => self.metrics.sent.increment(1),
            Err(error) => tracing::error!(link = %self.metrics.name, %error, "an answer cannot be framed"),
        }
    }

    /// What a message of the host is; nothing for the answers to the link's own echoes.
    fn hear(&self, body: &[u8]) -> Heard {
        let message = match self.speech.dialect.parse(body) {
            Ok(message) => message,
            Err(error) => {
                self.metrics.unreadable(&error, "a message of the host does not parse");
                return Heard::Nothing;
            }
        };
        if let Some(brought) = link::read_key(&message) {
            return Heard::Key(brought);
        }
        let mut reply = Vec::new();
        if let Some(Ok(asked)) = link::answer_network(&message, &mut reply) {
            return Heard::Question(reply, asked);
        }
        match link::read_answer(&message) {
            Ok(answer) if answer.network_code == Some(ECHO) => Heard::Nothing,
            Ok(answer) => Heard::Answer(answer),
            Err(error) => {
                self.metrics.unreadable(&error, "a message of the host is no answer");
                Heard::Nothing
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.pending.clear();
        self.count_pending();
        self.handle.queue.credit.give_back(self.outstanding.len());
        self.metrics.connections.decrement(1);
        wipe(&mut self.input);
    }
}

/// The place of what leaves next; without credit no request does. The answer to a key change does not overtake requests:
/// their PINs are under the key before, which the host has no more once it has read that answer.
fn next_to_leave(pending: &VecDeque<Box<Upstream>>, waits: bool) -> Option<usize> {
    let mut held = false;
    pending.iter().position(|message| {
        let is_held = match &**message {
            Upstream::Request(_) => waits,
            Upstream::KeyAnswer { .. } => held,
            Upstream::Reversal { .. }
            | Upstream::Advice { .. }
            | Upstream::Script { .. }
            | Upstream::Network { .. } => false,
        };
        held |= is_held;
        !is_held
    })
}

/// The sealed card of a message that has none in clear.
fn sealed_card(message: &Upstream) -> Option<&CardRef> {
    match message {
        Upstream::Request(request) if request.request.card.is_none() => request.opened.card.as_ref(),
        Upstream::Reversal { opened, .. }
        | Upstream::Advice { opened, .. }
        | Upstream::Script { opened, .. } => opened.card.as_ref(),
        Upstream::Request(_) | Upstream::Network { .. } | Upstream::KeyAnswer { .. } => None,
    }
}

fn open_card(shared: &Shared, card: &CardRef) -> Option<Pan> {
    let opened = shared.cards.open_card(card);
    if let Err(error) = &opened {
        tracing::error!(%error, "a sealed card cannot be opened");
    }
    opened.ok()
}

/// The request of a message that is one.
fn request_of(message: Upstream) -> Option<Box<UpstreamRequest>> {
    match message {
        Upstream::Request(request) => Some(request),
        Upstream::Reversal { .. }
        | Upstream::Advice { .. }
        | Upstream::Script { .. }
        | Upstream::Network { .. }
        | Upstream::KeyAnswer { .. } => None,
    }
}

/// Tells the core of a request that never left.
pub(super) fn not_sent(link: LinkIndex, request: Box<UpstreamRequest>) -> Input {
    Input::NotSent { link, transaction: request.opened.id, request: Some(request) }
}
