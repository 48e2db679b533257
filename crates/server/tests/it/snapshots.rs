//! Snapshots of the state: used when they fit, ignored when they do not, made while the switch runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{CARD, Client, config, install, start, until};
use switchyard_core::{Command, CommandOutcome, Core, CoreConfig};
use switchyard_domain::Actor;
use switchyard_ledger::{Reader, Sequence, snapshots as list};
use switchyard_server::config::Config;
use switchyard_server::snapshots::{Made, Unusable, load, make};
use switchyard_server::{Switch, Who, carry_out_alone, replay};
use tempfile::TempDir;

const END: Sequence = Sequence(u64::MAX);

struct World(TempDir);

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), None);
        Self(dir)
    }
    fn data(&self) -> &Path {
        self.0.path()
    }
    fn ledger(&self) -> PathBuf {
        self.data().join("ledger")
    }
    fn snapshots(&self) -> PathBuf {
        self.data().join("snapshots")
    }
    fn cut_day(&self) -> CommandOutcome {
        carry_out_alone(self.data(), &config(), Who::Proven(Actor::Installer), Command::CutDay).unwrap()
    }
    fn make(&self) -> Made {
        make(&self.ledger(), &self.snapshots(), END).unwrap().expect("there are records")
    }
    /// The digest of the whole replay, and how many records it took.
    fn replayed(&self) -> (u64, u64) {
        let mut core = Core::new(CoreConfig::default());
        let end = replay(&self.ledger(), |stamped| core.replay(stamped)).unwrap();
        (core.state().digest(), end.0)
    }
    fn end(&self) -> Sequence {
        Sequence(self.replayed().1)
    }
    fn kept(&self) -> Vec<u64> {
        list(&self.snapshots()).unwrap().iter().map(|(sequence, _)| sequence.0).collect()
    }
}

async fn digest(switch: &Switch) -> u64 {
    match switch.command(Actor::Switch, Command::Digest).await.unwrap() {
        CommandOutcome::Digest(digest) => digest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused() {
    let world = World::new();
    let made = world.make();
    let (whole, end) = world.replayed();
    assert_eq!((made.digest, made.sequence), (whole, Sequence(end)));
    let bytes = fs::read(&made.path).unwrap();
    assert_eq!(bytes.len() as u64, made.bytes);
    let usable = || load(&made.path, &world.ledger(), Sequence(end));
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&made.path, &bad).unwrap();
        assert!(usable().is_err(), "byte {at}");
        fs::write(&made.path, &bytes[..at]).unwrap();
        assert!(usable().is_err(), "cut at {at}");
    }
    fs::write(&made.path, &bytes).unwrap();
    let (state, reader) = usable().unwrap();
    assert_eq!((state.digest(), reader.next_seq().0), (whole, end));
}

#[test]
fn a_snapshot_of_another_ledger_or_ahead_of_this_one_is_refused() {
    let (world, other) = (World::new(), World::new());
    let foreign = other.make();
    let foreign = load(&foreign.path, &world.ledger(), END);
    assert!(matches!(foreign, Err(Unusable::Foreign)), "{foreign:?}");
    world.cut_day();
    let made = world.make();
    let ahead = load(&made.path, &world.ledger(), Sequence(made.sequence.0 - 1));
    assert!(matches!(ahead, Err(Unusable::Ahead { .. })), "{ahead:?}");
    assert!(load(&made.path, &world.ledger(), made.sequence).is_ok());
    // The same ledger, but without the block that the snapshot follows from.
    let mut reader = Reader::open(&world.ledger()).unwrap();
    reader.next_block().unwrap();
    let first = *reader.anchor().unwrap();
    let path = world.ledger().join("segment-00000001.log");
    let bytes = fs::read(&path).unwrap();
    let mut less = bytes[..first.offset as usize + 8_192].to_vec();
    less.resize(bytes.len(), 0);
    fs::write(&path, less).unwrap();
    fs::remove_file(world.ledger().join("mark")).unwrap();
    let gone = load(&made.path, &world.ledger(), END);
    assert!(matches!(gone, Err(Unusable::Foreign)), "{gone:?}");
}

#[test]
fn each_comes_from_the_one_before_and_two_are_kept() {
    let world = World::new();
    let mut sequences = Vec::new();
    for _ in 0..4 {
        let made = world.make();
        assert_eq!(made.digest, world.replayed().0);
        sequences.push(made.sequence.0);
        world.cut_day();
    }
    sequences.reverse();
    assert_eq!(world.kept(), sequences[..2]);
    // At a place between blocks: the one that is asked for or the first behind it.
    let early = make(&world.ledger(), &world.0.path().join("other"), Sequence(3)).unwrap().unwrap();
    assert!(early.sequence.0 >= 3 && early.sequence.0 < sequences[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_end_leaves_a_snapshot_and_damage_to_it_costs_only_time() {
    let world = World::new();
    let (switch, _) = start(world.data(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for stan in 2..20 {
        assert_eq!(client.ask(&client.sale(CARD, stan, 100)).await.code, "00");
    }
    let live = digest(&switch).await;
    drop(client);
    switch.shutdown().await.unwrap();
    assert_eq!(world.replayed().0, live);
    let newest = list(&world.snapshots()).unwrap().remove(0);
    assert_eq!(newest.0, world.end(), "it follows from every record");
    assert_eq!(load(&newest.1, &world.ledger(), world.end()).unwrap().0.digest(), live);

    // The newest is damaged, and then all of them: the one before, or the whole ledger, is taken instead.
    for damaged in [1, 2] {
        for (_, path) in list(&world.snapshots()).unwrap().iter().take(damaged) {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(path, &bytes).unwrap();
        }
        let (switch, fatal) = start(world.data(), config()).await;
        let mut client = Client::signed_on(switch.addresses().terminals).await;
        assert_eq!(client.ask(&client.sale(CARD, 2, 100)).await.code, "00", "a repeat is known");
        drop(client);
        let live = digest(&switch).await;
        switch.shutdown().await.unwrap();
        assert!(fatal.lock().unwrap().is_none());
        assert_eq!(world.replayed().0, live, "{damaged} damaged");
        assert_eq!(world.kept()[0], world.end().0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_switch_makes_one_after_so_many_records() {
    let world = World::new();
    let config = Config { ledger: ledger_with(10), ..config() };
    let (switch, _) = start(world.data(), config.clone()).await;
    let first = world.end().0;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for stan in 2..40 {
        assert_eq!(client.ask(&client.sale(CARD, stan, 100)).await.code, "00");
    }
    until("a snapshot of a running switch", || world.kept().first().is_some_and(|kept| *kept > first)).await;
    let (sequence, path) = list(&world.snapshots()).unwrap().remove(0);
    let (state, mut rest) = load(&path, &world.ledger(), END).unwrap();
    assert_eq!(state.records(), sequence.0);
    while rest.next_block().unwrap().is_some() {}
    drop(client);
    switch.shutdown().await.unwrap();
    assert_eq!(world.kept()[0], world.end().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_are_made_where_none_are_wanted() {
    let world = World::new();
    let (switch, _) = start(world.data(), Config { ledger: ledger_with(0), ..config() }).await;
    switch.shutdown().await.unwrap();
    assert!(world.kept().is_empty());
}

fn ledger_with(snapshot_records: u32) -> switchyard_server::config::LedgerLimits {
    switchyard_server::config::LedgerLimits { snapshot_records, ..config().ledger }
}
