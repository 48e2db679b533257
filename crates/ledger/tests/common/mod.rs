//! What the tests of the log share.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ed25519_dalek::{Signer as _, SigningKey};
use switchyard_ledger::checkpoint::Origin;
use switchyard_ledger::note::{NoteSigner, VerifierKey};
use switchyard_ledger::{
    Error, FileLayer, LedgerId, Log, Options, OsFiles, Partition, Reader, RecordBatch, Sequence, SyncMethod,
};

pub const PAGE: u64 = 4096;

/// Segments of six pages, zeroed a page or two at a time.
pub fn small() -> Options {
    let mut options = Options::new(Partition(3), LedgerId(*b"a small ledger!!"), 1_000);
    options.segment_bytes = 6 * PAGE;
    options.zero_step_bytes = 2 * PAGE;
    options.zero_ahead_bytes = PAGE;
    options.free_bytes_min = 0;
    options
}

/// A key made of one byte.
pub struct Key(SigningKey);

impl Key {
    pub fn new(byte: u8) -> Self {
        Self(SigningKey::from_bytes(&[byte; 32]))
    }

    pub fn verifier(&self, options: &Options) -> VerifierKey {
        Origin::of(options.ledger_id, options.partition).verifier(&self.public_key()).unwrap()
    }
}

impl NoteSigner for Key {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// A closed log of `count` records in blocks of one or two, some of them longer than a page.
pub fn filled(dir: &Path, options: &Options, count: u64, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Seeded(seed);
    let records: Vec<Vec<u8>> = (0..count)
        .map(|n| {
            let length = if random.below(16) == 0 { 5_000 } else { random.below(60) };
            (0..length).map(|_| random.next() as u8).chain(n.to_le_bytes()).collect()
        })
        .collect();
    let (mut log, _) = Log::open(dir, options).unwrap();
    let mut rest = &records[..];
    while !rest.is_empty() {
        // Two long records fill the payload of the smallest segments.
        let take = (1 + random.below(2) as usize).min(rest.len());
        log.append(&batch(&rest[..take]), 2_000).unwrap();
        rest = &rest[take..];
    }
    log.close(3_000).unwrap();
    records
}

pub fn batch(records: &[impl AsRef<[u8]>]) -> RecordBatch {
    let mut batch = RecordBatch::new();
    records.iter().for_each(|record| batch.push_bytes(record.as_ref()).unwrap());
    batch
}

/// Whether direct writes work here; says so loudly where they do not.
pub fn direct_works(dir: &Path) -> bool {
    let options = Options { sync: SyncMethod::Direct, ..small() };
    match Log::open(dir, &options) {
        Err(error @ Error::NoDirect { .. }) => {
            // Past the harness, which keeps what passing tests print: the run of all tests counts this line.
            let line = format!("\nSKIPPED: {error}\n");
            std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
            false
        }
        opened => opened.map(drop).map(|()| true).unwrap(),
    }
}

/// Appends some one-record batches and leaves without closing.
pub fn crash_after(dir: &Path, options: &Options, records: &[impl AsRef<[u8]>]) {
    let (mut log, _) = Log::open(dir, options).unwrap();
    for record in records {
        log.append(&batch(&[record]), 2_000).unwrap();
    }
}

pub fn read_all(dir: &Path) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let visit = |seq: Sequence, record: &[u8]| -> switchyard_ledger::Result<()> {
        assert_eq!(seq.0, records.len() as u64);
        records.push(record.to_vec());
        Ok(())
    };
    Reader::open(dir).unwrap().for_each(visit).unwrap();
    records
}

pub fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("segment-{number:08}.log"))
}

pub fn segments(dir: &Path) -> Vec<Vec<u8>> {
    (1..).map_while(|number| fs::read(segment_path(dir, number)).ok()).collect()
}

/// A small generator, so that a seed is a whole test.
#[derive(Debug, Clone)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a call to the operating system does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Some leading bytes are written, then an error.
    ShortWrite,
    /// The write succeeds and the sync fails.
    SyncError,
    /// The write itself fails with an error, nothing written.
    WriteError,
    /// The sync says that it worked, and what it was to keep is lost with the power.
    LostSync,
}

/// The error of a call that fails whatever it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The device does not answer.
    InputOutput,
    /// The disk is full.
    NoSpace,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::InputOutput => io::Error::from_raw_os_error(5),
            Self::NoSpace => io::Error::from_raw_os_error(28),
        }
    }
}

/// The operating system with faults, and with a memory of what was never synced.
#[derive(Debug, Default)]
pub struct FaultyFiles {
    inner: Mutex<Inner>,
}

/// Offset of a write and what stood there before.
type Before = (u64, Vec<u8>);

