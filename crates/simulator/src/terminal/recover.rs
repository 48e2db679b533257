//! Going on from a journal after a crash.

use super::state::TerminalState;
use super::{CloseMode, CloseReport, Done, Terminal, TerminalOptions};
use crate::error::SimError;
use crate::journal::{Journal, JournalLine};
use crate::world::{DemoCard, DemoTerminal};
use std::sync::Arc;

/// What was ended after a crash.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Requests without an answer, and a pending reversal.
    pub ended: Vec<Done>,
    /// The batch whose close had begun.
    pub closed: Option<CloseReport>,
}

impl Terminal {
    /// A terminal that goes on where `lines` end: next trace number, batch, pending reversal, requests
    /// without an answer. Cards are found by their masks.
    ///
    /// # Errors
    /// As [`Terminal::new`].
    pub fn resume(
        spec: DemoTerminal,
        options: TerminalOptions,
        journal: Option<Arc<Journal>>,
        lines: &[JournalLine],
        cards: &[Arc<DemoCard>],
    ) -> Result<Self, SimError> {
        let (state, unanswered) = TerminalState::resume(&spec, lines, cards);
        Self::with_state(spec, options, journal, state, unanswered)
    }

    /// Requests that the journal left without an answer, a reversal included.
    pub fn unanswered_count(&self) -> usize {
        self.unanswered.len() + usize::from(self.state.pending.is_some())
    }

    /// Signs on, ends a pending reversal, repeats every request that has no answer, identically, and closes
    /// the batch again whose close had begun: until then the host may refuse every transaction in it.
    ///
    /// # Errors
    /// As [`Terminal::transact`].
    pub async fn recover(&mut self) -> Result<Recovered, SimError> {
        self.get_ready().await?;
        while let Some(entry) = self.unanswered.first().cloned() {
            self.get_ready().await?;
            let done = self.attempt(&entry.order, entry.batch, entry.stan, entry.attempt + 1).await?;
            self.unanswered.remove(0);
            // Kept by the terminal, so that a broken line further on does not lose it.
            self.ended_late.push(done);
        }
        let closed =
            if self.state.is_closing { Some(self.close_batch(CloseMode::True).await?) } else { None };
        Ok(Recovered { ended: self.take_ended(), closed })
    }
}
