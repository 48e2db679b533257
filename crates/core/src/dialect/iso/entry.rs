//! How the card was read: DE 22. Internally it is the three digits of 1987.
//!
//! Since 1993 a code has a character a question. What the three digits say is translated; the rest is written as
//! unknown. For the sixteen bytes of 2003, which networks lay out in their own ways, the first byte holds the way of
//! reading as a bit and the fifth whether a PIN was entered.

use super::edition::Edition;
use switchyard_wire::typed::{Field as _, PosEntry};
use switchyard_wire::{BuildError, Builder, De, Message};

/// Entry modes of 1987, the input mode of 1993 (position 7), the bit of 2003.
const MODES: &[(u16, u8, u8)] = &[
    (0, b'0', 0),
    (1, b'1', 2),
    (2, b'2', 4),
    (3, b'3', 3),
    (4, b'4', 6),
    (5, b'5', 5),
    (6, b'6', 2),
    (7, b'M', 1),
    (10, b'L', 6),
    (81, b'S', 6),
    (90, b'B', 4),
    (91, b'A', 1),
    (95, b'C', 5),
];
/// Position of the input mode.
const INPUT_MODE: usize = 6;
/// Position of the cardholder's authentication: 1 is a PIN.
const AUTHENTICATION: usize = 7;
/// PIN digit of 1987: a PIN can be, or was, entered.
const PIN: u16 = 1;

/// Writes DE 22.
pub(super) fn write(builder: &mut Builder<'_, '_>, edition: Edition, mode: u16) -> Result<(), BuildError> {
    let (_, input, bit) = MODES.iter().find(|(code, ..)| *code == mode / 10).unwrap_or(&MODES[0]);
    let has_pin = mode % 10 == PIN;
    match edition {
        Edition::Iso87 => builder.number(22, u64::from(mode))?,
        Edition::Iso93 => {
            let mut code = *b"000000000000";
            code[INPUT_MODE] = *input;
            code[AUTHENTICATION] = if has_pin { b'1' } else { b'0' };
            // Typed and stored numbers come without a card.
            code[5] = if matches!(input, b'1' | b'6' | b'L' | b'S') { b'0' } else { b'1' };
            builder.text(22, &String::from_utf8_lossy(&code))?
        }
        Edition::Iso2003 => {
            let mut bits = [0; 16];
            bits[0] = 1 << bit;
            bits[4] = if has_pin { 1 << 3 } else { 1 };
            builder.bytes(22, &bits)?
        }
    };
    Ok(())
}

/// Reads DE 22; nothing when it is absent.
///
/// # Errors
/// The element, when it holds something else.
pub(super) fn read(message: &Message<'_, '_>) -> Result<Option<u16>, De> {
    let entry = PosEntry::read(message).map_err(|_| PosEntry::DE)?;
    let mode = |code: u16, has_pin: bool| code * 10 + if has_pin { PIN } else { 2 };
    Ok(entry.map(|entry| match entry {
        PosEntry::Mode(entry) => u16::from(entry.pan.code()) * 10 + u16::from(entry.pin),
        PosEntry::Data(code) => {
            let known = MODES.iter().find(|(_, input, _)| *input == code.0[INPUT_MODE]);
            mode(known.map_or(0, |(mode, ..)| *mode), code.0[AUTHENTICATION] == b'1')
        }
        PosEntry::Bits(bits) => {
            let known = MODES.iter().find(|(_, _, bit)| bits[0] & 1 << bit != 0);
            mode(known.map_or(0, |(mode, ..)| *mode), bits[4] & 1 << 3 != 0)
        }
    }))
}
