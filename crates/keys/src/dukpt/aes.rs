//! AES DUKPT (ANSI X9.24-3:2017).
//!
//! A KSN has 12 bytes: the initial key's identifier, 8, and a counter of 32 bits.

use crate::block::AesCipher;
use crate::error::KeyError;
use crate::secret::SecretBytes;

/// Length of a key serial number, in bytes.
pub const KSN_BYTES: usize = 12;
/// A counter with more bits set is skipped, so that no derivation takes more steps.
pub const COUNTER_ONES_MAX: u32 = 16;

const USAGE_DERIVATION: u16 = 0x8000;
const USAGE_INITIAL: u16 = 0x8001;
/// The counter that stands for the key which wraps a terminal's next initial key.
const UPDATE_COUNTER: u32 = 0xFFFF_FFFF;

/// What a working key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Usage {
    /// Key encryption.
    KeyEncryption = 0x0002,
    /// PIN encryption.
    Pin = 0x1000,
    /// MAC generation.
    MacGenerate = 0x2000,
    /// MAC verification.
    MacVerify = 0x2001,
    /// MAC both ways.
    MacBoth = 0x2002,
    /// Data encryption.
    DataEncrypt = 0x3000,
    /// Data decryption.
    DataDecrypt = 0x3001,
    /// Data both ways.
    DataBoth = 0x3002,
}

impl Usage {
    /// The usage with this code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        [
            Self::KeyEncryption,
            Self::Pin,
            Self::MacGenerate,
            Self::MacVerify,
            Self::MacBoth,
            Self::DataEncrypt,
            Self::DataDecrypt,
            Self::DataBoth,
        ]
        .into_iter()
        .find(|&usage| usage as u16 == code)
    }
}

/// Algorithm and length of a derived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Triple DES with 16 bytes.
    Tdes2,
    /// Triple DES with 24 bytes.
    Tdes3,
    /// AES-128.
    Aes128,
    /// AES-192.
    Aes192,
    /// AES-256.
    Aes256,
    /// HMAC with 16 bytes.
    Hmac128,
    /// HMAC with 24 bytes.
    Hmac192,
    /// HMAC with 32 bytes.
    Hmac256,
}

impl KeyType {
    const fn code(self) -> u16 {
        match self {
            Self::Tdes2 => 0,
            Self::Tdes3 => 1,
            Self::Aes128 => 2,
            Self::Aes192 => 3,
            Self::Aes256 => 4,
            Self::Hmac128 | Self::Hmac192 | Self::Hmac256 => 5,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Tdes2 | Self::Aes128 | Self::Hmac128 => 16,
            Self::Tdes3 | Self::Aes192 | Self::Hmac192 => 24,
            Self::Aes256 | Self::Hmac256 => 32,
        }
    }

    /// Derivation keys stay as long as the base key.
    fn of_derivation(key: &[u8]) -> Result<Self, KeyError> {
        match key.len() {
            16 => Ok(Self::Aes128),
            24 => Ok(Self::Aes192),
            32 => Ok(Self::Aes256),
            have => Err(KeyError::Length { need: "16, 24 or 32", have }),
        }
    }
}

/// The initial key of a terminal: what is injected into it.
///
/// # Errors
/// [`KeyError::Length`] unless `bdk` is an AES key.
pub fn initial_key(bdk: &[u8], initial_key_id: &[u8; 8]) -> Result<SecretBytes, KeyError> {
    derive(bdk, USAGE_INITIAL, KeyType::of_derivation(bdk)?, *initial_key_id)
}

/// The derivation key the counter of `ksn` leads to.
///
/// # Errors
/// [`KeyError::Length`] unless `initial_key` is an AES key, [`KeyError::Input`] when the
/// counter has more than 16 bits set: no terminal uses such a one.
pub fn derivation_key(initial_key: &[u8], ksn: &[u8; KSN_BYTES]) -> Result<SecretBytes, KeyError> {
    let (id, counter) = parts_of(ksn);
    check_counter(ksn)?;
    walk(initial_key, id, counter)
}

