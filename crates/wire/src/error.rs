//! Errors of the codec. Each says which element, where, and what was needed.

use std::fmt;
use std::sync::Arc;

use crate::De;

/// Where in a message something is: `mti`, `bitmap`, `de 35`, `de 60.2`, `de 55.9F26`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementPath {
    /// The message type.
    Mti,
    /// A bitmap: 1 primary, 2 secondary, 3 tertiary.
    Bitmap(u8),
    /// A data element.
    De(De),
    /// A positional subfield, counted from one.
    Subfield(De, u16),
    /// A BER-TLV tag inside an element.
    Tag(De, u32),
    /// What follows the last element.
    End,
}

impl ElementPath {
    /// The element that it is, or is in.
    pub const fn de(self) -> Option<De> {
        match self {
            Self::De(de) | Self::Subfield(de, _) | Self::Tag(de, _) => Some(de),
            Self::Mti | Self::Bitmap(_) | Self::End => None,
        }
    }
}

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mti => f.write_str("mti"),
            Self::Bitmap(1) => f.write_str("primary bitmap"),
            Self::Bitmap(2) => f.write_str("secondary bitmap"),
            Self::Bitmap(_) => f.write_str("tertiary bitmap"),
            Self::De(de) => write!(f, "de {de}"),
            Self::Subfield(de, index) => write!(f, "de {de}.{index}"),
            Self::Tag(de, tag) => write!(f, "de {de}.{tag:02X}"),
            Self::End => f.write_str("end of message"),
        }
    }
}

/// A body that does not follow its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {kind} at offset {offset}")]
pub struct ParseError {
    /// The dialect that was expected.
    pub dialect: Arc<str>,
    /// The element that could not be read.
    pub element: ElementPath,
    /// Offset in the body of the byte where the trouble starts.
    pub offset: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The message type is not four decimal digits in the dialect's encoding.
    #[error("message type is not four decimal digits")]
    BadMti,
    /// Bytes are missing.
    #[error("needs {need} bytes, have {have}")]
    Truncated {
        /// Bytes the element takes from `offset` on.
        need: usize,
        /// Bytes that are left there.
        have: usize,
    },
    /// The length prefix is not a number in its encoding.
    #[error("bad length digits")]
    BadLength,
    /// The length prefix is above the element's maximum.
    #[error("length {length} is above the maximum {max}")]
    LengthOverMax {
        /// The length read.
        length: usize,
        /// The most that the dialect allows.
        max: usize,
    },
    /// A byte that the element's class does not allow.
    #[error("byte {byte:#04x} is not allowed in class {class}")]
    BadCharacter {
        /// The byte as on the wire.
        byte: u8,
        /// The element's class.
        class: &'static str,
    },
    /// A bitmap in hexadecimal holds something else.
    #[error("bitmap is not hexadecimal")]
    BadBitmap,
    /// A BER-TLV length without an end of its own.
    #[error("indefinite length is not read")]
    IndefiniteLength,
    /// A tag that cannot be one.
    #[error("bad tag")]
    BadTag,
    /// Composites inside composites beyond the limit.
    #[error("nested deeper than {max}")]
    TooDeep {
        /// [`crate::COMPOSITE_DEPTH_MAX`].
        max: usize,
    },
    /// The bitmap announces an element that the dialect does not define.
    #[error("element is not defined by the dialect")]
    UnknownElement,
    /// Bytes after the last element.
    #[error("{have} bytes too many")]
    TrailingBytes {
        /// How many.
        have: usize,
    },
    /// The body is larger than any index can address.
    #[error("body of {length} bytes is above the maximum {max}")]
    BodyTooLong {
        /// Bytes given.
        length: usize,
        /// [`crate::BODY_BYTES_MAX`].
        max: usize,
    },
}

/// A message that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The dialect has no such element.
    #[error("de {de}: not defined by the dialect")]
    UnknownElement {
        /// The element.
        de: De,
    },
    /// Elements must come in ascending order, each once.
    #[error("de {de}: must come after de {after}")]
    OutOfOrder {
        /// The element given.
        de: De,
        /// The last element written.
        after: De,
    },
    /// The value is longer than the element.
    #[error("de {de}: length {length} is above the maximum {max}")]
    TooLong {
        /// The element.
        de: De,
        /// Length given, in the element's unit.
        length: usize,
        /// The element's maximum.
        max: usize,
    },
    /// A fixed element was given too little and its class has no padding.
    #[error("de {de}: needs length {need}, have {have}")]
    TooShort {
        /// The element.
        de: De,
        /// Length of the element.
        need: usize,
        /// Length given.
        have: usize,
    },
    /// A character that the class or the character set cannot carry.
    #[error("de {de}: position {position} has a character that class {class} cannot carry")]
    BadCharacter {
        /// The element.
        de: De,
        /// Index of the character or byte in the value given.
        position: usize,
        /// The element's class.
        class: &'static str,
    },
    /// The element does not take this kind of value: bytes for digits, or text for binary.
    #[error("de {de}: class {class} does not take {given}")]
    WrongKind {
        /// The element.
        de: De,
        /// The element's class.
        class: &'static str,
        /// `digits`, `text` or `bytes`.
        given: &'static str,
    },
    /// A plan was given another number of values than it has elements.
    #[error("needs {need} values, have {have}")]
    ValueCount {
        /// Elements of the plan.
        need: usize,
        /// Values given.
        have: usize,
    },
    /// The body outgrew [`crate::BODY_BYTES_MAX`].
    #[error("body of {length} bytes is above the maximum {max}")]
    BodyTooLong {
        /// Bytes written.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A part of a composite cannot be written.
    #[error("de {path}: {fault}")]
    Part {
        /// The part: `127.25.2`.
        path: Box<str>,
        /// What is wrong.
        fault: PartFault,
    },
    /// A reserved element was never written.
    #[error("de {de}: reserved and never written")]
    ReservedUnwritten {
        /// The element.
        de: De,
    },
    /// `finish` was called already.
    #[error("message is finished already")]
    Finished,
}

