//! PINs: translated and verified. A clear PIN never leaves this file.

use super::device::{Answer, HsmDevice};
use super::fields::{Code, Fields};
use crate::hex;
use switchyard_keys::dukpt::tdes::{self, Variant};
use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::pin::{self, Ibm3624, Pin, PinError, PinFormat};
use switchyard_keys::{DesKey, TdesCipher};

/// Index of a PVV's key is one digit; digits of an offset.
const OFFSET_CHARACTERS: usize = 12;

impl HsmDevice {
    pub(super) fn translate_pin(&self, code: [u8; 2], mut fields: Fields<'_>) -> Answer {
        let source =
            self.open(fields.key()?, &[pin_usage(code)], Code::FIRST_KEY)?.cipher(Code::FIRST_KEY)?;
        let target =
            self.open(fields.key()?, &[KeyUsage::Zpk], Code::SECOND_KEY)?.cipher(Code::SECOND_KEY)?;
        fields.number(2)?;
        translated(&source, &target, fields)
    }

    pub(super) fn translate_dukpt_pin(&self, mut fields: Fields<'_>) -> Answer {
        let base = self.open(fields.key()?, &[KeyUsage::Bdk], Code::FIRST_KEY)?.des(Code::FIRST_KEY)?;
        let target =
            self.open(fields.key()?, &[KeyUsage::Zpk], Code::SECOND_KEY)?.cipher(Code::SECOND_KEY)?;
        let source = transaction_key(&base, &mut fields, Variant::Pin)?;
        translated(&TdesCipher::new(&source), &target, fields)
    }

    pub(super) fn verify_pvv(&self, code: [u8; 2], mut fields: Fields<'_>) -> Answer {
        let source =
            self.open(fields.key()?, &[pin_usage(code)], Code::FIRST_KEY)?.cipher(Code::FIRST_KEY)?;
        let key = self.open(fields.key()?, &[KeyUsage::Pvk], Code::SECOND_KEY)?.cipher(Code::SECOND_KEY)?;
        let (block, format) = (fields.hex::<8>()?, format_of(fields.take(2)?)?);
        let card = card_of(&mut fields)?;
        let index = fields.number(1)? as u8;
        let reference: [u8; 4] = fields.array()?;
        fields.end()?;
        let pin = decipher(&source, block, format, &card)?;
        let right = pin::verify_pvv(&key, &card, index, &pin, &reference).map_err(|_| Code::MALFORMED)?;
        if right { Ok(Vec::new()) } else { Err(Code::NOT_VERIFIED) }
    }

    pub(super) fn verify_offset(&self, code: [u8; 2], mut fields: Fields<'_>) -> Answer {
        let source =
            self.open(fields.key()?, &[pin_usage(code)], Code::FIRST_KEY)?.cipher(Code::FIRST_KEY)?;
        let key =
            self.open(fields.key()?, &[KeyUsage::PvkIbm], Code::SECOND_KEY)?.cipher(Code::SECOND_KEY)?;
        fields.number(2)?;
        let (block, format) = (fields.hex::<8>()?, format_of(fields.take(2)?)?);
        let length = fields.number(2)?;
        let card = card_of(&mut fields)?;
        let table: [u8; 16] = fields.array()?;
        let data: [u8; 12] = fields.array()?;
        let offset: [u8; OFFSET_CHARACTERS] = fields.array()?;
        fields.end()?;
        let (digits, pad) = validation_data(&data, &card)?;
        let parameters = Ibm3624 { decimalization: &table, pan_offset: 0, pan_length: digits.len(), pad };
        let pin = decipher(&source, block, format, &card)?;
        let offset = offset.get(..length).ok_or(Code::MALFORMED)?;
        let right = parameters.verify(&key, &digits, offset, &pin).map_err(|_| Code::MALFORMED)?;
        if right { Ok(Vec::new()) } else { Err(Code::NOT_VERIFIED) }
    }
}

/// Reads descriptor and serial number; the key of the transaction.
pub(super) fn transaction_key(
    base: &DesKey,
    fields: &mut Fields<'_>,
    variant: Variant,
) -> Result<DesKey, Code> {
    fields.take(3)?;
    let ksn: [u8; tdes::KSN_BYTES] = fields.hex()?;
    tdes::initial_key(base, &ksn)
        .and_then(|initial| tdes::transaction_key(&initial, &ksn))
        .and_then(|key| tdes::variant_key(&key, variant))
        .map_err(|_| Code::FIRST_KEY)
}

fn translated(source: &TdesCipher, target: &TdesCipher, mut fields: Fields<'_>) -> Answer {
    let block = fields.hex::<8>()?;
    let from = format_of(fields.take(2)?)?;
    let code = fields.take(2)?;
    let to = format_of(code)?;
    let card = card_of(&mut fields)?;
    fields.end()?;
    let pin = decipher(source, block, from, &card)?;
    let translated = pin::translate(source, target, &block, from, to, &card).map_err(pin_fault)?;
    let mut answer = format!("{:02}{}", pin.expose_digits().len(), hex::encode(&translated)).into_bytes();
    answer.extend_from_slice(code);
    Ok(answer)
}

fn decipher(source: &TdesCipher, block: [u8; 8], format: PinFormat, card: &[u8]) -> Result<Pin, Code> {
    pin::decode(format, &source.decrypt_block(block), card).map_err(pin_fault)
}

fn pin_fault(error: PinError) -> Code {
    match error {
        PinError::Block => Code::PIN_BLOCK,
        PinError::Forbidden { .. } => Code::PIN_FORMAT,
        _ => Code::MALFORMED,
    }
}

/// Terminals' keys in `C`… and `D`… commands, zones' in the others.
fn pin_usage(code: [u8; 2]) -> KeyUsage {
    if matches!(&code, b"CA" | b"DA" | b"DC") { KeyUsage::Pik } else { KeyUsage::Zpk }
}

fn format_of(code: &[u8]) -> Result<PinFormat, Code> {
    match code {
        b"01" => Ok(PinFormat::Iso0),
        b"05" => Ok(PinFormat::Iso1),
        b"47" => Ok(PinFormat::Iso3),
        _ => Err(Code::PIN_FORMAT),
    }
}

/// The account of a command with a digit behind it, which PIN blocks leave out.
fn card_of(fields: &mut Fields<'_>) -> Result<[u8; 13], Code> {
    let mut card = [b'0'; 13];
    card[..12].copy_from_slice(fields.digits(12)?);
    Ok(card)
}

/// Digits in front and the character that fills up, out of twelve characters with `N` for the last five digits
/// of the account.
fn validation_data(data: &[u8; 12], card: &[u8; 13]) -> Result<(Vec<u8>, u8), Code> {
    let at = data.iter().position(|b| *b == b'N').ok_or(Code::MALFORMED)?;
    let whole = [&data[..at], &card[7..12], &data[at + 1..]].concat();
    let digits = whole.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, filler) = whole.split_at(digits);
    let pad = filler.first().copied().unwrap_or(b'0');
    if filler.iter().any(|b| *b != pad) {
        return Err(Code::MALFORMED);
    }
    Ok((digits.to_vec(), pad))
}
