//! The host over real sockets, by script.

use super::*;
use crate::world::{DemoCard, DemoSize, DemoWorld, KeySource};
use switchyard_domain::TransactionKind;
use switchyard_keys::TdesCipher;
use switchyard_keys::pin::{Pin, encode_iso0};
use switchyard_wire::{Dialect, Framing, Mti, Scan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the scripts look at in an answer.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Heard {
    mti: u16,
    code: String,
    auth: Option<String>,
    rrn: Option<String>,
    balance: Option<String>,
}

/// One request of a script.
#[derive(Clone)]
struct Ask {
    mti: u16,
    code: u64,
    condition: u64,
    amount: u64,
    stan: u64,
    rrn: String,
    pin: Option<String>,
    original: Option<(u16, u64)>,
    /// Told, not asked: by a chip, with this in DE 55.
    told_by_chip: Option<&'static [u8]>,
}

fn ask(mti: u16, code: u64, amount: u64, stan: u64) -> Ask {
    let (rrn, pin, original, told_by_chip) = (format!("{stan:012}"), None, None, None);
    Ask { mti, code, condition: 0, amount, stan, rrn, pin, original, told_by_chip }
}

impl Ask {
    fn pin(mut self, pin: &str) -> Self {
        self.pin = Some(pin.to_owned());
        self
    }
    fn about(mut self, mti: u16, stan: u64) -> Self {
        self.original = Some((mti, stan));
        self
    }
    fn at(mut self, condition: u64) -> Self {
        self.condition = condition;
        self
    }
}

struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    dialect: &'static Dialect,
    framing: Framing,
    zpk: TdesCipher,
    card: DemoCard,
}

/// DE 7 of every request: trace numbers alone tell them apart here.
const TRANSMITTED: u64 = 1_122_010_203;

