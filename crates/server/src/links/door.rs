//! Where a link's host connects to the switch.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::shared::{ACCEPT_RETRY, Shared};
use crate::tls::{self, Stream};

/// A listener for one link's host.
pub(super) struct Door {
    listener: TcpListener,
    peers: Vec<IpAddr>,
    tls: bool,
}

impl Door {
    pub(super) async fn open(on: SocketAddr, peers: &[IpAddr], tls: bool) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(on).await?, peers: peers.to_vec(), tls })
    }

    /// The next connection of the host. Others are closed without a byte; what fails is waited for again, because the
    /// host will try again too.
    pub(super) async fn accept(&self, shared: &Shared, link: &str) -> Stream {
        let limit = Duration::from_millis(u64::from(shared.config.links.connect_timeout_ms));
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(link, %error, "a host's connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            if !self.peers.contains(&peer.ip().to_canonical()) {
                tracing::warn!(link, %peer, "somebody else than the link's host is turned away");
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(link, %error, "no delay cannot be set");
            }
            match (self.tls, &shared.tls.link_hosts) {
                (false, _) => return Stream::Plain(stream),
                (true, None) => {
                    tracing::warn!(
                        link,
                        "links.tls_certificate is not set: the host cannot be answered by TLS"
                    );
                }
                (true, Some(tls)) => match tls::accept(tls, stream, limit).await {
                    Ok(stream) => return stream,
                    Err(error) => tracing::warn!(link, %peer, %error, "no TLS"),
                },
            }
        }
    }
}
