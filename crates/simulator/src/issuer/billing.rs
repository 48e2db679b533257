//! Whether what a request says of the cardholder's billing adds up: DE 6 is DE 4 times DE 10. In integers, and apart from
//! the switch's own conversion, so that one is the other's test.

use switchyard_domain::Currency;
use switchyard_wire::{De, Message, MtiVersion};

/// First number of eight digits.
const PLACE: u64 = 10_000_000;

/// Whether DE 6, 10 and 51 are absent, or fit DE 4.
pub(super) fn adds_up(message: &Message<'_, '_>) -> bool {
    let is_2003 = message.mti().version() == MtiVersion::Iso2003;
    let billing = if is_2003 { [6, 10, 16].as_slice() } else { &[6, 10, 16, 51] };
    let there = billing.iter().filter(|de| message.has(**de)).count();
    there == 0 || (there == billing.len() && converted(message, is_2003).is_some_and(|fits| fits))
}

fn converted(message: &Message<'_, '_>, is_2003: bool) -> Option<bool> {
    let (from, base) = amount(message, 4, 49, is_2003)?;
    let (to, billed) = amount(message, 6, 51, is_2003)?;
    let rate = message.number(10)?;
    let numerator = u128::from(base) * u128::from(rate % PLACE) * 10_u128.pow(to.exponent());
    let places = u32::try_from(rate / PLACE).ok()? + from.exponent();
    let denominator = 10_u128.checked_pow(places)?;
    // Half to even: the even one of two neighbours that are equally near.
    let (whole, rest) = (numerator / denominator, numerator % denominator * 2);
    let up = rest > denominator || (rest == denominator && whole % 2 == 1);
    Some(whole + u128::from(up) == u128::from(billed))
}

/// An amount and its currency, which stands in another element before 2003.
fn amount(message: &Message<'_, '_>, de: De, currency: De, is_2003: bool) -> Option<(Currency, u64)> {
    let text = message.text(de)?;
    let (code, minor) = if is_2003 {
        (text.get(..3)?.to_owned(), text.get(4..)?)
    } else {
        (message.text(currency)?.into_owned(), &*text)
    };
    Some((Currency::from_numeric(code.parse().ok()?)?, minor.parse().ok()?))
}
