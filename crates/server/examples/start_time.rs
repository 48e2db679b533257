//! How long a start takes with many records, and the longest that one decision held the core up while they
//! came in.
//!
//! ```text
//! cargo run --release -p switchyard-server --example start_time -- make DIR RECORDS
//! cargo run --release -p switchyard-server --example start_time -- start DIR
//! cargo run --release -p switchyard-server --example start_time -- snapshot DIR
//! cargo run --release -p switchyard-server --example start_time -- start DIR
//! ```
//!
//! `make` lets a core decide sales, reversals and batch closes of a thousand terminals and appends what it records,
//! without sockets. `start` starts a switch and polls `/readyz`; it leaves no snapshot behind.

#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement stops at what it did not expect")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use switchyard_core::{
    Body, Card, Command, Core, CoreConfig, Effect, Financial, Input, KeyForm, MacCheck, MadeKeys, Origin,
    OriginalRef, Output, Request, Reversal,
};
use switchyard_domain::{
    Amount, BankAccount, BatchNumber, BatchTotals, CardClass, CardIssued, CardRef, Currency, Echo,
    Fingerprint, KeyUse, Merchant, MerchantIndex, MessageClass, Pan, ReversalReason, Route, RouteTarget,
    Stan, Terminal, TerminalMac, Timestamp, TransactionKind, UtcOffset, WorkingKeys,
};
use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch, Sequence};
use switchyard_server::config::Config;
use switchyard_server::{InitPlan, Switch, initialise, replay, snapshots};

const TERMINALS: u64 = 1_000;
const MERCHANTS: u64 = 100;
const CARDS: u64 = 1_000;
/// Sales of a terminal before it closes its batch.
const BATCH_SALES: u32 = 500;
/// Records of one block.
const BLOCK_RECORDS: usize = 1_024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", dir, records] => make(dir.as_ref(), records.parse().unwrap()),
        ["start", dir] => start(dir.as_ref()),
        ["snapshot", dir] => snapshot(dir.as_ref()),
        _ => eprintln!("start_time make DIR RECORDS | start DIR | snapshot DIR"),
    }
}

fn config(http: SocketAddr) -> Config {
    let text = format!(
        "[terminals]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"{http}\"\n[ledger]\nsnapshot_records = 0\n"
    );
    Config::parse(&text).unwrap()
}

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64)
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// A switch from nothing to ready.
#[tokio::main]
async fn start(dir: &Path) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let poll = std::thread::spawn(move || {
        while !is_ready(free) {
            std::thread::sleep(Duration::from_millis(2));
        }
        began.elapsed()
    });
    let switch = Switch::start(config(free), dir, None).await.unwrap();
    let ready = poll.join().unwrap();
    let records = switch.status().records;
    println!(
        "ready after {:.2} s with {records} records, {} MiB resident",
        ready.as_secs_f64(),
        resident_mib()
    );
    switch.shutdown().await.unwrap();
}

fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.contains(" 200 ")
}

fn snapshot(dir: &Path) {
    let began = Instant::now();
    let made =
        snapshots::make(&dir.join("ledger"), &dir.join("snapshots"), Sequence(u64::MAX)).unwrap().unwrap();
    println!(
        "a snapshot of {} records in {:.1} s, {} MiB, digest {:016x}, {} MiB resident",
        made.sequence.0,
        began.elapsed().as_secs_f64(),
        made.bytes >> 20,
        made.digest,
        resident_mib()
    );
}

/// What the generator keeps of the keys that the installation drew.
struct Keys {
    working: WorkingKeys,
    cards: Vec<(CardRef, u64)>,
}

