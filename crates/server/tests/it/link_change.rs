//! A link's host moves to another address while terminals are at work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Client, FOREIGN_CARD, answer_of, config, install, read_link, start, until};
use switchyard_core::{Command, CommandOutcome, LinkChange, Order};
use switchyard_domain::{Actor, Record, SafId};
use switchyard_wire::Dialect;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// A host that answers everything with `00`, or hears and says nothing while it is `mute`.
#[derive(Clone)]
struct Host {
    address: SocketAddr,
    /// MTI and DE 90 of what takes something back.
    undone: Arc<Mutex<Vec<(u16, String)>>>,
    mute: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host =
            Self { address, undone: Arc::default(), mute: Arc::default(), connections: Arc::default() };
        let serving = host.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        host
    }

    async fn serve(self, mut stream: TcpStream) {
        let dialect = Dialect::builtin("iso87-ascii").unwrap();
        while let Some(body) = read_link(&mut stream).await {
            let message = dialect.parse(&body).unwrap();
            let mti = message.mti().as_u16();
            if matches!(mti, 0x0420 | 0x0421) {
                let original = message.text(90).unwrap().into_owned();
                self.undone.lock().unwrap().push((mti, original));
            }
            if self.mute.load(Ordering::Relaxed) {
                continue;
            }
            if stream.write_all(&answer_of(dialect, &message)).await.is_err() {
                return;
            }
        }
    }

    fn originals(&self) -> BTreeSet<String> {
        self.undone.lock().unwrap().iter().map(|(_, original)| original.clone()).collect()
    }
}

/// Sells one thing after the other until the host behind the link has approved one.
async fn sell(mut client: Client, mut stan: u64) {
    loop {
        stan += 1;
        if client.ask(&client.sale(FOREIGN_CARD, stan, 500)).await.code == "00" {
            return;
        }
    }
}

fn to(address: SocketAddr) -> Command {
    let change = LinkChange {
        address: Some(address.to_string()),
        answer_timeout_ms: Some(20_000),
        ..LinkChange::default()
    };
    let reason = "their new data centre".parse().unwrap();
    Command::Order(Order::ChangeLink { link: "issuer".into(), change, reason, dry_run: false })
}

/// How often each entry of the queue was delivered, and how many were queued.
fn queue_of(dir: &std::path::Path) -> (usize, BTreeMap<SafId, usize>) {
    let (mut queued, mut delivered) = (0, BTreeMap::<SafId, usize>::new());
    switchyard_server::replay(&dir.join("ledger"), |stamped| {
        match &stamped.record {
            Record::Resolved { saf: Some(_), .. } | Record::ReversalTaken { saf: Some(_), .. } => queued += 1,
            Record::SafDelivered { id, .. } => *delivered.entry(*id).or_default() += 1,
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    (queued, delivered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_goes_to_another_address_under_load_and_its_queue_drains_there_once() {
    let (old, new) = (Host::start().await, Host::start().await);
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(old.address));
    let (switch, fatal) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    let before = old.originals().len();
    old.mute.store(true, Ordering::Relaxed);
    // What nobody answers is in doubt, and its reversal waits for a host that does not answer either.
    let frames: Vec<u8> =
        (1..=4).flat_map(|next| client.sale(FOREIGN_CARD, stan + next, 500 + next)).collect();
    client.stream.write_all(&frames).await.unwrap();
    for _ in 0..4 {
        assert_eq!(client.read().await.code, "98");
    }
    until("four reversals wait", || switch.status().saf_waiting >= 4).await;
    let selling = tokio::spawn(sell(client, stan + 4));
    let changed = switch.command(Actor::Switch, to(new.address)).await.unwrap();
    assert!(matches!(changed, CommandOutcome::Altered { recorded: true, ref fields } if fields.len() == 2));
    until("the queue to drain at the new address", || switch.status().saf_waiting == 0).await;
    until("four reversals at the new address", || new.originals().len() >= 4).await;
    selling.await.unwrap();
    until("the last reversal", || switch.status().saf_waiting == 0 && switch.status().unresolved == 0).await;
    let connections = old.connections.load(Ordering::Relaxed);
    switch.shutdown().await.unwrap();
    let (queued, delivered) = queue_of(dir.path());
    assert!(queued >= 4 && delivered.len() == queued, "{queued} queued, {delivered:?}");
    assert!(delivered.values().all(|count| *count == 1), "each is delivered once: {delivered:?}");
    assert_eq!(new.originals().len() + before, queued, "and each of them at the new address");

    // A start takes the address in force.
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 500_000;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    assert_eq!(old.connections.load(Ordering::Relaxed), connections, "nobody knocks at the old one");
    switch.shutdown().await.unwrap();
    assert!(fatal.lock().unwrap().is_none());
}
