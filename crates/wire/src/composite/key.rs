//! What a part is called in its composite.

use std::fmt;

/// The most bytes of a tag.
pub const TAG_BYTES_MAX: usize = 8;

/// What a part is called: a number, or a tag.
///
/// In a path (`127.25.2`, `48.01`, `55.9F26`) numbers are decimal, tags of characters as they are, other tags
/// hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Position, or bit of a bitmap.
    Number(u16),
    /// A tag of letters and digits.
    Text(Tag),
    /// A tag of bytes: BER, binary tags, the identifier of a dataset.
    Hex(Tag),
    /// A BER tag behind the bits of a dataset: `t9F02`, because `82` alone would be a bit.
    Tail(Tag),
    /// A tag that should be letters and digits and is not: `~2E23`, its bytes on the wire.
    Odd(Tag),
}

/// The bytes of a tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    bytes: [u8; TAG_BYTES_MAX],
    len: u8,
}

impl Tag {
    /// Nothing when there are more than [`TAG_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut tag = Self { bytes: [0; TAG_BYTES_MAX], len: bytes.len() as u8 };
        tag.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(tag)
    }

    /// The bytes; of a text tag the characters in ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The tag as a big-endian number: `0x9F26`.
    pub fn number(&self) -> u64 {
        self.as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:02X?})", self.as_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, tag: &Tag| {
            tag.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
        };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(tag) => f.write_str(std::str::from_utf8(tag.as_bytes()).unwrap_or_default()),
            Self::Hex(tag) => hex(f, tag),
            Self::Tail(tag) => f.write_str("t").and_then(|()| hex(f, tag)),
            Self::Odd(tag) => f.write_str("~").and_then(|()| hex(f, tag)),
        }
    }
}
