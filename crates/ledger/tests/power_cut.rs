//! A power cut on a real file system: an image on a loop device, the writer frozen, the image copied as the disk has
//! it, the copy mounted and opened. Whatever was acknowledged must be in it. sled, whose flush does not wait for the
//! disk, is the control that loses records: without it this test would not know that its cuts cut.
//!
//! Needs root and loop devices; says so and passes where they are missing.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Seeded, read_all};
use switchyard_ledger::{LedgerId, Log, Options, Partition, verify};

/// Cuts for each of the two engines, unless the environment says how many.
const ROUNDS: u64 = 6;
const ROUNDS_VARIABLE: &str = "SWITCHYARD_POWER_CUTS";
const IMAGE_BYTES: u64 = 64 << 20;
/// Acknowledged records after which a cut may come.
const ACKNOWLEDGED_MAX: u64 = 900;
/// Copies of an image that differ because the disk was written meanwhile; then it is given up.
const COPIES_MAX: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    if let Err(why) = loop_devices_work() {
        // Past the capture of the test harness: whoever runs the tests should hear of it.
        let line = format!("\nSKIPPED: power cut on a loop device: {why}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        return;
    }
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Seeded(0xc07);
    for round in 0..rounds {
        let after = 1 + random.below(ACKNOWLEDGED_MAX);
        let (acknowledged, disk) = cut("log", after);
        let found = records_of_log(disk.path());
        assert!(found >= acknowledged, "round {round}: {acknowledged} acknowledged, {found} found");
    }
    let lost = (0..rounds).filter(|_| {
        let (acknowledged, disk) = cut("sled", 1 + random.below(ACKNOWLEDGED_MAX));
        records_of_sled(disk.path()) < acknowledged
    });
    assert!(lost.count() > 0, "the control lost nothing: these cuts prove nothing");
}

/// Runs a writer on a fresh file system, cuts the power once it has acknowledged `after` records, and mounts what
/// the disk held. Returns what the writer had acknowledged before the cut.
fn cut(engine: &str, after: u64) -> (u64, Mounted) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk");
    fs::File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]).unwrap();
    let disk = Mounted::new(&image, dir.path().join("live")).unwrap();
    let mut writer = Writer::start(engine, &disk.path().join("data"));
    let begun = Instant::now();
    while writer.acknowledged() < after {
        assert!(begun.elapsed() < PATIENCE && writer.is_running(), "the writer stands still");
        thread::sleep(Duration::from_micros(200));
    }
    writer.freeze();
    let copy = dir.path().join("after");
    copy_at_rest(&image, &copy);
    // What it said before it was frozen has come through its pipe by now.
    let acknowledged = writer.acknowledged();
    writer.kill();
    drop(disk);
    let mut after = Mounted::new(&copy, dir.path().join("restarted")).unwrap();
    after.keep = Some(dir);
    (acknowledged, after)
}

/// Copies an image until two copies in a row agree: nothing was written to the disk between them, so the copy is
/// what it held at one moment.
fn copy_at_rest(image: &Path, copy: &Path) {
    let mut before = fs::read(image).unwrap();
    for _ in 0..COPIES_MAX {
        let again = fs::read(image).unwrap();
        if again == before {
            return fs::write(copy, again).unwrap();
        }
        before = again;
    }
    panic!("the disk did not come to rest");
}

/// Records of the log, each as it was written.
fn records_of_log(disk: &Path) -> u64 {
    let dir = disk.join("data");
    let options = Options::new(Partition(0), LedgerId([9; 16]), 2);
    let (log, recovery) = Log::open(&dir, &options).unwrap();
    assert!(!recovery.clean);
    drop(log);
    verify(&dir, |_| {}).unwrap();
    let records = read_all(&dir);
    for (number, record) in (0u64..).zip(&records) {
        assert_eq!(record[..8], number.to_be_bytes());
        assert!(record.len() == 200 && record[8..].iter().all(|byte| *byte == number as u8));
    }
    records.len() as u64
}

/// Records of the control that are there without a gap; a database that does not open has none.
fn records_of_sled(disk: &Path) -> u64 {
    let opened = std::panic::catch_unwind(|| sled::open(disk.join("data")).ok()).ok().flatten();
    let Some(db) = opened else { return 0 };
    (0u64..).take_while(|number| matches!(db.get(number.to_be_bytes()), Ok(Some(_)))).count() as u64
}

/// A mounted image; dropping it takes it off again.
struct Mounted {
    path: PathBuf,
    /// The directory that holds image and mount point, removed after the mount.
    keep: Option<tempfile::TempDir>,
}

impl Mounted {
    fn new(image: &Path, path: PathBuf) -> Result<Self, String> {
        fs::create_dir(&path).map_err(|error| error.to_string())?;
        run("mount", &["-o", "loop", image.to_str().unwrap(), path.to_str().unwrap()])?;
        Ok(Self { path, keep: None })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.path.to_str().unwrap()]).unwrap();
    }
}

/// The example `durable_writer` at work.
struct Writer {
    child: Child,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    fn start(engine: &str, dir: &Path) -> Self {
        let mut child = Command::new(example("durable_writer"))
            .arg(engine)
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (lines, count) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&acknowledged));
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                count.store(line.parse().unwrap(), Ordering::Release);
            }
        });
        Self { child, acknowledged }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn freeze(&self) {
        run("kill", &["-STOP", &self.child.id().to_string()]).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `cargo test` builds the examples of a package beside its tests; `cargo test --test NAME` does not.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "cargo build -p switchyard-ledger --example {name}");
    path
}

fn loop_devices_work() -> Result<(), String> {
    if run("id", &["-u"])?.trim() != "0" {
        return Err("needs root".into());
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk");
    fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()])?;
    Mounted::new(&image, dir.path().join("mount")).map(drop)
}

/// Runs a tool and returns what it printed.
fn run(tool: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(tool).args(arguments).output().map_err(|error| format!("{tool}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{tool}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
