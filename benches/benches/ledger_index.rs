//! A transaction by its reference, in memory and in sealed segments, with its record read; and a sealed segment's
//! index made anew.
//!
//! A lookup in sealed segments that grows with their number by more than a chunk's read each, or one in memory that is
//! not some microseconds (nearly all of it the record's block), means that something reads more than it has to.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use switchyard_ledger::index::{Extract, Index, Key, Keys, Unreadable, Watch};
use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch};

const RECORDS: u64 = 200_000;
const RECORD_BYTES: usize = 300;
const GROUP: u64 = 64;

#[derive(Debug)]
struct References;

fn reference(number: u64) -> Key {
    Key::new(1, &[format!("{number:012}").as_bytes()])
}

impl Extract for References {
    fn version(&self) -> u32 {
        1
    }
    fn keys(&self, record: &[u8], keys: &mut Keys) -> Result<(), Unreadable> {
        let number = record.first_chunk().copied().map(u64::from_le_bytes).ok_or(Unreadable)?;
        keys.push(reference(number));
        keys.push(Key::new(2, &[&(number % 1_000).to_be_bytes()]));
        Ok(())
    }
    fn time_micros(&self, record: &[u8]) -> Result<u64, Unreadable> {
        record.first_chunk().copied().map(u64::from_le_bytes).ok_or(Unreadable)
    }
}

/// A log of four sealed segments and a tail.
fn fill(dir: &Path) {
    let mut options = Options::new(Partition(0), LedgerId([1; 16]), 1);
    options.segment_bytes = 16 << 20;
    let (mut log, _) = Log::open(dir, &options).unwrap();
    for first in (0..RECORDS).step_by(GROUP as usize) {
        let mut batch = RecordBatch::new();
        for number in first..first + GROUP {
            let mut record = [7; RECORD_BYTES];
            record[..8].copy_from_slice(&number.to_le_bytes());
            batch.push_bytes(&record).unwrap();
        }
        log.append(&batch, 1).unwrap();
    }
    log.close(2).unwrap();
}

fn lookups(c: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = directory.path();
    fill(dir);
    let made = Index::rebuild(dir, Arc::new(References), |_, _| {}).unwrap();
    let keys = made.iter().map(|(_, built)| built.keys).sum();
    let index = Index::open(dir, Arc::new(References), Watch::default()).unwrap();
    let mut group = c.benchmark_group("ledger/index");
    for (what, from, to) in [("in memory", RECORDS - 5_000, RECORDS), ("sealed", 0, RECORDS / 2)] {
        let mut number = 0_u64;
        group.bench_function(BenchmarkId::new("find and read", what), |b| {
            b.iter(|| {
                number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let found = index.find(reference(from + number % (to - from))).unwrap();
                black_box(index.record(found[0]).unwrap().unwrap())
            });
        });
    }
    group.sample_size(10);
    group.throughput(Throughput::Elements(keys));
    group.bench_function(BenchmarkId::new("rebuild keys of segments", made.len()), |b| {
        b.iter(|| Index::rebuild(dir, Arc::new(References), |_, _| {}).unwrap());
    });
}

criterion_group!(benches, lookups);
criterion_main!(benches);
