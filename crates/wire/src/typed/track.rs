//! What a track says besides the card number.

use std::fmt;

use super::{CHARACTERS_MAX, FieldError, characters, digits};
use crate::dialect::{Encoding, Side};
use crate::error::BuildError;
use crate::{Builder, De, Message};

/// Track 2, track 1, and the element that has the code alone.
const TRACK_2: De = 35;
const TRACK_1: De = 45;
const SERVICE_CODE: De = 40;

/// The service code: where a card may be used, whether the issuer must be asked, and for what, three digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServiceCode([u8; 3]);

impl ServiceCode {
    /// Three ASCII digits.
    pub fn new(digits: [u8; 3]) -> Option<Self> {
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The digits in ASCII.
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }

    /// Whether the card has a chip, so that its stripe alone is a fallback: `2xx`, `6xx`.
    pub const fn has_chip(&self) -> bool {
        matches!(self.0[0], b'2' | b'6')
    }

    /// Whether it may be used abroad: `1xx`, `2xx`.
    pub const fn is_international(&self) -> bool {
        matches!(self.0[0], b'1' | b'2')
    }

    /// Whether every transaction must be asked for: `x2x`, `x4x`.
    pub const fn is_online_only(&self) -> bool {
        matches!(self.0[1], b'2' | b'4')
    }

    /// Whether a PIN is required, where the terminal has a pad for one or not: `xx0`, `xx3`, `xx5`.
    pub const fn wants_pin(&self) -> bool {
        matches!(self.0[2], b'0' | b'3' | b'5')
    }
}

impl fmt::Debug for ServiceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceCode({})", self.0.escape_ascii())
    }
}

pub(super) fn service_code(message: &Message<'_, '_>) -> Result<Option<ServiceCode>, FieldError> {
    if is_enciphered(message) {
        return Ok(None);
    }
    // A track is longer than any element that is read as a value.
    let mut buf = [0; 128];
    if let Some(code) = message.digits(TRACK_2, &mut buf).and_then(|track| after(track, b'=', 1)) {
        return Ok(Some(code));
    }
    let track_1 = characters(message, TRACK_1, &mut buf, "a track").ok().flatten();
    if let Some(code) = track_1.and_then(|track| after(track, b'^', 2)) {
        return Ok(Some(code));
    }
    let mut buf = [0; CHARACTERS_MAX];
    let digits = digits(message, SERVICE_CODE, &mut buf, "a service code")?;
    Ok(digits.and_then(|digits| digits.try_into().ok()).and_then(ServiceCode::new))
}

/// The code behind the separator of that number and four digits of expiry.
fn after(track: &[u8], separator: u8, number: usize) -> Option<ServiceCode> {
    let mut separators = track.iter().enumerate().filter(|(_, byte)| **byte == separator);
    let (at, _) = separators.nth(number - 1)?;
    let code = track.get(at + 5..)?.first_chunk::<3>()?;
    ServiceCode::new(*code)
}

/// Whether the subfield that says so, where the dialect has one, does: element 53 of terminal dialects.
fn is_enciphered(message: &Message<'_, '_>) -> bool {
    let mut subfields = message.subfields(53).filter(|(spec, _)| spec.name() == "track encryption");
    subfields.any(|(_, value)| match value {
        crate::Subvalue::Digits(digits) => digits.number() != Some(0),
        crate::Subvalue::Text(_) | crate::Subvalue::Bytes(_) | crate::Subvalue::Decoded(_) => true,
    })
}

impl Builder<'_, '_> {
    /// Writes a track that is packed already, two digits a byte: enciphered ones are no digits any more.
    ///
    /// `nibbles` says how many half bytes count, the filler of an odd number being the last. Where the dialect
    /// has the track in characters, each half byte becomes `0` to `9`, `A` to `C`, `=`, `E`, `F`.
    ///
    /// # Errors
    /// [`BuildError::TooShort`] when `nibbles` is more than the bytes hold, [`BuildError::TooLong`] when it is less
    /// than all but one, or above the element's maximum; [`BuildError::WrongKind`] for an element of another class.
    pub fn packed_track(&mut self, de: De, packed: &[u8], nibbles: usize) -> Result<&mut Self, BuildError> {
        let element = self.dialect().element(de).ok_or(BuildError::UnknownElement { de })?;
        let (class, max) = (element.class(), element.len_max());
        if class != crate::Class::Track {
            return Err(BuildError::WrongKind { de, class: class.as_str(), given: "a packed track" });
        }
        let have = packed.len() * 2;
        if nibbles > have {
            return Err(BuildError::TooShort { de, need: nibbles, have });
        }
        if nibbles.div_ceil(2) < packed.len() {
            return Err(BuildError::TooLong { de, length: have, max: nibbles });
        }
        if nibbles > max {
            return Err(BuildError::TooLong { de, length: nibbles, max });
        }
        // Packed on the wire as it is given, it is copied, filler and all.
        if element.encoding() == Encoding::Bcd
            && (nibbles.is_multiple_of(2) || element.pad.side == Side::Right)
        {
            return self.verbatim(de, nibbles, packed);
        }
        let mut digits = [0; 256];
        let Some(out) = digits.get_mut(..nibbles) else {
            return Err(BuildError::TooLong { de, length: nibbles, max: 256 });
        };
        for (index, digit) in out.iter_mut().enumerate() {
            let byte = packed[index / 2];
            let nibble = if index % 2 == 0 { byte >> 4 } else { byte & 0xF };
            *digit = b"0123456789ABC=EF"[usize::from(nibble)];
        }
        self.digits(de, out)
    }
}
