//! Keys: made, taken in, given out, and what they are checked by.

use super::device::{Answer, HsmDevice};
use super::fields::{Code, Fields};
use crate::hex;
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage, WrappedKey};
use switchyard_keys::{DesKey, SecretBytes, TdesCipher, tr31, wrap_des_ecb};

/// Bytes of a message's check value where all of it is asked for.
const CHECK_VALUE_BYTES: usize = 8;

/// A key of a command, opened.
pub(super) struct Opened {
    pub(super) usage: KeyUsage,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) bytes: SecretBytes,
}

impl Opened {
    pub(super) fn des(&self, fault: Code) -> Result<DesKey, Code> {
        DesKey::from_slice(self.bytes.expose()).map_err(|_| fault)
    }

    pub(super) fn cipher(&self, fault: Code) -> Result<TdesCipher, Code> {
        Ok(TdesCipher::new(&self.des(fault)?))
    }
}

impl HsmDevice {
    /// Opens a key that has to be for one of `usages`; `fault` says which of the command's keys it is.
    pub(super) fn open(&self, key: &[u8], usages: &[KeyUsage], fault: Code) -> Result<Opened, Code> {
        let block = key.strip_prefix(b"S").ok_or(fault)?;
        let wrapped = WrappedKey::from_bytes(block.to_vec());
        let info = self.lmk.inspect(&wrapped).map_err(|_| fault)?;
        if !usages.contains(&info.usage) {
            return Err(fault);
        }
        let bytes = self.lmk.unwrap(&wrapped, info.usage).map_err(|_| fault)?;
        Ok(Opened { usage: info.usage, algorithm: info.attributes.algorithm, bytes })
    }

    pub(super) fn generate_key(&self, mut fields: Fields<'_>) -> Answer {
        let mode = fields.one()?;
        if fields.take(3)? != b"FFF" || fields.one()? != b'S' {
            return Err(Code::KEY_SCHEME);
        }
        let master = if mode == b'1' {
            fields.skip(b';');
            fields.one()?;
            let key = self.open(fields.key()?, &[KeyUsage::Tmk, KeyUsage::Zmk], Code::FIRST_KEY)?;
            Some((key.cipher(Code::FIRST_KEY)?, fields.one()?))
        } else {
            None
        };
        if fields.skip(b'%') {
            fields.digits(2)?;
        }
        if !fields.skip(b'#') {
            return Err(Code::MALFORMED);
        }
        let usage = usage_of(fields.take(2)?)?;
        let (algorithm, bytes) = cipher_of(fields.take(2)?)?;
        fields.one()?;
        let version = fields.number(2)? as u8;
        let exportable = fields.one()? == b'E';
        fields.digits(2)?;
        fields.end()?;
        let key = match algorithm {
            KeyAlgorithm::Des | KeyAlgorithm::Tdes => {
                DesKey::generate(bytes).map(|key| SecretBytes::from_slice(key.expose()))
            }
            _ => SecretBytes::random(bytes),
        };
        let key = key.map_err(|_| Code(41))?;
        let attributes = KeyAttributes { algorithm, version, exportable };
        let wrapped = self.lmk.wrap(key.expose(), usage, attributes).map_err(|_| Code::MALFORMED)?;
        let mut answer = [b"S", wrapped.as_bytes()].concat();
        if let Some((cipher, scheme)) = master {
            let under = wrap_des_ecb(&cipher, key.expose()).map_err(|_| Code::KEY_SCHEME)?;
            answer.push(scheme);
            answer.extend_from_slice(hex::encode(&under).as_bytes());
        }
        answer.extend_from_slice(&short_check_value(algorithm, &key)?);
        Ok(answer)
    }

