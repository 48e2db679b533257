//! One suite over every store: what a log needs of an engine, kept by segments and by memory.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{Fault, FaultyFiles, batch, direct_works, small};
use switchyard_ledger::contract::{self, Bench, LEDGER_ID, PARTITION};
use switchyard_ledger::{
    BlockStore, Doubt, Error, Log, MemoryStore, Options, Result, SegmentStore, Sequence, SyncMethod,
};
use tempfile::TempDir;

struct Memory(MemoryStore);

impl Bench for Memory {
    fn store(&mut self) -> Result<Box<dyn BlockStore>> {
        Ok(Box::new(self.0.clone()))
    }
    fn doubt_next(&mut self, doubt: Doubt) -> bool {
        self.0.doubt_next(doubt);
        true
    }
}

struct Segments {
    dir: TempDir,
    options: Options,
    files: Arc<FaultyFiles>,
}

impl Bench for Segments {
    fn store(&mut self) -> Result<Box<dyn BlockStore>> {
        Ok(Box::new(SegmentStore::open(self.dir.path(), &self.options)?))
    }
    fn doubt_next(&mut self, doubt: Doubt) -> bool {
        // A write that came through whole under a failed sync, and one of which nothing did.
        self.files.fail_next(match doubt {
            Doubt::Taken => Fault::SyncError,
            Doubt::Lost => Fault::WriteError,
        });
        true
    }
}

fn segments(sync: SyncMethod) -> Segments {
    let files = FaultyFiles::new(7);
    let mut options = Options { partition: PARTITION, ledger_id: LEDGER_ID, sync, ..small() };
    options.files = Arc::clone(&files) as _;
    Segments { dir: tempfile::tempdir().unwrap(), options, files }
}

#[test]
fn memory_keeps_the_contract() {
    contract::check(|| Memory(MemoryStore::new(PARTITION)));
}

#[test]
fn segments_keep_the_contract() {
    contract::check(|| segments(SyncMethod::Fdatasync));
}

#[test]
fn segments_keep_the_contract_with_direct_writes() {
    if direct_works(tempfile::tempdir().unwrap().path()) {
        contract::check(|| segments(SyncMethod::Direct));
    }
}

#[test]
fn a_log_in_memory_is_read_from_its_first_block_when_there_is_no_mark() {
    let store = MemoryStore::new(PARTITION);
    let options = Options { partition: PARTITION, ..small() };
    let (mut log, _) = Log::over(Box::new(store.clone()), &options).unwrap();
    let roots: Vec<_> = (0..20u8).map(|n| log.append(&batch(&[[n]]), 1).unwrap().root).collect();
    let (_, recovery) = Log::over(Box::new(store), &options).unwrap();
    assert_eq!(recovery.next_seq, Sequence(20));
    assert_eq!(Some(&recovery.root), roots.last());
    assert_eq!(recovery.ledger_id, options.ledger_id);
}

#[test]
fn a_full_memory_refuses_before_it_takes_a_block_and_goes_on_with_room() {
    let store = MemoryStore::new(PARTITION);
    let options = Options { partition: PARTITION, ..small() };
    let (mut log, _) = Log::over(Box::new(store.clone()), &options).unwrap();
    store.limit(Some(0));
    assert!(matches!(log.append(&batch(&[b"no room"]), 1), Err(Error::NoSpace { .. })));
    assert!(matches!(log.writable(), Err(Error::NoSpace { .. })));
    store.limit(None);
    let blocks = store.blocks();
    assert_eq!(log.append(&batch(&[b"room"]), 1).unwrap().first_seq, Sequence(0));
    assert_eq!(store.blocks(), blocks + 1);
}
