//! The 8-byte PIN blocks: ISO 9564-1 formats 0, 1, 2 and 3, and format 0 without the PAN.
//!
//! | nibble | 0 | 1 | 2 … |
//! |---|---|---|---|
//! | content | format | PIN length | PIN digits, then fill to 16 nibbles |
//!
//! Formats 0 and 3 then XOR nibbles 4 to 15 with the 12 rightmost PAN digits before the
//! check digit.

use zeroize::Zeroize;

use crate::block::xor_into;
use crate::secret::fill_random;

use super::{PIN_DIGITS_MAX, PIN_DIGITS_MIN, Pin, PinError};

/// An 8-byte PIN block format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PinFormat {
    /// Format 0 (X9.8 with PAN): fill `F`, bound to the card.
    Iso0,
    /// X9.8 without PAN, as UnionPay terminals may send it: fill `F`, nothing bound.
    Iso0NoPan,
    /// Format 1: random fill, nothing bound.
    Iso1,
    /// Format 2: fill `F`, for the offline PIN of a chip card.
    Iso2,
    /// Format 3: random fill of `A` to `F`, bound to the card.
    Iso3,
}

impl PinFormat {
    /// The name as configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso0 => "iso0",
            Self::Iso0NoPan => "iso0-no-pan",
            Self::Iso1 => "iso1",
            Self::Iso2 => "iso2",
            Self::Iso3 => "iso3",
        }
    }

    const fn control(self) -> u8 {
        match self {
            Self::Iso0 | Self::Iso0NoPan => 0,
            Self::Iso1 => 1,
            Self::Iso2 => 2,
            Self::Iso3 => 3,
        }
    }

    /// Lowest nibble allowed as fill; the highest is always `F`.
    const fn fill_min(self) -> u8 {
        match self {
            Self::Iso0 | Self::Iso0NoPan | Self::Iso2 => 0xF,
            Self::Iso1 => 0,
            Self::Iso3 => 0xA,
        }
    }

    const fn binds_pan(self) -> bool {
        matches!(self, Self::Iso0 | Self::Iso3)
    }
}

/// Clear format-0 block of `pin` for the card `pan` (ASCII digits).
///
/// # Errors
/// [`PinError::Pan`] unless the PAN has 13 to 19 digits.
pub fn encode_iso0(pin: &Pin, pan: &[u8]) -> Result<[u8; 8], PinError> {
    encode_with_fill(PinFormat::Iso0, pin, pan, &[0xF; 14])
}

/// Clear format-2 block of `pin`, for a chip card.
#[must_use]
pub fn encode_iso2(pin: &Pin) -> [u8; 8] {
    clear_block(PinFormat::Iso2, pin, &[0xF; 14])
}

/// PIN of a clear format-0 block.
///
/// # Errors
/// [`PinError::Block`] for every fault of the block, [`PinError::Pan`] for the card number.
pub fn decode_iso0(block: &[u8; 8], pan: &[u8]) -> Result<Pin, PinError> {
    decode(PinFormat::Iso0, block, pan)
}

/// PIN of a clear format-3 block.
///
/// # Errors
/// As [`decode_iso0`].
pub fn decode_iso3(block: &[u8; 8], pan: &[u8]) -> Result<Pin, PinError> {
    decode(PinFormat::Iso3, block, pan)
}

/// Clear block of `pin` in `format`, with random fill where the format has it. `pan` is read
/// only by the formats that bind the card.
///
/// # Errors
/// [`PinError::Pan`] for the card number, [`PinError::Entropy`] without randomness.
pub fn encode(format: PinFormat, pin: &Pin, pan: &[u8]) -> Result<[u8; 8], PinError> {
    let mut fill = [0xF; 14];
    if format.fill_min() < 0xF {
        random_fill(format, &mut fill)?;
    }
    encode_with_fill(format, pin, pan, &fill)
}

