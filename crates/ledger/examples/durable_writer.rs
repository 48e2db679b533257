//! Writes numbered records and says on stdout, a line each, which are durable.
//!
//! `durable_writer log|sled DIR` goes on until it is killed or its disk is full. The tests of power cuts and of
//! system calls run it: what it has said must be there afterwards. `sled` is the control: its flush asks the kernel
//! to start writing (`sync_file_range`) and not to finish, so a power cut takes what it acknowledged.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use switchyard_ledger::{Error, LedgerId, Log, Options, Partition, RecordBatch};

/// Length of a record; its number stands in the first eight bytes and fills the rest.
const RECORD_BYTES: usize = 200;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(engine), Some(dir)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        panic!("durable_writer log|sled DIR");
    };
    match engine.as_str() {
        "log" => write_log(&dir),
        "sled" => write_sled(&dir),
        other => panic!("durable_writer log|sled DIR, not {other:?}"),
    }
}

fn write_log(dir: &Path) {
    let mut options = Options::new(Partition(0), LedgerId(*b"a power cut log!"), 1);
    // Small segments, so that a cut meets their making as well.
    options.segment_bytes = 1 << 20;
    options.zero_step_bytes = 256 << 10;
    options.zero_ahead_bytes = 128 << 10;
    options.free_bytes_min = 0;
    let (mut log, _) = Log::open(dir, &options).unwrap();
    let mut next = log.position().next_seq.0;
    // Groups of one to seven records.
    for group in (1..=7).cycle() {
        let mut batch = RecordBatch::new();
        (next..next + group).for_each(|number| batch.push_bytes(&record(number)).unwrap());
        match log.append(&batch, next) {
            Ok(_) => next += group,
            Err(Error::NoSpace { .. }) => return,
            Err(error) => panic!("{error}"),
        }
        say(next);
    }
}

fn write_sled(dir: &Path) {
    let db = sled::open(dir).unwrap();
    for number in 0u64.. {
        db.insert(number.to_be_bytes(), record(number).to_vec()).unwrap();
        db.flush().unwrap();
        say(number + 1);
    }
}

/// Says how many records are durable.
fn say(count: u64) {
    let mut out = io::stdout().lock();
    writeln!(out, "{count}").and_then(|()| out.flush()).unwrap();
}

fn record(number: u64) -> [u8; RECORD_BYTES] {
    let mut record = [number as u8; RECORD_BYTES];
    record[..8].copy_from_slice(&number.to_be_bytes());
    record
}
