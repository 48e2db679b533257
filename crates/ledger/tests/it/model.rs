//! A plain list of records is the oracle of the log.

use std::fs;

use crate::common::{batch, read_all, small};
use proptest::prelude::*;
use switchyard_ledger::merkle::{Frontier, leaf_hash};
use switchyard_ledger::{
    BlockNumber, Error, Log, Partition, Reader, RecordBatch, Scan, SegmentNumber, Sequence, verify,
};

/// What a writer may do.
#[derive(Debug, Clone)]
enum Act {
    Append(Vec<Vec<u8>>),
    Seal,
    Crash,
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    let record = prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..80), 1 => prop::collection::vec(any::<u8>(), 4000..9000)];
    prop_oneof![
        8 => prop::collection::vec(record, 0..2).prop_map(Act::Append),
        1 => Just(Act::Seal),
        1 => Just(Act::Crash),
        1 => Just(Act::Close),
    ]
}

fn root_of(records: &[Vec<u8>]) -> switchyard_ledger::Hash {
    let mut tree = Frontier::new();
    records.iter().for_each(|record| tree.push(leaf_hash(record)));
    tree.root()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_appended_comes_back(acts in prop::collection::vec(act(), 0..20), everything in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = small();
        options.scan = if everything { Scan::Everything } else { Scan::FromMark };
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut open: Option<Log> = None;
        let mut epochs = 0;
        for act in acts {
            let mut log = match open.take() {
                Some(log) => log,
                None => {
                    let (log, recovery) = Log::open(dir.path(), &options).unwrap();
                    epochs += 1;
                    prop_assert_eq!((recovery.epoch.0, recovery.next_seq.0), (epochs, model.len() as u64));
                    prop_assert_eq!(recovery.root, root_of(&model));
                    prop_assert_eq!(recovery.cut, None);
                    log
                }
            };
            match act {
                Act::Append(records) => {
                    let position = log.append(&batch(&records), 5).unwrap();
                    prop_assert_eq!(position.first_seq.0, model.len() as u64);
                    model.extend(records);
                    prop_assert_eq!(position.next_seq.0, model.len() as u64);
                    prop_assert_eq!(position.root, root_of(&model));
                    open = Some(log);
                }
                Act::Seal => {
                    log.seal(6).unwrap();
                    open = Some(log);
                }
                Act::Crash => drop(log),
                Act::Close => log.close(7).unwrap(),
            }
        }
        let (log, _) = match open.take() { Some(log) => (log, None), None => { let (log, recovery) = Log::open(dir.path(), &options).unwrap(); (log, Some(recovery)) } };
        prop_assert_eq!(&read_all(dir.path()), &model);
        let report = verify(dir.path(), |_| {}).unwrap();
        prop_assert_eq!((report.records, report.root, report.torn_tail), (model.len() as u64, root_of(&model), None));
        drop(log);
        for from in [0, model.len() / 2, model.len(), model.len() + 3] {
            let mut seen = Vec::new();
            let reader = Reader::open(dir.path()).unwrap().from(Sequence(from as u64)).unwrap();
            reader.for_each(|seq, record| -> switchyard_ledger::Result<()> { seen.push((seq.0 as usize, record.to_vec())); Ok(()) }).unwrap();
            let expected: Vec<_> = model.iter().cloned().enumerate().skip(from).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), &small()).unwrap();
    assert!(matches!(Log::open(dir.path(), &small()), Err(Error::Locked { .. })));
    log.close(9).unwrap();
    let (_, recovery) = Log::open(dir.path(), &small()).unwrap();
    assert!(recovery.clean && !recovery.created);
    assert_eq!(recovery.epoch.0, 2);
}

#[test]
fn another_partition_and_wrong_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Log::open(dir.path(), &small()).unwrap());
    let mut other = small();
    other.partition = Partition(4);
    assert!(matches!(Log::open(dir.path(), &other), Err(Error::WrongPartition { .. })));
    for segment_bytes in [0, 4096, 8193, u64::MAX] {
        let mut options = small();
        options.segment_bytes = segment_bytes;
        assert!(matches!(Log::open(dir.path(), &options), Err(Error::BadOption { .. })));
    }
    assert!(matches!(Reader::open(tempfile::tempdir().unwrap().path()), Err(Error::Missing { .. })));
}

