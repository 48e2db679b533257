//! Projections against a plain map, while everything that can be wrong with sled's files is.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Seeded, batch, small};
use switchyard_ledger::projection::{Follower, Projection, Projector, Tree, Trouble};
use switchyard_ledger::{LedgerId, Log, Options, Sequence, restore};

/// Counts records by their first byte and keeps the last one of each; a zero forgets what it names.
struct Counts {
    version: u32,
}

impl Projection for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }
    fn version(&self) -> u32 {
        self.version
    }
    fn wants(&self, record: &[u8]) -> bool {
        record.len() > 1
    }
    fn apply(&self, sequence: Sequence, record: &[u8], tree: &mut Tree<'_>) -> Result<(), Trouble> {
        if record == b"broken" {
            return Err(Trouble::Record(sequence.0));
        }
        if record[0] == 0 {
            return tree.remove(&record[1..2]);
        }
        let count = tree.get(&record[..1])?.map_or(0, |row| row[0]);
        tree.put(&record[..1], [&[count.wrapping_add(1)], record].concat())
    }
}

/// The last record again, under its sequence: a second projection in the same tree.
struct Newest;

impl Projection for Newest {
    fn name(&self) -> &'static str {
        "newest"
    }
    fn version(&self) -> u32 {
        1
    }
    fn apply(&self, sequence: Sequence, record: &[u8], tree: &mut Tree<'_>) -> Result<(), Trouble> {
        tree.put(b"newest", [&sequence.0.to_be_bytes()[..], record].concat())
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

struct World {
    dir: tempfile::TempDir,
    log: Option<Log>,
    records: Vec<Vec<u8>>,
    random: Seeded,
    troubles: Arc<Mutex<Vec<Trouble>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(&dir.path().join("ledger"), &small()).unwrap();
        Self { dir, log: Some(log), records: Vec::new(), random: Seeded(seed), troubles: Arc::default() }
    }
    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }
    fn home(&self) -> PathBuf {
        self.dir.path().join("projections")
    }
    fn database(&self) -> PathBuf {
        self.home().join("sled")
    }
    fn append(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let fresh: Vec<Vec<u8>> = (0..1 + self.random.below(4))
                .map(|_| (0..1 + self.random.below(40)).map(|_| self.random.below(20) as u8).collect())
                .collect();
            self.log.as_mut().unwrap().append(&batch(&fresh), 1).unwrap();
            self.records.extend(fresh);
        }
    }
    fn open(&self) -> Result<Projector, Trouble> {
        self.open_version(1)
    }
    fn open_version(&self, version: u32) -> Result<Projector, Trouble> {
        let troubles = Arc::clone(&self.troubles);
        let projections: Vec<Box<dyn Projection>> = vec![Box::new(Counts { version }), Box::new(Newest)];
        Projector::open(&self.home(), &self.ledger(), projections, move |trouble| {
            troubles.lock().unwrap().push(trouble.clone());
        })
    }
    fn caught_up(&self) -> Projector {
        let mut projector = self.open().unwrap();
        projector.advance(Sequence(u64::MAX), u64::MAX).unwrap();
        projector
    }
    /// What the rows have to be, by looking at every record.
    fn expected(&self) -> Rows {
        let mut rows = Rows::new();
        for record in self.records.iter().filter(|record| record.len() > 1) {
            if record[0] == 0 {
                rows.remove(&record[1..2]);
            } else {
                let count = rows.get(&record[..1]).map_or(0, |row| row[0]);
                rows.insert(record[..1].to_vec(), [&[count.wrapping_add(1)], record.as_slice()].concat());
            }
        }
        rows
    }
    fn check(&self, projector: &mut Projector) {
        let rows: Rows = projector.scan("counts", &[], None, 10_000).unwrap().into_iter().collect();
        assert_eq!(rows, self.expected());
        let newest = projector.get("newest", b"newest").unwrap();
        let last = self.records.len() as u64 - 1;
        assert_eq!(newest.unwrap(), [&last.to_be_bytes()[..], &self.records[last as usize]].concat());
        assert_eq!(projector.reached(), Sequence(self.records.len() as u64));
        for (key, value) in &rows {
            assert_eq!(projector.get("counts", key).unwrap().as_ref(), Some(value));
            let next = projector.scan("counts", &[], Some(key), 1).unwrap();
            assert_eq!(
                next.first(),
                rows.range(key.clone()..).nth(1).map(|(k, v)| (k.clone(), v.clone())).as_ref()
            );
        }
    }
    fn troubles(&self) -> Vec<Trouble> {
        std::mem::take(&mut *self.troubles.lock().unwrap())
    }
    /// Opens, catches up, compares, and says what had been wrong.
    fn look(&self) -> Vec<Trouble> {
        self.check(&mut self.caught_up());
        self.troubles()
    }
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.database())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
    }
}

