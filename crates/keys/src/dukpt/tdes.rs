//! Triple-DES DUKPT (ANSI X9.24-1:2009).
//!
//! A key serial number (KSN) has 10 bytes; its last 21 bits count transactions.

use crate::block::{TdesCipher, xor_into};
use crate::des_key::DesKey;
use crate::error::KeyError;

/// Length of a key serial number, in bytes.
pub const KSN_BYTES: usize = 10;

const COUNTER_MASK: u32 = 0x001F_FFFF;
/// A counter with more bits set is skipped, so that no derivation takes more steps.
const COUNTER_ONES_MAX: u32 = 10;
const DERIVATION_MASK: [u8; 16] = [0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0, 0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0];

/// Which of the transaction's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// PIN encryption.
    Pin,
    /// MAC of the request, or of both ways.
    MacRequest,
    /// MAC of the response.
    MacResponse,
    /// Data encryption of the request, or of both ways.
    DataRequest,
    /// Data encryption of the response.
    DataResponse,
}

/// The initial key of a terminal (IPEK): what is injected into it.
///
/// # Errors
/// [`KeyError::Length`] unless `bdk` has 16 bytes.
pub fn initial_key(bdk: &DesKey, ksn: &[u8; KSN_BYTES]) -> Result<DesKey, KeyError> {
    let mut block = [0; 8];
    block.copy_from_slice(&ksn[..8]);
    block[7] &= 0xE0;
    two_halves(bdk, |key| Ok(TdesCipher::new(key).encrypt_block(block)))
}

/// [`initial_key`] with ciphers: the base key's, and that of its [`derivation_variant`].
///
/// # Errors
/// None that these lengths allow.
pub fn initial_key_with(
    base: &TdesCipher,
    variant: &TdesCipher,
    ksn: &[u8; KSN_BYTES],
) -> Result<DesKey, KeyError> {
    let mut block = [0; 8];
    block.copy_from_slice(&ksn[..8]);
    block[7] &= 0xE0;
    joined(&base.encrypt_block(block), &variant.encrypt_block(block))
}

/// A base key under the mask of the derivation, for [`initial_key_with`].
#[must_use]
pub fn derivation_variant(bdk: &DesKey) -> DesKey {
    bdk.variant(&DERIVATION_MASK)
}

/// The key of the transaction `ksn` counts, before any variant.
///
/// # Errors
/// [`KeyError::Length`] unless `initial_key` has 16 bytes, [`KeyError::Input`] when the
/// counter has more than 10 bits set: no terminal uses such a one.
pub fn transaction_key(initial_key: &DesKey, ksn: &[u8; KSN_BYTES]) -> Result<DesKey, KeyError> {
    let counter = counter_of(ksn);
    if counter.count_ones() > COUNTER_ONES_MAX {
        return Err(KeyError::Input("dukpt counter"));
    }
    let mut register = [0; 8];
    register.copy_from_slice(&ksn[2..]);
    let base = u64::from_be_bytes(register) & !u64::from(COUNTER_MASK);
    let mut key = initial_key.duplicate();
    let mut reached = 0;
    for bit in (0..21).rev().map(|place| 1 << place).filter(|bit| counter & bit != 0) {
        reached |= bit;
        key = next_key(&key, (base | u64::from(reached)).to_be_bytes())?;
    }
    Ok(key)
}

/// The variant of a transaction key for one purpose; data keys also pass a one-way step.
///
/// # Errors
/// [`KeyError::Length`] unless `transaction_key` has 16 bytes.
pub fn variant_key(transaction_key: &DesKey, variant: Variant) -> Result<DesKey, KeyError> {
    let position = match variant {
        Variant::Pin => 7,
        Variant::MacRequest => 6,
        Variant::MacResponse => 4,
        Variant::DataRequest => 5,
        Variant::DataResponse => 3,
    };
    let mut mask = [0; 8];
    mask[position] = 0xFF;
    let key = transaction_key.variant(&mask);
    match variant {
        Variant::Pin | Variant::MacRequest | Variant::MacResponse => Ok(key),
        Variant::DataRequest | Variant::DataResponse => {
            DesKey::from_slice(key.wrap_ecb(&TdesCipher::new(&key)).as_bytes())
        }
    }
}

/// The next KSN a terminal uses; `None` when its key is used up.
#[must_use]
pub fn next_ksn(ksn: &[u8; KSN_BYTES]) -> Option<[u8; KSN_BYTES]> {
    let mut counter = counter_of(ksn) + 1;
    // Adding the lowest set bit jumps over all counters that keep too many bits.
    while counter.count_ones() > COUNTER_ONES_MAX {
        counter += counter & counter.wrapping_neg();
    }
    if counter > COUNTER_MASK {
        return None;
    }
    let mut next = *ksn;
    next[7] = next[7] & 0xE0 | (counter >> 16) as u8;
    next[8..].copy_from_slice(&(counter as u16).to_be_bytes());
    Some(next)
}

fn counter_of(ksn: &[u8; KSN_BYTES]) -> u32 {
    u32::from_be_bytes([ksn[6], ksn[7], ksn[8], ksn[9]]) & COUNTER_MASK
}

/// The non-reversible key generation step.
fn next_key(key: &DesKey, register: [u8; 8]) -> Result<DesKey, KeyError> {
    // The right half of the new key comes from the key as it is, the left from its variant.
    let new = two_halves(key, |key| {
        let (left, right) = key.expose().split_at(8);
        let mut block = register;
        xor_into(&mut block, right);
        block = TdesCipher::new(&DesKey::from_slice(left)?).encrypt_block(block);
        xor_into(&mut block, right);
        Ok(block)
    })?;
    let (right, left) = new.expose().split_at(8);
    joined(left, right)
}

/// `half` of the key as it is, then of the key under the derivation mask.
fn two_halves(key: &DesKey, half: impl Fn(&DesKey) -> Result<[u8; 8], KeyError>) -> Result<DesKey, KeyError> {
    if key.len() != 16 {
        return Err(KeyError::Length { need: "16", have: key.len() });
    }
    joined(&half(key)?, &half(&key.variant(&DERIVATION_MASK))?)
}

fn joined(left: &[u8], right: &[u8]) -> Result<DesKey, KeyError> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 16]);
    bytes[..8].copy_from_slice(left);
    bytes[8..].copy_from_slice(right);
    DesKey::from_slice(&bytes[..])
}
