//! Issuer scripts: commands to the card, under secure messaging.

use zeroize::Zeroizing;

use crate::block::{TdesCipher, ecb_encrypt, xor_into};
use crate::des_key::DesKey;
use crate::error::KeyError;
use crate::mac::{Padding, iso9797_alg3};
use crate::pin::{Pin, encode_iso2};

/// Header of PIN CHANGE with the new PIN enciphered: 24 bytes of data follow.
const PIN_CHANGE_HEADER: [u8; 5] = [0x84, 0x24, 0x00, 0x02, 0x18];

/// Visa secure-messaging MAC: command header, counter, cryptogram, then the command's data.
///
/// # Errors
/// [`KeyError::Length`] unless `session_key` has 16 bytes, [`KeyError::Input`] when `command`
/// is shorter than its header of 5 bytes.
pub fn script_mac(
    session_key: &DesKey,
    command: &[u8],
    atc: [u8; 2],
    arqc: [u8; 8],
) -> Result<[u8; 8], KeyError> {
    let (header, data) = command.split_at_checked(5).ok_or(KeyError::Input("script command"))?;
    let input = [header, &atc, &arqc, data].concat();
    iso9797_alg3(session_key, Padding::Bit, &input)
}

/// The keys of a PIN change.
#[derive(Debug)]
pub struct PinChange<'a> {
    /// Card key for cryptograms: it blinds the PIN block.
    pub icc_key_ac: &'a DesKey,
    /// Session key for confidentiality.
    pub session_smc: &'a DesKey,
    /// Session key for integrity.
    pub session_smi: &'a DesKey,
}

/// The whole PIN CHANGE command of the Visa specification, without the current PIN.
///
/// # Errors
/// [`KeyError::Length`] unless the keys have 16 bytes.
pub fn visa_pin_change(
    keys: &PinChange<'_>,
    new_pin: &Pin,
    atc: [u8; 2],
    arqc: [u8; 8],
) -> Result<[u8; 29], KeyError> {
    if keys.icc_key_ac.len() != 16 {
        return Err(KeyError::Length { need: "16", have: keys.icc_key_ac.len() });
    }
    // Length byte, PIN block, padding: 16 bytes.
    let mut data = Zeroizing::new([8_u8, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]);
    let mut block = Zeroizing::new(encode_iso2(new_pin));
    block[0] &= 0x0F;
    xor_into(&mut block[4..], &keys.icc_key_ac.expose()[4..8]);
    data[1..9].copy_from_slice(&block[..]);
    ecb_encrypt(&TdesCipher::new(keys.session_smc), &mut data[..]);
    let mut command = [0; 29];
    command[..5].copy_from_slice(&PIN_CHANGE_HEADER);
    command[5..21].copy_from_slice(&data[..]);
    let mac = script_mac(keys.session_smi, &command[..21], atc, arqc)?;
    command[21..].copy_from_slice(&mac);
    Ok(command)
}
