//! Disks that tear, shorten, fail and fill up: nothing that was acknowledged is lost.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use common::{Fault, FaultyFiles, PAGE, Seeded, batch, direct_works, read_all, small};
use switchyard_ledger::{Error, FileLayer, Log, Options, OsFiles, SyncMethod, verify};

/// One life after the other on the same directory, each ended by a fault or a power cut.
fn live_through(seed: u64, sync: SyncMethod) {
    let mut random = Seeded(seed);
    let dir = tempfile::tempdir().unwrap();
    let files = FaultyFiles::new(seed);
    let mut options = small();
    options.files = Arc::clone(&files) as _;
    options.sync = sync;
    let mut durable: Vec<Vec<u8>> = Vec::new();
    for life in 0..4 {
        let opened = Log::open(dir.path(), &options);
        let (mut log, recovery) = opened.unwrap_or_else(|error| panic!("seed {seed} life {life}: {error}"));
        let found = read_all(dir.path());
        assert!(found.len() >= durable.len(), "seed {seed} life {life}: an acknowledged record is lost");
        assert_eq!(found[..durable.len()], durable, "seed {seed} life {life}");
        assert_eq!(recovery.next_seq.0, found.len() as u64);
        // A block that was whole on disk counts even if nobody was told.
        durable = found;
        let fails_at = random.below(12);
        for step in 0..12 {
            let count = random.below(4);
            let records: Vec<_> =
                (0..count).map(|_| vec![random.next() as u8; random.below(6000) as usize]).collect();
            if step == fails_at {
                let faults = [Fault::ShortWrite, Fault::SyncError, Fault::WriteError];
                files.fail_next(faults[random.below(3) as usize]);
            }
            match log.append(&batch(&records), step) {
                Ok(_) => durable.extend(records),
                Err(Error::Io { .. } | Error::Poisoned) => {
                    let again = log.append(&batch(&[b"again"]), step);
                    assert!(matches!(again, Err(Error::Poisoned)), "seed {seed}: {again:?}");
                    assert!(matches!(log.writable(), Err(Error::Poisoned)));
                    assert!(log.seal(step).is_err());
                    break;
                }
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        drop(log);
        files.cut_power();
        verify(dir.path(), |_| {}).unwrap_or_else(|error| panic!("seed {seed} life {life}: {error}"));
    }
}

#[test]
fn nothing_acknowledged_is_lost_under_any_seed() {
    (0..150).for_each(|seed| live_through(seed, SyncMethod::Fdatasync));
}

#[test]
fn nothing_acknowledged_is_lost_under_any_seed_with_direct_writes() {
    if direct_works(tempfile::tempdir().unwrap().path()) {
        (0..150).for_each(|seed| live_through(seed, SyncMethod::Direct));
    }
}

/// A file system without direct writes, as some network and memory file systems are.
#[derive(Debug)]
struct NoDirect;

impl FileLayer for NoDirect {
    fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        OsFiles.write_at(file, path, bytes, offset)
    }
    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        OsFiles.sync(file, path)
    }
    fn open_direct(&self, _path: &Path) -> io::Result<File> {
        Err(io::ErrorKind::InvalidInput.into())
    }
    fn reserve(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        OsFiles.reserve(file, path, bytes)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        OsFiles.free_bytes(dir)
    }
}

#[test]
fn a_file_system_without_direct_writes_is_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options { files: Arc::new(NoDirect), sync: SyncMethod::Direct, ..small() };
    let refused = Log::open(dir.path(), &options).unwrap_err();
    assert!(matches!(refused, Error::NoDirect { .. }), "{refused}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
    options.sync = SyncMethod::Fdatasync;
    let (log, recovery) = Log::open(dir.path(), &options).unwrap();
    assert!(recovery.created);
    log.close(1).unwrap();
}

#[test]
fn a_log_changes_between_both_ways_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    if !direct_works(dir.path()) {
        return;
    }
    let mut expected = Vec::new();
    for (life, sync) in [SyncMethod::Direct, SyncMethod::Fdatasync].repeat(3).into_iter().enumerate() {
        let (mut log, _) = Log::open(dir.path(), &Options { sync, ..small() }).unwrap();
        for n in 0..5u8 {
            expected.push(vec![n + life as u8; 1_500 * usize::from(n)]);
            log.append(&batch(&expected[expected.len() - 1..]), 1).unwrap();
            // A reader goes through the page cache, which a direct write passes by.
            assert_eq!(read_all(dir.path()), expected);
        }
    }
    verify(dir.path(), |_| {}).unwrap();
}

#[test]
fn a_full_disk_is_refused_before_a_write_and_passes_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultyFiles::new(1);
    let mut options = small();
    options.files = Arc::clone(&files) as _;
    files.limit_free(Some(PAGE));
    assert!(matches!(Log::open(dir.path(), &options), Err(Error::NoSpace { .. })));
    files.limit_free(None);
    let (mut log, _) = Log::open(dir.path(), &options).unwrap();
    files.limit_free(Some(PAGE));
    let mut durable = Vec::new();
    let refused = loop {
        let record = vec![durable.len() as u8; 3000];
        match log.append(&batch(&[&record]), 1) {
            Ok(_) => durable.push(record),
            Err(error) => break error,
        }
        assert!(durable.len() < 20);
    };
    assert!(matches!(refused, Error::NoSpace { .. }), "{refused}");
    assert!(matches!(log.append(&batch(&[b"still full"]), 1), Err(Error::NoSpace { .. })));
    assert!(matches!(log.writable(), Err(Error::NoSpace { .. })));
    files.limit_free(None);
    let record = b"room again".to_vec();
    log.append(&batch(&[&record]), 1).unwrap();
    log.writable().unwrap();
    durable.push(record);
    log.close(2).unwrap();
    assert_eq!(read_all(dir.path()), durable);
    verify(dir.path(), |_| {}).unwrap();
}
