//! What every [`BlockStore`] must keep, as checks that any engine's tests can run.
//!
//! A store is good for a log when [`check`] passes over it. The checks use nothing but the trait and [`Log`]; what
//! differs from engine to engine (how to take the storage up again, how to make an answer go missing) the tests say
//! in a [`Bench`]. Each check starts from a bench of its own.

use crate::block::{self, BlockHeader, Kind};
use crate::log::{Log, Options};
use crate::memory::Doubt;
use crate::merkle::{Frontier, empty_root, leaf_hash};
use crate::store::{Appended, BlockStore};
use crate::{BlockNumber, Epoch, Error, Hash, LedgerId, Partition, RecordBatch, Result, Sequence};

/// One storage of the engine under test, empty to begin with.
pub trait Bench {
    /// Takes the storage up as a new writer does. While another store is alive an engine that locks may refuse.
    ///
    /// # Errors
    /// `Locked`, and what the engine returns.
    fn store(&mut self) -> Result<Box<dyn BlockStore>>;

    /// Makes the fate of the next append unknown to its writer; `false` when the engine cannot be made to.
    fn doubt_next(&mut self, doubt: Doubt) -> bool;
}

/// Partition that the checks use; a bench makes its storage for it.
pub const PARTITION: Partition = Partition(3);

/// The ledger id of the checks.
pub const LEDGER_ID: LedgerId = LedgerId(*b"a checked store!");

/// Runs every check, each on a bench that `fresh` makes.
///
/// # Panics
/// When the store breaks the contract; the text says where.
pub fn check<B: Bench>(mut fresh: impl FnMut() -> B) {
    blocks_come_back_as_they_were_appended(&mut fresh());
    only_the_next_block_is_taken(&mut fresh());
    only_an_opening_block_starts_an_epoch(&mut fresh());
    a_block_over_the_limit_changes_nothing(&mut fresh());
    a_takeover_fences_the_writer_before(&mut fresh());
    one_of_two_takeovers_wins(&mut fresh());
    a_log_goes_on_where_it_ended(&mut fresh());
    for doubt in [Doubt::Taken, Doubt::Lost] {
        an_unknown_append_ends_the_writer_and_is_settled_by_the_next(&mut fresh(), doubt);
    }
}

/// A block that continues `blocks`, as the images of one writer.
struct Chain {
    header: BlockHeader,
    hash: Hash,
}

impl Chain {
    fn new(epoch: u64) -> Self {
        let header = BlockHeader {
            kind: Kind::Open,
            ledger_id: LEDGER_ID,
            partition: PARTITION,
            epoch: Epoch(epoch),
            block: BlockNumber(0),
            first_seq: Sequence(0),
            count: 0,
            time_micros: 1,
            cut_bytes: 0,
            previous: Hash::ZERO,
            root: empty_root(),
        };
        Self { header, hash: Hash::ZERO }
    }

    fn image(&self, kind: Kind) -> (Vec<u8>, Hash) {
        let mut image = Vec::new();
        let header = BlockHeader { kind, previous: self.hash, ..self.header };
        let hash = block::encode(&header, std::iter::empty(), &mut image);
        (image, hash)
    }

    /// Appends a block without records, which must be durable.
    fn append(&mut self, store: &mut dyn BlockStore, kind: Kind) -> Vec<u8> {
        let (image, hash) = self.image(kind);
        let done = store.append(PARTITION, self.header.block, self.header.epoch, &image);
        assert_eq!(done.ok(), Some(Appended::Durable), "block {} of its epoch's writer", self.header.block);
        (self.hash, self.header.block) = (hash, self.header.block.next());
        image
    }
}

fn store(bench: &mut impl Bench) -> Box<dyn BlockStore> {
    bench.store().expect("a free storage can be taken up")
}

fn read(store: &mut dyn BlockStore, block: u64) -> Option<Vec<u8>> {
    let mut image = Vec::new();
    let found = store.read(PARTITION, BlockNumber(block), &mut image).expect("a sound storage can be read");
    found.then_some(image)
}

