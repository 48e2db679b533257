//! ISO 9564-1 format 4: 16 bytes under AES, bound to the card between two encryptions.

use zeroize::Zeroize;

use crate::block::{AesCipher, xor_into};
use crate::secret::fill_random;

use super::{Pin, PinError, block::read_pin};

/// Enciphered format-4 block of `pin` for the card `pan`.
///
/// # Errors
/// [`PinError::Pan`] for the card number, [`PinError::Entropy`] without randomness.
pub fn encode_iso4(key: &AesCipher, pin: &Pin, pan: &[u8]) -> Result<[u8; 16], PinError> {
    let mut random = [0; 8];
    fill_random(&mut random).map_err(|_| PinError::Entropy)?;
    encode_iso4_with_random(key, pin, pan, random)
}

/// PIN of an enciphered format-4 block.
///
/// # Errors
/// [`PinError::Block`] for every fault of the block, [`PinError::Pan`] for the card number.
pub fn decode_iso4(key: &AesCipher, block: &[u8; 16], pan: &[u8]) -> Result<Pin, PinError> {
    let mut clear = key.decrypt_block(*block);
    xor_into(&mut clear, &pan_field(pan)?);
    clear = key.decrypt_block(clear);
    let mut nibbles = [0_u8; 16];
    for (pair, byte) in nibbles.as_chunks_mut::<2>().0.iter_mut().zip(clear) {
        *pair = [byte >> 4, byte & 0x0F];
    }
    clear.zeroize();
    // The fill is `A` alone: anything above shows as a wrong nibble, anything below as too low.
    let above = nibbles[2..].iter().fold(0, |bad, &n| bad | u8::from(n > 0xA));
    let pin = read_pin(&nibbles, 4, 0xA);
    nibbles.zeroize();
    if above == 0 { pin } else { Err(PinError::Block) }
}

/// [`encode_iso4`] with given random bytes, for known answers.
pub(crate) fn encode_iso4_with_random(
    key: &AesCipher,
    pin: &Pin,
    pan: &[u8],
    random: [u8; 8],
) -> Result<[u8; 16], PinError> {
    let pan = pan_field(pan)?;
    let digits = pin.expose_digits();
    let mut field = [0xAA_u8; 16];
    field[0] = 0x40 | digits.len() as u8;
    field[8..].copy_from_slice(&random);
    for (place, digit) in digits.iter().enumerate() {
        let byte = &mut field[1 + place / 2];
        *byte = if place.is_multiple_of(2) { digit << 4 | 0x0A } else { *byte & 0xF0 | digit };
    }
    let mut block = key.encrypt_block(field);
    field.zeroize();
    xor_into(&mut block, &pan);
    Ok(key.encrypt_block(block))
}

/// PAN length over 12, the digits (zeros in front up to 12), zeros behind.
pub(crate) fn pan_field(pan: &[u8]) -> Result<[u8; 16], PinError> {
    if !(1..=19).contains(&pan.len()) || !pan.iter().all(u8::is_ascii_digit) {
        return Err(PinError::Pan);
    }
    let zeros = 12_usize.saturating_sub(pan.len());
    let mut nibbles = [0_u8; 32];
    nibbles[0] = (pan.len() + zeros - 12) as u8;
    for (nibble, digit) in nibbles[1 + zeros..].iter_mut().zip(pan) {
        *nibble = digit - b'0';
    }
    let mut field = [0; 16];
    for (byte, [high, low]) in field.iter_mut().zip(nibbles.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    Ok(field)
}
