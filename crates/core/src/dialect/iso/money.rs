//! Amounts: DE 4 with its currency, and balances in DE 54.

use super::edition::Edition;
use crate::input::IssuersBilling;
use switchyard_domain::{Amount, Billing, ConversionRate, Currency};
use switchyard_wire::{BuildError, Builder, De, Message, typed};

/// DE 54 holds at most this many amounts.
const AMOUNTS_MAX: usize = 6;
/// Amount type: available balance.
pub(super) const AVAILABLE: &[u8; 2] = b"02";
/// Amount type: the part of an amount that is a tip.
pub(super) const TIP: &[u8; 2] = b"44";
/// Most minor units in twelve digits.
const MINOR_MAX: u64 = 999_999_999_999;

/// Writes DE 4. In 2003 it holds the currency and its exponent too.
pub(super) fn write_amount(builder: &mut Builder<'_, '_>, amount: Amount) -> Result<(), BuildError> {
    write_amount_at(builder, 4, amount)
}

fn write_amount_at(builder: &mut Builder<'_, '_>, de: De, amount: Amount) -> Result<(), BuildError> {
    let currency = typed::Currency::new(amount.currency.numeric());
    let exponent = u8::try_from(amount.currency.exponent()).ok();
    typed::Amount { minor: amount.minor, currency, exponent }.write_at(builder, de)
}

/// Writes DE 6, which has its place behind DE 4.
pub(super) fn write_billed(
    builder: &mut Builder<'_, '_>,
    billing: Option<&Billing>,
) -> Result<(), BuildError> {
    billing.map_or(Ok(()), |billing| write_amount_at(builder, 6, billing.amount))
}

/// Writes DE 10, behind DE 7.
pub(super) fn write_rate(builder: &mut Builder<'_, '_>, billing: Option<&Billing>) -> Result<(), BuildError> {
    let Some(billing) = billing else { return Ok(()) };
    builder.number(10, u64::from(billing.rate.de10())).map(|_| ())
}

/// Writes DE 16, `MMDD` in every edition.
pub(super) fn write_rate_day(
    builder: &mut Builder<'_, '_>,
    billing: Option<&Billing>,
) -> Result<(), BuildError> {
    let Some(billing) = billing else { return Ok(()) };
    builder.digits(16, &billing.rate_day.month_day_digits()).map(|_| ())
}

/// Writes DE 51 where the edition has a currency there.
pub(super) fn write_billing_currency(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    billing: Option<&Billing>,
) -> Result<(), BuildError> {
    match (billing, edition) {
        (Some(billing), Edition::Iso87 | Edition::Iso93) => {
            builder.text(51, &String::from_utf8_lossy(&billing.amount.currency.digits())).map(|_| ())
        }
        (Some(_), Edition::Iso2003) | (None, _) => Ok(()),
    }
}

/// What an answer says of the cardholder's billing.
///
/// # Errors
/// The element that is malformed.
pub(super) fn read_billing(message: &Message<'_, '_>, edition: Edition) -> Result<IssuersBilling, De> {
    let amount = typed::Amount::read_at(message, 6).map_err(|_| 6)?;
    let rate = match message.has(10) {
        true => Some(message.number(10).and_then(ConversionRate::from_de10).ok_or(10)?),
        false => None,
    };
    let currency = match edition {
        Edition::Iso87 | Edition::Iso93 => currency_at(message, 51)?,
        Edition::Iso2003 => currency_at(message, 6)?,
    };
    Ok(IssuersBilling { minor: amount.map(|amount| amount.minor), currency, rate })
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

/// Writes DE 30, where later editions have what was asked for at first beside what came of it; nothing for the
/// reconciliation.
pub(super) fn write_original_amount(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    asked: Amount,
) -> Result<(), BuildError> {
    let text = match edition {
        Edition::Iso87 => return Ok(()),
        Edition::Iso93 => format!("{:012}{:012}", asked.minor, 0),
        Edition::Iso2003 => {
            let (code, exponent) = (asked.currency.numeric(), asked.currency.exponent());
            format!("{code:03}{exponent}{:012}{:016}", asked.minor, 0)
        }
    };
    builder.digits(30, text.as_bytes()).map(|_| ())
}

/// Reads what was asked for at first out of DE 30; `currency` is that of DE 4.
///
/// # Errors
/// The element, where it is malformed or in another currency.
pub(super) fn read_original_amount(
    message: &Message<'_, '_>,
    edition: Edition,
    currency: Currency,
) -> Result<Option<Amount>, De> {
    if !message.has(30) {
        return Ok(None);
    }
    let mut buffer = [0; 32];
    let digits = message.digits(30, &mut buffer).ok_or(30)?;
    let minor = match edition {
        Edition::Iso2003 if currency_at(message, 30)? != Some(currency) => return Err(30),
        Edition::Iso2003 => digits.get(4..16),
        Edition::Iso87 | Edition::Iso93 => digits.get(..12),
    };
    let minor = minor.and_then(decimal).ok_or(30)?;
    Ok(Some(Amount::new(minor, currency)))
}

/// Writes DE 95 of 1987: what stands, and nothing about settlement and fees.
pub(super) fn write_replacement(builder: &mut Builder<'_, '_>, stands: Amount) -> Result<(), BuildError> {
    builder.text(95, &format!("{:012}{:012}C{:08}C{:08}", stands.minor, 0, 0, 0)).map(|_| ())
}

/// Reads what stands out of DE 95 of 1987: minor units, zero where nothing does.
///
/// # Errors
/// The element, where it is malformed.
pub(super) fn read_replacement(message: &Message<'_, '_>) -> Result<Option<u64>, De> {
    if !message.has(95) {
        return Ok(None);
    }
    let text = message.text(95).ok_or(95)?;
    text.as_bytes().get(..12).and_then(decimal).map(Some).ok_or(95)
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
    currency_at(message, de)
}

/// The currency that an element is, or begins with.
fn currency_at(message: &Message<'_, '_>, de: De) -> Result<Option<Currency>, De> {
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

/// What a request names in DE 54 of an amount type, whatever its sign; nothing where it names none.
///
/// # Errors
/// The element, where it is not made of whole amounts or names the type twice.
pub(super) fn part(
    message: &Message<'_, '_>,
    edition: Edition,
    kind: &[u8; 2],
) -> Result<Option<Amount>, De> {
    if !message.has(54) {
        return Ok(None);
    }
    let text = message.text(54).ok_or(54)?;
    let exponent_digits = usize::from(edition == Edition::Iso2003);
    let amounts = text.trim_end_matches(' ').as_bytes().chunks_exact(20 + exponent_digits);
    if !amounts.remainder().is_empty() || amounts.len() > AMOUNTS_MAX {
        return Err(54);
    }
    let mut named = amounts.filter(|amount| amount[2..4] == *kind);
    let Some(first) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(54);
    }
    let currency = decimal(&first[4..7]).and_then(Currency::from_numeric).ok_or(54)?;
    let (sign, minor) = first[7 + exponent_digits..].split_first().ok_or(54)?;
    let minor = decimal(minor).filter(|_| matches!(sign, b'C' | b'D')).ok_or(54)?;
    Ok(Some(Amount::new(minor, currency)))
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
