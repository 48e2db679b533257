//! From bytes to an index, in one pass and without allocating.

use crate::bits::{from_hex, has_above_nine, not_digits, not_hex, not_printable};
use crate::composite::first_bad;
use crate::dialect::{Check, Encoding, Layout, PrefixEncoding, Rule};
use crate::error::{ElementPath, ParseError, ParseErrorKind};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, Mti};

/// Where and why parsing stopped.
type Stop = (ElementPath, usize, ParseErrorKind);

impl Dialect {
    /// Parses a message body: the bytes from the message type on, without length, TPDU or header.
    ///
    /// Lengths, digits and the bitmap are all checked, so that the accessors of [`Message`] cannot fail on
    /// them. Nothing is allocated.
    ///
    /// # Errors
    /// The first thing that does not follow the dialect, with its element and offset.
    pub fn parse<'d, 'a>(&'d self, body: &'a [u8]) -> Result<Message<'d, 'a>, ParseError> {
        let mut message = Message::empty(self, body);
        match index(self, body, &mut message, Way::Any) {
            Ok(()) => Ok(message),
            Err(stop) => Err(self.parse_error(stop)),
        }
    }

    /// As [`Dialect::parse`], keeping the elements before the one that could not be read.
    ///
    /// The message is complete when there is no error. With an error in the message type, the message has
    /// type `0000` and no elements.
    pub fn parse_partial<'d, 'a>(&'d self, body: &'a [u8]) -> (Message<'d, 'a>, Option<ParseError>) {
        let mut message = Message::empty(self, body);
        let stop = index(self, body, &mut message, Way::Any).err();
        let error = stop.map(|stop| self.parse_error(stop));
        (message, error)
    }

    /// As [`Dialect::parse_partial`] by the table alone: the measure of every shortcut.
    pub(crate) fn parse_by_table<'d, 'a>(&'d self, body: &'a [u8]) -> (Message<'d, 'a>, Option<ParseError>) {
        let mut message = Message::empty(self, body);
        let stop = index(self, body, &mut message, Way::Table).err();
        let error = stop.map(|stop| self.parse_error(stop));
        (message, error)
    }

    #[cold]
    fn parse_error(&self, (element, offset, kind): Stop) -> ParseError {
        ParseError { dialect: self.name_arc(), element, offset, kind }
    }
}

/// How an index is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the shape of the bitmap when it is known, else by the table, learning the shape.
    Any,
    /// By the table alone: what the other way is held against.
    Table,
}

#[inline(always)]
fn index<'d>(dialect: &'d Dialect, body: &[u8], message: &mut Message<'d, '_>, way: Way) -> Result<(), Stop> {
    if way == Way::Any && index_by_shape(dialect, body, message).is_some() {
        return Ok(());
    }
    // What the shape refuses goes through the table, which says why.
    index_by_table(dialect, body, message, way)
}

/// Nothing, and a message as it was, when the table must be asked.
#[inline(always)]
fn index_by_shape<'d>(dialect: &'d Dialect, body: &[u8], message: &mut Message<'d, '_>) -> Option<()> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let (mti, at) = match dialect.mti {
        Encoding::Bcd => (Mti::from_bcd(u16::from_be_bytes(*body.first_chunk()?))?, 2),
        Encoding::Ascii => (Mti::from_ascii(*body.first_chunk()?)?, 4),
        _ => read_mti(dialect.mti, body).ok()?,
    };
    let (words, at) = match only_bitmap(dialect, body, at) {
        Some((word, at)) => ([word, 0, 0], at),
        None => all_bitmaps(dialect, body, at)?,
    };
    let shape = dialect.shapes.find(&words)?;
    let end = shape.index(dialect, body, at, &mut message.starts)?;
    if end != body.len() {
        return None;
    }
    message.mti = mti;
    message.words = words;
    message.shape = Some(shape);
    message.count = shape.count();
    message.end = end as u16;
    Some(())
}

