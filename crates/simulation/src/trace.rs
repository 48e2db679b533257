//! The last things that happened, for whoever has to understand a failure. It holds numbers and names, never a card.

use crate::schedule::Micros;
use std::collections::VecDeque;
use std::fmt;

/// Events kept.
const KEPT_MAX: usize = 160;

/// One thing that happened: a word for it, and up to three numbers that say to whom and what.
#[derive(Debug, Clone, Copy)]
struct Note {
    step: u64,
    at: Micros,
    what: &'static str,
    numbers: [u64; 3],
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at / 1_000_000, self.at % 1_000_000);
        let [a, b, c] = self.numbers;
        write!(f, "step {:>7}  {seconds:>7}.{micros:06} s  {:<34} {a} {b} {c}", self.step, self.what)
    }
}

/// A ring of notes.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    notes: VecDeque<Note>,
}

impl Trace {
    pub(crate) fn note(&mut self, step: u64, at: Micros, what: &'static str, numbers: [u64; 3]) {
        if self.notes.len() == KEPT_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back(Note { step, at, what, numbers });
    }
    pub(crate) fn lines(&self) -> Vec<String> {
        self.notes.iter().map(ToString::to_string).collect()
    }
}
