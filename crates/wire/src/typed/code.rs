//! Numbers and codes that say which transaction a message is about, of what kind, and how it ended.

use std::fmt;

use super::{CHARACTERS_MAX, Field, FieldError, characters, digits, no_room, number, two, two_digits, wrong};
use crate::{BuildError, Builder, Class, De, Message};

/// The system trace audit number (element 11, `n6`; `n12` from 2003 on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stan(pub u64);

/// The retrieval reference number (element 37, `anp12`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rrn([u8; 12]);

/// The processing code (element 3, `n6`): type of transaction, account from, account to, two digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessingCode {
    /// What is done.
    pub transaction: u8,
    /// The account that is debited, or asked for.
    pub from: u8,
    /// The account that is credited.
    pub to: u8,
}

/// The response code of 1987 (element 39, `an2`) or the action code of later editions (`n3`, `n4`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseCode {
    code: [u8; 4],
    len: u8,
}

/// How card and cardholder were read (element 22), in the three forms that editions have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosEntry {
    /// 1987, `n3`.
    Mode(PosEntryMode),
    /// 1993, `an12`.
    Data(PosDataCode),
    /// 2003, `b16`: bits that networks lay out differently.
    Bits([u8; 16]),
}

/// Element 22 of 1987: two digits for the card, one for the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PosEntryMode {
    /// How the card number came in.
    pub pan: PanEntry,
    /// The PIN digit. Networks read it as what the terminal can do, UnionPay as whether a PIN is there, so it is
    /// left to the dialect's table: [`Dialect::meaning`](crate::Dialect::meaning) of `22.2`.
    pub pin: u8,
}

/// Element 22 of 1993: twelve characters, one for each question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PosDataCode(pub [u8; 12]);

/// How a card number came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PanEntry {
    /// Not said.
    Unknown,
    /// Typed.
    Manual,
    /// Magnetic stripe, whose contents may be incomplete.
    Stripe,
    /// Bar or QR code.
    BarCode,
    /// Read from print.
    Ocr,
    /// Chip, contact.
    Chip,
    /// Chip, contactless.
    ContactlessChip,
    /// Stored by the merchant.
    CredentialOnFile,
    /// Typed because the chip could not be read.
    FallbackManual,
    /// Stripe because the chip could not be read.
    FallbackStripe,
    /// E-commerce.
    Ecommerce,
    /// Magnetic stripe, complete and unaltered.
    FullStripe,
    /// Stripe data over the contactless interface.
    ContactlessStripe,
    /// Chip whose verification value cannot be relied on.
    ChipUnreliable,
    /// A code that networks use each in their own way.
    Other(u8),
}

impl Rrn {
    /// A reference of exactly twelve printable ASCII characters.
    pub fn new(characters: [u8; 12]) -> Option<Self> {
        characters.iter().all(|c| matches!(c, b' '..=b'~')).then_some(Self(characters))
    }

    /// The characters.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl ProcessingCode {
    /// Goods and services.
    pub const PURCHASE: Self = Self::of(0);
    /// Cash withdrawal.
    pub const CASH: Self = Self::of(1);
    /// Refund; a void in terminal dialects.
    pub const REFUND: Self = Self::of(20);
    /// Balance inquiry.
    pub const BALANCE: Self = Self::of(31);

    /// A type of transaction on default accounts.
    pub const fn of(transaction: u8) -> Self {
        Self { transaction, from: 0, to: 0 }
    }

    /// Whether the cardholder's account is debited: types 00 to 19.
    pub const fn is_debit(self) -> bool {
        self.transaction < 20
    }

    /// Whether it is credited: types 20 to 29.
    pub const fn is_credit(self) -> bool {
        matches!(self.transaction, 20..=29)
    }

    /// Whether nothing is moved: types 30 to 39.
    pub const fn is_inquiry(self) -> bool {
        matches!(self.transaction, 30..=39)
    }
}

impl ResponseCode {
    /// A code of two to four ASCII letters and digits.
    pub fn new(code: &[u8]) -> Option<Self> {
        if !(2..=4).contains(&code.len()) || !code.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut all = [0; 4];
        all[..code.len()].copy_from_slice(code);
        Some(Self { code: all, len: code.len() as u8 })
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.code[..usize::from(self.len)]
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether the transaction was approved, in whole or in part: `00`, `08`, `10`, `11`, `16` and UnionPay's
    /// `A2`, `A4` to `A6` of 1987; `0xx` and `0xxx` of later editions.
    pub fn is_approval(&self) -> bool {
        matches!(
            self.as_bytes(),
            [b'0', b'0' | b'8']
                | [b'1', b'0' | b'1' | b'6']
                | [b'A', b'2' | b'4'..=b'6']
                | [b'0', _, _]
                | [b'0', _, _, _]
        )
    }
}

impl PanEntry {
    /// The entry of the first two digits of element 22 of 1987.
    pub const fn of_mode(code: u8) -> Self {
        match code {
            0 => Self::Unknown,
            1 | 6 => Self::Manual,
            2 => Self::Stripe,
            3 => Self::BarCode,
            4 => Self::Ocr,
            5 => Self::Chip,
            7 => Self::ContactlessChip,
            10 => Self::CredentialOnFile,
            79 => Self::FallbackManual,
            80 => Self::FallbackStripe,
            81 => Self::Ecommerce,
            90 => Self::FullStripe,
            91 => Self::ContactlessStripe,
            95 => Self::ChipUnreliable,
            other => Self::Other(other),
        }
    }