#[inline(never)]
fn all_bitmaps(dialect: &Dialect, body: &[u8], mut at: usize) -> Option<([u64; 3], usize)> {
    let mut words = [0; 3];
    read_bitmaps(dialect, body, &mut words, &mut at).ok()?;
    Some((words, at))
}

#[inline(never)]
fn index_by_table(
    dialect: &Dialect,
    body: &[u8],
    message: &mut Message<'_, '_>,
    way: Way,
) -> Result<(), Stop> {
    if body.len() > BODY_BYTES_MAX {
        let kind = ParseErrorKind::BodyTooLong { length: body.len(), max: BODY_BYTES_MAX };
        return Err((ElementPath::Mti, BODY_BYTES_MAX, kind));
    }
    let (mti, mut at) = read_mti(dialect.mti, body)?;
    message.mti = mti;
    let mut words = [0u64; 3];
    read_bitmaps(dialect, body, &mut words, &mut at)?;
    message.end = at as u16;
    let mut has_third = false;
    for word_index in 0..words.len() {
        let mut rest = words[word_index];
        while rest != 0 {
            let lead = rest.leading_zeros();
            rest &= !(1 << (63 - lead));
            let de = word_index * 64 + lead as usize + 1;
            let layout = &dialect.layouts[de];
            let end = read_element(dialect, layout, de as De, body, at)?;
            if let Some(start) = message.starts.get_mut(usize::from(message.count)) {
                *start = at as u16;
            }
            message.words[word_index] |= 1 << (63 - lead);
            message.count += 1;
            message.end = end as u16;
            if dialect.third == Some(de as De) {
                words[2] = read_bitmap(third_encoding(dialect, de as De), body, at)
                    .map_err(|kind| (ElementPath::De(de as De), at, kind))?;
                has_third = true;
            }
            at = end;
        }
    }
    if at < body.len() {
        return Err((ElementPath::End, at, ParseErrorKind::TrailingBytes { have: body.len() - at }));
    }
    // What the third bitmap inside an element announces is not part of a shape.
    if way == Way::Any && !has_third {
        dialect.shapes.learn(dialect, &words);
    }
    Ok(())
}

/// How the element that holds the third bitmap stands on the wire.
pub(crate) fn third_encoding(dialect: &Dialect, third: De) -> Encoding {
    dialect.element(third).map_or(Encoding::Raw, crate::Element::encoding)
}

fn read_mti(encoding: Encoding, body: &[u8]) -> Result<(Mti, usize), Stop> {
    let bytes = if encoding == Encoding::Bcd { 2 } else { 4 };
    let Some(raw) = body.get(..bytes) else {
        let kind = ParseErrorKind::Truncated { need: bytes, have: body.len() };
        return Err((ElementPath::Mti, 0, kind));
    };
    let mti = match raw {
        [high, low] => Mti::from_bcd(u16::from_be_bytes([*high, *low])),
        [a, b, c, d] if encoding == Encoding::Ebcdic => {
            // EBCDIC digits are F0 to F9; anything else must not wrap into a digit.
            Mti::from_ascii([*a, *b, *c, *d].map(|byte| if byte >= 0xF0 { byte - 0xC0 } else { 0 }))
        }
        [a, b, c, d] => Mti::from_ascii([*a, *b, *c, *d]),
        _ => None,
    };
    mti.map(|mti| (mti, bytes)).ok_or((ElementPath::Mti, 0, ParseErrorKind::BadMti))
}

/// The primary bitmap, when it is all there is to read and the encoding is a usual one.
#[inline(always)]
fn only_bitmap(dialect: &Dialect, body: &[u8], at: usize) -> Option<(u64, usize)> {
    let rest = body.get(at..)?;
    let (word, bytes) = match dialect.bitmap {
        Encoding::Raw => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        Encoding::Hex => (from_hex(rest.first_chunk()?)?, 16),
        _ => return None,
    };
    if word >> 63 == 0 && dialect.bitmaps_min == 1 { Some((word, at + bytes)) } else { None }
}

