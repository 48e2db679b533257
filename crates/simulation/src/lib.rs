//! A whole switch under one seed: terminals, issuers, network, disk and clock, all of them with faults, in one thread and on a
//! time of its own.
//!
//! The deciding core, the records, the log with its recovery, and the messages on both sides are the real ones, with real
//! MACs and PIN blocks. Around them stands what the server does with sockets and threads, in a form that can be
//! stopped at every step: intake, release of effects when they are durable, links. After every step the invariants
//! are checked on what lies on the disk and on what leaves; at the end the queues are drained, and the terminals'
//! journals, the ledger and the issuers' books are compared.
//!
//! What it deliberately is **not**: it does not run the server's own threads and sockets (its tests do), and it is no
//! measure of speed.
//!
//! Start from [`simulate`] and [`Options`]; `cargo xtask simulate` runs many seeds. A failure names its seed, and
//! the seed plays it again.
//!
//! ```
//! use switchyard_simulation::{Options, simulate};
//! let options = Options { steps: 500, ..Options::seed(1) };
//! let tally = simulate(&options).map_err(|failure| failure.to_string())?;
//! assert!(tally.transactions > 0 && tally == simulate(&options).map_err(|failure| failure.to_string())?);
//! # Ok::<(), String>(())
//! ```

mod absence;
mod billing;
mod check;
mod chip;
mod env;
mod host;
mod hsm;
mod plan;
mod schedule;
mod switch;
mod tally;
mod till;
mod trace;
mod world;

pub use plan::{Options, STEPS_DEFAULT, Sabotage};
pub use tally::Tally;
pub use world::{Failure, simulate};
