//! Card numbers at rest: sealed, hashed and masked.
//!
//! **Nonces.** AES-GCM breaks when a key meets a nonce twice. Each vault draws a random
//! 96-bit start and counts up from it, so within one vault no two nonces are equal for 2^64
//! seals, which a test over 10^7 shows. Two vaults with the same key (a restart, a second
//! process) collide only if their ranges overlap: with 10,000 starts and 2^36 seals each, less
//! than 2^-33. Random nonces would reach 2^-32 at 2^32 seals and cost a system call each.
//!
//! **Binding.** The associated data is the data key's number and the intake id stored in the
//! record, so a sealed card moved to another record does not open.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::error::KeyError;
use crate::secret::fill_random;

/// Nonce 12, ciphertext 12, tag 16.
pub const SEALED_PAN_BYTES: usize = NONCE_BYTES + PLAIN_BYTES + TAG_BYTES;
/// Length of a card hash, in bytes.
pub const PAN_HASH_BYTES: usize = 16;
/// Retired data keys a vault still opens.
pub const RETIRED_KEYS_MAX: usize = 1_024;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// 20 nibbles of PAN (fill `F`), 4 of expiry (`FFFF` without): the length does not show.
const PLAIN_BYTES: usize = 12;
const PAN_DIGITS_MIN: usize = 13;
const PAN_DIGITS_MAX: usize = 19;

/// A sealed card number with its expiry.
///
/// | offset | bytes | content |
/// |---|---|---|
/// | 0 | 12 | nonce |
/// | 12 | 12 | ciphertext |
/// | 24 | 16 | tag |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealedPan([u8; SEALED_PAN_BYTES]);

impl SealedPan {
    /// Takes the bytes as they were stored; they are checked when opened.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SEALED_PAN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SEALED_PAN_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for SealedPan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedPan(…)")
    }
}

/// The keyed hash of a card number: joins a card's records without showing it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PanHash([u8; PAN_HASH_BYTES]);

impl PanHash {
    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PAN_HASH_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for PanHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PanHash(…)")
    }
}

/// A card number for people: first 6 and last 4 digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskedPan {
    text: [u8; PAN_DIGITS_MAX],
    len: u8,
}

impl MaskedPan {
    /// The masked digits, ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl std::fmt::Display for MaskedPan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_bytes().iter().try_for_each(|&b| std::fmt::Write::write_char(f, char::from(b)))
    }
}

impl std::fmt::Debug for MaskedPan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// An opened card: wiped on drop, never printed.
pub struct ClearCard {
    digits: [u8; PAN_DIGITS_MAX],
    len: u8,
    expiry: Option<[u8; 4]>,
}

impl ClearCard {
    /// The card number, ASCII digits. Named so that a reviewer finds every use.
    #[must_use]
    pub fn expose_pan(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    /// The expiry as `YYMM`, ASCII digits, when it was sealed too.
    #[must_use]
    pub const fn expose_expiry(&self) -> Option<&[u8; 4]> {
        self.expiry.as_ref()
    }
}

impl Drop for ClearCard {
    fn drop(&mut self) {
        self.digits.zeroize();
        self.expiry.zeroize();
    }
}

impl std::fmt::Debug for ClearCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClearCard(…)")
    }
}

/// Seals, opens and hashes card numbers; shared by reference among the I/O threads.
pub struct CardVault {
    key_id: u32,
    cipher: Aes256Gcm,
    retired: Vec<(u32, Aes256Gcm)>,
    shredded: Vec<u32>,
    hash: Hmac<Sha256>,
    nonce_start: u128,
    seals: AtomicU64,
}

impl CardVault {
    /// A vault that seals under data key `key_id`, and hashes under a key that is kept apart
    /// from the data: with both, a 6+4 mask and a hash give the number away in 10^6 tries.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `data_key` has 32 bytes and `hash_key` at least 32,
    /// [`KeyError::Input`] when they are equal, [`KeyError::Entropy`] without randomness.
    pub fn new(key_id: u32, data_key: &[u8], hash_key: &[u8]) -> Result<Self, KeyError> {
        if hash_key.len() < 32 {
            return Err(KeyError::Length { need: "32 or more", have: hash_key.len() });
        }
        if data_key == hash_key {
            return Err(KeyError::Input("hash key equal to the data key"));
        }
        Ok(Self {
            key_id,
            cipher: gcm(data_key)?,
            retired: Vec::new(),
            shredded: Vec::new(),
            hash: Hmac::new_from_slice(hash_key).expect("hmac takes a key of any length"),
            nonce_start: nonce_start()?,
            seals: AtomicU64::new(0),
        })
    }

    /// Adds a data key that is only opened, never sealed under: what rotation leaves behind.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `data_key` has 32 bytes, [`KeyError::Input`] when the
    /// number is taken or there are [`RETIRED_KEYS_MAX`] already.
    pub fn with_retired(mut self, key_id: u32, data_key: &[u8]) -> Result<Self, KeyError> {
        if self.cipher_of(key_id).is_some() || self.retired.len() == RETIRED_KEYS_MAX {
            return Err(KeyError::Input("retired data key"));
        }
        self.retired.push((key_id, gcm(data_key)?));
        Ok(self)
    }