/// Reads the bitmaps into `words`, without the bits that only announce another bitmap.
fn read_bitmaps(dialect: &Dialect, body: &[u8], words: &mut [u64; 3], at: &mut usize) -> Result<(), Stop> {
    const CONTINUES: u64 = 1 << 63;
    for index in 0..dialect.bitmaps_max {
        let continued = index > 0 && words[index - 1] & CONTINUES != 0;
        if index > 0 {
            // Bit 65 of a dialect without a third bitmap is an ordinary element and stays.
            words[index - 1] &= !CONTINUES;
        }
        if !continued && index >= dialect.bitmaps_min {
            return Ok(());
        }
        let path = ElementPath::Bitmap(index as u8 + 1);
        words[index] = read_bitmap(dialect.bitmap, body, *at).map_err(|kind| (path, *at, kind))?;
        *at += if dialect.bitmap == Encoding::Raw { 8 } else { 16 };
    }
    // Only the primary bitmap has no element at its first bit.
    if dialect.bitmaps_max == 1 && words[0] & CONTINUES != 0 {
        return Err((ElementPath::Bitmap(2), *at, ParseErrorKind::UnknownElement));
    }
    Ok(())
}

fn read_bitmap(encoding: Encoding, body: &[u8], at: usize) -> Result<u64, ParseErrorKind> {
    let rest = &body[at..];
    if encoding == Encoding::Raw {
        let bytes = rest.first_chunk::<8>().ok_or(ParseErrorKind::Truncated { need: 8, have: rest.len() })?;
        return Ok(u64::from_be_bytes(*bytes));
    }
    let bytes = rest.first_chunk::<16>().ok_or(ParseErrorKind::Truncated { need: 16, have: rest.len() })?;
    if encoding == Encoding::Hex {
        return from_hex(bytes).ok_or(ParseErrorKind::BadBitmap);
    }
    let mut word = 0u64;
    for &byte in bytes {
        let nibble = hex_nibble(encoding, byte).ok_or(ParseErrorKind::BadBitmap)?;
        word = word << 4 | u64::from(nibble);
    }
    Ok(word)
}