/// Why a part of a composite cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartFault {
    /// Nothing can be called this in the composite.
    #[error("not a key of this composite")]
    NotAKey,
    /// The dialect says neither how the part is written nor how parts in general are.
    #[error("not defined by the dialect")]
    Unknown,
    /// Positions and bits come in ascending order, each once; positions without a gap.
    #[error("must come in order, each once, positions without a gap")]
    OutOfOrder,
    /// It has no parts of its own, or the element has none.
    #[error("is not a composite")]
    NotAComposite,
    /// Longer than the part.
    #[error("length {length} is above the maximum {max}")]
    TooLong {
        /// Length given, in the unit of the part.
        length: usize,
        /// The maximum.
        max: usize,
    },
    /// Shorter than a part of fixed length.
    #[error("needs length {need}, have {have}")]
    TooShort {
        /// Length of the part.
        need: usize,
        /// Length given.
        have: usize,
    },
    /// A character that the class or the character set cannot carry.
    #[error("position {position} has a character that class {class} cannot carry")]
    BadCharacter {
        /// Index of the character in the value given.
        position: usize,
        /// The class of the part.
        class: &'static str,
    },
    /// Text for bytes, or bytes for digits.
    #[error("class {class} does not take {given}")]
    WrongKind {
        /// The class of the part.
        class: &'static str,
        /// `text` or `bytes`.
        given: &'static str,
    },
    /// Composites inside composites beyond the limit.
    #[error("nested deeper than {max}")]
    TooDeep {
        /// [`crate::COMPOSITE_DEPTH_MAX`].
        max: usize,
    },
}

/// A dialect file that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// Not TOML, or not this shape.
    #[error("dialect is not valid")]
    Toml(#[source] Box<toml::de::Error>),
    /// `extends` names a dialect that is not built in.
    #[error("dialect {dialect}: extends unknown dialect {base}")]
    UnknownBase {
        /// The dialect being compiled.
        dialect: String,
        /// The name it extends.
        base: String,
    },
    /// A value has a word that means nothing here.
    #[error("dialect {dialect}: {key}: unknown value {value:?}, expected {expected}")]
    UnknownValue {
        /// The dialect being compiled.
        dialect: String,
        /// The key, with the element: `elements.35.encoding`.
        key: String,
        /// The value given.
        value: String,
        /// The values that exist.
        expected: &'static str,
    },
    /// A value is outside its range.
    #[error("dialect {dialect}: {key}: {value} is not in {min}..={max}")]
    OutOfRange {
        /// The dialect being compiled.
        dialect: String,
        /// The key.
        key: String,
        /// The value given.
        value: usize,
        /// Smallest allowed.
        min: usize,
        /// Largest allowed.
        max: usize,
    },
}

/// A frame or envelope that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length header is not a number in its encoding.
    #[error("bad length header {bytes:02x?}")]
    BadLength {
        /// The first four bytes, zero-filled.
        bytes: [u8; 4],
    },
    /// The frame is larger than the caller allows.
    #[error("frame of {length} bytes is above the maximum {max}")]
    TooLong {
        /// Length announced.
        length: usize,
        /// The caller's limit.
        max: usize,
    },
    /// An inclusive length smaller than its own header.
    #[error("inclusive length {length} is below its own {header} bytes")]
    TooShort {
        /// Length announced.
        length: usize,
        /// Bytes of the length header.
        header: usize,
    },
    /// The frame ends inside the envelope.
    #[error("envelope needs {need} bytes, have {have}")]
    EnvelopeTruncated {
        /// Bytes of the envelope.
        need: usize,
        /// Bytes in the frame.
        have: usize,
    },
    /// The header is not binary-coded decimal.
    #[error("header byte {byte:#04x} at offset {offset} is not two decimal digits")]
    BadHeader {
        /// The byte.
        byte: u8,
        /// Its offset in the frame.
        offset: usize,
    },
    /// A frame on a serial line starts with something else than STX.
    #[error("frame starts with {byte:#04x}, not with STX")]
    NoStx {
        /// The byte there.
        byte: u8,
    },
    /// A frame on a serial line does not end where its length says.
    #[error("frame has {byte:#04x} at offset {offset} where ETX is due")]
    NoEtx {
        /// The byte there.
        byte: u8,
        /// Its offset in the frame.
        offset: usize,
    },
    /// The check byte of a frame on a serial line is not the exclusive-or of the frame.
    #[error("frame has check byte {have:#04x}, needs {need:#04x}")]
    BadLrc {
        /// What the bytes give.
        need: u8,
        /// What the frame has.
        have: u8,
    },
    /// A header counts another number of bytes than there are.
    #[error("header counts {counted} bytes, there are {have}")]
    WrongTotal {
        /// What the header says.
        counted: usize,
        /// Header and message.
        have: usize,
    },
    /// The payload does not fit the framing when writing: too long for its length, or ETX in text.
    #[error("payload of {length} bytes does not fit a {framing} header")]
    Unrepresentable {
        /// Bytes written.
        length: usize,
        /// Name of the framing.
        framing: &'static str,
    },
}
