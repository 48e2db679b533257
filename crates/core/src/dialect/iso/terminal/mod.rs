//! Terminals that speak ISO 8583 as an edition has it, without an acquirer's private elements.
//!
//! | message | DE 3, or 70 and 24 | becomes |
//! |---|---|---|
//! | x100 | 00, 03 | a hold (pre-authorization) |
//! | x120 | 00, 03 | a hold that was approved already |
//! | x100, x120 | 02, 20 and the original | the void of either |
//! | x100, x200 | 30, 31 | a balance inquiry |
//! | x200 | 00 | a sale; under a hold (DE 25 = 06; DE 24 = 201, 202) its completion |
//! | x200 | 01 | a cash advance |
//! | x200, x220 | 02 and the original | a void, of a sale or of a completion |
//! | x200, x220 | 20 and the original | a refund |
//! | x200 | 500000, 510000 | card repayment, top-up |
//! | x220 | 00 | an offline sale; under a hold the advice of its completion |
//! | x220 | 00 and DE 54 = DE 4, a tip | the tip of the sale that it names |
//! | x400, x420 | as the original, DE 90 or 56 | a reversal of the whole, or with DE 95 or DE 24 = 401 of a part |
//! | x500 | | reconciliation: compares totals; 960000 in DE 3 ends an upload |
//! | x520 | | the same as an advice: the batch ends whatever comes out |
//! | x320 | | one transaction of the batch, when the totals differed |
//! | x620 | | results of scripts: DF31 in DE 55, DE 90 or 56, or DE 37 |
//! | x800, x820 | 001 and 161, 801 and 811 | sign-on and key change: working keys |
//! | | 002, 802; 301, 831 | sign-off; echo |
//!
//! x is 0, 1 or 2. A repeat (last digit 1) is the same request again. The dialects name no batch: the batch is the one
//! that is open, and the moment of a request (DE 7 in 1987, DE 12 since) tells it from another under the same number.

mod read;
mod reply;
mod select;
mod totals;

#[cfg(test)]
mod tests;

pub use read::read;
pub use reply::{malformed_reply, write_reply};
