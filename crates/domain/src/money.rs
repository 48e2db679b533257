//! Money in flight: integer minor units with their currency, checked arithmetic only.

use crate::currency::Currency;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an operation on money has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Two currencies met.
    #[error("{left} and {right} cannot be combined")]
    Currency {
        /// Currency of the left operand.
        left: Currency,
        /// Currency of the right operand.
        right: Currency,
    },
    /// The result does not fit, or would be negative.
    #[error("amount out of range")]
    Range,
}

/// An amount of money: unsigned minor units and their currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// Minor units (fen, cents).
    pub minor: u64,
    /// The currency.
    pub currency: Currency,
}

impl Amount {
    /// Largest amount that DE 4 (`n12`) carries.
    pub const MINOR_MAX: u64 = 999_999_999_999;

    /// An amount of `minor` units.
    pub fn new(minor: u64, currency: Currency) -> Self {
        Self { minor, currency }
    }
    /// Whether there is nothing in it.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }
    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] when the currencies differ, [`MoneyError::Range`] when it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        self.minor.checked_add(other.minor).map(|m| Self::new(m, self.currency)).ok_or(MoneyError::Range)
    }
    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] when the currencies differ, [`MoneyError::Range`] when it would be negative.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        self.minor.checked_sub(other.minor).map(|m| Self::new(m, self.currency)).ok_or(MoneyError::Range)
    }
    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Currency { left: self.currency, right: other.currency })
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.currency.exponent();
        let unit = 10_u64.pow(places);
        if places == 0 {
            write!(f, "{} {}", self.minor, self.currency)
        } else {
            let width = places as usize;
            write!(f, "{}.{:0width$} {}", self.minor / unit, self.minor % unit, self.currency)
        }
    }
}
impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked() {
        let one = Amount::new(1, Currency::CNY);
        assert_eq!(one.checked_sub(Amount::new(2, Currency::CNY)), Err(MoneyError::Range));
        assert!(matches!(one.checked_add(Amount::new(1, Currency::USD)), Err(MoneyError::Currency { .. })));
        assert_eq!(one.checked_add(one).unwrap().to_string(), "0.02 CNY");
    }
}
