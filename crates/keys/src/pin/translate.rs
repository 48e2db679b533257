//! Translation of a PIN block from one key and format to another, for the same card.
//!
//! Allowed pairs (PCI PIN requirement 3-3): 0, 3 and 4 among themselves; a block that is not
//! bound to a card (format 1, or 0 without PAN) may become bound and never the reverse;
//! format 2 belongs to the chip and is never translated. 0 without PAN may stay so, because
//! UnionPay links exist that know nothing else.

use zeroize::Zeroizing;

use crate::block::{AesCipher, BlockCipher, TdesCipher};

use super::block::{PinFormat, decode, encode, encode_with_fill};
use super::iso4::{decode_iso4, encode_iso4, encode_iso4_with_random};
use super::{Pin, PinError};

/// Deciphers `block` under `source`, checks it as `from`, and enciphers it as `to` under
/// `target`. One `pan`, so the card cannot change on the way. Does not allocate.
///
/// # Errors
/// [`PinError::Forbidden`] for a pair of formats outside the table above, else as
/// [`decode`] and [`encode`].
pub fn translate(
    source: &TdesCipher,
    target: &TdesCipher,
    block: &[u8; 8],
    from: PinFormat,
    to: PinFormat,
    pan: &[u8],
) -> Result<[u8; 8], PinError> {
    check_pair(from, to)?;
    let pin = decipher(source, block, from, pan)?;
    Ok(encipher(target, encode(to, &pin, pan)?))
}

/// [`translate`] towards format 4.
///
/// # Errors
/// As [`translate`].
pub fn translate_to_iso4(
    source: &TdesCipher,
    target: &AesCipher,
    block: &[u8; 8],
    from: PinFormat,
    pan: &[u8],
) -> Result<[u8; 16], PinError> {
    encode_iso4(target, &towards_iso4(source, block, from, pan)?, pan)
}

/// [`translate`] away from format 4.
///
/// # Errors
/// As [`translate`].
pub fn translate_from_iso4(
    source: &AesCipher,
    target: &TdesCipher,
    block: &[u8; 16],
    to: PinFormat,
    pan: &[u8],
) -> Result<[u8; 8], PinError> {
    if !matches!(to, PinFormat::Iso0 | PinFormat::Iso3) {
        return Err(PinError::Forbidden { from: "iso4", to: to.name() });
    }
    let pin = decode_iso4(source, block, pan)?;
    Ok(encipher(target, encode(to, &pin, pan)?))
}

/// Format 4 from one AES key to another.
///
/// # Errors
/// As [`decode_iso4`] and [`encode_iso4`].
pub fn translate_iso4(
    source: &AesCipher,
    target: &AesCipher,
    block: &[u8; 16],
    pan: &[u8],
) -> Result<[u8; 16], PinError> {
    encode_iso4(target, &decode_iso4(source, block, pan)?, pan)
}

/// [`translate`] with given fill, for known answers.
pub(crate) fn translate_with_fill(
    source: &TdesCipher,
    target: &TdesCipher,
    block: &[u8; 8],
    (from, to): (PinFormat, PinFormat),
    pan: &[u8],
    fill: &[u8; 14],
) -> Result<[u8; 8], PinError> {
    check_pair(from, to)?;
    let pin = decipher(source, block, from, pan)?;
    Ok(encipher(target, encode_with_fill(to, &pin, pan, fill)?))
}

/// [`translate_to_iso4`] with given random bytes, for known answers.
pub(crate) fn translate_to_iso4_with_random(
    source: &TdesCipher,
    target: &AesCipher,
    block: &[u8; 8],
    from: PinFormat,
    pan: &[u8],
    random: [u8; 8],
) -> Result<[u8; 16], PinError> {
    encode_iso4_with_random(target, &towards_iso4(source, block, from, pan)?, pan, random)
}

fn towards_iso4(source: &TdesCipher, block: &[u8; 8], from: PinFormat, pan: &[u8]) -> Result<Pin, PinError> {
    if from == PinFormat::Iso2 {
        return Err(PinError::Forbidden { from: from.name(), to: "iso4" });
    }
    decipher(source, block, from, pan)
}

fn decipher(source: &TdesCipher, block: &[u8; 8], from: PinFormat, pan: &[u8]) -> Result<Pin, PinError> {
    let clear = Zeroizing::new(source.decrypt_block(*block));
    decode(from, &clear, pan)
}

/// Enciphers in place, so that the clear block does not stay behind.
fn encipher(target: &TdesCipher, mut block: [u8; 8]) -> [u8; 8] {
    target.encrypt(&mut block);
    block
}

fn check_pair(from: PinFormat, to: PinFormat) -> Result<(), PinError> {
    use PinFormat::{Iso0, Iso0NoPan, Iso1, Iso2, Iso3};
    let allowed = match (from, to) {
        (Iso0 | Iso3 | Iso1 | Iso0NoPan, Iso0 | Iso3) | (Iso0NoPan, Iso0NoPan) => true,
        (Iso2, _) | (_, Iso1 | Iso2) | (Iso0 | Iso1 | Iso3, Iso0NoPan) => false,
    };
    if allowed { Ok(()) } else { Err(PinError::Forbidden { from: from.name(), to: to.name() }) }
}
