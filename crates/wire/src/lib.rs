//! ISO 8583 messages as bytes: dialects as data, framing, parse, build, describe.
//!
//! A [`Dialect`] says how each element stands on the wire; it is data, a TOML file. [`Dialect::parse`] turns
//! a body into a [`Message`], an index that borrows the bytes; [`Dialect::builder`] writes a body into a
//! buffer. [`Framing`] finds messages on a byte stream and [`Envelope`] takes off what a link puts before
//! them.
//!
//! Values instead of text: [`typed`] reads amounts, trace numbers, dates, codes and chip data from a message and
//! writes them into one; [`validate`](mod@validate) says which elements a message lacks.
//!
//! Where to go from there: `docs/dialects.md` says how a dialect is written, [`import`] makes one from the
//! tables of jPOS and moov-io, [`BuildPlan`] writes and [`ReplyPlan`] answers many messages that differ in
//! values only, [`json`], [`describe`](mod@describe) and [`diff`](mod@diff) show messages, and the examples
//! `parse`, `build`, `own_dialect`, `tlv` and `streaming` are a page each.
//!
//! This crate does not do I/O, does not log, holds no keys and knows nothing of transactions beyond which
//! elements they must carry. Input cannot make it panic, or allocate more than a small multiple of its own
//! size. There is no `unsafe` in it.
//!
//! ```
//! use switchyard_wire::{Dialect, Mti};
//!
//! let dialect = Dialect::builtin("iso87-ascii").expect("built in");
//! let message = dialect.parse(b"080080200000000000000400000000000000000042301")?;
//! assert_eq!(message.mti(), Mti::new(0x0800));
//! assert_eq!(message.number(11), Some(42));
//! assert_eq!(message.text(70).as_deref(), Some("301"));
//! # Ok::<(), switchyard_wire::ParseError>(())
//! ```

#![forbid(unsafe_code)]

mod bits;
mod builder;
mod charset;
#[cfg(feature = "codec")]
mod codec;
mod composite;
pub mod describe;
mod detect;
mod dialect;
pub mod diff;
mod digits;
mod envelope;
mod error;
mod frame;
pub mod fuzzing;
pub mod import;
pub mod json;
mod mask;
mod message;
mod mti;
mod pans;
mod parse;
mod render;
mod reply;
mod shape;
mod tlv;
pub mod typed;
pub mod validate;
mod words;

pub use builder::{BuildPlan, Builder, Value};
pub use charset::Charset;
#[cfg(feature = "codec")]
pub use codec::{CodecError, FrameCodec};
pub use composite::{
    BitmapRule, COMPOSITE_DEPTH_MAX, Composite, Head, Key, Kind, Part, PartError, PartSpec, PartWriter,
    Parts, TAG_BYTES_MAX, Tag, TagCounts, TagLength, TagRule,
};
pub use detect::{Detected, detect_frame, detect_frame_for};
pub use dialect::{
    Class, Composition, Counts, Dialect, Element, Encoding, Length, Meaning, Need, Pad, Prefix,
    PrefixEncoding, Presence, Sensitivity, Side, Subfield, SubfieldLayout, Transaction,
};
pub use envelope::{
    BASE1_BYTES, Base1Header, CUPS_BYTES, CupsHeader, Envelope, EnvelopeError, EnvelopeKind, HEADER_BYTES,
    LRI_BYTES, TPDU_BYTES, VERSION_BYTES,
};
pub use error::{BuildError, DialectError, ElementPath, FrameError, ParseError, ParseErrorKind, PartFault};
pub use frame::{FrameHeader, Frames, Framing, FramingError, Scan};
pub use mask::Masking;
pub use message::{Message, SmallDigits, Subvalue};
pub use mti::{Mti, MtiClass, MtiError, MtiFunction, MtiVersion};
pub use reply::ReplyPlan;
pub use tlv::{TLV_COUNT_MAX, TLV_DEPTH_MAX, Tlv, TlvError, Tlvs};

/// The number of a data element, 2 to [`DE_MAX`].
pub type De = u8;

/// The highest data element: three bitmaps of 64 bits.
pub const DE_MAX: De = 192;

/// The largest body: offsets are kept in sixteen bits.
pub const BODY_BYTES_MAX: usize = 65_535;

/// Room for every element number, zero included.
pub(crate) const SLOTS: usize = DE_MAX as usize + 1;
