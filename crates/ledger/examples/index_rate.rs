//! Measures the index: the longest insert, lookups in memory and in sealed segments, builds, and what following
//! the log costs the writer.
//!
//! `cargo run --release -p switchyard-ledger --example index_rate -- DIR RECORDS`; DIR should be on the disk that is
//! asked about, RECORDS is how many are appended and looked up (2,500,000 fill three segments).
#![allow(
    clippy::unwrap_used,
    missing_docs,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use switchyard_ledger::index::{Extract, Index, Indexer, Key, Keys, Query, Unreadable, Watch, measure};
use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch, Sequence};

const RECORD_BYTES: usize = 300;
const GROUP: usize = 256;
const INSERTS: u64 = 10_000_000;
const STALL: Duration = Duration::from_millis(5);

/// Keys like those of a card sale: ten a record, four of them its own.
#[derive(Debug)]
struct Sales;

fn rrn(number: u64) -> Key {
    Key::new(1, &[format!("{number:012}").as_bytes()])
}

fn sale_keys(number: u64, keys: &mut Keys) {
    let card = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 400_000;
    let terminal = (number % 20_000) as u32;
    let merchant = terminal / 4;
    let (card_hash, terminal) =
        ([card.to_be_bytes(), (card ^ 7).to_be_bytes()].concat(), terminal.to_be_bytes());
    keys.push(Key::new(12, &[]));
    keys.push(rrn(number));
    keys.push(Key::new(2, &[&terminal, &[0, 0, 0, 1], &(number as u32).to_be_bytes()]));
    keys.push(Key::new(3, &[&terminal]));
    keys.push(Key::new(6, &[&merchant.to_be_bytes()]));
    keys.push(Key::new(8, &[&number.to_be_bytes()]));
    keys.push(Key::new(4, &[&card_hash]));
    keys.push(Key::new(5, &[&card_hash[..11], &[0, 0, 80, 1]]));
    keys.push(Key::new(7, &[&[0], &card.to_be_bytes()]));
    keys.push(Key::new(7, &[&[3], &u64::from(merchant).to_be_bytes()]));
}

impl Extract for Sales {
    fn version(&self) -> u32 {
        1
    }
    fn keys(&self, record: &[u8], keys: &mut Keys) -> Result<(), Unreadable> {
        let number = record.first_chunk().ok_or(Unreadable)?;
        sale_keys(u64::from_le_bytes(*number), keys);
        Ok(())
    }
    fn time_micros(&self, record: &[u8]) -> Result<u64, Unreadable> {
        record.first_chunk().map(|number| u64::from_le_bytes(*number)).ok_or(Unreadable)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().expect("DIR");
    let records: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(2_500_000);
    longest_insert();
    let dir = Path::new(&dir);
    let alone = append(&dir.join("alone"), records, false);
    let followed = append(&dir.join("followed"), records, true);
    println!("followed/alone: {:.2}", followed / alone);
    let again = append(&dir.join("again"), records, false);
    println!("alone again/alone: {:.2}", again / alone);
    build_and_look_up(&dir.join("followed"), records);
}

/// Every insert is timed; a reader looks keys up at the same time.
fn longest_insert() {
    let memory = Arc::new(measure::Memory::new());
    let done = Arc::new(AtomicU64::new(0));
    let reader = {
        let (memory, done) = (Arc::clone(&memory), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut found = 0;
            while done.load(Ordering::Relaxed) < INSERTS {
                found += memory.find(&rrn(done.load(Ordering::Relaxed).saturating_sub(1))).len();
                std::thread::sleep(Duration::from_micros(100));
            }
            found
        })
    };
    let (mut keys, mut times) = (Keys::default(), Vec::with_capacity(INSERTS as usize / 10));
    let mut writer = memory.writer();
    let (mut longest_busy, mut times_over) = (0, 0_u64);
    // Ten keys a record: ten million inserts are a million records, timed one by one.
    for number in 0..INSERTS / 10 {
        keys = Keys::default();
        sale_keys(number, &mut keys);
        let (begun, busy) = (Instant::now(), busy_nanos());
        writer.insert(Sequence(number), &keys);
        (longest_busy, times_over) =
            (longest_busy.max(busy_nanos() - busy), times_over + u64::from(begun.elapsed() > STALL));
        times.push(begun.elapsed());
        done.store(number, Ordering::Relaxed);
    }
    done.store(INSERTS, Ordering::Relaxed);
    reader.join().unwrap();
    drop(keys);
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    println!(
        "{INSERTS} inserts: {:.0} ns each; of {} records p50 {:?}, p99.9 {:?}, longest {:?}, {times_over} over {STALL:?}; longest without waiting for a processor {:?}",
        total.as_nanos() as f64 / INSERTS as f64,
        times.len(),
        times[times.len() / 2],
        times[times.len() - times.len() / 1_000],
        times[times.len() - 1],
        Duration::from_nanos(longest_busy)
    );
}

