//! Every bound of the projections, with the answer given when it is reached.

/// Changed rows that wait in memory; with more of them, they are written.
pub const CHANGES_MAX: usize = 8_192;

/// Records after which the position is written although no row changed: a restart reads no more than these again.
pub const RECORDS_PER_POSITION_MAX: u64 = 262_144;

/// Records of one turn, after which readers get theirs.
pub const RECORDS_PER_TURN: u64 = 16_384;

/// Rows of one page; who asks for more gets this many.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// Memory that sled may use for its cache.
pub const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// Projections of one engine: their numbers are one byte of every key.
pub const PROJECTIONS_MAX: usize = 200;
