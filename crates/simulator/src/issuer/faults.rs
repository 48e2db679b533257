//! Faults that an issuer host plays: seeded, and bounded so that a run comes to an end.

use crate::random::Random;
use std::time::Duration;

/// How often what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerFaults {
    /// The request is processed and its answer is lost.
    pub drop_reply_per_mille: u16,
    /// The answer comes late.
    pub delay_per_mille: u16,
    /// How late, in milliseconds.
    pub delay_ms: u64,
    /// The request is processed and the connection breaks before the answer.
    pub disconnect_per_mille: u16,
    /// Faults after which the host is well, delays included.
    pub count_max: u32,
    /// Seed of the draws.
    pub seed: u64,
}
impl Default for IssuerFaults {
    fn default() -> Self {
        Self {
            drop_reply_per_mille: 0,
            delay_per_mille: 0,
            delay_ms: 500,
            disconnect_per_mille: 0,
            count_max: 1_000,
            seed: 1,
        }
    }
}

/// What happens to one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Send,
    Delay(Duration),
    Drop,
    Disconnect,
}

/// Draws the fates of answers.
#[derive(Debug)]
pub(super) struct FaultDraw {
    faults: IssuerFaults,
    random: Random,
    left: u32,
}
impl FaultDraw {
    pub(super) fn new(faults: IssuerFaults) -> Self {
        Self { faults, random: Random::new(faults.seed), left: faults.count_max }
    }
    pub(super) fn fate(&mut self) -> Fate {
        if self.left == 0 {
            return Fate::Send;
        }
        let fate = if self.random.chance(self.faults.drop_reply_per_mille) {
            Fate::Drop
        } else if self.random.chance(self.faults.disconnect_per_mille) {
            Fate::Disconnect
        } else if self.random.chance(self.faults.delay_per_mille) {
            Fate::Delay(Duration::from_millis(self.faults.delay_ms))
        } else {
            return Fate::Send;
        };
        self.left -= 1;
        fate
    }
    /// Faults played so far.
    pub(super) fn played(&self) -> u32 {
        self.faults.count_max - self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_end_after_their_number() {
        let faults = IssuerFaults { drop_reply_per_mille: 1_000, count_max: 2, ..IssuerFaults::default() };
        let mut draw = FaultDraw::new(faults);
        let fates: Vec<Fate> = (0..4).map(|_| draw.fate()).collect();
        assert_eq!(fates, [Fate::Drop, Fate::Drop, Fate::Send, Fate::Send]);
        assert_eq!(draw.played(), 2);
    }
}
