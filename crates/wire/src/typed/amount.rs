//! Amounts.

use super::{CHARACTERS_MAX, Currency, Field, FieldError, digits, fixed_units, no_room, wrong};
use crate::{BuildError, Builder, De, Message};

/// Digits of an amount that holds its currency and exponent: 2003 and later.
const WITH_CURRENCY: usize = 16;

/// An amount in the smallest unit of its currency (element 4).
///
/// Wire shape: `n12` before 2003, and the currency is element 49; from 2003 on `n16`: currency, exponent, amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// In minor units: cents, fen.
    pub minor: u64,
    /// The currency, where the message says.
    pub currency: Option<Currency>,
    /// Digits after the point, where the element itself says (2003).
    pub exponent: Option<u8>,
}

/// An amount with a side, class `x+n`: fees and net amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAmount {
    /// `C` rather than `D`.
    pub is_credit: bool,
    /// In minor units.
    pub minor: u64,
}

impl Amount {
    /// An amount whose currency stands elsewhere.
    pub const fn of(minor: u64) -> Self {
        Self { minor, currency: None, exponent: None }
    }

    /// Reads the amount in another element than 4: 5, 6, 8.
    ///
    /// # Errors
    /// [`FieldError`] when the element does not hold an amount.
    pub fn read_at(message: &Message<'_, '_>, de: De) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "an amount";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(digits) = digits(message, de, &mut buf, EXPECTED)? else { return Ok(None) };
        let number = |digits: &[u8]| digits.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0'));
        // Longer ones are another form of amount, and would not fit the number either.
        if digits.len() > WITH_CURRENCY {
            return Err(wrong(de, EXPECTED));
        }
        let has_currency = matches!(de, 4..=6) && digits.len() == WITH_CURRENCY;
        let (currency, exponent, minor) = match digits.split_at_checked(4) {
            Some(([currency @ .., exponent], minor)) if has_currency => {
                (Currency::new(number(currency) as u16), Some(exponent - b'0'), number(minor))
            }
            _ => (None, None, number(digits)),
        };
        Ok(Some(Self { minor, currency, exponent }))
    }

    /// Writes it into another element than 4.
    ///
    /// # Errors
    /// As [`Field::write`].
    pub fn write_at(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        let width = fixed_units(builder.dialect(), de);
        if !matches!(de, 4..=6) || width != Some(WITH_CURRENCY as u32) {
            builder.number(de, self.minor)?;
            return Ok(());
        }
        let (Some(currency), Some(exponent)) = (self.currency, self.exponent.filter(|digit| *digit <= 9))
        else {
            return Err(no_room(builder, de, "an amount without currency and exponent"));
        };
        if self.minor > 999_999_999_999 {
            let (length, max) = (WITH_CURRENCY + 1, WITH_CURRENCY);
            return Err(BuildError::TooLong { de, length, max });
        }
        let head = u64::from(currency.number()) * 10 + u64::from(exponent);
        builder.number(de, head * 1_000_000_000_000 + self.minor)?;
        Ok(())
    }
}

impl Field for Amount {
    const DE: De = 4;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        let Some(amount) = Self::read_at(message, Self::DE)? else { return Ok(None) };
        // In 2003 element 49 is something else.
        let currency = match amount.exponent {
            Some(_) => amount.currency,
            None => message.field::<Currency>()?,
        };
        Ok(Some(Self { currency, ..amount }))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        self.write_at(builder, Self::DE)
    }
}

impl SignedAmount {
    /// Reads an element of class `x+n`: 28 to 31 and 97 of 1987.
    ///
    /// # Errors
    /// [`FieldError`] when the element has no sign, or is no amount.
    pub fn read_at(message: &Message<'_, '_>, de: De) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "C or D and an amount";
        if !message.has(de) {
            return Ok(None);
        }
        let mut buf = [0; CHARACTERS_MAX];
        let value = message.digits(de, &mut buf).ok_or(wrong(de, EXPECTED))?;
        let (is_credit, digits) = match value {
            [b'C', digits @ ..] => (true, digits),
            [b'D', digits @ ..] => (false, digits),
            _ => return Err(wrong(de, EXPECTED)),
        };
        let minor = digits.iter().try_fold(0u64, |minor, digit| {
            let digit = digit.wrapping_sub(b'0');
            minor.checked_mul(10)?.checked_add(u64::from(digit)).filter(|_| digit <= 9)
        });
        Ok(Some(Self { is_credit, minor: minor.ok_or(wrong(de, EXPECTED))? }))
    }

    /// Writes it into a fixed element of class `x+n`.
    ///
    /// # Errors
    /// As [`Builder::digits`].
    pub fn write_at(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        let width = fixed_units(builder.dialect(), de).map_or(1, |units| units as usize);
        let mut buf = [b'0'; CHARACTERS_MAX];
        let mut at = CHARACTERS_MAX;
        let mut rest = self.minor;
        while rest > 0 {
            at -= 1;
            buf[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        // The sign counts in the length.
        let start = at.min(CHARACTERS_MAX.saturating_sub(width) + 1) - 1;
        buf[start] = if self.is_credit { b'C' } else { b'D' };
        builder.digits(de, &buf[start..])?;
        Ok(())
    }
}
