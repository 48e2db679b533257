//! Plays the parties outside a switch: terminals, issuers and an HSM, over real sockets, with real keys.
//!
//! What it is: a POS terminal as a state machine (UnionPay's dialect, or a generic one), an ISO 8583 issuer host, a fleet that
//! drives many terminals through every transaction and fault, and a load generator. Every party keeps
//! its own journal, so that three ledgers can be compared after a run: the terminals', the switch's and
//! the issuers'.
//!
//! What it deliberately is **not**: it shares no state with the switch and knows nothing of its inside.
//! What it believes, it learned from the wire.
//!
//! Start from [`world::DemoWorld`], which names everybody and their keys. [`issuer::IssuerHost`] serves a
//! link's cards, [`fleet::run_fleet`] works through every transaction and fault,
//! [`load::run_load`] measures throughput, [`journal::believed`] says what the terminals believe.
//!
//! ```
//! use switchyard_simulator::world::{DemoSize, DemoWorld, KeySource};
//! let world = DemoWorld::generate(1, &DemoSize::default(), KeySource::Seeded)?;
//! assert_eq!(world.terminals.len(), 16);
//! # Ok::<(), switchyard_simulator::SimError>(())
//! ```

mod clock;
#[cfg(test)]
mod double;
mod error;
pub mod fleet;
mod hex;
pub mod hsm;
pub mod issuer;
pub mod journal;
pub mod load;
pub mod random;
pub mod terminal;
pub mod world;

pub use error::SimError;
