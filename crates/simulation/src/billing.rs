//! What issuers are told of their cardholders' billing, read off the wire and held against what went before. In integers, and
//! apart from the switch's own conversion.

use crate::check::{Checked, ensure};
use std::collections::BTreeMap;
use switchyard_domain::Currency;
use switchyard_wire::{Message, MtiClass, MtiVersion};

/// First number of eight digits: behind the places in DE 10 stand seven digits.
const PLACE: u64 = 10_000_000;
/// Parts in a million.
const MILLION: u64 = 1_000_000;

/// DE 6, 10 and 51.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Billed {
    minor: u64,
    rate: u64,
    currency: Currency,
}

/// What every message of an issuer's links said.
#[derive(Debug, Default)]
pub(crate) struct Billings {
    /// By reference: its request, repeats and reversals.
    by_reference: BTreeMap<String, Option<Billed>>,
    /// As a later message names it.
    by_name: BTreeMap<String, Option<Billed>>,
}

impl Billings {
    /// Holds a message to what its transaction said before, to its original, or to the rates that were ordered. Nothing
    /// is billed in another currency on a link where `bills_in` is none.
    pub(crate) fn check(
        &mut self,
        message: &Message<'_, '_>,
        bills_in: Option<Currency>,
        rates: &[u64],
    ) -> Checked {
        let moves = matches!(message.mti().class(), MtiClass::Authorization | MtiClass::Financial);
        if !moves && message.mti().class() != MtiClass::Reversal {
            return Ok(());
        }
        let Some(reference) = message.text(37).map(|text| text.into_owned()) else { return Ok(()) };
        let (asked, billed) = (amount(message, 4, 49), billed(message));
        let adds_up = billed.as_ref().is_none_or(|billed| {
            asked.is_some_and(|asked| converted(asked, billed.rate, billed.currency) == Some(billed.minor))
        });
        ensure(adds_up, "DE 6 is DE 4 times DE 10", || format!("{asked:?} is {billed:?}"))?;
        if let Some(first) = self.by_reference.get(&reference) {
            // A part that is taken back is billed as a part of the whole, which may come to nothing in the other currency.
            if is_of_part(message) {
                let terms = |billed: &Billed| (billed.rate, billed.currency);
                let same = billed.is_none() || first.as_ref().map(terms) == billed.as_ref().map(terms);
                return ensure(same, "billing stays as it was", || {
                    format!("{reference} was {first:?}, its part is {billed:?}")
                });
            }
            return ensure(*first == billed, "billing stays as it was", || {
                format!("{reference} was {first:?}, is {billed:?}")
            });
        }
        if moves {
            let original = named(message).and_then(|name| self.by_name.get(&name));
            self.hold_to(original, asked, billed.as_ref(), message, (bills_in, rates))?;
            self.by_name.extend(name(message).map(|name| (name, billed.clone())));
        }
        self.by_reference.insert(reference, billed);
        Ok(())
    }

    /// What follows another is billed as that one was; what is new, by a rate that was ordered.
    fn hold_to(
        &self,
        original: Option<&Option<Billed>>,
        asked: Option<(Currency, u64)>,
        billed: Option<&Billed>,
        message: &Message<'_, '_>,
        (bills_in, rates): (Option<Currency>, &[u64]),
    ) -> Checked {
        if let Some(original) = original {
            let terms = |billed: &Billed| (billed.rate, billed.currency);
            // What comes to nothing in the other currency is told without.
            let vanishes = original.as_ref().is_some_and(|original| {
                asked.is_some_and(|asked| converted(asked, original.rate, original.currency) == Some(0))
            });
            let same = original.as_ref().map(terms) == billed.map(terms) || (billed.is_none() && vanishes);
            return ensure(same, "what follows is billed as its original", || {
                format!("{original:?}, then {billed:?}")
            });
        }
        // Whose original never arrived here says nothing about rates of today.
        if named(message).is_some() {
            return Ok(());
        }
        let right = match (billed, bills_in) {
            (Some(billed), Some(currency)) => billed.currency == currency && rates.contains(&billed.rate),
            (Some(_), None) => false,
            // An inquiry, or less than the smallest unit.
            (None, Some(currency)) => asked
                .is_none_or(|asked| rates.iter().any(|rate| converted(asked, *rate, currency) == Some(0))),
            (None, None) => true,
        };
        ensure(right, "billing follows the rates", || {
            format!("{asked:?} is billed {billed:?}, rates {rates:?}")
        })
    }
}

