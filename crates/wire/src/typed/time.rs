//! Dates and times.

use super::{CHARACTERS_MAX, Field, FieldError, digits, fixed_units, no_room, two, two_digits, wrong};
use crate::{BuildError, Builder, De, Message};

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
}

/// A day, with its year where the element has one.
///
/// Years of two digits are those of the chip cards' rule: 00 to 49 is 2000 to 2049, 50 to 99 is 1950 to 1999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: Option<u16>,
    month: u8,
    day: u8,
}

/// Transmission date and time (element 7, `MMDDhhmmss`), in UTC by the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmissionTime {
    /// The day, without a year.
    pub date: Date,
    /// The time.
    pub time: Time,
}

/// Local time (element 12): `hhmmss` of 1987, `YYMMDDhhmmss` of 1993, `CCYYMMDDhhmmss` of 2003.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The day, from 1993 on.
    pub date: Option<Date>,
    /// The time.
    pub time: Time,
}

/// Local date (element 13, `MMDD`) of 1987; of element 12 in later editions, where 13 is another date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDate(pub Date);

/// Settlement date (element 15): `MMDD`, `YYMMDD` or `CCYYMMDD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementDate(pub Date);

/// The month to whose end a card is valid (element 14, `YYMM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    year: u16,
    month: u8,
}

impl Time {
    /// A time that exists; seconds go to 59.
    pub const fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        if hour < 24 && minute < 60 && second < 60 { Some(Self { hour, minute, second }) } else { None }
    }

    /// Hour, 0 to 23.
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// Minute, 0 to 59.
    pub const fn minute(self) -> u8 {
        self.minute
    }

    /// Second, 0 to 59.
    pub const fn second(self) -> u8 {
        self.second
    }

    pub(super) fn parse(digits: &[u8]) -> Option<Self> {
        match digits.as_chunks::<2>() {
            ([hour, minute, second], []) => Self::new(two(hour)?, two(minute)?, two(second)?),
            _ => None,
        }
    }

    const fn digits(self) -> [[u8; 2]; 3] {
        [two_digits(self.hour), two_digits(self.minute), two_digits(self.second)]
    }
}

impl Date {
    /// A day that exists; 29 February does without a year.
    pub const fn new(year: Option<u16>, month: u8, day: u8) -> Option<Self> {
        let is_leap = match year {
            Some(year) => year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)),
            None => true,
        };
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        let is_year = match year {
            Some(year) => year <= 9999,
            None => true,
        };
        if is_year && day >= 1 && day <= days { Some(Self { year, month, day }) } else { None }
    }

    /// The year, where the element has one.
    pub const fn year(self) -> Option<u16> {
        self.year
    }

    /// Month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Day, 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// `MMDD`, `YYMMDD` or `CCYYMMDD`.
    pub(super) fn parse(digits: &[u8]) -> Option<Self> {
        match digits.as_chunks::<2>() {
            ([month, day], []) => Self::new(None, two(month)?, two(day)?),
            ([year, month, day], []) => Self::new(Some(century(two(year)?)), two(month)?, two(day)?),
            ([high, low, month, day], []) => {
                let year = u16::from(two(high)?) * 100 + u16::from(two(low)?);
                Self::new(Some(year), two(month)?, two(day)?)
            }
            _ => None,
        }
    }

    /// The digits from the century on, how many of them are the year's, and nothing when it has none.
    fn digits(self, units: usize) -> Option<[u8; 8]> {
        let year = match (units, self.year) {
            (4, _) => 0,
            (6, Some(year @ 1950..=2049)) | (8, Some(year)) => year,
            _ => return None,
        };
        let mut out = [0; 8];
        let parts = [(year / 100) as u8, (year % 100) as u8, self.month, self.day];
        out.copy_from_slice(parts.map(two_digits).as_flattened());
        Some(out)
    }
}

impl Expiry {
    /// The end of a month, 1950 to 2049.
    pub const fn new(year: u16, month: u8) -> Option<Self> {
        if year >= 1950 && year <= 2049 && month >= 1 && month <= 12 {
            Some(Self { year, month })
        } else {
            None
        }
    }

