//! Durable appends of 256-byte records per second, beside a plain loop of write and `fdatasync` over a zeroed file.
//!
//! `append_rate DIR [SECONDS]` needs some GiB in DIR and leaves nothing behind. A run in which the log falls under
//! nine tenths of the plain loop at groups of 64 and more means that hashing or copying crept into the committer.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use switchyard_ledger::block::image_bytes;
use switchyard_ledger::{
    Committer, Error, FileLayer, LedgerId, Log, Options, Outcome, Partition, Position, RecordBatch, Submitter,
};

const RECORD_BYTES: usize = 256;
const GROUPS: [usize; 2] = [64, 1024];
const ROUNDS: usize = 4;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().expect("append_rate DIR [SECONDS]"));
    let seconds = args.next().map_or(3.0, |text| text.parse().expect("seconds"));
    let run = Duration::from_secs_f64(seconds);
    println!("hash of a 256-byte leaf: {:.0} ns", leaf_nanos());
    println!("opening: new {:.1} ms, again {:.1} ms", open_millis(&dir, true), open_millis(&dir, false));
    for group in GROUPS {
        let (leaves, subtrees) = (append_micros(&dir, group, false), append_micros(&dir, group, true));
        println!(
            "group {group}: an append without its write and sync costs {leaves:.1} us, with sub-trees of the producer {subtrees:.1} us"
        );
        for round in 1..=ROUNDS {
            let (plain, log) = side_by_side(&dir, group, run, round % 2 == 0);
            println!(
                "group {group} round {round}: plain p50 {:.0} us = {:.0}/s, log {} p50 {:.0} us = {:.0}/s: {:.0} %, least {:.0} and {:.0} us",
                plain.p50,
                plain.rate,
                if round % 2 == 0 { "given sub-trees" } else { "given leaves" },
                log.p50,
                log.rate,
                100.0 * plain.p50 / log.p50,
                plain.least,
                log.least,
            );
        }
        for round in 1..=ROUNDS {
            let piped = committer_pipeline(&dir, group, run);
            let threads = committer_threads(&dir, group, run);
            let tickets = committer_tickets(&dir, group, run);
            println!(
                "group {group} round {round}: committer fed by one producer {piped:.0}/s, by {group} threads woken one by one {threads:.0}/s, together {tickets:.0}/s"
            );
        }
    }
}

fn leaf_nanos() -> f64 {
    let record = [7; RECORD_BYTES];
    let start = Instant::now();
    let mut batch = RecordBatch::new();
    for _ in 0..50_000 {
        batch.push_bytes(&record).unwrap();
    }
    start.elapsed().as_nanos() as f64 / 50_000.0
}

/// The second opening finds the log of the first.
fn open_millis(dir: &Path, new: bool) -> f64 {
    let dir = dir.join("opened");
    let options = Options::new(Partition(0), LedgerId([1; 16]), now_micros());
    let begin = Instant::now();
    let (log, recovery) = Log::open(&dir, &options).unwrap();
    let millis = begin.elapsed().as_secs_f64() * 1e3;
    assert_eq!(recovery.created, new);
    log.close(now_micros()).unwrap();
    if !new {
        fs::remove_dir_all(dir).unwrap();
    }
    millis
}

/// What a loop of groups came to.
struct Measured {
    least: f64,
    p50: f64,
    rate: f64,
}

fn measured(mut micros: Vec<f64>, group: usize) -> Measured {
    let total: f64 = micros.iter().sum();
    let rate = 1e6 * (micros.len() * group) as f64 / total;
    micros.sort_by(f64::total_cmp);
    Measured { least: micros[0], p50: micros[micros.len() / 2], rate }
}

/// Writes the same bytes by turns to a plain zeroed file and to the log: other users of the disk slow both alike.
fn side_by_side(dir: &Path, group: usize, run: Duration, placed: bool) -> (Measured, Measured) {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("plain");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let image = vec![7; image_bytes(group * (RECORD_BYTES + 4))];
    let zeros = vec![0; 8 << 20];
    let capacity = 1u64 << 30;
    (0..capacity / zeros.len() as u64)
        .for_each(|n| file.write_all_at(&zeros, n * zeros.len() as u64).unwrap());
    file.sync_all().unwrap();
    let (mut plain, mut appended) = (Vec::new(), Vec::new());
    with_log(dir, |mut log| {
        let (start, mut at) = (Instant::now(), 0);
        while start.elapsed() < 2 * run && at + image.len() as u64 <= capacity {
            let batch = ready(&log, group, placed);
            let begin = Instant::now();
            file.write_all_at(&image, at).unwrap();
            file.sync_data().unwrap();
            let middle = Instant::now();
            log.append(&batch, now_micros()).unwrap();
            plain.push((middle - begin).as_secs_f64() * 1e6);
            appended.push(middle.elapsed().as_secs_f64() * 1e6);
            at += image.len() as u64;
        }
        0.0
    });
    fs::remove_file(path).unwrap();
    (measured(plain, group), measured(appended, group))
}

/// One batch, framed and hashed by its producer before the clock runs.
fn ready(log: &Log, group: usize, placed: bool) -> RecordBatch {
    if placed { fill(RecordBatch::starting_at(log.position().next_seq), group) } else { batch_of(group) }
}

/// Takes writes and syncs for done: what is left is copying, checksum and tree.
#[derive(Debug)]
struct NoDisk;

