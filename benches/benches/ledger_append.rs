//! Durable appends of 256-byte records in groups, beside a plain loop that writes and syncs the same bytes.
//!
//! From groups of 64 on, the log below nine tenths of the plain loop means that hashing or copying crept
//! into the writer, or that a sync also has metadata to write. Framing and hashing happen on the producer's
//! thread and are timed apart.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use switchyard_ledger::block::image_bytes;
use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch};

const RECORD_BYTES: usize = 256;
const GROUPS: [usize; 2] = [64, 1_024];
/// Written over from the start when it is full: its blocks are allocated and written either way.
const PLAIN_BYTES: u64 = 64 << 20;

fn group_of(count: usize) -> RecordBatch {
    let mut batch = RecordBatch::with_capacity(count, count * RECORD_BYTES);
    (0..count).for_each(|_| batch.push_bytes(&[7; RECORD_BYTES]).unwrap());
    batch
}

fn zeroed(path: &Path) -> File {
    let file = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
    let zeros = vec![0; 8 << 20];
    (0..PLAIN_BYTES).step_by(zeros.len()).for_each(|at| file.write_all_at(&zeros, at).unwrap());
    file.sync_all().unwrap();
    file
}

fn appends(c: &mut Criterion) {
    // Beside the build: where tests may write there is often no disk behind.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut group = c.benchmark_group("ledger/append");
    for count in GROUPS {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("frame and hash", count), |b| b.iter(|| group_of(count)));

        let path = directory.path().join(format!("plain-{count}"));
        let file = zeroed(&path);
        let image = vec![7; image_bytes(count * (RECORD_BYTES + 4))];
        let mut at = 0;
        group.bench_function(BenchmarkId::new("plain", count), |b| {
            b.iter(|| {
                file.write_all_at(&image, at).unwrap();
                file.sync_data().unwrap();
                at += image.len() as u64;
                if at + image.len() as u64 > PLAIN_BYTES {
                    at = 0;
                }
            });
        });

        // A new log zeroes its first segment in the way of its own syncs, as no later one: it is given time to.
        let mut options = Options::new(Partition(0), LedgerId([1; 16]), 1);
        options.zero_ahead_bytes = options.segment_bytes;
        let (mut log, _) = Log::open(&directory.path().join(format!("log-{count}")), &options).unwrap();
        let segment = directory.path().join(format!("log-{count}")).join("segment-00000001.log");
        while segment.metadata().unwrap().len() < options.segment_bytes {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let batch = group_of(count);
        group.bench_function(BenchmarkId::new("log", count), |b| b.iter(|| log.append(&batch, 1).unwrap()));
    }
}

criterion_group!(benches, appends);
criterion_main!(benches);
