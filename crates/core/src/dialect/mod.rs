//! Between messages and the internal model: pure functions that run on the server's I/O threads.
//!
//! - [`unionpay`] is what terminals speak: a message becomes a [`unionpay::Draft`], and the core's
//!   [`Reply`](crate::Reply) becomes the bytes of the answer.
//! - [`iso87`] is what issuers' hosts speak: the core's [`Upstream`](crate::Upstream) becomes bytes, and
//!   an answer becomes an [`Answer`](crate::Answer).
//!
//! No key and no cipher is here: a MAC comes in as a function, a card number goes out to be sealed.

pub mod iso87;
pub mod unionpay;

/// Overwrites digits of a card number once they are used; the optimizer may not leave it out.
pub(crate) fn wipe(digits: &mut [u8]) {
    digits.fill(0);
    std::hint::black_box(digits);
}
