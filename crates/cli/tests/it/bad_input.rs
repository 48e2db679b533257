//! Everything that a network can send to a running switch: it answers or hangs up, counts, keeps cards out of
//! its log, and serves the others meanwhile.

use crate::support::{PATIENCE, Serve, World, unhex, until};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use switchyard_domain::{Timestamp, TransactionKind};
use switchyard_simulator::journal::EntryMode;
use switchyard_simulator::terminal::{FinalState, Order, Tamper, Terminal, TerminalOptions};
use switchyard_simulator::world::{DemoWorld, luhn_is_valid};
use switchyard_wire::{Dialect, json::from_json};

/// A published test number that stands in every bad message.
const PAN: &str = "4111111111111111";
const ENVELOPE: &str = "6000030000603100310100";

/// Somebody who connects and sends what they like.
struct Peer(TcpStream);
impl Peer {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }
    /// A switch that has hung up does not take everything.
    fn send(&mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes));
    }
    /// Message type and response code of the next answer; nothing when the switch hangs up.
    fn answer(&mut self) -> Option<(String, String)> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut payload = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut payload).ok()?;
        assert_eq!(payload[..5], unhex("6000000003"), "destination and source change places");
        let message = dialect().parse(&payload[11..]).unwrap();
        Some((message.mti().to_string(), message.text(39).unwrap().into_owned()))
    }
    /// True when the switch hangs up without another byte.
    fn is_hung_up_on(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock && error.kind() != ErrorKind::TimedOut,
        }
    }
}

fn dialect() -> &'static Dialect {
    Dialect::builtin("unionpay-pos").unwrap()
}

fn framed(body: &[u8]) -> Vec<u8> {
    let payload = [unhex(ENVELOPE), body.to_vec()].concat();
    [&(payload.len() as u16).to_be_bytes()[..], &payload].concat()
}

/// A sale of a terminal of the world with `changes` to its fields; null takes one out.
fn sale(world: &World, changes: Value) -> Vec<u8> {
    let terminal = &world.made["terminals"][7];
    let mut fields = json!({
        "2": PAN, "3": "000000", "4": "000000012345", "11": "000001", "14": "3012", "22": "021", "25": "00",
        "35": format!("{PAN}=30122011234567890"), "41": terminal["tid"], "42": terminal["mid"], "49": "156",
        "52": "0011223344556677", "53": "2600000000000000", "60": "2200000100050", "64": "3132333435363738",
    });
    let (map, mut mti) = (fields.as_object_mut().unwrap(), json!("0200"));
    for (field, value) in changes.as_object().unwrap() {
        match (field.as_str(), value) {
            ("mti", value) => mti = value.clone(),
            (field, Value::Null) => drop(map.remove(field)),
            (field, value) => drop(map.insert(field.to_owned(), value.clone())),
        }
    }
    from_json(dialect(), &json!({"mti": mti, "fields": fields})).unwrap()
}

/// A terminal that buys without end, in a thread of its own.
struct Customer {
    bought: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}
impl Customer {
    fn start(world: &World, address: SocketAddr) -> Self {
        let (bought, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let demo = DemoWorld::read(&world.data().join("demo.json")).unwrap();
        let card = Arc::new(demo.cards.iter().find(|card| card.on_us).unwrap().clone());
        let options = TerminalOptions::new(address.to_string());
        let mut terminal = Terminal::new(demo.terminals[0].clone(), options, None).unwrap();
        let order = Order {
            kind: TransactionKind::Sale,
            amount_minor: 100,
            pin: Some(card.pin.clone()),
            card,
            entry: EntryMode::Stripe,
            original: None,
            tamper: Tamper::None,
            at: Timestamp(0),
        };
        let (count, stopped) = (Arc::clone(&bought), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let done = runtime.block_on(terminal.transact(&order)).unwrap();
                assert_eq!((done.state, done.code.unwrap().as_str()), (FinalState::Approved, "00"));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { bought, stop, thread }
    }
    /// Waits until it has bought once more.
    fn is_served(&self) {
        let before = self.bought.load(Ordering::Relaxed);
        until("another sale", || {
            assert!(!self.thread.is_finished(), "a sale went wrong");
            self.bought.load(Ordering::Relaxed) > before + 1
        });
    }
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.bought.load(Ordering::Relaxed)
    }
}

#[test]
fn whatever_is_sent_the_switch_answers_or_hangs_up_and_serves_the_others() {
    let world = World::make(&[]);
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("{text}[log]\nlevel = \"trace\"\n")).unwrap();
    let serve = world.serve();
    let customer = Customer::start(&world, serve.terminals);
    customer.is_served();
    answered(&world, &serve, &customer);
    hung_up_on(&world, &serve, &customer);
    noise(&world, &serve, &customer);
    other_doors(&world, &serve, &customer);