/// PIN of a clear block in `format`.
///
/// # Errors
/// [`PinError::Block`] for every fault of the block, [`PinError::Pan`] for the card number.
pub fn decode(format: PinFormat, block: &[u8; 8], pan: &[u8]) -> Result<Pin, PinError> {
    let mut clear = *block;
    if format.binds_pan() {
        xor_into(&mut clear, &pan_block(pan)?);
    }
    let mut nibbles = [0_u8; 16];
    for (pair, byte) in nibbles.as_chunks_mut::<2>().0.iter_mut().zip(clear) {
        *pair = [byte >> 4, byte & 0x0F];
    }
    clear.zeroize();
    let pin = read_pin(&nibbles, format.control(), format.fill_min());
    nibbles.zeroize();
    pin
}

/// [`encode`] with given fill nibbles, for known answers.
pub(crate) fn encode_with_fill(
    format: PinFormat,
    pin: &Pin,
    pan: &[u8],
    fill: &[u8; 14],
) -> Result<[u8; 8], PinError> {
    let mut block = clear_block(format, pin, fill);
    if format.binds_pan() {
        xor_into(&mut block, &pan_block(pan)?);
    }
    Ok(block)
}

/// Reads control, length, digits and fill out of 16 nibbles. Every nibble is looked at
/// whatever came before, so that the time does not tell which one was wrong.
pub(super) fn read_pin(nibbles: &[u8; 16], control: u8, fill_min: u8) -> Result<Pin, PinError> {
    let len = nibbles[1];
    let mut bad = u8::from(nibbles[0] != control);
    bad |= u8::from(usize::from(len) < PIN_DIGITS_MIN) | u8::from(usize::from(len) > PIN_DIGITS_MAX);
    let mut pin = Pin { digits: [0; PIN_DIGITS_MAX], len };
    for (place, &nibble) in nibbles[2..].iter().enumerate() {
        let is_digit = u8::from(place < usize::from(len));
        bad |= is_digit & u8::from(nibble > 9);
        bad |= (1 - is_digit) & u8::from(nibble < fill_min);
        if let Some(digit) = pin.digits.get_mut(place) {
            *digit = nibble * is_digit;
        }
    }
    if bad == 0 { Ok(pin) } else { Err(PinError::Block) }
}

fn clear_block(format: PinFormat, pin: &Pin, fill: &[u8; 14]) -> [u8; 8] {
    let mut nibbles = [0_u8; 16];
    nibbles[0] = format.control();
    nibbles[1] = pin.len;
    nibbles[2..].copy_from_slice(fill);
    nibbles[2..2 + usize::from(pin.len)].copy_from_slice(pin.expose_digits());
    let mut block = [0; 8];
    for (byte, [high, low]) in block.iter_mut().zip(nibbles.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    nibbles.zeroize();
    block
}

/// `0000` and the 12 rightmost PAN digits without the check digit.
fn pan_block(pan: &[u8]) -> Result<[u8; 8], PinError> {
    if !(13..=19).contains(&pan.len()) || !pan.iter().all(u8::is_ascii_digit) {
        return Err(PinError::Pan);
    }
    let digits = &pan[pan.len() - 13..pan.len() - 1];
    let mut block = [0; 8];
    for (byte, [high, low]) in block[2..].iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = (high & 0x0F) << 4 | low & 0x0F;
    }
    Ok(block)
}

/// Draws fill nibbles of `format`; for format 3 out of six values, without bias.
fn random_fill(format: PinFormat, fill: &mut [u8; 14]) -> Result<(), PinError> {
    let mut places = 0;
    while places < fill.len() {
        let mut bytes = [0_u8; 28];
        fill_random(&mut bytes).map_err(|_| PinError::Entropy)?;
        for nibble in bytes.iter().map(|b| b & 0x0F).filter(|&n| n >= format.fill_min()) {
            if let Some(place) = fill.get_mut(places) {
                *place = nibble;
                places += 1;
            }
        }
    }
    Ok(())
}
