//! Which edition of the standard a dialect follows.

use switchyard_wire::{Dialect, Length, Mti, MtiClass};

/// An edition of ISO 8583.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edition {
    /// ISO 8583:1987.
    Iso87,
    /// ISO 8583:1993.
    Iso93,
    /// ISO 8583:2003.
    Iso2003,
}

/// Last digit of the MTI of network management since 1993: neither acquirer nor issuer is its origin.
const ORIGIN_OTHER: u16 = 4;

impl Edition {
    /// The edition of a dialect: the length of DE 39 tells it. Nothing when that is of no edition.
    pub fn of(dialect: &Dialect) -> Option<Self> {
        match dialect.element(39)?.length() {
            Length::Fixed(2) => Some(Self::Iso87),
            Length::Fixed(3) => Some(Self::Iso93),
            Length::Fixed(4) => Some(Self::Iso2003),
            Length::Fixed(_) | Length::Variable { .. } => None,
        }
    }

    /// The first digit of its message types.
    pub(crate) fn version(self) -> u16 {
        match self {
            Self::Iso87 => 0,
            Self::Iso93 => 1,
            Self::Iso2003 => 2,
        }
    }

    /// Whether it is the edition of 1987, whose elements the later two changed alike.
    pub(crate) fn is_first(self) -> bool {
        self == Self::Iso87
    }

    /// A message type of this edition from the three digits that the core knows, 0 to 999.
    pub(crate) fn mti(self, number: u16) -> Mti {
        let digit = |unit: u16| number / unit % 10;
        let origin = if digit(100) == 8 && !self.is_first() { ORIGIN_OTHER } else { digit(1) };
        let bcd = self.version() << 12 | digit(100) << 8 | digit(10) << 4 | origin;
        Mti::from_bcd(bcd).unwrap_or(Mti::new(0))
    }

    /// The three digits that the core knows of a message type, without the repeat bit and the origin of network
    /// management. Nothing for a message of another edition.
    pub(crate) fn number(self, mti: Mti) -> Option<u16> {
        let digits = mti.to_ascii().map(|digit| u16::from(digit - b'0'));
        let origin = if mti.class() == MtiClass::Network { 0 } else { digits[3] & !1 };
        (digits[0] == self.version()).then(|| digits[1] * 100 + digits[2] * 10 + origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_tell_their_edition() {
        for (name, edition) in [
            ("iso87-ascii", Edition::Iso87),
            ("iso87-ascii-binbitmap", Edition::Iso87),
            ("iso87-binary", Edition::Iso87),
            ("iso87-ebcdic", Edition::Iso87),
            ("iso93-ascii", Edition::Iso93),
            ("iso93-binary", Edition::Iso93),
            ("iso2003-ascii", Edition::Iso2003),
            ("iso2003-binary", Edition::Iso2003),
        ] {
            assert_eq!(Edition::of(Dialect::builtin(name).unwrap()), Some(edition), "{name}");
        }
    }

    #[test]
    fn message_types_go_both_ways() {
        for (edition, number, mti) in [
            (Edition::Iso87, 200, 0x0200),
            (Edition::Iso87, 800, 0x0800),
            (Edition::Iso93, 420, 0x1420),
            (Edition::Iso93, 800, 0x1804),
            (Edition::Iso2003, 810, 0x2814),
        ] {
            assert_eq!(edition.mti(number), Mti::new(mti));
            assert_eq!(edition.number(Mti::new(mti)), Some(number));
        }
        assert_eq!(Edition::Iso93.number(Mti::new(0x1421)), Some(420));
        assert_eq!(Edition::Iso93.mti(421), Mti::new(0x1421));
        assert_eq!(Edition::Iso93.number(Mti::new(0x0210)), None);
    }
}
