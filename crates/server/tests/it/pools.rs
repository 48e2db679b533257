//! Links with several connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{
    Client, FOREIGN_CARD, answer_of, config, connect_from, install, install_at, port, read_link, start, until,
};
use switchyard_core::{Command, LinkChange, Order};
use switchyard_domain::Actor;
use switchyard_server::Switch;
use switchyard_wire::Dialect;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What a host knows of one of its connections.
#[derive(Default)]
struct Side {
    /// MTI and DE 70 of what came.
    heard: Mutex<Vec<(u16, u64)>>,
    cut: Notify,
    ended: AtomicBool,
}

impl Side {
    fn count(&self, mti: u16, about: u64) -> usize {
        self.heard.lock().unwrap().iter().filter(|heard| **heard == (mti, about)).count()
    }
    fn is_open(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}

/// A host that answers everything on the connection that it came over, unless it holds its answers back.
#[derive(Default)]
struct Host {
    sides: Mutex<Vec<Arc<Side>>>,
    holds: AtomicBool,
    freed: Notify,
}

impl Host {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (host, address) = (Arc::new(Self::default()), listener.local_addr().unwrap());
        let shared = Arc::clone(&host);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.take(stream);
            }
        });
        (host, address)
    }

    fn take(self: &Arc<Self>, stream: TcpStream) -> Arc<Side> {
        let side = Arc::new(Side::default());
        self.sides.lock().unwrap().push(Arc::clone(&side));
        let (host, shared) = (Arc::clone(self), Arc::clone(&side));
        tokio::spawn(async move {
            tokio::select! {
                () = shared.cut.notified() => {}
                () = host.serve(&shared, stream) => {}
            }
            shared.ended.store(true, Ordering::Relaxed);
        });
        side
    }

    /// It reads on while it holds its answers back.
    async fn serve(&self, side: &Side, stream: TcpStream) {
        let dialect = Dialect::builtin("iso87-ascii").unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let reads = async {
            while let Some(body) = read_link(&mut reader).await {
                let message = dialect.parse(&body).unwrap();
                let mti = message.mti().as_u16();
                side.heard.lock().unwrap().push((mti, message.number(70).unwrap_or(0)));
                answers.send((mti, answer_of(dialect, &message))).unwrap();
            }
        };
        let writes = async {
            while let Some((mti, frame)) = answered.recv().await {
                loop {
                    let freed = self.freed.notified();
                    if mti != 0x0200 || !self.holds.load(Ordering::Relaxed) {
                        break;
                    }
                    freed.await;
                }
                if writer.write_all(&frame).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = reads => {}
            () = writes => {}
        }
    }

    fn open(&self) -> Vec<Arc<Side>> {
        self.sides.lock().unwrap().iter().filter(|side| side.is_open()).cloned().collect()
    }
    fn heard(&self, mti: u16, about: u64) -> usize {
        self.sides.lock().unwrap().iter().map(|side| side.count(mti, about)).sum()
    }
    fn free(&self) {
        self.holds.store(false, Ordering::Relaxed);
        self.freed.notify_waiters();
    }
}

