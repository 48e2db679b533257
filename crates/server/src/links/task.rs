//! Keeps a link connected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchyard_core::{Input, Upstream};
use switchyard_domain::{Link, LinkIndex};
use switchyard_wire::{Dialect, Framing};
use tokio::net::TcpStream;

use super::LinkQueue;
use super::session::{Lost, Session, Speech};
use crate::metrics::LinkMetrics;
use crate::shared::Shared;
use crate::tls::{self, Stream};

/// What an address begins with when the link uses TLS.
const TLS_SCHEME: &str = "tls://";

/// One link.
pub(super) struct LinkTask {
    shared: Arc<Shared>,
    index: LinkIndex,
    link: Link,
    queue: Arc<LinkQueue>,
    metrics: Arc<LinkMetrics>,
    generation: u32,
}

impl LinkTask {
    pub(super) fn new(shared: Arc<Shared>, index: LinkIndex, link: Link, queue: Arc<LinkQueue>) -> Self {
        let metrics = Arc::clone(&queue.metrics);
        Self { shared, index, link, queue, metrics, generation: 0 }
    }

    /// Connects and serves until `stop`.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let Some(speech) = self.speech() else {
            tracing::error!(link = %self.link.name, "the link's dialect or framing is unknown; it stays down");
            return self.reject_until(stop, None).await;
        };
        let mut backoff = Backoff::new(&self.shared);
        loop {
            if !self.queue.is_wanted() {
                let wanted = self.queue.until_wanted(true);
                let (ending, stopped) = either(&mut stop, wanted);
                self.reject_until(ending, None).await;
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                backoff.current = None;
            }
            let connecting = self.connect();
            let stream = tokio::select! {
                biased;
                () = &mut stop => return,
                stream = connecting => stream,
            };
            let started = Instant::now();
            match stream {
                Ok(stream) => {
                    let queue = Arc::clone(&self.queue);
                    let (ending, stopped) = either(&mut stop, queue.until_wanted(false));
                    let lost = self.serve(&speech, stream, ending).await;
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    if matches!(lost, Lost::Stopped) {
                        tracing::info!(link = %self.link.name, "link is down by order");
                        continue;
                    }
                    tracing::warn!(link = %self.link.name, error = %lost, "link lost");
                }
                Err(error) if backoff.is_fresh() => {
                    tracing::warn!(link = %self.link.name, %error, "link cannot be connected");
                }
                Err(error) => tracing::debug!(link = %self.link.name, %error, "link cannot be connected"),
            }
            let wait = backoff.next(started.elapsed());
            // An order need not wait for the end of the back-off.
            let (ending, stopped) = either(&mut stop, self.queue.until_wanted(false));
            self.reject_until(ending, Some(wait)).await;
            if stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn speech(&self) -> Option<Speech> {
        Some(Speech {
            index: self.index,
            dialect: Dialect::builtin(self.link.dialect.name())?,
            framing: self.link.framing.parse::<Framing>().ok()?,
            answer_timeout: Duration::from_millis(u64::from(self.link.answer_timeout_ms)),
        })
    }

    async fn connect(&self) -> std::io::Result<Stream> {
        let limit = Duration::from_millis(u64::from(self.shared.config.links.connect_timeout_ms));
        tokio::time::timeout(limit, self.open()).await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }

    /// The connection, and TLS on it when the address asks for it.
    async fn open(&self) -> std::io::Result<Stream> {
        let address = &self.link.address;
        let secured = address.strip_prefix(TLS_SCHEME);
        let stream = TcpStream::connect(secured.unwrap_or(address)).await?;
        stream.set_nodelay(true)?;
        let Some(secured) = secured else { return Ok(Stream::Plain(stream)) };
        let Some(tls) = &self.shared.tls.links else {
            return Err(std::io::Error::other("links.tls_authorities is not set: no host could be believed"));
        };
        let name = secured.rsplit_once(':').map_or(secured, |(name, _)| name);
        tls::connect(tls, stream, name.trim_matches(['[', ']'])).await
    }

    async fn serve(&mut self, speech: &Speech, stream: Stream, stop: impl Future<Output = ()>) -> Lost {
        self.generation += 1;
        let (link, generation) = (self.index, self.generation);
        tracing::info!(link = %self.link.name, generation, "link connected");
        self.metrics.up.store(true, Ordering::Relaxed);
        self.shared.queue.push([Input::LinkConnected { link, generation }]);
        let mut session = Session::new(&self.shared, speech, &self.queue, &self.metrics, generation);
        let lost = session.run(stream, stop).await;
        let unsent = session.unsent();
        self.metrics.up.store(false, Ordering::Relaxed);
        self.metrics.lost.increment(1);
        self.metrics.unsent.increment(unsent.len() as u64);
        // Before the loss: what never left is declined, what may have left is reversed.
        let unsent =
            unsent.into_iter().map(|(transaction, request)| Input::NotSent { link, transaction, request });
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
                    let transaction = request.opened.id;
                    Some(Input::NotSent { link: self.index, transaction, request: Some(request) })
                }
                Upstream::Reversal { .. } | Upstream::Advice { .. } | Upstream::Network { .. } => None,
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
