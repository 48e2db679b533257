//! The committer releases effects in order, only when durable, and never after a failure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::common::{Fault, FaultyFiles, batch, read_all, small};
use switchyard_ledger::{
    Committer, Error, Log, Options, Outcome, Position, RecordBatch, Refused, limits, verify,
};

/// What the committer told, in order.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Durable(Position, Vec<u64>),
    Poison(&'static str),
}

struct Teller(Sender<Told>);

impl Outcome<u64> for Teller {
    fn on_durable(&mut self, position: Position, effects: Vec<u64>) {
        self.0.send(Told::Durable(position, effects)).unwrap();
    }

    fn on_poison(&mut self, error: &Error) {
        self.0.send(Told::Poison(error.code())).unwrap();
    }
}

fn start(options: &Options) -> (tempfile::TempDir, Committer<u64>, Receiver<Told>) {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let (teller, told) = channel();
    let ticks = AtomicU64::new(0);
    let committer =
        Committer::spawn(log, move || ticks.fetch_add(1, Ordering::Relaxed), Teller(teller)).unwrap();
    (dir, committer, told)
}

#[test]
fn effects_of_many_producers_leave_in_the_order_of_their_records() {
    let (dir, committer, told) = start(&small());
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for producer in 0..4u64 {
            let (submitter, order) = (committer.submitter(), &order);
            scope.spawn(move || {
                for n in 0..50 {
                    let tag = producer * 1000 + n;
                    let records: &[[u8; 8]] = if n % 5 == 4 { &[] } else { &[tag.to_le_bytes()] };
                    let mut order = order.lock().unwrap();
                    submitter.submit(batch(records), tag).unwrap();
                    order.push(tag);
                }
            });
        }
    });
    let stats_blocks = {
        committer.submitter().seal();
        committer.shutdown().unwrap();
        let mut released = Vec::new();
        let mut next_seq = 0;
        let mut blocks = 0;
        for told in told {
            let Told::Durable(position, effects) = told else { panic!("{told:?}") };
            let records = effects.iter().filter(|tag| *tag % 5 != 4).count() as u64;
            next_seq += records;
            assert_eq!(position.next_seq.0, next_seq);
            released.extend(effects);
            blocks += 1;
        }
        assert_eq!(released, order.into_inner().unwrap());
        let expected: Vec<_> =
            released.iter().filter(|tag| *tag % 5 != 4).map(|tag| tag.to_le_bytes().to_vec()).collect();
        assert_eq!(read_all(dir.path()), expected);
        blocks
    };
    assert!(stats_blocks > 0);
    let report = verify(dir.path(), |_| {}).unwrap();
    assert!(report.closed);
    assert_eq!(report.records, 160);
}

#[test]
fn a_failed_append_poisons_once_and_releases_nothing_more() {
    for fault in [Fault::ShortWrite, Fault::SyncError, Fault::WriteError] {
        let files = FaultyFiles::new(7);
        let mut options = small();
        options.files = Arc::clone(&files) as _;
        let (dir, committer, told) = start(&options);
        let submitter = committer.submitter();
        submitter.submit(batch(&[b"before"]), 1).unwrap();
        assert!(matches!(told.recv().unwrap(), Told::Durable(_, effects) if effects == [1]));
        files.fail_next(fault);
        submitter.submit(batch(&[b"lost"]), 2).unwrap();
        assert!(matches!(told.recv().unwrap(), Told::Poison(_)));
        assert!(matches!(submitter.submit(batch(&[b"late"]), 3), Err(Refused::Closed(_, 3))));
        assert!(matches!(submitter.submit(RecordBatch::new(), 4), Err(Refused::Closed(_, 4))));
        assert!(committer.shutdown().is_err());
        assert!(told.recv().is_err(), "nothing is told after the poison");
        files.cut_power();
        drop(Log::open(dir.path(), &small()).unwrap());
        assert_eq!(read_all(dir.path())[0], b"before");
    }
}

#[test]
fn a_batch_over_the_block_is_refused_and_a_long_queue_is_split() {
    let (dir, committer, told) = start(&small());
    let submitter = committer.submitter();
    let long = vec![1; 20_400];
    assert!(matches!(submitter.submit(batch(&[&long]), 1), Err(Refused::TooLarge(_, 1))));
    for tag in 0..20 {
        submitter.submit(batch(&[vec![tag as u8; 9000]]), tag).unwrap();
    }
    committer.shutdown().unwrap();
    let released: Vec<_> = told
        .into_iter()
        .flat_map(|told| match told {
            Told::Durable(_, effects) => effects,
            Told::Poison(code) => panic!("{code}"),
        })
        .collect();
    assert_eq!(released, (0..20).collect::<Vec<_>>());
    assert_eq!(read_all(dir.path()).len(), 20);
}

