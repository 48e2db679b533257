//! Connections for HTTP: counted, and with TLS where it is configured.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Stream, Tls};
use crate::metrics::Metrics;
use crate::shared::ACCEPT_RETRY;

/// A handshake takes two round trips.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// A listener that closes at once what is above its limit.
pub(crate) struct HttpListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    tls: Arc<Tls>,
    metrics: Arc<Metrics>,
    /// Handshakes are made beside each other: one that is slow holds up nobody. As many may wait as there are places.
    sender: mpsc::UnboundedSender<(HttpStream, SocketAddr)>,
    receiver: mpsc::UnboundedReceiver<(HttpStream, SocketAddr)>,
}

impl HttpListener {
    pub(crate) fn new(
        listener: TcpListener,
        connections_max: u32,
        tls: Arc<Tls>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(connections_max as usize));
        Self { listener, places, tls, metrics, sender, receiver }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) -> Option<(HttpStream, SocketAddr)> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.http_connections_refused.increment(1);
            return None;
        };
        if self.tls.http.is_none() {
            return Some((HttpStream { stream: Stream::Plain(stream), _place: place }, peer));
        }
        let (tls, sender) = (Arc::clone(&self.tls), self.sender.clone());
        tokio::spawn(async move {
            let Some(tls) = &tls.http else { return };
            match super::accept(tls, stream, HANDSHAKE_LIMIT).await {
                Ok(stream) => drop(sender.send((HttpStream { stream, _place: place }, peer))),
                Err(error) => tracing::debug!(%peer, %error, "no TLS"),
            }
        });
        None
    }
}

impl axum::serve::Listener for HttpListener {
    type Io = HttpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = tokio::select! {
                Some(ready) = self.receiver.recv() => return ready,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(ready) = self.take(stream, peer) {
                        return ready;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place back when it ends.
pub(crate) struct HttpStream {
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
