//! The secret part of a key block: its derived keys, encryption and MAC.

use zeroize::Zeroize;

use crate::block::{AesCipher, TdesCipher, cbc_decrypt, cbc_encrypt, xor_into};
use crate::des_key::DesKey;
use crate::error::KeyError;
use crate::mac::{CmacKey, Padding, cmac, iso9797_alg1_tdes};
use crate::secret::{SecretBytes, constant_time_eq, fill_random};

use super::header::{Header, Parsed};

/// What a derived key is for (X9.143 table of key derivation inputs).
#[derive(Clone, Copy)]
enum Purpose {
    EncryptCbc = 0,
    Mac = 1,
    EncryptCtr = 2,
}

/// The keys a version D block derives from an AES key block protection key, kept expanded
/// because the LMK opens every key of the store at start.
pub(crate) struct AesProtection {
    encryption: AesCipher,
    mac: CmacKey<16, AesCipher>,
}

impl AesProtection {
    pub(crate) fn new(kbpk: &[u8]) -> Result<Self, KeyError> {
        Self::derived(AesCipher::new(kbpk)?, kbpk.len())
    }

    /// From a key block protection key of `bytes` bytes that is somewhere else.
    pub(crate) fn derived(kbpk: AesCipher, bytes: usize) -> Result<Self, KeyError> {
        let prf = CmacKey::new(kbpk);
        Ok(Self {
            encryption: AesCipher::new(derive_with(&prf, bytes, Purpose::EncryptCbc)?.expose())?,
            mac: CmacKey::new(AesCipher::new(derive_with(&prf, bytes, Purpose::Mac)?.expose())?),
        })
    }

    pub(crate) fn seal(&self, header: &Header, key: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut payload = padded_payload::<16>(header, key)?;
        let mut block = header.encode(payload.len())?;
        let mac = self.mac.compute(&[&block, payload.expose()]);
        cbc_encrypt(&self.encryption, mac, payload.expose_mut());
        push_hex(&mut block, payload.expose());
        push_hex(&mut block, &mac);
        Ok(block)
    }

    pub(super) fn open(&self, parsed: &Parsed<'_>) -> Result<SecretBytes, KeyError> {
        let mac: [u8; 16] = parsed.mac[..].try_into().map_err(|_| KeyError::Authentication)?;
        let mut payload = SecretBytes::from_slice(&parsed.ciphertext);
        cbc_decrypt(&self.encryption, mac, payload.expose_mut());
        let expected = self.mac.compute(&[parsed.header_text, payload.expose()]);
        authenticated(&expected, &mac, payload)
    }

    /// [`super::unwrap`] for a block already known to be version D under this key.
    pub(crate) fn unwrap(&self, block: &[u8]) -> Result<super::Unwrapped, KeyError> {
        let parsed = super::header::parse(block)?;
        if parsed.header.version != super::Version::D {
            return Err(KeyError::Malformed { offset: 0 });
        }
        let payload = self.open(&parsed)?;
        Ok(super::Unwrapped { key: super::key_of(&payload, parsed.header.version)?, header: parsed.header })
    }
}

/// Version E: as D, but the payload is enciphered by AES in counter mode from the MAC on.
pub(super) fn open_e(kbpk: &[u8], parsed: &Parsed<'_>) -> Result<SecretBytes, KeyError> {
    let mac: [u8; 16] = parsed.mac[..].try_into().map_err(|_| KeyError::Authentication)?;
    let encryption = AesCipher::new(derive_aes(kbpk, Purpose::EncryptCtr)?.expose())?;
    let mut payload = SecretBytes::from_slice(&parsed.ciphertext);
    let mut counter = u128::from_be_bytes(mac);
    for chunk in payload.expose_mut().chunks_mut(16) {
        xor_into(chunk, &encryption.encrypt_block(counter.to_be_bytes()));
        counter = counter.wrapping_add(1);
    }
    let mac_key = AesCipher::new(derive_aes(kbpk, Purpose::Mac)?.expose())?;
    let expected = cmac(mac_key, &[parsed.header_text, payload.expose()]);
    authenticated(&expected, &mac, payload)
}

/// Version B, writing.
pub(super) fn seal_b(kbpk: &[u8], header: &Header, key: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut payload = padded_payload::<8>(header, key)?;
    let mut block = header.encode(payload.len())?;
    let mac_key = TdesCipher::new(&derive_tdes(kbpk, Purpose::Mac)?);
    let mac = cmac(mac_key, &[&block, payload.expose()]);
    let encryption = TdesCipher::new(&derive_tdes(kbpk, Purpose::EncryptCbc)?);
    cbc_encrypt(&encryption, mac, payload.expose_mut());
    push_hex(&mut block, payload.expose());
    push_hex(&mut block, &mac);
    Ok(block)
}

