//! TLS 1.2 and 1.3: for terminals, for HTTP and towards issuers' hosts.
//!
//! Certificates are files, and are read again when the files change: new connections get the new ones, those
//! that are open go on. Files that cannot be used are said so and change nothing.

mod files;
mod listener;
mod names;
mod stream;

pub use files::TlsError;
use files::{ClientTls, ServerTls, TlsFiles};
pub(crate) use listener::HttpListener;
pub(crate) use names::PeerCertificate;
pub(crate) use stream::Stream;

use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::config::Config;

/// Takes the server's part of a handshake, which must end within `limit`.
pub(crate) async fn accept(tls: &ServerTls, stream: TcpStream, limit: Duration) -> std::io::Result<Stream> {
    let accepting = tls.acceptor().accept(stream);
    let stream = tokio::time::timeout(limit, accepting).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
}

/// Connects to a host by TLS, which must show a certificate for `name`.
pub(crate) async fn connect(tls: &ClientTls, stream: TcpStream, name: &str) -> std::io::Result<Stream> {
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    let stream = tls.connector().connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
}

/// What is configured of it.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    pub(crate) terminals: Option<ServerTls>,
    pub(crate) http: Option<ServerTls>,
    pub(crate) links: Option<ClientTls>,
    /// For hosts that connect to the switch.
    pub(crate) link_hosts: Option<ServerTls>,
}

impl Tls {
    /// Reads the files that the configuration names.
    pub(crate) fn load(config: &Config) -> Result<Self, TlsError> {
        let (terminals, http, links) = (&config.terminals, &config.http, &config.links);
        let files = |certificate: &Option<PathBuf>, key: &Option<PathBuf>, authorities: &Option<PathBuf>| {
            TlsFiles { certificate: certificate.clone(), key: key.clone(), authorities: authorities.clone() }
        };
        Ok(Self {
            terminals: ServerTls::load(files(
                &terminals.tls_certificate,
                &terminals.tls_key,
                &terminals.tls_client_authorities,
            ))?,
            http: ServerTls::load(files(&http.tls_certificate, &http.tls_key, &http.tls_client_authorities))?,
            links: ClientTls::load(files(&links.tls_certificate, &links.tls_key, &links.tls_authorities))?,
            link_hosts: ServerTls::load(files(
                &links.tls_certificate,
                &links.tls_key,
                &links.tls_authorities,
            ))?,
        })
    }

    /// Reads files again that changed, and says so.
    pub(crate) fn reload(&self) {
        let sides = [
            ("terminals", self.terminals.as_ref().map(ServerTls::reload_if_changed)),
            ("http", self.http.as_ref().map(ServerTls::reload_if_changed)),
            ("links", self.links.as_ref().map(ClientTls::reload_if_changed)),
            ("link hosts", self.link_hosts.as_ref().map(ServerTls::reload_if_changed)),
        ];
        for (side, reloaded) in sides {
            match reloaded {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) => tracing::info!(side, "new certificates are in use"),
                Some(Err(error)) => {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(side, %error, cause, "the certificates before stay in use");
                }
            }
        }
    }
}
