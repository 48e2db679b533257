//! Other libraries on the same bytes, in the same run: as an oracle of correctness and as a measure of speed.
//!
//! A workspace of its own, because the peers bring dependencies that the product must not have. One module a
//! peer; what is compared lies in `tests/`, what is timed in `benches/`.

pub mod iso8583_peer;
#[cfg(feature = "ledger")]
pub mod ledger_line;
#[cfg(feature = "ledger")]
pub mod ledger_peer;