/// The working key of the transaction `ksn` counts.
///
/// # Errors
/// As [`derivation_key`], and [`KeyError::Input`] for a key longer than the base key, which
/// would promise a strength it does not have.
pub fn working_key(
    initial_key: &[u8],
    ksn: &[u8; KSN_BYTES],
    usage: Usage,
    key_type: KeyType,
) -> Result<SecretBytes, KeyError> {
    let derivation = derivation_key(initial_key, ksn)?;
    let (id, counter) = parts_of(ksn);
    derive(derivation.expose(), usage as u16, key_type, context(id, counter))
}

/// The key under which a terminal receives its next initial key.
///
/// # Errors
/// As [`initial_key`], with the initial key in the place of the base key.
pub fn update_key(
    initial_key: &[u8],
    initial_key_id: &[u8; 8],
    key_type: KeyType,
) -> Result<SecretBytes, KeyError> {
    let id = [initial_key_id[4], initial_key_id[5], initial_key_id[6], initial_key_id[7]];
    let derivation = walk(initial_key, id, UPDATE_COUNTER)?;
    derive(derivation.expose(), Usage::KeyEncryption as u16, key_type, context(id, UPDATE_COUNTER))
}

/// Refuses a KSN no terminal may use.
///
/// # Errors
/// [`KeyError::Input`] when the counter has more than 16 bits set.
pub fn check_counter(ksn: &[u8; KSN_BYTES]) -> Result<(), KeyError> {
    if parts_of(ksn).1.count_ones() > COUNTER_ONES_MAX {
        return Err(KeyError::Input("dukpt counter"));
    }
    Ok(())
}

/// One derivation for each bit of the counter, from the highest down.
fn walk(initial_key: &[u8], id: [u8; 4], counter: u32) -> Result<SecretBytes, KeyError> {
    let key_type = KeyType::of_derivation(initial_key)?;
    let mut key = SecretBytes::from_slice(initial_key);
    let mut reached = 0;
    for bit in (0..32).rev().map(|place| 1 << place).filter(|bit| counter & bit != 0) {
        reached |= bit;
        key = derive(key.expose(), USAGE_DERIVATION, key_type, context(id, reached))?;
    }
    Ok(key)
}

/// Last 4 bytes of the identifier, and the counter.
fn parts_of(ksn: &[u8; KSN_BYTES]) -> ([u8; 4], u32) {
    ([ksn[4], ksn[5], ksn[6], ksn[7]], u32::from_be_bytes([ksn[8], ksn[9], ksn[10], ksn[11]]))
}

fn context(id: [u8; 4], counter: u32) -> [u8; 8] {
    let mut context = [0; 8];
    context[..4].copy_from_slice(&id);
    context[4..].copy_from_slice(&counter.to_be_bytes());
    context
}

/// Enciphers version, block number, usage, algorithm, length and context.
fn derive(key: &[u8], usage: u16, key_type: KeyType, context: [u8; 8]) -> Result<SecretBytes, KeyError> {
    let cipher = AesCipher::new(key)?;
    let mut block = [0; 16];
    block[0] = 1;
    block[2..4].copy_from_slice(&usage.to_be_bytes());
    block[4..6].copy_from_slice(&key_type.code().to_be_bytes());
    block[6..8].copy_from_slice(&(key_type.bytes() as u16 * 8).to_be_bytes());
    block[8..].copy_from_slice(&context);
    let mut derived = SecretBytes::from_slice(&[0; 32]);
    for (number, chunk) in (1..).zip(derived.expose_mut().chunks_exact_mut(16)) {
        block[1] = number;
        chunk.copy_from_slice(&cipher.encrypt_block(block));
    }
    Ok(SecretBytes::from_slice(&derived.expose()[..key_type.bytes()]))
}
