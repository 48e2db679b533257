//! One suite over every store: what a log needs of an engine, kept by segments and by memory.

use std::sync::Arc;

use crate::common::{Fault, FaultyFiles, batch, direct_works, small};
use switchyard_ledger::contract::{self, Bench, LEDGER_ID, PARTITION};
use switchyard_ledger::{
    BlockNumber, BlockStore, Doubt, Error, Log, MemoryDisk, MemoryStore, Options, PowerCut, Result,
    SegmentStore, Sequence, SyncMethod,
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

struct Disk(MemoryDisk);

impl Bench for Disk {
    fn store(&mut self) -> Result<Box<dyn BlockStore>> {
        Ok(Box::new(self.0.handle()))
    }
    fn doubt_next(&mut self, doubt: Doubt) -> bool {
        let pieces = if doubt == Doubt::Taken { u64::MAX } else { 0 };
        self.0.cut_power(PowerCut { after_writes: 0, pieces });
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
fn a_disk_in_memory_keeps_the_contract() {
    contract::check(|| Disk(MemoryDisk::new(PARTITION, 1 << 16)));
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

/// Records of the disk, from the first on.
fn records(disk: &MemoryDisk) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    disk.for_each(BlockNumber(0), |_, record| all.push(record.to_vec())).unwrap();
    all
}

#[test]
fn a_disk_that_was_torn_anywhere_keeps_what_was_acknowledged() {
    let options = Options { partition: PARTITION, ..small() };
    // Five pages a segment, so that cuts meet blocks, header pages and the seam between segments.
    let disk = MemoryDisk::new(PARTITION, 5 * 4096);
    let mut acknowledged: Vec<Vec<u8>> = Vec::new();
    let mut torn = 0;
    for round in 0..300_u64 {
        let (mut log, recovery) = Log::over(Box::new(disk.handle()), &options).unwrap();
        let kept = records(&disk);
        assert_eq!(kept.len() as u64, recovery.next_seq.0);
        // The block under way may have come through whole: then it counts although nobody heard of it.
        assert!(kept.starts_with(&acknowledged) && kept.len() <= acknowledged.len() + 2, "round {round}");
        acknowledged = kept;
        torn += usize::from(recovery.cut.is_some());
        let pieces = match round % 4 {
            0 => 0,
            1 => u64::MAX,
            _ => round.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        disk.cut_power(PowerCut { after_writes: (round % 5) as u32, pieces });
        for write in 0_u64.. {
            // Long enough that a part of a block can be left.
            let pair = [round.to_le_bytes().repeat(200), write.to_le_bytes().repeat(200)];
            match log.append(&batch(&pair), 1) {
                Ok(_) => acknowledged.extend(pair),
                Err(error) => {
                    assert!(matches!(error, Error::Io { .. }), "{error}");
                    break;
                }
            }
        }
        assert!(matches!(log.append(&batch(&[b"more"]), 1), Err(Error::Poisoned)));
    }
    assert!(torn > 50, "{torn} torn blocks");
}

#[test]
fn a_disk_that_forgets_what_it_acknowledged_is_found_out_by_the_mark() {
    let options = Options { partition: PARTITION, ..small() };
    let disk = MemoryDisk::new(PARTITION, 1 << 16);
    let (mut log, _) = Log::over(Box::new(disk.handle()), &options).unwrap();
    log.append(&batch(&[b"kept?"]), 1).unwrap();
    log.seal(2).unwrap();
    disk.lose_last_block();
    assert!(matches!(Log::over(Box::new(disk.handle()), &options), Err(Error::Corrupt(_))));
}
