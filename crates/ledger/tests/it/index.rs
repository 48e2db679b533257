//! The index against a plain list of records, while they arrive and while segments are sealed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Seeded, batch, small};
use proptest::prelude::*;
use switchyard_ledger::index::{
    Cursor, Event, Extract, Index, IndexError, Indexer, Key, Keys, Order, Query, Unreadable, Watch,
};
use switchyard_ledger::{LedgerId, Log, Sequence, archive};

/// A record is a time and a number; it is found by the number modulo a few others. Every 50th ends a generation.
#[derive(Debug)]
struct Numbers {
    version: u32,
}

const MODULI: [u64; 4] = [1, 3, 7, 1_000];

fn key(modulus: u64, rest: u64) -> Key {
    Key::new(modulus as u8, &[&modulus.to_be_bytes(), &rest.to_be_bytes()])
}

fn record(time: u64, number: u64, length: usize) -> Vec<u8> {
    let mut bytes = [time.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.resize(16 + length, 0xA5);
    bytes
}

fn number(record: &[u8]) -> Result<(u64, u64), Unreadable> {
    let (time, rest) = record.split_first_chunk().ok_or(Unreadable)?;
    let number = rest.first_chunk().ok_or(Unreadable)?;
    Ok((u64::from_le_bytes(*time), u64::from_le_bytes(*number)))
}

impl Extract for Numbers {
    fn version(&self) -> u32 {
        self.version
    }
    fn keys(&self, record: &[u8], keys: &mut Keys) -> Result<(), Unreadable> {
        let (_, number) = number(record)?;
        MODULI.iter().for_each(|modulus| keys.push(key(*modulus, number % modulus)));
        if number % 50 == 0 {
            keys.end_generation();
        }
        Ok(())
    }
    fn time_micros(&self, record: &[u8]) -> Result<u64, Unreadable> {
        Ok(number(record)?.0)
    }
}

fn extract() -> Arc<dyn Extract> {
    Arc::new(Numbers { version: 1 })
}

/// The log, what is in it, and what is told about its index.
struct World {
    dir: tempfile::TempDir,
    log: Log,
    records: Vec<Vec<u8>>,
    random: Seeded,
    events: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(dir.path(), &small()).unwrap();
        Self { dir, log, records: Vec::new(), random: Seeded(seed), events: Arc::default() }
    }

    fn append(&mut self, count: usize) {
        let fresh: Vec<_> = (0..count)
            .map(|at| {
                let length = self.random.below(700) as usize;
                let time = 10 * (self.records.len() + at) as u64;
                record(time, self.random.below(2_000), length)
            })
            .collect();
        self.log.append(&batch(&fresh), 1).unwrap();
        self.records.extend(fresh);
    }

    fn watch(&self) -> Watch {
        let events = Arc::clone(&self.events);
        Watch::new(move |event| {
            events.lock().unwrap().push(match event {
                Event::Rebuilding { segment, doubt } => format!("{segment} {doubt}"),
                Event::Built { segment, .. } => format!("{segment} built"),
                Event::Failed { segment, error } => format!("{segment} failed: {error}"),
                other => format!("{other:?}"),
            });
        })
    }

    fn follow(&self) -> Indexer {
        let end = Sequence(self.records.len() as u64);
        Indexer::start(self.dir.path(), extract(), self.watch(), end).unwrap()
    }

    fn open(&self) -> Index {
        Index::open(self.dir.path(), extract(), self.watch()).unwrap()
    }

    /// Sequences that hold the key, by looking at every record.
    fn expected(&self, modulus: u64, rest: u64) -> Vec<u64> {
        let matches = |bytes: &Vec<u8>| number(bytes).unwrap().1 % modulus == rest;
        self.records.iter().enumerate().filter(|(_, r)| matches(r)).map(|(seq, _)| seq as u64).collect()
    }

    fn sealed(&self) -> u64 {
        (1..)
            .take_while(|n| {
                crate::common::segment_path(self.dir.path(), n + 1).exists() && self.started(n + 1)
            })
            .count() as u64
    }

    fn started(&self, number: u64) -> bool {
        fs::read(crate::common::segment_path(self.dir.path(), number))
            .unwrap()
            .first()
            .is_some_and(|b| *b != 0)
    }

    fn index_files(&self) -> Vec<(String, Vec<u8>)> {
        index_files(self.dir.path())
    }
}

