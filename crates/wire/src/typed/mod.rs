//! Elements as values: amounts, trace numbers, dates, codes and chip data, without text in between.
//!
//! [`Message::field`] reads a [`Field`] and [`Builder::put`] writes one; what is common has a method of its own,
//! as [`Message::stan`]. Nothing is allocated. An element that is absent is nothing; one whose value is not what
//! its element must hold (a thirteenth month) is an error, because a switch has to refuse it.
//!
//! ```
//! use switchyard_wire::typed::{Amount, Currency, ProcessingCode, Stan};
//! use switchyard_wire::{Dialect, Mti};
//!
//! let dialect = Dialect::builtin("iso87-ascii").expect("built in");
//! let mut body = Vec::new();
//! let mut builder = dialect.builder(&mut body, Mti::new(0x0200));
//! builder.put(&ProcessingCode::PURCHASE)?.put(&Amount::of(12_345))?.put(&Stan(42))?.put(&Currency::CNY)?;
//! builder.finish()?;
//!
//! let message = dialect.parse(&body)?;
//! assert_eq!(message.stan()?, Some(Stan(42)));
//! assert_eq!(message.amount()?.map(|amount| (amount.minor, amount.currency)), Some((12_345, Some(Currency::CNY))));
//! assert_eq!(message.rrn()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no derive that maps a message to a struct. The mapping is a `message.stan()?` for each member, which
//! is as long as the attributes would be, says what to do with what is absent, and compiles in no time; a macro
//! would bring a crate of its own, `syn`, and errors that point into generated code.

mod amount;
mod chip;
mod code;
mod currency;
mod time;
mod track;

pub use amount::{Amount, SignedAmount};
pub use chip::{Aip, Chip, Cryptogram, CryptogramInfo, CryptogramKind, CvmResults, Flag, Tsi, Tvr};
pub use code::{PanEntry, PosDataCode, PosEntry, PosEntryMode, ProcessingCode, ResponseCode, Rrn, Stan};
pub use currency::Currency;
pub use time::{Date, Expiry, LocalDate, LocalTime, SettlementDate, Time, TransmissionTime};
pub use track::ServiceCode;

use crate::{BuildError, Builder, De, ElementPath, Message};

/// A value that an element carries.
pub trait Field: Sized {
    /// The element.
    const DE: De;

    /// Reads it; nothing when it is absent.
    ///
    /// # Errors
    /// [`FieldError`] when the element holds something else.
    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError>;

    /// Writes it.
    ///
    /// # Errors
    /// Those of [`Builder`]; [`BuildError::WrongKind`] when the dialect's element has no room for all of it.
    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError>;
}

/// An element holds something else than its kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: is not {expected}")]
pub struct FieldError {
    /// The element, subfield or tag.
    pub path: ElementPath,
    /// What belongs there.
    pub expected: &'static str,
}

/// The most characters that are read of an element as a value.
const CHARACTERS_MAX: usize = 40;

impl Message<'_, '_> {
    /// Reads a value; nothing when its element is absent.
    ///
    /// # Errors
    /// [`FieldError`] when the element holds something else.
    pub fn field<F: Field>(&self) -> Result<Option<F>, FieldError> {
        F::read(self)
    }

    /// Amount and currency of the transaction (elements 4 and 49).
    ///
    /// # Errors
    /// [`FieldError`] when an element holds something else.
    pub fn amount(&self) -> Result<Option<Amount>, FieldError> {
        self.field()
    }

