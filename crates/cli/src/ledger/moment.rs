//! Times as people type them, and the records that they stand for.

use anyhow::{Context, Result};
use switchyard_domain::{BusinessDate, Record, Stamped, UtcOffset};
use switchyard_ledger::Sequence;
use switchyard_ledger::index::Index;

/// Which end of a range a time names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The first moment that counts.
    From,
    /// A day counts to its end, a time of day to just before it.
    To,
}

/// The first record that was made at or after a moment.
pub(crate) fn sequence(text: &str, edge: Edge, index: &Index) -> Result<Sequence> {
    let bytes = index.record(Sequence(0))?.context("the ledger has no record")?;
    let offset = match Stamped::decode(&bytes)?.record {
        Record::Genesis { offset, .. } => offset,
        _ => UtcOffset(0),
    };
    Ok(index.first_at(micros(text, edge, offset)?)?)
}

/// A moment that is to come or has been, in the ledger's local time, as microseconds since 1970 in UTC.
pub(crate) fn instant(text: &str, offset: UtcOffset) -> Result<u64> {
    micros(text, Edge::From, offset)
}

/// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm[:ss]` in the ledger's local time, as microseconds since 1970 in UTC.
fn micros(text: &str, edge: Edge, offset: UtcOffset) -> Result<u64> {
    let wrong = || format!("{text:?} is no time: YYYY-MM-DD or YYYY-MM-DDThh:mm:ss");
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let date: BusinessDate = date.parse().ok().with_context(wrong)?;
    let seconds = match time {
        None => i64::from(edge == Edge::To) * 86_400,
        Some(time) => i64::from(seconds_of_day(time).with_context(wrong)?),
    };
    let seconds = i64::from(date.0) * 86_400 + seconds - i64::from(offset.0) * 60;
    Ok(seconds.max(0) as u64 * 1_000_000)
}

fn seconds_of_day(time: &str) -> Option<u32> {
    let parts: Option<Vec<u32>> =
        time.split(':').map(|part| (part.len() == 2).then(|| part.parse().ok()).flatten()).collect();
    match parts?.as_slice() {
        [hour @ 0..=23, minute @ 0..=59] => Some(hour * 3_600 + minute * 60),
        [hour @ 0..=23, minute @ 0..=59, second @ 0..=59] => Some(hour * 3_600 + minute * 60 + second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_local_and_a_last_day_counts_whole() {
        let day = |text, edge| micros(text, edge, UtcOffset::CHINA).unwrap() / 1_000_000;
        assert_eq!(day("1970-01-02", Edge::From), 86_400 - 8 * 3_600);
        assert_eq!(day("1970-01-02", Edge::To), 2 * 86_400 - 8 * 3_600);
        assert_eq!(day("1970-01-02T08:00", Edge::To), 86_400);
        assert_eq!(day("1970-01-02T08:00:09", Edge::From), 86_409);
        assert_eq!(day("1970-01-01", Edge::From), 0);
        for text in ["", "1970", "1970-01-02T", "1970-01-02T24:00", "1970-01-02T1:2", "1970-01-02T08:00:60"] {
            assert!(micros(text, Edge::From, UtcOffset::CHINA).is_err(), "{text}");
        }
    }
}
