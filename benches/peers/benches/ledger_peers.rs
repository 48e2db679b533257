//! Durable appends of 256-byte records by 1, 64 and 1,024 writers: the product's log beside a plain file, fjall, redb
//! and sled, by turns in one run.
//!
//! `cargo bench --features ledger --bench ledger_peers -- [--seconds S] [--rounds N] [--dir DIR] [--json FILE]
//! [--writers threads|clients] [--count N] [--stores NAME,NAME]`: on a machine that others use as well, many short
//! rounds of two stores say more than a few long ones of all.
//! Every store is given group commit by the same kind of front. *Threads*: each writer is a thread that waits for its
//! record. *Clients*: one producer keeps a record of each on its way and hands over what was released, as the
//! switch's core does for its terminals. The log below nine tenths of the plain file with 64 clients and more means
//! that hashing or copying crept into the committer.
#![allow(missing_docs, clippy::unwrap_used, reason = "a measurement stops at what it did not expect")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchyard_peers::ledger_line::{Line, behind_front, ours};
use switchyard_peers::ledger_peer::{Failed, PEERS, RECORD_BYTES, Record};

const WRITERS: [usize; 3] = [1, 64, 1_024];
const OURS: &str = "switchyard";
const OUR_SETTING: &str = "pre-zeroed segments, CRC and Merkle tree, one write and one fdatasync a group";
const CEILING: &str = "plain file";

struct Wanted {
    run: Duration,
    rounds: usize,
    dir: PathBuf,
    json: Option<PathBuf>,
    writers: Vec<Writers>,
    counts: Vec<usize>,
    stores: Vec<&'static str>,
}

fn wanted() -> Wanted {
    let mut wanted = Wanted {
        run: Duration::from_secs(2),
        rounds: 3,
        // Beside the build: where programs may write for a while there is often no disk behind.
        dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        json: None,
        writers: vec![Writers::Threads, Writers::Clients],
        counts: WRITERS.to_vec(),
        stores: PEERS.iter().map(|peer| peer.name).chain([OURS]).collect(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--bench" => {}
            "--seconds" => wanted.run = Duration::from_secs_f64(value().parse().unwrap()),
            "--rounds" => wanted.rounds = value().parse().unwrap(),
            "--dir" => wanted.dir = value().into(),
            "--json" => wanted.json = Some(value().into()),
            "--writers" => {
                let word = value();
                wanted.writers.retain(|writers| writers.word() == word);
            }
            "--count" => wanted.counts = vec![value().parse().unwrap()],
            "--stores" => {
                let named = value();
                let named: Vec<&str> = named.split(',').chain([OURS, CEILING]).collect();
                wanted.stores.retain(|store| named.contains(store));
            }
            other => panic!("what is {other}?"),
        }
    }
    wanted
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writers {
    Threads,
    Clients,
}

impl Writers {
    fn word(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Clients => "clients",
        }
    }
}

fn open(name: &str, dir: &Path) -> Result<Box<dyn Line>, Failed> {
    match PEERS.iter().find(|peer| peer.name == name) {
        Some(peer) => behind_front(peer, dir),
        None => ours(dir),
    }
}

fn record(number: u64) -> Record {
    let mut record = [0; RECORD_BYTES];
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for chunk in record.chunks_mut(8) {
        // Nothing that compresses well.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    record
}

/// Durable records per second.
fn measure(name: &str, writers: Writers, count: usize, wanted: &Wanted) -> f64 {
    let dir = tempfile::Builder::new().prefix("ledger-peer-").tempdir_in(&wanted.dir).unwrap();
    let line = open(name, dir.path()).unwrap();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let rate = thread::scope(|scope| {
        let line = line.as_ref();
        match writers {
            Writers::Threads => (0..count as u64).for_each(|writer| {
                let (done, stop) = (&done, &stop);
                let work = move || write_one_by_one(line, writer, done, stop);
                thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, work).unwrap();
            }),
            Writers::Clients => {
                let (done, stop) = (&done, &stop);
                scope.spawn(move || write_for_clients(line, count, done, stop));
            }
        }
        thread::sleep(wanted.run / 4);
        let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
        thread::sleep(wanted.run);
        let written = done.load(Ordering::Relaxed) - before;
        let rate = written as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        rate
    });
    let held = line.close().unwrap();
    assert!(
        held.is_none_or(|held| held >= done.load(Ordering::Relaxed)),
        "{name} holds what it acknowledged"
    );
    rate
}

