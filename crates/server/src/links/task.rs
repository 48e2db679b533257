//! Keeps a link connected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchyard_core::{Input, Upstream};
use switchyard_domain::{LinkIndex, LinkSettings};
use switchyard_wire::{Dialect, Framing};
use tokio::net::TcpStream;

use super::LinkQueue;
use super::address::LinkAddress;
use super::door::Door;
use super::session::{Lost, Session, Speech, not_sent};
use crate::metrics::LinkMetrics;
use crate::shared::Shared;
use crate::tls::{self, Stream};

/// One link.
pub(super) struct LinkTask {
    shared: Arc<Shared>,
    index: LinkIndex,
    name: String,
    queue: Arc<LinkQueue>,
    metrics: Arc<LinkMetrics>,
    generation: u32,
}

impl LinkTask {
    pub(super) fn new(shared: Arc<Shared>, index: LinkIndex, name: String, queue: Arc<LinkQueue>) -> Self {
        let metrics = Arc::clone(&queue.metrics);
        Self { shared, index, name, queue, metrics, generation: 0 }
    }

    /// Connects, or is connected to, and serves until `stop`, as the settings of the moment say.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let settings = self.queue.in_force.settings();
            let (Some(speech), Ok(address)) = (self.speech(&settings), settings.address.parse()) else {
                tracing::error!(link = %self.name, "the link's dialect, framing or address is unknown; it stays down");
                let queue = Arc::clone(&self.queue);
                let (ending, stopped) = either(&mut stop, queue.in_force.until_other(&settings));
                self.reject_until(ending, None).await;
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                continue;
            };
            if let Kept::Stopped = self.keep(&settings, &speech, &address, &mut stop).await {
                return;
            }
            tracing::info!(link = %self.name, "the link is reached or spoken to in another way from now on");
        }
    }

    /// Keeps the link connected until `stop`, or until it is to be reached or spoken to otherwise.
    async fn keep(
        &mut self,
        settings: &LinkSettings,
        speech: &Speech,
        address: &LinkAddress,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Kept {
        let (mut backoff, mut door, mut next) = (Backoff::new(&self.shared), None, None);
        loop {
            if !self.queue.is_wanted() {
                (door, next) = (None, None);
                let wanted = self.queue.until_wanted(true);
                let (ending, stopped) = either(&mut *stop, wanted);
                self.reject_until(ending, None).await;
                if stopped.load(Ordering::Relaxed) {
                    return Kept::Stopped;
                }
                backoff.current = None;
            }
            if !self.queue.in_force.is_as(settings) {
                return Kept::Changed;
            }
            let started = Instant::now();
            let reached = match next.take() {
                Some(stream) => Reached::Host(stream),
                None => self.reach(settings, address, &mut door, stop).await,
            };
            match reached {
                Reached::Stopped => return Kept::Stopped,
                Reached::Unwanted => continue,
                Reached::Host(stream) => {
                    let (ended, later) =
                        self.serve_until(settings, speech, stream, door.as_ref(), stop).await;
                    let Some(lost) = ended else { return Kept::Stopped };
                    if matches!(lost, Lost::Stopped) {
                        let why = if later.is_some() { "its host connected again" } else { "by order" };
                        tracing::info!(link = %self.name, why, "link's connection was let go");
                        next = later;
                        continue;
                    }
                    tracing::warn!(link = %self.name, error = %lost, "link lost");
                    if door.is_some() {
                        // It is the host that tries again; there is nothing to hold back.
                        continue;
                    }
                }
                Reached::Nobody(error) if backoff.is_fresh() => {
                    tracing::warn!(link = %self.name, %error, "link cannot be connected");
                }
                Reached::Nobody(error) => {
                    tracing::debug!(link = %self.name, %error, "link cannot be connected");
                }
            }
            let wait = backoff.next(started.elapsed());
            // An order need not wait for the end of the back-off.
            let (ending, stopped) = either(&mut *stop, self.queue.until_let_go(settings));
            self.reject_until(ending, Some(wait)).await;
            if stopped.load(Ordering::Relaxed) {
                return Kept::Stopped;
            }
        }
    }

    /// The host's connection: made by the switch, or waited for as long as it takes.
    async fn reach(
        &self,
        settings: &LinkSettings,
        address: &LinkAddress,
        door: &mut Option<Door>,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Reached {
        let (on, peers, tls) = match address {
            LinkAddress::Connect { host, tls } => {
                let connecting = self.connect(host, *tls);
                return tokio::select! {
                    biased;
                    () = stop => Reached::Stopped,
                    () = self.queue.until_let_go(settings) => Reached::Unwanted,
                    stream = connecting => stream.map_or_else(Reached::Nobody, Reached::Host),
                };
            }
            LinkAddress::Listen { on, peers, tls } => (*on, peers, *tls),
        };
        if door.is_none() {
            match Door::open(on, peers, tls).await {
                Ok(open) => *door = Some(open),
                Err(error) => return Reached::Nobody(error),
            }
        }
        let mut arrived = None;
        let waiting = async {
            tokio::select! {
                biased;
                () = self.queue.until_let_go(settings) => {}
                stream = arrival(door.as_ref(), &self.shared, &self.name) => arrived = Some(stream),
            }
        };
        let (ending, stopped) = either(stop, waiting);
        // Nobody is there yet: what is meant for the host must not wait for its pleasure.
        self.reject_until(ending, None).await;
        match arrived {
            _ if stopped.load(Ordering::Relaxed) => Reached::Stopped,
            Some(stream) => Reached::Host(stream),
            None => Reached::Unwanted,
        }
    }

    /// Serves a connection; a host that connects once more has given the earlier one up, and its new one comes back
    /// too. No `Lost` when the switch stops.
    async fn serve_until(
        &mut self,
        settings: &LinkSettings,
        speech: &Speech,
        stream: Stream,
        door: Option<&Door>,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> (Option<Lost>, Option<Stream>) {
        let (queue, shared, name) = (Arc::clone(&self.queue), Arc::clone(&self.shared), self.name.clone());
        let mut later = None;
        let over = async {
            tokio::select! {
                biased;
                () = queue.until_let_go(settings) => {}
                stream = arrival(door, &shared, &name) => later = Some(stream),
            }
        };
        let (ending, stopped) = either(stop, over);
        let lost = self.serve(speech, stream, ending).await;
        (Some(lost).filter(|_| !stopped.load(Ordering::Relaxed)), later)
    }

    fn speech(&self, settings: &LinkSettings) -> Option<Speech> {
        Some(Speech {
            index: self.index,
            dialect: Dialect::builtin(settings.dialect.name())?,
            framing: settings.framing.parse::<Framing>().ok()?,
        })
    }

    async fn connect(&self, host: &str, tls: bool) -> std::io::Result<Stream> {
        let limit = Duration::from_millis(u64::from(self.shared.config.links.connect_timeout_ms));
        tokio::time::timeout(limit, self.open(host, tls)).await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }

    /// The connection, and TLS on it when the address asks for it.
    async fn open(&self, host: &str, tls: bool) -> std::io::Result<Stream> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        if !tls {
            return Ok(Stream::Plain(stream));
        }
        let Some(tls) = &self.shared.tls.links else {
            return Err(std::io::Error::other("links.tls_authorities is not set: no host could be believed"));
        };
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        tls::connect(tls, stream, name.trim_matches(['[', ']'])).await
    }

    async fn serve(&mut self, speech: &Speech, stream: Stream, stop: impl Future<Output = ()>) -> Lost {
        self.generation += 1;
        let (link, generation) = (self.index, self.generation);
        tracing::info!(link = %self.name, generation, "link connected");
        self.metrics.up.store(true, Ordering::Relaxed);
        self.shared.queue.push([Input::LinkConnected { link, generation }]);
        let mut session = Session::new(&self.shared, speech, &self.queue, &self.metrics, generation);
        let lost = session.run(stream, stop).await;
        let unsent = session.unsent();
        self.metrics.up.store(false, Ordering::Relaxed);
        self.metrics.lost.increment(1);
        self.metrics.unsent.increment(unsent.len() as u64);
        // Before the loss: what never left is declined, what may have left is reversed.
        let unsent = unsent.into_iter().map(|request| not_sent(link, request));
        self.shared.queue.push(unsent.chain([Input::LinkLost { link, generation }]));
        lost
    }

    /// Sends back whatever is meant for a connection that is gone, until `stop` or for as long as said.
    async fn reject_until(&self, stop: impl Future<Output = ()>, limit: Option<Duration>) {
        let mut stop = std::pin::pin!(stop);
        let mut timer = std::pin::pin!(tokio::time::sleep(limit.unwrap_or(Duration::from_secs(86_400))));
        let mut messages = VecDeque::new();
        loop {
            self.queue.take(&mut messages);
            let unsent = messages.drain(..).filter_map(|(_, message)| match *message {
                Upstream::Request(request) => {
                    self.metrics.unsent.increment(1);
                    Some(not_sent(self.index, request))
                }
                Upstream::Reversal { .. }
                | Upstream::Advice { .. }
                | Upstream::Script { .. }
                | Upstream::Network { .. }
                | Upstream::KeyAnswer { .. } => None,
            });
            self.shared.queue.push(unsent);
            tokio::select! {
                () = &mut stop => return,
                () = &mut timer => if limit.is_some() { return },
                () = self.queue.filled() => {}
            }
        }
    }
}

/// Why a link is not kept connected any more.
enum Kept {
    /// The switch stops.
    Stopped,
    /// It is to be reached or spoken to otherwise.
    Changed,
}

/// What came of wanting a connection.
enum Reached {
    Host(Stream),
    Nobody(std::io::Error),
    /// An operator wants the link down, or otherwise.
    Unwanted,
    /// The switch stops.
    Stopped,
}

/// The next connection at the door; never, where there is none.
async fn arrival(door: Option<&Door>, shared: &Shared, link: &str) -> Stream {
    match door {
        Some(door) => door.accept(shared, link).await,
        None => std::future::pending().await,
    }
}

/// Ends with the first of the two; the flag says whether that was the first named.
fn either(
    stop: impl Future<Output = ()>,
    other: impl Future<Output = ()>,
) -> (impl Future<Output = ()>, Arc<AtomicBool>) {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let ending = async move {
        tokio::select! {
            biased;
            () = stop => flag.store(true, Ordering::Relaxed),
            () = other => {}
        }
    };
    (ending, stopped)
}

/// Waits between attempts: each twice as long as the one before, shortened at random so that many
/// switches do not knock at once.
struct Backoff {
    min: Duration,
    max: Duration,
    current: Option<Duration>,
}

impl Backoff {
    fn new(shared: &Shared) -> Self {
        let millis = |value: u32| Duration::from_millis(u64::from(value));
        let links = &shared.config.links;
        Self { min: millis(links.backoff_ms_min), max: millis(links.backoff_ms_max), current: None }
    }

    /// Whether nothing failed since the last connection that held.
    fn is_fresh(&self) -> bool {
        self.current.is_none()
    }

    /// The next wait after something that lasted for `lasted`: what held longer than the longest wait
    /// starts over.
    fn next(&mut self, lasted: Duration) -> Duration {
        if lasted > self.max {
            self.current = None;
        }
        let wait = self.current.map_or(self.min, |current| (current * 2).min(self.max));
        self.current = Some(wait);
        let mut random = [0; 2];
        // Without randomness the wait is merely not shortened.
        let _ = getrandom::fill(&mut random);
        let share = u32::from(u16::from_le_bytes(random));
        wait - wait / 2 * share / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff { min: millis(100), max: millis(1_000), current: None };
        for full in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.next(Duration::ZERO);
            assert!(wait <= millis(full) && wait >= millis(full / 2), "{wait:?} of {full}");
        }
        assert!(backoff.next(millis(1_001)) <= millis(100));
    }
}
