//! UnionPay POS terminals (银联 POS), Q/CUP 009: requests in, answers out.
//!
//! 1. [`read`] turns a parsed message into [`Parsed`](super::Parsed): who asks, which bytes a MAC covers, and a
//!    [`Draft`](super::Draft) of the request with the card still in clear.
//! 2. The server verifies the MAC, deciphers the track where [`encrypted_track`](super::Draft::encrypted_track) has one, and
//!    calls [`into_body`](super::Draft::into_body), which seals the card on the way.
//! 3. [`write_reply`] builds the answer from the retained request and the core's reply.
//!
//! Everything that depends on the kind of transaction stands in one table: how it is recognised, what a
//! request must have, what a reply has, and whether it carries a MAC.

mod batch;
mod device;
mod read;
mod reply;
mod table;

#[cfg(test)]
mod tests;

pub use read::read;
pub use reply::{malformed_reply, write_reply};
