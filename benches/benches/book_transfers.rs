//! Double-entry transfers from end to end: taken once by id, posted to balances, recorded, durable, acknowledged.
//!
//! `cargo bench -p switchyard-benches --bench book_transfers -- [--seconds S] [--rounds N] [--dir DIR]`. One thread
//! decides, as the core does; the committer makes its records durable. *Batches*: one client, two batches of 8,190 on
//! their way. *Clients*: 1,024 clients of one producer, a transfer each at a time, every one handed over by itself.
//! *Threads*: the same 1,024 as threads that sleep until theirs is durable. Below 500,000 a second in batches, a
//! transfer costs more than its place in the book and its hash: something is copied or looked up twice.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use switchyard_book::{Book, Taken, TrialBalance};
use switchyard_domain::{
    AccountId, AccountKind, Actor, BusinessDate, Currency, Entry, Phase, Record, Stamped, Timestamp,
    Transfer, TransferId,
};
use switchyard_ledger::{
    Committer, Error, LedgerId, Log, Options, Outcome, Partition, Position, RecordBatch, Sequence, Submitter,
};

const BATCH: u64 = 8_190;
const CLIENTS: u64 = 1_024;
const ACCOUNTS: u32 = 10_000;
/// How long a producer waits before it looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(50);

fn transfer(number: u64) -> Transfer {
    // Spread over the accounts as payments are: the next one is not in the cache.
    let spread = (number as u32).wrapping_mul(2_654_435_761) >> 8;
    let wallet = |n: u32| AccountId::of(AccountKind::Wallet, n % ACCOUNTS, Currency::CNY);
    let bank = AccountId::of(AccountKind::Bank, spread % 64, Currency::CNY);
    Transfer {
        id: TransferId { day: BusinessDate(20_000), number },
        entry: Entry::one(bank, wallet(spread), 1 + u64::from(spread % 100), Phase::Posted),
        holds_until: None,
    }
}

/// Where clients leave what they want done.
struct Desk {
    queue: Mutex<Waiting>,
    work: Condvar,
}

#[derive(Default)]
struct Waiting {
    transfers: Vec<Transfer>,
    group: Arc<OnceLock<()>>,
    closed: bool,
}

impl Desk {
    fn ask(&self, transfers: impl Iterator<Item = Transfer>) -> Arc<OnceLock<()>> {
        let mut queue = self.queue.lock().unwrap();
        let idle = queue.transfers.is_empty();
        queue.transfers.extend(transfers);
        let group = Arc::clone(&queue.group);
        drop(queue);
        if idle {
            self.work.notify_one();
        }
        group
    }

    fn take(&self) -> Option<(Vec<Transfer>, Arc<OnceLock<()>>)> {
        let mut queue = self.queue.lock().unwrap();
        while queue.transfers.is_empty() && !queue.closed {
            queue = self.work.wait(queue).unwrap();
        }
        let room = Vec::with_capacity(queue.transfers.len());
        let taken = (std::mem::replace(&mut queue.transfers, room), std::mem::take(&mut queue.group));
        (!taken.0.is_empty()).then_some(taken)
    }
}

/// What is acknowledged when a batch is durable.
#[derive(Debug)]
struct Acknowledge(usize, Arc<OnceLock<()>>);

struct Release {
    done: Arc<AtomicU64>,
    released: Sender<usize>,
}

impl Outcome<Acknowledge> for Release {
    fn on_durable(&mut self, _: Position, effects: Vec<Acknowledge>) {
        for Acknowledge(count, group) in effects {
            self.done.fetch_add(count as u64, Ordering::Relaxed);
            group.set(()).unwrap();
            // Threads wait for their group and not for this.
            let _unheard = self.released.send(count);
        }
    }

    fn on_poison(&mut self, error: &Error) {
        panic!("{error}");
    }
}

/// The deciding thread: every transfer is taken by the book, recorded and handed to the committer.
fn decide(desk: &Desk, submitter: &Submitter<Acknowledge>, mut next: Sequence) -> Book {
    let mut book = Book::new();
    let mut at = Timestamp(1_700_000_000_000_000);
    while let Some((transfers, group)) = desk.take() {
        let count = transfers.len();
        let mut batch = RecordBatch::starting_at(next);
        batch.reserve(count, count * 48);
        at = at.plus_micros(1);
        for transfer in transfers {
            assert_eq!(book.transfer(&transfer), Ok(Taken::Applied));
            let stamped = Stamped { at, actor: Actor::Switch, record: Record::Transferred(transfer) };
            batch.push(|buffer| stamped.encode(buffer)).unwrap();
        }
        next = Sequence(next.0 + count as u64);
        submitter.submit(batch, Acknowledge(count, group)).unwrap();
    }
    book
}

