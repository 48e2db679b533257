//! What can go wrong with a key, by what the caller does next.

/// A key, a key block or a sealed record that cannot be used.
///
/// No variant carries key material, digits of a card or anything derived from them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes have no length this algorithm takes: refuse the input.
    #[error("key of {have} bytes, needs {need}")]
    Length {
        /// Accepted lengths, in bytes.
        need: &'static str,
        /// Bytes given.
        have: usize,
    },
    /// A weak, all-zero or repeated-half key: refuse to load it.
    #[error("key refused: {0}")]
    Weak(Weakness),
    /// The key is sound but not for this purpose: a programming or configuration fault.
    #[error("key usage {have} where {need} is needed")]
    Usage {
        /// Usage the caller asked for.
        need: &'static str,
        /// Usage in the key block, two ASCII characters.
        have: UsageCode,
    },
    /// The key block grants another mode of use than the key needs: ask its sender for one that does.
    #[error("key block of mode of use {have} where {need} or N is needed")]
    ModeOfUse {
        /// Mode that the usage needs.
        need: char,
        /// Mode in the key block.
        have: char,
    },
    /// The key block holds a component, which is no key.
    #[error("the key block holds a component of a key, not the key")]
    Component,
    /// The key is stronger than the one that it came under, or is to go under.
    #[error("a key of {key_bits} bits does not travel under one of {under_bits}")]
    Stronger {
        /// Strength of the key.
        key_bits: u16,
        /// Strength of the key that carries it.
        under_bits: u16,
    },
    /// The text is no key block of a version this library reads.
    #[error("key block malformed at byte {offset}")]
    Malformed {
        /// Where reading stopped.
        offset: usize,
    },
    /// A well-formed value did not authenticate: wrong key, or tampered.
    #[error("authentication failed: wrong key or altered data")]
    Authentication,
    /// The check value differs from the one expected.
    #[error("key check value differs")]
    CheckValue,
    /// The card number is not 13 to 19 digits.
    #[error("card number is not 13 to 19 digits")]
    Pan,
    /// An input is outside the range the algorithm defines.
    #[error("{0} is out of range")]
    Input(&'static str),
    /// The key of this number was destroyed on purpose: what it sealed is gone for good.
    #[error("shredded: data key {0} was destroyed")]
    Shredded(u32),
    /// No key of this number is loaded.
    #[error("data key {0} is not loaded")]
    UnknownKey(u32),
    /// The operating system gave no randomness: stop, nothing safe can be generated.
    #[error("no randomness from the operating system")]
    Entropy,
}

/// Why a key is too weak to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// Every byte is zero (parity bits aside).
    AllZero,
    /// Two 8-byte parts are equal, which takes triple DES back to single DES.
    EqualParts,
    /// One part is on the list of 64 weak, semi-weak and possibly weak DES keys.
    WeakPart,
    /// A byte has even parity.
    Parity,
}

impl std::fmt::Display for Weakness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AllZero => "all zero",
            Self::EqualParts => "equal parts",
            Self::WeakPart => "weak des key",
            Self::Parity => "bad parity",
        })
    }
}

/// The two characters that name a key's usage in a key block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsageCode(pub(crate) [u8; 2]);

impl UsageCode {
    /// The two ASCII characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }
}

impl std::fmt::Display for UsageCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|&b| std::fmt::Write::write_char(f, char::from(b)))
    }
}

impl std::fmt::Debug for UsageCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