fn index_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_str().unwrap().ends_with(".index"))
        // One that is being made anew may be gone between the two looks.
        .filter_map(|entry| Some((entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok()?)))
        .collect();
    files.sort();
    files
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = std::time::Duration::from_secs(60);
    let mut waited = Duration::ZERO;
    while !done() {
        assert!(waited < begun, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(1));
        waited += Duration::from_millis(1);
    }
}

/// Every key there is, in both orders, in pages of some length.
fn check_all(world: &World, index: &Index) {
    for modulus in MODULI {
        for rest in (0..modulus).step_by((modulus / 7).max(1) as usize) {
            let mut expected = world.expected(modulus, rest);
            for order in [Order::Ascending, Order::Descending] {
                let query = Query { order, limit: 37, ..Query::new(key(modulus, rest)) };
                assert_eq!(pages(index, query), expected, "{modulus} {rest} {order:?}");
                expected.reverse();
            }
        }
    }
    for (seq, record) in world.records.iter().enumerate() {
        assert_eq!(index.record(Sequence(seq as u64)).unwrap().as_ref(), Some(record), "record {seq}");
    }
    assert_eq!(index.record(Sequence(world.records.len() as u64)).unwrap(), None);
}

fn pages(index: &Index, mut query: Query) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        let page = index.page(&query).unwrap();
        found.extend(page.sequences.iter().map(|seq| seq.0));
        if !page.more {
            return found;
        }
        query.after = page.cursor();
    }
}

#[test]
fn what_a_reader_opens_and_what_a_follower_keeps_answer_alike() {
    let mut world = World::new(1);
    (0..60).for_each(|_| world.append(5));
    assert!(world.sealed() > 3, "{} sealed", world.sealed());
    let follower = world.follow();
    let index = follower.index();
    check_all(&world, &index);
    let durable = follower.durable();
    for _ in 0..60 {
        world.append(5);
        durable.advance(Sequence(world.records.len() as u64));
        let expected = world.expected(3, 1);
        assert_eq!(pages(&index, Query::new(key(3, 1))), expected, "right while it is behind");
    }
    check_all(&world, &index);
    until("the indexes", || world.events.lock().unwrap().len() as u64 == world.sealed());
    until("the rest", || index.indexed() == index.end());
    check_all(&world, &index);
    drop(follower);
    let files = world.index_files();
    check_all(&world, &world.open());
    assert!(world.events.lock().unwrap().iter().all(|event| event.ends_with("built")));
    for (name, _) in &files {
        fs::remove_file(world.dir.path().join(name)).unwrap();
    }
    check_all(&world, &world.open());
    assert!(world.index_files() == files, "the same segment gives the same bytes");
    let made = Index::rebuild(world.dir.path(), extract(), |_, _| {}).unwrap();
    assert_eq!(made.len(), files.len());
    assert!(world.index_files() == files);
}

#[test]
fn time_finds_its_record() {
    let mut world = World::new(2);
    (0..50).for_each(|_| world.append(4));
    let index = world.open();
    for (time, seq) in [(0, 0), (1, 1), (10, 1), (995, 100), (1_990, 199), (1_991, 200), (u64::MAX, 200)] {
        assert_eq!(index.first_at(time).unwrap(), Sequence(seq), "{time}");
    }
}

