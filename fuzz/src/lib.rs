//! What the fuzz targets call where one public function does not say it all. Whatever the bytes: no panic, no
//! hang, and what is asserted here.

#![allow(clippy::unwrap_used, reason = "a panic is a finding")]

mod dialects;
mod hsm;
mod ledger;
mod ops;
mod records;

// The bench of the core's own tests, with its model as the oracle.
#[path = "../../crates/core/tests/support/mod.rs"]
mod support;

pub use dialects::terminal_message;
pub use hsm::hsm_reply;
pub use ledger::{ledger_block, ledger_proof, ledger_recover, ledger_witness};
pub use ops::core_ops;
pub use records::{record, seeds};

/// The key of the published version D example: mutations of its block get past the header.
const KBPK: [u8; 16] =
    [0xFD, 0xDE, 0xA3, 0x0D, 0x94, 0x4E, 0xD1, 0x19, 0xFC, 0xF3, 0x59, 0xF3, 0xA4, 0x6B, 0xEC, 0x08];

/// Opens a key block, under a fixed key of each length that there is.
pub fn tr31(bytes: &[u8]) {
    for kbpk in [&KBPK[..], &[0x5A; 24], &[0xA5; 32]] {
        let _ = switchyard_keys::tr31::unwrap(kbpk, bytes);
    }
}
