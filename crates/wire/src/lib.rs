//! ISO 8583 messages as bytes: dialects as data, framing, parse, build, describe.

mod builder;
pub mod describe;
mod detect;
mod dialect;
pub mod diff;
mod envelope;
mod error;
mod frame;
pub mod json;
mod mask;
mod message;
mod mti;
mod tlv;
pub mod validate;

pub use builder::Builder;
pub use detect::{Detected, detect_frame, detect_frame_for};
pub use dialect::Dialect;
pub use envelope::{Envelope, EnvelopeError, EnvelopeKind, HEADER_BYTES, LRI_BYTES, TPDU_BYTES};
pub use error::{BuildError, DialectError, ElementPath, FrameError, ParseError, ParseErrorKind};
pub use frame::{Frames, Framing, FramingError, Scan};
pub use mask::Masking;
pub use message::{Message, SmallDigits, Subvalue};
pub use mti::{Mti, MtiClass, MtiError, MtiFunction, MtiVersion};
pub use tlv::{Tlv, TlvError, Tlvs};

/// The number of a data element, 1 to 192.
pub type De = u8;

/// The largest body: offsets are kept in sixteen bits.
pub const BODY_BYTES_MAX: usize = 65_535;