fn install(dir: &Path) -> Keys {
    let plan =
        InitPlan { acquirer: "48720000".parse().unwrap(), offset: UtcOffset::CHINA, day: None, demo: true };
    let mut keys = None;
    let any = "127.0.0.1:0".parse().unwrap();
    initialise(dir, &config(any), &plan, |tools| {
        let (pin, mac) =
            (tools.keys.generate(KeyUse::TerminalPin)?.0, tools.keys.generate(KeyUse::TerminalMac)?.0);
        let working = WorkingKeys { version: 1, pin, mac, track: None };
        let master = tools.keys.generate(KeyUse::TerminalMaster)?.0;
        let mut commands: Vec<Command> = (0..MERCHANTS).map(merchant).collect();
        commands.extend((0..TERMINALS).map(|number| {
            Command::Bind(Box::new(Terminal {
                id: terminal(number),
                merchant: MerchantIndex((number % MERCHANTS) as u32),
                mac: TerminalMac::CupEcb,
                master_key: master.clone(),
            }))
        }));
        let (low, high) = (6_225_880 * 10_u64.pow(12), 6_225_881 * 10_u64.pow(12) - 1);
        let target = RouteTarget::OnUs;
        commands.push(Command::AddRoute(Route {
            low,
            high,
            class: CardClass::Debit.into(),
            target,
            issuer: 1,
        }));
        let mut cards = Vec::new();
        for number in 0..CARDS {
            let expiry = "9912".parse().unwrap();
            let card = tools.cards.seal(&pan(number), Some(&expiry))?;
            cards.push((card.clone(), number));
            let issued = CardIssued { card, expiry, pvv: *b"1234", currency: Currency::CNY };
            commands.push(Command::IssueCard { card: Box::new(issued), balance_minor: 1 << 40 });
        }
        keys = Some(Keys { working, cards });
        Ok(commands)
    })
    .unwrap();
    keys.unwrap()
}

fn merchant(number: u64) -> Command {
    let account = BankAccount { holder: "x".into(), number: "1".into(), cnaps: "102100000000".into() };
    let id = merchant_id(number).parse().unwrap();
    Command::Register(Box::new(Merchant { id, name: "x".into(), mcc: 5411, account, fee_plan: 1 }))
}
fn merchant_id(number: u64) -> String {
    format!("M{number:014}")
}
fn terminal(number: u64) -> switchyard_domain::TerminalId {
    format!("T{number:07}").parse().unwrap()
}
fn pan(number: u64) -> Pan {
    Pan::from_digits(format!("622588{number:010}").as_bytes()).unwrap()
}

/// A terminal of the generator.
#[derive(Clone, Copy)]
struct Till {
    batch: BatchNumber,
    stan: u32,
    totals: BatchTotals,
}

struct World {
    core: Core,
    out: Output,
    log: Log,
    batch: RecordBatch,
    keys: Keys,
    clock: Timestamp,
    tills: Vec<Till>,
    /// Processor time of the longest decision of each kind, the records before it, and how many took more than a
    /// millisecond.
    longest: BTreeMap<&'static str, (Duration, u64, u64)>,
}

fn make(dir: &Path, records: u64) {
    let keys = install(dir);
    let options = Options::new(Partition(0), LedgerId([0; 16]), now().0);
    let (log, recovery) = Log::open(&dir.join("ledger"), &options).unwrap();
    let mut core = Core::new(CoreConfig::default());
    replay(&dir.join("ledger"), |stamped| core.replay(stamped)).unwrap();
    let till = Till { batch: BatchNumber::FIRST, stan: 1, totals: BatchTotals::default() };
    let mut world = World {
        core,
        out: Output::default(),
        log,
        batch: RecordBatch::new(),
        keys,
        clock: now(),
        tills: vec![till; TERMINALS as usize],
        longest: BTreeMap::new(),
    };
    world.core.start(recovery.epoch.0, 0, world.clock, &mut world.out);
    (0..TERMINALS).for_each(|number| world.sign_on(number));
    let began = Instant::now();
    let mut number = 0;
    while world.core.state().records() < records {
        world.turn(number);
        number += 1;
    }
    world.append();
    world.log.close(world.clock.0).unwrap();
    println!(
        "{} records in {:.0} s; {} MiB",
        world.core.state().records(),
        began.elapsed().as_secs_f64(),
        resident_mib()
    );
    for (kind, (longest, at, over)) in &world.longest {
        let millis = longest.as_secs_f64() * 1e3;
        println!(
            "the longest {kind} took {millis:.2} ms of the processor, after {at} records; {over} took more than 1 ms"
        );
    }
}

impl World {
    fn handle(&mut self, input: Input) {
        let kind = kind_of(&input);
        let before = processor_time();
        self.core.handle(input, self.clock, &mut self.out);
        let took = processor_time().saturating_sub(before);
        let records = self.core.state().records();
        let (longest, at, over) = self.longest.entry(kind).or_default();
        if took > *longest {
            (*longest, *at) = (took, records);
        }
        *over += u64::from(took > Duration::from_millis(1));
        if self.out.records.len() >= BLOCK_RECORDS {
            self.append();
        }
    }

