//! How a message names an earlier one: DE 90 in 1987, DE 56 since 1993.
//!
//! | edition | element | digits |
//! |---|---|---|
//! | 1987 | 90 | MTI 4, DE 11 6, DE 7 10, DE 32 11, DE 33 11; right-justified and zero-filled |
//! | 1993 | 56 | MTI 4, DE 11 6, DE 12 12, length of DE 32 2, DE 32 |
//! | 2003 | 56 | MTI 4, DE 11 12, DE 12 14, DE 32 |

use super::edition::Edition;
use super::time::{LOCAL_DIGITS_MAX, dated};
use switchyard_domain::{AcquirerId, Stan, Timestamp, UtcOffset};
use switchyard_wire::{BuildError, Builder, De, Message, Mti};

/// Digits of an institution in DE 90.
const INSTITUTION_DIGITS: usize = 11;
const DIGITS_MAX: usize = 42;

/// An earlier message, as a later one names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    /// Three digits, without the repeat bit.
    pub(super) mti: u16,
    /// DE 11.
    pub(super) stan: Stan,
    /// DE 7 in 1987, DE 12 since 1993.
    pub(super) moment: u64,
}

/// The element.
pub(super) fn element(edition: Edition) -> De {
    if edition.is_first() { 90 } else { 56 }
}

/// Writes the element for a message of ours.
pub(super) fn write(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    (mti, stan, at): (u16, Stan, Timestamp),
    acquirer: &AcquirerId,
    offset: UtcOffset,
) -> Result<(), BuildError> {
    let mut text = [0; DIGITS_MAX];
    let mut out = Digits { text: &mut text, len: 0 };
    out.put(&edition.mti(mti).to_ascii());
    let acquirer = acquirer.as_str().as_bytes();
    if edition == Edition::Iso2003 {
        out.put(b"000000");
    }
    out.put(&stan.digits());
    if edition.is_first() {
        out.put(&at.transmission_digits());
        out.put(&b"00000000000"[acquirer.len().min(INSTITUTION_DIGITS)..]);
        out.put(acquirer);
        out.put(&[b'0'; INSTITUTION_DIGITS]);
    } else {
        let mut digits = [0; LOCAL_DIGITS_MAX];
        out.put(dated(&mut digits, edition, at, offset));
        if edition == Edition::Iso93 {
            let len = acquirer.len() as u8;
            out.put(&[b'0' + len / 10, b'0' + len % 10]);
        }
        out.put(acquirer);
    }
    let len = out.len;
    builder.digits(element(edition), &text[..len]).map(|_| ())
}

/// Appends digits, as far as there is room.
struct Digits<'a> {
    text: &'a mut [u8],
    len: usize,
}
impl Digits<'_> {
    fn put(&mut self, digits: &[u8]) {
        if let Some(room) = self.text.get_mut(self.len..self.len + digits.len()) {
            room.copy_from_slice(digits);
            self.len += digits.len();
        }
    }
}

/// Reads the element; nothing when it is absent or says nothing.
///
/// # Errors
/// The element, when it does not name a message of this edition.
pub(super) fn read(message: &Message<'_, '_>, edition: Edition) -> Result<Option<Named>, De> {
    let de = element(edition);
    if !message.has(de) {
        return Ok(None);
    }
    let mut buffer = [0; DIGITS_MAX];
    let digits = message.digits(de, &mut buffer).ok_or(de)?;
    if digits.iter().all(|digit| *digit == b'0') {
        return Ok(None);
    }
    let (stan_digits, moment_digits) = match edition {
        Edition::Iso87 => (6, 10),
        Edition::Iso93 => (6, 12),
        Edition::Iso2003 => (12, 14),
    };
    let part = |from: usize, count: usize| {
        let digits = digits.get(from..from + count)?;
        std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
    };
    let mti = digits.get(..4).and_then(|mti| Mti::from_ascii(mti.try_into().ok()?)).ok_or(de)?;
    Ok(Some(Named {
        mti: edition.number(mti).ok_or(de)?,
        stan: part(4, stan_digits).and_then(|stan| Stan::try_from(stan).ok()).ok_or(de)?,
        moment: part(4 + stan_digits, moment_digits).ok_or(de)?,
    }))
}
