//! The state machine by script: what is asked, what the issuer does, what is answered.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod batch;
mod card_keys;
mod change;
mod chip;
mod chip_told;
mod command;
mod custody;
mod device;
mod duplicates;
mod follow_up;
mod fx;
mod issuer_scripts;
mod kinds;
mod link;
mod link_keys;
mod matching;
mod offers;
mod on_us;
mod orders;
mod part_back;
mod partial;
mod pool;
mod products;
mod restart;
mod reversal;
mod risk;
mod routing;
mod saf;
mod stand_in;
mod told;
mod transfer;
mod unbatched;
mod users;
