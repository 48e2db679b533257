//! Amounts: DE 4 with its currency, and balances in DE 54.

use super::edition::Edition;
use switchyard_domain::{Amount, Currency};
use switchyard_wire::{BuildError, Builder, De, Message, typed};

/// DE 54 holds at most this many amounts.
const AMOUNTS_MAX: usize = 6;
/// Amount type: available balance.
pub(super) const AVAILABLE: &[u8; 2] = b"02";
/// Most minor units in twelve digits.
const MINOR_MAX: u64 = 999_999_999_999;

/// Writes DE 4. In 2003 it holds the currency and its exponent too.
pub(super) fn write_amount(builder: &mut Builder<'_, '_>, amount: Amount) -> Result<(), BuildError> {
    let currency = typed::Currency::new(amount.currency.numeric());
    let exponent = u8::try_from(amount.currency.exponent()).ok();
    typed::Amount { minor: amount.minor, currency, exponent }.write_at(builder, 4)
}

/// Writes DE 49 where the edition has a currency there.
pub(super) fn write_currency(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    currency: Currency,
) -> Result<(), BuildError> {
    match edition {
        Edition::Iso87 | Edition::Iso93 => {
            builder.text(49, &String::from_utf8_lossy(&currency.digits())).map(|_| ())
        }
        Edition::Iso2003 => Ok(()),
    }
}

/// The minor units of DE 4; nothing when it is absent.
///
/// # Errors
/// The element that is malformed.
pub(super) fn read_minor(message: &Message<'_, '_>) -> Result<Option<u64>, De> {
    let amount = typed::Amount::read_at(message, 4).map_err(|_| 4)?;
    Ok(amount.map(|amount| amount.minor))
}

/// The currency of a message; nothing when it does not say it.
///
/// # Errors
/// The element that is malformed.
pub(super) fn read_currency(message: &Message<'_, '_>, edition: Edition) -> Result<Option<Currency>, De> {
    let de = if edition == Edition::Iso2003 { 4 } else { 49 };
    if !message.has(de) {
        return Ok(None);
    }
    let number = message.text(de).and_then(|text| text.get(..3)?.parse().ok()).ok_or(de)?;
    Currency::from_numeric(number).map(Some).ok_or(de)
}

/// One amount of DE 54: account type 2, amount type 2, currency 3, in 2003 exponent 1, `C` or `D`, amount 12.
pub(super) fn additional(kind: &[u8; 2], amount: Amount, in_credit: bool, edition: Edition) -> String {
    let exponent =
        if edition == Edition::Iso2003 { amount.currency.exponent().to_string() } else { String::new() };
    let (kind, sign) = (String::from_utf8_lossy(kind), if in_credit { 'C' } else { 'D' });
    format!("00{kind}{:03}{exponent}{sign}{:012}", amount.currency.numeric(), amount.minor.min(MINOR_MAX))
}

/// The first available balance of DE 54, true where it is in credit. One that cannot be read is none: nothing is
/// decided by it.
pub(super) fn balance(message: &Message<'_, '_>, edition: Edition) -> Option<(Amount, bool)> {
    let text = message.text(54)?;
    let exponent_digits = usize::from(edition == Edition::Iso2003);
    let mut amounts = text.as_bytes().chunks_exact(20 + exponent_digits).take(AMOUNTS_MAX);
    let available = amounts.find(|amount| amount[2..4] == *AVAILABLE)?;
    let currency = Currency::from_numeric(decimal(&available[4..7])?)?;
    let (sign, minor) = available[7 + exponent_digits..].split_first()?;
    let in_credit = match sign {
        b'C' => true,
        b'D' => false,
        _ => return None,
    };
    Some((Amount::new(decimal(minor)?, currency), in_credit))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
