//! Every byte of a log may be flipped, and every tail cut: recovery gives a clean prefix or refuses.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::common::{PAGE, batch, crash_after, read_all, segment_path, segments, small};
use switchyard_ledger::block::{BlockHeader, HEADER_BYTES, decode, encode};
use switchyard_ledger::{
    Error, Fault, Image, Log, Reader, Result, SegmentNumber, Sequence, VerifyError, recover_image, verify,
};

const RECORDS: [&[u8]; 6] = [b"one", b"", b"three", &[4; 5000], b"five", b"six, the last"];

/// Six blocks of records in two segments; the last writer did not close.
fn crashed() -> (tempfile::TempDir, Vec<Vec<u8>>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    crash_after(dir.path(), &small(), &RECORDS);
    let (segments, mark) = (segments(dir.path()), fs::read(dir.path().join("mark")).unwrap());
    (dir, segments, mark)
}

fn closed() -> (tempfile::TempDir, Vec<Vec<u8>>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    crash_after(dir.path(), &small(), &RECORDS);
    Log::open(dir.path(), &small()).unwrap().0.close(9).unwrap();
    let (segments, mark) = (segments(dir.path()), fs::read(dir.path().join("mark")).unwrap());
    (dir, segments, mark)
}

/// Recovers and holds what comes out against what was written.
fn recover(segments: &[Vec<u8>], mark: Option<&[u8]>) -> Result<Image> {
    let mut seen = 0;
    let image = recover_image(segments.to_vec(), mark, |seq, record| {
        assert_eq!(seq, Sequence(seen as u64));
        assert_eq!(record, RECORDS[seen], "a wrong record came out");
        seen += 1;
    })?;
    assert_eq!(image.next_seq, Sequence(seen as u64));
    Ok(image)
}

#[test]
fn a_flipped_byte_costs_at_most_the_last_block_of_a_crashed_log() {
    let (_dir, segments, mark) = crashed();
    let whole = recover(&segments, Some(&mark)).unwrap();
    assert_eq!((whole.next_seq, whole.cut_bytes), (Sequence(6), 0));
    let (last_segment, end) = whole.end;
    for (index, number) in (1..).map(SegmentNumber).enumerate().take(segments.len()) {
        for at in 0..segments[index].len() {
            let mut bad = segments.clone();
            bad[index][at] ^= 0x40;
            let in_last_block = number == last_segment && (end - PAGE..end).contains(&(at as u64));
            // What was prepared and never written looks like a torn block, or a torn header page, when it is not zero.
            let behind = number > last_segment || number == last_segment && at as u64 >= end;
            match recover(&bad, Some(&mark)) {
                Ok(image) if in_last_block => {
                    assert_eq!((image.next_seq, image.cut_bytes > 0), (Sequence(5), true))
                }
                Ok(image) => {
                    let whole = (image.next_seq, image.cut_bytes > 0) == (Sequence(6), true);
                    // Between the last block of a segment and the next segment only verify looks.
                    let gap = number < last_segment && image.next_seq == Sequence(6);
                    assert!(behind && whole || gap, "segment {number} byte {at}: {image:?}");
                }
                Err(Error::Corrupt(_)) => {}
                Err(error) => panic!("segment {number} byte {at}: {error}"),
            }
        }
    }
}

#[test]
fn every_cut_of_a_crashed_log_gives_a_prefix_or_is_refused() {
    let (_dir, segments, mark) = crashed();
    for index in 0..segments.len() {
        for length in (0..segments[index].len()).step_by(7) {
            let mut short = segments.clone();
            short[index].truncate(length);
            let mut zeroed = segments.clone();
            zeroed[index][length..].fill(0);
            for bad in [short, zeroed] {
                for mark in [None, Some(&mark[..])] {
                    match recover(&bad, mark) {
                        // With whole blocks in the second segment the first one must be whole.
                        Ok(image) => {
                            assert!(index > 0 || image.next_seq.0 == 6 || is_zero_from(&segments[1], 0))
                        }
                        Err(Error::Corrupt(_)) => {}
                        Err(error) => panic!("segment {index} cut at {length}: {error}"),
                    }
                }
            }
        }
    }
}

fn is_zero_from(bytes: &[u8], at: usize) -> bool {
    bytes[at..].iter().all(|byte| *byte == 0)
}

#[test]
fn verify_finds_every_flipped_byte_of_a_closed_log() {
    let (dir, segments, mark) = closed();
    let report = verify(dir.path(), |_| {}).unwrap();
    assert!(report.closed && report.marked);
    assert_eq!((report.records, report.epochs, report.torn_tail), (6, 2, None));
    let used =
        segments.iter().enumerate().map(|(index, bytes)| (segment_path(dir.path(), index as u64 + 1), bytes));
    for (path, bytes) in used.chain([(dir.path().join("mark"), &mark)]) {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == 0 && at % 13 != 0 {
                continue;
            }
            file.write_all_at(&[byte ^ 1], at as u64).unwrap();
            let found = verify(dir.path(), |_| {});
            assert!(matches!(found, Err(VerifyError::Finding(_))), "{} byte {at}: {found:?}", path.display());
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
    }
    assert_eq!(verify(dir.path(), |_| {}).unwrap(), report);
}

