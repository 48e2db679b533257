//! What a connection of a link has handed to the core, as long as the core has not taken it.

use switchyard_core::Input;

use crate::queue::CoreQueue;

/// Inputs of one connection that may wait for the core: as many as a host may owe answers by default. Beyond it the
/// connection is not read, and TCP tells the host; one read more may have been taken apart by then.
pub(super) const INPUTS_WAITING_MAX: usize = 4_096;

/// The way from a connection to the core. The core's queue takes whatever comes from links, for it is what was asked for;
/// what nobody asked for has its end here.
pub(super) struct Backlog<'a> {
    queue: &'a CoreQueue,
    /// How often the core had taken what waited when the last inputs were handed over, and how many were since.
    takes: u64,
    waiting: usize,
}

impl<'a> Backlog<'a> {
    pub(super) fn new(queue: &'a CoreQueue) -> Self {
        Self { queue, takes: 0, waiting: 0 }
    }

    /// Hands inputs over.
    pub(super) fn push(&mut self, inputs: impl ExactSizeIterator<Item = Input>) {
        let count = inputs.len();
        let Some(takes) = self.queue.push_marked(inputs) else { return };
        if takes != self.takes {
            (self.takes, self.waiting) = (takes, 0);
        }
        self.waiting += count;
    }

    /// Whether nothing more may be read now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting > INPUTS_WAITING_MAX && self.queue.takes() == Some(self.takes)
    }

    /// Resolves when something may be read again.
    pub(super) async fn room(&self) {
        if self.is_full() {
            self.queue.taken_since(self.takes).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::session::{Ending, Session, Speech};
    use crate::links::{InForce, LinkHandle, LinkQueue};
    use crate::shared::tests::shared;
    use crate::tls::Stream;
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use switchyard_domain::{LinkDialect, LinkIndex, LinkSettings};
    use switchyard_wire::{Dialect, Framing, Mti};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    fn ticks(count: usize) -> impl ExactSizeIterator<Item = Input> {
        (0..count).map(|_| Input::Tick)
    }

    #[tokio::test]
    async fn a_connection_that_brings_too_much_waits_until_the_core_has_taken_it_and_no_other_does() {
        let queue = CoreQueue::new(1, 1);
        let (mut flooding, mut other) = (Backlog::new(&queue), Backlog::new(&queue));
        let mut inputs = Vec::new();
        for round in 0..3 {
            flooding.push(ticks(INPUTS_WAITING_MAX));
            assert!(!flooding.is_full(), "round {round}");
            flooding.push(ticks(1));
            other.push(ticks(1));
            assert!(flooding.is_full() && !other.is_full(), "round {round}");
            let pause = Duration::from_millis(5);
            assert!(tokio::time::timeout(pause, flooding.room()).await.is_err(), "nobody has taken it");
            let room = flooding.room();
            let taking = async {
                assert!(queue.take(&mut inputs, Instant::now()));
            };
            tokio::join!(room, taking);
            assert_eq!(inputs.len(), INPUTS_WAITING_MAX + 2, "round {round}");
            inputs.clear();
            assert!(!flooding.is_full());
            flooding.room().await;
        }
    }

    #[tokio::test]
    async fn a_core_that_took_it_before_anybody_waited_keeps_nobody() {
        let queue = CoreQueue::new(1, 1);
        let mut backlog = Backlog::new(&queue);
        backlog.push(ticks(INPUTS_WAITING_MAX + 1));
        let room = backlog.room();
        assert!(queue.take(&mut Vec::new(), Instant::now()));
        room.await;
        queue.close();
        backlog.push(ticks(INPUTS_WAITING_MAX + 1));
        backlog.room().await;
    }

    /// A link that nothing is sent over.
    fn idle(name: &str, dialect: LinkDialect) -> Arc<LinkHandle> {
        let (address, framing) = ("127.0.0.1:1".to_owned(), "len2-be".to_owned());
        let settings = LinkSettings {
            address,
            dialect,
            framing,
            answer_timeout_ms: 1_000,
            connections: 1,
            credit_max: None,
        };
        Arc::new(LinkHandle {
            metrics: Arc::new(crate::metrics::LinkMetrics::new(name)),
            queue: LinkQueue::new(1),
            wanted: watch::channel(true).0,
            in_force: InForce::new(settings),
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_host_says_unasked_waits_in_its_socket_while_the_core_is_busy_and_all_of_it_comes() {
        const COUNT: usize = 40_000;
        let shared = shared(&Arc::default());
        let name = "iso87-ascii";
        let handle = idle(name, LinkDialect::named(name).unwrap());
        let dialect = Dialect::builtin(name).unwrap();
        let framing: Framing = "len2-be".parse().unwrap();
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, Mti::new(0x0210));
        builder.digits(7, b"1123085500").unwrap().number(11, 7).unwrap().text(39, "00").unwrap();
        builder.finish().unwrap();
        let mut frame = Vec::new();
        framing.write(&mut frame, |out| out.extend_from_slice(&body)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut host, _) = listener.accept().await.unwrap();
        let flood = frame.repeat(COUNT);
        let flooding = tokio::spawn(async move { host.write_all(&flood).await.map(|()| host) });
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let served = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            let speech = Speech { index: LinkIndex(0), dialect, framing };
            let mut session = Session::new(&served, &speech, &handle);
            let stop = async {
                drop(ended.await);
                Ending::Order
            };
            session.run(Stream::Plain(stream), stop).await;
        });
        let most = INPUTS_WAITING_MAX + super::super::session::READ_BYTES / frame.len() + 1;
        let (mut taken, mut inputs) = (0, Vec::new());
        let begun = Instant::now();
        while taken < COUNT {
            assert!(begun.elapsed() < Duration::from_secs(60), "{taken} of {COUNT}");
            while shared.queue.depth() <= INPUTS_WAITING_MAX.min(COUNT - taken - 1) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Time enough for what should not happen.
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(shared.queue.depth() <= most, "{} of at most {most}", shared.queue.depth());
            assert!(shared.queue.take(&mut inputs, Instant::now()));
            taken += inputs.drain(..).filter(|input| matches!(input, Input::Answer { .. })).count();
        }
        assert_eq!(taken, COUNT);
        drop(flooding.await.unwrap().unwrap());
        drop(end);
        serving.await.unwrap();
    }
}
