//! From values to bytes, straight into the caller's buffer.

use std::ops::Range;

use crate::bits::{not_digits, not_printable, to_hex};
use crate::dialect::{Class, Counts, Element, Encoding, Length, Prefix, PrefixEncoding, Side, TextPad};
use crate::error::BuildError;
use crate::parse::{element_bytes, third_encoding};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, Mti};

/// Writes one message at the end of a buffer.
///
/// Elements are given in ascending order, each once. The bitmap is filled in by [`Builder::finish`]. What a
/// failed or abandoned builder wrote stays in the buffer: [`Dialect::build`] and
/// [`Framing::try_write`](crate::Framing::try_write) take it back, so that half a message is never sent.
///
/// ```
/// use switchyard_wire::{Dialect, Mti};
///
/// let dialect = Dialect::builtin("iso87-ascii").expect("built in");
/// let mut out = Vec::new();
/// let mut builder = dialect.builder(&mut out, Mti::new(0x0800));
/// builder.number(11, 42)?.number(70, 301)?;
/// let body = builder.finish()?;
/// assert_eq!(&out[body], b"080080200000000000000400000000000000000042301");
/// # Ok::<(), switchyard_wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Builder<'d, 'b> {
    dialect: &'d Dialect,
    out: &'b mut Vec<u8>,
    start: usize,
    bitmap_at: usize,
    /// Bitmaps that have room in the buffer.
    bitmaps: usize,
    words: [u64; 3],
    last: De,
    reserved: Option<De>,
    is_finished: bool,
}

type Step<'s, 'd, 'b> = Result<&'s mut Builder<'d, 'b>, BuildError>;

impl Dialect {
    /// Starts a message at the end of `out`.
    pub fn builder<'d, 'b>(&'d self, out: &'b mut Vec<u8>, mti: Mti) -> Builder<'d, 'b> {
        let start = out.len();
        put_mti(self, mti, out);
        let bitmap_at = out.len();
        let bitmaps = self.bitmaps_min;
        out.resize(bitmap_at + bitmaps * bitmap_bytes(self), 0);
        Builder {
            dialect: self,
            out,
            start,
            bitmap_at,
            bitmaps,
            words: [0; 3],
            last: 1,
            reserved: None,
            is_finished: false,
        }
    }
}

impl Dialect {
    /// Writes a message at the end of `out`; on an error `out` is left as it was.
    ///
    /// # Errors
    /// Those of `fill`, and of [`Builder::finish`].
    pub fn build<E: From<BuildError>>(
        &self,
        out: &mut Vec<u8>,
        mti: Mti,
        fill: impl FnOnce(&mut Builder<'_, '_>) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let start = out.len();
        let mut builder = self.builder(out, mti);
        let built = fill(&mut builder).and_then(|()| {
            let end = builder.out.len();
            // `fill` may have finished the message itself, with a MAC.
            if builder.is_finished { Ok(start..end) } else { Ok(builder.finish()?) }
        });
        if built.is_err() {
            out.truncate(start);
        }
        built
    }
}

