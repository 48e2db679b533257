//! What is kept of a chip's part in a transaction that its issuer hears of later.

use serde::{Deserialize, Serialize};

/// Longest DE 55 that is kept: what every dialect of a link takes.
pub const CHIP_BYTES_MAX: usize = 255;

/// The chip data of a transaction that was approved without its issuer, until that has heard of it: its cryptogram, and what
/// the cryptogram was made over. Nothing in it is the content of a track, the number of the card or its holder's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChipData {
    /// DE 23: which of the cards of one number.
    pub sequence: Option<u16>,
    /// DE 55: BER-TLV objects, at most [`CHIP_BYTES_MAX`] bytes; empty where none were kept.
    pub objects: Vec<u8>,
}
