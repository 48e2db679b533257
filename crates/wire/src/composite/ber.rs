//! Tags and lengths of BER-TLV, read through a view.

use super::key::Tag;
use super::view::View;
use crate::error::ParseErrorKind;

/// The most bytes of a BER tag.
pub(crate) const TAG_BYTES: usize = 4;
/// The most bytes of a length after its first.
const LENGTH_BYTES: usize = 4;

/// Tag, whether objects are inside, length of the value, and where the value starts.
pub(crate) type BerHead = (Tag, bool, usize, usize);

/// Reads tag and length at `at`.
///
/// # Errors
/// Where and why they cannot be read. An indefinite length is refused by that name: nothing in a message ends
/// with the two zero bytes that it needs.
pub(crate) fn read(view: &View<'_>, at: usize) -> Result<BerHead, (usize, ParseErrorKind)> {
    let truncated = || (at, ParseErrorKind::Truncated { need: view.len() - at + 1, have: view.len() - at });
    let first = view.at(at).ok_or_else(truncated)?;
    let mut end = at + 1;
    if first & 0x1F == 0x1F {
        loop {
            if end - at == TAG_BYTES {
                return Err((at, ParseErrorKind::BadTag));
            }
            let byte = view.at(end).ok_or_else(truncated)?;
            end += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let (bytes, count) = view.head(at..end).ok_or_else(truncated)?;
    let tag = Tag::new(&bytes[..count]).ok_or((at, ParseErrorKind::BadTag))?;
    let byte = view.at(end).ok_or_else(truncated)?;
    let more = match byte {
        0..=0x7F => return Ok((tag, first & 0x20 != 0, usize::from(byte), end + 1)),
        0x80 => return Err((end, ParseErrorKind::IndefiniteLength)),
        _ => usize::from(byte & 0x7F),
    };
    if more > LENGTH_BYTES {
        return Err((end, ParseErrorKind::BadLength));
    }
    let (bytes, count) = view.head(end + 1..end + 1 + more).ok_or_else(truncated)?;
    let length = bytes[..count].iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    Ok((tag, first & 0x20 != 0, length, end + 1 + more))
}

/// Appends an object with the shortest length that holds it.
pub(crate) fn put(tag: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(tag);
    let length = value.len();
    match length {
        0..=0x7F => out.push(length as u8),
        0x80..=0xFF => out.extend([0x81, length as u8]),
        0x100..=0xFFFF => out.extend([0x82, (length >> 8) as u8, length as u8]),
        _ => out.extend([0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(value);
}

/// Whether bytes are one BER tag.
pub(crate) fn is_tag(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else { return false };
    if *first == 0 || bytes.len() > TAG_BYTES {
        return false;
    }
    if first & 0x1F != 0x1F {
        return rest.is_empty();
    }
    match rest.split_last() {
        Some((last, middle)) => last & 0x80 == 0 && middle.iter().all(|byte| byte & 0x80 != 0),
        None => false,
    }
}