impl<'d, 'b> Builder<'d, 'b> {
    /// Writes ASCII digits; for tracks also the separator, `=` or `D`, and for `x+n` the sign first.
    ///
    /// # Errors
    /// A fixed element takes exactly its length ([`BuildError::TooShort`], [`BuildError::TooLong`]);
    /// [`BuildError::BadCharacter`] for what is not a digit.
    pub fn digits(&mut self, de: De, digits: &[u8]) -> Step<'_, 'd, 'b> {
        let element = self.begin(de)?;
        self.put_digits(element, digits)
    }

    #[inline]
    fn put_digits(&mut self, element: &Element, digits: &[u8]) -> Step<'_, 'd, 'b> {
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

    /// Writes a number, zero-padded to the length of a fixed element.
    ///
    /// # Errors
    /// As [`Builder::digits`].
    pub fn number(&mut self, de: De, number: u64) -> Step<'_, 'd, 'b> {
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
            at = at.min(ROOM - (length as usize).min(ROOM));
        }
        self.put_digits(element, &digits[at..])
    }

    /// Writes text in the element's character set, filled as the dialect says when it is fixed: with spaces on the
    /// right unless it says otherwise.
    ///
    /// For numeric elements the text is digits.
    ///
    /// # Errors
    /// [`BuildError::TooLong`] counts encoded bytes; [`BuildError::BadCharacter`] for what the set or the
    /// class does not have.
    pub fn text(&mut self, de: De, text: &str) -> Step<'_, 'd, 'b> {
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

    /// Writes the bytes of a binary element; for text, bytes that are in its character set already.
    ///
    /// # Errors
    /// A fixed binary element takes exactly its length.
    pub fn bytes(&mut self, de: De, bytes: &[u8]) -> Step<'_, 'd, 'b> {
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

    /// Copies an element of another message; does nothing when it is absent there.
    ///
    /// Within one dialect the bytes of the wire are copied as they are, filler included; between dialects the
    /// value is written anew.
    ///
    /// # Errors
    /// Between dialects, those of the value; [`BuildError::OutOfOrder`] always.
    pub fn echo(&mut self, from: &Message<'_, '_>, de: De) -> Step<'_, 'd, 'b> {
        let Some(wire) = from.wire(de) else { return Ok(self) };
        if std::ptr::eq(from.dialect(), self.dialect) {
            self.begin(de)?;
            self.out.extend_from_slice(wire);
            return self.end(de);
        }
        if let Some(bytes) = from.bytes_owned(de) {
            return self.bytes(de, &bytes);
        }
        let text = from.text(de).unwrap_or_default();
        self.text(de, &text)
    }

    /// Writes a value of `units` that is encoded already.
    pub(crate) fn verbatim(&mut self, de: De, units: usize, value: &[u8]) -> Step<'_, 'd, 'b> {
        let element = self.begin(de)?;
        self.prefix(element, units, value);
        self.out.extend_from_slice(value);
        self.end(de)
    }

    /// The dialect that it writes.
    pub fn dialect(&self) -> &'d Dialect {
        self.dialect
    }

    /// Announces an element that is written next, and fills in the bitmap, so that
    /// [`Builder::body_so_far`] is what a MAC in that element covers.
    ///
    /// # Errors
    /// [`BuildError::UnknownElement`], [`BuildError::OutOfOrder`].
    pub fn reserve(&mut self, de: De) -> Step<'_, 'd, 'b> {
        self.begin(de)?;
        self.set_bit(de);
        self.reserved = Some(de);
        self.write_bitmaps();
        Ok(self)
    }

    /// The body from the message type to the last byte written; the bitmap is complete after
    /// [`Builder::reserve`] only.
    pub fn body_so_far(&self) -> &[u8] {
        &self.out[self.start..]
    }

    /// Ends the message; its range in the buffer.
    ///
    /// # Errors
    /// [`BuildError::ReservedUnwritten`], [`BuildError::BodyTooLong`]; [`BuildError::Finished`] the second time.
    pub fn finish(&mut self) -> Result<Range<usize>, BuildError> {
        if self.is_finished {
            return Err(BuildError::Finished);
        }
        if let Some(de) = self.reserved {
            return Err(BuildError::ReservedUnwritten { de });
        }
        let length = self.out.len() - self.start;
        if length > BODY_BYTES_MAX {
            return Err(BuildError::BodyTooLong { length, max: BODY_BYTES_MAX });
        }
        self.write_bitmaps();
        self.is_finished = true;
        Ok(self.start..self.out.len())
    }

    /// Ends the message with a MAC in `de`, computed by `mac` over everything before it; the bitmap already
    /// has its bit then, as the verifier will see it.
    ///
    /// # Errors
    /// As [`Builder::bytes`] and [`Builder::finish`].
    pub fn finish_with_mac<M: AsRef<[u8]>>(
        &mut self,
        de: De,
        mac: impl FnOnce(&[u8]) -> M,
    ) -> Result<Range<usize>, BuildError> {
        self.reserve(de)?;
        let mac = mac(self.body_so_far());
        self.bytes(de, mac.as_ref())?;
        self.finish()
    }

    /// Checks that the element may come now and makes room for its bitmap.
    #[inline]
    fn begin(&mut self, de: De) -> Result<&'d Element, BuildError> {
        if self.is_finished {
            return Err(BuildError::Finished);
        }
        let element = self.dialect.element(de).ok_or(BuildError::UnknownElement { de })?;
        if de <= self.last || self.reserved.is_some_and(|reserved| reserved != de) {
            return Err(BuildError::OutOfOrder { de, after: self.reserved.unwrap_or(self.last) });
        }
        let needed = usize::from(de - 1) / 64 + 1;
        if needed > self.bitmaps {
            self.add_bitmaps(needed);
        }
        Ok(element)
    }

    #[cold]
    fn add_bitmaps(&mut self, needed: usize) {
        if let Some(third) = self.dialect.third.filter(|_| needed > 2) {
            let needed = usize::from(third - 1) / 64 + 1;
            if needed > self.bitmaps {
                self.grow_bitmaps(needed);
            }
            return self.add_third(third);
        }
        self.grow_bitmaps(needed);
    }

    /// Makes room for the element that holds the third bitmap, where it is not written yet.
    fn add_third(&mut self, third: De) {
        let bit = usize::from(third - 1);
        if self.words[bit / 64] >> (63 - bit % 64) & 1 == 1 {
            return;
        }
        let at = self.third_at(third);
        let bytes = self.dialect.layouts[usize::from(third)].bytes as usize;
        let end = self.out.len();
        self.out.resize(end + bytes, 0);
        self.out.copy_within(at..end, at + bytes);
        self.set_bit(third);
    }

    /// Where an element stands or would stand, found by walking over those before it.
    fn third_at(&self, third: De) -> usize {
        let mut at = self.bitmap_at + self.bitmaps * bitmap_bytes(self.dialect);
        for de in 2..third {
            let bit = usize::from(de - 1);
            if self.words[bit / 64] >> (63 - bit % 64) & 1 == 1 {
                let rest = self.out.get(at..).unwrap_or_default();
                at += element_bytes(self.dialect, de, rest).unwrap_or_default();
            }
        }
        at
    }

    fn grow_bitmaps(&mut self, needed: usize) {
        let unit = bitmap_bytes(self.dialect);
        let at = self.bitmap_at + self.bitmaps * unit;
        let grown = (needed - self.bitmaps) * unit;
        let end = self.out.len();
        self.out.resize(end + grown, 0);
        self.out.copy_within(at..end, at + grown);
        self.out[at..at + grown].fill(0);
        self.bitmaps = needed;
    }

    #[inline]
    fn end(&mut self, de: De) -> Step<'_, 'd, 'b> {
        self.set_bit(de);
        self.last = de;
        self.reserved = None;
        Ok(self)
    }

    fn set_bit(&mut self, de: De) {
        let bit = usize::from(de - 1);
        self.words[bit / 64] |= 1 << (63 - bit % 64);
    }

    #[inline]
    fn prefix(&mut self, element: &Element, units: usize, value: &[u8]) {
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

    fn write_bitmaps(&mut self) {
        let unit = bitmap_bytes(self.dialect);
        for index in 0..self.bitmaps {
            let word = announced(self.dialect, &self.words, self.bitmaps, index);
            let at = self.bitmap_at + index * unit;
            let (digits, bytes) = bitmap(self.dialect, word);
            self.out[at..at + unit].copy_from_slice(&digits[..bytes]);
        }
        let Some(third) = self.dialect.third else { return };
        let bit = usize::from(third - 1);
        if self.words[bit / 64] >> (63 - bit % 64) & 1 == 1 {
            let at = self.third_at(third);
            let (digits, bytes) = bitmap_as(third_encoding(self.dialect, third), self.words[2]);
            if let Some(slot) = self.out.get_mut(at..at + bytes) {
                slot.copy_from_slice(&digits[..bytes]);
            }
        }
    }
}

