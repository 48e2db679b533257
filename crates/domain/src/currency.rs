//! Currencies of ISO 4217.

use crate::ids::DataError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An ISO 4217 currency by its numeric code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency(u16);

impl Currency {
    /// Renminbi yuan, 156; the minor unit is the fen.
    pub const CNY: Self = Self(156);
    /// United States dollar, 840.
    pub const USD: Self = Self(840);
    /// Hong Kong dollar, 344.
    pub const HKD: Self = Self(344);
    /// Euro, 978.
    pub const EUR: Self = Self(978);
    /// Japanese yen, 392: it has no minor unit.
    pub const JPY: Self = Self(392);
    /// Kuwaiti dinar, 414: its minor unit is a thousandth.
    pub const KWD: Self = Self(414);

    /// A currency by its numeric code, 1 to 999.
    pub fn from_numeric(code: u64) -> Option<Self> {
        (1..=999).contains(&code).then_some(Self(code as u16))
    }
    /// The numeric code.
    pub fn numeric(self) -> u16 {
        self.0
    }
    /// Three ASCII digits, as in DE 49.
    pub fn digits(self) -> [u8; 3] {
        [b'0' + (self.0 / 100) as u8, b'0' + (self.0 / 10 % 10) as u8, b'0' + (self.0 % 10) as u8]
    }
    /// The alphabetic code, where the table has the currency.
    pub fn alpha(self) -> Option<&'static str> {
        self.known().map(|(_, letters, _)| *letters)
    }
    /// Decimal places between the major and the minor unit. Two where the table does not have the currency, as most have:
    /// amounts are only printed by it then, and nothing is converted into or out of such a currency.
    pub fn exponent(self) -> u32 {
        self.known().map_or(2, |(.., exponent)| *exponent)
    }
    /// Whether the table has it, so that its minor unit is certain.
    pub fn is_known(self) -> bool {
        self.known().is_some()
    }
    fn known(self) -> Option<&'static (u16, &'static str, u32)> {
        TABLE.binary_search_by_key(&self.0, |(number, ..)| *number).ok().and_then(|index| TABLE.get(index))
    }
}

/// A currency that the table has, by its three letters or digits.
impl FromStr for Currency {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        let by_letters = || TABLE.iter().find(|(_, letters, _)| *letters == text).map(|(number, ..)| *number);
        let by_digits = || text.parse().ok().filter(|_| text.len() == 3);
        let currency = by_letters().or_else(by_digits).map(Self).filter(|currency| currency.is_known());
        currency.ok_or(DataError::Unknown { what: "currency" })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.alpha() {
            Some(code) => f.write_str(code),
            None => write!(f, "{:03}", self.0),
        }
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Number, letters and decimal places, by number.
const TABLE: &[(u16, &str, u32)] = &[
    (8, "ALL", 2),
    (12, "DZD", 2),
    (32, "ARS", 2),
    (36, "AUD", 2),
    (48, "BHD", 3),
    (50, "BDT", 2),
    (51, "AMD", 2),
    (52, "BBD", 2),
    (68, "BOB", 2),
    (72, "BWP", 2),
    (96, "BND", 2),
    (104, "MMK", 2),
    (116, "KHR", 2),
    (124, "CAD", 2),
    (144, "LKR", 2),
    (152, "CLP", 0),
    (156, "CNY", 2),
    (170, "COP", 2),
    (188, "CRC", 2),
    (203, "CZK", 2),
    (208, "DKK", 2),
    (214, "DOP", 2),
    (230, "ETB", 2),
    (242, "FJD", 2),
    (320, "GTQ", 2),
    (340, "HNL", 2),
    (344, "HKD", 2),
    (348, "HUF", 2),
    (352, "ISK", 0),
    (356, "INR", 2),
    (360, "IDR", 2),
    (364, "IRR", 2),
    (368, "IQD", 3),
    (376, "ILS", 2),
    (388, "JMD", 2),
    (392, "JPY", 0),
    (398, "KZT", 2),
    (400, "JOD", 3),
    (404, "KES", 2),
    (410, "KRW", 0),
    (414, "KWD", 3),
    (417, "KGS", 2),
    (418, "LAK", 2),
    (422, "LBP", 2),
    (434, "LYD", 3),
    (446, "MOP", 2),
    (458, "MYR", 2),
    (462, "MVR", 2),
    (480, "MUR", 2),
    (484, "MXN", 2),
    (496, "MNT", 2),
    (498, "MDL", 2),
    (504, "MAD", 2),
    (512, "OMR", 3),
    (516, "NAD", 2),
    (524, "NPR", 2),
    (554, "NZD", 2),
    (566, "NGN", 2),
    (578, "NOK", 2),
    (586, "PKR", 2),
    (598, "PGK", 2),
    (600, "PYG", 0),
    (604, "PEN", 2),
    (608, "PHP", 2),
    (634, "QAR", 2),
    (643, "RUB", 2),
    (682, "SAR", 2),
    (702, "SGD", 2),
    (704, "VND", 0),
    (710, "ZAR", 2),
    (752, "SEK", 2),
    (756, "CHF", 2),
    (764, "THB", 2),
    (780, "TTD", 2),
    (784, "AED", 2),
    (788, "TND", 3),
    (800, "UGX", 0),
    (807, "MKD", 2),
    (818, "EGP", 2),
    (826, "GBP", 2),
    (834, "TZS", 2),
    (840, "USD", 2),
    (858, "UYU", 2),
    (860, "UZS", 2),
    (901, "TWD", 2),
    (934, "TMT", 2),
    (936, "GHS", 2),
    (941, "RSD", 2),
    (944, "AZN", 2),
    (946, "RON", 2),
    (949, "TRY", 2),
    (950, "XAF", 0),
    (951, "XCD", 2),
    (952, "XOF", 0),
    (953, "XPF", 0),
    (967, "ZMW", 2),
    (971, "AFN", 2),
    (972, "TJS", 2),
    (973, "AOA", 2),
    (978, "EUR", 2),
    (980, "UAH", 2),
    (981, "GEL", 2),
    (985, "PLN", 2),
    (986, "BRL", 2),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_both_ways() {
        assert!(TABLE.is_sorted_by(|(a, ..), (b, ..)| a < b));
        for (text, numeric, exponent) in [("CNY", 156, 2), ("392", 392, 0), ("KWD", 414, 3), ("008", 8, 2)] {
            let currency: Currency = text.parse().unwrap();
            assert_eq!((currency.numeric(), currency.exponent()), (numeric, exponent), "{text}");
        }
        for text in ["", "cny", "XYZ", "999", "8", "1560", "+56"] {
            assert!(text.parse::<Currency>().is_err(), "{text:?}");
        }
        assert_eq!(Currency::from_numeric(999).unwrap().to_string(), "999");
    }
}