/// The value of a hexadecimal digit; both cases are accepted.
pub(crate) const fn hex_nibble(encoding: Encoding, byte: u8) -> Option<u8> {
    match (encoding, byte) {
        (Encoding::EbcdicHex, 0xF0..=0xF9) => Some(byte - 0xF0),
        (Encoding::EbcdicHex, 0xC1..=0xC6) => Some(byte - 0xC1 + 10),
        (Encoding::EbcdicHex, 0x81..=0x86) => Some(byte - 0x81 + 10),
        (Encoding::EbcdicHex, _) => None,
        (_, b'0'..=b'9') => Some(byte - b'0'),
        (_, b'A'..=b'F') => Some(byte - b'A' + 10),
        (_, b'a'..=b'f') => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Checks one element at `at`; returns the offset after it.
#[inline(always)]
pub(crate) fn read_element(
    dialect: &Dialect,
    layout: &Layout,
    de: De,
    body: &[u8],
    at: usize,
) -> Result<usize, Stop> {
    let stop = |offset, kind| (ElementPath::De(de), offset, kind);
    let (units, start, bytes) = match layout.rule {
        Rule::Fixed => (layout.units as usize, at, layout.bytes as usize),
        Rule::Absent => return Err(stop(at, ParseErrorKind::UnknownElement)),
        Rule::AsciiPrefix
        | Rule::EbcdicPrefix
        | Rule::BcdPrefix
        | Rule::BinaryPrefix
        | Rule::HexPrefix
        | Rule::BytesPrefix(_)
        | Rule::InclusivePrefix(_)
        | Rule::NibblesPrefix(_)
        | Rule::CharactersPrefix(_) => {
            let start = at + usize::from(layout.prefix_bytes);
            let Some(prefix) = body.get(at..start) else {
                let (need, have) = (usize::from(layout.prefix_bytes), body.len() - at);
                return Err(stop(at, ParseErrorKind::Truncated { need, have }));
            };
            let length =
                prefix_value(layout.rule, prefix).ok_or_else(|| stop(at, ParseErrorKind::BadLength))?;
            if length > prefix_max(layout) {
                let max = layout.units as usize;
                return Err(stop(at, ParseErrorKind::LengthOverMax { length, max }));
            }
            let (units, bytes) = units_and_bytes(dialect, layout, de, length, &body[start..])
                .ok_or_else(|| stop(at, ParseErrorKind::BadLength))?;
            if units > layout.units as usize {
                let max = layout.units as usize;
                return Err(stop(at, ParseErrorKind::LengthOverMax { length, max }));
            }
            (units, start, bytes)
        }
    };
    let Some(value) = body.get(start..start + bytes) else {
        let (need, have) = (start - at + bytes, body.len() - at);
        return Err(stop(at, ParseErrorKind::Truncated { need, have }));
    };
    if !passes(layout, value, units) {
        let (index, byte) = first_bad(layout, value, units);
        let class = dialect.element(de).map_or("", |element| element.class().as_str());
        return Err(stop(start + index, ParseErrorKind::BadCharacter { byte, class }));
    }
    Ok(start + bytes)
}

/// Bytes of an element that was read before, at the start of `rest`.
pub(crate) fn element_bytes(dialect: &Dialect, de: De, rest: &[u8]) -> Option<usize> {
    let layout = dialect.layouts.get(usize::from(de))?;
    if layout.rule == Rule::Fixed {
        return Some(layout.bytes as usize);
    }
    let prefix = usize::from(layout.prefix_bytes);
    let length = prefix_value(layout.rule, rest.get(..prefix)?)?;
    Some(prefix + units_and_bytes(dialect, layout, de, length, rest.get(prefix..)?)?.1)
}

/// Characters are walked over before anything is known of them, so that their number is judged first.
#[inline]
const fn prefix_max(layout: &Layout) -> usize {
    match layout.rule {
        Rule::CharactersPrefix(_) => layout.units as usize,
        _ => usize::MAX,
    }
}

/// Units and bytes of a value from what its prefix says; nothing when the prefix ends inside a unit.
#[inline]
fn units_and_bytes(
    dialect: &Dialect,
    layout: &Layout,
    de: De,
    length: usize,
    rest: &[u8],
) -> Option<(usize, usize)> {
    match layout.rule {
        Rule::BytesPrefix(_) => {
            // An odd maximum of packed digits still has a pad nibble: the byte count cannot say so.
            let max = dialect.element(de).map_or(0, crate::Element::len_max);
            let units = layout.scale.units(length);
            let units = if units == max + 1 { max } else { units };
            Some((units, length))
        }
        Rule::NibblesPrefix(_) => {
            let units = layout.scale.units_of_nibbles(length)?;
            Some((units, layout.scale.bytes(units)))
        }
        Rule::CharactersPrefix(_) => {
            let charset = dialect.element(de)?.charset;
            Some((length, charset.bytes_of(length, rest)))
        }
        Rule::Absent
        | Rule::Fixed
        | Rule::AsciiPrefix
        | Rule::EbcdicPrefix
        | Rule::BcdPrefix
        | Rule::BinaryPrefix
        | Rule::HexPrefix
        | Rule::InclusivePrefix(_) => Some((length, layout.scale.bytes(length))),
    }
}

/// The number in a length prefix, or nothing when a digit is not one.
#[inline]
pub(crate) fn prefix_value(rule: Rule, prefix: &[u8]) -> Option<usize> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    match (rule, prefix) {
        (Rule::AsciiPrefix, [tens, ones]) => {
            let (tens, ones) = (digit(*tens), digit(*ones));
            return if tens <= 9 && ones <= 9 { Some(tens * 10 + ones) } else { None };
        }
        (Rule::AsciiPrefix, [hundreds, tens, ones]) => {
            let (hundreds, tens, ones) = (digit(*hundreds), digit(*tens), digit(*ones));
            let is_number = hundreds <= 9 && tens <= 9 && ones <= 9;
            return if is_number { Some(hundreds * 100 + tens * 10 + ones) } else { None };
        }
        _ => {}
    }
    let encoding = match rule {
        Rule::AsciiPrefix => PrefixEncoding::Ascii,
        Rule::EbcdicPrefix => PrefixEncoding::Ebcdic,
        Rule::BcdPrefix => PrefixEncoding::Bcd,
        Rule::BinaryPrefix => PrefixEncoding::Binary,
        Rule::HexPrefix => PrefixEncoding::Hex,
        Rule::BytesPrefix(encoding)
        | Rule::InclusivePrefix(encoding)
        | Rule::NibblesPrefix(encoding)
        | Rule::CharactersPrefix(encoding) => encoding,
        Rule::Absent | Rule::Fixed => return None,
    };
    let mut value = 0usize;
    match encoding {
        PrefixEncoding::Ascii | PrefixEncoding::Ebcdic => {
            let zero = if encoding == PrefixEncoding::Ascii { b'0' } else { 0xF0 };
            for &byte in prefix {
                let digit = byte.wrapping_sub(zero);
                if digit > 9 {
                    return None;
                }
                value = value * 10 + usize::from(digit);
            }
        }
        PrefixEncoding::Bcd => {
            for &byte in prefix {
                if byte >> 4 > 9 || byte & 0xF > 9 {
                    return None;
                }
                value = value * 100 + usize::from(byte >> 4) * 10 + usize::from(byte & 0xF);
            }
        }
        PrefixEncoding::Hex => {
            for &byte in prefix {
                value = value << 4 | usize::from(hex_nibble(Encoding::Hex, byte)?);
            }
        }
        // Saturates: six bytes of length are above every maximum anyway.
        PrefixEncoding::Binary => {
            for &byte in prefix {
                value = value.saturating_mul(256).saturating_add(usize::from(byte));
            }
        }
    }
    if let Rule::InclusivePrefix(_) = rule {
        return value.checked_sub(prefix.len());
    }
    Some(value)
}

/// Whether every byte of a value is allowed.
#[inline]
pub(crate) fn passes(layout: &Layout, value: &[u8], units: usize) -> bool {
    match layout.check {
        Check::Any => true,
        Check::AsciiDigits => !not_digits(value, 0x30),
        Check::EbcdicDigits => !not_digits(value, 0xF0),
        Check::BcdDigits => packed_digits(layout.pad_left, value, units),
        Check::AsciiSigned => signed(value, b"CD0123456789", 0x30),
        Check::EbcdicSigned => signed(value, b"\xC3\xC4\xF0\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9", 0xF0),
        Check::BcdSigned => match value.split_first() {
            Some((sign, digits)) => b"CD".contains(sign) && packed_digits(layout.pad_left, digits, units - 1),
            None => true,
        },
        Check::AsciiPrintable => !not_printable(value),
        Check::AsciiHex => !not_hex(value),
        Check::EbcdicHex => value.iter().all(|&byte| hex_nibble(Encoding::EbcdicHex, byte).is_some()),
    }
}

/// Whether all nibbles but the filler are at most nine.
#[inline]
pub(crate) fn packed_digits(pad_left: bool, value: &[u8], units: usize) -> bool {
    if units & 1 == 0 {
        return !has_above_nine(value);
    }
    if pad_left {
        return match value.split_first() {
            Some((first, rest)) => first & 0xF <= 9 && !has_above_nine(rest),
            None => true,
        };
    }
    match value.split_last() {
        Some((last, rest)) => last >> 4 <= 9 && !has_above_nine(rest),
        None => true,
    }
}

fn signed(value: &[u8], signs: &[u8], zero: u8) -> bool {
    match value.split_first() {
        Some((sign, digits)) => signs.contains(sign) && !not_digits(digits, zero),
        None => true,
    }
}
