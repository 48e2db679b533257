//! Every bound of the log, with the answer given when it is reached.

/// Unit of alignment: blocks and segment headers start at multiples of it and are zero-padded to it.
pub const PAGE_BYTES: usize = 4096;

/// Longest record; a longer one is refused by [`RecordBatch`](crate::RecordBatch) with `TooLarge`.
pub const RECORD_BYTES_MAX: usize = switchyard_domain::Stamped::BYTES_MAX;

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

/// Longest signed note that is read; a longer one is refused with `TooLong`.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Most signatures of one note; a note with more is refused.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Longest proof that is read: a record of [`RECORD_BYTES_MAX`] in base64, a path, and a note.
pub const PROOF_BYTES_MAX: usize = RECORD_BYTES_MAX.div_ceil(3) * 4 + 64 * 45 + NOTE_BYTES_MAX + 256;

/// Most hashes of an inclusion proof: one for each level of a tree with 2^64 leaves.
pub const PATH_HASHES_MAX: usize = 64;

/// Most checkpoints that one witness file may hold; a file with more is refused.
pub const WITNESS_CHECKPOINTS_MAX: usize = 65_536;

/// Longest witness file that is read.
pub const WITNESS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Record bytes that a restore makes durable at a time.
pub const RESTORE_BATCH_BYTES: usize = 1024 * 1024;

/// Rounds up to whole pages.
pub(crate) const fn page_up(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_BYTES) * PAGE_BYTES
}