    /// The system trace audit number (element 11).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn stan(&self) -> Result<Option<Stan>, FieldError> {
        self.field()
    }

    /// The retrieval reference number (element 37).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn rrn(&self) -> Result<Option<Rrn>, FieldError> {
        self.field()
    }

    /// The processing code (element 3).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn processing_code(&self) -> Result<Option<ProcessingCode>, FieldError> {
        self.field()
    }

    /// How card and cardholder were read (element 22), in the form of the message's edition.
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn pos_entry(&self) -> Result<Option<PosEntry>, FieldError> {
        self.field()
    }

    /// The response or action code (element 39).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn response_code(&self) -> Result<Option<ResponseCode>, FieldError> {
        self.field()
    }

    /// Transmission date and time (element 7).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn transmission_time(&self) -> Result<Option<TransmissionTime>, FieldError> {
        self.field()
    }

    /// Local time (element 12), with the date where that element has it.
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn local_time(&self) -> Result<Option<LocalTime>, FieldError> {
        self.field()
    }

    /// Local date: of element 12 where that has one, else element 13.
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn local_date(&self) -> Result<Option<LocalDate>, FieldError> {
        self.field()
    }

    /// The card's expiry (element 14).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn expiry(&self) -> Result<Option<Expiry>, FieldError> {
        self.field()
    }

    /// The settlement date (element 15).
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn settlement_date(&self) -> Result<Option<SettlementDate>, FieldError> {
        self.field()
    }

    /// The service code: of track 2, else of track 1, else element 40.
    ///
    /// Nothing when the dialect says that the tracks are enciphered.
    ///
    /// # Errors
    /// As [`Message::field`].
    pub fn service_code(&self) -> Result<Option<ServiceCode>, FieldError> {
        track::service_code(self)
    }

    /// The chip data of element 55.
    pub fn chip(&self) -> Option<Chip<'_>> {
        Chip::of(self)
    }
}

impl Builder<'_, '_> {
    /// Writes a value into its element; elements ascend, as everywhere in a builder.
    ///
    /// # Errors
    /// Those of the element; [`BuildError::WrongKind`] when the dialect's element has no room for all of it.
    pub fn put<F: Field>(&mut self, value: &F) -> Result<&mut Self, BuildError> {
        value.write(self)?;
        Ok(self)
    }
}

/// The digits of an element that holds nothing else, and no more of them than the buffer has room for.
fn digits<'b>(
    message: &Message<'_, '_>,
    de: De,
    buf: &'b mut [u8],
    expected: &'static str,
) -> Result<Option<&'b [u8]>, FieldError> {
    if !message.has(de) {
        return Ok(None);
    }
    let digits = message.digits(de, buf).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    digits.map(Some).ok_or(wrong(de, expected))
}

/// The number in an element of digits.
fn number(message: &Message<'_, '_>, de: De, expected: &'static str) -> Result<Option<u64>, FieldError> {
    if !message.has(de) {
        return Ok(None);
    }
    message.number(de).map(Some).ok_or(wrong(de, expected))
}

/// The characters of an element of text in ASCII, whatever its character set.
fn characters<'b>(
    message: &Message<'_, '_>,
    de: De,
    buf: &'b mut [u8],
    expected: &'static str,
) -> Result<Option<&'b [u8]>, FieldError> {
    let (Some(element), Some(raw)) = (message.dialect().element(de), message.raw(de)) else {
        return Ok(None);
    };
    if element.encoding() == crate::Encoding::Bcd {
        return digits(message, de, buf, expected);
    }
    let out = buf.get_mut(..raw.len()).ok_or(wrong(de, expected))?;
    for (slot, byte) in out.iter_mut().zip(raw) {
        *slot = element.charset.ascii_of(*byte).ok_or(wrong(de, expected))?;
    }
    Ok(Some(out))
}

/// The number in two ASCII digits; what is not a digit is nothing.
fn two(digits: &[u8]) -> Option<u8> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

/// Two ASCII digits of a number below a hundred.
const fn two_digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

const fn wrong(de: De, expected: &'static str) -> FieldError {
    FieldError { path: ElementPath::De(de), expected }
}

fn no_room(builder: &Builder<'_, '_>, de: De, given: &'static str) -> BuildError {
    match builder.dialect().element(de) {
        Some(element) => BuildError::WrongKind { de, class: element.class().as_str(), given },
        None => BuildError::UnknownElement { de },
    }
}

/// Units of a fixed element; nothing when the dialect has none, or a variable one.
fn fixed_units(dialect: &crate::Dialect, de: De) -> Option<u32> {
    match dialect.element(de)?.length() {
        crate::Length::Fixed(units) => Some(units),
        crate::Length::Variable { .. } => None,
    }
}
