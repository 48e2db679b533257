//! Card keys out of issuer master keys, and session keys out of card keys.

use sha1::{Digest, Sha1};
use zeroize::{Zeroize, Zeroizing};

use crate::block::{TdesCipher, xor_into};
use crate::card_values::decimalize;
use crate::des_key::{DesKey, set_odd_parity};
use crate::error::KeyError;

/// Deepest tree of [`session_key_tree`]: 4^8 covers a counter of 16 bits.
const TREE_HEIGHT_MAX: u8 = 16;

/// Card key, EMV 4.3 Book 2 A1.4.1: out of the last 16 digits of PAN and sequence number.
///
/// # Errors
/// [`KeyError::Length`] unless `imk` has 16 bytes, [`KeyError::Pan`] unless `pan` has 1 to 19
/// digits and `psn` two.
pub fn icc_key_option_a(imk: &DesKey, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
    check_length(imk)?;
    icc_key_option_a_with(&TdesCipher::new(imk), pan, psn)
}

/// [`icc_key_option_a`] with a cipher.
///
/// # Errors
/// [`KeyError::Pan`] for the card.
pub(crate) fn icc_key_option_a_with(imk: &TdesCipher, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
    check_card(pan, psn)?;
    let mut digits = Zeroizing::new([b'0'; 16]);
    for (place, digit) in digits.iter_mut().rev().zip(psn.iter().rev().chain(pan.iter().rev())) {
        *place = *digit;
    }
    card_key(imk, &digits)
}

/// Card key, A1.4.2: for more than 16 digits out of the decimalized SHA-1 of PAN and sequence
/// number, else as option A.
///
/// # Errors
/// As [`icc_key_option_a`].
pub fn icc_key_option_b(imk: &DesKey, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
    check_length(imk)?;
    icc_key_option_b_with(&TdesCipher::new(imk), pan, psn)
}

/// [`icc_key_option_b`] with a cipher.
///
/// # Errors
/// [`KeyError::Pan`] for the card.
pub(crate) fn icc_key_option_b_with(imk: &TdesCipher, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
    if pan.len() <= 16 {
        return icc_key_option_a_with(imk, pan, psn);
    }
    check_card(pan, psn)?;
    let mut nibbles = Zeroizing::new([0_u8; 22]);
    for (nibble, digit) in nibbles.iter_mut().rev().zip(psn.iter().rev().chain(pan.iter().rev())) {
        *nibble = digit - b'0';
    }
    // 17 or 18 digits of PAN make 10 bytes with the sequence number, 19 make 11.
    let start = 22 - (pan.len() + 2).next_multiple_of(2);
    let packed: Zeroizing<Vec<u8>> = Zeroizing::new(
        nibbles[start..].as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect(),
    );
    let hash = Sha1::digest(&packed[..]);
    let mut digits = Zeroizing::new([b'0'; 16]);
    decimalize(&hash, &mut digits[..]);
    card_key(imk, &digits)
}

/// EMV common session key (A1.3.1), over the transaction counter and zeros, or whatever
/// 8 bytes the scheme diversifies with; its third byte is overwritten.
///
/// # Errors
/// [`KeyError::Length`] unless `icc_key` has 16 bytes.
pub fn session_key_common(icc_key: &DesKey, diversifier: [u8; 8]) -> Result<DesKey, KeyError> {
    let mut left = diversifier;
    left[2] = 0xF0;
    let mut right = diversifier;
    right[2] = 0x0F;
    derived(icc_key, left, right, true)
}

/// M/Chip session key: the common one over counter, zeros and unpredictable number.
///
/// # Errors
/// As [`session_key_common`].
pub fn session_key_mchip(icc_key: &DesKey, atc: [u8; 2], unpredictable: [u8; 4]) -> Result<DesKey, KeyError> {
    let [u0, u1, u2, u3] = unpredictable;
    session_key_common(icc_key, [atc[0], atc[1], 0, 0, u0, u1, u2, u3])
}

/// PBOC and UnionPay session key: the counter enciphered, and its complement.
///
/// # Errors
/// As [`session_key_common`].
pub fn session_key_pboc(icc_key: &DesKey, atc: [u8; 2]) -> Result<DesKey, KeyError> {
    let block = |atc: [u8; 2]| [0, 0, 0, 0, 0, 0, atc[0], atc[1]];
    derived(icc_key, block(atc), block([!atc[0], !atc[1]]), false)
}