    /// Names a data key that was destroyed, so that what it sealed is told from what was damaged.
    #[must_use]
    pub fn with_shredded(mut self, key_id: u32) -> Self {
        self.shredded.push(key_id);
        self
    }

    /// A vault that seals under another data key from now on and opens what this one opens.
    ///
    /// # Errors
    /// As [`CardVault::with_retired`].
    pub fn rotated(&self, key_id: u32, data_key: &[u8]) -> Result<Self, KeyError> {
        if self.cipher_of(key_id).is_some() || self.retired.len() >= RETIRED_KEYS_MAX {
            return Err(KeyError::Input("data key number"));
        }
        let mut retired = self.retired.clone();
        retired.push((self.key_id, self.cipher.clone()));
        Ok(Self { key_id, cipher: gcm(data_key)?, retired, ..self.again()? })
    }

    /// A vault without the data keys that were destroyed. The key in use cannot be among them.
    ///
    /// # Errors
    /// [`KeyError::Input`] when it is, [`KeyError::Entropy`] without randomness.
    pub fn without(&self, shredded: &[u32]) -> Result<Self, KeyError> {
        if shredded.contains(&self.key_id) {
            return Err(KeyError::Input("data key number"));
        }
        let mut vault = self.again()?;
        vault.retired.retain(|(id, _)| !shredded.contains(id));
        vault.shredded.extend_from_slice(shredded);
        Ok(vault)
    }

    /// The same keys with nonces from another start: both may seal for a moment.
    fn again(&self) -> Result<Self, KeyError> {
        Ok(Self {
            key_id: self.key_id,
            cipher: self.cipher.clone(),
            retired: self.retired.clone(),
            shredded: self.shredded.clone(),
            hash: self.hash.clone(),
            nonce_start: nonce_start()?,
            seals: AtomicU64::new(0),
        })
    }

    /// Number of the data key in use: stored beside each sealed card.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Seals `pan` (13 to 19 ASCII digits) and `expiry` (`YYMM`) for the record that stores
    /// `intake_id`. Does not allocate.
    ///
    /// # Errors
    /// [`KeyError::Pan`] for the number, [`KeyError::Input`] for the expiry.
    pub fn seal(&self, pan: &[u8], expiry: Option<&[u8; 4]>, intake_id: u128) -> Result<SealedPan, KeyError> {
        let mut plain = pack(pan, expiry)?;
        let nonce = self.next_nonce();
        let tag = self
            .cipher
            .encrypt_inout_detached(
                &nonce.into(),
                &associated(self.key_id, intake_id),
                plain.as_mut_slice().into(),
            )
            .map_err(|_| KeyError::Input("sealed length"))?;
        let mut sealed = [0; SEALED_PAN_BYTES];
        sealed[..NONCE_BYTES].copy_from_slice(&nonce);
        sealed[NONCE_BYTES..NONCE_BYTES + PLAIN_BYTES].copy_from_slice(&plain);
        sealed[NONCE_BYTES + PLAIN_BYTES..].copy_from_slice(&tag);
        Ok(SealedPan(sealed))
    }

    /// Opens what [`CardVault::seal`] sealed under data key `key_id` for the same record.
    ///
    /// # Errors
    /// [`KeyError::Shredded`] when that key was destroyed, [`KeyError::UnknownKey`] when it is not loaded, [`KeyError::Authentication`] when
    /// the bytes were altered or belong to another record.
    pub fn open(&self, key_id: u32, sealed: &SealedPan, intake_id: u128) -> Result<ClearCard, KeyError> {
        let shredded = self.shredded.contains(&key_id);
        let missing = if shredded { KeyError::Shredded(key_id) } else { KeyError::UnknownKey(key_id) };
        let cipher = self.cipher_of(key_id).ok_or(missing)?;
        let (nonce, rest) = sealed.0.split_first_chunk::<NONCE_BYTES>().ok_or(KeyError::Authentication)?;
        let (ciphertext, tag) = rest.split_first_chunk::<PLAIN_BYTES>().ok_or(KeyError::Authentication)?;
        let tag = Tag::try_from(tag).map_err(|_| KeyError::Authentication)?;
        let mut plain = *ciphertext;
        cipher
            .decrypt_inout_detached(
                &(*nonce).into(),
                &associated(key_id, intake_id),
                plain.as_mut_slice().into(),
                &tag,
            )
            .map_err(|_| KeyError::Authentication)?;
        let card = unpack(&plain);
        plain.zeroize();
        card
    }

    /// HMAC-SHA-256 of the ASCII digits, truncated to 16 bytes: equal cards, equal hashes.
    ///
    /// # Errors
    /// [`KeyError::Pan`] for the number.
    pub fn hash(&self, pan: &[u8]) -> Result<PanHash, KeyError> {
        check_pan(pan)?;
        let mut mac = self.hash.clone();
        mac.update(pan);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut hash = PanHash([0; PAN_HASH_BYTES]);
        hash.0.copy_from_slice(&full[..PAN_HASH_BYTES]);
        Ok(hash)
    }

