//! A terminal's master key on its way over the line: DE 62 of the answer to 0800 with DE 60.3 = 400, and of the
//! request with 401.
//!
//! | bytes of the answer | content |
//! |---|---|
//! | 16 | the key, enciphered block by block under the one that the terminal has |
//! | 4 | first bytes of 8 zero bytes enciphered under the key |
//!
//! | bytes of the request | content |
//! |---|---|
//! | 4 | the check value once more: it says which key |
//! | 8 | 8 bytes `FF` enciphered under the key: who only overheard the answer cannot tell them |
//!
//! The sources name the codes and neither layout nor proof: both are the switch's own.

use crate::block::TdesCipher;
use crate::constant_time_eq;
use crate::des_key::{DesKey, kcv, wrap_des_ecb};
use crate::error::KeyError;

/// Bytes of the key: double-length.
pub const MASTER_KEY_BYTES: usize = 16;
/// Bytes of DE 62 of the answer.
pub const MASTER_KEY_BLOCK_BYTES: usize = MASTER_KEY_BYTES + 4;

/// What the terminal fetches.
///
/// # Errors
/// [`KeyError::Length`] for a key that is not double-length.
pub fn wrap_master_key(under: &TdesCipher, key: &DesKey) -> Result<Vec<u8>, KeyError> {
    if key.len() != MASTER_KEY_BYTES {
        return Err(KeyError::Length { need: "16", have: key.len() });
    }
    let mut block = wrap_des_ecb(under, key.expose())?;
    block.extend(kcv(key));
    Ok(block)
}

/// What the terminal makes of it.
///
/// # Errors
/// [`KeyError::Length`] for another length, [`KeyError::CheckValue`] when it is under another key than `under`.
pub fn open_master_key(under: &TdesCipher, block: &[u8]) -> Result<DesKey, KeyError> {
    if block.len() != MASTER_KEY_BLOCK_BYTES {
        return Err(KeyError::Length { need: "20", have: block.len() });
    }
    let (wrapped, check_value) = block.split_at(MASTER_KEY_BYTES);
    let key = DesKey::unwrap_ecb(under, wrapped)?;
    if constant_time_eq(&kcv(&key), check_value) { Ok(key) } else { Err(KeyError::CheckValue) }
}

/// What proves that somebody has the key.
#[must_use]
pub fn master_key_proof(key: &DesKey) -> [u8; 8] {
    TdesCipher::new(key).encrypt_block([0xFF; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_opens_under_the_key_that_it_was_wrapped_under_and_no_other() {
        let [old, new, other] = [0; 3].map(|_| DesKey::generate(16).unwrap());
        let block = wrap_master_key(&TdesCipher::new(&old), &new).unwrap();
        assert_eq!(block.len(), MASTER_KEY_BLOCK_BYTES);
        let opened = open_master_key(&TdesCipher::new(&old), &block).unwrap();
        assert_eq!(opened.expose(), new.expose());
        assert_eq!(master_key_proof(&opened), master_key_proof(&new));
        assert_ne!(master_key_proof(&new)[..4], block[16..], "the check value is not the proof");
        let wrong = open_master_key(&TdesCipher::new(&other), &block);
        assert_eq!(wrong.unwrap_err(), KeyError::CheckValue);
        for place in 0..block.len() {
            let mut bent = block.clone();
            bent[place] ^= 2;
            assert!(open_master_key(&TdesCipher::new(&old), &bent).is_err(), "byte {place}");
        }
        assert!(open_master_key(&TdesCipher::new(&old), &block[1..]).is_err());
        let single = DesKey::generate(8).unwrap();
        assert!(wrap_master_key(&TdesCipher::new(&old), &single).is_err());
    }

    #[test]
    fn the_layout_of_a_known_key() {
        // The master key of the published sign-on, under sixteen bytes 11.
        let under = TdesCipher::new(&DesKey::from_slice(&[0x11; 16]).unwrap());
        let bytes =
            [0x25, 0x8F, 0xB0, 0xAB, 0x70, 0xD0, 0x25, 0xCD, 0xB9, 0x9D, 0xF2, 0xC4, 0xD3, 0x02, 0xD6, 0x46];
        let key = DesKey::from_slice(&bytes).unwrap();
        let block = wrap_master_key(&under, &key).unwrap();
        let halves = [
            under.decrypt_block(*block.first_chunk().unwrap()),
            under.decrypt_block(*block[8..].first_chunk().unwrap()),
        ];
        assert_eq!(halves.concat(), bytes);
        assert_eq!(block[16..], TdesCipher::new(&key).encrypt_block([0; 8])[..4]);
    }
}
