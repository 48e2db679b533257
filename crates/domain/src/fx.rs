//! Amounts in the currency that a cardholder is billed in.
//!
//! A rate is kept in the form in which DE 10 carries it, so that what an issuer multiplies is what was multiplied here:
//! DE 4 times DE 10, rounded half to even to the minor unit of the billing currency, is DE 6, always.

use crate::currency::Currency;
use crate::money::Amount;
use crate::time::{BusinessDate, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Most pairs of currencies that have rates.
pub const RATES_MAX: usize = 1_000;
/// Most rates of a pair that are set ahead of their time.
pub const RATES_AHEAD_MAX: usize = 32;
/// Largest mark-up: a fifth. More than that is a slip of the keyboard.
pub const MARKUP_PPM_MAX: u32 = 200_000;

/// Significant digits of a rate.
const DIGITS: u32 = 7;
/// Most decimal places of a rate.
const DECIMALS_MAX: u32 = 9;
/// First number of eight digits, by which the places stand before the digits.
const PLACE: u32 = 10_000_000;

/// Why amounts cannot be converted, or a rate is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FxError {
    /// Not a number of at most seven digits and nine decimal places.
    #[error("a rate is a number above zero with at most seven significant digits and nine decimal places")]
    Rate,
    /// A mark-up beyond what is believed.
    #[error("a mark-up of {ppm} ppm is more than {MARKUP_PPM_MAX}")]
    Markup {
        /// What was asked for.
        ppm: u32,
    },
    /// A pair of one currency.
    #[error("{0} needs no rate into itself")]
    Same(Currency),
    /// A currency whose minor unit is not certain.
    #[error("currency {0} is not one that is known")]
    Unknown(Currency),
    /// An amount of another currency than the rate's.
    #[error("the amount is in {have}, the rate is from {need}")]
    Currency {
        /// The rate's.
        need: Currency,
        /// The amount's.
        have: Currency,
    },
    /// More than twelve digits of minor units.
    #[error("the converted amount has more than twelve digits")]
    Range,
    /// Less than half of a minor unit.
    #[error("the converted amount is less than the smallest unit of {0}")]
    Vanishes(Currency),
}

/// A rate between major units in the form of DE 10: one digit says how many of the seven behind it are decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversionRate(u32);

impl ConversionRate {
    /// From the eight digits of DE 10; nothing for a rate of zero.
    pub fn from_de10(digits: u64) -> Option<Self> {
        let number = u32::try_from(digits).ok().filter(|number| *number < 10 * PLACE)?;
        (number % PLACE > 0).then_some(Self(number))
    }
    /// The eight digits of DE 10 as a number.
    pub fn de10(self) -> u32 {
        self.0
    }
    /// Its value.
    pub fn value(self) -> Decimal {
        Decimal::new(i64::from(self.0 % PLACE), self.0 / PLACE)
    }

    /// Whether it is more than `times` another, or less than that share of it.
    pub fn is_beyond(self, times: u32, other: Self) -> bool {
        let (value, other, times) = (self.value(), other.value(), Decimal::from(times));
        value > other * times || other > value * times
    }

    /// The nearest rate, half to even, that DE 10 can carry.
    fn nearest(value: Decimal) -> Result<Self, FxError> {
        const HALF_EVEN: RoundingStrategy = RoundingStrategy::MidpointNearestEven;
        let rounded = value.round_sf_with_strategy(DIGITS, HALF_EVEN).ok_or(FxError::Rate)?;
        Self::exactly(rounded.round_dp_with_strategy(DECIMALS_MAX, HALF_EVEN))
    }

    /// This value, where DE 10 can carry it.
    fn exactly(value: Decimal) -> Result<Self, FxError> {
        let value = value.normalize();
        let digits = u32::try_from(value.mantissa()).map_err(|_| FxError::Rate)?;
        let fits = (1..PLACE).contains(&digits) && value.scale() <= DECIMALS_MAX;
        if fits { Ok(Self(value.scale() * PLACE + digits)) } else { Err(FxError::Rate) }
    }
}

impl FromStr for ConversionRate {
    type Err = FxError;
    fn from_str(text: &str) -> Result<Self, FxError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = Decimal::from_str_exact(text).ok().filter(|_| plain).ok_or(FxError::Rate)?;
        Self::exactly(value)
    }
}
impl fmt::Display for ConversionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value().normalize())
    }
}
impl fmt::Debug for ConversionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
/// The number for people, the digits of DE 10 for the ledger.
impl Serialize for ConversionRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}
impl<'de> Deserialize<'de> for ConversionRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        let digits = u32::deserialize(deserializer)?;
        Self::from_de10(digits.into()).ok_or_else(|| de::Error::custom(FxError::Rate))
    }
}