#[test]
fn rows_follow_the_log_and_are_taken_up_where_they_were_left() {
    let mut world = World::new(1);
    for _ in 0..5 {
        world.append(10);
        assert_eq!(world.look(), [], "nothing is doubted that is right");
    }
    // In small turns, with a database that is closed between them.
    let mut projector = world.open().unwrap();
    projector.begin_anew();
    while projector.reached().0 < world.records.len() as u64 {
        projector.advance(Sequence(u64::MAX), 7).unwrap();
        if world.random.below(3) == 0 {
            drop(projector);
            projector = world.open().unwrap();
        }
    }
    world.check(&mut projector);
    assert_eq!(world.troubles(), []);
    let projections: Vec<Box<dyn Projection>> = vec![Box::new(Counts { version: 1 }), Box::new(Newest)];
    let mut memory = Projector::in_memory(&world.ledger(), projections).unwrap();
    memory.advance(Sequence(u64::MAX), u64::MAX).unwrap();
    world.check(&mut memory);
}

#[test]
fn no_record_is_seen_before_it_is_said_to_be_durable() {
    let mut world = World::new(2);
    world.append(20);
    let mut projector = world.open().unwrap();
    projector.advance(Sequence(1), u64::MAX).unwrap();
    assert!(projector.reached().0 <= 4, "the block of the first record and no other");
}

#[test]
fn another_version_is_made_anew() {
    let mut world = World::new(3);
    world.append(20);
    assert_eq!(world.look(), []);
    let mut newer = world.open_version(2).unwrap();
    assert_eq!(world.troubles(), [Trouble::Version]);
    newer.advance(Sequence(u64::MAX), u64::MAX).unwrap();
    world.check(&mut newer);
    drop(newer);
    assert_eq!(world.look(), [Trouble::Version], "and back again");
}

#[test]
fn rows_of_another_log_a_shorter_one_or_another_history_are_made_anew() {
    let mut world = World::new(4);
    world.append(20);
    assert_eq!(world.look(), []);
    world.log.take().unwrap().close(9).unwrap();
    let aside = world.dir.path().join("aside");
    fs::rename(world.ledger(), &aside).unwrap();

    // A log of the same id and partition that came to the same length with other records.
    let (log, _) = Log::open(&world.ledger(), &small()).unwrap();
    let mut other = World { log: Some(log), random: Seeded(5), records: Vec::new(), ..world };
    other.append(30);
    // Where its block stood, another one stands or begins elsewhere.
    assert!(matches!(other.look()[..], [Trouble::Foreign | Trouble::Beyond]));
    other.log.take().unwrap().close(9).unwrap();
    fs::remove_dir_all(other.ledger()).unwrap();
    let (log, _) = Log::open(&other.ledger(), &small()).unwrap();
    (other.log, other.records) = (Some(log), Vec::new());
    other.append(1);
    assert_eq!(other.look(), [Trouble::Beyond]);

    // A restored log has an id of its own.
    other.log.take().unwrap().close(9).unwrap();
    fs::remove_dir_all(other.ledger()).unwrap();
    let options = Options { ledger_id: LedgerId([9; 16]), ..small() };
    restore(&aside, Some(Sequence(10)), &other.ledger(), &options, &mut |_| {}).unwrap();
    other.records = crate::common::read_all(&other.ledger());
    assert_eq!(other.records.len(), 10);
    assert_eq!(other.look(), [Trouble::Foreign]);
}

#[test]
fn whatever_is_done_to_the_files_the_rows_are_right() {
    let mut world = World::new(6);
    world.append(40);
    drop(world.caught_up());
    let kept: Vec<(PathBuf, Vec<u8>)> =
        world.files().into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert!(!kept.is_empty());
    let (mut rounds, mut healed) = (0, 0);
    for (path, whole) in &kept {
        let used = whole.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let step = (used / 24).max(1);
        for at in (0..used).step_by(step) {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            fs::write(path, bad).unwrap();
            healed += usize::from(!world.look().is_empty());
            rounds += 1;
        }
        for length in [0, 1, used / 3, used / 2, used.saturating_sub(1)] {
            let _ = fs::remove_dir_all(world.database());
            fs::create_dir_all(world.database()).unwrap();
            kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            fs::write(path, &whole[..length]).unwrap();
            healed += usize::from(!world.look().is_empty());
            rounds += 1;
        }
    }
    assert!(rounds > 20, "{rounds} rounds, {healed} of them noticed at once");
    fs::remove_dir_all(world.home()).unwrap();
    assert_eq!(world.look(), [], "nothing there is no doubt");
    fs::remove_dir_all(world.database()).unwrap();
    fs::write(world.database(), b"not a directory").unwrap();
    world.look();
}

