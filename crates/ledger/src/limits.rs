//! Every bound of the log, with the answer given when it is reached.

/// Unit of alignment: blocks and segment headers start at multiples of it and are zero-padded to it.
pub const PAGE_BYTES: usize = 4096;

/// Longest record; a longer one is refused by [`RecordBatch`](crate::RecordBatch) with `TooLarge`.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Longest block on disk, header and padding included; a longer group is refused with `TooLarge`, and the
/// committer splits what is queued so that it never is.
pub const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Size of a segment file unless the options say otherwise.
pub const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// Smallest segment: its header and one block of one page. Options below it are refused.
pub const SEGMENT_BYTES_MIN: u64 = 2 * PAGE_BYTES as u64;

/// Largest segment: keeps offsets, reservations and searches within sane bounds. Options above it are refused.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// How much is zeroed and synced at a time.
pub const ZERO_STEP_BYTES: u64 = 8 * 1024 * 1024;

/// How far ahead of the write position the segment in use is kept zeroed.
pub const ZERO_AHEAD_BYTES: u64 = 64 * 1024 * 1024;

/// Free space left to others on the disk: no segment is reserved that would leave less, and the log answers
/// `NoSpace` instead.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Submissions waiting for the committer; `submit` blocks and `try_submit` refuses beyond it.
pub const QUEUE_SUBMISSIONS_MAX: usize = 65_536;

/// Record bytes waiting for the committer; `submit` blocks and `try_submit` refuses beyond it.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How often an idle committer on a full disk looks for room again.
pub const ROOM_CHECK_MILLIS: u64 = 200;

/// Rounds up to whole pages.
pub(crate) const fn page_up(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_BYTES) * PAGE_BYTES
}
