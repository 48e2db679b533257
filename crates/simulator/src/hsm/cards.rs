//! Card values, MACs and cryptograms.

use super::device::{Answer, HsmDevice};
use super::fields::{Code, Fields};
use super::pins::transaction_key;
use crate::hex;
use switchyard_keys::card_values::cvv;
use switchyard_keys::constant_time_eq;
use switchyard_keys::dukpt::tdes::Variant;
use switchyard_keys::emv::{CryptogramScheme, arpc_method1};
use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::mac::{MacAlgorithm, MacKey, Padding, iso9797_alg3};

impl HsmDevice {
    pub(super) fn generate_cvv(&self, mut fields: Fields<'_>) -> Answer {
        let key = fields.key()?;
        self.card_value(key, fields)
    }

    pub(super) fn verify_cvv(&self, mut fields: Fields<'_>) -> Answer {
        let key = fields.key()?;
        let received = fields.digits(3)?;
        let expected = self.card_value(key, fields)?;
        if constant_time_eq(&expected, received) { Ok(Vec::new()) } else { Err(Code::NOT_VERIFIED) }
    }

    fn card_value(&self, key: &[u8], mut fields: Fields<'_>) -> Answer {
        let key = self.open(key, &[KeyUsage::Cvk], Code::FIRST_KEY)?.des(Code::FIRST_KEY)?;
        let pan = fields.until(b';')?;
        let (expiry, service_code) = (fields.array()?, fields.array()?);
        fields.end()?;
        cvv(&key, pan, &expiry, &service_code).map(|value| value.to_vec()).map_err(|_| Code::MALFORMED)
    }

    pub(super) fn generate_mac(&self, fields: Fields<'_>) -> Answer {
        self.mac(fields, |mut fields, mac| {
            fields.take(0)?;
            fields.end()?;
            Ok(hex::encode(mac).into_bytes())
        })
    }

    pub(super) fn verify_mac(&self, fields: Fields<'_>) -> Answer {
        self.mac(fields, |mut fields, mac| {
            let text = fields.take(2 * mac.len())?;
            fields.end()?;
            let right = constant_time_eq(hex::encode(mac).as_bytes(), text);
            if right { Ok(Vec::new()) } else { Err(Code::NOT_VERIFIED) }
        })
    }

    /// Reads a MAC command up to the end of its message and hands on the MAC over it.
    fn mac(&self, mut fields: Fields<'_>, then: impl FnOnce(Fields<'_>, &[u8]) -> Answer) -> Answer {
        let [mode, input, size, algorithm, padding] = fields.array()?;
        fields.take(3)?;
        let key = self.open(fields.key()?, &[KeyUsage::Mak], Code::FIRST_KEY)?;
        let message = fields.counted(4)?;
        let decoded;
        let message = if input == b'1' {
            let text = str::from_utf8(message).map_err(|_| Code::MALFORMED)?;
            decoded = hex::decode(text).ok_or(Code::MALFORMED)?;
            &decoded[..]
        } else {
            message
        };
        let algorithm = match algorithm {
            b'1' => MacAlgorithm::X99,
            b'3' => MacAlgorithm::X919,
            _ => return Err(Code(5)),
        };
        let length = match size {
            b'0' => 4,
            b'1' => 8,
            _ => return Err(Code(4)),
        };
        if mode != b'0' || padding != b'1' {
            return Err(Code(2));
        }
        let key = MacKey::new(algorithm, key.bytes.expose()).map_err(|_| Code::FIRST_KEY)?;
        then(fields, &key.compute(message).as_bytes()[..length])
    }

    pub(super) fn verify_dukpt_mac(&self, mut fields: Fields<'_>) -> Answer {
        if fields.array()? != *b"11" {
            return Err(Code::MALFORMED);
        }
        let base = self.open(fields.key()?, &[KeyUsage::Bdk], Code::FIRST_KEY)?.des(Code::FIRST_KEY)?;
        let key = transaction_key(&base, &mut fields, Variant::MacRequest)?;
        let received: [u8; 8] = fields.hex()?;
        let message = fields.counted(4)?;
        fields.end()?;
        let mac = iso9797_alg3(&key, Padding::Zero, message).map_err(|_| Code::FIRST_KEY)?;
        if constant_time_eq(&mac, &received) { Ok(Vec::new()) } else { Err(Code::NOT_VERIFIED) }
    }

    /// `KQ` has an unpredictable number, `KW` has none.
    pub(super) fn cryptogram(&self, mut fields: Fields<'_>, has_unpredictable: bool) -> Answer {
        let [mode, scheme] = fields.array()?;
        let key = self.open(fields.key()?, &[KeyUsage::EmvAc], Code::FIRST_KEY)?.des(Code::FIRST_KEY)?;
        let scheme = match (has_unpredictable, scheme) {
            (true, b'0') => CryptogramScheme::VisaCvn10,
            (true, b'1') => CryptogramScheme::MChip16,
            (false, b'2') => CryptogramScheme::VisaCvn18,
            _ => return Err(Code(5)),
        };
        let digits = hex::encode(&fields.array::<8>()?);
        let (pan, psn) = digits.as_bytes().split_at(14);
        let atc: [u8; 2] = fields.array()?;
        let unpredictable: [u8; 4] = if has_unpredictable { fields.array()? } else { [0; 4] };
        if !matches!(mode, b'0'..=b'2') {
            return Err(Code(4));
        }
        let data = if mode == b'2' { None } else { Some(fields.counted(2)?) };
        if data.is_some() && !fields.skip(b';') {
            return Err(Code::MALFORMED);
        }
        let received: [u8; 8] = fields.array()?;
        let response_code = if mode == b'0' { None } else { Some(fields.array::<2>()?) };
        fields.end()?;
        let psn = psn.try_into().map_err(|_| Code::MALFORMED)?;
        let card_key = scheme.icc_key(&key, pan, psn).map_err(|_| Code::MALFORMED)?;
        if let Some(data) = data {
            let session = scheme.session_key(&card_key, atc, unpredictable).map_err(|_| Code::FIRST_KEY)?;
            // The host has padded.
            let expected = iso9797_alg3(&session, Padding::Zero, data).map_err(|_| Code::FIRST_KEY)?;
            if !constant_time_eq(&expected, &received) {
                return Err(Code::NOT_VERIFIED);
            }
        }
        let Some(response_code) = response_code else { return Ok(Vec::new()) };
        let key = scheme.arpc_key(&card_key, atc).map_err(|_| Code::FIRST_KEY)?;
        Ok(arpc_method1(&key, received, response_code).to_vec())
    }
}
