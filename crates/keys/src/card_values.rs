//! Card verification values: CVV, CVV2, iCVV, dCVV and CVC3.
//!
//! All but CVC3 are one calculation over PAN, expiry and service code; the name says what
//! stands in the service code and in which order the expiry is fed:
//!
//! | value | service code | where it is |
//! |---|---|---|
//! | CVV | the card's | magnetic stripe |
//! | CVV2 | `000` | printed |
//! | iCVV | `999` | track image in the chip |
//! | dCVV | the card's | contactless stripe, made per transaction |

use zeroize::Zeroize;

use crate::block::{TdesCipher, xor_into};
use crate::des_key::DesKey;
use crate::emv::icc_key_option_a;
use crate::error::KeyError;
use crate::mac::{Padding, iso9797_alg3};
use crate::secret::constant_time_eq;

/// Service code of a CVV2.
pub const SERVICE_CODE_CVV2: &[u8; 3] = b"000";
/// Service code of an iCVV.
pub const SERVICE_CODE_ICVV: &[u8; 3] = b"999";

/// Card verification value of 3 ASCII digits under a CVK pair of 16 bytes.
///
/// `expiry` is fed as it comes: issuers differ between `YYMM` and `MMYY`.
///
/// # Errors
/// [`KeyError::Length`] unless `cvk` has 16 bytes, [`KeyError::Pan`] unless the PAN has 12 to
/// 19 digits, [`KeyError::Input`] for an expiry or service code that is no number.
pub fn cvv(cvk: &DesKey, pan: &[u8], expiry: &[u8; 4], service_code: &[u8; 3]) -> Result<[u8; 3], KeyError> {
    if cvk.len() != 16 {
        return Err(KeyError::Length { need: "16", have: cvk.len() });
    }
    let left = TdesCipher::new(&DesKey::from_slice(&cvk.expose()[..8])?);
    cvv_with(&left, &TdesCipher::new(cvk), pan, expiry, service_code)
}

/// [`cvv`] with ciphers: single DES with the left half of the pair, triple DES with the whole.
///
/// # Errors
/// As [`cvv`].
pub fn cvv_with(
    left: &TdesCipher,
    whole: &TdesCipher,
    pan: &[u8],
    expiry: &[u8; 4],
    service_code: &[u8; 3],
) -> Result<[u8; 3], KeyError> {
    check_digits(pan)?;
    if !expiry.iter().chain(service_code).all(u8::is_ascii_digit) {
        return Err(KeyError::Input("expiry or service code"));
    }
    let mut nibbles = [0_u8; 32];
    for (nibble, digit) in nibbles.iter_mut().zip(pan.iter().chain(expiry).chain(service_code)) {
        *nibble = digit - b'0';
    }
    let mut packed = [0_u8; 16];
    for (byte, [high, low]) in packed.iter_mut().zip(nibbles.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    let (first, second) = packed.split_at(8);
    let mut block = [0; 8];
    block.copy_from_slice(first);
    block = left.encrypt_block(block);
    xor_into(&mut block, second);
    block = whole.encrypt_block(block);
    let mut value = [0; 3];
    decimalize(&block, &mut value);
    (nibbles, packed).zeroize();
    Ok(value)
}

/// Whether `received` is the value of [`cvv`], in constant time.
///
/// # Errors
/// As [`cvv`].
pub fn verify_cvv(
    cvk: &DesKey,
    pan: &[u8],
    expiry: &[u8; 4],
    service_code: &[u8; 3],
    received: &[u8],
) -> Result<bool, KeyError> {
    let mut expected = cvv(cvk, pan, expiry, service_code)?;
    let equal = constant_time_eq(&expected, received);
    expected.zeroize();
    Ok(equal)
}

/// Visa dynamic CVV: the CVV under the card's own key, with the first 4 PAN digits replaced
/// by the last 4 decimal digits of the transaction counter.
///
/// # Errors
/// As [`cvv`], with `imk` in the place of the CVK.
pub fn dcvv(
    imk: &DesKey,
    pan: &[u8],
    psn: &[u8; 2],
    expiry: &[u8; 4],
    service_code: &[u8; 3],
    counter: &[u8; 4],
) -> Result<[u8; 3], KeyError> {
    let icc_key = icc_key_option_a(imk, pan, psn)?;
    check_digits(pan)?;
    let mut altered = [0_u8; 19];
    altered[..pan.len()].copy_from_slice(pan);
    altered[..4].copy_from_slice(counter);
    let value = cvv(&icc_key, &altered[..pan.len()], expiry, service_code);
    altered.zeroize();
    value
}

/// Mastercard CVC3 of 5 ASCII digits: a MAC over the static track template, then the
/// terminal's unpredictable number and the counter. The terminal uses the last digits.
///
/// # Errors
/// [`KeyError::Length`] unless `imk` has 16 bytes, [`KeyError::Pan`] for the number.
pub fn cvc3(
    imk: &DesKey,
    pan: &[u8],
    psn: &[u8; 2],
    track_template: &[u8],
    unpredictable: &[u8; 4],
    atc: &[u8; 2],
) -> Result<[u8; 5], KeyError> {
    let icc_key = icc_key_option_a(imk, pan, psn)?;
    let vector = iso9797_alg3(&icc_key, Padding::Bit, track_template)?;
    let mut block = [0; 8];
    block[..2].copy_from_slice(&vector[6..]);
    block[2..6].copy_from_slice(unpredictable);
    block[6..].copy_from_slice(atc);
    let block = TdesCipher::new(&icc_key).encrypt_block(block);
    let mut number = u16::from_be_bytes([block[6], block[7]]);
    let mut digits = [b'0'; 5];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    Ok(digits)
}

/// Fills `out` with ASCII digits: the decimal nibbles of `block` in order, then its letters
/// less ten, as Visa selects digits for a PVV and a CVV.
pub(crate) fn decimalize(block: &[u8], out: &mut [u8]) {
    let nibbles = block.iter().flat_map(|b| [b >> 4, b & 0x0F]);
    let digits = nibbles.clone().filter(|&n| n < 10);
    let letters = nibbles.filter(|&n| n > 9).map(|n| n - 10);
    for (place, digit) in out.iter_mut().zip(digits.chain(letters)) {
        *place = b'0' + digit;
    }
}

fn check_digits(pan: &[u8]) -> Result<(), KeyError> {
    if (12..=19).contains(&pan.len()) && pan.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(KeyError::Pan)
    }
}
