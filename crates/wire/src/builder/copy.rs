//! Copies of a few bytes. One of a length that the compiler knows is some instructions, another is a call; so more is
//! copied than is wanted, and what is too much is cut off.

use std::ops::Range;

/// Bytes copied at once.
const COPIED: usize = 32;

/// Appends a range of `body`.
#[inline(always)]
pub(crate) fn copy(body: &[u8], range: Range<usize>, out: &mut Vec<u8>) {
    let bytes = range.end.wrapping_sub(range.start);
    if bytes <= COPIED
        && let Some(chunk) = body.get(range.start..).and_then(<[u8]>::first_chunk::<COPIED>)
    {
        let end = out.len() + bytes;
        out.extend_from_slice(chunk);
        out.truncate(end);
        return;
    }
    out.extend_from_slice(body.get(range).unwrap_or_default());
}

/// Appends the first `bytes` of an array.
#[inline(always)]
pub(crate) fn put_short<const N: usize>(array: &[u8; N], bytes: usize, out: &mut Vec<u8>) {
    let end = out.len() + bytes;
    out.extend_from_slice(array);
    out.truncate(end);
}
