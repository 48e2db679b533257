//! A log read back: recovery at an opening, reading, verifying, making proofs, checking proofs.
//!
//! `cargo bench -p switchyard-benches --bench ledger_proofs -- [--records N] [--dir DIR]`. Records are of 256 bytes
//! in groups of 1,024. Recovery, verifying and making a proof hash every record: a rate far below the others means that
//! something is hashed or read twice. (Making a proof does read twice: for the size, and for the hashes.)
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use switchyard_ledger::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use switchyard_ledger::proof::{consistency, inclusion};
use switchyard_ledger::{
    Error, LedgerId, Log, Options, Partition, Reader, RecordBatch, Scan, Sequence, verify,
};

const RECORD_BYTES: usize = 256;
const GROUP: u64 = 1_024;
const CHECKS: u32 = 10_000;

fn write(dir: &Path, records: u64) {
    let (mut log, _) = Log::open(dir, &Options::new(Partition(0), LedgerId([1; 16]), 0)).unwrap();
    let mut number = 0_u64;
    while number < records {
        let mut batch = RecordBatch::starting_at(Sequence(number));
        for _ in 0..GROUP {
            let mut record = [7; RECORD_BYTES];
            record[..8].copy_from_slice(&number.to_le_bytes());
            batch.push_bytes(&record).unwrap();
            number += 1;
        }
        log.append(&batch, 1).unwrap();
    }
    log.close(1).unwrap();
}

/// Seconds of the quickest of three.
fn quickest<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best: Option<(f64, T)> = None;
    for _ in 0..3 {
        let start = Instant::now();
        let result = work();
        let took = start.elapsed().as_secs_f64();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, result));
        }
    }
    best.unwrap()
}

fn line(what: &str, seconds: f64, records: u64) {
    println!("{what}: {:.3} s, {:.0} records a second", seconds, records as f64 / seconds);
}

fn main() {
    let (mut records, mut base) = (1_000_000_u64, PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        match name.as_str() {
            "--bench" => {}
            "--records" => records = args.next().unwrap().parse().unwrap(),
            "--dir" => base = args.next().unwrap().into(),
            other => panic!("what is {other}?"),
        }
    }
    let temporary = tempfile::Builder::new().prefix("proofs-").tempdir_in(base).unwrap();
    let dir = temporary.path().join("log");
    let records = records.next_multiple_of(GROUP);
    write(&dir, records);
    println!("{records} records of {RECORD_BYTES} bytes, {} MB", records * 260 / 1_000_000);

    for (what, scan) in [
        ("opening from the high-water mark", Scan::FromMark),
        ("recovery of the whole log at an opening", Scan::Everything),
    ] {
        let (took, blocks) = quickest(|| {
            let mut options = Options::new(Partition(0), LedgerId([1; 16]), 0);
            options.scan = scan;
            let (log, recovery) = Log::open(&dir, &options).unwrap();
            assert_eq!(recovery.next_seq.0, records);
            log.close(1).unwrap();
            recovery.blocks_read
        });
        line(&format!("{what}, {blocks} blocks"), took, records);
    }
    let (took, count) = quickest(|| {
        let mut count = 0_u64;
        Reader::open(&dir)
            .unwrap()
            .for_each(|_, _| {
                count += 1;
                Ok::<(), Error>(())
            })
            .unwrap();
        count
    });
    assert_eq!(count, records);
    line("reading", took, records);
    let (took, report) = quickest(|| verify(&dir, |_| {}).unwrap());
    assert_eq!(report.records, records);
    line("verifying", took, records);

    let index = records / 3;
    let (took, (proof, checkpoint)) = quickest(|| inclusion(&dir, Sequence(index)).unwrap());
    line("making a proof of a record", took, records);
    let (leaf, size) = (leaf_hash(&proof.record), checkpoint.size);
    let start = Instant::now();
    for _ in 0..CHECKS {
        assert!(verify_inclusion(&leaf, index, size, &proof.path, &checkpoint.root));
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(CHECKS);
    println!("checking it, {} hashes: {:.1} us", proof.path.len(), nanos / 1e3);

    let (took, (path, old, new)) = quickest(|| consistency(&dir, index, records).unwrap());
    line("making a proof between two sizes", took, records);
    let start = Instant::now();
    for _ in 0..CHECKS {
        assert!(verify_consistency(old.size, &old.root, new.size, &new.root, &path));
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(CHECKS);
    println!("checking it, {} hashes: {:.1} us", path.len(), nanos / 1e3);
}
