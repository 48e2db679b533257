//! How often the log hears of one thing: what a host does again and again must not fill it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines are counted for so long.
const WINDOW: Duration = Duration::from_secs(60);

/// Lines about one thing that is up to somebody else.
#[derive(Debug)]
pub(crate) struct Hush {
    lines_max: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    lines: u32,
    untold: u64,
}

impl Default for Hush {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Hush {
    /// So many lines a minute.
    pub(crate) fn new(lines_max: u32) -> Self {
        Self { lines_max, state: Mutex::default() }
    }

    /// Notes that it happened. Something when the log is to hear of it: how often it happened since the last line, this
    /// time not among them.
    pub(crate) fn note(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (state.since, state.lines) = (Some(now), 0);
        }
        if state.lines >= self.lines_max {
            state.untold += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_minute_and_the_rest_counted() {
        for (lines_max, first) in [(1, vec![0]), (3, vec![0, 0, 0])] {
            let (hush, begin) = (Hush::new(lines_max), Instant::now());
            let told: Vec<u64> = (0..1_000).filter_map(|_| hush.note(begin)).collect();
            assert_eq!(told, first);
            assert_eq!(hush.note(begin + WINDOW - Duration::from_millis(1)), None);
            assert_eq!(hush.note(begin + WINDOW), Some(1_001 - u64::from(lines_max)));
            let again = hush.note(begin + WINDOW);
            assert_eq!(again, (lines_max > 1).then_some(0));
        }
    }
}
