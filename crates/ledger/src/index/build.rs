//! Makes the index file of a sealed segment out of what memory holds of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::path::Path;
use std::sync::RwLockReadGuard;

use super::IndexError;
use super::chunk::{Chunk, ChunkWriter};
use super::hot::{HotSegment, Shard};
use super::key::Key;
use super::limits::SHARDS;
use super::sealed::{self, ChunkPlace, Identity, Layout};
use crate::limits::PAGE_BYTES;
use crate::mark::sync_dir;
use crate::paced::PacedFile;

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
    let written = PacedFile::create(&temp, PAGE_BYTES)
        .map_err(IndexError::from)
        .and_then(|out| fill(out, segment, identity, stop));
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
    mut out: PacedFile,
    segment: &HotSegment,
    identity: &Identity,
    stop: &dyn Fn() -> bool,
) -> Result<Built, IndexError> {
    let (mut table, mut keys) = (Vec::new(), 0);
    let mut writer = ChunkWriter::new();
    merge(segment, |key, lists| {
        keys += 1;
        writer.add(key, lists, |chunk| {
            if stop() {
                return Err(IndexError::Stopped);
            }
            put_chunk(&mut out, chunk, &mut table)
        })
    })?;
    if let Some(chunk) = writer.finish() {
        put_chunk(&mut out, chunk, &mut table)?;
    }
    let blocks_at = out.bytes();
    let mut places = Vec::new();
    for block in segment.blocks().iter() {
        places.extend_from_slice(&block.first_seq.to_le_bytes());
        places.extend_from_slice(&block.offset.to_le_bytes());
    }
    out.put(&places)?;
    let table_at = out.bytes();
    let chunks = table.len() as u32;
    let table = sealed::encode_table(&table);
    out.put(&table)?;
    let layout = Layout {
        indexed_to: segment.indexed_to().min(identity.next_seq),
        chunks,
        blocks_at,
        blocks: places.len() as u64 / 16,
        table_at,
        file_bytes: out.bytes(),
    };
    out.finish(&sealed::encode_header(identity, &layout, &table))?;
    Ok(Built { keys, bytes: layout.file_bytes })
}

fn put_chunk(out: &mut PacedFile, chunk: Chunk, table: &mut Vec<ChunkPlace>) -> Result<(), IndexError> {
    let Chunk { first_key, bytes } = chunk;
    table.push(ChunkPlace {
        offset: out.bytes(),
        bytes: bytes.len() as u32,
        crc: crc32c::crc32c(&bytes),
        first_key,
    });
    Ok(out.put(&bytes)?)
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