#[test]
fn a_batch_over_the_segment_is_refused_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), &small()).unwrap();
    let fits = vec![1; log.payload_bytes_max() - 4];
    let mut long = fits.clone();
    long.push(1);
    assert!(matches!(log.append(&batch(&[&long]), 1), Err(Error::TooLarge { .. })));
    log.append(&batch(&[&fits]), 1).unwrap();
    log.append(&batch(&[b"small"]), 1).unwrap();
    assert_eq!(read_all(dir.path()), vec![fits, b"small".to_vec()]);
}

#[test]
fn segments_of_another_size_continue_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    for pages in [6, 2, 16, 3] {
        let mut options = small();
        options.segment_bytes = pages * crate::common::PAGE;
        let (mut log, _) = Log::open(dir.path(), &options).unwrap();
        for n in 0..8u8 {
            log.append(&batch(&[[pages as u8, n]]), 1).unwrap();
            records.push(vec![pages as u8, n]);
        }
    }
    assert_eq!(read_all(dir.path()), records);
    verify(dir.path(), |_| {}).unwrap();
}

#[test]
fn a_reader_follows_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), &small()).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    assert!(reader.next_block().unwrap().unwrap().records().next().is_none());
    for n in 0..30u64 {
        assert!(reader.next_block().unwrap().is_none());
        log.append(&batch(&[n.to_le_bytes()]), n).unwrap();
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!(block.records().collect::<Vec<_>>(), [(Sequence(n), &n.to_le_bytes()[..])]);
    }
}

#[test]
fn readers_beside_a_writer_see_a_prefix_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = small();
    options.segment_bytes = 64 * crate::common::PAGE;
    let (mut log, _) = Log::open(dir.path(), &options).unwrap();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while seen < 2000 {
                        let records = read_all(dir.path());
                        let expected = (0..).map(|n: u64| vec![n as u8; (n % 700) as usize]);
                        assert!(records.iter().zip(expected).all(|(have, expected)| *have == expected));
                        verify(dir.path(), |_| {}).unwrap();
                        assert!(records.len() >= seen);
                        seen = records.len();
                    }
                })
            })
            .collect();
        for start in (0..2000u64).step_by(8) {
            let mut batch = RecordBatch::new();
            (start..start + 8).for_each(|n| batch.push_bytes(&vec![n as u8; (n % 700) as usize]).unwrap());
            log.append(&batch, start).unwrap();
        }
        log.seal(1).unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// Written by the first version of the format; every later one opens it.
#[test]
fn the_log_of_format_1_opens() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let expected: Vec<_> = (0..9u8).map(|n| vec![n; 300 * usize::from(n)]).collect();
    let report = verify(dir.path(), |_| {}).unwrap();
    assert!(report.closed && report.marked);
    assert_eq!((report.segments, report.blocks, report.records, report.epochs), (3, 13, 9, 2));
    assert_eq!(report.root.to_string(), "197752470e974196633a1b602bb0c3f2df49e344e1a62941a9b570c71d5bf234");
    assert_eq!(read_all(dir.path()), expected);
    let (mut log, recovery) = Log::open(dir.path(), &small()).unwrap();
    assert_eq!((recovery.root, recovery.clean, recovery.epoch.0), (report.root, true, 3));
    let position = log.append(&batch(&[b"ten"]), 1).unwrap();
    assert_eq!((position.first_seq, position.block), (Sequence(9), BlockNumber(14)));
    let (segment, _) = Reader::open(dir.path()).unwrap().from(Sequence(9)).unwrap().place();
    assert!(segment >= SegmentNumber(3));
}

/// Run by hand, once for each format, with the directory of the fixture in `LEDGER_FIXTURE`.
#[test]
fn fixture_is_made_on_request() {
    let Some(dir) = std::env::var_os("LEDGER_FIXTURE").map(std::path::PathBuf::from) else { return };
    for half in [0..5u8, 5..9] {
        let (mut log, _) = Log::open(&dir, &small()).unwrap();
        for n in half {
            log.append(&batch(&[vec![n; 300 * usize::from(n)]]), u64::from(n)).unwrap();
        }
        log.close(99).unwrap();
    }
    fs::remove_file(dir.join("lock")).unwrap();
}