#[test]
fn a_torn_tail_is_cut_kept_and_recorded() {
    for torn_at in [1, 100, 700, 4095, 4096, 5000, 8191] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = small();
        options.segment_bytes = 12 * PAGE;
        crash_after(dir.path(), &options, &RECORDS[..3]);
        let end = Reader::open(dir.path()).unwrap().from(Sequence(9)).unwrap().place();
        crash_after_raw(dir.path(), &[4; 5000]);
        let path = segment_path(dir.path(), end.0.0);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        let zeros = vec![0; (length - end.1 - torn_at) as usize];
        file.write_all_at(&zeros, end.1 + torn_at).unwrap();
        if torn_at > 160 + 4 + 5000 {
            // The tear fell into the padding: the block is whole, and its root is wrong.
            assert!(matches!(Log::open(dir.path(), &options), Err(Error::Corrupt(_))));
            continue;
        }
        let torn = verify(dir.path(), |_| {}).unwrap().torn_tail.unwrap();
        assert_eq!((torn.segment, torn.offset), end);
        assert_eq!(read_all(dir.path()), RECORDS[..3]);

        let (mut log, recovery) = Log::open(dir.path(), &options).unwrap();
        let cut = recovery.cut.unwrap();
        assert_eq!((cut.segment, cut.offset, cut.bytes), (end.0, end.1, torn.bytes));
        assert_eq!(fs::read(&cut.kept_in).unwrap().len() as u64, cut.bytes);
        log.append(&batch(&[RECORDS[3]]), 3).unwrap();
        let report = verify(dir.path(), |_| {}).unwrap();
        assert_eq!((report.cuts, report.torn_tail, report.records), (1, None, 4));
        drop(log);
        assert_eq!(Log::open(dir.path(), &options).unwrap().1.cut, None);
        assert_eq!(read_all(dir.path()), RECORDS[..4]);
    }
}

/// Puts a block where the log ends, as a writer that crashes in the middle of it would.
fn crash_after_raw(dir: &Path, record: &[u8]) {
    let mut reader = Reader::open(dir).unwrap();
    let mut last = None;
    while let Some(block) = reader.next_block().unwrap() {
        last = Some((block.header, block.hash));
    }
    let (segment, offset) = reader.place();
    let (header, previous) = last.unwrap();
    let batch = batch(&[record]);
    let header = BlockHeader {
        block: reader.next_number(),
        first_seq: reader.next_seq(),
        count: 1,
        previous,
        root: switchyard_ledger::Hash([5; 32]),
        ..header
    };
    let mut image = Vec::new();
    encode(&header, [batch.bytes()].into_iter(), &mut image);
    let file = OpenOptions::new().write(true).open(segment_path(dir, segment.0)).unwrap();
    file.write_all_at(&image, offset).unwrap();
}

#[test]
fn a_whole_block_with_a_wrong_root_is_no_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    crash_after(dir.path(), &small(), &RECORDS[..3]);
    crash_after_raw(dir.path(), b"forged");
    let opened = Log::open(dir.path(), &small());
    assert!(matches!(opened, Err(Error::Corrupt(finding)) if finding.what == Fault::Root));
    assert!(
        matches!(verify(dir.path(), |_| {}), Err(VerifyError::Finding(finding)) if finding.what == Fault::Root)
    );
}

#[test]
fn a_cut_is_reported_again_when_the_opening_that_made_it_died() {
    let dir = tempfile::tempdir().unwrap();
    crash_after(dir.path(), &small(), &RECORDS[..3]);
    // The tail was kept and zeroed, and then the power went, before the block that opens epoch 2.
    fs::write(dir.path().join("torn-00000002.bin"), [9; 321]).unwrap();
    let (log, recovery) = Log::open(dir.path(), &small()).unwrap();
    assert_eq!(recovery.cut.unwrap().bytes, 321);
    drop(log);
    assert_eq!(verify(dir.path(), |_| {}).unwrap().cuts, 1);
    assert_eq!(Log::open(dir.path(), &small()).unwrap().1.cut, None);
}

#[test]
fn a_block_inside_a_record_does_not_pass_for_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    crash_after(dir.path(), &small(), &RECORDS[..1]);
    // An older block of this very log, copied into a record so that it lies on a page boundary.
    let image = &segments(dir.path())[0][4096..8192];
    assert!(decode(image).is_ok());
    let mut record = vec![0; 4096 - HEADER_BYTES - 4];
    record.extend_from_slice(image);
    crash_after_raw(dir.path(), &record);
    let (segment, offset) = Reader::open(dir.path()).map(|reader| reader.place()).unwrap();
    assert_eq!((segment.0, offset), (1, 0));
    // Its own header is torn off, the copy is whole.
    let file = OpenOptions::new().write(true).open(segment_path(dir.path(), 1)).unwrap();
    file.write_all_at(&[0; 512], 3 * PAGE).unwrap();
    let (_, recovery) = Log::open(dir.path(), &small()).unwrap();
    assert!(recovery.cut.is_some());
    assert_eq!(read_all(dir.path()), RECORDS[..1]);
}

#[test]
fn a_lost_end_is_seen_by_the_mark() {
    let (dir, segments, _) = closed();
    let started = segments.iter().filter(|bytes| !is_zero_from(bytes, 0)).count();
    (started..=segments.len()).for_each(|number| {
        let _ = fs::remove_file(segment_path(dir.path(), number as u64));
    });
    let lost = |error: Error| matches!(error, Error::Corrupt(_));
    assert!(lost(Log::open(dir.path(), &small()).unwrap_err()));
    assert!(lost(Reader::open(dir.path()).unwrap().for_each(|_, _| Ok::<_, Error>(())).unwrap_err()));
    assert!(matches!(verify(dir.path(), |_| {}), Err(VerifyError::Finding(_))));
}

#[test]
fn a_missing_first_or_middle_segment_is_damage() {
    let (_dir, segments, mark) = crashed();
    assert!(segments.len() >= 2);
    assert!(recover(&segments[1..], None).is_err());
    let swapped: Vec<_> = segments.iter().rev().cloned().collect();
    assert!(recover(&swapped, Some(&mark)).is_err());
}
