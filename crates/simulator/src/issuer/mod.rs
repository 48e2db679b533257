//! An issuer host: a TCP server to which the switch connects, with books of its own.
//!
//! It answers ISO 8583:1987 in the link's dialect: sign-on, sale, inquiry, pre-authorization and its
//! follow-ups, void, refund, and reversal advices that have one effect however often they come. It sends scripts to
//! chips and hears what became of them. It keeps what it posted, so that its ledger can be compared with the switch's.

mod account;
mod billing;
mod book;
mod connection;
mod desk;
mod edition;
mod entry;
mod faults;
mod host;
mod keys;
mod request;
mod scripts;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use book::{Answer, EFFECTS_MAX, IssuerBook, IssuerCounts};
pub use desk::{Desk, Heard, Session};
pub use entry::IssuerEntry;
pub use faults::IssuerFaults;
pub use host::{IssuerConfig, IssuerHost};
pub use keys::PinKeys;
pub use request::{IssuerRequest, OriginalKey, PinEntry, RequestKind};
pub use scripts::{ScriptId, ScriptSent};