    fn append(&mut self) {
        for stamped in self.out.records.drain(..) {
            self.batch.push(|buffer| stamped.encode(buffer)).unwrap();
        }
        self.log.append(&self.batch, self.clock.0).unwrap();
        self.batch = RecordBatch::new();
        self.out.effects.clear();
        self.clock = self.clock.plus_micros(10_000);
    }

    fn request(&mut self, number: u64, mac: MacCheck, body: Body) {
        let merchant = merchant_id(number % MERCHANTS).parse().unwrap();
        let origin = Origin { connection: 1, ticket: 1 };
        self.handle(Input::Request(Box::new(Request {
            origin,
            terminal: terminal(number),
            merchant,
            mac,
            body,
        })));
    }

    fn sign_on(&mut self, number: u64) {
        let body = Body::SignOn { stan: Stan::try_from(1).unwrap(), form: KeyForm::Double };
        self.request(number, MacCheck::NotRequired, body);
        let slot = self.out.effects.iter().rev().find_map(|effect| match effect {
            Effect::MakeKeys { slot, .. } => Some(*slot),
            _ => None,
        });
        let made = MadeKeys { keys: self.keys.working.clone(), block: vec![0; 40] };
        self.handle(Input::KeysMade { slot: slot.unwrap(), made: Some(Box::new(made)) });
    }

    /// A sale; each fiftieth is reversed; a terminal that has enough closes its batch. Time goes by now and then.
    fn turn(&mut self, number: u64) {
        let terminal = number % TERMINALS;
        let verified = MacCheck::Verified { version: 1 };
        let Till { batch, stan, totals } = self.tills[terminal as usize];
        if stan > BATCH_SALES {
            let stan = Stan::try_from(u64::from(stan)).unwrap();
            self.request(terminal, verified, Body::BatchTotals { stan, batch, totals, closes: false });
            self.tills[terminal as usize] =
                Till { batch: batch.next(), stan: 1, totals: BatchTotals::default() };
            return;
        }
        let minor = 100 + number % 900;
        let (reference, card) = self.keys.cards[(number * 7_919 % CARDS) as usize].clone();
        let fingerprint = fingerprint(minor, &reference);
        let (stan_of, echo) = (Stan::try_from(u64::from(stan)).unwrap(), echo(batch));
        let sale = Financial {
            kind: TransactionKind::Sale,
            class: MessageClass::Financial,
            stan: stan_of,
            batch,
            amount: Amount::new(minor, Currency::CNY),
            card: Some(Card { pan: pan(card), reference, expiry: None }),
            pin: None,
            key_version: None,
            track2: None,
            service: None,
            emv: None,
            chip_answer: None,
            card_sequence: None,
            original: OriginalRef::default(),
            fingerprint,
            echo,
        };
        self.request(terminal, verified, Body::Financial(Box::new(sale)));
        let till = &mut self.tills[terminal as usize];
        till.stan += 1;
        if number % 50 == 49 {
            let reversal = Reversal {
                kind: TransactionKind::Sale,
                original_class: MessageClass::Financial,
                stan: stan_of,
                batch,
                amount: Amount::new(minor, Currency::CNY),
                reason: ReversalReason::NoAnswer,
                original_moment: None,
                fingerprint,
                echo,
            };
            self.request(terminal, verified, Body::Reversal(Box::new(reversal)));
        } else {
            till.totals.domestic.debit.add(minor);
        }
        if number.is_multiple_of(10_000) {
            self.handle(Input::Tick);
        }
    }
}

fn kind_of(input: &Input) -> &'static str {
    match input {
        Input::Tick => "tick",
        Input::Request(request) => match request.body {
            Body::Financial(_) => "sale",
            Body::Reversal(_) => "reversal",
            Body::BatchTotals { .. } => "batch close",
            _ => "other request",
        },
        _ => "other input",
    }
}

fn fingerprint(minor: u64, card: &CardRef) -> Fingerprint {
    Fingerprint {
        processing_code: 0,
        amount_minor: minor,
        card: Some(card.hash),
        type_code: 22,
        original: None,
        original_rrn: None,
    }
}

fn echo(batch: BatchNumber) -> Echo {
    Echo {
        expiry: None,
        condition: Some(0),
        currency: Some(Currency::CNY),
        security_control: None,
        de60: 22_000_000_000 + u64::from(batch.get()) * 1_000,
        de60_digits: 11,
        entry_mode: Some(22),
    }
}

/// Of this thread: what others do on the machine does not count.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