#[test]
fn rows_changed_or_lost_behind_the_engine_are_noticed() {
    let mut world = World::new(7);
    world.append(40);
    let key = [&[1][..], world.expected().keys().next().unwrap()].concat();
    let position = vec![0];
    type Change<'a> = Box<dyn Fn(&sled::Db) + 'a>;
    let changes: [Change<'_>; 5] = [
        Box::new(|db| drop(db.insert(&key, b"other").unwrap())),
        Box::new(|db| drop(db.remove(&key).unwrap())),
        Box::new(|db| drop(db.insert([1, 250, 250], b"more").unwrap())),
        Box::new(|db| drop(db.remove(&position).unwrap())),
        Box::new(|db| drop(db.insert(&position, b"elsewhere").unwrap())),
    ];
    for change in changes {
        drop(world.caught_up());
        world.troubles();
        {
            let db = sled::open(world.database()).unwrap();
            change(&db);
            db.flush().unwrap();
        }
        assert_eq!(world.look(), [Trouble::Digest]);
    }
}

#[test]
fn an_older_copy_of_the_database_catches_up() {
    let mut world = World::new(8);
    world.append(10);
    drop(world.caught_up());
    let old: Vec<_> = world.files().into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    world.append(30);
    drop(world.caught_up());
    fs::remove_dir_all(world.database()).unwrap();
    fs::create_dir(world.database()).unwrap();
    old.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    world.look();
}

#[test]
fn a_record_that_cannot_be_projected_leaves_no_rows_and_no_loop() {
    let mut world = World::new(9);
    world.append(3);
    world.log.as_mut().unwrap().append(&batch(&[b"broken"]), 1).unwrap();
    let mut projector = world.open().unwrap();
    let failed = projector.advance(Sequence(u64::MAX), u64::MAX);
    assert!(matches!(failed, Err(Trouble::Unavailable(_))), "{failed:?}");
    assert!(matches!(projector.get("counts", b"x"), Err(Trouble::Unavailable(_))));
}

#[test]
fn one_process_has_the_database_and_one_that_cannot_be_made_is_done_without() {
    let mut world = World::new(10);
    world.append(3);
    let first = world.caught_up();
    assert!(matches!(world.open(), Err(Trouble::Locked)));
    drop(first);
    assert_eq!(world.look(), []);
    fs::remove_dir_all(world.home()).unwrap();
    fs::write(world.home(), b"a file in the way").unwrap();
    assert!(matches!(world.open(), Err(Trouble::Unavailable(_))));
}

#[test]
fn a_database_that_is_not_free_yet_is_waited_for_and_not_made_anew() {
    let mut world = World::new(12);
    world.append(3);
    drop(world.caught_up());
    // Threads of sled may have the file a moment longer than the engine that is gone.
    let held = fs::File::open(world.database().join("db")).unwrap();
    held.lock().unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    assert_eq!(world.look(), []);
    holder.join().unwrap();
}

fn follow(world: &World) -> Follower {
    let (home, ledger) = (world.home(), world.ledger());
    let troubles = Arc::clone(&world.troubles);
    let told = move |trouble: &Trouble| troubles.lock().unwrap().push(trouble.clone());
    let also = told.clone();
    let open = move || {
        let projections: Vec<Box<dyn Projection>> = vec![Box::new(Counts { version: 1 }), Box::new(Newest)];
        Projector::open(&home, &ledger, projections, also.clone())
    };
    Follower::start(open, told, Sequence(world.records.len() as u64)).unwrap()
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let mut waited = 0;
    while !holds() {
        std::thread::sleep(Duration::from_millis(1));
        waited += 1;
        assert!(waited < 60_000);
    }
}

#[test]
fn a_follower_waits_for_a_reader_that_has_the_database() {
    let mut world = World::new(13);
    world.append(5);
    let reader = world.caught_up();
    let follower = follow(&world);
    let rows = follower.rows();
    wait_until(|| *world.troubles.lock().unwrap() == [Trouble::Locked]);
    assert!(matches!(rows.reached(), Err(Trouble::Unavailable(_))));
    drop(reader);
    wait_until(|| rows.reached().is_ok_and(|(reached, durable)| reached == durable));
    let found: Rows = rows.scan("counts", &[], None, 10_000).unwrap().into_iter().collect();
    assert_eq!(found, world.expected());
    drop(follower);
    let reader = world.caught_up();
    drop(follow(&world));
    drop(reader);
    assert_eq!(
        *world.troubles.lock().unwrap(),
        [Trouble::Locked, Trouble::Locked],
        "it is said once, and stops at once"
    );
}

#[test]
fn a_follower_keeps_up_and_begins_anew_when_it_is_told_to() {
    let mut world = World::new(11);
    world.append(5);
    let follower = follow(&world);
    let rows = follower.rows();
    let arrive = |world: &World| {
        wait_until(|| rows.reached().map(|(reached, _)| reached.0) == Ok(world.records.len() as u64));
        let found: Rows = rows.scan("counts", &[], None, 10_000).unwrap().into_iter().collect();
        assert_eq!(found, world.expected());
    };
    arrive(&world);
    for _ in 0..10 {
        world.append(5);
        rows.advance(Sequence(world.records.len() as u64));
    }
    arrive(&world);
    rows.begin_anew().unwrap();
    arrive(&world);
    drop(follower);
    assert!(matches!(rows.get("counts", b"x"), Err(Trouble::Unavailable(_))));
    assert_eq!(world.look(), [], "what it left is taken up");
}