impl Client {
    async fn connect(host: &IssuerHost, world: &DemoWorld, link: &str) -> Self {
        let link = world.link(link).unwrap();
        let mut client = Self {
            stream: TcpStream::connect(host.address()).await.unwrap(),
            buffer: Vec::new(),
            dialect: Dialect::builtin(link.dialect.name()).unwrap(),
            framing: link.framing().unwrap(),
            zpk: TdesCipher::new(&link.zpk.des()),
            card: world.cards_of(&link.name).next().unwrap().clone(),
        };
        assert_eq!(client.manage(1).await, "00");
        client
    }
    async fn manage(&mut self, code: u64) -> String {
        let mut body = Vec::new();
        let mut b = self.dialect.builder(&mut body, Mti::new(0x0800));
        b.number(7, TRANSMITTED).unwrap().number(11, 1).unwrap().number(70, code).unwrap().finish().unwrap();
        self.send(&body).await;
        self.hear().await.code
    }
    async fn ask(&mut self, ask: &Ask) -> Heard {
        let body = self.body(ask);
        self.send(&body).await;
        self.hear().await
    }
    fn body(&self, ask: &Ask) -> Vec<u8> {
        let mut body = Vec::new();
        let mut b = self.dialect.builder(&mut body, Mti::new(ask.mti));
        b.text(2, self.card.pan.expose())
            .unwrap()
            .number(3, ask.code)
            .unwrap()
            .number(4, ask.amount)
            .unwrap();
        b.number(7, TRANSMITTED).unwrap().number(11, ask.stan).unwrap();
        b.number(12, 101_112).unwrap().number(13, 1_122).unwrap().number(18, 5411).unwrap();
        b.number(22, if ask.told_by_chip.is_some() { 52 } else { 21 })
            .unwrap()
            .number(25, ask.condition)
            .unwrap()
            .number(32, 48_023_100)
            .unwrap();
        b.text(37, &ask.rrn).unwrap();
        if ask.told_by_chip.is_some() {
            b.text(39, "00").unwrap();
        }
        b.text(41, "10000001").unwrap().text(42, "898310054110001").unwrap();
        b.text(49, "156").unwrap();
        if let Some(pin) = &ask.pin {
            let clear =
                encode_iso0(&Pin::new(pin.as_bytes()).unwrap(), self.card.pan.expose().as_bytes()).unwrap();
            b.bytes(52, &self.zpk.encrypt_block(clear)).unwrap();
        }
        if let Some(data) = ask.told_by_chip.filter(|data| !data.is_empty()) {
            edition::write_chip(&mut b, data).unwrap();
        }
        if let Some((mti, stan)) = ask.original {
            b.text(90, &format!("{mti:04x}{stan:06}{TRANSMITTED:010}{:011}{:011}", 48_023_100, 0)).unwrap();
        }
        b.finish().unwrap();
        body
    }
    async fn send(&mut self, body: &[u8]) {
        let mut out = Vec::new();
        self.framing.write(&mut out, |out| out.extend_from_slice(body)).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }
    async fn hear(&mut self) -> Heard {
        loop {
            if let Scan::Frame { start, end, consumed } = self.framing.scan(&self.buffer, 4_096) {
                let message = self.dialect.parse(&self.buffer[start..end]).unwrap();
                let text = |de| message.text(de).map(std::borrow::Cow::into_owned);
                let heard = Heard {
                    mti: message.mti().as_u16(),
                    code: text(39).unwrap(),
                    auth: text(38),
                    rrn: text(37),
                    balance: text(54),
                };
                self.buffer.drain(..consumed);
                return heard;
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the host hung up");
        }
    }
}

fn world() -> DemoWorld {
    DemoWorld::generate(5, &DemoSize::default(), KeySource::Seeded).unwrap()
}

async fn start(link: &str) -> (IssuerHost, Client) {
    let world = world();
    let config = IssuerConfig::from_world(&world, link).unwrap();
    let host = IssuerHost::bind("127.0.0.1:0", config).await.unwrap();
    let client = Client::connect(&host, &world, link).await;
    (host, client)
}

#[tokio::test]
async fn both_dialects_sell_check_the_pin_and_tell_the_balance() {
    for link in ["harbour-bank", "river-bank"] {
        let (host, mut client) = start(link).await;
        let pin = client.card.pin.expose().to_owned();
        let sale = client.ask(&ask(0x0200, 0, 5_000, 2).pin(&pin)).await;
        assert_eq!((sale.mti, sale.code.as_str()), (0x0210, "00"), "{link}");
        assert_eq!(sale.auth.as_deref(), Some("000001"));
        assert_eq!(sale.rrn.as_deref(), Some("000000000002"));
        let wrong = if pin == "000000" { "000001" } else { "000000" };
        assert_eq!(client.ask(&ask(0x0200, 0, 5_000, 3).pin(wrong)).await.code, "55");
        assert_eq!(client.ask(&ask(0x0200, 0, 5_000_001, 4).pin(&pin)).await.code, "61");
        let inquiry = client.ask(&ask(0x0200, 310_000, 0, 5).pin(&pin)).await;
        assert_eq!(inquiry.balance.as_deref(), Some("1002156C009999995000"));
        assert_eq!(client.manage(301).await, "00");
        let ledger = host.stop().await;
        assert_eq!(ledger.len(), 1);
        assert_eq!((ledger[0].kind, ledger[0].net_minor()), (TransactionKind::Sale, 5_000));
    }
}

#[tokio::test]
async fn a_repeat_posts_once_and_a_reversal_undoes_once() {
    let (host, mut client) = start("harbour-bank").await;
    let sale = ask(0x0200, 0, 700, 10);
    let first = client.ask(&sale).await;
    assert_eq!(client.ask(&sale).await, first);
    for mti in [0x0420, 0x0421, 0x0421] {
        let reversal = ask(mti, 0, 700, 11).about(0x0200, 10);
        let heard = client.ask(&reversal).await;
        assert_eq!((heard.mti, heard.code.as_str()), (0x0430, "00"));
    }
    let counts = host.counts();
    assert_eq!((counts.approved, counts.reversed, counts.repeats), (1, 1, 3));
    let ledger = host.stop().await;
    assert_eq!((ledger.len(), ledger[0].reversed, ledger[0].net_minor()), (1, true, 0));
}

#[tokio::test]
async fn an_original_that_comes_after_its_reversal_posts_nothing() {
    let (host, mut client) = start("river-bank").await;
    let reversal = ask(0x0420, 0, 700, 21).about(0x0200, 20);
    assert_eq!(client.ask(&reversal).await.code, "00");
    assert_eq!(client.ask(&ask(0x0200, 0, 700, 20)).await.code, "22");
    assert_eq!(host.counts().tombstones, 1);
    assert!(host.stop().await.is_empty());
}

#[tokio::test]
async fn refunds_never_exceed_the_sale_and_a_refunded_sale_is_not_voided() {
    let (host, mut client) = start("harbour-bank").await;
    assert_eq!(client.ask(&ask(0x0200, 0, 1_000, 30)).await.code, "00");
    let refund = |amount, stan| ask(0x0220, 200_000, amount, stan).about(0x0200, 30);
    let heard = client.ask(&refund(600, 31)).await;
    assert_eq!((heard.mti, heard.code.as_str()), (0x0230, "00"));
    assert_eq!(client.ask(&refund(401, 32)).await.code, "61");
    assert_eq!(client.ask(&refund(400, 33)).await.code, "00");
    assert_eq!(client.ask(&ask(0x0200, 200_000, 1_000, 34).about(0x0200, 30)).await.code, "25");
    assert_eq!(host.ledger().iter().map(IssuerEntry::net_minor).sum::<i64>(), 0);
}

#[tokio::test]
async fn a_hold_is_completed_up_to_115_per_cent_and_once() {
    let (host, mut client) = start("river-bank").await;
    assert_eq!(client.ask(&ask(0x0100, 30_000, 1_000, 40).at(6)).await.code, "00");
    let complete = |amount, stan| ask(0x0200, 0, amount, stan).at(6).about(0x0100, 40);
    assert_eq!(client.ask(&complete(1_151, 41)).await.code, "64");
    assert_eq!(client.ask(&complete(1_150, 42)).await.code, "00");
    assert_eq!(client.ask(&complete(100, 43)).await.code, "25");
    let void = ask(0x0200, 200_000, 1_150, 44).at(6).about(0x0200, 42);
    assert_eq!(client.ask(&void).await.code, "00");
    assert_eq!(client.ask(&ask(0x0420, 200_000, 1_150, 45).about(0x0200, 44)).await.code, "00");
    let hold = ask(0x0100, 30_000, 500, 46).at(6);
    assert_eq!(client.ask(&hold).await.code, "00");
    assert_eq!(client.ask(&ask(0x0100, 200_000, 500, 47).at(6).about(0x0100, 46)).await.code, "00");
    let inquiry = client.ask(&ask(0x0200, 310_000, 0, 48)).await;
    assert_eq!(
        inquiry.balance.as_deref(),
        Some("1002156C009999998850"),
        "the completion stands, no hold is left"
    );
    assert_eq!(host.ledger().iter().map(IssuerEntry::net_minor).sum::<i64>(), 1_150);
}

#[tokio::test]
async fn nothing_is_sold_before_sign_on() {
    let (_host, mut client) = start("harbour-bank").await;
    assert_eq!(client.manage(2).await, "00");
    assert_eq!(client.ask(&ask(0x0200, 0, 100, 50)).await.code, "91");
    assert_eq!(client.manage(1).await, "00");
    assert_eq!(client.ask(&ask(0x0200, 0, 100, 51)).await.code, "00");
}

#[tokio::test]
async fn a_dropped_answer_was_posted_and_pause_keeps_requests_waiting() {
    let world = world();
    let mut config = IssuerConfig::from_world(&world, "harbour-bank").unwrap();
    config.faults = IssuerFaults { drop_reply_per_mille: 1_000, count_max: 1, ..IssuerFaults::default() };
    let host = IssuerHost::bind("127.0.0.1:0", config).await.unwrap();
    let mut client = Client::connect(&host, &world, "harbour-bank").await;
    let lost = ask(0x0200, 0, 900, 60);
    let body = client.body(&lost);
    client.send(&body).await;
    let next = client.ask(&ask(0x0200, 0, 100, 61)).await;
    assert_eq!(next.rrn.as_deref(), Some("000000000061"), "the first request got no answer");
    assert_eq!(host.ledger().len(), 2, "and was posted all the same");
    assert_eq!(host.faults_played(), 1);
    host.pause();
    let waiting = client.body(&ask(0x0200, 0, 100, 62));
    client.send(&waiting).await;
    host.resume();
    assert_eq!(client.hear().await.code, "00");
}

#[tokio::test]
async fn what_a_chip_approved_is_taken_with_its_cryptogram_alone() {
    let (host, mut client) = start("harbour-bank").await;
    let whole: &[u8] =
        &[0x9F, 0x26, 1, 1, 0x9F, 0x10, 1, 1, 0x9F, 0x36, 1, 1, 0x9F, 0x37, 1, 1, 0x9F, 0x02, 1, 1];
    for (stan, data, code) in [(60, whole, "00"), (61, &whole[4..], "30"), (62, &[], "30")] {
        let told = Ask { told_by_chip: Some(data), ..ask(0x0220, 0, 100, stan) };
        assert_eq!(client.ask(&told).await.code, code, "{stan}");
    }
    assert_eq!(host.ledger().len(), 1);
}