    /// The two digits, where one code says it: typed is `01`.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Manual => 1,
            Self::Stripe => 2,
            Self::BarCode => 3,
            Self::Ocr => 4,
            Self::Chip => 5,
            Self::ContactlessChip => 7,
            Self::CredentialOnFile => 10,
            Self::FallbackManual => 79,
            Self::FallbackStripe => 80,
            Self::Ecommerce => 81,
            Self::FullStripe => 90,
            Self::ContactlessStripe => 91,
            Self::ChipUnreliable => 95,
            Self::Other(code) => code,
        }
    }

    /// Whether a chip was read, over contacts or without.
    pub const fn is_chip(self) -> bool {
        matches!(self, Self::Chip | Self::ContactlessChip | Self::ChipUnreliable)
    }
}

impl PosDataCode {
    /// How the card number came in: the seventh character.
    pub const fn pan_entry(&self) -> PanEntry {
        match self.0[6] {
            b'0' => PanEntry::Unknown,
            b'1' | b'6' => PanEntry::Manual,
            b'2' => PanEntry::Stripe,
            b'3' => PanEntry::BarCode,
            b'4' => PanEntry::Ocr,
            b'5' => PanEntry::Chip,
            other => PanEntry::Other(other),
        }
    }

    /// Whether the cardholder was there: the fifth character.
    pub const fn is_cardholder_present(&self) -> bool {
        self.0[4] == b'0'
    }

    /// Whether the card was there: the sixth character.
    pub const fn is_card_present(&self) -> bool {
        self.0[5] == b'1'
    }
}

impl Field for Stan {
    const DE: De = 11;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        Ok(number(message, Self::DE, "a trace number")?.map(Self))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        builder.number(Self::DE, self.0).map(|_| ())
    }
}

impl Field for Rrn {
    const DE: De = 37;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "twelve characters";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(text) = characters(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let rrn = text.try_into().ok().and_then(Self::new);
        rrn.map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        builder.text(Self::DE, self.as_str()).map(|_| ())
    }
}

impl Field for ProcessingCode {
    const DE: De = 3;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "six digits";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(digits) = digits(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let code = match digits.as_chunks::<2>() {
            ([transaction, from, to], []) => two(transaction).zip(two(from)).zip(two(to)),
            _ => None,
        };
        let ((transaction, from), to) = code.ok_or(wrong(Self::DE, EXPECTED))?;
        Ok(Some(Self { transaction, from, to }))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if [self.transaction, self.from, self.to].iter().any(|part| *part > 99) {
            return Err(no_room(builder, Self::DE, "a part above 99"));
        }
        let parts = [self.transaction, self.from, self.to].map(two_digits);
        builder.digits(Self::DE, parts.as_flattened()).map(|_| ())
    }
}

impl Field for ResponseCode {
    const DE: De = 39;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "a code of letters and digits";
        let mut buf = [0; CHARACTERS_MAX];
        let Some(code) = characters(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        Self::new(code).map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        // Text would be filled up: the code of another edition must not pass for one of this.
        if super::fixed_units(builder.dialect(), Self::DE) != Some(u32::from(self.len)) {
            return Err(no_room(builder, Self::DE, "a code of another edition"));
        }
        builder.text(Self::DE, self.as_str()).map(|_| ())
    }
}

impl Field for PosEntry {
    const DE: De = 22;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        const EXPECTED: &str = "a point of service code";
        let class = message.dialect().element(Self::DE).map(crate::Element::class);
        if class == Some(Class::Binary) {
            let Some(bytes) = message.bytes_owned(Self::DE) else { return Ok(None) };
            let bits = (*bytes).try_into().map_err(|_| wrong(Self::DE, EXPECTED))?;
            return Ok(Some(Self::Bits(bits)));
        }
        let mut buf = [0; CHARACTERS_MAX];
        let Some(code) = characters(message, Self::DE, &mut buf, EXPECTED)? else { return Ok(None) };
        let entry = match code {
            [pan @ .., pin] if code.len() == 3 && pin.is_ascii_digit() => {
                two(pan).map(|pan| Self::Mode(PosEntryMode { pan: PanEntry::of_mode(pan), pin: pin - b'0' }))
            }
            _ => code.try_into().ok().map(|code| Self::Data(PosDataCode(code))),
        };
        entry.map(Some).ok_or(wrong(Self::DE, EXPECTED))
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        match self {
            Self::Mode(mode) => mode.write(builder),
            Self::Data(PosDataCode(code)) => {
                let text =
                    std::str::from_utf8(code).map_err(|_| no_room(builder, Self::DE, "other characters"))?;
                if super::fixed_units(builder.dialect(), Self::DE) != Some(12) {
                    return Err(no_room(builder, Self::DE, "a data code of 1993"));
                }
                builder.text(Self::DE, text).map(|_| ())
            }
            Self::Bits(bits) => builder.bytes(Self::DE, bits).map(|_| ()),
        }
    }
}

impl Field for PosEntryMode {
    const DE: De = PosEntry::DE;

    fn read(message: &Message<'_, '_>) -> Result<Option<Self>, FieldError> {
        match PosEntry::read(message)? {
            None => Ok(None),
            Some(PosEntry::Mode(mode)) => Ok(Some(mode)),
            Some(PosEntry::Data(_) | PosEntry::Bits(_)) => Err(wrong(Self::DE, "an entry mode of 1987")),
        }
    }

    fn write(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if self.pan.code() > 99 || self.pin > 9 || super::fixed_units(builder.dialect(), Self::DE) != Some(3)
        {
            return Err(no_room(builder, Self::DE, "an entry mode of 1987"));
        }
        let [tens, ones] = two_digits(self.pan.code());
        builder.digits(Self::DE, &[tens, ones, b'0' + self.pin]).map(|_| ())
    }
}

impl fmt::Debug for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rrn({})", self.as_str())
    }
}

impl fmt::Display for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseCode({})", self.as_str())
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