#[test]
fn any_damage_to_an_index_is_noticed_and_made_good() {
    let mut world = World::new(3);
    (0..40).for_each(|_| world.append(5));
    drop(world.open());
    let files = world.index_files();
    let (name, whole) = &files[1];
    let path = world.dir.path().join(name);
    for at in (0..whole.len()).step_by(11) {
        let mut bad = whole.clone();
        bad[at] ^= 0x41;
        fs::write(&path, &bad).unwrap();
        check_some(&world, &world.open());
    }
    for length in [0, 1, 4_095, 4_096, 4_097, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        check_some(&world, &world.open());
        assert!(fs::read(&path).unwrap() == *whole, "a cut at {length} is made good");
    }
    fs::copy(world.dir.path().join(&files[2].0), &path).unwrap();
    check_some(&world, &world.open());
    assert!(fs::read(&path).unwrap() == *whole, "another segment's index is not used");
    let other = Index::open(world.dir.path(), Arc::new(Numbers { version: 2 }), world.watch()).unwrap();
    check_some(&world, &other);
    assert!(fs::read(&path).unwrap() != *whole, "an older index is made anew");
    let events = world.events.lock().unwrap().join("\n");
    for doubt in ["damaged", "of another segment", "of another version"] {
        assert!(events.contains(doubt), "{events}");
    }
}

fn check_some(world: &World, index: &Index) {
    for rest in [0, 2] {
        assert_eq!(pages(index, Query::new(key(3, rest))), world.expected(3, rest));
    }
    for seq in (0..world.records.len()).step_by(7) {
        assert_eq!(index.record(Sequence(seq as u64)).unwrap().as_ref(), Some(&world.records[seq]));
    }
}

#[test]
fn damage_under_a_running_index_is_read_around_and_made_good() {
    let mut world = World::new(4);
    (0..40).for_each(|_| world.append(5));
    let follower = world.follow();
    until("the indexes", || world.index_files().len() as u64 == world.sealed());
    until("the last one", || world.events.lock().unwrap().len() as u64 == world.sealed());
    let (name, whole) = world.index_files().swap_remove(0);
    let path = world.dir.path().join(name);
    let mut bad = whole.clone();
    bad[4_200] ^= 1;
    fs::write(&path, &bad).unwrap();
    check_all(&world, &follower.index());
    let built = || world.events.lock().unwrap().iter().filter(|event| *event == "1 built").count();
    until("a new index", || built() == 2);
    assert!(fs::read(&path).unwrap() == whole);
    fs::remove_file(&path).unwrap();
    check_all(&world, &follower.index());
    until("a new index", || built() == 3);
}

#[test]
fn an_index_that_cannot_be_written_is_done_without() {
    let mut world = World::new(5);
    (0..40).for_each(|_| world.append(5));
    // A directory in the way of every index: a rename onto it fails.
    for number in 1..=world.sealed() {
        fs::create_dir(world.dir.path().join(format!("segment-{number:08}.index"))).unwrap();
    }
    check_some(&world, &world.open());
    let events = world.events.lock().unwrap();
    assert!(events.iter().any(|event| event.contains("failed")), "{events:?}");
    assert!(matches!(Index::rebuild(world.dir.path(), extract(), |_, _| {}), Err(IndexError::Write { .. })));
}

