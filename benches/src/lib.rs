//! Benches of Switchyard, one a room: `cargo bench -p switchyard-benches`.
//!
//! `wire_counts` counts instructions (valgrind, gungraun) and fails above the limits that are committed with it;
//! the others take the time (criterion), which informs: it depends on the machine and on who else uses it.
//! The messages that they use lie in `messages/*.hex`, so that any other library can be timed on the same bytes.

pub mod wire;
