//! From an issuer's answer to the core's.

use crate::input::Answer;
use switchyard_domain::{Amount, AuthCode, Currency, ResponseCode, Rrn, Stan};
use switchyard_wire::{De, Message, Mti};

/// Why a message on a link is not an answer that can be used. The core does not hear of it: to the
/// transaction it is as if no answer came, and its reversal follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It asks instead of answering.
    #[error("{0} is not an answer")]
    NotAnAnswer(Mti),
    /// Without this element no request can be found for it.
    #[error("de {0} is missing")]
    Missing(De),
    /// An element does not hold what it should.
    #[error("de {0} is malformed")]
    Malformed(De),
}

/// DE 54 holds at most this many balances.
const BALANCES_MAX: usize = 6;
/// Characters of one balance.
const BALANCE_CHARACTERS: usize = 20;

/// Reads an issuer's answer. A repeat bit in its MTI is dropped: 0131 answers like 0130.
///
/// # Errors
/// [`AnswerError`] for a request, and for an answer whose DE 7 or 11 is absent or whose DE 4, 7, 11, 37,
/// 38, 39 or 70 is malformed. A balance that cannot be read is left out: nothing is decided by it.
pub fn read_answer(message: &Message<'_, '_>) -> Result<Answer, AnswerError> {
    let mti = message.mti();
    if !mti.is_response() {
        return Err(AnswerError::NotAnAnswer(mti));
    }
    let stan = number(message, 11)?.ok_or(AnswerError::Missing(11))?;
    let mut buffer = [0; 10];
    if !message.has(7) {
        return Err(AnswerError::Missing(7));
    }
    let transmitted = message.digits(7, &mut buffer).and_then(|digits| <[u8; 10]>::try_from(digits).ok());
    Ok(Answer {
        mti: mti_number(mti),
        stan: Stan::try_from(stan).map_err(|_| AnswerError::Malformed(11))?,
        transmitted: transmitted.ok_or(AnswerError::Malformed(7))?,
        amount_minor: number(message, 4)?,
        rrn: characters(message, 37, |bytes| Rrn::try_from(bytes))?,
        code: characters(message, 39, |bytes| ResponseCode::try_from(bytes))?,
        auth_code: characters(message, 38, |bytes| AuthCode::try_from(bytes))?,
        balance: balance(message),
        network_code: number(message, 70)?.map(|code| code as u16),
        chip: chip(message),
    })
}

/// DE 55: bytes where the dialect has bytes, hexadecimal digits where it has characters only. What cannot be read is
/// left out: nothing is decided by it.
fn chip(message: &Message<'_, '_>) -> Option<Vec<u8>> {
    if let Some(bytes) = message.bytes(55) {
        return Some(bytes.to_vec());
    }
    let text = message.text(55)?;
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    pairs.map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

/// Four digits as a number, without the repeat bit.
fn mti_number(mti: Mti) -> u16 {
    let digits = mti.to_ascii().map(|digit| u16::from(digit - b'0'));
    digits[0] * 1_000 + digits[1] * 100 + digits[2] * 10 + (digits[3] & !1)
}

fn number(message: &Message<'_, '_>, de: De) -> Result<Option<u64>, AnswerError> {
    if !message.has(de) {
        return Ok(None);
    }
    message.number(de).map(Some).ok_or(AnswerError::Malformed(de))
}

/// An element of characters; blanks are as good as nothing.
fn characters<T, E>(
    message: &Message<'_, '_>,
    de: De,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, AnswerError> {
    match message.text(de) {
        Some(text) if !text.trim_ascii().is_empty() => {
            parse(text.as_bytes()).map(Some).map_err(|_| AnswerError::Malformed(de))
        }
        Some(_) | None => Ok(None),
    }
}

/// The first available balance (amount type 02) of DE 54: account type 2, amount type 2, currency 3, C or D,
/// amount 12.
fn balance(message: &Message<'_, '_>) -> Option<(Amount, bool)> {
    let text = message.text(54)?;
    let mut balances = text.as_bytes().chunks_exact(BALANCE_CHARACTERS).take(BALANCES_MAX);
    let available = balances.find(|balance| balance[2..4] == *b"02")?;
    let currency = Currency::from_numeric(decimal(&available[4..7])?)?;
    let in_credit = match available[7] {
        b'C' => true,
        b'D' => false,
        _ => return None,
    };
    Some((Amount::new(decimal(&available[8..20])?, currency), in_credit))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
