//! Dates and times: DE 7, 12, 13 and 15.

use super::edition::Edition;
use switchyard_domain::{BusinessDate, Timestamp, UtcOffset};
use switchyard_wire::{BuildError, Builder};

/// Most digits of DE 12.
pub(super) const LOCAL_DIGITS_MAX: usize = 14;

/// DE 12 with its date, from the century on.
fn local_digits(at: Timestamp, offset: UtcOffset) -> [u8; LOCAL_DIGITS_MAX] {
    let mut out = [b'0'; LOCAL_DIGITS_MAX];
    let mut year = at.local(offset).year().unsigned_abs();
    for slot in out[..4].iter_mut().rev() {
        *slot = b'0' + (year % 10) as u8;
        year /= 10;
    }
    out[4..8].copy_from_slice(&at.local_date_digits(offset));
    out[8..].copy_from_slice(&at.local_time_digits(offset));
    out
}

/// DE 12 as the editions since 1993 have it: with its date.
pub(super) fn dated(
    digits: &mut [u8; LOCAL_DIGITS_MAX],
    edition: Edition,
    at: Timestamp,
    offset: UtcOffset,
) -> &[u8] {
    *digits = local_digits(at, offset);
    match edition {
        Edition::Iso87 => &digits[8..],
        Edition::Iso93 => &digits[2..],
        Edition::Iso2003 => &digits[..],
    }
}

/// Writes DE 12, and in 1987 DE 13.
pub(super) fn write_local(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    at: Timestamp,
    offset: UtcOffset,
) -> Result<(), BuildError> {
    let mut digits = [0; LOCAL_DIGITS_MAX];
    builder.digits(12, dated(&mut digits, edition, at, offset))?;
    if edition.is_first() {
        builder.digits(13, &at.local_date_digits(offset))?;
    }
    Ok(())
}

/// Writes DE 15.
pub(super) fn write_settlement(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    date: BusinessDate,
) -> Result<(), BuildError> {
    let civil = date.civil();
    let year = u64::from(civil.year().unsigned_abs());
    let month_day = civil.month() as u64 * 100 + civil.day() as u64;
    let number = match edition {
        Edition::Iso87 => month_day,
        Edition::Iso93 => year % 100 * 10_000 + month_day,
        Edition::Iso2003 => year * 10_000 + month_day,
    };
    builder.number(15, number).map(|_| ())
}