impl FileLayer for NoDisk {
    fn write_at(&self, _: &File, _: &Path, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self, _: &File, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: &File, _: &Path, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

fn append_micros(dir: &Path, group: usize, placed: bool) -> f64 {
    let dir = dir.join("nodisk");
    let mut options = Options::new(Partition(0), LedgerId([1; 16]), now_micros());
    options.files = Arc::new(NoDisk);
    let (mut log, _) = Log::open(&dir, &options).unwrap();
    let mut micros: Vec<_> = (0..400)
        .map(|_| {
            let batch = ready(&log, group, placed);
            let begin = Instant::now();
            log.append(&batch, 0).unwrap();
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    fs::remove_dir_all(dir).unwrap();
    micros.sort_by(f64::total_cmp);
    micros[micros.len() / 10]
}

fn batch_of(count: usize) -> RecordBatch {
    fill(RecordBatch::with_capacity(count, count * RECORD_BYTES), count)
}

fn fill(mut batch: RecordBatch, count: usize) -> RecordBatch {
    (0..count).for_each(|_| batch.push_bytes(&[7; RECORD_BYTES]).unwrap());
    batch
}

fn with_log(dir: &Path, use_log: impl FnOnce(Log) -> f64) -> f64 {
    let dir = dir.join("log");
    let options = Options::new(Partition(0), LedgerId([1; 16]), now_micros());
    let (log, _) = Log::open(&dir, &options).unwrap();
    let rate = use_log(log);
    fs::remove_dir_all(dir).unwrap();
    rate
}

struct Count(Sender<usize>);

impl Outcome<usize> for Count {
    fn on_durable(&mut self, _: Position, effects: Vec<usize>) {
        let _ = self.0.send(effects.iter().sum());
    }

    fn on_poison(&mut self, error: &Error) {
        panic!("{error}");
    }
}

/// One producer keeps `group` records on their way: it submits as many as were released, as the core does.
fn committer_pipeline(dir: &Path, group: usize, run: Duration) -> f64 {
    with_log(dir, |log| {
        let (released, receiver) = channel();
        let committer = Committer::spawn(log, now_micros, Count(released)).unwrap();
        let submitter = committer.submitter();
        let (start, mut done) = (Instant::now(), 0);
        (0..2).for_each(|_| submitter.submit(batch_of(group / 2), group / 2).unwrap());
        while start.elapsed() < run {
            let count = receiver.recv().unwrap();
            done += count;
            submitter.submit(batch_of(count), count).unwrap();
        }
        let rate = done as f64 / start.elapsed().as_secs_f64();
        committer.shutdown().unwrap();
        rate
    })
}

struct Wake;

impl Outcome<(Thread, Arc<AtomicBool>)> for Wake {
    fn on_durable(&mut self, _: Position, effects: Vec<(Thread, Arc<AtomicBool>)>) {
        for (thread, durable) in effects {
            durable.store(true, Ordering::Release);
            thread.unpark();
        }
    }

    fn on_poison(&mut self, error: &Error) {
        panic!("{error}");
    }
}

/// Threads that write one record at a time, each by `writer`, for as long as it is not told to stop.
fn writers(count: usize, run: Duration, writer: impl Fn(&AtomicBool, &AtomicU64) + Sync) -> f64 {
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..count {
            let small = thread::Builder::new().stack_size(64 * 1024);
            small.spawn_scoped(scope, || writer(&stop, &done)).unwrap();
        }
        // Starting so many takes a while.
        thread::sleep(run / 4);
        let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
        thread::sleep(run);
        let rate = (done.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        rate
    })
}

fn committer_threads(dir: &Path, count: usize, run: Duration) -> f64 {
    with_log(dir, |log| {
        let committer = Committer::spawn(log, now_micros, Wake).unwrap();
        let submitter = committer.submitter();
        let rate = writers(count, run, |stop, done| write_until(stop, &submitter, done));
        committer.shutdown().unwrap();
        rate
    })
}

struct Nothing;

impl Outcome<()> for Nothing {
    fn on_durable(&mut self, _: Position, _: Vec<()>) {}

    fn on_poison(&mut self, error: &Error) {
        panic!("{error}");
    }
}

fn committer_tickets(dir: &Path, count: usize, run: Duration) -> f64 {
    with_log(dir, |log| {
        let committer = Committer::spawn(log, now_micros, Nothing).unwrap();
        let submitter = committer.submitter();
        let rate = writers(count, run, |stop, done| {
            while !stop.load(Ordering::Relaxed) {
                submitter.submit_with_ticket(batch_of(1), ()).unwrap().wait().unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        committer.shutdown().unwrap();
        rate
    })
}

fn write_until(stop: &AtomicBool, submitter: &Submitter<(Thread, Arc<AtomicBool>)>, done: &AtomicU64) {
    let durable = Arc::new(AtomicBool::new(false));
    while !stop.load(Ordering::Relaxed) {
        durable.store(false, Ordering::Relaxed);
        submitter.submit(batch_of(1), (thread::current(), Arc::clone(&durable))).unwrap();
        while !durable.load(Ordering::Acquire) {
            thread::park();
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn now_micros() -> u64 {
    static BASE: Mutex<Option<(u64, Instant)>> = Mutex::new(None);
    let mut base = BASE.lock().unwrap();
    let (micros, start) = base.get_or_insert_with(|| {
        (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64, Instant::now())
    });
    *micros + start.elapsed().as_micros() as u64
}