/// A bitmap with its first bit: bit 1 announces the secondary bitmap, bit 65 the tertiary.
fn announced(dialect: &Dialect, words: &[u64; 3], bitmaps: usize, index: usize) -> u64 {
    // A bitmap that is always there needs no announcing unless something is in it.
    let continues = (index + 1..bitmaps).any(|later| words[later] != 0 || later >= dialect.bitmaps_min);
    words[index] | if continues && dialect.announces { 1 << 63 } else { 0 }
}

/// A bitmap as it is written, and how many of the bytes it takes.
fn bitmap(dialect: &Dialect, word: u64) -> ([u8; 16], usize) {
    bitmap_as(dialect.bitmap, word)
}

fn bitmap_as(encoding: Encoding, word: u64) -> ([u8; 16], usize) {
    match encoding {
        Encoding::Hex => (to_hex(word), 16),
        Encoding::EbcdicHex => {
            (to_hex(word).map(|digit| if digit <= b'9' { digit + 0xC0 } else { digit + 0x80 }), 16)
        }
        Encoding::Raw | Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&word.to_be_bytes());
            (bytes, 8)
        }
    }
}

/// Appends the bitmaps that elements need.
#[inline]
pub(crate) fn put_bitmaps(dialect: &Dialect, words: &[u64; 3], out: &mut Vec<u8>) {
    let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    let bitmaps = used.max(dialect.bitmaps_min);
    for index in 0..bitmaps {
        let (digits, bytes) = bitmap(dialect, announced(dialect, words, bitmaps, index));
        out.extend_from_slice(&digits[..bytes]);
    }
}

