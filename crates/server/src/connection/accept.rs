//! Takes connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::Connections;
use super::socket::Socket;
use super::tongue::Tongue;
use crate::metrics::Closed;
use crate::shared::{ACCEPT_RETRY, Phase, Shared, reached};
use crate::tls::{self, Stream};

/// Takes connections of terminals that speak `tongue` until the switch drains.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener, tongue: Tongue) {
    let mut draining = std::pin::pin!(reached(shared.phase.subscribe(), Phase::Draining));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => take(&shared, stream, peer, tongue),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, tongue: Tongue) {
    let Some(place) = Connections::enter(shared, peer.ip()) else {
        shared.metrics.connections_refused.increment(1);
        return;
    };
    shared.metrics.connections_accepted.increment(1);
    // An answer is one write: waiting for more to send with it only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay cannot be set");
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let alarm = Alarm(peer);
        let reason = match &shared.tls.terminals {
            None => Socket::new(Arc::clone(&shared), Stream::Plain(stream), place, tongue).run().await,
            Some(tls) => {
                let limit = Duration::from_millis(u64::from(shared.config.terminals.frame_deadline_ms));
                match tls::accept(tls, stream, limit).await {
                    // Boxed, so that a task without TLS is no larger for it.
                    Ok(stream) => {
                        Box::pin(Socket::new(Arc::clone(&shared), stream, place, tongue).run()).await
                    }
                    Err(error) => {
                        tracing::debug!(%peer, %error, "no TLS");
                        Closed::Handshake
                    }
                }
            }
        };
        drop(alarm);
        shared.metrics.closed(reason);
        match reason {
            Closed::BadLength
            | Closed::BadEnvelope
            | Closed::Garbage
            | Closed::FrameDeadline
            | Closed::Handshake
            | Closed::Certificate => {
                shared.connections.complain(peer, reason);
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
