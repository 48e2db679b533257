//! The invariants, checked from outside: on what lies on the disk, on what leaves the switch, and on the books of the others.

mod given;
mod journals;
mod oracle;
mod snapshot;
mod story;

pub(crate) use journals::{Believed, Books, Journals};
pub(crate) use oracle::Oracle;
pub(crate) use story::Tale;

/// Something that must never happen did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The invariant, in a word or two.
    pub(crate) rule: &'static str,
    /// What was found, by numbers and references: no card.
    pub(crate) found: String,
}

/// What a check says.
pub(crate) type Checked = Result<(), Breach>;

/// Checks one thing.
pub(crate) fn ensure(holds: bool, rule: &'static str, found: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Breach { rule, found: found() }) }
}
