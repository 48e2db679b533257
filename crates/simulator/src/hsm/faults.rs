//! Faults that the HSM plays: seeded, and bounded so that a run comes to an end.

use crate::random::Random;
use std::time::Duration;

/// How often what goes wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HsmFaults {
    /// It comes late, behind answers to later commands.
    pub delay_per_mille: u16,
    /// How late, in milliseconds.
    pub delay_ms: u64,
    /// It does not come.
    pub silent_per_mille: u16,
    /// Bytes come that are no answer.
    pub garbage_per_mille: u16,
    /// It comes behind a header that no command had.
    pub wrong_header_per_mille: u16,
    /// The connection breaks instead, after the command was carried out.
    pub disconnect_per_mille: u16,
    /// The command is refused with 68 (disabled) and not carried out.
    pub refuse_per_mille: u16,
    /// Faults after which the module is well.
    pub count_max: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for HsmFaults {
    fn default() -> Self {
        Self {
            delay_per_mille: 0,
            delay_ms: 1_000,
            silent_per_mille: 0,
            garbage_per_mille: 0,
            wrong_header_per_mille: 0,
            disconnect_per_mille: 0,
            refuse_per_mille: 0,
            count_max: u32::MAX,
            seed: 1,
        }
    }
}

/// What happens to one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Send,
    Delay(Duration),
    Silence,
    Garbage,
    WrongHeader,
    Disconnect,
    Refuse,
}

/// Draws the fates of answers.
#[derive(Debug)]
pub(super) struct FaultDraw {
    faults: HsmFaults,
    random: Random,
    left: u32,
}

impl FaultDraw {
    pub(super) fn new(faults: HsmFaults) -> Self {
        Self { faults, random: Random::new(faults.seed), left: faults.count_max }
    }

    pub(super) fn fate(&mut self) -> Fate {
        let faults = self.faults;
        let fates = [
            (faults.silent_per_mille, Fate::Silence),
            (faults.garbage_per_mille, Fate::Garbage),
            (faults.wrong_header_per_mille, Fate::WrongHeader),
            (faults.disconnect_per_mille, Fate::Disconnect),
            (faults.refuse_per_mille, Fate::Refuse),
            (faults.delay_per_mille, Fate::Delay(Duration::from_millis(faults.delay_ms))),
        ];
        for (per_mille, fate) in fates {
            if self.left > 0 && self.random.chance(per_mille) {
                self.left -= 1;
                return fate;
            }
        }
        Fate::Send
    }
}
