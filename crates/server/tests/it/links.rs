//! What the two ends of a link tell each other about the link itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::support::{Client, FOREIGN_CARD, config, framed_link, install, read_link, start, until};
use switchyard_core::{Command, Order};
use switchyard_domain::{Actor, LinkOrder};
use switchyard_server::Switch;
use switchyard_wire::{Dialect, Message, Mti};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const DIALECT: &str = "iso87-ascii";
/// The number of the host's own messages.
const HOSTS_OWN: u64 = 424_242;

/// A host that keeps what it hears and says what it is told to say.
#[derive(Default)]
struct Host {
    /// MTI and DE 70 of what came, and DE 39 of answers to its own messages.
    heard: Mutex<Vec<(u16, u64, Option<String>)>>,
    /// What it answers to sign-ons.
    sign_on: Mutex<String>,
    /// DE 70 of what it says next.
    says: Mutex<VecDeque<u64>>,
    spoken: Notify,
}

impl Host {
    async fn start(sign_on: &str) -> (Arc<Self>, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host = Arc::new(Self { sign_on: Mutex::new(sign_on.to_owned()), ..Self::default() });
        let shared = Arc::clone(&host);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&shared).serve(stream));
            }
        });
        (host, address)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let (mut reader, mut writer) = stream.into_split();
        let (frames, mut arrived) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
        let reading = async move {
            while let Some(body) = read_link(&mut reader).await {
                if frames.send(body).is_err() {
                    return;
                }
            }
        };
        let answering = async move {
            loop {
                tokio::select! {
                    body = arrived.recv() => match body {
                        Some(body) => self.hear(&body, &mut writer).await,
                        None => return,
                    },
                    () = self.spoken.notified() => self.speak(&mut writer).await,
                }
            }
        };
        tokio::join!(reading, answering);
    }

    async fn hear(&self, body: &[u8], writer: &mut OwnedWriteHalf) {
        let dialect = Dialect::builtin(DIALECT).unwrap();
        let message = dialect.parse(body).unwrap();
        let (mti, about) = (message.mti().as_u16(), message.number(70).unwrap_or(0));
        let code = message.text(39).map(|code| code.into_owned());
        self.heard.lock().unwrap().push((mti, about, code));
        if !message.mti().is_response() {
            let answer = self.answer(dialect, &message, about);
            let _ = writer.write_all(&answer).await;
        }
    }

    fn answer(&self, dialect: &Dialect, message: &Message<'_, '_>, about: u64) -> Vec<u8> {
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, message.mti().reply());
        for de in [2, 3, 4, 7, 11, 37] {
            builder.echo(message, de).unwrap();
        }
        let sign_on = self.sign_on.lock().unwrap().clone();
        let code = if (message.mti().as_u16(), about) == (0x0800, 1) { &sign_on[..] } else { "00" };
        builder.text(39, code).unwrap();
        for de in [41, 42, 49, 70] {
            builder.echo(message, de).unwrap();
        }
        builder.finish().unwrap();
        framed_link(&body)
    }

    async fn speak(&self, writer: &mut OwnedWriteHalf) {
        let Some(about) = self.says.lock().unwrap().pop_front() else { return };
        let mut body = Vec::new();
        let mut builder = Dialect::builtin(DIALECT).unwrap().builder(&mut body, Mti::new(0x0800));
        builder.digits(7, b"1123085500").unwrap().number(11, HOSTS_OWN).unwrap();
        builder.number(70, about).unwrap().finish().unwrap();
        let _ = writer.write_all(&framed_link(&body)).await;
    }

    /// Says something about the link and waits until the switch has answered it.
    async fn say(&self, about: u64) {
        let before = self.count(0x0810, about);
        self.says.lock().unwrap().push_back(about);
        self.spoken.notify_one();
        until("the switch answers", || self.count(0x0810, about) > before).await;
        let heard = self.heard.lock().unwrap();
        let answer = heard.iter().rfind(|(mti, of, _)| (*mti, *of) == (0x0810, about)).unwrap();
        assert_eq!(answer.2.as_deref(), Some("00"));
    }

    fn count(&self, mti: u16, about: u64) -> usize {
        self.heard.lock().unwrap().iter().filter(|(m, of, _)| (*m, *of) == (mti, about)).count()
    }
}

/// Whether a series of the page has this line.
fn shows(switch: &Switch, line: &str) -> bool {
    switch.handle().metrics_page().lines().any(|have| have == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_signs_off_hears_nothing_until_it_signs_on_again() {
    let (host, address) = Host::start("00").await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    host.say(2).await;
    until("it shows", || shows(&switch, "switch_link_signed_on{link=\"issuer\"} 0")).await;
    assert!(shows(&switch, "switch_link_up{link=\"issuer\"} 1"), "the connection stays");
    let requests = host.count(0x0200, 0);
    stan += 1;
    assert_eq!(client.ask(&client.sale(FOREIGN_CARD, stan, 500)).await.code, "91");
    assert_eq!(host.count(0x0200, 0), requests, "it has heard nothing of that");
    host.say(301).await;
    host.say(1).await;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    assert!(host.count(0x0800, 1) >= 2, "the switch signed on anew");
    switch.shutdown().await.unwrap();
    assert_eq!(host.count(0x0800, 2), 1, "a switch that ends says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_taken_down_signs_off_before_it_closes() {
    let (host, address) = Host::start("00").await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    let order = |what| {
        let order = Order::Link { link: "issuer".into(), what, reason: "maintenance".parse().unwrap() };
        switch.command(Actor::Switch, Command::Order(order))
    };
    order(LinkOrder::Down).await.unwrap();
    until("the link is down", || !switch.status().links[0].up).await;
    assert_eq!(host.count(0x0800, 2), 1, "before the connection ended");
    order(LinkOrder::Up).await.unwrap();
    assert_eq!(client.reached(&mut stan).await.code, "00");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_sign_on_is_counted_and_shown() {
    let (host, address) = Host::start("05").await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(address));
    let (switch, _) = start(dir.path(), config()).await;
    let counted = || {
        let page = switch.handle().metrics_page();
        let name = "switch_link_sign_ons_refused_total{link=\"issuer\",class=\"declined\"} ";
        page.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    until("the refusal is counted", || counted() > 0).await;
    assert!(shows(&switch, "switch_link_up{link=\"issuer\"} 1"), "there is a connection");
    assert!(shows(&switch, "switch_link_signed_on{link=\"issuer\"} 0"), "and no sign-on");
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    assert_eq!(client.ask(&client.sale(FOREIGN_CARD, 9, 500)).await.code, "91");
    // It takes the next one.
    *host.sign_on.lock().unwrap() = "00".to_owned();
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    until("it shows", || shows(&switch, "switch_link_signed_on{link=\"issuer\"} 1")).await;
    assert!(shows(&switch, "switch_link_resting{link=\"issuer\"} 0"));
    switch.shutdown().await.unwrap();
}
