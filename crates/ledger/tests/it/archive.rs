//! Sealed segments lie in another directory, and everything that reads goes on as before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{batch, filled, read_all, segment_path, small};
use switchyard_ledger::{
    Error, Fault, Finding, LedgerId, Log, Options, Reader, SegmentNumber, Sequence, VerifyError, archive,
    backup, restore, verify,
};

struct Place {
    _dir: tempfile::TempDir,
    log: PathBuf,
    away: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { log: dir.path().join("log"), away: dir.path().join("far/away"), _dir: dir }
}

fn live(dir: &Path) -> Vec<u64> {
    (1..200).filter(|number| segment_path(dir, *number).exists()).collect()
}

#[test]
fn everything_reads_across_the_log_and_its_archives() {
    let (options, place) = (small(), place());
    let records = filled(&place.log, &options, 60, 3);
    let before = verify(&place.log, |_| ()).unwrap();
    let mut seen = Vec::new();
    let first = archive(&place.log, &place.away, 4, |done, of| seen.push((done, of))).unwrap();
    assert!(first.segments.len() > 2 && first.kept == 4 && first.records > 0, "{first:?}");
    assert!(seen.last().is_some_and(|(done, of)| done == of), "{seen:?}");
    assert_eq!(live(&place.away), first.segments.iter().map(|n| n.0).collect::<Vec<_>>());
    assert_eq!(live(&place.log)[0], first.segments.len() as u64 + 1);
    // A second archive beside the first, for all that is sealed.
    let other = place.away.join("../other");
    let second = archive(&place.log, &other, 0, |_, _| ()).unwrap();
    assert_eq!((second.segments.len(), second.kept), (4, 0));
    assert_eq!(archive(&place.log, &other, 0, |_, _| ()).unwrap().segments, []);

    assert_eq!(verify(&place.log, |_| ()).unwrap(), before);
    assert_eq!(read_all(&place.log), records);
    let mut from = Vec::new();
    let reader = Reader::open(&place.log).unwrap().from(Sequence(7)).unwrap();
    let visit = |seq: Sequence, _: &[u8]| -> switchyard_ledger::Result<()> {
        from.push(seq.0);
        Ok(())
    };
    reader.for_each(visit).unwrap();
    assert_eq!(from, (7..60).collect::<Vec<_>>());
    let copy = place.away.join("../copy");
    assert_eq!(backup(&place.log, &copy, |_| ()).unwrap().root, before.root, "a backup is whole");
    let another = Options { ledger_id: LedgerId(*b"a restored one!!"), ..small() };
    let restored = place.away.join("../restored");
    assert_eq!(restore(&place.log, None, &restored, &another, |_| ()).unwrap().root, before.root);

    let (mut log, recovery) = Log::open(&place.log, &options).unwrap();
    assert_eq!((recovery.next_seq.0, recovery.clean), (60, true));
    log.append(&batch(&[b"more"]), 1).unwrap();
    log.close(2).unwrap();
    assert_eq!(read_all(&place.log).len(), 61);
}