    pub(super) fn import_key(&self, mut fields: Fields<'_>) -> Answer {
        fields.take(3)?;
        let transport = self.open(fields.key()?, &[KeyUsage::Zmk], Code::FIRST_KEY)?;
        let block = fields.key()?.strip_prefix(b"R").ok_or(Code::KEY_SCHEME)?;
        if fields.one()? != b'S' {
            return Err(Code::KEY_SCHEME);
        }
        let usage = if fields.skip(b'&') { usage_of(fields.take(2)?)? } else { usage_of(&block[5..7])? };
        fields.end()?;
        let under = (transport.algorithm, transport.bytes.expose());
        let wrapped = self.lmk.import(under, block, usage).map_err(|_| Code::SECOND_KEY)?;
        let mut answer = [b"S", wrapped.as_bytes()].concat();
        let key = self.open(&answer, &[usage], Code::SECOND_KEY)?;
        answer.extend_from_slice(&short_check_value(key.algorithm, &key.bytes)?);
        Ok(answer)
    }

    pub(super) fn export_key(&self, mut fields: Fields<'_>) -> Answer {
        fields.take(3)?;
        let transport = self.open(fields.key()?, &[KeyUsage::Zmk], Code::FIRST_KEY)?;
        let text = fields.key()?;
        let key = self.open(text, &KeyUsage::ALL, Code::SECOND_KEY)?;
        if fields.one()? != b'R' {
            return Err(Code::KEY_SCHEME);
        }
        let version = if fields.skip(b'!') { fields.one()? } else { b'D' };
        fields.end()?;
        if text.get(12) != Some(&b'E') {
            return Err(Code::NOT_EXPORTABLE);
        }
        let version = match version {
            b'D' if transport.algorithm == KeyAlgorithm::Aes => tr31::Version::D,
            b'B' if transport.algorithm == KeyAlgorithm::Tdes => tr31::Version::B,
            _ => return Err(Code::KEY_SCHEME),
        };
        let (usage, algorithm) = (key.usage.tr31_code(), key.algorithm.code());
        let header = tr31::Header::new(version, usage, algorithm, key.usage.mode_of_use(), b'E');
        let block =
            tr31::wrap(transport.bytes.expose(), &header, key.bytes.expose()).map_err(|_| Code::FIRST_KEY)?;
        let check_value = short_check_value(key.algorithm, &key.bytes)?;
        Ok([b"R", &block[..], &check_value].concat())
    }

    pub(super) fn check_value(&self, mut fields: Fields<'_>) -> Answer {
        fields.take(3)?;
        let key = self.open(fields.key()?, &KeyUsage::ALL, Code::FIRST_KEY)?;
        let mut is_short = false;
        while fields.skip(b';') {
            let [a, b, kind] = fields.array::<3>()?;
            // A type of key, or two reserved digits and the length wanted.
            if [a, b] == *b"00" {
                is_short = kind == b'1';
            }
        }
        fields.end()?;
        if is_short || !matches!(key.algorithm, KeyAlgorithm::Des | KeyAlgorithm::Tdes) {
            return short_check_value(key.algorithm, &key.bytes);
        }
        let block = key.cipher(Code::FIRST_KEY)?.encrypt_block([0; CHECK_VALUE_BYTES]);
        Ok(hex::encode(&block).into_bytes())
    }
}

fn short_check_value(algorithm: KeyAlgorithm, key: &SecretBytes) -> Answer {
    let value = algorithm.check_value(key.expose()).map_err(|_| Code::FIRST_KEY)?;
    Ok(hex::encode(&value[..3]).into_bytes())
}

fn usage_of(code: &[u8]) -> Result<KeyUsage, Code> {
    let same = |usage: &KeyUsage| usage.stored_code().as_bytes() == code;
    KeyUsage::ALL.into_iter().find(same).ok_or(Code::MALFORMED)
}

fn cipher_of(code: &[u8]) -> Result<(KeyAlgorithm, usize), Code> {
    Ok(match code {
        b"D1" => (KeyAlgorithm::Des, 8),
        b"T2" => (KeyAlgorithm::Tdes, 16),
        b"T3" => (KeyAlgorithm::Tdes, 24),
        b"A1" => (KeyAlgorithm::Aes, 16),
        b"A2" => (KeyAlgorithm::Aes, 24),
        b"A3" => (KeyAlgorithm::Aes, 32),
        _ => return Err(Code::MALFORMED),
    })
}