/// A rate between two currencies, from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRate {
    /// What a transaction is in.
    pub from: Currency,
    /// What its cardholder is billed in.
    pub to: Currency,
    /// Major units of `to` for one of `from`, before the mark-up.
    pub rate: ConversionRate,
    /// What is put on top, in millionths of the rate.
    pub markup_ppm: u32,
    /// From then on.
    pub valid_from: Timestamp,
}

impl ExchangeRate {
    /// Whether amounts can be converted by it.
    ///
    /// # Errors
    /// [`FxError::Same`], [`FxError::Unknown`], [`FxError::Markup`], and [`FxError::Rate`] where the rate with its mark-up
    /// has more digits before the point than DE 10 carries.
    pub fn check(&self) -> Result<(), FxError> {
        if self.from == self.to {
            return Err(FxError::Same(self.from));
        }
        if let Some(unknown) = [self.from, self.to].into_iter().find(|currency| !currency.is_known()) {
            return Err(FxError::Unknown(unknown));
        }
        if self.markup_ppm > MARKUP_PPM_MAX {
            return Err(FxError::Markup { ppm: self.markup_ppm });
        }
        self.billed_rate().map(|_| ())
    }

    /// The rate with the mark-up, half to even to seven digits: what DE 10 carries.
    ///
    /// # Errors
    /// [`FxError::Rate`] when DE 10 cannot carry it.
    pub fn billed_rate(&self) -> Result<ConversionRate, FxError> {
        let factor = Decimal::ONE + Decimal::new(i64::from(self.markup_ppm), 6);
        ConversionRate::nearest(self.rate.value().checked_mul(factor).ok_or(FxError::Rate)?)
    }

    /// What a cardholder would be offered: the amount by the rate alone, and as billed.
    ///
    /// # Errors
    /// [`FxError::Currency`] for an amount of another currency, and as [`convert`].
    pub fn quote(&self, base: Amount) -> Result<Quote, FxError> {
        if base.currency != self.from {
            return Err(FxError::Currency { need: self.from, have: base.currency });
        }
        let billed_rate = self.billed_rate()?;
        let unmarked = convert(base, self.rate, self.to)?;
        Ok(Quote {
            base,
            rate: self.rate,
            unmarked,
            billed_rate,
            billed: convert(base, billed_rate, self.to)?,
        })
    }
}

/// An offer to bill a cardholder in another currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What the transaction is about.
    pub base: Amount,
    /// The rate without the mark-up.
    pub rate: ConversionRate,
    /// The amount by that rate.
    pub unmarked: Amount,
    /// The rate with the mark-up.
    pub billed_rate: ConversionRate,
    /// The amount that is billed.
    pub billed: Amount,
}

/// What a message says of a cardholder's billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Billing {
    /// DE 6 and 51.
    pub amount: Amount,
    /// DE 10.
    pub rate: ConversionRate,
    /// DE 16: the day from which on the rate is valid.
    pub rate_day: BusinessDate,
}

impl Billing {
    /// What another amount of the same transaction, or of one that follows it, is billed at: the same rate.
    ///
    /// # Errors
    /// As [`convert`].
    pub fn of(&self, amount: Amount) -> Result<Self, FxError> {
        Ok(Self { amount: convert(amount, self.rate, self.amount.currency)?, ..*self })
    }
}

/// Converts by a rate between major units; rounded half to even to the minor unit of `to`, so that many small amounts do
/// not drift either way.
///
/// # Errors
/// [`FxError::Unknown`] when the minor unit of either currency is not certain, [`FxError::Range`] above
/// [`Amount::MINOR_MAX`], [`FxError::Vanishes`] when nothing is left of an amount.
pub fn convert(amount: Amount, rate: ConversionRate, to: Currency) -> Result<Amount, FxError> {
    let from = amount.currency;
    if let Some(unknown) = [from, to].into_iter().find(|currency| !currency.is_known()) {
        return Err(FxError::Unknown(unknown));
    }
    let major = Decimal::try_from_i128_with_scale(amount.minor.into(), from.exponent());
    let exact = major.ok().and_then(|major| major.checked_mul(rate.value())).ok_or(FxError::Range)?;
    let mut rounded = exact.round_dp_with_strategy(to.exponent(), RoundingStrategy::MidpointNearestEven);
    rounded.rescale(to.exponent());
    let minor = u64::try_from(rounded.mantissa()).map_err(|_| FxError::Range)?;
    if rounded.scale() != to.exponent() || minor > Amount::MINOR_MAX {
        return Err(FxError::Range);
    }
    if minor == 0 && amount.minor > 0 {
        return Err(FxError::Vanishes(to));
    }
    Ok(Amount::new(minor, to))
}
