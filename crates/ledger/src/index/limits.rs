//! Every bound of the index, with the answer given when it is reached.

/// Longest key, its kind included; [`Key::new`](super::Key::new) refuses a longer one.
pub const KEY_BYTES_MAX: usize = 23;

/// Sequences on one page; a query that asks for more gets this many and a cursor.
pub const PAGE_MAX: usize = 10_000;

/// Parts of a generation, each under a lock of its own, so that a reader never holds up more than one of them.
pub const SHARDS: usize = 16;

/// Buckets of a shard, reserved when a generation starts and never grown.
pub const SHARD_BUCKETS: usize = 32_768;

/// Distinct keys of a generation; the record after that starts a new one. About 20 MB and what the keys' longer
/// lists take.
pub const GENERATION_KEYS_MAX: usize = SHARDS * SHARD_BUCKETS * 3 / 4;

/// Generations of one segment. Records after that are not indexed until the segment is sealed, and not then
/// either: a lookup reads them from the log, which is slower and as right.
pub const SEGMENT_GENERATIONS_MAX: usize = 64;

/// Segments whose hot part waits to be written. One more and the index falls behind: it goes on when one of them
/// is done, and lookups read what is not indexed yet from the log.
pub const HOT_WAITING_MAX: usize = 2;

/// Entries of one chunk of a sealed index: what a lookup reads and checks at a time.
pub const CHUNK_ENTRIES_MAX: usize = 4_096;

/// Bytes of a chunk's lists after which the next entry starts a new chunk.
pub const CHUNK_LIST_BYTES: usize = 64 * 1024;

/// Sequences of one entry; a longer list is cut into several, so that a page in its middle is found at once.
pub const RUN_SEQUENCES_MAX: usize = 512;

/// Longest table of chunks that is read; an index file that names a longer one is damaged.
pub const TABLE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest chunk that is read; an index file that names a longer one is damaged.
pub const CHUNK_BYTES_MAX: u32 = 4 * 1024 * 1024;
