//! UnionPay POS terminals (银联 POS), Q/CUP 009: requests in, answers out.
//!
//! 1. [`read`] turns a parsed message into [`Parsed`]: who asks, which bytes a MAC covers, and a
//!    [`Draft`] of the request with the card still in clear.
//! 2. The server verifies the MAC, deciphers the track where [`Draft::encrypted_track`] has one, and
//!    calls [`Draft::into_body`], which seals the card on the way.
//! 3. [`write_reply`] builds the answer from the retained request and the core's reply.
//!
//! Everything that depends on the kind of transaction stands in one table: how it is recognised, what a
//! request must have, what a reply has, and whether it carries a MAC.

mod batch;
mod card;
mod device;
mod draft;
mod read;
mod refusal;
mod reply;
mod table;

#[cfg(test)]
mod tests;

pub use card::{ClearCard, DraftCard, EncryptedTrack};
pub use draft::{Draft, FinancialDraft, IntoBodyError, ReversalDraft, UploadDraft, UploadedDraft};
pub use read::{MacRequirement, Parsed, read};
pub use refusal::{Refusal, Why};
pub use reply::{MacOf, malformed_reply, write_reply};