    assert!(serve.get("/livez").0.starts_with("HTTP/1.1 200"));
    assert!(serve.get("/readyz").0.starts_with("HTTP/1.1 200"));
    let bought = customer.stop();
    let log = serve.stop();
    no_card_in(&log);
    assert!(!log.contains("panicked"), "{log}");
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!((&verified["verified"], &verified["closed"]), (&json!(true), &json!(true)));
    let stories = world.run(&["ledger", "query", "--output", "json", "--limit", "1000000"]).expect(0).json();
    assert_eq!(stories.as_array().unwrap().len() as u64, bought, "nothing but the customer's sales");
}

/// Messages that can be answered are, each with its code; the connection goes on.
fn answered(world: &World, serve: &Serve, customer: &Customer) {
    let mut wrong_length = sale(world, json!({}));
    // The length of DE 2: more digits than a card number has.
    wrong_length[10] = 0x25;
    let mut digit = sale(world, json!({"2": null, "35": null}));
    // The first byte of DE 3.
    digit[10] = 0xAB;
    let mut unknown_field = sale(world, json!({}));
    // DE 5 is none of this dialect.
    unknown_field[2] |= 0x08;
    let whole = sale(world, json!({}));
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("not signed on", whole.clone(), "77"),
        ("unknown terminal", sale(world, json!({"41": "99999999"})), "97"),
        ("merchant that nobody is", sale(world, json!({"42": "999999999999999"})), "03"),
        ("unknown processing code", sale(world, json!({"3": "990000"})), "12"),
        ("unknown kind in DE 60", sale(world, json!({"60": "9900000100050"})), "12"),
        ("no terminal", sale(world, json!({"41": null})), "30"),
        ("no DE 60", sale(world, json!({"60": null})), "30"),
        ("wrong length", wrong_length, "30"),
        ("no digit", digit, "30"),
        ("unknown field", unknown_field, "30"),
        ("cut field", whole[..whole.len() - 3].to_vec(), "30"),
    ];
    let malformed = serve.metric("switch_messages_malformed_total");
    let mut peer = Peer::connect(serve.terminals);
    for (what, body, code) in cases {
        peer.send(&framed(&body));
        let answer = peer.answer().unwrap_or_else(|| panic!("{what}: hung up on"));
        assert_eq!(answer, ("0210".to_owned(), code.to_owned()), "{what}");
        customer.is_served();
    }
    assert!(serve.metric("switch_messages_malformed_total") >= malformed + 4);
}

/// What cannot be answered ends the connection, for its own reason.
fn hung_up_on(world: &World, serve: &Serve, customer: &Customer) {
    let body = sale(world, json!({}));
    let frame = framed(&body);
    let mut oversized = frame.clone();
    oversized[..2].copy_from_slice(&[0xFF, 0xFF]);
    let unknown_mti = framed(&sale(world, json!({"mti": "0299"}))).repeat(8);
    let replies = framed(&sale(world, json!({"mti": "0210"}))).repeat(8);
    let garbage = framed(&[0xEE; 40]).repeat(8);
    for (what, bytes, reason) in [
        ("oversized length", oversized, "bad_length"),
        ("too short for a header", vec![0, 3, 0x60, 0, 3], "bad_envelope"),
        ("unknown MTI", unknown_mti, "garbage"),
        ("replies instead of requests", replies, "garbage"),
        ("garbage", garbage, "garbage"),
        ("half a frame and no more", frame[..frame.len() / 2].to_vec(), "frame_deadline"),
        ("half a length", vec![0], "frame_deadline"),
    ] {
        let name = format!("switch_connections_closed_total{{reason=\"{reason}\"}}");
        let before = serve.metric(&name);
        let mut peer = Peer::connect(serve.terminals);
        peer.send(&bytes);
        assert!(peer.is_hung_up_on(), "{what}");
        until(what, || serve.metric(&name) > before);
        customer.is_served();
    }
    slow(serve, &frame, customer);
    let closed = serve.metric("switch_connections_closed_total{reason=\"peer\"}");
    let mut peer = Peer::connect(serve.terminals);
    peer.send(&frame[..20]);
    drop(peer);
    until("a closed connection", || {
        serve.metric("switch_connections_closed_total{reason=\"peer\"}") > closed
    });
}

/// A byte whenever the customer was served, so that the frame is never complete in time.
fn slow(serve: &Serve, frame: &[u8], customer: &Customer) {
    let name = "switch_connections_closed_total{reason=\"frame_deadline\"}";
    let before = serve.metric(name);
    let mut peer = Peer::connect(serve.terminals);
    let mut bytes = frame[..frame.len() - 1].iter();
    until("the slow sender to be hung up on", || {
        if let Some(byte) = bytes.next() {
            peer.send(&[*byte]);
        }
        customer.is_served();
        serve.metric(name) > before
    });
}