/// Holds the committer inside `on_durable` until it is let go.
struct Held(Receiver<()>, Sender<()>);

impl Outcome<()> for Held {
    fn on_durable(&mut self, _: Position, _: Vec<()>) {
        let _ = self.1.send(());
        let _ = self.0.recv();
    }

    fn on_poison(&mut self, error: &Error) {
        panic!("{error}");
    }
}

#[test]
fn a_full_queue_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), &small()).unwrap();
    let ((go, held), (reached, entered)) = (channel(), channel());
    let committer = Committer::spawn(log, || 0, Held(held, reached)).unwrap();
    let submitter = committer.submitter();
    submitter.submit(RecordBatch::new(), ()).unwrap();
    entered.recv().unwrap();
    for _ in 0..limits::QUEUE_SUBMISSIONS_MAX {
        submitter.try_submit(RecordBatch::new(), ()).unwrap();
    }
    assert_eq!(submitter.stats().queued(), limits::QUEUE_SUBMISSIONS_MAX as u64);
    assert!(matches!(submitter.try_submit(RecordBatch::new(), ()), Err(Refused::Full(..))));
    drop(go);
    committer.shutdown().unwrap();
}

#[test]
fn a_full_disk_shows_before_a_submission_and_passes() {
    let files = FaultyFiles::new(3);
    let mut options = small();
    options.files = Arc::clone(&files) as _;
    let (_dir, committer, told) = start(&options);
    let submitter = committer.submitter();
    assert!(submitter.is_writable());
    files.limit_free(Some(0));
    let mut tag = 0;
    while submitter.is_writable() && tag < 3 {
        submitter.submit(batch(&[b"fills"]), tag).unwrap();
        assert!(matches!(told.recv().unwrap(), Told::Durable(..)));
        tag += 1;
    }
    files.limit_free(None);
    while !submitter.is_writable() {
        std::thread::yield_now();
    }
    committer.shutdown().unwrap();
}

#[test]
fn a_ticket_is_good_when_the_record_is_durable_and_not_before() {
    let (dir, committer, _told) = start(&small());
    std::thread::scope(|scope| {
        for producer in 0..8u64 {
            let (submitter, dir) = (committer.submitter(), dir.path());
            scope.spawn(move || {
                let mut last = 0;
                for n in 0..20 {
                    let record = (producer * 1000 + n).to_le_bytes();
                    let ticket = submitter.submit_with_ticket(batch(&[record]), 0).unwrap();
                    let position = ticket.wait().unwrap();
                    assert!(position.next_seq.0 > last, "each waits for its own");
                    last = position.next_seq.0;
                    let written = read_all(dir);
                    assert!(written[..last as usize].contains(&record.to_vec()), "it is there to be read");
                    assert_eq!(ticket.wait().unwrap(), position, "and stays so");
                }
            });
        }
    });
    committer.shutdown().unwrap();
    assert_eq!(read_all(dir.path()).len(), 160);
}

#[test]
fn a_ticket_of_a_log_that_failed_says_so() {
    let files = FaultyFiles::new(7);
    let mut options = small();
    options.files = Arc::clone(&files) as _;
    let (_dir, committer, told) = start(&options);
    let submitter = committer.submitter();
    submitter.submit_with_ticket(batch(&[b"before"]), 1).unwrap().wait().unwrap();
    files.fail_next(Fault::SyncError);
    let ticket = submitter.submit_with_ticket(batch(&[b"lost"]), 2).unwrap();
    assert!(matches!(ticket.wait(), Err(switchyard_ledger::Error::Poisoned)));
    assert!(matches!(told.iter().last(), Some(Told::Poison(_))));
    assert!(matches!(submitter.submit_with_ticket(batch(&[b"late"]), 3), Err(Refused::Closed(_, 3))));
    assert!(committer.shutdown().is_err());
}

/// Panics where effects are released.
struct Panics;

impl Outcome<u64> for Panics {
    fn on_durable(&mut self, _: Position, _: Vec<u64>) {
        panic!("as this test wants");
    }

    fn on_poison(&mut self, _: &switchyard_ledger::Error) {}
}

#[test]
fn nobody_waits_for_a_committer_that_a_panic_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), &small()).unwrap();
    let committer = Committer::spawn(log, || 0, Panics).unwrap();
    let submitter = committer.submitter();
    let ticket = submitter.submit_with_ticket(batch(&[b"first"]), 1).unwrap();
    assert!(ticket.wait().is_err());
    while let Ok(ticket) = submitter.submit_with_ticket(batch(&[b"more"]), 2) {
        assert!(ticket.wait().is_err(), "either it is refused or its wait ends");
    }
}
