//! Histograms of waiting times: counters that are there from the start, so that recording a time takes no memory.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// First digits of the bounds: ten a decade, so that a quantile between two of them is at most a quarter off.
const STEPS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
/// Decades, from 10 microseconds up to 100 seconds.
const DECADES: usize = 7;
/// Bounds of the buckets.
const BOUNDS: usize = STEPS.len() * DECADES;
/// Bounds whose counts Prometheus gets: 1, 2 and 5 of each decade, and what the numbers of this switch are held to.
const EXPORTED: [u64; 3] = [10, 20, 50];

/// Upper bounds in microseconds; what is above the last has a bucket of its own.
static BOUNDS_MICROS: [u64; BOUNDS] = bounds();

const fn bounds() -> [u64; BOUNDS] {
    let mut all = [0; BOUNDS];
    let (mut at, mut scale) = (0, 1);
    while at < BOUNDS {
        all[at] = STEPS[at % STEPS.len()] * scale;
        at += 1;
        if at % STEPS.len() == 0 {
            scale *= 10;
        }
    }
    all
}

/// One histogram. Recording is two additions to atomic counters.
#[derive(Debug)]
pub(crate) struct Latency {
    counts: [AtomicU64; BOUNDS + 1],
    sum_micros: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum_micros: AtomicU64::new(0) }
    }
}

/// What a histogram had counted at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyCounts {
    /// How many, by bucket: in step with [`LatencyCounts::bounds_micros`], and one more for what was above.
    pub counts: Vec<u64>,
    /// All times together, microseconds.
    pub sum_micros: u64,
}

impl Latency {
    pub(crate) fn record(&self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> LatencyCounts {
        LatencyCounts {
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum_micros: self.sum_micros.load(Ordering::Relaxed),
        }
    }

    /// Appends its lines of the page that Prometheus reads; `labels` as they stand between the braces.
    pub(crate) fn write(&self, name: &str, labels: &str, page: &mut String) {
        let (comma, braced) =
            if labels.is_empty() { ("", String::new()) } else { (",", format!("{{{labels}}}")) };
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count.load(Ordering::Relaxed);
            match BOUNDS_MICROS.get(index) {
                Some(bound) if EXPORTED.contains(&STEPS[index % STEPS.len()]) => {
                    let seconds = *bound as f64 / 1e6;
                    let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"{seconds}\"}} {below}");
                }
                Some(_) => {}
                None => {
                    let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {below}");
                }
            }
        }
        let sum = self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(page, "{name}_sum{braced} {sum}\n{name}_count{braced} {below}");
    }
}

impl LatencyCounts {
    /// Upper bounds of the buckets, microseconds.
    pub fn bounds_micros() -> &'static [u64] {
        &BOUNDS_MICROS
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted since `earlier`; everything when that was another process's.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let older = |index: usize| earlier.counts.get(index).copied().unwrap_or(0);
        let falls = self.counts.iter().enumerate().any(|(index, count)| *count < older(index));
        if falls {
            return self.clone();
        }
        Self {
            counts: self.counts.iter().enumerate().map(|(index, count)| count - older(index)).collect(),
            sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros),
        }
    }

    /// The time that `permille` of all do not exceed, microseconds, in proportion within its bucket; `None` when
    /// nothing was counted. What is above the last bound counts as that bound.
    pub fn quantile_micros(&self, permille: u64) -> Option<u64> {
        let wanted = (self.count() * permille.min(1_000)).div_ceil(1_000).max(1);
        let mut below = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            if below + count >= wanted {
                let high = *BOUNDS_MICROS.get(index).unwrap_or(&BOUNDS_MICROS[BOUNDS - 1]);
                let low = index.checked_sub(1).map_or(0, |before| BOUNDS_MICROS[before.min(BOUNDS - 1)]);
                return Some(low + (high - low) * (wanted - below) / count.max(1));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise_from_ten_microseconds_to_eighty_seconds() {
        assert!(BOUNDS_MICROS.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((BOUNDS_MICROS[0], BOUNDS_MICROS[BOUNDS - 1]), (10, 80_000_000));
    }

    #[test]
    fn a_time_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        let latency = Latency::default();
        for micros in [0, 10, 11, 10_000, 10_001, 80_000_000, 80_000_001, u64::MAX / 2] {
            latency.record(Duration::from_micros(micros));
        }
        let mut page = String::new();
        latency.write("x_seconds", "link=\"a\"", &mut page);
        for line in [
            "x_seconds_bucket{link=\"a\",le=\"0.00001\"} 2",
            "x_seconds_bucket{link=\"a\",le=\"0.00002\"} 3",
            "x_seconds_bucket{link=\"a\",le=\"0.01\"} 4",
            "x_seconds_bucket{link=\"a\",le=\"0.02\"} 5",
            "x_seconds_bucket{link=\"a\",le=\"50\"} 5",
            "x_seconds_bucket{link=\"a\",le=\"+Inf\"} 8",
            "x_seconds_count{link=\"a\"} 8",
        ] {
            assert!(page.lines().any(|have| have == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn quantiles_are_within_a_quarter_and_of_the_time_between_two_moments() {
        let latency = Latency::default();
        assert_eq!(latency.counts().quantile_micros(500), None);
        (1..=1_000).for_each(|micros| latency.record(Duration::from_micros(micros * 10)));
        let earlier = latency.counts();
        for (permille, exact) in [(500, 5_000), (990, 9_900), (1_000, 10_000)] {
            let have = earlier.quantile_micros(permille).unwrap();
            assert!(have.abs_diff(exact) * 4 <= exact, "{permille}: {have} for {exact}");
        }
        (0..10).for_each(|_| latency.record(Duration::from_millis(300)));
        let between = latency.counts().since(&earlier);
        assert_eq!(between.count(), 10);
        assert!((250_000..=300_000).contains(&between.quantile_micros(500).unwrap()));
        assert_eq!(earlier.since(&latency.counts()), earlier, "another process counts from nothing");
    }
}
