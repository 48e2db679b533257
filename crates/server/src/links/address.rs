//! Where a link's host is, or where the switch waits for it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What an address begins with when the link uses TLS.
const TLS: &str = "tls://";
/// What an address begins with when the host connects to the switch.
const LISTEN: &str = "listen://";
/// The same with TLS.
const LISTEN_TLS: &str = "listen+tls://";
/// What stands before the addresses that the host may come from.
const PEERS: &str = "?peer=";
/// Most addresses that a host may come from.
const PEERS_MAX: usize = 16;

/// The address of a link's record, taken apart.
///
/// | address | meaning |
/// |---|---|
/// | `host:8600` | the switch connects |
/// | `tls://host:8600` | the same with TLS; the name must be in the host's certificate |
/// | `listen://0.0.0.0:8600?peer=10.0.0.7,10.0.0.8` | the host connects, from one of these addresses |
/// | `listen+tls://…` | the same with TLS |
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkAddress {
    /// The switch connects.
    Connect {
        /// `host:port`.
        host: String,
        /// Whether by TLS.
        tls: bool,
    },
    /// The host connects.
    Listen {
        /// Where the switch waits.
        on: SocketAddr,
        /// Whether by TLS.
        tls: bool,
        /// Where the host may come from: whoever comes from elsewhere is turned away.
        peers: Vec<IpAddr>,
    },
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkAddressError {
    /// Neither name nor port can be told.
    #[error("an address is host:port, tls://host:port, or listen://IP:PORT?peer=IP")]
    Host,
    /// A switch waits at an address of its own, in numbers.
    #[error("listen:// needs IP:PORT")]
    On,
    /// Who may connect is not said, or too many may.
    #[error("listen:// needs ?peer= and 1 to {PEERS_MAX} IP addresses between commas")]
    Peers,
}

impl FromStr for LinkAddress {
    type Err = LinkAddressError;

    fn from_str(text: &str) -> Result<Self, LinkAddressError> {
        for (scheme, tls) in [(LISTEN, false), (LISTEN_TLS, true)] {
            if let Some(rest) = text.strip_prefix(scheme) {
                let (on, peers) = rest.split_once(PEERS).ok_or(LinkAddressError::Peers)?;
                let on = on.parse().map_err(|_| LinkAddressError::On)?;
                let peers: Result<Vec<IpAddr>, _> = peers.split(',').map(str::parse).collect();
                let peers = peers.map_err(|_| LinkAddressError::Peers)?;
                let few = peers.len() <= PEERS_MAX;
                return if few { Ok(Self::Listen { on, tls, peers }) } else { Err(LinkAddressError::Peers) };
            }
        }
        let secured = text.strip_prefix(TLS);
        let host = secured.unwrap_or(text);
        let (name, port) = host.rsplit_once(':').ok_or(LinkAddressError::Host)?;
        if name.is_empty() || name.contains("//") || port.parse::<u16>().is_err() {
            return Err(LinkAddressError::Host);
        }
        Ok(Self::Connect { host: host.to_owned(), tls: secured.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_who_connects_and_how() {
        let connect = |host: &str, tls| Ok(LinkAddress::Connect { host: host.to_owned(), tls });
        let listen = |peers: &[&str], tls| {
            let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
            Ok(LinkAddress::Listen { on: "0.0.0.0:8600".parse().unwrap(), tls, peers })
        };
        for (text, expected) in [
            ("issuer.example:8600", connect("issuer.example:8600", false)),
            ("tls://[::1]:8600", connect("[::1]:8600", true)),
            ("listen://0.0.0.0:8600?peer=10.0.0.7", listen(&["10.0.0.7"], false)),
            ("listen+tls://0.0.0.0:8600?peer=10.0.0.7,::1", listen(&["10.0.0.7", "::1"], true)),
            ("listen://0.0.0.0:8600", Err(LinkAddressError::Peers)),
            ("listen://0.0.0.0:8600?peer=", Err(LinkAddressError::Peers)),
            ("listen://here:8600?peer=10.0.0.7", Err(LinkAddressError::On)),
            ("8600", Err(LinkAddressError::Host)),
            (":8600", Err(LinkAddressError::Host)),
            ("udp://host:8600", Err(LinkAddressError::Host)),
            ("host:port", Err(LinkAddressError::Host)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
