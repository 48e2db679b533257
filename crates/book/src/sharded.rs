//! A map that never stalls.
//!
//! One big table moves all of its entries when it grows: 471 ms at ten million. Here each of many small
//! tables grows by itself, which moves a thousandth of them. The snapshot holds the entries table by
//! table, so that loading them works on memory that is in the processor's cache.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};

/// Tables of a map. A power of two.
pub const SHARDS: usize = 1_024;

/// A map of many tables, in the same order in every replay.
///
/// ```
/// use switchyard_book::Sharded;
/// let mut map: Sharded<u32, &str> = [(1, "one"), (2, "two")].into_iter().collect();
/// map.insert(2, "zwei");
/// assert_eq!(map.remove(&1), Some("one"));
/// assert_eq!((map.get(&2), map.len()), (Some(&"zwei"), 1));
/// ```
#[derive(Debug, Clone)]
pub struct Sharded<K, V> {
    tables: Box<[HashTable<(K, V)>]>,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self { tables: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }
}

fn hash_of<K: Hash>(key: &K) -> u64 {
    FixedState::default().hash_one(key)
}

/// Neither the lowest bits, by which a table chooses a bucket, nor the highest, by which it tells entries
/// of a bucket apart.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

impl<K, V> Sharded<K, V> {
    /// Count of entries.
    pub fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(HashTable::is_empty)
    }
    /// Every entry, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.tables.iter().flatten()
    }
    /// The entries of one table.
    pub fn shard(&self, shard: usize) -> impl Iterator<Item = &(K, V)> {
        self.tables[shard].iter()
    }
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let hash = hash_of(key);
        self.tables[shard_of(hash)].find(hash, |(k, _)| k == key).map(|(_, value)| value)
    }
    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = hash_of(key);
        self.tables[shard_of(hash)].find_mut(hash, |(k, _)| k == key).map(|(_, value)| value)
    }
    /// Whether there is a key.
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }
    /// Puts a value in the place of what the key had.
    pub fn insert(&mut self, key: K, value: V) {
        let hash = hash_of(&key);
        let table = &mut self.tables[shard_of(hash)];
        match table.find_mut(hash, |(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => {
                table.insert_unique(hash, (key, value), |(k, _)| hash_of(k));
            }
        }
    }
    /// Takes a key and its value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let hash = hash_of(key);
        let entry = self.tables[shard_of(hash)].find_entry(hash, |(k, _)| k == key).ok()?;
        Some(entry.remove().0.1)
    }
    /// Makes room for so many entries at once, where their number is known.
    pub fn reserve(&mut self, count: usize) {
        // They spread evenly but for the square root of what a table gets.
        let each = count / SHARDS;
        let each = each + 4 * each.isqrt();
        self.tables.iter_mut().for_each(|table| table.reserve(each, |(k, _)| hash_of(k)));
    }
    /// Keeps those entries only of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.tables.iter_mut().for_each(|table| table.retain(|(key, value)| keep(key, value)));
    }
    /// Makes one table of a snapshot; `None` when an entry belongs to another or is there twice.
    pub fn table(shard: usize, entries: Vec<(K, V)>) -> Option<HashTable<(K, V)>> {
        let mut table = HashTable::with_capacity(entries.len());
        for (key, value) in entries {
            let hash = hash_of(&key);
            if shard_of(hash) != shard || table.find(hash, |(k, _)| *k == key).is_some() {
                return None;
            }
            table.insert_unique(hash, (key, value), |(k, _)| hash_of(k));
        }
        Some(table)
    }
    /// Puts such a table in its place.
    pub fn set_table(&mut self, shard: usize, table: HashTable<(K, V)>) -> Option<()> {
        *self.tables.get_mut(shard)? = table;
        Some(())
    }
}

impl<K: Hash + Eq, V: Default> Sharded<K, V> {
    /// The value of a key, which gets the default when it has none.
    pub fn get_or_default(&mut self, key: K) -> &mut V {
        let hash = hash_of(&key);
        let table = &mut self.tables[shard_of(hash)];
        let entry = table.entry(hash, |(k, _)| *k == key, |(k, _)| hash_of(k));
        &mut entry.or_insert_with(|| (key, V::default())).into_mut().1
    }
}

impl<K: Hash + Eq, V> FromIterator<(K, V)> for Sharded<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut map = Self::default();
        map.reserve(entries.size_hint().0);
        entries.for_each(|(key, value)| map.insert(key, value));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(map: &Sharded<u32, u64>) -> Vec<(u32, u64)> {
        map.iter().copied().collect()
    }

    #[test]
    fn entries_are_found_replaced_removed_and_loaded_by_table() {
        let mut map = Sharded::default();
        (0..20_000_u32).for_each(|n| map.insert(n, u64::from(n)));
        map.insert(7, 70);
        assert_eq!((map.get(&7), map.get(&20_000), entries(&map).len()), (Some(&70), None, 20_000));
        *map.get_or_default(9) += 1;
        *map.get_or_default(30_000) += 1;
        let mut loaded = Sharded::default();
        for shard in 0..SHARDS {
            let entries: Vec<(u32, u64)> = map.shard(shard).copied().collect();
            loaded.set_table(shard, Sharded::table(shard, entries).unwrap()).unwrap();
        }
        assert!(entries(&map).iter().all(|(key, value)| loaded.get(key) == Some(value)));
        assert_eq!(entries(&loaded).len(), entries(&map).len());
        let foreign: Vec<(u32, u64)> = map.shard(0).copied().collect();
        assert!(Sharded::table(1, foreign.clone()).is_none(), "of another table");
        assert!(Sharded::table(0, [foreign.clone(), foreign].concat()).is_none(), "twice");
        assert!(loaded.set_table(SHARDS, HashTable::new()).is_none());
        *map.get_mut(&7).unwrap() += 1;
        assert_eq!((map.remove(&7), map.remove(&7), map.len()), (Some(71), None, 20_000));
    }

    #[test]
    fn a_map_made_for_so_many_does_not_grow() {
        let room = |map: &Sharded<u32, u64>| map.tables.iter().map(HashTable::capacity).sum::<usize>();
        let mut map = Sharded::default();
        assert!(map.is_empty());
        map.reserve(100_000);
        let before = room(&map);
        (0..100_000_u32).for_each(|n| map.insert(n, 0));
        assert_eq!((room(&map), map.len()), (before, 100_000));
        assert!(before < 300_000, "{before}");
    }
}