    fn cipher_of(&self, key_id: u32) -> Option<&Aes256Gcm> {
        if key_id == self.key_id {
            return Some(&self.cipher);
        }
        self.retired.iter().find(|(id, _)| *id == key_id).map(|(_, cipher)| cipher)
    }

    fn next_nonce(&self) -> [u8; NONCE_BYTES] {
        let count = self.seals.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&self.nonce_start.wrapping_add(u128::from(count)).to_le_bytes()[..NONCE_BYTES]);
        nonce
    }
}

impl std::fmt::Debug for CardVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CardVault(data key {})", self.key_id)
    }
}

/// First 6 and last 4 digits of `pan`, stars between.
///
/// # Errors
/// [`KeyError::Pan`] for the number.
pub fn masked(pan: &[u8]) -> Result<MaskedPan, KeyError> {
    check_pan(pan)?;
    let mut masked = MaskedPan { text: [b'*'; PAN_DIGITS_MAX], len: pan.len() as u8 };
    let tail = pan.len() - 4;
    masked.text[..6].copy_from_slice(&pan[..6]);
    masked.text[tail..pan.len()].copy_from_slice(&pan[tail..]);
    Ok(masked)
}

fn nonce_start() -> Result<u128, KeyError> {
    let mut start = [0; 16];
    fill_random(&mut start[..NONCE_BYTES])?;
    Ok(u128::from_le_bytes(start))
}

fn gcm(key: &[u8]) -> Result<Aes256Gcm, KeyError> {
    Aes256Gcm::new_from_slice(key).map_err(|_| KeyError::Length { need: "32", have: key.len() })
}

fn check_pan(pan: &[u8]) -> Result<(), KeyError> {
    if (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&pan.len()) && pan.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(KeyError::Pan)
    }
}

fn associated(key_id: u32, intake_id: u128) -> [u8; 20] {
    let mut data = [0; 20];
    data[..4].copy_from_slice(&key_id.to_be_bytes());
    data[4..].copy_from_slice(&intake_id.to_be_bytes());
    data
}

fn pack(pan: &[u8], expiry: Option<&[u8; 4]>) -> Result<[u8; PLAIN_BYTES], KeyError> {
    check_pan(pan)?;
    if expiry.is_some_and(|e| !e.iter().all(u8::is_ascii_digit)) {
        return Err(KeyError::Input("expiry"));
    }
    let mut plain = [0xFF; PLAIN_BYTES];
    let mut put = |place: usize, digit: u8| {
        let byte = &mut plain[place / 2];
        *byte = if place.is_multiple_of(2) { *byte & 0x0F | digit << 4 } else { *byte & 0xF0 | digit };
    };
    pan.iter().enumerate().for_each(|(place, digit)| put(place, digit & 0x0F));
    expiry.into_iter().flatten().enumerate().for_each(|(place, digit)| put(20 + place, digit & 0x0F));
    Ok(plain)
}

fn unpack(plain: &[u8; PLAIN_BYTES]) -> Result<ClearCard, KeyError> {
    let mut nibbles = [0_u8; 2 * PLAIN_BYTES];
    for (pair, byte) in nibbles.as_chunks_mut::<2>().0.iter_mut().zip(plain) {
        *pair = [byte >> 4, byte & 0x0F];
    }
    let len = nibbles[..20].iter().take_while(|&&n| n < 10).count();
    let mut card = ClearCard { digits: [0; PAN_DIGITS_MAX], len: len as u8, expiry: None };
    if !(PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&len) {
        return Err(KeyError::Authentication);
    }
    for (digit, nibble) in card.digits[..len].iter_mut().zip(nibbles) {
        *digit = b'0' + nibble;
    }
    if nibbles[20..].iter().all(|&n| n < 10) {
        card.expiry = Some([20, 21, 22, 23].map(|place: usize| b'0' + nibbles[place]));
    }
    nibbles.zeroize();
    Ok(card)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault_from(start: u128) -> CardVault {
        let mut vault = CardVault::new(1, &[1; 32], &[2; 32]).unwrap();
        vault.nonce_start = start;
        vault
    }

    fn number(nonce: [u8; NONCE_BYTES]) -> u128 {
        let mut bytes = [0; 16];
        bytes[..NONCE_BYTES].copy_from_slice(&nonce);
        u128::from_le_bytes(bytes)
    }

    #[test]
    fn ten_million_nonces_are_all_different() {
        // From just before the end, so that the wrap is among them.
        let start = (1 << 96) - 5_000_000;
        let vault = vault_from(start);
        for count in 0..10_000_000 {
            assert_eq!(number(vault.next_nonce()), (start + count) % (1 << 96));
        }
    }

    #[test]
    fn threads_never_share_a_nonce() {
        let vault = vault_from(7);
        let draw = || (0..100_000).map(|_| vault.next_nonce()).collect::<Vec<_>>();
        let mut all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 400_000);
    }

    #[test]
    fn two_vaults_start_apart() {
        let start = || CardVault::new(1, &[1; 32], &[2; 32]).unwrap().nonce_start;
        assert_ne!(start(), start());
    }
}
