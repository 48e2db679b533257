//! Message type identifiers: version, class, function and origin as four digits.

use std::fmt;
use std::str::FromStr;

/// A message type identifier of four decimal digits, packed as BCD (`0200` is `0x0200`).
///
/// ISO 8583 calls the digits version, class, function and origin. Any four digits are accepted: private
/// versions and functions travel through a switch unharmed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti(u16);

/// The edition of the standard that the first digit names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiVersion {
    /// `0`: ISO 8583:1987.
    Iso1987,
    /// `1`: ISO 8583:1993.
    Iso1993,
    /// `2`: ISO 8583:2003.
    Iso2003,
    /// `8` is national and `9` private; the rest are reserved.
    Other(u8),
}

/// What the message is about, from the second digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiClass {
    /// `1`: authorization, no posting.
    Authorization,
    /// `2`: financial, posts.
    Financial,
    /// `3`: file action; batch upload in terminal dialects.
    FileAction,
    /// `4`: reversal or chargeback.
    Reversal,
    /// `5`: reconciliation.
    Reconciliation,
    /// `6`: administrative.
    Administrative,
    /// `7`: fee collection.
    Fee,
    /// `8`: network management.
    Network,
    /// Reserved digits.
    Other(u8),
}

/// What the message asks for, from the third digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiFunction {
    /// `0`: may be refused.
    Request,
    /// `1`: answers a request.
    Response,
    /// `2`: reports something done; cannot be refused for business reasons.
    Advice,
    /// `3`: acknowledges an advice.
    AdviceResponse,
    /// `4`: expects no answer.
    Notification,
    /// `5`: acknowledges a notification.
    NotificationAck,
    /// `6`: instruction (2003).
    Instruction,
    /// `7`: acknowledges an instruction (2003).
    InstructionAck,
    /// Reserved digits.
    Other(u8),
}

/// The text is not four decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message type is not four decimal digits: {text:?}")]
pub struct MtiError {
    /// What was given, cut to eight characters.
    pub text: String,
}

impl Mti {
    /// Makes a message type from its BCD form, as in `Mti::new(0x0200)`.
    ///
    /// # Panics
    /// When a nibble is above nine; in a `const` that is a compile error.
    pub const fn new(bcd: u16) -> Self {
        match Self::from_bcd(bcd) {
            Some(mti) => mti,
            None => panic!("a message type has four decimal digits"),
        }
    }

    /// Makes a message type from its BCD form, or nothing when a nibble is above nine.
    pub const fn from_bcd(bcd: u16) -> Option<Self> {
        let is_bcd = bcd >> 12 <= 9 && (bcd >> 8) & 0xF <= 9 && (bcd >> 4) & 0xF <= 9 && bcd & 0xF <= 9;
        if is_bcd { Some(Self(bcd)) } else { None }
    }

    /// Makes a message type from four ASCII digits.
    pub fn from_ascii(digits: [u8; 4]) -> Option<Self> {
        let mut bcd = 0u16;
        for digit in digits {
            let value = digit.wrapping_sub(b'0');
            if value > 9 {
                return None;
            }
            bcd = bcd << 4 | u16::from(value);
        }
        Some(Self(bcd))
    }

    /// The BCD form: `0x0200` for `0200`.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// The four ASCII digits.
    pub const fn to_ascii(self) -> [u8; 4] {
        [self.digit(0) + b'0', self.digit(1) + b'0', self.digit(2) + b'0', self.digit(3) + b'0']
    }

    /// The message type of the answer: function plus one, without the repeat bit (0101 → 0110, 0421 → 0430).
    ///
    /// An answer has no answer of its own and is returned unchanged.
    pub const fn reply(self) -> Self {
        if self.is_response() { self } else { Self((self.0 | 0x0010) & 0xFFFE) }
    }

    /// The message type without the repeat bit: what a repeat repeats.
    pub const fn original(self) -> Self {
        if self.is_repeat() { Self(self.0 & 0xFFFE) } else { self }
    }

