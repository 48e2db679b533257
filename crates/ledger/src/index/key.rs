//! What records are found by.

use std::fmt;

use super::limits::KEY_BYTES_MAX;

/// A key: its kind and the bytes that are looked for. What they mean is the extractor's affair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Length first, so that no key is the beginning of another one.
    bytes: [u8; KEY_BYTES_MAX + 1],
}

impl Key {
    /// A key of a kind, made of parts that stand one after the other.
    ///
    /// # Panics
    /// When kind and parts are longer than [`KEY_BYTES_MAX`].
    pub fn new(kind: u8, parts: &[&[u8]]) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX + 1];
        bytes[1] = kind;
        let mut end = 2;
        for part in parts {
            bytes[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        bytes[0] = (end - 1) as u8;
        Self { bytes }
    }

    /// Its kind.
    pub fn kind(&self) -> u8 {
        self.bytes[1]
    }

    /// Length and bytes, as they stand in a sealed index.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.bytes[..=usize::from(self.bytes[0])]
    }
}

impl fmt::Debug for Key {
    /// The kind alone: what is looked for may be a card's hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {} bytes)", self.kind(), self.bytes[0])
    }
}

/// Collects the keys of one record.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    ends_generation: bool,
}

impl Keys {
    /// The record is to be found by this key; saying so twice changes nothing.
    pub fn push(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// Records after this one belong to another time, a new business day: they are kept apart in memory.
    pub fn end_generation(&mut self) {
        self.ends_generation = true;
    }

    /// The keys so far.
    pub fn as_slice(&self) -> &[Key] {
        &self.keys
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.ends_generation = false;
    }

    pub(crate) fn ends_generation_here(&self) -> bool {
        self.ends_generation
    }
}

/// The extractor met bytes that are no record of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Knows what records mean, for an index that does not.
pub trait Extract: Send + Sync + 'static {
    /// Changes whenever the same record would give other keys; a sealed index of another version is made anew.
    fn version(&self) -> u32;

    /// Names the keys of a record: the same ones whenever it is asked.
    ///
    /// # Errors
    /// [`Unreadable`] for bytes that are no record.
    fn keys(&self, record: &[u8], keys: &mut Keys) -> Result<(), Unreadable>;

    /// When the record was made, microseconds since 1970; never earlier than that of a record before it.
    ///
    /// # Errors
    /// [`Unreadable`] for bytes that are no record.
    fn time_micros(&self, record: &[u8]) -> Result<u64, Unreadable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_the_beginning_of_another_and_none_shows_what_it_holds() {
        let (short, long) = (Key::new(1, &[b"ab"]), Key::new(1, &[b"ab", b"\0"]));
        assert_ne!(short, long);
        assert!(!long.encoded().starts_with(short.encoded()));
        assert_eq!(format!("{long:?}"), "Key(1, 4 bytes)");
        assert_eq!(Key::new(7, &[&[9; KEY_BYTES_MAX - 1]]).encoded().len(), KEY_BYTES_MAX + 1);
    }

    #[test]
    #[should_panic(expected = "range end index")]
    fn a_key_that_is_too_long_is_refused() {
        let _ = Key::new(7, &[&[9; KEY_BYTES_MAX]]);
    }
}
