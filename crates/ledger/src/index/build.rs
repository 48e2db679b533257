//! Makes the index file of a sealed segment out of what memory holds of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::RwLockReadGuard;

use super::IndexError;
use super::chunk::{Chunk, ChunkWriter};
use super::hot::{HotSegment, Shard};
use super::key::Key;
use super::limits::SHARDS;
use super::sealed::{self, ChunkPlace, Identity, Layout};
use crate::file::for_writing;
use crate::limits::PAGE_BYTES;
use crate::mark::sync_dir;

/// Written bytes after which they are synced, so that no long queue of them stands before the log's own.
const SYNC_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// What a build came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// Distinct keys.
    pub keys: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Writes the index of a segment to which nothing is added any more: a temporary file, synced, then renamed. The
/// same segment always gives the same bytes, so that two who build it at a time do no harm.
///
/// `stop` is asked now and then; a build that is to stop ends with `Stopped`.
pub(crate) fn build(
    dir: &Path,
    segment: &HotSegment,
    identity: &Identity,
    stop: &dyn Fn() -> bool,
) -> Result<Built, IndexError> {
    let target = sealed::path(dir, identity.segment);
    let temp = dir.join(format!("segment-{:08}.index.{}.tmp", identity.segment.0, std::process::id()));
    let written = FileWriter::create(&temp).and_then(|writer| fill(writer, segment, identity, stop));
    let built = written.and_then(|built| {
        fs::rename(&temp, &target).map_err(IndexError::write("rename", &target))?;
        sync_dir(dir)?;
        Ok(built)
    });
    if built.is_err() {
        // It never gets a name that anybody reads; what is left of it is only in the way.
        let _ = fs::remove_file(&temp);
    }
    built
}

/// Removes what builds that were cut off left behind.
pub(crate) fn clean(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let stale = name.to_str().is_some_and(|name| name.contains(".index.") && name.ends_with(".tmp"));
        if stale {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn fill(
    mut out: FileWriter,
    segment: &HotSegment,
    identity: &Identity,
    stop: &dyn Fn() -> bool,
) -> Result<Built, IndexError> {
    out.write(&vec![0; PAGE_BYTES])?;
    let (mut table, mut keys) = (Vec::new(), 0);
    let mut writer = ChunkWriter::new();
    merge(segment, |key, lists| {
        keys += 1;
        writer.add(key, lists, |chunk| {
            if stop() {
                return Err(IndexError::Stopped);
            }
            out.chunk(chunk, &mut table)
        })
    })?;
    if let Some(chunk) = writer.finish() {
        out.chunk(chunk, &mut table)?;
    }
    let blocks_at = out.at;
    let mut places = Vec::new();
    for block in segment.blocks().iter() {
        places.extend_from_slice(&block.first_seq.to_le_bytes());
        places.extend_from_slice(&block.offset.to_le_bytes());
    }
    out.write(&places)?;
    let table_at = out.at;
    let chunks = table.len() as u32;
    let table = sealed::encode_table(&table);
    out.write(&table)?;
    let layout = Layout {
        indexed_to: segment.indexed_to().min(identity.next_seq),
        chunks,
        blocks_at,
        blocks: places.len() as u64 / 16,
        table_at,
        file_bytes: out.at,
    };
    out.finish(&sealed::encode_header(identity, &layout, &table))?;
    Ok(Built { keys, bytes: layout.file_bytes })
}

/// One shard of one generation, its slots in the order of their keys.
struct Run<'a> {
    shard: RwLockReadGuard<'a, Shard>,
    order: std::vec::IntoIter<u32>,
}

/// Hands every key on, in order, with its records ascending.
fn merge(
    segment: &HotSegment,
    mut visit: impl FnMut(&Key, &mut dyn Iterator<Item = u32>) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let generations = segment.generations();
    let mut runs = Vec::with_capacity(generations.len() * SHARDS);
    for generation in &generations {
        for index in 0..SHARDS {
            let shard = generation.shard(index);
            let mut order: Vec<u32> = (0..shard.slots.len() as u32).collect();
            order.sort_unstable_by_key(|at| shard.slots[*at as usize].key);
            runs.push(Run { shard, order: order.into_iter() });
        }
    }
    // Runs are numbered in the order of their generations, so that equal keys leave the heap in that of time.
    let mut heap = BinaryHeap::with_capacity(runs.len());
    for (number, run) in runs.iter_mut().enumerate() {
        heap.extend(run.pull().map(|(key, slot)| Reverse((key, number, slot))));
    }
    let mut same = Vec::new();
    while let Some(Reverse((key, number, slot))) = heap.pop() {
        heap.extend(runs[number].pull().map(|(key, slot)| Reverse((key, number, slot))));
        same.push((number, slot));
        if heap.peek().is_some_and(|Reverse((next, ..))| *next == key) {
            continue;
        }
        let slots = same.iter().map(|(number, slot)| (&runs[*number].shard, *slot as usize));
        let mut lists = slots.flat_map(|(shard, slot)| shard.distances(&shard.slots[slot]));
        visit(&key, &mut lists)?;
        same.clear();
    }
    Ok(())
}

impl Run<'_> {
    fn pull(&mut self) -> Option<(Key, u32)> {
        let slot = self.order.next()?;
        Some((self.shard.slots[slot as usize].key, slot))
    }
}

struct FileWriter {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    at: u64,
    unsynced: u64,
}

impl FileWriter {
    fn create(path: &Path) -> Result<Self, IndexError> {
        let file = for_writing().truncate(true).open(path).map_err(IndexError::write("create", path))?;
        Ok(Self { file, path: path.to_path_buf(), buffer: Vec::new(), at: 0, unsynced: 0 })
    }

    fn chunk(&mut self, chunk: Chunk, table: &mut Vec<ChunkPlace>) -> Result<(), IndexError> {
        let Chunk { first_key, bytes } = chunk;
        let place =
            ChunkPlace { offset: self.at, bytes: bytes.len() as u32, crc: crc32c::crc32c(&bytes), first_key };
        table.push(place);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.at += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 1 << 20 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        self.file.write_all(&self.buffer).map_err(IndexError::write("write", &self.path))?;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(IndexError::write("sync", &self.path))?;
        }
        Ok(())
    }

    /// The header comes last: a file that was cut off before has none.
    fn finish(mut self, header: &[u8]) -> Result<(), IndexError> {
        use std::os::unix::fs::FileExt as _;
        self.flush()?;
        self.file.write_all_at(header, 0).map_err(IndexError::write("write", &self.path))?;
        self.file.sync_all().map_err(IndexError::write("sync", &self.path))
    }
}
