//! A chunk of a sealed index: a few thousand entries in order, as one `fst` map and the lists it points into.
//!
//! An entry's key is the [`Key`] as encoded and, big endian, the distance of its first record from the
//! segment's first. Its value is 0 when there is no other record, else one more than the place of a list in the
//! bytes behind the map: the count of further records and the gaps between them, as LEB128 numbers.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the map, little endian |
//! | … | the map |
//! | … | the lists |

use fst::{IntoStreamer, Map, MapBuilder, Streamer};

use super::hot::Range;
use super::key::Key;
use super::limits::{CHUNK_ENTRIES_MAX, CHUNK_LIST_BYTES, RUN_SEQUENCES_MAX};
use crate::block::read_u32;

/// Bytes of an entry's key that hold the distance.
const DISTANCE_BYTES: usize = 4;

/// The key of an entry.
pub(crate) fn entry_key(key: &Key, distance: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.encoded().len() + DISTANCE_BYTES);
    bytes.extend_from_slice(key.encoded());
    bytes.extend_from_slice(&distance.to_be_bytes());
    bytes
}

/// Takes entries in order and gives chunks.
pub(crate) struct ChunkWriter {
    map: MapBuilder<Vec<u8>>,
    lists: Vec<u8>,
    first_key: Vec<u8>,
    entries: usize,
}

/// A finished chunk and the key it begins with.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) first_key: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

impl ChunkWriter {
    pub(crate) fn new() -> Self {
        Self { map: MapBuilder::memory(), lists: Vec::new(), first_key: Vec::new(), entries: 0 }
    }

    /// Adds the records of a key, ascending; a long list becomes several entries.
    pub(crate) fn add(
        &mut self,
        key: &Key,
        distances: impl Iterator<Item = u32>,
        mut full: impl FnMut(Chunk) -> Result<(), super::IndexError>,
    ) -> Result<(), super::IndexError> {
        let mut distances = distances.peekable();
        while let Some(first) = distances.next() {
            let mut value = 0;
            if distances.peek().is_some() {
                value = self.lists.len() as u64 + 1;
                let rest: Vec<u32> = distances.by_ref().take(RUN_SEQUENCES_MAX - 1).collect();
                write_number(&mut self.lists, rest.len() as u32);
                rest.iter().fold(first, |before, distance| {
                    write_number(&mut self.lists, distance - before);
                    *distance
                });
            }
            let entry = entry_key(key, first);
            // Memory takes every write, and the entries come in order.
            self.map.insert(&entry, value).expect("entries are in order");
            if self.entries == 0 {
                self.first_key = entry;
            }
            self.entries += 1;
            if self.entries >= CHUNK_ENTRIES_MAX || self.lists.len() >= CHUNK_LIST_BYTES {
                full(self.take())?;
            }
        }
        Ok(())
    }

    /// The last chunk, if there is anything in it.
    pub(crate) fn finish(mut self) -> Option<Chunk> {
        (self.entries > 0).then(|| self.take())
    }

    fn take(&mut self) -> Chunk {
        let Self { map, lists, first_key, .. } = std::mem::replace(self, Self::new());
        let map = map.into_inner().expect("memory takes every write");
        let mut bytes = Vec::with_capacity(4 + map.len() + lists.len());
        bytes.extend_from_slice(&(map.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&map);
        bytes.extend_from_slice(&lists);
        Chunk { first_key, bytes }
    }
}

/// Adds the records of a key that lie in the range to `found`, of a chunk whose checksum is right; `None` when its
/// bytes make no sense all the same.
pub(crate) fn find(bytes: &[u8], key: &Key, range: &Range, base: u64, found: &mut Vec<u64>) -> Option<()> {
    let map_bytes = read_u32(bytes.get(..4)?, 0) as usize;
    let (map, lists) = bytes.get(4..)?.split_at_checked(map_bytes)?;
    let map = Map::new(map).ok()?;
    let last = u32::try_from(range.to - 1 - base).unwrap_or(u32::MAX);
    let mut entries = map.range().ge(entry_key(key, 0)).le(entry_key(key, last)).into_stream();
    let mut runs = Vec::new();
    while let Some((entry, value)) = entries.next() {
        let first = entry.last_chunk::<DISTANCE_BYTES>()?;
        runs.push((u32::from_be_bytes(*first), value));
    }
    // A run that begins before the range may reach into it, but only the last such one.
    let before = runs.partition_point(|(first, _)| base + u64::from(*first) < range.from);
    runs.drain(..before.saturating_sub(1));
    if range.descending {
        runs.reverse();
    }
    for (first, value) in runs {
        if range.is_full(found) {
            break;
        }
        let mut run = read_run(first, value, lists)?;
        if range.descending {
            run.reverse();
        }
        let room = range.limit - found.len();
        let sequences = run.into_iter().map(|distance| base + u64::from(distance));
        found.extend(sequences.filter(|seq| range.holds(*seq)).take(room));
    }
    Some(())
}

fn read_run(first: u32, value: u64, lists: &[u8]) -> Option<Vec<u32>> {
    let mut run = vec![first];
    let Some(at) = value.checked_sub(1) else { return Some(run) };
    let mut rest = lists.get(usize::try_from(at).ok()?..)?;
    let count = read_number(&mut rest)? as usize;
    if count >= RUN_SEQUENCES_MAX {
        return None;
    }
    for _ in 0..count {
        let gap = read_number(&mut rest)?;
        run.push(run.last()?.checked_add(gap)?);
    }
    Some(run)
}

fn write_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lists: &[(Key, Vec<u32>)]) -> Vec<Chunk> {
        let (mut writer, mut chunks) = (ChunkWriter::new(), Vec::new());
        for (key, distances) in lists {
            let keep = |chunk| {
                chunks.push(chunk);
                Ok(())
            };
            writer.add(key, distances.iter().copied(), keep).unwrap();
        }
        chunks.extend(writer.finish());
        chunks
    }

    #[test]
    fn lists_of_any_length_come_back_in_both_directions() {
        let lists: Vec<(Key, Vec<u32>)> = (0..40_u32)
            .map(|n| (Key::new(1, &[&n.to_be_bytes()]), (0..=n * n * 3).map(|k| k * (n + 1)).collect()))
            .collect();
        let chunks = written(&lists);
        assert!(chunks.len() == 1, "{} chunks", chunks.len());
        for (key, distances) in &lists {
            let expected: Vec<u64> = distances.iter().map(|d| 1_000 + u64::from(*d)).collect();
            for (from, to) in [(0, u64::MAX), (1_001, 2_000), (5_000, 5_001), (1_000, 1_001)] {
                let mut expected: Vec<_> =
                    expected.iter().copied().filter(|seq| (from..to).contains(seq)).collect();
                for descending in [false, true] {
                    let range = Range { from, to, descending, limit: 700 };
                    let mut found = Vec::new();
                    find(&chunks[0].bytes, key, &range, 1_000, &mut found).unwrap();
                    assert_eq!(found, expected[..expected.len().min(700)], "{from}..{to} {descending}");
                    expected.reverse();
                }
            }
        }
    }

    #[test]
    fn numbers_of_every_length_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, 1 << 28, u32::MAX] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number);
            assert_eq!(read_number(&mut &bytes[..]), Some(number));
            assert_eq!(read_number(&mut &bytes[..bytes.len() - 1]), None);
        }
    }
}
