//! Track encryption under the track data key, as UnionPay terminals do it.

use crate::block::TdesCipher;
use crate::error::KeyError;

/// Shortest packed track that has the 8 bytes and one behind them.
pub const PACKED_TRACK_BYTES_MIN: usize = 9;

/// Enciphers in place the 8 bytes that end at the second byte from the end of a packed track
/// (two digits a byte; an odd number of digits has a pad nibble last).
///
/// # Errors
/// [`KeyError::Input`] when the track is shorter than [`PACKED_TRACK_BYTES_MIN`].
pub fn encrypt_in_place(tdk: &TdesCipher, packed: &mut [u8]) -> Result<(), KeyError> {
    let block = secret_block(packed)?;
    *block = tdk.encrypt_block(*block);
    Ok(())
}

/// Reverses [`encrypt_in_place`].
///
/// # Errors
/// As [`encrypt_in_place`].
pub fn decrypt_in_place(tdk: &TdesCipher, packed: &mut [u8]) -> Result<(), KeyError> {
    let block = secret_block(packed)?;
    *block = tdk.decrypt_block(*block);
    Ok(())
}

fn secret_block(packed: &mut [u8]) -> Result<&mut [u8; 8], KeyError> {
    let (_last, head) = packed.split_last_mut().ok_or(KeyError::Input("track length"))?;
    head.last_chunk_mut::<8>().ok_or(KeyError::Input("track length"))
}