#[test]
fn records_that_the_extractor_does_not_read_are_told_and_cursors_of_others_refused() {
    let mut world = World::new(6);
    world.append(3);
    let cursor = world.open().page(&Query { limit: 1, ..Query::new(key(1, 0)) }).unwrap().cursor().unwrap();
    let other = Query { after: Some(cursor), ..Query::new(key(3, 0)) };
    assert!(matches!(world.open().page(&other), Err(IndexError::Cursor)));
    let mut foreign = World::new(6);
    foreign.log = {
        let mut options = small();
        options.ledger_id = LedgerId([9; 16]);
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(dir.path(), &options).unwrap();
        foreign.dir = dir;
        log
    };
    foreign.append(3);
    let query = Query { after: Some(cursor), ..Query::new(key(1, 0)) };
    assert!(matches!(foreign.open().page(&query), Err(IndexError::Cursor)));
    world.log.append(&batch(&[b"short"]), 1).unwrap();
    assert!(matches!(
        Index::open(world.dir.path(), extract(), Watch::default()),
        Err(IndexError::Unreadable { sequence: Sequence(3) })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Pages are asked for at any moment while records arrive and segments are sealed and their indexes move into
    /// files: each record that matches comes once, in order, whoever answers.
    #[test]
    fn paging_while_appending_and_sealing_gives_each_record_once_in_order(
        seed in any::<u64>(),
        modulus in prop::sample::select(&MODULI[..3]),
        steps in prop::collection::vec((0_u8..8, 1_usize..9), 20..60),
    ) {
        let mut world = World::new(seed);
        world.append(4);
        let mut follower = world.follow();
        let mut query = Query::new(key(modulus, 0));
        let mut found: Vec<u64> = Vec::new();
        let mut backwards: Option<(Query, Vec<u64>, Vec<u64>)> = None;
        for (step, size) in steps {
            match step {
                0..=3 => {
                    world.append(size);
                    follower.durable().advance(Sequence(world.records.len() as u64));
                }
                4 => {
                    let index = if size % 2 == 0 { follower.index() } else { world.open() };
                    let page = index.page(&Query { limit: size, ..query }).unwrap();
                    found.extend(page.sequences.iter().map(|seq| seq.0));
                    // A cursor survives being written down.
                    query.after = page.cursor().map(|c| c.to_string().parse::<Cursor>().unwrap()).or(query.after);
                }
                5 => {
                    let start = || {
                        let mut expected = world.expected(modulus, 0);
                        expected.reverse();
                        (Query { order: Order::Descending, ..query_all(modulus) }, Vec::new(), expected)
                    };
                    let (back, got, expected) = backwards.get_or_insert_with(start);
                    let page = follower.index().page(&Query { limit: size, ..*back }).unwrap();
                    got.extend(page.sequences.iter().map(|seq| seq.0));
                    back.after = page.cursor().or(back.after);
                    prop_assert!(expected.starts_with(got), "newest first: {got:?} of {expected:?}");
                    if !page.more {
                        prop_assert_eq!(got.len(), expected.len());
                        backwards = None;
                    }
                }
                6 => {
                    drop(follower);
                    follower = world.follow();
                }
                _ => world.log.seal(1).unwrap(),
            }
            prop_assert!(world.expected(modulus, 0).starts_with(&found));
        }
        found.extend(pages(&follower.index(), query));
        prop_assert_eq!(found, world.expected(modulus, 0));
    }
}

fn query_all(modulus: u64) -> Query {
    Query::new(key(modulus, 0))
}

#[test]
fn readers_see_no_half_of_anything_while_a_writer_is_at_work() {
    let mut world = World::new(8);
    world.append(1);
    let follower = world.follow();
    let (index, durable) = (follower.index(), follower.durable());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (index, stop) = (index.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut rounds = 0_u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let end = index.end().0;
                    let found = pages(&index, Query { limit: 10_000, ..query_all(1) });
                    assert!(found.len() as u64 >= end);
                    assert!(found.iter().enumerate().all(|(at, seq)| at as u64 == *seq), "a gap");
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    for _ in 0..150 {
        world.append(6);
        durable.advance(Sequence(world.records.len() as u64));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let rounds: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert!(rounds > 0);
    check_all(&world, &index);
}

#[test]
fn what_is_archived_is_found_as_before_and_its_index_goes_along() {
    let mut world = World::new(9);
    (0..60).for_each(|_| world.append(5));
    drop(world.open());
    world.log.seal(2).unwrap();
    let away = world.dir.path().join("away");
    let moved = archive(world.dir.path(), &away, 1, |_, _| ()).unwrap();
    assert!(moved.segments.len() > 2);
    assert_eq!(index_files(&away).len(), moved.segments.len());
    check_all(&world, &world.open());
    let kept = world.index_files();
    kept.iter().for_each(|(name, _)| fs::remove_file(world.dir.path().join(name)).unwrap());
    world.events.lock().unwrap().clear();
    check_all(&world, &world.open());
    let events = world.events.lock().unwrap().len();
    assert_eq!(events, kept.len() - moved.segments.len(), "only what has no index anywhere is made anew");
    for (name, _) in index_files(&away) {
        fs::remove_file(away.join(name)).unwrap();
    }
    check_all(&world, &world.open());
    assert!(world.index_files() == kept, "made of the archived segments, beside the log");
}