#[test]
fn a_missing_archive_is_a_finding_and_the_writer_starts_without_it() {
    let (options, place) = (small(), place());
    let records = filled(&place.log, &options, 40, 5);
    let report = archive(&place.log, &place.away, 1, |_, _| ()).unwrap();
    let aside = place.away.with_extension("aside");
    fs::rename(&place.away, &aside).unwrap();

    let missing =
        |finding: &Finding| finding.what == Fault::ArchiveMissing && finding.segment == SegmentNumber(1);
    let verified = verify(&place.log, |_| ());
    assert!(matches!(&verified, Err(VerifyError::Finding(finding)) if missing(finding)), "{verified:?}");
    let text = verified.unwrap_err().to_string();
    assert!(text.contains("segment is archived, and its archive is not there"), "{text}");
    let read = Reader::open(&place.log).unwrap().next_block().map(|_| ());
    assert!(matches!(&read, Err(Error::Corrupt(finding)) if missing(finding)), "{read:?}");
    // What is still here is read, and the log is written.
    let here = report.records;
    let mut reader = Reader::open(&place.log).unwrap().from(Sequence(here)).unwrap();
    let block = reader.next_block().unwrap().unwrap();
    assert_eq!(block.records().next().unwrap(), (Sequence(here), &records[here as usize][..]));
    let (mut log, recovery) = Log::open(&place.log, &options).unwrap();
    assert_eq!(recovery.next_seq.0, 40);
    log.append(&batch(&[b"more"]), 1).unwrap();
    log.close(2).unwrap();

    // An operator says where the archive is now.
    fs::write(place.log.join("archive"), format!("{}\n", aside.display())).unwrap();
    assert_eq!(verify(&place.log, |_| ()).unwrap().records, 41);
    // Or puts the segments back.
    for number in &report.segments {
        fs::copy(segment_path(&aside, number.0), segment_path(&place.log, number.0)).unwrap();
    }
    fs::remove_dir_all(aside).unwrap();
    assert_eq!(verify(&place.log, |_| ()).unwrap().records, 41);
}

#[test]
fn a_damaged_segment_stays_and_one_that_is_damaged_in_the_archive_is_found() {
    let (options, place) = (small(), place());
    filled(&place.log, &options, 40, 6);
    let path = segment_path(&place.log, 2);
    let whole = fs::read(&path).unwrap();
    let mut bad = whole.clone();
    bad[4096 + 170] ^= 1;
    fs::write(&path, &bad).unwrap();
    let refused = archive(&place.log, &place.away, 0, |_, _| ());
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    assert_eq!(live(&place.away), [1], "what stands before it was moved");
    assert!(path.exists());
    fs::write(&path, &whole).unwrap();
    // Another file in the way is never written over.
    fs::write(segment_path(&place.away, 2), b"something else").unwrap();
    assert!(matches!(archive(&place.log, &place.away, 0, |_, _| ()), Err(Error::Exists { .. })));
    assert!(path.exists());
    fs::remove_file(segment_path(&place.away, 2)).unwrap();
    // An attempt that ended after the copy goes on.
    fs::copy(&path, segment_path(&place.away, 2)).unwrap();
    let copied = fs::OpenOptions::new().write(true).open(segment_path(&place.away, 2)).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    copied.set_len(used.next_multiple_of(4096) as u64).unwrap();
    archive(&place.log, &place.away, 0, |_, _| ()).unwrap();
    assert!(matches!(archive(&place.log, &place.log, 0, |_, _| ()), Err(Error::Exists { .. })));
    verify(&place.log, |_| ()).unwrap();
    for at in [0, 100, 4096, 4096 + 130, 4096 + 161] {
        let path = segment_path(&place.away, 1);
        let whole = fs::read(&path).unwrap();
        let mut bad = whole.clone();
        bad[at] ^= 4;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(verify(&place.log, |_| ()), Err(VerifyError::Finding(_))), "byte {at}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn archiving_while_a_writer_writes_and_readers_read_loses_nothing() {
    let (options, place) = (small(), place());
    let (mut log, _) = Log::open(&place.log, &options).unwrap();
    log.seal(1).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..600u64 {
                log.append(&batch(&[n.to_le_bytes()]), n).unwrap();
                if n % 20 == 0 {
                    log.seal(n).unwrap();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        let mut moved = 0;
        while !stop.load(Ordering::Relaxed) {
            moved += archive(&place.log, &place.away, 1, |_, _| ()).unwrap().segments.len();
            let seen = read_all(&place.log);
            assert!(seen.iter().zip(0u64..).all(|(record, n)| *record == n.to_le_bytes()));
        }
        assert!(moved > 3, "{moved}");
    });
    assert_eq!(verify(&place.log, |_| ()).unwrap().records, 600);
    assert_eq!(read_all(&place.log).len(), 600);
}
