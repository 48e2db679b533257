//! A time that only goes forward, from a wall clock that may jump.

use switchyard_domain::Timestamp;

/// What the core is told the time is.
///
/// A wall clock may be set: forward, and the time follows; back, and the time goes on from where it was, at the pace of a
/// clock that nobody sets. Without that pace everything that waits for a time (an issuer's deadline, the next send
/// of a reversal) would wait for as long as the clock was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    at: Timestamp,
}

impl Clock {
    /// Starts at the wall clock or at the latest record, whichever is later.
    pub fn new(at: Timestamp) -> Self {
        Self { at }
    }
    /// The time that was told last.
    pub fn now(&self) -> Timestamp {
        self.at
    }
    /// The time now: `wall` is what the wall clock shows, `elapsed_micros` what went by on a clock that nobody sets since the
    /// time was told last.
    pub fn advance(&mut self, wall: Timestamp, elapsed_micros: u64) -> Timestamp {
        self.at = self.at.plus_micros(elapsed_micros).max(wall);
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
}
