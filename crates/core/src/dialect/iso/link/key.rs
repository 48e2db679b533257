//! PIN keys over a link: DE 120 of 1987 has text, DE 96 since 1993 has bytes.
//!
//! | what | 1987, DE 120 | 1993 and 2003, DE 96 |
//! |---|---|---|
//! | a triple DES key of double length in ECB | 32 hexadecimal digits | 16 bytes |
//! | and its check value behind it | 6 hexadecimal digits | 3 bytes |
//! | or a TR-31 key block | its characters | its characters, ASCII |
//!
//! Which of the two it is its length says: no key block is as short as a key and its check value.

use super::network::KEY_CHANGE;
use super::read::network_code;
use super::write::edition_of;
use crate::dialect::iso::{Edition, result};
use crate::link_key::{KeyBrought, KeyCargo, KeyFault};
use std::ops::Range;
use switchyard_domain::{KeyMessage, ResponseCode};
use switchyard_wire::{BuildError, De, Dialect, Message, MtiClass};

/// A network request, in the core's numbers, and its answer.
const REQUEST: u16 = 800;
const ANSWER: u16 = 810;
const KEY_BYTES: usize = 16;
const CHECK_BYTES: usize = 3;
const CARGO_BYTES: usize = KEY_BYTES + CHECK_BYTES;
/// Bytes at the end of what came, by which a message is known again: the last block of a key, or of a block's MAC.
const MARK_BYTES: usize = 8;

/// The element that a key stands in.
pub fn key_element(edition: Edition) -> De {
    if edition.is_first() { 120 } else { 96 }
}

/// The key that a host brings; nothing for a message that is no request about keys.
pub fn read_key(message: &Message<'_, '_>) -> Option<KeyBrought> {
    let edition = Edition::of(message.dialect())?;
    let mti = message.mti();
    let asks = !mti.is_response() && edition.number(mti) == Some(REQUEST);
    if !asks || network_code(message, edition).ok().flatten() != Some(KEY_CHANGE) {
        return None;
    }
    let mut buffer = [0; 10];
    let transmitted = message.digits(7, &mut buffer).and_then(|digits| <[u8; 10]>::try_from(digits).ok());
    let bytes = carried(message, edition);
    let mark = bytes.as_deref().and_then(|bytes| bytes.last_chunk::<MARK_BYTES>().copied());
    // Without a number there is nothing that an answer could be known by; the answer repeats what is there.
    let stan = message.number(11)?;
    let message = KeyMessage { stan, transmitted, mark: mark.unwrap_or_default() };
    Some(KeyBrought { message, cargo: bytes.map_or(Err(KeyFault::Absent), |bytes| cargo(&bytes)) })
}

/// The key in an answer to the switch; nothing where there is none.
pub(super) fn answered_key(
    message: &Message<'_, '_>,
    edition: Edition,
) -> Option<Result<KeyCargo, KeyFault>> {
    if network_code(message, edition).ok().flatten() != Some(KEY_CHANGE) {
        return None;
    }
    carried(message, edition).map(|bytes| cargo(&bytes))
}

/// What stands in the element: bytes, as they are since 1993, in 1987 out of digits where it is a key in ECB.
fn carried(message: &Message<'_, '_>, edition: Edition) -> Option<Vec<u8>> {
    let element = key_element(edition);
    if !edition.is_first() {
        return message.bytes_owned(element).map(|bytes| bytes.to_vec());
    }
    let text = message.text(element)?.trim_end().to_owned();
    let is_ecb = text.len() == 2 * CARGO_BYTES;
    let bytes = is_ecb.then(|| from_hex(text.as_bytes())).flatten();
    Some(bytes.unwrap_or_else(|| text.into_bytes()))
}

fn cargo(bytes: &[u8]) -> Result<KeyCargo, KeyFault> {
    if let [wrapped @ .., a, b, c] = bytes
        && let Ok(wrapped) = <[u8; KEY_BYTES]>::try_from(wrapped)
    {
        return Ok(KeyCargo::Ecb { wrapped, check_value: [*a, *b, *c] });
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| is_block(text));
    text.map(|text| KeyCargo::Block(text.to_owned())).ok_or(KeyFault::Malformed)
}

/// Whether it begins as a TR-31 block does: a version, then its length in four digits.
fn is_block(text: &str) -> bool {
    let length = text.get(1..5).and_then(|digits| digits.parse::<usize>().ok());
    text.starts_with(['A', 'B', 'C', 'D']) && length == Some(text.len())
}

