//! Numbers and names as they stand in files.

use switchyard_domain::{BusinessDate, Timestamp, UtcOffset};

/// Minor units as a plain decimal number: `-12.50`.
pub fn decimal(minor: i128, exponent: u32) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let unit = 10_u128.pow(exponent);
    let (whole, part) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
    if exponent == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{part:0width$}", width = exponent as usize)
    }
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
        assert_eq!(compact_date(BusinessDate::at(at, UtcOffset::CHINA)), "20231115");
        assert_eq!(xml_text(" a\u{1}b\u{FFFE} ", 9), "a b");
    }
}
