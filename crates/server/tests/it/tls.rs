//! TLS on all three sides: who is let in, who is not, and certificates that change while connections are open.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::support::{
    CARD, Client, FOREIGN_CARD, Issuer, answer_all, config, connect_from, install, install_at, port, start,
    until,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use switchyard_server::Switch;
use switchyard_server::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const TERMINAL_NAME: &str = "t0000001.898123456789012.terminals";

/// An authority that stands for certificates, each a pair of files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

#[derive(Clone)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("authority.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }
    fn file(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }
    /// Writes a certificate for a name over what was there.
    fn issue(&self, file: &str, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            certificate: self.dir.join(format!("{file}.pem")),
            key: self.dir.join(format!("{file}.key")),
        };
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        pair
    }
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file()).unwrap()).unwrap();
        roots
    }
}

impl Pair {
    fn read(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).unwrap()];
        (chain, PrivateKeyDer::from_pem_file(&self.key).unwrap())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Connects as somebody who believes `authority` and shows `own`.
async fn connect(
    address: SocketAddr,
    authority: &Authority,
    own: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authority.roots());
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (chain, key) = pair.read();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("switch.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A configuration with TLS for terminals, who need certificates of `clients`.
fn secured(own: &Pair, clients: &Authority) -> Config {
    let mut config = config();
    config.terminals.tls_certificate = Some(own.certificate.clone());
    config.terminals.tls_key = Some(own.key.clone());
    config.terminals.tls_client_authorities = Some(clients.file());
    config
}

fn closed(switch: &Switch, reason: &str) -> u64 {
    let name = format!("switch_connections_closed_total{{reason=\"{reason}\"}} ");
    let page = switch.handle().metrics_page();
    page.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_with_its_certificate_is_served_in_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let ours = Authority::new(dir.path(), "ours");
    let (own, terminal) = (ours.issue("switch", "switch.example"), ours.issue("terminal", TERMINAL_NAME));
    let (switch, _) = start(&dir.path().join("data"), secured(&own, &ours)).await;
    for (stan, version) in [(1, &rustls::version::TLS12), (2, &rustls::version::TLS13)] {
        let stream = connect(switch.addresses().terminals, &ours, Some(&terminal), &[version]).await.unwrap();
        let mut client = Client::over(stream);
        assert_eq!(client.sign_on().await.code, "00");
        let sale = client.sale(CARD, stan, 1_000);
        assert_eq!(client.ask(&sale).await.code, "00");
        // Many answers at once are more than one record, and none stays inside.
        for stan in 0..100 {
            let sale = client.sale(CARD, stan * 10 + 10 + stan, 1);
            client.stream.write_all(&sale).await.unwrap();
        }
        for _ in 0..100 {
            client.read().await;
        }
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_good_certificate_is_not_heard() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let (ours, others) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "others"));
    let own = ours.issue("switch", "switch.example");
    let (switch, _) = start(&dir.path().join("data"), secured(&own, &ours)).await;
    let address = switch.addresses().terminals;
    let foreign = others.issue("terminal", TERMINAL_NAME);
    let mut refused = 0;
    for own in [None, Some(&foreign)] {
        for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
            // A client of version 1.3 hears of its refusal when it reads.
            if let Ok(stream) = connect(address, &ours, own, versions).await {
                assert!(Client::over(stream).is_closed().await);
            }
            refused += 1;
            until("the refusal to be counted", || closed(&switch, "handshake") == refused).await;
        }
    }
    // No TLS at all, and TLS 1.1: a hello of that version, whole, with one suite of its time.
    let old = "16030100310100002d0302000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000002002f01000000";
    let old: Vec<u8> =
        (0..old.len() / 2).map(|i| u8::from_str_radix(&old[2 * i..2 * i + 2], 16).unwrap()).collect();
    let plain = Client::connect(address).await.frame(0x0800, |_| {});
    for bytes in [old, plain] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        // An alert or nothing; a hello of the server would be 0x16.
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:02x?}");
        refused += 1;
        until("the refusal to be counted", || closed(&switch, "handshake") >= refused).await;
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_speaks_for_the_terminals_that_it_names_only() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let ours = Authority::new(dir.path(), "ours");
    let own = ours.issue("switch", "switch.example");
    let mut config = secured(&own, &ours);
    let (switch, _) = start(&dir.path().join("data"), config.clone()).await;
    let address = switch.addresses().terminals;
    let versions = rustls::ALL_VERSIONS;
    for (name, is_served) in [
        ("t0000002.898123456789012.terminals", false),
        ("t0000001.898123456789013.terminals", false),
        ("switch.example", false),
        (TERMINAL_NAME, true),
        ("*.898123456789012.terminals", true),
    ] {
        let pair = ours.issue("terminal", name);
        let mut client = Client::over(connect(address, &ours, Some(&pair), versions).await.unwrap());
        if is_served {
            assert_eq!(client.sign_on().await.code, "00", "{name}");
        } else {
            let sale = client.frame(0x0800, |builder| {
                builder.number(11, 1).unwrap();
                builder
                    .text(41, crate::support::TERMINAL)
                    .unwrap()
                    .text(42, crate::support::MERCHANT)
                    .unwrap();
                builder.text(60, "00000001001").unwrap();
            });
            client.stream.write_all(&sale).await.unwrap();
            assert!(client.is_closed().await, "{name}");
        }
    }
    assert_eq!(closed(&switch, "certificate"), 3);
    switch.shutdown().await.unwrap();

    config.terminals.tls_certificate_names_terminal = false;
    let (switch, _) = start(&dir.path().join("data"), config).await;
    let pair = ours.issue("terminal", "concentrator.example");
    let stream = connect(switch.addresses().terminals, &ours, Some(&pair), versions).await.unwrap();
    assert_eq!(Client::over(stream).sign_on().await.code, "00");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_used_without_a_lost_connection() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let ours = Authority::new(dir.path(), "ours");
    let (own, terminal) = (ours.issue("switch", "switch.example"), ours.issue("terminal", TERMINAL_NAME));
    let (switch, _) = start(&dir.path().join("data"), secured(&own, &ours)).await;
    let address = switch.addresses().terminals;
    let versions = rustls::ALL_VERSIONS;
    let shown = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let stream = connect(address, &ours, Some(&terminal), versions).await.unwrap();
    let first = shown(&stream);
    let mut client = Client::over(stream);
    assert_eq!(client.sign_on().await.code, "00");

    // Files that cannot be used change nothing.
    std::fs::write(&own.certificate, "not a certificate").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let stream = connect(address, &ours, Some(&terminal), versions).await.unwrap();
    assert_eq!(shown(&stream), first);

    ours.issue("switch", "switch.example");
    let mut renewed = false;
    for _ in 0..600 {
        let stream = connect(address, &ours, Some(&terminal), versions).await.unwrap();
        renewed = shown(&stream) != first;
        if renewed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(renewed);
    let sale = client.sale(CARD, 7, 1_000);
    assert_eq!(client.ask(&sale).await.code, "00", "the connection from before goes on");
    switch.shutdown().await.unwrap();
}