/// Answers a host that brought a key.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn write_key_answer(
    dialect: &Dialect,
    message: &KeyMessage,
    code: ResponseCode,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let edition = edition_of(dialect);
    dialect.build(out, edition.mti(ANSWER), |builder| {
        if let Some(transmitted) = &message.transmitted {
            builder.digits(7, transmitted)?;
        }
        builder.number(11, message.stan)?;
        if !edition.is_first() {
            builder.number(24, super::function::of_network(KEY_CHANGE))?;
        }
        result::write(builder, edition, MtiClass::Network, code)?;
        if edition.is_first() {
            builder.number(70, u64::from(KEY_CHANGE))?;
        }
        Ok(())
    })
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::iso::link::{answer_network, function, read_answer};
    use switchyard_wire::Mti;

    const EDITIONS: [&str; 8] = [
        "iso87-ascii",
        "iso87-ascii-binbitmap",
        "iso87-binary",
        "iso87-ebcdic",
        "iso93-ascii",
        "iso93-binary",
        "iso2003-ascii",
        "iso2003-binary",
    ];
    const BLOCK: &str = "B0080P0TB00N0000EB6F8F6B0B5A4C5D8E7F9A1B2C3D4E5F60718293A4B5C6D7E8F9A0B1C2D3E4F5";

    /// A message about a key, as a host of this edition would send it.
    fn network(dialect: &Dialect, number: u16, key: Option<&[u8]>) -> Vec<u8> {
        let edition = Edition::of(dialect).unwrap();
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, edition.mti(number));
        builder.digits(7, b"1123085500").unwrap().number(11, 77).unwrap();
        if !edition.is_first() {
            builder.number(24, function::of_network(KEY_CHANGE)).unwrap();
        }
        if number == ANSWER {
            result::write(&mut builder, edition, MtiClass::Network, ResponseCode::APPROVED).unwrap();
        }
        if edition.is_first() {
            builder.number(70, u64::from(KEY_CHANGE)).unwrap();
            if let Some(key) = key {
                builder.text(120, std::str::from_utf8(key).unwrap()).unwrap();
            }
        } else if let Some(key) = key {
            builder.bytes(96, key).unwrap();
        }
        builder.finish().unwrap();
        body
    }

    #[test]
    fn keys_come_in_two_layouts_in_every_edition() {
        let bytes: Vec<u8> = (0..19).map(|byte| byte * 13).collect();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let ecb = KeyCargo::Ecb {
            wrapped: bytes[..16].try_into().unwrap(),
            check_value: bytes[16..].try_into().unwrap(),
        };
        let block = KeyCargo::Block(BLOCK.to_owned());
        for name in EDITIONS {
            let dialect = Dialect::builtin(name).unwrap();
            let is_first = Edition::of(dialect).unwrap().is_first();
            let as_ecb = if is_first { digits.as_bytes() } else { &bytes[..] };
            let table = [
                (Some(as_ecb), Ok(ecb.clone())),
                (Some(BLOCK.as_bytes()), Ok(block.clone())),
                (None, Err(KeyFault::Absent)),
                (Some(&b"0123456789ABCDEF"[..]), Err(KeyFault::Malformed)),
                (Some(&BLOCK.as_bytes()[..79]), Err(KeyFault::Malformed)),
                (Some(&b"X0011234567"[..]), Err(KeyFault::Malformed)),
            ];
            for (key, expected) in table {
                let asked = network(dialect, REQUEST, key);
                let brought = read_key(&dialect.parse(&asked).unwrap()).unwrap();
                assert_eq!(brought.cargo, expected, "{name}");
                assert_eq!((brought.message.stan, brought.message.transmitted), (77, Some(*b"1123085500")));
                let answered = network(dialect, ANSWER, key);
                let answer = read_answer(&dialect.parse(&answered).unwrap()).unwrap();
                assert_eq!(answer.key, key.map(|_| expected), "{name}");
            }
        }
    }

    #[test]
    fn what_brings_a_key_is_answered_and_nothing_else_is_taken_for_it() {
        for name in EDITIONS {
            let dialect = Dialect::builtin(name).unwrap();
            let asked = network(dialect, REQUEST, None);
            let question = dialect.parse(&asked).unwrap();
            let KeyBrought { message, .. } = read_key(&question).unwrap();
            for (code, read) in [(ResponseCode::APPROVED, "00"), (KeyFault::Malformed.code(), "30")] {
                let mut out = Vec::new();
                write_key_answer(dialect, &message, code, &mut out).unwrap();
                let answer = read_answer(&dialect.parse(&out).unwrap()).unwrap();
                assert_eq!((answer.mti, answer.stan.map(|stan| stan.get())), (810, Some(77)));
                assert_eq!(answer.transmitted, Some(*b"1123085500"));
                assert_eq!(answer.code.map(|code| code.to_string()).as_deref(), Some(read), "{name}");
                assert_eq!((answer.network_code, answer.key), (Some(KEY_CHANGE), None));
                assert!(read_key(&dialect.parse(&out).unwrap()).is_none(), "an answer brings nothing");
            }
            let mut sign_on = Vec::new();
            let mut builder = dialect.builder(&mut sign_on, Edition::of(dialect).unwrap().mti(REQUEST));
            builder.number(11, 1).unwrap();
            builder.finish().unwrap();
            let sign_on = dialect.parse(&sign_on).unwrap();
            assert!(read_key(&sign_on).is_none());
            assert!(answer_network(&sign_on, &mut Vec::new()).is_some());
            assert_eq!(question.mti().class(), MtiClass::Network);
            assert_ne!(question.mti(), Mti::new(0));
        }
    }
}
