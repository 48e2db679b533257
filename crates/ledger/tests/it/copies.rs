//! Backups and restores.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{batch, crash_after, filled, read_all, segments, small};
use proptest::prelude::*;
use switchyard_ledger::merkle::{Frontier, leaf_hash};
use switchyard_ledger::{
    Epoch, Error, LedgerId, Log, Options, Sequence, VerifyReport, backup, restore, verify,
};

fn verified(dir: &Path) -> VerifyReport {
    verify(dir, |_| ()).unwrap()
}

fn another() -> Options {
    Options { ledger_id: LedgerId(*b"a restored one!!"), ..small() }
}

#[test]
fn a_backup_of_a_closed_log_is_the_log() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    let (log, copy) = (dir.path().join("log"), dir.path().join("above/copy"));
    let records = filled(&log, &options, 30, 1);
    let report = backup(&log, &copy, |_| ()).unwrap();
    assert_eq!(report.records, 30);
    let (original, copied) = (verified(&log), verified(&copy));
    assert_eq!(original, copied);
    assert_eq!(
        (report.root, report.blocks, report.segments),
        (original.root, original.blocks, original.segments)
    );
    assert_eq!(read_all(&copy), records);
    for (image, original) in segments(&copy).iter().zip(segments(&log)) {
        assert!(original.starts_with(image) && original[image.len()..].iter().all(|byte| *byte == 0));
    }
    assert!(matches!(Log::open(&copy, &options), Err(Error::Backup { .. })));
    assert!(matches!(backup(&log, &copy, |_| ()), Err(Error::Exists { .. })));
    assert!(!dir.path().join("above/copy.partial").exists());
}

#[test]
fn backups_taken_while_a_writer_writes_verify_and_are_prefixes() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    let log_dir = dir.path().join("log");
    let (mut log, _) = Log::open(&log_dir, &options).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that a slow machine's readers end too.
            for n in 0..1_500u64 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                log.append(&batch(&[n.to_le_bytes()]), n).unwrap();
            }
        });
        let mut before = 0;
        for round in 0..8 {
            let copy = dir.path().join(format!("copy-{round}"));
            let report = backup(&log_dir, &copy, |_| ()).unwrap();
            let seen = verified(&copy);
            assert_eq!((seen.records, seen.root), (report.records, report.root));
            assert!(report.records >= before);
            before = report.records;
            let expected: Vec<Vec<u8>> = (0..before).map(|n| n.to_le_bytes().to_vec()).collect();
            assert_eq!(read_all(&copy), expected);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_leaves_out_a_last_block_that_a_crash_may_take() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    let (log, copy) = (dir.path().join("log"), dir.path().join("copy"));
    crash_after(&log, &options, &[b"one", b"two", b"six"]);
    assert_eq!(backup(&log, &copy, |_| ()).unwrap().records, 2);
    assert_eq!(verified(&copy).records, 2);
}

#[test]
fn a_damaged_log_gives_no_backup_and_no_restore_and_leaves_nothing_behind() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    let (log, copy) = (dir.path().join("log"), dir.path().join("copy"));
    filled(&log, &options, 30, 5);
    let path = crate::common::segment_path(&log, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * 4096 + 200] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(backup(&log, &copy, |_| ()), Err(Error::Corrupt(_))));
    assert!(matches!(restore(&log, None, &copy, &another(), |_| ()), Err(Error::Corrupt(_))));
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["log"]);
}

#[test]
fn a_restore_needs_an_id_of_its_own_and_records_that_are_there() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    let (log, new) = (dir.path().join("log"), dir.path().join("new"));
    filled(&log, &options, 7, 1);
    assert!(matches!(restore(&log, None, &new, &options, |_| ()), Err(Error::SameLedger { .. })));
    let beyond = restore(&log, Some(Sequence(8)), &new, &another(), |_| ());
    assert!(matches!(beyond, Err(Error::Beyond { need: 8, have: 7 })));
    assert!(!new.exists());
    let report = restore(&log, None, &new, &another(), |_| ()).unwrap();
    assert_eq!((report.next_seq, report.epoch), (Sequence(7), Epoch(1)));
    assert!(matches!(restore(&log, None, &new, &another(), |_| ()), Err(Error::Exists { .. })));
    let (mut log, recovery) = Log::open(&new, &another()).unwrap();
    assert!(recovery.clean && !recovery.created);
    log.append(&batch(&[b"the restored log goes on"]), 1).unwrap();
    log.close(2).unwrap();
    assert_eq!(verified(&new).records, 8);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn a_log_restored_from_a_backup_has_the_root_of_the_original_at_every_size(count in 0u64..14, seed: u64) {
        let (options, dir) = (small(), tempfile::tempdir().unwrap());
        let (log, copy) = (dir.path().join("log"), dir.path().join("copy"));
        let records = filled(&log, &options, count, seed);
        backup(&log, &copy, |_| ()).unwrap();
        let mut tree = Frontier::new();
        for to in 0..=count {
            let new = dir.path().join(format!("new-{to}"));
            let report = restore(&copy, Some(Sequence(to)), &new, &another(), |_| ()).unwrap();
            let seen = verified(&new);
            prop_assert_eq!((report.root, seen.root, seen.records), (tree.root(), tree.root(), to));
            prop_assert!(seen.closed && seen.ledger_id == another().ledger_id);
            prop_assert_eq!(read_all(&new), &records[..to as usize]);
            if to < count {
                tree.push(leaf_hash(&records[to as usize]));
            }
        }
    }
}
