//! ISO 8583 as its editions of 1987, 1993 and 2003 spell it, in whichever encoding a wire dialect has.
//!
//! The internal model is one: what an edition writes otherwise (where an amount has its currency, how a result or an
//! original is named, which element says why) stands in a file of its own here; [`terminal`] and [`link`]
//! (issuers' hosts) are written on top of these.
//!
//! | | 1987 | 1993 | 2003 |
//! |---|---|---|---|
//! | result, DE 39 | two characters | three digits | four digits |
//! | amount | DE 4, currency DE 49 | the same | DE 4 holds currency and exponent |
//! | local time | DE 12 time, DE 13 date | DE 12 with its date | DE 12 with its date and century |
//! | merchant category | DE 18 | DE 26 | DE 26 |
//! | entry mode, DE 22 | three digits | twelve characters | sixteen bytes |
//! | what is meant | DE 25 condition | DE 24 function, DE 25 reason | the same |
//! | original | DE 90 | DE 56 | DE 56 |
//! | network management | x800, DE 70 | x804, DE 24 | the same |

pub(crate) mod chip;
mod edition;
mod entry;
pub mod link;
mod money;
mod original;
mod result;
pub mod terminal;
mod time;

pub use edition::Edition;
