//! Every bound of the projections, with the answer given when it is reached.

use std::time::Duration;

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

/// How often an engine looks whether the database of the one before it is free, and the time between two looks. After
/// five seconds it opens it as it is, and what cannot be opened is made anew.
pub const RELEASE_TRIES_MAX: u32 = 500;
/// See [`RELEASE_TRIES_MAX`].
pub const RELEASE_PAUSE: Duration = Duration::from_millis(10);