#[derive(Clone, Copy)]
enum Clients {
    Batches,
    Producer,
    Threads,
}

/// Durable transfers per second.
fn measure(clients: Clients, run: Duration, dir: &Path) -> f64 {
    let dir = tempfile::Builder::new().prefix("transfers-").tempdir_in(dir).unwrap();
    let mut options = Options::new(Partition(0), LedgerId([1; 16]), 0);
    // A new log zeroes its first segment in the way of its own syncs, as no later one: it is given time to.
    options.zero_ahead_bytes = options.segment_bytes;
    let (log, recovery) = Log::open(&dir.path().join("log"), &options).unwrap();
    let segment = dir.path().join("log").join("segment-00000001.log");
    while segment.metadata().unwrap().len() < options.segment_bytes {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let done = Arc::new(AtomicU64::new(0));
    let (released, receiver) = channel();
    let committer = Committer::spawn(log, || 1, Release { done: Arc::clone(&done), released }).unwrap();
    let desk = Desk { queue: Mutex::default(), work: Condvar::new() };
    let (stop, numbers) = (AtomicBool::new(false), AtomicU64::new(0));
    let (rate, book) = thread::scope(|scope| {
        let deciding = scope.spawn(|| decide(&desk, &committer.submitter(), recovery.next_seq));
        let asking =
            ask_for(scope, clients, Asking { desk: &desk, stop: &stop, numbers: &numbers }, receiver);
        thread::sleep(run / 4);
        let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
        thread::sleep(run);
        let rate = (done.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        asking.into_iter().for_each(|asking| asking.join().unwrap());
        desk.queue.lock().unwrap().closed = true;
        desk.work.notify_all();
        (rate, deciding.join().unwrap())
    });
    let stats_records = {
        let submitter = committer.submitter();
        committer.shutdown().unwrap();
        submitter.stats().records()
    };
    // Every transfer that was asked for is in the log, in the book and in balance.
    assert_eq!(stats_records, numbers.load(Ordering::Relaxed));
    assert_eq!(book.transfer_count() as u64, stats_records);
    assert!(book.trial_balance().values().all(TrialBalance::is_balanced));
    rate
}

#[derive(Clone, Copy)]
struct Asking<'a> {
    desk: &'a Desk,
    stop: &'a AtomicBool,
    numbers: &'a AtomicU64,
}

impl Asking<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
    fn ask(&self, count: u64) -> Arc<OnceLock<()>> {
        let first = self.numbers.fetch_add(count, Ordering::Relaxed);
        self.desk.ask((first..first + count).map(transfer))
    }
}

fn ask_for<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    clients: Clients,
    asking: Asking<'scope>,
    released: Receiver<usize>,
) -> Vec<thread::ScopedJoinHandle<'scope, ()>> {
    let one_by_one = move |count: u64| (0..count).for_each(|_| drop(asking.ask(1)));
    let in_batches = move |count: u64| (0..count.div_ceil(BATCH)).for_each(|_| drop(asking.ask(BATCH)));
    let keep = move |ask: &dyn Fn(u64), window: u64| {
        (0..2).for_each(|_| ask(window / 2));
        while asking.goes_on() {
            if let Ok(count) = released.recv_timeout(PATIENCE) {
                ask(count as u64);
            }
        }
    };
    match clients {
        Clients::Batches => vec![scope.spawn(move || keep(&in_batches, 2 * BATCH))],
        Clients::Producer => vec![scope.spawn(move || keep(&one_by_one, CLIENTS))],
        Clients::Threads => {
            let client = move || {
                while asking.goes_on() {
                    asking.ask(1).wait();
                }
            };
            let small = || thread::Builder::new().stack_size(128 * 1024);
            (0..CLIENTS).map(|_| small().spawn_scoped(scope, client).unwrap()).collect()
        }
    }
}

fn main() {
    let (mut seconds, mut rounds, mut dir) = (2.0, 3, PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--bench" => {}
            "--seconds" => seconds = value().parse().unwrap(),
            "--rounds" => rounds = value().parse().unwrap(),
            "--dir" => dir = value().into(),
            other => panic!("what is {other}?"),
        }
    }
    let rows = [
        ("batches of 8,190", Clients::Batches),
        ("1,024 clients of one producer", Clients::Producer),
        ("1,024 threads", Clients::Threads),
    ];
    for (name, clients) in rows {
        let rates: Vec<f64> =
            (0..rounds).map(|_| measure(clients, Duration::from_secs_f64(seconds), &dir)).collect();
        let best = rates.iter().copied().fold(0.0, f64::max);
        let all: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        println!("{name}: best {best:.0} durable transfers a second; all {}", all.join(", "));
    }
}
