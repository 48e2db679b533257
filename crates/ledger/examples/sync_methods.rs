//! The two ways of making a block durable, by turns in one run: `fdatasync` against direct writes.
//!
//! `sync_methods DIR [BLOCKS]` needs a GiB in DIR and leaves nothing behind. Which is faster is a matter of the disk
//! and its file system; the default is the one that every file system has.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;
use std::time::Instant;

use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch, SyncMethod};

const RECORD_BYTES: usize = 256;
const METHODS: [SyncMethod; 2] = [SyncMethod::Fdatasync, SyncMethod::Direct];

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().expect("sync_methods DIR [BLOCKS]"));
    let blocks: usize = args.next().map_or(1_000, |text| text.parse().expect("count of blocks"));
    for group in [1, 64, 1_024] {
        let mut logs = METHODS.map(|sync| {
            let options = Options { sync, ..Options::new(Partition(0), LedgerId([1; 16]), 1) };
            Log::open(&dir.join(format!("{sync:?}")), &options).unwrap().0
        });
        let mut micros = [Vec::with_capacity(blocks), Vec::with_capacity(blocks)];
        for _ in 0..blocks {
            for (log, micros) in logs.iter_mut().zip(&mut micros) {
                let mut batch = RecordBatch::starting_at(log.position().next_seq);
                (0..group).for_each(|_| batch.push_bytes(&[7; RECORD_BYTES]).unwrap());
                let begin = Instant::now();
                log.append(&batch, 1).unwrap();
                micros.push(begin.elapsed().as_secs_f64() * 1e6);
            }
        }
        for (method, mut micros) in METHODS.iter().zip(micros) {
            let rate = 1e6 * (micros.len() * group) as f64 / micros.iter().sum::<f64>();
            micros.sort_by(f64::total_cmp);
            let at = |share: f64| micros[(share * (micros.len() - 1) as f64) as usize];
            let (p50, p99) = (at(0.5), at(0.99));
            println!("group {group:>5} {method:?}: p50 {p50:.0} us, p99 {p99:.0} us, {rate:.0} records/s");
        }
        drop(logs);
        METHODS.iter().for_each(|sync| std::fs::remove_dir_all(dir.join(format!("{sync:?}"))).unwrap());
    }
}