    /// The edition of the standard.
    pub const fn version(self) -> MtiVersion {
        match self.digit(0) {
            0 => MtiVersion::Iso1987,
            1 => MtiVersion::Iso1993,
            2 => MtiVersion::Iso2003,
            other => MtiVersion::Other(other),
        }
    }

    /// What the message is about.
    pub const fn class(self) -> MtiClass {
        match self.digit(1) {
            1 => MtiClass::Authorization,
            2 => MtiClass::Financial,
            3 => MtiClass::FileAction,
            4 => MtiClass::Reversal,
            5 => MtiClass::Reconciliation,
            6 => MtiClass::Administrative,
            7 => MtiClass::Fee,
            8 => MtiClass::Network,
            other => MtiClass::Other(other),
        }
    }

    /// What the message asks for.
    pub const fn function(self) -> MtiFunction {
        match self.digit(2) {
            0 => MtiFunction::Request,
            1 => MtiFunction::Response,
            2 => MtiFunction::Advice,
            3 => MtiFunction::AdviceResponse,
            4 => MtiFunction::Notification,
            5 => MtiFunction::NotificationAck,
            6 => MtiFunction::Instruction,
            7 => MtiFunction::InstructionAck,
            other => MtiFunction::Other(other),
        }
    }

    /// Whether this message answers another one.
    pub const fn is_response(self) -> bool {
        self.digit(2) & 1 == 1
    }

    /// Whether the origin digit marks a repeat (1 acquirer, 3 issuer, 5 other).
    pub const fn is_repeat(self) -> bool {
        matches!(self.digit(3), 1 | 3 | 5)
    }

    const fn digit(self, index: u16) -> u8 {
        (self.0 >> (12 - 4 * index)) as u8 & 0xF
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({self})")
    }
}

impl FromStr for Mti {
    type Err = MtiError;

    fn from_str(text: &str) -> Result<Self, MtiError> {
        let digits: Option<[u8; 4]> = text.as_bytes().try_into().ok();
        digits.and_then(Self::from_ascii).ok_or_else(|| MtiError { text: text.chars().take(8).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_adds_one_to_the_function_and_drops_the_repeat_bit() {
        let table = [
            (0x0100, 0x0110),
            (0x0101, 0x0110),
            (0x0120, 0x0130),
            (0x0121, 0x0130),
            (0x0200, 0x0210),
            (0x0202, 0x0212),
            (0x0203, 0x0212),
            (0x0220, 0x0230),
            (0x0221, 0x0230),
            (0x0320, 0x0330),
            (0x0400, 0x0410),
            (0x0420, 0x0430),
            (0x0421, 0x0430),
            (0x0500, 0x0510),
            (0x0520, 0x0530),
            (0x0522, 0x0532),
            (0x0620, 0x0630),
            (0x0800, 0x0810),
            (0x0820, 0x0830),
            (0x1421, 0x1430),
            (0x2160, 0x2170),
            (0x0210, 0x0210),
            (0x0131, 0x0131),
        ];
        for (request, reply) in table {
            assert_eq!(Mti::new(request).reply(), Mti::new(reply), "reply to {request:04x}");
        }
    }

    #[test]
    fn four_digits_and_nothing_else_are_a_message_type() {
        assert_eq!("0200".parse(), Ok(Mti::new(0x0200)));
        assert_eq!(Mti::new(0x0421).to_string(), "0421");
        for bad in ["", "020", "02000", "02A0", "二二"] {
            assert!(bad.parse::<Mti>().is_err(), "{bad:?}");
        }
        assert_eq!(Mti::from_bcd(0x02A0), None);
    }

    #[test]
    fn digits_have_their_meanings() {
        let mti = Mti::new(0x0421);
        assert_eq!(
            (mti.version(), mti.class(), mti.function(), mti.is_response(), mti.is_repeat()),
            (MtiVersion::Iso1987, MtiClass::Reversal, MtiFunction::Advice, false, true)
        );
        assert!(Mti::new(0x0210).is_response() && !Mti::new(0x0210).is_repeat());
    }
}
