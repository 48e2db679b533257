//! PIN verification: Visa PVV and IBM 3624 offset.

use zeroize::Zeroize;

use crate::block::TdesCipher;
use crate::secret::constant_time_eq;

use super::{PIN_DIGITS_MAX, PIN_DIGITS_MIN, Pin, PinError};

/// Visa PIN verification value: 4 digits out of 11 PAN digits, the key index and the first
/// 4 PIN digits, under the PVK pair (16 bytes).
///
/// # Errors
/// [`PinError::Pan`] unless the PAN has 12 to 19 digits, [`PinError::Input`] unless
/// `key_index` is 0 to 9.
pub fn pvv(pvk: &TdesCipher, pan: &[u8], key_index: u8, pin: &Pin) -> Result<[u8; 4], PinError> {
    if !(12..=19).contains(&pan.len()) || !pan.iter().all(u8::is_ascii_digit) {
        return Err(PinError::Pan);
    }
    if key_index > 9 {
        return Err(PinError::Input("pvv key index"));
    }
    let mut nibbles = [0_u8; 16];
    for (nibble, digit) in nibbles.iter_mut().zip(&pan[pan.len() - 12..pan.len() - 1]) {
        *nibble = digit - b'0';
    }
    nibbles[11] = key_index;
    nibbles[12..].copy_from_slice(&pin.expose_digits()[..4]);
    let mut out = [0; 4];
    let block = pvk.encrypt_block(pack(&nibbles));
    nibbles.zeroize();
    crate::card_values::decimalize(&block, &mut out);
    Ok(out)
}

/// Whether `reference` (4 ASCII digits) is the PVV of `pin`, in constant time.
///
/// # Errors
/// As [`pvv`].
pub fn verify_pvv(
    pvk: &TdesCipher,
    pan: &[u8],
    key_index: u8,
    pin: &Pin,
    reference: &[u8],
) -> Result<bool, PinError> {
    let mut expected = pvv(pvk, pan, key_index, pin)?;
    let equal = constant_time_eq(&expected, reference);
    expected.zeroize();
    Ok(equal)
}

/// The IBM 3624 method: which PAN digits are validated, and how hex becomes decimal.
#[derive(Debug, Clone, Copy)]
pub struct Ibm3624<'a> {
    /// 16 ASCII digits: the digit for each hex value.
    pub decimalization: &'a [u8; 16],
    /// First PAN digit of the validation data, from 0.
    pub pan_offset: usize,
    /// PAN digits taken, up to 16.
    pub pan_length: usize,
    /// ASCII hex character that fills the validation data to 16.
    pub pad: u8,
}

impl Ibm3624<'_> {
    /// The offset that takes the natural PIN to `pin`, in ASCII digits, as long as the PIN.
    ///
    /// # Errors
    /// [`PinError::Input`] when the parameters do not fit the PAN.
    pub fn offset(&self, pvk: &TdesCipher, pan: &[u8], pin: &Pin) -> Result<Vec<u8>, PinError> {
        let natural = self.natural(pvk, pan)?;
        Ok(pin.expose_digits().iter().zip(natural.0).map(|(p, n)| b'0' + (p + 10 - n) % 10).collect())
    }

    /// The PIN that `offset` (4 to 12 ASCII digits) makes of the natural PIN.
    ///
    /// # Errors
    /// [`PinError::Input`] when the parameters do not fit the PAN or the offset is no number.
    pub fn pin(&self, pvk: &TdesCipher, pan: &[u8], offset: &[u8]) -> Result<Pin, PinError> {
        if !(PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&offset.len())
            || !offset.iter().all(u8::is_ascii_digit)
        {
            return Err(PinError::Input("pin offset"));
        }
        let natural = self.natural(pvk, pan)?;
        let mut pin = Pin { digits: [0; PIN_DIGITS_MAX], len: offset.len() as u8 };
        for ((digit, o), n) in pin.digits.iter_mut().zip(offset).zip(natural.0) {
            *digit = (o - b'0' + n) % 10;
        }
        Ok(pin)
    }

    /// Whether `pin` is the one that `offset` stands for, in constant time.
    ///
    /// # Errors
    /// As [`Ibm3624::pin`].
    pub fn verify(&self, pvk: &TdesCipher, pan: &[u8], offset: &[u8], pin: &Pin) -> Result<bool, PinError> {
        Ok(self.pin(pvk, pan, offset)?.matches(pin))
    }

    fn natural(&self, pvk: &TdesCipher, pan: &[u8]) -> Result<NaturalPin, PinError> {
        let end = self.pan_offset.checked_add(self.pan_length).ok_or(PinError::Input("pan length"))?;
        let taken = pan.get(self.pan_offset..end).ok_or(PinError::Input("pan length"))?;
        if taken.len() > 16 || !taken.iter().all(u8::is_ascii_digit) {
            return Err(PinError::Pan);
        }
        let pad = char::from(self.pad).to_digit(16).ok_or(PinError::Input("pad character"))?;
        if !self.decimalization.iter().all(u8::is_ascii_digit) {
            return Err(PinError::Input("decimalization table"));
        }
        let mut nibbles = [pad as u8; 16];
        for (nibble, digit) in nibbles.iter_mut().zip(taken) {
            *nibble = digit - b'0';
        }
        let block = pvk.encrypt_block(pack(&nibbles));
        let mut natural = NaturalPin([0; PIN_DIGITS_MAX]);
        for (place, digit) in natural.0.iter_mut().enumerate() {
            let nibble = block[place / 2] >> (4 * (1 - place % 2)) & 0x0F;
            *digit = self.decimalization[usize::from(nibble)] - b'0';
        }
        Ok(natural)
    }
}

struct NaturalPin([u8; PIN_DIGITS_MAX]);

impl Drop for NaturalPin {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn pack(nibbles: &[u8; 16]) -> [u8; 8] {
    let mut block = [0; 8];
    for (byte, [high, low]) in block.iter_mut().zip(nibbles.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    block
}
