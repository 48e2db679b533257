//! Disks that tear, shorten, fail and fill up: nothing that was acknowledged is lost.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::common::{
    Failure, Fault, FaultyFiles, PAGE, Seeded, batch, direct_works, read_all, segment_path, segments, small,
};
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

/// What came back after a fault: the records in order, or a refusal to serve any.
fn reopened(dir: &Path, options: &Options, seed: u64) -> Option<Vec<Vec<u8>>> {
    match Log::open(dir, options) {
        Ok((log, _)) => {
            drop(log);
            verify(dir, |_| {}).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            Some(read_all(dir))
        }
        Err(Error::Corrupt(_)) => None,
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

fn random_record(random: &mut Seeded) -> Vec<u8> {
    (0..8 + random.below(5000)).map(|_| random.next() as u8).collect()
}

/// The call of any number fails: in the opening, in a commit, in the helper's zeros, in a question for space.
fn live_through_a_failed_call(seed: u64, failure: Failure, sync: SyncMethod) -> bool {
    let mut random = Seeded(seed);
    let dir = tempfile::tempdir().unwrap();
    let files = FaultyFiles::new(seed);
    let mut options = small();
    options.sync = sync;
    options.files = Arc::clone(&files) as _;
    let (mut submitted, mut acknowledged) = (Vec::new(), 0);
    files.fail_call(1 + random.below(70), failure);
    let failed = match Log::open(dir.path(), &options) {
        Err(Error::Io { .. } | Error::NoSpace { .. } | Error::Poisoned) => true,
        Err(error) => panic!("seed {seed}: {error}"),
        Ok((mut log, _)) => (0..16).any(|step| {
            let record = random_record(&mut random);
            submitted.push(record.clone());
            match log.append(&batch(&[&record]), step) {
                Ok(_) => acknowledged = submitted.len(),
                // Refused before anything was written: the log goes on once there is room.
                Err(Error::NoSpace { .. }) => {
                    submitted.pop();
                }
                Err(Error::Io { .. } | Error::Poisoned) => return true,
                Err(error) => panic!("seed {seed}: {error}"),
            }
            false
        }),
    };
    files.cut_power();
    let found = reopened(dir.path(), &options, seed).unwrap_or_else(|| panic!("seed {seed}: refused"));
    assert!(found.len() >= acknowledged, "seed {seed}: an acknowledged record is lost");
    assert_eq!(found[..], submitted[..found.len()], "seed {seed}");
    failed
}

#[test]
fn whatever_call_fails_nothing_acknowledged_is_lost() {
    let direct = direct_works(tempfile::tempdir().unwrap().path()).then_some(SyncMethod::Direct);
    for sync in std::iter::once(SyncMethod::Fdatasync).chain(direct) {
        for failure in [Failure::InputOutput, Failure::NoSpace] {
            let failed = (0..150).filter(|seed| live_through_a_failed_call(*seed, failure, sync)).count();
            assert!(failed > 15, "only {failed} of 150 lives met their {failure:?}");
        }
    }
}

#[test]
fn a_sync_that_lies_costs_records_and_never_brings_wrong_ones() {
    let mut refused = 0;
    for seed in 0..200 {
        let mut random = Seeded(seed);
        let dir = tempfile::tempdir().unwrap();
        let files = FaultyFiles::new(seed);
        let mut options = small();
        options.files = Arc::clone(&files) as _;
        let (mut log, _) = Log::open(dir.path(), &options).unwrap();
        let lies_at = random.below(8);
        let mut submitted = Vec::new();
        for step in 0..lies_at + 1 + random.below(3) {
            if step == lies_at {
                files.fail_next(Fault::LostSync);
            }
            submitted.push(random_record(&mut random));
            log.append(&batch(&submitted[submitted.len() - 1..]), step).unwrap();
        }
        drop(log);
        files.cut_power();
        match reopened(dir.path(), &options, seed) {
            Some(found) => assert_eq!(found[..], submitted[..found.len()], "seed {seed}"),
            None => refused += 1,
        }
    }
    assert!(refused > 20, "a gap before acknowledged blocks was refused only {refused} times");
}

#[test]
fn a_bit_that_flips_between_two_lives_is_refused_or_cut_and_never_served() {
    let (mut refused, mut cut) = (0, 0);
    for seed in 0..300 {
        let mut random = Seeded(seed);
        let dir = tempfile::tempdir().unwrap();
        let options = small();
        let mut submitted = Vec::new();
        let (mut log, _) = Log::open(dir.path(), &options).unwrap();
        for step in 0..1 + random.below(9) {
            submitted.push(random_record(&mut random));
            log.append(&batch(&submitted[submitted.len() - 1..]), step).unwrap();
        }
        drop(log);
        let mut images = segments(dir.path());
        // A segment that was only made ready holds nothing to flip.
        images.retain(|image| image.iter().any(|byte| *byte != 0));
        let segment = random.below(images.len() as u64) as usize;
        let image = &mut images[segment];
        let used = image.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
        image[random.below(used) as usize] ^= 1 << random.below(8);
        std::fs::write(segment_path(dir.path(), segment as u64 + 1), image).unwrap();
        // An opening from the mark leaves older blocks to their readers: here everything is read.
        let mut options = options;
        options.scan = switchyard_ledger::Scan::Everything;
        match reopened(dir.path(), &options, seed) {
            Some(found) => {
                assert_eq!(found[..], submitted[..found.len()], "seed {seed}");
                cut += usize::from(found.len() < submitted.len());
            }
            None => refused += 1,
        }
    }
    assert!(refused > 100 && cut > 10, "{refused} refused, {cut} cut");
}
