//! The names of things in the log: each identifier is its own type.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Place of a record in the log, from 0 without gaps; also its leaf index in the Merkle tree.
    Sequence(u64)
}
number! {
    /// Place of a block in the log, from 0 without gaps.
    BlockNumber(u64)
}
number! {
    /// Counts the openings of a log for writing, from 1; an older writer's epoch is refused.
    Epoch(u64)
}
number! {
    /// Place of a segment file in the log, from 1 without gaps.
    SegmentNumber(u64)
}
number! {
    /// One log with one writer; a set of merchants.
    Partition(u16)
}

impl BlockNumber {
    /// The number after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl SegmentNumber {
    /// The first segment of every log.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Sixteen random bytes chosen when a ledger is created; a restored copy gets new ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LedgerId(pub [u8; 16]);

/// A SHA-256 value: a leaf, a node or root of the Merkle tree, or the hash of a block's header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands before the first block, which has no predecessor.
    pub const ZERO: Self = Self([0; 32]);
}

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_text!(LedgerId);
hex_text!(Hash);
