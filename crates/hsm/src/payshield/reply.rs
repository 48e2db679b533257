//! Answers of a module. Whatever the bytes: a value or an error, never a yes that was not said.

use switchyard_keys::mac::{MAC_BYTES, Mac};

use super::command::Command;
use crate::error::HsmError;
use crate::hex;

/// Error code of a command that was carried out.
const DONE: u8 = 0;
/// Error code of a verification that failed.
const NOT_VERIFIED: u8 = 1;
/// An offset was verified under a PIN verification key of more than single length: a remark, not a failure.
const KEY_NOT_SINGLE: u8 = 2;

/// What stands behind the header of an answer.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    code: u8,
    rest: &'a [u8],
}

impl std::fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({:02}, {} bytes)", self.code, self.rest.len())
    }
}

impl<'a> Reply<'a> {
    /// Reads response and error code; `expected` is [`Command::answer_code`]. `None` when it is no answer to
    /// that command.
    #[must_use]
    pub fn read(expected: [u8; 2], bytes: &'a [u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first_chunk::<2>()?;
        let ([tens, units], rest) = rest.split_first_chunk::<2>()?;
        let is_answer = *code == expected && tens.is_ascii_digit() && units.is_ascii_digit();
        is_answer.then(|| Self { code: 10 * (tens - b'0') + (units - b'0'), rest })
    }

    /// Its error code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.code
    }

    /// What follows the error code of a command that was carried out.
    ///
    /// # Errors
    /// [`HsmError::PinBlock`] when the module says that the block holds no PIN, else
    /// [`HsmError::Refused`].
    pub fn done(&self) -> Result<&'a [u8], HsmError> {
        match self.code {
            DONE => Ok(self.rest),
            // 20: the block does not hold valid values; 24: fewer than 4 or more than 12 digits.
            20 | 24 => Err(HsmError::PinBlock),
            code => Err(HsmError::Refused { code }),
        }
    }

    /// Whether a verification succeeded: yes is 00 and nothing else.
    ///
    /// # Errors
    /// As [`Reply::done`], but for the code of a failed verification.
    pub fn verified(&self) -> Result<bool, HsmError> {
        if self.code == NOT_VERIFIED { Ok(false) } else { self.done().map(|_| true) }
    }

    /// As [`Reply::verified`], for the IBM method, where 02 remarks on the length of the key.
    ///
    /// # Errors
    /// As [`Reply::verified`].
    pub fn verified_offset(&self) -> Result<bool, HsmError> {
        if self.code == KEY_NOT_SINGLE { Ok(true) } else { self.verified() }
    }

    /// PIN block of a translation: length of the PIN, block, format.
    ///
    /// # Errors
    /// As [`Reply::done`], and [`HsmError::Unanswered`] when the fields cannot be read.
    pub fn pin_block(&self) -> Result<[u8; 8], HsmError> {
        let rest = self.done()?;
        let block = rest.get(2..18).and_then(hex::array).ok_or(HsmError::Unanswered)?;
        if rest.len() == 20 { Ok(block) } else { Err(HsmError::Unanswered) }
    }

    /// A card verification value.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn cvv(&self) -> Result<[u8; 3], HsmError> {
        let value: [u8; 3] = self.done()?.try_into().map_err(|_| HsmError::Unanswered)?;
        if value.iter().all(u8::is_ascii_digit) { Ok(value) } else { Err(HsmError::Unanswered) }
    }

    /// A MAC of 16 digits.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn mac(&self) -> Result<Mac, HsmError> {
        let bytes: [u8; MAC_BYTES] = hex::array(self.done()?).ok_or(HsmError::Unanswered)?;
        Ok(Mac::from_bytes(bytes))
    }

    /// An issuer's answer to a cryptogram.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn arpc(&self) -> Result<[u8; 8], HsmError> {
        self.done()?.try_into().map_err(|_| HsmError::Unanswered)
    }

    /// A check value of 16 digits, its first four bytes; one of 6 digits is filled with zeros.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn check_value(&self) -> Result<[u8; 4], HsmError> {
        let digits = self.done()?;
        let mut value = [0; 4];
        let bytes =
            hex::decode(digits).filter(|bytes| matches!(bytes.len(), 3 | 8)).ok_or(HsmError::Unanswered)?;
        let count = bytes.len().min(4);
        value[..count].copy_from_slice(&bytes[..count]);
        Ok(value)
    }

    /// A made or imported key, the same under a master key where that was asked for, and its check value.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn key(&self, has_second: bool) -> Result<KeyReply, HsmError> {
        let (reference, rest) = key_text(self.done()?).ok_or(HsmError::Unanswered)?;
        let (under, rest) = if has_second {
            let (second, rest) = key_text(rest).ok_or(HsmError::Unanswered)?;
            let under = match second.strip_prefix('S') {
                Some(block) => Some(block.as_bytes().to_vec()),
                None => hex::decode(&second.as_bytes()[1..]),
            };
            (under, rest)
        } else {
            (None, rest)
        };
        if has_second && under.is_none() {
            return Err(HsmError::Unanswered);
        }
        let check_value = hex::array(rest).ok_or(HsmError::Unanswered)?;
        Ok(KeyReply { reference: reference.to_owned(), under, check_value })
    }

    /// A TR-31 block; the check value behind it is dropped.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn key_block(&self) -> Result<Vec<u8>, HsmError> {
        let (text, check_value) = key_text(self.done()?).ok_or(HsmError::Unanswered)?;
        match text.strip_prefix('R') {
            Some(block) if hex::array::<3>(check_value).is_some() => Ok(block.as_bytes().to_vec()),
            _ => Err(HsmError::Unanswered),
        }
    }

    /// Check value of the local master key, and the firmware.
    ///
    /// # Errors
    /// As [`Reply::pin_block`].
    pub fn diagnostics(&self) -> Result<String, HsmError> {
        let text = str::from_utf8(self.done()?).map_err(|_| HsmError::Unanswered)?;
        let (check_value, firmware) = text.split_at_checked(16).ok_or(HsmError::Unanswered)?;
        // It goes into logs and pages.
        let is_clean = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if hex::decode(check_value.as_bytes()).is_none() || firmware.len() > 32 || !is_clean(firmware) {
            return Err(HsmError::Unanswered);
        }
        Ok(format!("local master key {check_value}, firmware {firmware}"))
    }

    /// The message of an echo.
    ///
    /// # Errors
    /// As [`Reply::done`].
    pub fn echo(&self) -> Result<&'a [u8], HsmError> {
        self.done()
    }
}