/// A switch before a host, with a terminal.
async fn before(address: SocketAddr) -> (tempfile::TempDir, Switch, Client) {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(address));
    let (switch, _) = start(dir.path(), config()).await;
    let client = Client::signed_on(switch.addresses().terminals).await;
    (dir, switch, client)
}
async fn change(switch: &Switch, connections: u8, credit: Option<u32>) {
    let change = LinkChange { connections: Some(connections), credit_max: credit, ..LinkChange::default() };
    let reason = "more of it".parse().unwrap();
    let order = Order::ChangeLink { link: "issuer".into(), change, reason, dry_run: false };
    switch.command(Actor::Switch, Command::Order(order)).await.unwrap();
}
fn gauge(switch: &Switch, name: &str) -> u64 {
    let (page, name) = (switch.handle().metrics_page(), format!("{name}{{link=\"issuer\"}} "));
    page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap()
}
async fn signed_on(switch: &Switch, count: u64) {
    until("so many connections are signed on", || {
        gauge(switch, "switch_link_connections_signed_on") == count
            && gauge(switch, "switch_link_connections") == count
    })
    .await;
}
/// So many sales one after the other, all of them approved.
async fn sell(client: &mut Client, stan: &mut u64, count: usize) {
    for _ in 0..count {
        *stan += 1;
        assert_eq!(client.ask(&client.sale(FOREIGN_CARD, *stan, 500)).await.code, "00");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_reached_by_several_connections_and_outlives_each_of_them() {
    let (host, address) = Host::start().await;
    let (_dir, switch, mut client) = before(address).await;
    signed_on(&switch, 1).await;
    change(&switch, 3, None).await;
    signed_on(&switch, 3).await;
    assert_eq!(host.heard(0x0800, 1), 3, "each is signed on for itself");
    let mut stan = 10;
    sell(&mut client, &mut stan, 9).await;
    let shares: Vec<usize> = host.open().iter().map(|side| side.count(0x0200, 0)).collect();
    assert_eq!(shares, [3, 3, 3]);

    // One after the other ends, and comes back: nobody hears of it.
    for lost in 1..=3 {
        let oldest = Arc::clone(&host.open()[0]);
        oldest.cut.notify_one();
        until("it has ended", || gauge(&switch, "switch_link_connections_lost_total") == lost).await;
        sell(&mut client, &mut stan, 4).await;
        signed_on(&switch, 3).await;
    }

    // Fewer: those that go are signed off, and the one that stays goes on.
    change(&switch, 1, None).await;
    signed_on(&switch, 1).await;
    until("two have ended", || host.open().len() == 1).await;
    assert_eq!(host.heard(0x0800, 2), 2);
    sell(&mut client, &mut stan, 2).await;
    assert!(host.open()[0].count(0x0800, 2) == 0 && host.open()[0].count(0x0200, 0) >= 2);
    change(&switch, 2, None).await;
    signed_on(&switch, 2).await;
    sell(&mut client, &mut stan, 2).await;
    assert_eq!(switch.status().saf_waiting, 0, "nothing was in doubt at any time");
    switch.shutdown().await.unwrap();
    assert_eq!(host.heard(0x0800, 2), 4, "a switch that ends says so on each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credit_is_of_the_link_whichever_connection_a_request_goes_over() {
    let (host, address) = Host::start().await;
    let (_dir, switch, mut client) = before(address).await;
    change(&switch, 3, Some(2)).await;
    signed_on(&switch, 3).await;
    host.holds.store(true, Ordering::Relaxed);
    let frames: Vec<u8> = (11..=16).flat_map(|stan| client.sale(FOREIGN_CARD, stan, 500)).collect();
    client.stream.write_all(&frames).await.unwrap();
    until("four wait here", || {
        host.heard(0x0200, 0) == 2 && gauge(&switch, "switch_link_queue_messages") == 4
    })
    .await;
    // What is given back on one connection is for all of them.
    host.free();
    for _ in 0..6 {
        assert_eq!(client.read().await.code, "00");
    }
    assert_eq!((host.heard(0x0200, 0), gauge(&switch, "switch_link_queue_messages")), (6, 0));
    // What a connection takes with it when it ends is given back too.
    host.holds.store(true, Ordering::Relaxed);
    let frames: Vec<u8> = (21..=22).flat_map(|stan| client.sale(FOREIGN_CARD, stan, 500)).collect();
    client.stream.write_all(&frames).await.unwrap();
    until("two are asked", || host.heard(0x0200, 0) == 8).await;
    host.open().iter().for_each(|side| side.cut.notify_one());
    host.free();
    until("they have ended", || gauge(&switch, "switch_link_connections_lost_total") >= 3).await;
    signed_on(&switch, 3).await;
    let sold = client.ask(&client.sale(FOREIGN_CARD, 30, 500)).await;
    assert_eq!(sold.code, "00", "before those two are given up");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_connects_more_often_than_it_may_has_given_its_oldest_connection_up() {
    let at = port().await;
    let dir = tempfile::tempdir().unwrap();
    install_at(dir.path(), Some(format!("listen://{at}?peer=127.0.0.1")));
    let (switch, _) = start(dir.path(), config()).await;
    change(&switch, 2, None).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let host = Arc::new(Host::default());
    let mut sides = Vec::new();
    for count in [1, 2, 2, 2] {
        sides.push(host.take(connect_from("127.0.0.1:0", at).await));
        signed_on(&switch, count).await;
        until("the new one counts", || sides.last().unwrap().count(0x0800, 1) == 1).await;
    }
    until("the two oldest have ended", || {
        sides.iter().map(|side| side.is_open()).eq([false, false, true, true])
    })
    .await;
    assert_eq!(host.heard(0x0800, 2), 0, "it has given them up itself");
    signed_on(&switch, 2).await;
    let mut stan = 10;
    sell(&mut client, &mut stan, 4).await;
    assert_eq!([2, 3].map(|side: usize| sides[side].count(0x0200, 0)), [2, 2]);
    change(&switch, 1, None).await;
    signed_on(&switch, 1).await;
    until("the oldest goes, by order", || !sides[2].is_open() && sides[2].count(0x0800, 2) == 1).await;
    sell(&mut client, &mut stan, 1).await;
    switch.shutdown().await.unwrap();
}