/// Whether a reversal takes back a part and has the rest in DE 4, as it is since 1993; in 1987 DE 4 stays the whole.
fn is_of_part(message: &Message<'_, '_>) -> bool {
    message.mti().class() == MtiClass::Reversal && message.number(24) == Some(401)
}

/// DE 6, 10 and 51 of a message.
fn billed(message: &Message<'_, '_>) -> Option<Billed> {
    let (currency, minor) = amount(message, 6, 51)?;
    Some(Billed { minor, rate: message.number(10)?, currency })
}

/// An amount and its currency, which stands in another element before 2003.
pub(crate) fn amount(message: &Message<'_, '_>, de: u8, currency: u8) -> Option<(Currency, u64)> {
    let text = message.text(de)?;
    let (code, minor) = if message.mti().version() == MtiVersion::Iso2003 {
        (text.get(..3)?.to_owned(), text.get(4..)?)
    } else {
        (message.text(currency)?.into_owned(), &*text)
    };
    Some((Currency::from_numeric(code.parse().ok()?)?, minor.parse().ok()?))
}

/// An amount times a rate as DE 10 has it, half to even.
pub(crate) fn converted((from, minor): (Currency, u64), rate: u64, to: Currency) -> Option<u64> {
    let numerator = u128::from(minor) * u128::from(rate % PLACE) * 10_u128.pow(to.exponent());
    let denominator = 10_u128.checked_pow(u32::try_from(rate / PLACE).ok()? + from.exponent())?;
    u64::try_from(half_even(numerator, denominator)).ok()
}

/// A rate of this many digits behind the point with its mark-up, as DE 10 has it: seven digits, half to even.
pub(crate) fn marked_up(digits: u64, places: u32, ppm: u32) -> u64 {
    let (mut digits, mut places) = (u128::from(digits) * u128::from(MILLION + u64::from(ppm)), places + 6);
    while digits >= u128::from(PLACE) {
        let surplus = digits.ilog10() - 6;
        digits = half_even(digits, 10_u128.pow(surplus));
        places -= surplus;
    }
    while places > 0 && digits.is_multiple_of(10) {
        (digits, places) = (digits / 10, places - 1);
    }
    u64::from(places) * PLACE + digits as u64
}

fn half_even(numerator: u128, denominator: u128) -> u128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator * 2);
    let up = rest > denominator || (rest == denominator && !whole.is_multiple_of(2));
    whole + u128::from(up)
}

/// By what later messages name this one: its type, DE 11, and DE 7 or, since 1993, DE 12.
fn name(message: &Message<'_, '_>) -> Option<String> {
    let mti = message.mti().as_u16() & 0xFFFE;
    let moment = if message.mti().version() == MtiVersion::Iso1987 { 7 } else { 12 };
    Some(format!("{mti:04x}{}{}", digits(message, 11)?, digits(message, moment)?))
}

/// The message that this one names, in the same form.
fn named(message: &Message<'_, '_>) -> Option<String> {
    let (de, length) = match message.mti().version() {
        MtiVersion::Iso1987 => (90, 20),
        MtiVersion::Iso1993 => (56, 22),
        MtiVersion::Iso2003 | MtiVersion::Other(_) => (56, 30),
    };
    digits(message, de)?.get(..length).map(str::to_owned)
}

fn digits(message: &Message<'_, '_>, de: u8) -> Option<String> {
    let mut buffer = [0; 48];
    String::from_utf8(message.digits(de, &mut buffer)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_amounts_are_rounded_half_to_even() {
        for (digits, places, ppm, de10) in [
            (1_389, 4, 0, 40_001_389),
            (1_389, 4, 15_000, 71_409_835),
            (21_500, 3, 0, 10_000_215),
            (9_999_999, 6, 1, 50_000_000 + 1_000_001),
        ] {
            assert_eq!(marked_up(digits, places, ppm), de10, "{digits} {places} {ppm}");
        }
        for (minor, rate, to, billed) in [
            (12_345, 40_001_389, Currency::USD, 1_715),
            (3, 40_001_389, Currency::USD, 0),
            (100, 10_000_215, Currency::JPY, 22),
            (500, 10_000_005, Currency::JPY, 2),
        ] {
            assert_eq!(converted((Currency::CNY, minor), rate, to), Some(billed), "{minor} {rate}");
        }
    }
}