/// What this thread has used of a processor: on a busy machine the wall clock measures the others.
fn busy_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Appends in groups as fast as the disk takes them, and says how many a second.
fn append(dir: &Path, records: u64, followed: bool) -> f64 {
    let _ = std::fs::remove_dir_all(dir);
    let (mut log, _) = Log::open(dir, &Options::new(Partition(0), LedgerId([7; 16]), 1)).unwrap();
    let indexer =
        followed.then(|| Indexer::start(dir, Arc::new(Sales), Watch::default(), Sequence(0)).unwrap());
    let durable = indexer.as_ref().map(Indexer::durable);
    let mut times = Vec::new();
    let begun = Instant::now();
    let mut number = 0;
    while number < records {
        let mut batch = RecordBatch::with_capacity(GROUP, GROUP * RECORD_BYTES);
        for _ in 0..GROUP {
            let mut record = [0xA5; RECORD_BYTES];
            record[..8].copy_from_slice(&number.to_le_bytes());
            batch.push_bytes(&record).unwrap();
            number += 1;
        }
        let start = Instant::now();
        let position = log.append(&batch, 1).unwrap();
        times.push(start.elapsed());
        if let Some(durable) = &durable {
            durable.advance(position.next_seq);
        }
    }
    let rate = number as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let behind = indexer.as_ref().map_or(0, |i| i.index().end().0 - i.index().indexed().0);
    println!(
        "{} records in groups of {GROUP}, {}: {rate:.0} a second, append p50 {:?}, p99 {:?}, longest {:?}, index behind by {behind}",
        number,
        if followed { "followed by the index" } else { "alone" },
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
    if let Some(indexer) = indexer {
        let begun = Instant::now();
        let index = indexer.index();
        while index.indexed() < index.end() {
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("the index caught up {:.2} s later", begun.elapsed().as_secs_f64());
    }
    log.close(2).unwrap();
    rate
}

fn build_and_look_up(dir: &Path, records: u64) {
    let begun = Instant::now();
    let made = Index::rebuild(dir, Arc::new(Sales), |_, _| {}).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let (keys, bytes) = made.iter().fold((0, 0), |(k, b), (_, built)| (k + built.keys, b + built.bytes));
    let segment = std::fs::metadata(dir.join("segment-00000001.log")).unwrap().len();
    println!(
        "{} segments of {segment} bytes indexed in {seconds:.1} s: {:.0} keys a second, {:.0} bytes of index each",
        made.len(),
        keys as f64 / seconds,
        bytes as f64 / made.len() as f64
    );
    let begun = Instant::now();
    let index = Index::open(dir, Arc::new(Sales), Watch::default()).unwrap();
    println!("opened, the tail read into memory, in {:?}", begun.elapsed());
    let sealed = made.len() as u64 * (records / (made.len() as u64 + 1));
    let hot_from = records - (records - sealed) / 4;
    for (what, from, to) in [("in memory", hot_from, records), ("in sealed segments", 0, sealed)] {
        look_up(&index, what, from, to);
    }
    for entry in std::fs::read_dir(dir).unwrap() {
        // Out of the page cache, so that the disk is read.
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
    look_up(&index, "in sealed segments not in the page cache", 0, sealed);
    let query = Query { limit: 50, ..Query::new(Key::new(6, &[&17_u32.to_be_bytes()])) };
    let begun = Instant::now();
    let page = index.page(&query).unwrap();
    println!("a page of {} of a merchant: {:?}", page.sequences.len(), begun.elapsed());
}

fn look_up(index: &Index, what: &str, from: u64, to: u64) {
    const LOOKUPS: u64 = 2_000;
    let mut times = Vec::new();
    for n in 0..LOOKUPS {
        let number = from + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (to - from);
        let begun = Instant::now();
        let found = index.find(rrn(number)).unwrap();
        let record = index.record(found[0]).unwrap().unwrap();
        times.push(begun.elapsed());
        assert!(found.len() == 1 && record[..8] == number.to_le_bytes());
    }
    times.sort_unstable();
    println!(
        "a reference {what}, its record read: p50 {:?}, p99 {:?}, longest {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
}
