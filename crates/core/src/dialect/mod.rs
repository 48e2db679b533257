//! Between messages and the internal model: pure functions that run on the server's I/O threads.
//!
//! - [`unionpay`] and [`iso::terminal`] are what terminals speak, and [`Spoken`] chooses between them: a message becomes
//!   a [`Draft`], and the core's [`Reply`](crate::Reply) becomes the bytes of the answer.
//! - [`iso::link`] is what issuers' hosts speak: the core's [`Upstream`](crate::Upstream) becomes bytes, and
//!   an answer becomes an [`Answer`](crate::Answer).
//!
//! No key and no cipher is here: a MAC comes in as a function, a card number goes out to be sealed.

mod card;
mod draft;
mod elements;
pub mod iso;
mod refusal;
mod scripts;
mod spoken;
pub mod unionpay;

pub use card::{ClearCard, DraftCard, EncryptedTrack};
pub use draft::{
    Draft, FinancialDraft, IntoBodyError, MacRequirement, Parsed, ReceivedMac, ReversalDraft, UploadDraft,
    UploadedDraft,
};
pub use refusal::{Refusal, Why};
pub use spoken::{MacOf, ReplyContext, Spoken};

/// Overwrites digits of a card number once they are used; the optimizer may not leave it out.
pub(crate) fn wipe(digits: &mut [u8]) {
    digits.fill(0);
    std::hint::black_box(digits);
}