fn blocks_come_back_as_they_were_appended(bench: &mut impl Bench) {
    let mut store = store(bench);
    assert_eq!(read(&mut *store, 0), None, "an empty store has no block");
    let mut chain = Chain::new(1);
    let mut images = vec![chain.append(&mut *store, Kind::Open)];
    images.extend((0..9).map(|_| chain.append(&mut *store, Kind::Seal)));
    for number in [0, 9, 3, 4, 5, 1, 9] {
        assert_eq!(read(&mut *store, number).as_ref(), images.get(number as usize), "block {number}");
    }
    assert_eq!(read(&mut *store, 10), None, "there is no block behind the last");
    let other = store.read(Partition(PARTITION.0 + 1), BlockNumber(0), &mut Vec::new());
    assert!(!matches!(other, Ok(true)), "a block of another partition");
    store.writable().expect("a store with room is writable");
}

fn only_the_next_block_is_taken(bench: &mut impl Bench) {
    let mut store = store(bench);
    let mut chain = Chain::new(1);
    chain.append(&mut *store, Kind::Open);
    chain.append(&mut *store, Kind::Seal);
    let (image, _) = chain.image(Kind::Seal);
    for block in [0, 1, 3, u64::MAX] {
        let done = store.append(PARTITION, BlockNumber(block), Epoch(1), &image).ok();
        assert_eq!(done, Some(Appended::Conflict { epoch: Epoch(1) }), "an append at {block} instead of 2");
    }
    assert_eq!(read(&mut *store, 2), None, "a conflict changes nothing");
    chain.append(&mut *store, Kind::Seal);
}

fn only_an_opening_block_starts_an_epoch(bench: &mut impl Bench) {
    let mut store = store(bench);
    let mut chain = Chain::new(1);
    let seal = chain.image(Kind::Seal).0;
    let done = store.append(PARTITION, BlockNumber(0), Epoch(1), &seal).ok();
    assert!(matches!(done, Some(Appended::Conflict { .. })), "a first block that opens no epoch: {done:?}");
    chain.append(&mut *store, Kind::Open);
    for (epoch, kind) in [(0, Kind::Seal), (0, Kind::Open), (2, Kind::Seal), (u64::MAX, Kind::Records)] {
        chain.header.epoch = Epoch(epoch);
        let image = chain.image(kind).0;
        let done = store.append(PARTITION, BlockNumber(1), Epoch(epoch), &image).ok();
        let conflict = Some(Appended::Conflict { epoch: Epoch(1) });
        assert_eq!(done, conflict, "epoch {epoch} by a block of kind {kind:?} after epoch 1");
    }
    chain.header.epoch = Epoch(5);
    chain.append(&mut *store, Kind::Open);
    chain.header.epoch = Epoch(1);
    let stale = chain.image(Kind::Seal).0;
    let done = store.append(PARTITION, BlockNumber(2), Epoch(1), &stale).ok();
    assert_eq!(done, Some(Appended::Conflict { epoch: Epoch(5) }), "an append under an epoch that is over");
}

fn a_block_over_the_limit_changes_nothing(bench: &mut impl Bench) {
    let mut store = store(bench);
    let mut chain = Chain::new(1);
    chain.append(&mut *store, Kind::Open);
    let long = vec![0; store.image_bytes_max() + crate::limits::PAGE_BYTES];
    let done = store.append(PARTITION, BlockNumber(1), Epoch(1), &long);
    assert!(matches!(done, Err(Error::TooLarge { .. })), "a block over the limit: {done:?}");
    chain.append(&mut *store, Kind::Seal);
}

fn options() -> Options {
    Options::new(PARTITION, LEDGER_ID, 1)
}

fn batch(records: &[&[u8]]) -> RecordBatch {
    let mut batch = RecordBatch::new();
    records.iter().for_each(|record| batch.push_bytes(record).expect("a short record fits"));
    batch
}

/// Takes the log up, by the store's own knowledge of its end.
fn take_over(bench: &mut impl Bench) -> Result<(Log, crate::Recovery)> {
    Log::over(bench.store()?, &options())
}

