//! The long way: every class in every encoding, and what is wrong with a value that fits none.

use super::encode::{bad_digit, fill_text, fill_up, put_digits, put_hex, put_prefix};
use super::{Builder, Step};
use crate::De;
use crate::bits::{not_digits, not_printable};
use crate::dialect::{Class, Counts, Element, Encoding, Length, Prefix, PrefixEncoding};
use crate::error::BuildError;

impl<'d, 'b> Builder<'d, 'b> {
    #[inline(never)]
    pub(super) fn put_digits(&mut self, element: &Element, digits: &[u8]) -> Step<'_, 'd, 'b> {
        let de = element.de;
        match element.class {
            Class::Numeric | Class::SignedAmount | Class::Track => {}
            Class::Alpha | Class::AlphaNumeric | Class::Text => return self.bytes(de, digits),
            Class::Binary => return Err(wrong_kind(element, "digits")),
        }
        let is_plain = element.class == Class::Numeric && !not_digits(digits, b'0');
        if !is_plain && let Some(position) = bad_digit(element, digits) {
            return Err(BuildError::BadCharacter { de, position, class: element.class.as_str() });
        }
        check_length(element, digits.len())?;
        self.prefix(element, digits.len(), &[]);
        match element.encoding {
            Encoding::Ascii => self.out.extend_from_slice(digits),
            _ => put_digits(element, digits, self.out),
        }
        self.end(de)
    }

    #[inline(never)]
    pub(super) fn number_slowly(&mut self, de: De, number: u64) -> Step<'_, 'd, 'b> {
        const ROOM: usize = 64;
        let element = self.begin(de)?;
        let mut digits = [b'0'; ROOM];
        let mut at = ROOM;
        let mut rest = number;
        while rest > 0 || at == ROOM {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if let Length::Fixed(length) = element.length {
            let length = length as usize;
            if length > ROOM {
                return self.put_digits(element, format!("{number:0>length$}").as_bytes());
            }
            at = at.min(ROOM - length);
        }
        self.put_digits(element, &digits[at..])
    }

    #[inline(never)]
    pub(super) fn text_slowly(&mut self, de: De, text: &str) -> Step<'_, 'd, 'b> {
        let element = self.begin(de)?;
        match element.class {
            Class::Numeric | Class::SignedAmount => return self.digits(de, text.as_bytes()),
            Class::Track if element.encoding == Encoding::Bcd => return self.digits(de, text.as_bytes()),
            Class::Binary => return Err(wrong_kind(element, "text")),
            Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => {}
        }
        if element.encoding == Encoding::Ascii && !element.charset.is_ebcdic() && text.is_ascii() {
            return self.put_ascii(element, text.as_bytes());
        }
        let class = element.class.as_str();
        if element.class != Class::Text
            && element.encoding == Encoding::Ascii
            && let Some(position) = text.chars().position(|c| !matches!(c, ' '..='~'))
        {
            return Err(BuildError::BadCharacter { de, position, class });
        }
        let at = self.out.len();
        self.prefix(element, 0, &[]);
        let value_at = self.out.len();
        let written = element
            .charset
            .encode(text, self.out)
            .map_err(|position| BuildError::BadCharacter { de, position, class })
            .and_then(|()| fill_text(element, value_at, self.out));
        match written {
            Ok(length) => {
                let (head, value) = self.out.split_at_mut(value_at);
                put_prefix(element, length, value, &mut head[at..]);
                self.end(de)
            }
            Err(error) => {
                self.out.truncate(at);
                Err(error)
            }
        }
    }

    /// Text that is its own encoding, as most is.
    fn put_ascii(&mut self, element: &Element, text: &[u8]) -> Step<'_, 'd, 'b> {
        let (de, max, length) = (element.de, element.len_max(), text.len());
        if element.class != Class::Text
            && not_printable(text)
            && let Some(position) = text.iter().position(|byte| !(0x20..0x7F).contains(byte))
        {
            return Err(BuildError::BadCharacter { de, position, class: element.class.as_str() });
        }
        if length > max {
            return Err(BuildError::TooLong { de, length, max });
        }
        self.prefix(element, length, text);
        let value_at = self.out.len();
        self.out.extend_from_slice(text);
        if let Length::Fixed(_) = element.length
            && length < max
        {
            fill_up(element, value_at, max, self.out);
        }
        self.end(de)
    }

    #[inline(never)]
    pub(super) fn bytes_slowly(&mut self, de: De, bytes: &[u8]) -> Step<'_, 'd, 'b> {
        let element = self.begin(de)?;
        match element.class {
            Class::Numeric | Class::SignedAmount => return Err(wrong_kind(element, "bytes")),
            Class::Track if element.encoding == Encoding::Bcd => return Err(wrong_kind(element, "bytes")),
            Class::Binary => check_length(element, bytes.len())?,
            Class::Track | Class::Alpha | Class::AlphaNumeric if element.encoding == Encoding::Ascii => {
                if let Some(position) = bytes.iter().position(|byte| !(0x20..0x7F).contains(byte)) {
                    return Err(BuildError::BadCharacter { de, position, class: element.class.as_str() });
                }
            }
            Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => {}
        }
        let (length, max) = (element.counted(bytes), element.len_max());
        if length > max {
            return Err(BuildError::TooLong { de, length, max });
        }
        self.prefix(element, bytes.len(), bytes);
        let value_at = self.out.len();
        match element.encoding {
            Encoding::Hex | Encoding::EbcdicHex => put_hex(element.encoding, bytes, self.out),
            Encoding::Raw | Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd => {
                self.out.extend_from_slice(bytes);
            }
        }
        if let (Length::Fixed(length), true) = (element.length, element.class != Class::Binary) {
            fill_up(element, value_at, length as usize, self.out);
        }
        self.end(de)
    }

    #[inline]
    pub(super) fn prefix(&mut self, element: &Element, units: usize, value: &[u8]) {
        let Length::Variable { prefix, .. } = element.length else { return };
        let digit = |value: usize| b'0' + (value % 10) as u8;
        match prefix {
            Prefix { encoding: PrefixEncoding::Ascii, places: 2, counts: Counts::Units } => {
                self.out.extend_from_slice(&[digit(units / 10), digit(units)]);
            }
            Prefix { encoding: PrefixEncoding::Ascii, places: 3, counts: Counts::Units } => {
                self.out.extend_from_slice(&[digit(units / 100), digit(units / 10), digit(units)]);
            }
            _ => {
                let at = self.out.len();
                self.out.resize(at + prefix.bytes(), 0);
                put_prefix(element, units, value, &mut self.out[at..]);
            }
        }
    }
}

fn wrong_kind(element: &Element, given: &'static str) -> BuildError {
    BuildError::WrongKind { de: element.de, class: element.class.as_str(), given }
}

fn check_length(element: &Element, length: usize) -> Result<(), BuildError> {
    let (de, max) = (element.de, element.len_max());
    if length > max {
        return Err(BuildError::TooLong { de, length, max });
    }
    if matches!(element.length, Length::Fixed(_)) && length < max {
        return Err(BuildError::TooShort { de, need: max, have: length });
    }
    Ok(())
}
