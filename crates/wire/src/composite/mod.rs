//! Composites: elements with parts inside, nested to [`COMPOSITE_DEPTH_MAX`] levels.
//!
//! A dialect declares a [`Composite`] (positions, tags, bits, BER-TLV, datasets); [`Parts`] walks over the value
//! without allocating, [`PartWriter`] writes one. Parsing a message does not look inside: who asks pays.

mod ber;
mod check;
mod json;
mod key;
mod model;
mod value;
mod view;
mod walk;
mod write;

pub(crate) use ber::is_tag as is_ber_tag;
pub(crate) use check::first_bad;
pub(crate) use json::{compose, subfields};
pub use key::{Key, TAG_BYTES_MAX, Tag};
pub(crate) use model::{BER, BITMAP_WORDS_MAX};
pub use model::{
    BitmapRule, COMPOSITE_DEPTH_MAX, Composite, Head, Kind, PartSpec, TagCounts, TagLength, TagRule,
};
pub(crate) use value::{Paths, mask_whole};
pub use walk::{Part, PartError, Parts};
pub use write::PartWriter;
