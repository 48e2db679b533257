//! Issuers' hosts over a link, in whichever edition and encoding the link's wire dialect says. The elements of 1987:
//!
//! | message | MTI | DE 3 | DE 25 | elements |
//! |---|---|---|---|---|
//! | sale | 0200 → 0210 | 000000 | as asked | 2 3 4 7 11 12 13 14? 18 22 23? 25 32 35? 37 41 42 49 52? 55? |
//! | balance inquiry | 0200 → 0210 | 310000 | as asked | the same, DE 4 zero |
//! | pre-authorization | 0100 → 0110 | 030000 | 06 | the same |
//! | pre-authorization void | 0100 → 0110 | 200000 | 06 | and 38 90 |
//! | completion | 0200 → 0210 | 000000 | 06 | and 38 90 |
//! | completion void | 0200 → 0210 | 200000 | 06 | and 90 |
//! | void | 0200 → 0210 | 200000 | 00 | and 90 |
//! | refund | 0220 → 0230 | 200000 | 00 | and 90 |
//! | cash advance, card repayment, top-up | 0200 → 0210 | 010000, 500000, 510000 | as asked | as a sale |
//! | advice, its repeat | 0120 → 0130, 0220 → 0230 | the transaction's | the transaction's | 2 3 4 7 11 12 13 14? 18 22 25 32 37 38? 39 41 42 49 90? |
//! | reversal, its repeat | 0420, 0421 → 0430 | the original's | the original's | 2 3 4 7 11 12 13 25 32 37 39 41 42 49 90 |
//! | script result, its repeat | 0620, 0621 → 0630 | the transaction's | — | 2 3 7 11 12 13 32 37 41 42 55 90 |
//! | network management | 0800 → 0810 | — | — | 7 11 70 120? → 7 11 39 70 120? |
//!
//! Since 1993: DE 12 holds the date too and there is no DE 13, DE 26 stands for DE 18, DE 24 and 25 for DE 25 (function
//! 100, 200, and 202 for what a hold covers, 400 of a reversal, 690 of a script result; reason 1003, 1004, 40xx), DE 56 for DE 90; a reversal
//! has no DE 39; network management is x804 with 801, 802 or 831 in DE 24 in place of DE 70. 2003 has no DE 49.
//!
//! DE 7 is UTC, DE 12 and 13 are local time of the same instant. DE 39 of a reversal says why: 68 no
//! answer, 22 terminal fault or wrong MAC, 21 anything else. A link carries no MAC.

mod function;
mod key;
mod network;
mod read;
mod script;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use function::network_code;
pub use key::{key_element, read_key, write_key_answer};
pub use network::{ECHO, KEY_CHANGE, SIGN_OFF, SIGN_ON, answer_network};
pub use read::{AnswerError, read_answer};
pub(crate) use script::SCRIPT_RESULT;
pub(crate) use write::processing_code;
pub use write::{
    LinkContext, ReversalAdvice, advice_mti, upstream_mti, write, write_network, write_request,
    write_reversal,
};