/// A key in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReply {
    /// The key under the module's local master key.
    pub reference: String,
    /// The key under another key: enciphered bytes, or the text of a key block.
    pub under: Option<Vec<u8>>,
    /// First 3 bytes of its check value.
    pub check_value: [u8; 3],
}

/// A key at the front of `bytes`: its scheme says how long it is.
fn key_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let len = match bytes.first()? {
        b'S' | b'R' => {
            let digits = bytes.get(2..6)?;
            let is_number = digits.iter().all(u8::is_ascii_digit);
            let count = digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit.wrapping_sub(b'0')));
            // The scheme stands before the block; no block is shorter than its header.
            (is_number && count >= 16).then_some(1 + count)?
        }
        b'U' | b'X' => 33,
        b'T' | b'Y' => 49,
        b'Z' => 17,
        _ => return None,
    };
    let (key, rest) = bytes.split_at_checked(len)?;
    let text = str::from_utf8(key).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))?;
    Some((text, rest))
}

/// Reads an answer in every way that there is: for the fuzz target.
pub fn read_all(command: &Command, bytes: &[u8]) -> bool {
    let Some(reply) = Reply::read(command.answer_code(), bytes) else { return false };
    let said_yes = reply.verified() == Ok(true);
    let _ = (reply.verified_offset(), reply.pin_block(), reply.cvv(), reply.mac(), reply.arpc());
    let _ = (reply.check_value(), reply.key(false), reply.key(true), reply.key_block(), reply.diagnostics());
    let _ = reply.echo();
    said_yes
}
