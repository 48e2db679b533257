//! A time that only goes forward, from a wall clock that may jump.

use switchyard_domain::Timestamp;

/// A step forward up to which a wall clock is believed at once, microseconds: five minutes.
const STEP_MICROS_MAX: u64 = 300_000_000;
/// For how long a larger step has to stay before it is believed, microseconds: a minute.
const STEP_PROVEN_MICROS: u64 = 60_000_000;

/// What the core is told the time is.
///
/// A wall clock may be set: forward, and the time follows; back, and the time goes on from where it was, at the pace of a
/// clock that nobody sets. Without that pace everything that waits for a time (an issuer's deadline, the next send
/// of a reversal) would wait for as long as the clock was set back.
///
/// Time that was told once is in the ledger and does not go back, so a clock that shows another year for a moment would
/// have changed the year for good. A step of more than five minutes therefore has to stay for a minute before the time
/// follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    at: Timestamp,
    /// For how long the wall clock has been too far ahead to be believed.
    doubted_micros: u64,
}

impl Clock {
    /// Starts at the wall clock or at the latest record, whichever is later.
    pub fn new(at: Timestamp) -> Self {
        Self { at, doubted_micros: 0 }
    }
    /// The time that was told last.
    pub fn now(&self) -> Timestamp {
        self.at
    }
    /// Whether the wall clock is too far ahead to be believed yet.
    pub fn is_doubted(&self) -> bool {
        self.doubted_micros > 0
    }
    /// The time now: `wall` is what the wall clock shows, `elapsed_micros` what went by on a clock that nobody sets since the
    /// time was told last.
    pub fn advance(&mut self, wall: Timestamp, elapsed_micros: u64) -> Timestamp {
        let paced = self.at.plus_micros(elapsed_micros);
        let step = wall.0.saturating_sub(paced.0);
        self.doubted_micros = match step {
            0..=STEP_MICROS_MAX => 0,
            // One at least: a look that takes no time sees it, too.
            _ => self.doubted_micros.saturating_add(elapsed_micros.max(1)),
        };
        let is_believed = self.doubted_micros == 0 || self.doubted_micros >= STEP_PROVEN_MICROS;
        self.at = if is_believed { paced.max(wall) } else { paced };
        if is_believed {
            self.doubted_micros = 0;
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_goes_on_at_its_pace_and_one_set_forward_is_followed() {
        let mut clock = Clock::new(Timestamp(1_000));
        assert_eq!(clock.advance(Timestamp(1_500), 500), Timestamp(1_500));
        assert_eq!(clock.advance(Timestamp(100), 200), Timestamp(1_700), "set back");
        assert_eq!(clock.advance(Timestamp(400), 300), Timestamp(2_000), "still behind");
        assert_eq!(clock.advance(Timestamp(9_000), 100), Timestamp(9_000), "set forward");
        assert_eq!(clock.now(), Timestamp(9_000));
    }

    #[test]
    fn a_step_of_more_than_five_minutes_is_believed_when_it_has_stayed_for_a_minute() {
        let (start, year) = (Timestamp(1_000), Timestamp(31_536_000_000_000));
        let at = |micros: u64| Timestamp(1_000 + micros);
        // For a moment only: nothing has happened.
        let mut clock = Clock::new(start);
        assert_eq!(clock.advance(year, 100), at(100));
        assert!(clock.is_doubted());
        assert_eq!(clock.advance(at(200), 100), at(200));
        assert!(!clock.is_doubted());
        // Twice, for less than a minute each: they are not added up.
        for _ in 0..2 {
            assert_eq!(clock.advance(year, STEP_PROVEN_MICROS - 1).0 / 1_000_000_000, 0);
            let now = clock.now();
            clock.advance(now, 0);
        }
        // For good.
        let mut clock = Clock::new(start);
        assert_eq!(clock.advance(year, 0), start);
        assert_eq!(clock.advance(year, STEP_PROVEN_MICROS - 2), at(STEP_PROVEN_MICROS - 2));
        assert_eq!(clock.advance(year, 1), year);
        assert!(!clock.is_doubted());
        // At the boundary.
        let mut clock = Clock::new(start);
        assert_eq!(clock.advance(at(STEP_MICROS_MAX), 0), at(STEP_MICROS_MAX));
        let mut clock = Clock::new(start);
        assert_eq!(clock.advance(at(STEP_MICROS_MAX + 1), 0), start);
    }
}