#[derive(Debug, Default)]
struct Inner {
    unsynced: HashMap<PathBuf, Vec<Before>>,
    /// Written and synced as far as anybody was told, and not on the disk.
    doomed: Vec<(PathBuf, Before)>,
    fault: Option<Fault>,
    /// The call of this number fails, whatever it is and whoever makes it.
    failing_call: Option<(u64, Failure)>,
    calls: u64,
    free_bytes: Option<u64>,
    random: u64,
}

impl Inner {
    /// Counts a call, and fails it when it is its turn.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.failing_call {
            Some((number, failure)) if number == self.calls => Err(failure.error()),
            _ => Ok(()),
        }
    }
}

impl FaultyFiles {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { random: seed, ..Inner::default() }) })
    }

    /// The next write or sync of a block goes wrong like this; the helper's zeros are left alone.
    pub fn fail_next(&self, fault: Fault) {
        self.inner.lock().unwrap().fault = Some(fault);
    }

    /// The call of this number from now on fails, the helper's calls included.
    pub fn fail_call(&self, number: u64, failure: Failure) {
        let mut inner = self.inner.lock().unwrap();
        inner.failing_call = Some((inner.calls + number, failure));
    }

    pub fn limit_free(&self, bytes: Option<u64>) {
        self.inner.lock().unwrap().free_bytes = bytes;
    }

    /// Cuts the power: each sector that was never synced is kept or lost as the seed has it.
    pub fn cut_power(&self) {
        let mut inner = self.inner.lock().unwrap();
        let mut random = Seeded(inner.random);
        inner.failing_call = None;
        let mut lost = std::mem::take(&mut inner.doomed);
        for (path, writes) in std::mem::take(&mut inner.unsynced) {
            lost.extend(writes.into_iter().map(|before| (path.clone(), before)));
        }
        // The latest write first, so that what stood before the earliest comes back last.
        for (path, (offset, old)) in lost.into_iter().rev() {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            for (index, sector) in old.chunks(512).enumerate() {
                if random.below(2) == 0 {
                    OsFiles.write_at(&file, &path, sector, offset + 512 * index as u64).unwrap();
                }
            }
        }
        inner.random = random.0;
    }
}

impl FileLayer for FaultyFiles {
    fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        inner.call()?;
        let is_block = bytes.iter().any(|byte| *byte != 0);
        if is_block {
            let mut old = vec![0; bytes.len()];
            let read = std::os::unix::fs::FileExt::read_at(file, &mut old, offset)?;
            old.truncate(read);
            inner.unsynced.entry(path.to_path_buf()).or_default().push((offset, old));
        }
        match inner.fault.filter(|_| is_block) {
            Some(Fault::ShortWrite) => {
                inner.fault = None;
                let mut random = Seeded(inner.random);
                let count = random.below(bytes.len() as u64 + 1) as usize;
                inner.random = random.0;
                OsFiles.write_at(file, path, &bytes[..count], offset)?;
                Err(io::ErrorKind::WriteZero.into())
            }
            Some(Fault::WriteError) => {
                inner.fault = None;
                Err(io::Error::other("injected write error"))
            }
            Some(Fault::SyncError | Fault::LostSync) | None => OsFiles.write_at(file, path, bytes, offset),
        }
    }

    /// A direct write is durable when it returns; one that fails leaves what a power cut may take.
    fn write_durable(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        let inner = self.inner.lock().unwrap();
        let is_sound = inner.fault.is_none() && inner.failing_call.is_none();
        drop(inner);
        if is_sound {
            // The real thing, on the file that was really opened for it.
            return OsFiles.write_durable(file, path, bytes, offset);
        }
        let plain = fs::OpenOptions::new().read(true).write(true).open(path)?;
        self.write_at(&plain, path, bytes, offset)?;
        self.sync(&plain, path)
    }

    fn sync(&self, _: &File, path: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        inner.call()?;
        // Only the writer has anything but zeros to sync; the helper's syncs stay whole. The disk is not waited
        // for: power is cut by `cut_power` alone.
        let writes = inner.unsynced.remove(path).unwrap_or_default();
        match inner.fault.filter(|_| !writes.is_empty()) {
            Some(Fault::SyncError) => {
                inner.fault = None;
                inner.unsynced.insert(path.to_path_buf(), writes);
                return Err(io::Error::other("injected sync error"));
            }
            Some(Fault::LostSync) => {
                inner.fault = None;
                inner.doomed.extend(writes.into_iter().map(|before| (path.to_path_buf(), before)));
            }
            Some(Fault::ShortWrite | Fault::WriteError) | None => {}
        }
        Ok(())
    }

    fn reserve(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        self.inner.lock().unwrap().call()?;
        OsFiles.reserve(file, path, bytes)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let mut inner = self.inner.lock().unwrap();
        inner.call()?;
        let limit = inner.free_bytes;
        drop(inner);
        limit.map_or_else(|| OsFiles.free_bytes(dir), Ok)
    }
}
