//! Keeps a link connected: by as many connections as it is to have, made by the switch or by the host.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchyard_core::Input;
use switchyard_domain::{LinkIndex, LinkSettings};
use switchyard_wire::{Dialect, Framing};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

use super::LinkHandle;
use super::address::LinkAddress;
use super::door::Door;
use super::session::{Ending, Lost, Session, Speech, not_sent};
use crate::shared::{Phase, Shared, reached};
use crate::tls::{self, Stream};

/// One link.
pub(super) struct LinkTask {
    pub(super) shared: Arc<Shared>,
    pub(super) index: LinkIndex,
    pub(super) name: String,
    pub(super) handle: Arc<LinkHandle>,
}

/// How a link is reached and spoken to for now.
struct Way {
    settings: LinkSettings,
    speech: Speech,
    address: LinkAddress,
}

impl LinkTask {
    /// Keeps the link connected until the switch stops, as the settings of the moment say.
    pub(super) async fn run(self: Arc<Self>) {
        while !self.is_stopping() {
            let settings = self.handle.in_force.settings();
            let Some(way) = self.way(settings.clone()) else {
                tracing::error!(link = %self.name, "the link's dialect, framing or address is unknown; it stays down");
                tokio::select! {
                    () = self.until_stopping() => return,
                    () = self.handle.in_force.until_other(&settings) => continue,
                }
            };
            let way = Arc::new(way);
            while !self.is_stopping() && self.handle.in_force.is_as(&way.settings) {
                tokio::select! {
                    () = self.until_stopping() => return,
                    () = self.handle.in_force.until_other(&way.settings) => break,
                    () = self.handle.until_wanted(true) => {}
                }
                match &way.address {
                    LinkAddress::Connect { .. } => self.dial_all(&way).await,
                    LinkAddress::Listen { on, peers, tls } => self.listen(&way, *on, peers, *tls).await,
                }
            }
            if !self.is_stopping() {
                tracing::info!(link = %self.name, "the link is reached or spoken to in another way from now on");
            }
        }
    }

    fn way(&self, settings: LinkSettings) -> Option<Way> {
        let speech = Speech {
            index: self.index,
            dialect: Dialect::builtin(settings.dialect.name())?,
            framing: settings.framing.parse::<Framing>().ok()?,
        };
        let address = settings.address.parse().ok()?;
        Some(Way { settings, speech, address })
    }

    fn is_stopping(&self) -> bool {
        *self.shared.phase.borrow() >= Phase::Stopping
    }

    async fn until_stopping(&self) {
        reached(self.shared.phase.subscribe(), Phase::Stopping).await;
    }

    /// Resolves when none of the link's connections may stay.
    async fn until_let_go(&self, way: &Way) -> Ending {
        tokio::select! {
            biased;
            () = self.until_stopping() => match *self.shared.phase.borrow() {
                Phase::Failed => Ending::Failed,
                _ => Ending::Order,
            },
            () = self.handle.until_wanted(false) => Ending::Order,
            () = self.handle.in_force.until_other(&way.settings) => Ending::Changed,
        }
    }

    /// Resolves when one of the connections that the switch makes may not stay.
    async fn until_spared(&self, way: &Way, place: usize) -> Ending {
        tokio::select! {
            biased;
            ending = self.until_let_go(way) => ending,
            () = self.handle.in_force.until_at_most(place) => Ending::Order,
        }
    }

    /// The switch makes the connections. Comes back when all of them have been let go.
    async fn dial_all(self: &Arc<Self>, way: &Arc<Way>) {
        let mut dialers = JoinSet::new();
        loop {
            // Places come free from the last one down, and are taken again from there up.
            while dialers.len() < self.handle.in_force.connections() && self.may_stay(way) {
                let place = dialers.len();
                dialers.spawn(Arc::clone(self).dial(Arc::clone(way), place));
            }
            let count = dialers.len();
            tokio::select! {
                ended = dialers.join_next() => match ended {
                    Some(ended) => unless_panicked(ended),
                    None => return,
                },
                () = self.handle.in_force.until_more_than(count), if self.may_stay(way) => {}
            }
        }
    }

    /// Whether the link is to have connections, and this way.
    fn may_stay(&self, way: &Way) -> bool {
        !self.is_stopping() && self.handle.is_wanted() && self.handle.in_force.is_as(&way.settings)
    }

    /// Keeps one of the link's connections until it is let go.
    async fn dial(self: Arc<Self>, way: Arc<Way>, place: usize) {
        let mut backoff = Backoff::new(&self.shared);
        loop {
            let started = Instant::now();
            let connected = tokio::select! {
                biased;
                _ = self.until_spared(&way, place) => return,
                stream = self.connect(&way) => stream,
            };
            match connected {
                Ok(stream) => {
                    if self.serve(&way.speech, stream, self.until_spared(&way, place)).await.is_break() {
                        return;
                    }
                }
                Err(error) if backoff.is_fresh() => {
                    tracing::warn!(link = %self.name, %error, "link cannot be connected");
                }
                Err(error) => tracing::debug!(link = %self.name, %error, "link cannot be connected"),
            }
            // An order need not wait for the end of the back-off.
            tokio::select! {
                biased;
                _ = self.until_spared(&way, place) => return,
                () = tokio::time::sleep(backoff.next(started.elapsed())) => {}
            }
        }
    }