fn a_takeover_fences_the_writer_before(bench: &mut impl Bench) {
    let (mut first, recovery) = take_over(bench).expect("an empty storage becomes a log");
    assert!(recovery.created && recovery.epoch == Epoch(1), "{recovery:?}");
    let position = first.append(&batch(&[b"one", b"two"]), 2).expect("the one writer appends");
    match take_over(bench) {
        Err(Error::Locked { .. }) => (),
        Err(error) => panic!("a takeover: {error}"),
        Ok((mut second, recovery)) => {
            assert_eq!((recovery.epoch, recovery.next_seq), (Epoch(2), position.next_seq));
            assert_eq!(
                recovery.root, position.root,
                "the new writer sees what the old one was told is durable"
            );
            let late = first.append(&batch(&[b"late"]), 3);
            let fenced = matches!(late, Err(Error::Conflict { epoch: Epoch(2) }));
            assert!(fenced, "the old writer's append: {late:?}");
            let again = first.append(&batch(&[b"later"]), 3);
            assert!(matches!(again, Err(Error::Poisoned)), "the old writer goes on: {again:?}");
            second.append(&batch(&[b"three"]), 4).expect("the new writer appends");
        }
    }
}

fn one_of_two_takeovers_wins(bench: &mut impl Bench) {
    let first = store(bench);
    let Ok(second) = bench.store() else { return };
    let mut stores = [first, second];
    let image = Chain::new(1).image(Kind::Open).0;
    let done = stores.each_mut().map(|store| store.append(PARTITION, BlockNumber(0), Epoch(1), &image).ok());
    let expected = [Some(Appended::Durable), Some(Appended::Conflict { epoch: Epoch(1) })];
    assert_eq!(done, expected, "two writers take over at one position");
}

fn a_log_goes_on_where_it_ended(bench: &mut impl Bench) {
    let mut tree = Frontier::new();
    for life in 0u64..6 {
        let (mut log, recovery) = take_over(bench).expect("the storage is free");
        assert_eq!(recovery.epoch, Epoch(life + 1));
        assert_eq!((recovery.next_seq.0, recovery.root), (tree.size(), tree.root()), "life {life}");
        assert_eq!(recovery.clean, life > 0 && life % 2 == 0, "life {life}: {recovery:?}");
        for n in 0..life {
            let record = [life as u8, n as u8];
            tree.push(leaf_hash(&record));
            let position = log.append(&batch(&[&record]), n).expect("the one writer appends");
            assert_eq!(position.root, tree.root());
        }
        if life % 2 == 1 {
            log.close(9).expect("a log can be closed");
        } else if life % 4 == 2 {
            log.seal(9).expect("a log can be sealed");
        }
    }
}

fn an_unknown_append_ends_the_writer_and_is_settled_by_the_next(bench: &mut impl Bench, doubt: Doubt) {
    let (mut log, _) = take_over(bench).expect("an empty storage becomes a log");
    let known = log.append(&batch(&[b"known"]), 2).expect("the one writer appends");
    if !bench.doubt_next(doubt) {
        return;
    }
    let unknown = log.append(&batch(&[b"in doubt"]), 3);
    assert!(unknown.is_err(), "an append of unknown fate was acknowledged: {unknown:?}");
    let again = log.append(&batch(&[b"again"]), 3);
    assert!(matches!(again, Err(Error::Poisoned)), "nothing is tried again: {again:?}");
    drop(log);
    let (mut log, recovery) = take_over(bench).expect("the next writer takes over");
    let taken = u64::from(doubt == Doubt::Taken);
    assert_eq!(recovery.next_seq.0, known.next_seq.0 + taken, "what was in doubt is there or not: {doubt:?}");
    let position = log.append(&batch(&[b"after"]), 4).expect("the new writer appends");
    let mut tree = Frontier::new();
    let records: [&[u8]; 3] = [b"known", b"in doubt", b"after"];
    let kept = records.iter().filter(|record| taken == 1 || **record != b"in doubt");
    kept.for_each(|record| tree.push(leaf_hash(record)));
    assert_eq!(position.root, tree.root(), "every record stands once");
}
