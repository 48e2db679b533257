//! Instants and business dates. No clock is read here: whoever calls brings the time.

use jiff::civil;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

/// Minutes that the switch's local time is ahead of UTC. China has one zone and no summer time, so a
/// fixed offset in the ledger keeps every replay the same; a zone database would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtcOffset(pub i16);

impl UtcOffset {
    /// China Standard Time, UTC+8.
    pub const CHINA: Self = Self(480);
}

impl Timestamp {
    /// This instant plus `micros`, at most the end of time.
    pub fn plus_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
    /// Microseconds from `earlier` to this, 0 if it is not earlier.
    pub fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
    /// The civil date and time at `offset`.
    pub fn local(self, offset: UtcOffset) -> civil::DateTime {
        let seconds = (self.0 / 1_000_000) as i64 + i64::from(offset.0) * 60;
        let days = seconds.div_euclid(86_400);
        let second_of_day = seconds.rem_euclid(86_400);
        let date = BusinessDate(days.clamp(0, i64::from(BusinessDate::DAYS_MAX)) as u32).civil();
        date.at((second_of_day / 3_600) as i8, (second_of_day / 60 % 60) as i8, (second_of_day % 60) as i8, 0)
    }
    /// `hhmmss`, as in DE 12.
    pub fn local_time_digits(self, offset: UtcOffset) -> [u8; 6] {
        let t = self.local(offset);
        let mut out = [0; 6];
        two_digits(&mut out[0..2], t.hour() as u32);
        two_digits(&mut out[2..4], t.minute() as u32);
        two_digits(&mut out[4..6], t.second() as u32);
        out
    }
    /// `MMDD`, as in DE 13.
    pub fn local_date_digits(self, offset: UtcOffset) -> [u8; 4] {
        let t = self.local(offset);
        let mut out = [0; 4];
        two_digits(&mut out[0..2], t.month() as u32);
        two_digits(&mut out[2..4], t.day() as u32);
        out
    }
    /// `MMDDhhmmss` in UTC, as in DE 7.
    pub fn transmission_digits(self) -> [u8; 10] {
        let mut out = [0; 10];
        out[..4].copy_from_slice(&self.local_date_digits(UtcOffset(0)));
        out[4..].copy_from_slice(&self.local_time_digits(UtcOffset(0)));
        out
    }
}

fn two_digits(out: &mut [u8], value: u32) {
    out[0] = b'0' + (value / 10 % 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}Z", self.local(UtcOffset(0)), self.0 % 1_000_000)
    }
}

/// A business day, counted in days from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BusinessDate(pub u32);

impl BusinessDate {
    /// 9999-12-31.
    pub const DAYS_MAX: u32 = 2_932_896;

    /// The day that `at` falls on in local time.
    pub fn at(at: Timestamp, offset: UtcOffset) -> Self {
        let seconds = (at.0 / 1_000_000) as i64 + i64::from(offset.0) * 60;
        Self(seconds.div_euclid(86_400).clamp(0, i64::from(Self::DAYS_MAX)) as u32)
    }
    /// The next calendar day.
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(Self::DAYS_MAX))
    }
    /// The civil date.
    pub fn civil(self) -> civil::Date {
        let span = jiff::Span::new().days(i64::from(self.0.min(Self::DAYS_MAX)));
        civil::date(1970, 1, 1).checked_add(span).unwrap_or(civil::Date::MAX)
    }
    /// From a civil date not before 1970.
    pub fn from_civil(date: civil::Date) -> Option<Self> {
        let days = civil::date(1970, 1, 1).until(date).ok()?.get_days();
        u32::try_from(days).ok().map(Self)
    }
    /// `MMDD`, as in DE 15.
    pub fn month_day_digits(self) -> [u8; 4] {
        let date = self.civil();
        let mut out = [0; 4];
        two_digits(&mut out[0..2], date.month() as u32);
        two_digits(&mut out[2..4], date.day() as u32);
        out
    }
}
impl fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}
impl std::str::FromStr for BusinessDate {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let date: civil::Date = text.parse()?;
        Self::from_civil(date).ok_or_else(|| jiff::Error::from_args(format_args!("a date before 1970")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_digits_follow_the_offset() {
        let at = Timestamp(1_700_000_000_000_000); // 2023-11-14T22:13:20Z
        assert_eq!(&at.transmission_digits(), b"1114221320");
        assert_eq!(&at.local_time_digits(UtcOffset::CHINA), b"061320");
        assert_eq!(&at.local_date_digits(UtcOffset::CHINA), b"1115");
        assert_eq!(BusinessDate::at(at, UtcOffset::CHINA).to_string(), "2023-11-15");
        assert_eq!("2023-11-15".parse::<BusinessDate>().unwrap(), BusinessDate::at(at, UtcOffset::CHINA));
    }
}