    /// The host makes the connections: it is for the host to try again. Where it has as many as it may have, one more is made
    /// in the place of the oldest, which it has given up. Comes back when all of them have been let go.
    async fn listen(self: &Arc<Self>, way: &Arc<Way>, on: SocketAddr, peers: &[IpAddr], tls: bool) {
        let Some(door) = self.open(way, on, peers, tls).await else { return };
        let (mut sessions, mut standing) =
            (JoinSet::new(), VecDeque::<(u64, oneshot::Sender<Ending>)>::new());
        for number in 0_u64.. {
            let arrived = loop {
                tokio::select! {
                    biased;
                    _ = self.until_let_go(way) => break None,
                    Some(ended) = sessions.join_next() => {
                        let ended = ended.unwrap_or_else(|error| panicked(error));
                        standing.retain(|(number, _)| *number != ended);
                    }
                    () = self.handle.in_force.until_at_most(standing.len().saturating_sub(1)), if standing.len() > 1 => {
                        let_go(&mut standing, Ending::Order);
                    }
                    stream = door.accept(&self.shared, &self.name) => break Some(stream),
                }
            };
            let Some(stream) = arrived else { break };
            while standing.len() >= self.handle.in_force.connections() {
                let_go(&mut standing, Ending::Replaced);
            }
            let (sender, told) = oneshot::channel();
            standing.push_back((number, sender));
            let (task, way) = (Arc::clone(self), Arc::clone(way));
            sessions.spawn(async move {
                let over = async {
                    tokio::select! {
                        biased;
                        ending = task.until_let_go(&way) => ending,
                        Ok(ending) = told => ending,
                    }
                };
                // Whatever it ended by: there is nothing to hold back.
                let _ = task.serve(&way.speech, stream, over).await;
                number
            });
        }
        drop(door);
        while let Some(ended) = sessions.join_next().await {
            unless_panicked(ended.map(drop));
        }
    }

    /// Where the host may connect; none when it is let go before that could be.
    async fn open(&self, way: &Way, on: SocketAddr, peers: &[IpAddr], tls: bool) -> Option<Door> {
        let mut backoff = Backoff::new(&self.shared);
        loop {
            match Door::open(on, peers, tls).await {
                Ok(door) => return Some(door),
                Err(error) if backoff.is_fresh() => {
                    tracing::warn!(link = %self.name, %error, "nobody can be waited for at the link's address");
                }
                Err(error) => {
                    tracing::debug!(link = %self.name, %error, "nobody can be waited for at the link's address");
                }
            }
            tokio::select! {
                _ = self.until_let_go(way) => return None,
                () = tokio::time::sleep(backoff.next(Duration::ZERO)) => {}
            }
        }
    }

    async fn connect(&self, way: &Way) -> std::io::Result<Stream> {
        let LinkAddress::Connect { host, tls } = &way.address else {
            return Err(std::io::ErrorKind::Unsupported.into());
        };
        let limit = Duration::from_millis(u64::from(self.shared.config.links.connect_timeout_ms));
        let connecting = tokio::time::timeout(limit, self.reach(host, *tls));
        connecting.await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }

    /// The connection, and TLS on it when the address asks for it.
    async fn reach(&self, host: &str, tls: bool) -> std::io::Result<Stream> {
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

    /// Serves a connection until it ends; breaks when it was let go.
    async fn serve(
        &self,
        speech: &Speech,
        stream: Stream,
        over: impl Future<Output = Ending>,
    ) -> ControlFlow<()> {
        let (link, metrics) = (self.index, &self.handle.metrics);
        let mut session = Session::new(&self.shared, speech, &self.handle);
        let generation = session.generation();
        tracing::info!(link = %self.name, generation, "link connected");
        self.shared.queue.push([Input::LinkConnected { link, generation }]);
        let lost = session.run(stream, over).await;
        let unsent = session.unsent();
        metrics.lost.increment(1);
        metrics.unsent.increment(unsent.len() as u64);
        // Before the loss: what never left goes another way, what may have left is reversed.
        let unsent = unsent.into_iter().map(|request| not_sent(link, request));
        self.shared.queue.push(unsent.chain([Input::LinkLost { link, generation }]));
        if let Lost::Ended(ending) = lost {
            let why = match ending {
                Ending::Order => "by order",
                Ending::Changed => "the link was changed",
                Ending::Replaced => "its host connected again",
                Ending::Failed => "the switch has failed",
            };
            tracing::info!(link = %self.name, generation, why, "link's connection was let go");
            return ControlFlow::Break(());
        }
        tracing::warn!(link = %self.name, generation, error = %lost, "link lost");
        ControlFlow::Continue(())
    }
}

/// Lets the oldest connection go.
fn let_go(standing: &mut VecDeque<(u64, oneshot::Sender<Ending>)>, ending: Ending) {
    if let Some((_, oldest)) = standing.pop_front() {
        // One that has ended meanwhile need not be told.
        let _ = oldest.send(ending);
    }
}

/// A panic of a connection is one of its link, which the switch cannot do without.
fn unless_panicked(ended: Result<(), JoinError>) {
    ended.unwrap_or_else(|error| panicked(error));
}

fn panicked(error: JoinError) -> ! {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("a connection's task was ended: {error}"),
    }
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
