//! Takes connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::Connections;
use super::socket::Socket;
use crate::metrics::Closed;
use crate::shared::{Phase, Shared, reached};

/// Wait after a failed accept: it fails for want of file descriptors, and spinning frees none.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Takes connections until the switch drains.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut draining = std::pin::pin!(reached(shared.phase.subscribe(), Phase::Draining));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => take(&shared, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let Some(place) = Connections::enter(shared, peer.ip()) else {
        shared.metrics.connections_refused.increment(1);
        return;
    };
    shared.metrics.connections_accepted.increment(1);
    // An answer is one write: waiting for more to send with it only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay cannot be set");
    }
    let socket = Socket::new(Arc::clone(shared), stream, place);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let alarm = Alarm(peer);
        let reason = socket.run().await;
        drop(alarm);
        shared.metrics.closed(reason);
        match reason {
            Closed::BadLength | Closed::BadEnvelope | Closed::Garbage | Closed::FrameDeadline => {
                tracing::warn!(%peer, reason = reason.label(), "connection closed");
            }
            Closed::Peer | Closed::Idle | Closed::OutputDeadline | Closed::Error | Closed::Shutdown => {
                tracing::debug!(%peer, reason = reason.label(), "connection closed");
            }
        }
    });
}

/// Says so when a connection's task panics; the others go on.
struct Alarm(SocketAddr);
impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(peer = %self.0, "a connection's task panicked");
        }
    }
}