/// Version B, reading.
pub(super) fn open_b(kbpk: &[u8], parsed: &Parsed<'_>) -> Result<SecretBytes, KeyError> {
    let mac: [u8; 8] = parsed.mac[..].try_into().map_err(|_| KeyError::Authentication)?;
    let encryption = TdesCipher::new(&derive_tdes(kbpk, Purpose::EncryptCbc)?);
    let mut payload = SecretBytes::from_slice(&parsed.ciphertext);
    cbc_decrypt(&encryption, mac, payload.expose_mut());
    let mac_key = TdesCipher::new(&derive_tdes(kbpk, Purpose::Mac)?);
    let expected = cmac(mac_key, &[parsed.header_text, payload.expose()]);
    authenticated(&expected, &mac, payload)
}

/// Versions A and C: two variants of the key, and the MAC over the ciphertext.
pub(super) fn open_variant(kbpk: &[u8], parsed: &Parsed<'_>) -> Result<SecretBytes, KeyError> {
    const ENCRYPTION_MASK: u8 = 0x45;
    const MAC_MASK: u8 = 0x4D;
    let kbpk = tdes_kbpk(kbpk)?;
    let mut under_mac = parsed.header_text.to_vec();
    under_mac.extend_from_slice(&parsed.ciphertext);
    let expected = iso9797_alg1_tdes(&kbpk.variant(&[MAC_MASK]), Padding::Zero, &under_mac);
    let iv = *parsed.header_text.first_chunk::<8>().ok_or(KeyError::Malformed { offset: 0 })?;
    let mut payload = SecretBytes::from_slice(&parsed.ciphertext);
    cbc_decrypt(&TdesCipher::new(&kbpk.variant(&[ENCRYPTION_MASK])), iv, payload.expose_mut());
    authenticated(&expected[..4], &parsed.mac, payload)
}

fn authenticated(expected: &[u8], received: &[u8], payload: SecretBytes) -> Result<SecretBytes, KeyError> {
    if constant_time_eq(expected, received) { Ok(payload) } else { Err(KeyError::Authentication) }
}

/// CMAC in counter mode over purpose, algorithm and length (X9.143, NIST SP 800-108).
fn derive_aes(kbpk: &[u8], purpose: Purpose) -> Result<SecretBytes, KeyError> {
    derive_with(&CmacKey::new(AesCipher::new(kbpk)?), kbpk.len(), purpose)
}

fn derive_with(
    prf: &CmacKey<16, AesCipher>,
    bytes: usize,
    purpose: Purpose,
) -> Result<SecretBytes, KeyError> {
    let algorithm = match bytes {
        16 => 2,
        24 => 3,
        32 => 4,
        have => return Err(KeyError::Length { need: "16, 24 or 32", have }),
    };
    let mut derived = SecretBytes::from_slice(&[0; 32]);
    for (counter, chunk) in (1..).zip(derived.expose_mut().chunks_exact_mut(16)) {
        chunk.copy_from_slice(&prf.compute(&[&derivation_input(counter, purpose, algorithm, bytes)]));
    }
    Ok(SecretBytes::from_slice(&derived.expose()[..bytes]))
}

fn derive_tdes(kbpk: &[u8], purpose: Purpose) -> Result<DesKey, KeyError> {
    let kbpk = tdes_kbpk(kbpk)?;
    let algorithm = u8::from(kbpk.len() == 24);
    let prf = CmacKey::new(TdesCipher::new(&kbpk));
    let mut derived = [0_u8; 24];
    for (counter, chunk) in (1..).zip(derived[..kbpk.len()].chunks_exact_mut(8)) {
        chunk.copy_from_slice(&prf.compute(&[&derivation_input(counter, purpose, algorithm, kbpk.len())]));
    }
    let key = DesKey::from_slice(&derived[..kbpk.len()]);
    derived.zeroize();
    key
}

fn derivation_input(counter: u8, purpose: Purpose, algorithm: u8, key_bytes: usize) -> [u8; 8] {
    let [high, low] = (key_bytes as u16 * 8).to_be_bytes();
    [counter, 0, purpose as u8, 0, 0, algorithm, high, low]
}

fn tdes_kbpk(kbpk: &[u8]) -> Result<DesKey, KeyError> {
    match kbpk.len() {
        16 | 24 => DesKey::from_slice(kbpk),
        have => Err(KeyError::Length { need: "16 or 24", have }),
    }
}

/// Length in bits, key, random padding that hides the length among keys of its algorithm.
fn padded_payload<const N: usize>(header: &Header, key: &[u8]) -> Result<SecretBytes, KeyError> {
    const KEY_BYTES_MAX: usize = 2048;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(KeyError::Length { need: "1 to 2048", have: key.len() });
    }
    let longest = match header.algorithm {
        b'A' => 32,
        b'D' | b'T' => 24,
        _ => 0,
    };
    let bytes = (2 + key.len().max(longest)).next_multiple_of(N);
    let mut payload = SecretBytes::from(vec![0; bytes]);
    let out = payload.expose_mut();
    out[..2].copy_from_slice(&(key.len() as u16 * 8).to_be_bytes());
    out[2..2 + key.len()].copy_from_slice(key);
    fill_random(&mut out[2 + key.len()..])?;
    Ok(payload)
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend(bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 0x0F)]]));
}