/// Visa session key for issuer scripts: the card key, its halves XORed with the counter and
/// its complement.
///
/// # Errors
/// As [`session_key_common`].
pub fn session_key_visa(icc_key: &DesKey, atc: [u8; 2]) -> Result<DesKey, KeyError> {
    check_length(icc_key)?;
    let mut mask = [0; 16];
    mask[6..8].copy_from_slice(&atc);
    mask[14..].copy_from_slice(&[!atc[0], !atc[1]]);
    let key = icc_key.variant(&mask);
    let mut bytes = Zeroizing::new([0_u8; 16]);
    bytes.copy_from_slice(key.expose());
    set_odd_parity(&mut bytes[..]);
    DesKey::from_slice(&bytes[..])
}

/// EMV2000 session key: a walk down a tree of `height` levels with `branch` children each.
///
/// # Errors
/// As [`session_key_common`], and [`KeyError::Input`] for a tree of no or too great a size.
pub fn session_key_tree(icc_key: &DesKey, atc: [u8; 2], height: u8, branch: u16) -> Result<DesKey, KeyError> {
    check_length(icc_key)?;
    if !(1..=TREE_HEIGHT_MAX).contains(&height) || !(2..=256).contains(&branch) {
        return Err(KeyError::Input("session key tree"));
    }
    let (atc, branch) = (u32::from(u16::from_be_bytes(atc)), u32::from(branch));
    // Three generations: the session key is the last one and its grandparent, XORed.
    let mut grandparent = Zeroizing::new([0_u8; 16]);
    let mut parent = Zeroizing::new([0_u8; 16]);
    let mut key = Zeroizing::new([0_u8; 16]);
    key.copy_from_slice(icc_key.expose());
    for level in (0..height).rev() {
        // Levels the counter does not reach down to have child 0.
        let child = branch.checked_pow(u32::from(level)).map_or(0, |below| atc / below % branch);
        let mut next = parent.clone();
        next[7] ^= child as u8;
        next[15] ^= child as u8 ^ 0xF0;
        let cipher = TdesCipher::new(&DesKey::from_slice(&key[..])?);
        for block in next.as_chunks_mut::<8>().0 {
            *block = cipher.encrypt_block(*block);
        }
        grandparent = parent;
        parent = key;
        key = next;
    }
    xor_into(&mut key[..], &grandparent[..]);
    set_odd_parity(&mut key[..]);
    DesKey::from_slice(&key[..])
}

/// Two blocks out of 16 digits: as they are, and complemented.
fn card_key(imk: &TdesCipher, digits: &[u8; 16]) -> Result<DesKey, KeyError> {
    let mut left = [0; 8];
    for (byte, [high, low]) in left.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = (high - b'0') << 4 | (low - b'0');
    }
    let key = enciphered(imk, left, left.map(|byte| !byte), true);
    left.zeroize();
    key
}

fn derived(key: &DesKey, left: [u8; 8], right: [u8; 8], odd_parity: bool) -> Result<DesKey, KeyError> {
    check_length(key)?;
    enciphered(&TdesCipher::new(key), left, right, odd_parity)
}

fn enciphered(
    cipher: &TdesCipher,
    left: [u8; 8],
    right: [u8; 8],
    odd_parity: bool,
) -> Result<DesKey, KeyError> {
    let mut bytes = Zeroizing::new([0_u8; 16]);
    bytes[..8].copy_from_slice(&cipher.encrypt_block(left));
    bytes[8..].copy_from_slice(&cipher.encrypt_block(right));
    if odd_parity {
        set_odd_parity(&mut bytes[..]);
    }
    DesKey::from_slice(&bytes[..])
}

fn check_length(key: &DesKey) -> Result<(), KeyError> {
    if key.len() == 16 { Ok(()) } else { Err(KeyError::Length { need: "16", have: key.len() }) }
}

fn check_card(pan: &[u8], psn: &[u8; 2]) -> Result<(), KeyError> {
    if (1..=19).contains(&pan.len()) && pan.iter().chain(psn).all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(KeyError::Pan)
    }
}