fn write_one_by_one(line: &dyn Line, writer: u64, done: &AtomicU64, stop: &AtomicBool) {
    let record = record(writer);
    while !stop.load(Ordering::Relaxed) {
        line.write(&record).unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn write_for_clients(line: &dyn Line, count: usize, done: &AtomicU64, stop: &AtomicBool) {
    let records: Vec<Record> = (0..count as u64).map(record).collect();
    // In two halves, so that one is prepared while the other is written.
    let (first, second) = records.split_at(count / 2);
    [first, second].into_iter().filter(|half| !half.is_empty()).for_each(|half| line.submit(half).unwrap());
    while !stop.load(Ordering::Relaxed) {
        let released = line.released();
        done.fetch_add(released as u64, Ordering::Relaxed);
        if released > 0 {
            line.submit(&records[..released]).unwrap();
        }
    }
}

type Rates = BTreeMap<(Writers, usize, &'static str), Vec<f64>>;

fn main() {
    let wanted = wanted();
    let names = &wanted.stores;
    let mut rates = Rates::new();
    for &writers in &wanted.writers {
        for &count in &wanted.counts {
            for round in 0..wanted.rounds {
                // Each round begins with another store.
                for turn in 0..names.len() {
                    let name = names[(turn + round) % names.len()];
                    let rate = measure(name, writers, count, &wanted);
                    rates.entry((writers, count, name)).or_default().push(rate);
                }
            }
            table(&rates, writers, count, names);
        }
    }
    if let Some(path) = &wanted.json {
        std::fs::write(path, serde_json::to_vec_pretty(&as_json(&rates)).unwrap()).unwrap();
    }
}

fn best(rates: &[f64]) -> f64 {
    rates.iter().copied().fold(0.0, f64::max)
}

/// The middle of the ratios of each round: what disturbed one store of a round often disturbed the other.
fn ratio(rates: &[f64], beside: &[f64]) -> f64 {
    middle(rates.iter().zip(beside).map(|(rate, beside)| rate / beside).collect())
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn title(writers: Writers, count: usize) -> String {
    match writers {
        Writers::Threads => format!("{count} threads"),
        Writers::Clients => format!("{count} clients of one producer"),
    }
}

fn setting(name: &str) -> &'static str {
    PEERS.iter().find(|peer| peer.name == name).map_or(OUR_SETTING, |peer| peer.setting)
}

fn table(rates: &Rates, writers: Writers, count: usize, names: &[&'static str]) {
    println!("\n{}: durable records of {RECORD_BYTES} bytes per second", title(writers, count));
    println!("{:<12} {:>12} {:>12} {:>12} {:>14}", "", "best", "middle", "of the file", "ours to it");
    let of = |name| &rates[&(writers, count, name)];
    for name in names {
        println!(
            "{name:<12} {:>12.0} {:>12.0} {:>11.0}% {:>13.2}x   {}",
            best(of(name)),
            middle(of(name).clone()),
            100.0 * ratio(of(name), of(CEILING)),
            ratio(of(OURS), of(name)),
            setting(name)
        );
    }
}

fn as_json(rates: &Rates) -> Value {
    let rows = rates.iter().map(|((writers, count, name), measured)| {
        json!({
            "writers": writers.word(),
            "count": count,
            "store": name,
            "setting": setting(name),
            "records_per_s": measured.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
            "best_records_per_s": best(measured).round(),
            "of_plain_file": ratio(measured, &rates[&(*writers, *count, CEILING)]),
        })
    });
    json!({"record_bytes": RECORD_BYTES, "rows": rows.collect::<Vec<_>>()})
}
