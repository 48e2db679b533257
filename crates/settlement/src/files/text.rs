//! Numbers and names as they stand in files.

use switchyard_domain::{BusinessDate, Timestamp, UtcOffset};

/// Minor units as a plain decimal number: `-12.50`.
pub fn decimal(minor: i128, exponent: u32) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let width = exponent as usize;
    let unit = 10_u64.pow(exponent);
    // Nearly every amount fits in 64 bits, where division is several times faster.
    let (whole, part) = match u64::try_from(minor.unsigned_abs()) {
        Ok(minor) => (u128::from(minor / unit), minor % unit),
        Err(_) => (minor.unsigned_abs() / u128::from(unit), (minor.unsigned_abs() % u128::from(unit)) as u64),
    };
    if exponent == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:0width$}") }
}

/// A text cell that no spreadsheet takes for a formula: one that begins with `=`, `+`, `-`, `@`, a tab or a
/// line break gets an apostrophe in front. Numbers are written by [`decimal`] and stay as they are.
pub(crate) fn cell(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

/// `2026-01-31 23:59:59` in local time.
pub(crate) fn local_time(at: Timestamp, offset: UtcOffset) -> String {
    let local = at.local(offset);
    let time = local.time();
    format!("{} {:02}:{:02}:{:02}", local.date(), time.hour(), time.minute(), time.second())
}

/// [`local_time`] for many times of one day: the calendar is asked once a day, not once a line.
pub(crate) struct LocalTimes {
    offset: UtcOffset,
    day: BusinessDate,
    date: String,
}
impl LocalTimes {
    pub(crate) fn new(offset: UtcOffset) -> Self {
        let day = BusinessDate(0);
        Self { offset, day, date: day.to_string() }
    }
    pub(crate) fn text(&mut self, at: Timestamp) -> String {
        let day = BusinessDate::at(at, self.offset);
        if day != self.day {
            (self.day, self.date) = (day, day.to_string());
        }
        let seconds = (at.0 / 1_000_000) as i64 + i64::from(self.offset.0) * 60;
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{} {hour:02}:{minute:02}:{second:02}", self.date)
    }
}

/// `2026-01-31T23:59:59+08:00`.
pub(crate) fn iso_time(at: Timestamp, offset: UtcOffset) -> String {
    let sign = if offset.0 < 0 { '-' } else { '+' };
    let minutes = offset.0.unsigned_abs();
    format!("{}{sign}{:02}:{:02}", local_time(at, offset).replace(' ', "T"), minutes / 60, minutes % 60)
}

/// `20260131`.
pub(crate) fn compact_date(day: BusinessDate) -> String {
    day.to_string().replace('-', "")
}

/// At most `max` characters, without those that XML cannot hold.
pub(crate) fn xml_text(text: &str, max: usize) -> String {
    let allowed = |c: char| if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c };
    text.trim().chars().map(allowed).take(max).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_and_formulas_become_text() {
        let table = [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (-1_250, 2, "-12.50"),
            (7, 0, "7"),
            (1, 3, "0.001"),
            (-123_456_789_012_345_678_901, 2, "-1234567890123456789.01"),
        ];
        for (minor, exponent, text) in table {
            assert_eq!(decimal(minor, exponent), text);
        }
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("老王面馆"), "老王面馆");
        assert_eq!(cell(""), "");
    }

    #[test]
    fn times_are_local_and_say_so() {
        let at = Timestamp(1_700_000_000_000_000);
        assert_eq!(local_time(at, UtcOffset::CHINA), "2023-11-15 06:13:20");
        assert_eq!(iso_time(at, UtcOffset::CHINA), "2023-11-15T06:13:20+08:00");
        assert_eq!(iso_time(at, UtcOffset(-90)), "2023-11-14T20:43:20-01:30");
        for offset in [UtcOffset::CHINA, UtcOffset(-90)] {
            let mut times = LocalTimes::new(offset);
            for at in [0, 1, 86_399_999_999, 86_400_000_000, at.0, at.0 + 7_777_777_777_777].map(Timestamp) {
                assert_eq!(times.text(at), local_time(at, offset));
            }
        }
        assert_eq!(compact_date(BusinessDate::at(at, UtcOffset::CHINA)), "20231115");
        assert_eq!(xml_text(" a\u{1}b\u{FFFE} ", 9), "a b");
    }
}