    /// The year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Whether a card is past it on a day that has a year; nothing without.
    pub const fn is_past(self, on: Date) -> Option<bool> {
        match on.year {
            Some(year) => Some(year > self.year || year == self.year && on.month > self.month),
            None => None,
        }
    }
}

const fn century(two: u8) -> u16 {
    if two < 50 { 2000 + two as u16 } else { 1900 + two as u16 }
}

impl Field for TransmissionTime {
    const DE: De = 7;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "a date and time";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(digits) = digits(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let read = digits
            .split_at_checked(4)
            .and_then(|(date, time)| Some(Self { date: Date::parse(date)?, time: Time::parse(time)? }));
        read.map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let date = self.date.digits(4).unwrap_or_default();
        let mut out = [0; 10];
        out[..4].copy_from_slice(&date[4..]);
        out[4..].copy_from_slice(self.time.digits().as_flattened());
        builder.digits(Self::DE, &out).map(|_| ())
    }
}

impl Field for LocalTime {
    const DE: De = 12;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "a time";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(digits) = digits(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let read = digits.len().checked_sub(6).and_then(|at| {
            let (date, time) = digits.split_at(at);
            let date = if date.is_empty() { None } else { Some(Date::parse(date)?) };
            // A day without a year is no form of this element.
            if date.is_some_and(|date| date.year.is_none()) {
                return None;
            }
            Some(Self { date, time: Time::parse(time)? })
        });
        read.map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let units = fixed_units(builder.dialect(), Self::DE).unwrap_or_default() as usize;
        let date_units = units.saturating_sub(6);
        let mut out = [0; 14];
        match (date_units, self.date) {
            (0, None) => {}
            (0, Some(_)) => return Err(no_room(builder, Self::DE, "a date: it is element 13")),
            (_, None) => return Err(no_room(builder, Self::DE, "a time without its date")),
            (_, Some(date)) => match date.digits(date_units) {
                Some(digits) => out[..8].copy_from_slice(&digits),
                None => return Err(no_room(builder, Self::DE, "a date without year, or of another century")),
            },
        }
        out[8..].copy_from_slice(self.time.digits().as_flattened());
        builder.digits(Self::DE, &out[8 - date_units.min(8)..]).map(|_| ())
    }
}

impl Field for LocalDate {
    const DE: De = 13;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        if fixed_units(message.dialect(), LocalTime::DE).is_some_and(|units| units > 6) {
            return Ok(LocalTime::read(message)?.and_then(|local| local.date).map(Self));
        }
        Ok(read_date(message, Self::DE)?.map(Self))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if fixed_units(builder.dialect(), LocalTime::DE).is_some_and(|units| units > 6) {
            return Err(no_room(builder, Self::DE, "the local date: it is in element 12"));
        }
        write_date(self.0, builder, Self::DE)
    }
}

impl Field for SettlementDate {
    const DE: De = 15;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        Ok(read_date(message, Self::DE)?.map(Self))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        write_date(self.0, builder, Self::DE)
    }
}

impl Field for Expiry {
    const DE: De = 14;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "year and month";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(digits) = digits(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let read = match digits.as_chunks::<2>() {
            ([year, month], []) => two(year).zip(two(month)),
            _ => None,
        };
        let read = read.and_then(|(year, month)| Self::new(century(year), month));
        read.map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let parts = [(self.year % 100) as u8, self.month].map(two_digits);
        builder.digits(Self::DE, parts.as_flattened()).map(|_| ())
    }
}

fn read_date(message: &Message<'_, '_>, de: De) -> Result<Option<Date>, FieldError> {
    const EXPECTED: &str = "a date";
    let mut buf = [0; CHARACTERS_MAX];
    let Some(digits) = digits(message, de, &mut buf, EXPECTED)? else { return Ok(None) };
    Date::parse(digits).map(Some).ok_or(wrong(de, EXPECTED))
}

fn write_date(date: Date, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
    let units = fixed_units(builder.dialect(), de).unwrap_or_default() as usize;
    match date.digits(units) {
        Some(digits) => builder.digits(de, &digits[8 - units..]).map(|_| ()),
        None => Err(no_room(builder, de, "a date without year, or of another century")),
    }
}