/// Frames of random bytes and messages with a byte changed, many at once and in pieces.
fn noise(world: &World, serve: &Serve, customer: &Customer) {
    let mut random = Random(7);
    let whole = sale(world, json!({}));
    for round in 0..150 {
        let mut peer = Peer::connect(serve.terminals);
        for _ in 0..8 {
            let mut body = whole.clone();
            if random.below(4) == 0 {
                body = (0..random.below(600)).map(|_| random.below(256) as u8).collect();
                body.extend(PAN.as_bytes());
            } else {
                for _ in 0..=random.below(3) {
                    let at = random.below(body.len());
                    body[at] = random.below(256) as u8;
                }
            }
            let frame = framed(&body);
            let cut = random.below(frame.len());
            peer.send(&frame[..cut]);
            peer.send(&frame[cut..]);
        }
        if round % 25 == 0 {
            customer.is_served();
        }
        // Whatever came of it, it ends.
        drop(peer.0.shutdown(std::net::Shutdown::Write));
        drop(peer.0.read_to_end(&mut Vec::new()));
    }
    customer.is_served();
}

/// HTTP and the administrators' socket hear nonsense as well.
fn other_doors(world: &World, serve: &Serve, customer: &Customer) {
    for bytes in [
        &b"\0\0\xFF\xFE\r\n\r\n"[..],
        b"GET",
        b"POST /metrics HTTP/1.1\r\ncontent-length: 9999999999999999999\r\n\r\n",
    ] {
        let mut peer = Peer::connect(serve.http);
        peer.send(bytes);
        drop(peer.0.shutdown(std::net::Shutdown::Write));
        drop(peer.0.read_to_end(&mut Vec::new()));
    }
    assert!(serve.get("/no-such-page").0.starts_with("HTTP/1.1 404"));
    let mut admin = UnixStream::connect(world.data().join("admin.sock")).unwrap();
    admin.write_all(format!("{{\"command\":\"{PAN}\"}}\n[1\n\"\n\0\n").as_bytes()).unwrap();
    admin.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = String::new();
    admin.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.lines().count(), 4);
    for line in answers.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["ok"], false, "{line}");
    }
    no_card_in(&answers);
    no_card_in(&serve.get("/metrics").1);
    customer.is_served();
}

/// Neither the number that was sent nor anything that could be a card number.
fn no_card_in(text: &str) {
    assert!(!text.contains(PAN));
    // Bytes of the packed number, as a debug print shows them.
    assert!(!text.contains("17, 17, 17, 17"), "packed digits in the log");
    for run in text.split(|c: char| !c.is_ascii_digit()) {
        assert!(!((13..=19).contains(&run.len()) && luhn_is_valid(run)), "{run}");
    }
}

#[test]
fn connections_above_the_limit_are_closed_and_counted() {
    let world = World::make(&[]);
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replacen("[terminals]", "[terminals]\nconnections_max = 3", 1))
        .unwrap();
    let serve = world.serve();
    let mut peers: Vec<_> = (0..3).map(|_| Peer::connect(serve.terminals)).collect();
    until("three connections", || serve.metric("switch_connections_open") == 3);
    assert!(Peer::connect(serve.terminals).is_hung_up_on());
    assert_eq!(serve.metric("switch_connections_refused_total"), 1);
    peers.pop();
    until("a place", || serve.metric("switch_connections_open") == 2);
    let customer = Customer::start(&world, serve.terminals);
    customer.is_served();
    customer.stop();
    drop(peers);
    serve.stop();
}

#[test]
fn a_terminated_switch_answers_what_it_took_and_closes_its_ledger() {
    let world = World::make(&[]);
    let serve = world.serve();
    let (terminals, http) = (serve.terminals, serve.http);
    let idle = Peer::connect(terminals);
    let customer = Customer::start(&world, terminals);
    customer.is_served();
    let bought = customer.stop();
    serve.stop();
    drop(idle);
    assert!(TcpStream::connect(terminals).is_err() && TcpStream::connect(http).is_err());
    assert!(!world.data().join("admin.sock").exists());
    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!((&verified["closed"], &verified["torn_tail"]), (&json!(true), &Value::Null));
    let stories = world.run(&["ledger", "query", "--output", "json", "--limit", "1000000"]).expect(0).json();
    assert_eq!(stories.as_array().unwrap().len() as u64, bought);
}

/// xorshift64: a failure is played again by its seed.
struct Random(u64);
impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
