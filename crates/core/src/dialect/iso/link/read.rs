//! From an issuer's answer to the core's.

use super::function;
use super::key::answered_key;
use crate::dialect::iso::{Edition, chip, money, result, time};
use crate::input::{Answer, Echoed};
use switchyard_domain::{AuthCode, Rrn, Stan};
use switchyard_wire::{De, Message, Mti};

/// Why a message on a link is not an answer that can be used. The core does not hear of it: to the
/// transaction it is as if no answer came, and its reversal follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It asks instead of answering.
    #[error("{0} is not an answer")]
    NotAnAnswer(Mti),
    /// It is of another edition than the link's dialect.
    #[error("{0} is of another edition")]
    OtherEdition(Mti),
    /// Without this element no request can be found for it.
    #[error("de {0} is missing")]
    Missing(De),
    /// An element does not hold what it should.
    #[error("de {0} is malformed")]
    Malformed(De),
}

/// Reads an issuer's answer. A repeat bit in its MTI is dropped: 0131 answers like 0130.
///
/// # Errors
/// [`AnswerError`] for a request, for a message of another edition, for an answer that has neither DE 11 nor 37, and for
/// one whose DE 4, 6, 7, 10, 11, 37, 38, 39, 51 or 70 (24 since 1993) is malformed. A balance that cannot be read is left out:
/// nothing is decided by it.
pub fn read_answer(message: &Message<'_, '_>) -> Result<Answer, AnswerError> {
    let mti = message.mti();
    if !mti.is_response() {
        return Err(AnswerError::NotAnAnswer(mti));
    }
    let edition = Edition::of(message.dialect()).ok_or(AnswerError::OtherEdition(mti))?;
    let rrn = characters(message, 37, |bytes| Rrn::try_from(bytes))?;
    let stan =
        number(message, 11)?.map(Stan::try_from).transpose().map_err(|_| AnswerError::Malformed(11))?;
    if stan.is_none() && rrn.is_none() {
        return Err(AnswerError::Missing(11));
    }
    Ok(Answer {
        mti: edition.number(mti).ok_or(AnswerError::OtherEdition(mti))?,
        stan,
        transmitted: transmitted(message)?,
        rrn,
        echoed: echoed(message),
        amount_minor: money::read_minor(message).map_err(AnswerError::Malformed)?,
        code: result::read(message, edition).map_err(|()| AnswerError::Malformed(39))?,
        auth_code: characters(message, 38, |bytes| AuthCode::try_from(bytes))?,
        balance: money::balance(message, edition),
        network_code: network_code(message, edition)?,
        chip: chip::read(message),
        key: answered_key(message, edition),
        billing: money::read_billing(message, edition).map_err(AnswerError::Malformed)?,
    })
}

/// DE 7.
fn transmitted(message: &Message<'_, '_>) -> Result<Option<[u8; 10]>, AnswerError> {
    if !message.has(7) {
        return Ok(None);
    }
    let mut buffer = [0; 10];
    let digits = message.digits(7, &mut buffer).and_then(|digits| <[u8; 10]>::try_from(digits).ok());
    digits.map(Some).ok_or(AnswerError::Malformed(7))
}

/// What an answer repeats besides. What cannot be read is not repeated: whether that matters, the link's key says.
fn echoed(message: &Message<'_, '_>) -> Echoed {
    let mut buffer = [0; time::LOCAL_DIGITS_MAX];
    let local = message.digits(12, &mut buffer).and_then(|digits| digits.last_chunk::<6>().copied());
    let text = |de| message.text(de);
    Echoed {
        processing_code: message.number(3).and_then(|code| u32::try_from(code).ok()),
        local_time: local,
        acquirer: text(32).and_then(|text| text.trim().parse().ok()),
        terminal: text(41).and_then(|text| text.trim_end().parse().ok()),
    }
}

/// What network management is about, as DE 70 of 1987 says it.
pub(super) fn network_code(message: &Message<'_, '_>, edition: Edition) -> Result<Option<u16>, AnswerError> {
    if edition.is_first() {
        return Ok(number(message, 70)?.map(|code| code as u16));
    }
    Ok(number(message, 24)?.and_then(|code| function::network_code(code as u16)))
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