/// Appends the message type.
#[inline]
pub(crate) fn put_mti(dialect: &Dialect, mti: Mti, out: &mut Vec<u8>) {
    match dialect.mti {
        Encoding::Bcd => out.extend_from_slice(&mti.as_u16().to_be_bytes()),
        Encoding::Ebcdic => out.extend_from_slice(&mti.to_ascii().map(|digit| digit + 0xC0)),
        Encoding::Ascii | Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex => {
            out.extend_from_slice(&mti.to_ascii());
        }
    }
}

fn bitmap_bytes(dialect: &Dialect) -> usize {
    if dialect.bitmap == Encoding::Raw { 8 } else { 16 }
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

/// Position of the first character that the class does not have.
pub(crate) fn bad_digit(element: &Element, digits: &[u8]) -> Option<usize> {
    match element.class {
        Class::Track if element.encoding == Encoding::Bcd => {
            digits.iter().position(|c| !matches!(c, b'0'..=b'9' | b'A'..=b'F' | b'='))
        }
        Class::Track => digits.iter().position(|c| !matches!(c, b' '..=b'~')),
        Class::SignedAmount => match digits.split_first() {
            Some((b'C' | b'D', rest)) => rest.iter().position(|c| !c.is_ascii_digit()).map(|at| at + 1),
            // Hosts that send no sign send a digit in its place, where characters are whole bytes.
            Some((first, rest)) if first.is_ascii_digit() && element.encoding != Encoding::Bcd => {
                rest.iter().position(|c| !c.is_ascii_digit()).map(|at| at + 1)
            }
            Some(_) => Some(0),
            None => None,
        },
        Class::Numeric | Class::Alpha | Class::AlphaNumeric | Class::Text | Class::Binary => {
            digits.iter().position(|c| !c.is_ascii_digit())
        }
    }
}

/// Pads a fixed text and checks the length; gives the value's length in bytes.
fn fill_text(element: &Element, value_at: usize, out: &mut Vec<u8>) -> Result<usize, BuildError> {
    let (de, max) = (element.de, element.len_max());
    let length = element.counted(&out[value_at..]);
    if length > max {
        return Err(BuildError::TooLong { de, length, max });
    }
    if let Length::Fixed(_) = element.length {
        fill_up(element, value_at, max, out);
    }
    Ok(out.len() - value_at)
}

/// Fills the text from `value_at` on up to `length` bytes.
pub(crate) fn fill_up(element: &Element, value_at: usize, length: usize, out: &mut Vec<u8>) {
    let missing = (value_at + length).saturating_sub(out.len());
    let TextPad { side, fill } = element.text_pad;
    out.resize(out.len() + missing, fill);
    if side == Side::Left && missing > 0 {
        out[value_at..].rotate_right(missing);
    }
}

/// Writes what the prefix counts of `units`; `value` is looked at where characters are counted.
pub(crate) fn put_prefix(element: &Element, units: usize, value: &[u8], out: &mut [u8]) {
    let Length::Variable { prefix, .. } = element.length else { return };
    put_prefix_value(prefix, element.prefix_number(prefix, units, value), out);
}

/// Writes a number in the places of a prefix; whether it fits them.
pub(crate) fn put_prefix_value(prefix: Prefix, value: usize, out: &mut [u8]) -> bool {
    let mut rest = value;
    let mut places = prefix.places;
    for byte in out.iter_mut().rev() {
        let (value, radix) = match prefix.encoding {
            PrefixEncoding::Ascii => (b'0' + (rest % 10) as u8, 10),
            PrefixEncoding::Ebcdic => (0xF0 + (rest % 10) as u8, 10),
            // Three places take two bytes, and the first nibble stays zero.
            PrefixEncoding::Bcd if places == 1 => ((rest % 10) as u8, 10),
            PrefixEncoding::Bcd => ((((rest / 10 % 10) << 4) | (rest % 10)) as u8, 100),
            PrefixEncoding::Binary => (rest as u8, 256),
            PrefixEncoding::Hex => (hex_digit(Encoding::Hex, (rest % 16) as u8), 16),
        };
        *byte = value;
        rest /= radix;
        places = places.saturating_sub(2);
    }
    rest == 0
}

pub(crate) fn put_digits(element: &Element, digits: &[u8], out: &mut Vec<u8>) {
    match element.encoding {
        Encoding::Ebcdic => {
            let to_ebcdic = |c: &u8| match c {
                b'0'..=b'9' => c - b'0' + 0xF0,
                _ => {
                    let mut byte = Vec::with_capacity(1);
                    let known = element.charset.encode(char::from(*c).encode_utf8(&mut [0; 4]), &mut byte);
                    if known.is_ok() { byte.first().copied().unwrap_or(0x6F) } else { 0x6F }
                }
            };
            out.extend(digits.iter().map(to_ebcdic));
        }
        Encoding::Bcd => {
            let (sign, digits) = match (element.class, digits.split_first()) {
                (Class::SignedAmount, Some((sign, rest))) => (Some(*sign), rest),
                _ => (None, digits),
            };
            out.extend(sign);
            put_packed(element, digits, out);
        }
        Encoding::Ascii | Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex => {
            out.extend_from_slice(digits)
        }
    }
}

fn put_packed(element: &Element, digits: &[u8], out: &mut Vec<u8>) {
    let nibble = |c: u8| match c {
        b'0'..=b'9' => c - b'0',
        b'=' => 0xD,
        _ => (c | 0x20).wrapping_sub(b'a').wrapping_add(10) & 0xF,
    };
    let mut digits = digits;
    if digits.len() & 1 == 1
        && element.pad.side == Side::Left
        && let Some((first, rest)) = digits.split_first()
    {
        out.push(element.pad.fill << 4 | nibble(*first));
        digits = rest;
    }
    let (pairs, last) = digits.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[high, low]| nibble(high) << 4 | nibble(low)));
    if let [last] = last {
        out.push(nibble(*last) << 4 | element.pad.fill);
    }
}

pub(crate) fn put_hex(encoding: Encoding, bytes: &[u8], out: &mut Vec<u8>) {
    let (words, rest) = bytes.as_chunks::<8>();
    if encoding == Encoding::Hex {
        words.iter().for_each(|word| out.extend_from_slice(&to_hex(u64::from_be_bytes(*word))));
    }
    let rest = if encoding == Encoding::Hex { rest } else { bytes };
    out.extend(
        rest.iter().flat_map(|byte| [hex_digit(encoding, byte >> 4), hex_digit(encoding, byte & 0xF)]),
    );
}

const fn hex_digit(encoding: Encoding, nibble: u8) -> u8 {
    match (encoding, nibble) {
        (Encoding::EbcdicHex, 0..=9) => 0xF0 + nibble,
        (Encoding::EbcdicHex, _) => 0xC1 + nibble - 10,
        (_, 0..=9) => b'0' + nibble,
        (_, _) => b'A' + nibble - 10,
    }
}