/// An issuer's host that wants the switch's certificate; it answers `00` to everything and keeps the types of what it saw.
async fn secured_issuer(own: &Pair, clients: &Authority) -> (SocketAddr, Arc<Mutex<Vec<u16>>>) {
    let (chain, key) = own.read();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<u16>>>::default();
    let keeps = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(answer_all(stream, Arc::clone(&keeps), Arc::default()));
            }
        }
    });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_go_to_hosts_that_prove_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let shown = ours.issue("shown", "switch.example");
    for (name, with_own, is_up) in
        [("localhost", true, true), ("otherhost", true, false), ("localhost", false, false)]
    {
        let (address, seen) = secured_issuer(&ours.issue("host", name), &ours).await;
        let data = tempfile::tempdir().unwrap();
        install_at(data.path(), Some(format!("tls://localhost:{}", address.port())));
        let mut config = config();
        config.links.tls_authorities = Some(ours.file());
        if with_own {
            config.links.tls_certificate = Some(shown.certificate.clone());
            config.links.tls_key = Some(shown.key.clone());
        }
        let (switch, _) = start(data.path(), config).await;
        let mut client = Client::signed_on(switch.addresses().terminals).await;
        let mut stan = 1;
        if is_up {
            assert_eq!(client.reached(&mut stan).await.code, "00");
        } else {
            // Time for some attempts, each of which the other side ends.
            for stan in 1..=5 {
                assert_eq!(client.ask(&client.sale(FOREIGN_CARD, stan, 1_000)).await.code, "91", "{name}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            // By TLS 1.3 a client stands connected until it hears that its certificate is missed: what counts is that
            // nothing goes between the two.
            assert_eq!(*seen.lock().unwrap(), Vec::<u16>::new(), "{name} {with_own}");
        }
        switch.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_connects_by_tls_proves_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "theirs"));
    let shown = ours.issue("shown", "switch.example");
    let at = port().await;
    let data = tempfile::tempdir().unwrap();
    install_at(data.path(), Some(format!("listen+tls://{at}?peer=127.0.0.1")));
    let mut config = config();
    config.links.tls_authorities = Some(ours.file());
    config.links.tls_certificate = Some(shown.certificate.clone());
    config.links.tls_key = Some(shown.key.clone());
    let (switch, _) = start(data.path(), config).await;
    drop(connect_from("127.0.0.1:0", at).await);
    let issuer = Issuer::start().await;
    let host = ours.issue("host", "host.example");
    let stranger = theirs.issue("host", "host.example");
    for (own, is_up) in [(None, false), (Some(&stranger), false), (Some(&host), true)] {
        // A client of TLS 1.3 hears of its refusal with the first bytes that it reads.
        let stream = connect(at, &ours, own, &[&rustls::version::TLS13]).await.unwrap();
        let served = answer_all(stream, Arc::clone(&issuer.seen), Arc::clone(&issuer.silent));
        let task = tokio::spawn(tokio::time::timeout(std::time::Duration::from_secs(60), served));
        if is_up {
            until("the link signs on", || issuer.seen.lock().unwrap().contains(&0x0800)).await;
            assert!(switch.status().links[0].up);
            task.abort();
        } else {
            task.await.unwrap().expect("whoever has no good certificate is let go");
            assert!(issuer.seen.lock().unwrap().is_empty() && !switch.status().links[0].up);
        }
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_authorities_trusts_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::start().await;
    install_at(dir.path(), Some(format!("tls://localhost:{}", issuer.address.port())));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let sale = client.sale(FOREIGN_CARD, 1, 1_000);
    assert_eq!(client.ask(&sale).await.code, "91");
    assert!(issuer.seen.lock().unwrap().is_empty());
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn http_is_served_by_tls_and_to_so_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let ours = Authority::new(dir.path(), "ours");
    let own = ours.issue("switch", "switch.example");
    let mut config = config();
    config.http.tls_certificate = Some(own.certificate);
    config.http.tls_key = Some(own.key);
    config.http.connections_max = 2;
    let (switch, _) = start(&dir.path().join("data"), config).await;
    let address = switch.addresses().http;
    let ask = "GET /livez HTTP/1.1\r\nhost: switch.example\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(address, &ours, None, rustls::ALL_VERSIONS).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        open.push(stream);
    }
    assert!(connect(address, &ours, None, rustls::ALL_VERSIONS).await.is_err(), "above the limit");
    assert!(switch.handle().metrics_page().contains("switch_http_connections_refused_total 1"));
    drop(open);
    let mut has_room = false;
    for _ in 0..600 {
        has_room = connect(address, &ours, None, rustls::ALL_VERSIONS).await.is_ok();
        if has_room {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(has_room, "places are given back");
    switch.shutdown().await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    install(&dir.path().join("data"), None);
    let ours = Authority::new(dir.path(), "ours");
    let (own, other) = (ours.issue("switch", "switch.example"), ours.issue("other", "other.example"));
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    for (certificate, key, part) in [
        (dir.path().join("missing.pem"), own.key.clone(), "missing.pem cannot be read"),
        (dir.path().join("empty.pem"), own.key.clone(), "empty.pem has no certificate"),
        (own.certificate.clone(), other.key.clone(), "switch.pem and its key cannot be used"),
    ] {
        let mut config = config();
        config.http.tls_certificate = Some(certificate);
        config.http.tls_key = Some(key);
        let error = Switch::start(config, &dir.path().join("data"), None).await.err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    }
}
