//! PINs: blocks, translation between keys and formats, and verification.
//!
//! Every malformed block gives the one error [`PinError::Block`], found without an early exit,
//! so that a caller who feeds altered blocks learns nothing from the answer or its time.

mod block;
mod iso4;
mod translate;
mod verify;

use zeroize::Zeroize;

pub use self::block::{PinFormat, decode, decode_iso0, decode_iso3, encode, encode_iso0, encode_iso2};
pub use self::iso4::{decode_iso4, encode_iso4};
pub use self::translate::{translate, translate_from_iso4, translate_iso4, translate_to_iso4};
pub use self::verify::{Ibm3624, pvv, verify_pvv};

pub(crate) use self::block::encode_with_fill;
pub(crate) use self::iso4::{encode_iso4_with_random, pan_field};
pub(crate) use self::translate::{translate_to_iso4_with_random, translate_with_fill};

/// Shortest PIN, in digits (ISO 9564-1).
pub const PIN_DIGITS_MIN: usize = 4;
/// Longest PIN, in digits (ISO 9564-1).
pub const PIN_DIGITS_MAX: usize = 12;

/// A clear PIN of 4 to 12 digits: wiped on drop, never printed, never cloned.
pub struct Pin {
    /// Values 0 to 9; unused places are 0.
    digits: [u8; PIN_DIGITS_MAX],
    len: u8,
}

impl Pin {
    /// Reads ASCII digits.
    ///
    /// # Errors
    /// [`PinError::Digits`] unless there are 4 to 12 digits.
    pub fn new(ascii: &[u8]) -> Result<Self, PinError> {
        if !(PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&ascii.len()) || !ascii.iter().all(u8::is_ascii_digit)
        {
            return Err(PinError::Digits);
        }
        let mut pin = Self { digits: [0; PIN_DIGITS_MAX], len: ascii.len() as u8 };
        for (digit, character) in pin.digits.iter_mut().zip(ascii) {
            *digit = character - b'0';
        }
        Ok(pin)
    }

    /// The digits as values 0 to 9. Named so that a reviewer finds every use.
    #[must_use]
    pub fn expose_digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        crate::secret::constant_time_eq(&self.digits, &other.digits) & (self.len == other.len)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.digits.zeroize();
        self.len.zeroize();
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(…)")
    }
}

/// Why PIN work was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The block does not hold a PIN under this key, format and card: answer RC 99, count a try.
    #[error("pin block not usable")]
    Block,
    /// A PIN given in clear is not 4 to 12 digits.
    #[error("pin is not 4 to 12 digits")]
    Digits,
    /// The card number cannot take part in a PIN block.
    #[error("card number cannot be used in a pin block")]
    Pan,
    /// The pair of formats is forbidden (PCI PIN 3-3): a configuration fault.
    #[error("translation from {from:?} to {to:?} is not allowed")]
    Forbidden {
        /// Format of the incoming block.
        from: &'static str,
        /// Format asked for.
        to: &'static str,
    },
    /// The parameters of a verification method are out of range.
    #[error("{0} is out of range")]
    Input(&'static str),
    /// The operating system gave no randomness for the fill.
    #[error("no randomness from the operating system")]
    Entropy,
}
