//! A parsed message: an index over the bytes it came from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::composite::{Parts, Paths};
use crate::dialect::{Class, Element, Encoding, Length};
use crate::digits::Digits;
use crate::parse::{element_bytes, prefix_value};
use crate::shape::Shape;
use crate::tlv::Tlvs;
use crate::{De, Dialect, Mti, words};

/// The most digits that a numeric subfield may have.
pub(crate) const SMALL_DIGITS_MAX: usize = 40;

/// Elements whose offset is kept. What a message has beyond them, and none in use has, is found by walking
/// from the last one, so that an index is small enough to be made anew for every message.
pub(crate) const INDEXED_MAX: usize = 64;

/// A parsed message: it borrows the body and knows where each element is; values are decoded on demand.
///
/// Made by [`Dialect::parse`]. Elements are numbered from 2; the bits that only announce a further bitmap are
/// not elements.
#[derive(Clone)]
pub struct Message<'d, 'a> {
    dialect: &'d Dialect,
    body: &'a [u8],
    pub(crate) mti: Mti,
    /// Elements present.
    pub(crate) count: u16,
    /// Where the last element ends.
    pub(crate) end: u16,
    pub(crate) words: [u64; 3],
    /// The shape it was read by.
    pub(crate) shape: Option<&'d Shape>,
    /// Offsets of the elements present, in their order, length prefixes included; with a shape, of its steps.
    pub(crate) starts: [u16; INDEXED_MAX],
}

/// The value of a subfield.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subvalue<'a> {
    /// Digits in ASCII, with `=` for a track's separator.
    Digits(SmallDigits),
    /// Text, decoded.
    Text(Cow<'a, str>),
    /// Bytes as on the wire.
    Bytes(&'a [u8]),
    /// Bytes that the wire has as hexadecimal digits.
    Decoded(Vec<u8>),
}

impl Subvalue<'_> {
    /// Digits and text as they are, bytes as upper-case hexadecimal. Not masked.
    pub fn to_plain_string(&self) -> String {
        match self {
            Self::Digits(digits) => digits.as_str().to_owned(),
            Self::Text(text) => text.to_string(),
            Self::Bytes(bytes) => crate::render::hex(bytes),
            Self::Decoded(bytes) => crate::render::hex(bytes),
        }
    }
}

/// Up to forty ASCII digits held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SmallDigits {
    len: u8,
    digits: [u8; SMALL_DIGITS_MAX],
}

impl SmallDigits {
    fn collect(digits: impl Iterator<Item = u8>) -> Self {
        let mut small = Self { len: 0, digits: [0; SMALL_DIGITS_MAX] };
        for digit in digits.take(SMALL_DIGITS_MAX) {
            small.digits[usize::from(small.len)] = digit;
            small.len += 1;
        }
        small
    }

    /// Nothing when there are more than fit.
    pub(crate) fn try_collect(digits: &Digits<'_>) -> Option<Self> {
        if digits.len() > SMALL_DIGITS_MAX {
            return None;
        }
        Some(Self::collect((0..digits.len()).map(|index| digits.at(index))))
    }

    /// The digits as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The digits as ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    /// The digits as a number; nothing when there are none, others than 0–9, or too many for 64 bits.
    pub fn number(&self) -> Option<u64> {
        number_of(self.as_bytes().iter().copied())
    }
}

impl fmt::Debug for SmallDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A subfield may be a card number.
        write!(f, "SmallDigits({} digits)", self.len)
    }
}

impl fmt::Debug for Message<'_, '_> {
    /// Type and elements present, no values: a message may hold a track.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} {} [", self.dialect.name(), self.mti)?;
        for (index, de) in self.elements().enumerate() {
            write!(f, "{}{de}", if index == 0 { "" } else { " " })?;
        }
        f.write_str("])")
    }
}

impl<'d, 'a> Message<'d, 'a> {
    pub(crate) fn empty(dialect: &'d Dialect, body: &'a [u8]) -> Self {
        Self {
            dialect,
            body,
            mti: Mti::new(0),
            count: 0,
            end: 0,
            words: [0; 3],
            shape: None,
            starts: [0; INDEXED_MAX],
        }
    }

    /// The dialect it was parsed with.
    pub fn dialect(&self) -> &'d Dialect {
        self.dialect
    }

    /// The message type.
    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// The bytes it was parsed from: message type to last element.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Whether the element is present.
    pub fn has(&self, de: De) -> bool {
        words::has(&self.words, de)
    }

    /// The elements present, ascending.
    pub fn elements(&self) -> impl Iterator<Item = De> + use<> {
        words::elements(self.words)
    }

    /// The element's bytes with their length prefix, as they would be echoed.
    #[inline]
    pub fn wire(&self, de: De) -> Option<&'a [u8]> {
        self.body.get(self.range(de)?)
    }

    /// Where [`Message::wire`] is in the body.
    #[inline]
    pub(crate) fn range(&self, de: De) -> Option<Range<usize>> {
        if let Some(shape) = self.shape {
            let (from, to) = shape.span(de)?;
            return Some(self.placed(from)..self.placed(to));
        }
        if !self.has(de) {
            return None;
        }
        let rank = self.rank(de);
        Some(self.start(rank)?..self.start(rank + 1)?)
    }

    /// The offset of a place of the shape.
    #[inline(always)]
    pub(crate) fn placed(&self, (step, offset): (u8, u16)) -> usize {
        usize::from(self.starts[usize::from(step) % INDEXED_MAX]) + usize::from(offset)
    }

    /// How many elements stand before `de`.
    pub(crate) fn rank(&self, de: De) -> usize {
        if let Some(shape) = self.shape {
            return shape.rank(de);
        }
        words::rank(&self.words, de)
    }

    /// The offset of the element at `rank`; of the end for the rank after the last.
    pub(crate) fn start(&self, rank: usize) -> Option<usize> {
        if rank == usize::from(self.count) {
            return Some(usize::from(self.end));
        }
        if let Some(shape) = self.shape {
            return shape.place(rank).map(|place| self.placed(place));
        }
        if let Some(start) = self.starts.get(rank) {
            return Some(usize::from(*start));
        }
        let mut at = usize::from(self.starts[INDEXED_MAX - 1]);
        for de in self.elements().skip(INDEXED_MAX - 1).take(rank + 1 - INDEXED_MAX) {
            at += element_bytes(self.dialect, de, self.body.get(at..)?)?;
        }
        Some(at)
    }

    /// The value's bytes as on the wire, without the length prefix.
    pub fn raw(&self, de: De) -> Option<&'a [u8]> {
        let prefix = self.dialect.layouts.get(usize::from(de))?.prefix_bytes;
        self.wire(de)?.get(usize::from(prefix)..)
    }

    /// The value's length in the element's unit: digits, nibbles, characters or bytes.
    pub fn value_len(&self, de: De) -> Option<usize> {
        let layout = self.dialect.layouts.get(usize::from(de))?;
        let wire = self.wire(de)?;
        if layout.prefix_bytes == 0 {
            return Some(layout.units as usize);
        }
        let length = prefix_value(layout.rule, wire.get(..usize::from(layout.prefix_bytes))?)?;
        match layout.rule {
            crate::dialect::Rule::BytesPrefix(_) => {
                Some(layout.scale.units(length).min(layout.units as usize))
            }
            crate::dialect::Rule::NibblesPrefix(_) => layout.scale.units_of_nibbles(length),
            _ => Some(length),
        }
    }

    /// Offset in the body of the element's first byte, its length prefix included.
    ///
    /// A MAC in element 64 covers `body[..offset(64)]`.
    pub fn offset(&self, de: De) -> Option<usize> {
        if self.has(de) { self.start(self.rank(de)) } else { None }
    }

    /// The value's digits in ASCII, written to `buf` without filler; `=` for a track's separator.
    ///
    /// Reads BCD, ASCII and EBCDIC alike. Nothing when absent, when `buf` is too small, or when the value is
    /// not made of digits (text that happens to be all digits is).
    pub fn digits<'b>(&self, de: De, buf: &'b mut [u8]) -> Option<&'b [u8]> {
        let digits = self.digit_reader(de)?;
        let out = buf.get_mut(..digits.len())?;
        for (index, slot) in out.iter_mut().enumerate() {
            *slot = digits.at(index);
        }
        Some(out)
    }

    /// The value as a number; nothing when absent, signed, not decimal, or too large for 64 bits.
    pub fn number(&self, de: De) -> Option<u64> {
        let digits = self.digit_reader(de)?;
        number_of((0..digits.len()).map(|index| digits.at(index)))
    }

    /// The value as text: characters decoded to UTF-8, digits as they are. Nothing for binary elements.
    ///
    /// The spaces that fill a fixed element are kept.
    pub fn text(&self, de: De) -> Option<Cow<'a, str>> {
        let element = self.dialect.element(de)?;
        match element.class {
            Class::Binary => None,
            Class::Numeric | Class::SignedAmount => Some(Cow::Owned(self.digit_string(de)?)),
            Class::Track if element.encoding == Encoding::Bcd => Some(Cow::Owned(self.digit_string(de)?)),
            Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => {
                Some(element.charset.decode(self.raw(de)?))
            }
        }
    }

    /// The bytes of a binary element. Nothing for other classes, or when the wire has them as hexadecimal
    /// digits (see [`Message::bytes_owned`]).
    pub fn bytes(&self, de: De) -> Option<&'a [u8]> {
        let element = self.dialect.element(de)?;
        let is_raw = element.class == Class::Binary && element.encoding == Encoding::Raw;
        if is_raw { self.raw(de) } else { None }
    }

    /// The bytes of a binary element, decoded when the wire has them as hexadecimal digits.
    pub fn bytes_owned(&self, de: De) -> Option<Cow<'a, [u8]>> {
        let element = self.dialect.element(de)?;
        let raw = self.raw(de)?;
        match (element.class, element.encoding) {
            (Class::Binary, Encoding::Raw) => Some(Cow::Borrowed(raw)),
            (Class::Binary, encoding) => Some(Cow::Owned(unhexed(encoding, raw))),
            _ => None,
        }
    }

    /// The parts of a composite or of chip data, each before those inside it.
    ///
    /// Empty when the element is absent or has none; ends with an error where the inside does not follow the
    /// dialect. Parsing the message did not look there.
    pub fn parts(&self, de: De) -> Parts<'d, 'a> {
        let element = self.dialect.element(de);
        let inside = element.and_then(|element| Some((element, element.inside()?)));
        let (Some((element, inside)), Some(raw), Some(at)) = (inside, self.raw(de), self.offset(de)) else {
            return Parts::empty();
        };
        let prefix = self.dialect.layouts.get(usize::from(de)).map_or(0, |layout| layout.prefix_bytes);
        Parts::of(element, inside, raw, at + usize::from(prefix))
    }

    /// Where composites and chip data cannot be followed: one error for each such element, ascending.
    ///
    /// A message that parsed and has none of these is right throughout.
    pub fn part_errors(&self) -> impl Iterator<Item = crate::PartError> + '_ {
        self.elements().filter_map(|de| self.parts(de).find_map(Result::err))
    }

    /// The part of a composite at a path without the element: `25.2`, `01#2`.
    fn part(&self, de: De, path: &str) -> Option<Subvalue<'a>> {
        let mut paths = Paths::of(de);
        let found = self.parts(de).map_while(Result::ok).find(|part| {
            let full = paths.next(part);
            full.split_once('.').is_some_and(|(_, inner)| inner == path)
        });
        found.map(|part| part.value())
    }

    /// A subfield by path: `60.2` counted from one, `55.9F26` by tag at any depth, `127.25.2` in composites.
    pub fn subfield(&self, path: &str) -> Option<Subvalue<'a>> {
        let (de, inner) = path.split_once('.')?;
        let de: De = de.parse().ok()?;
        match self.dialect.element(de)?.composition {
            crate::Composition::BerTlv if !inner.contains(['.', '#']) => {
                self.tag(de, u32::from_str_radix(inner, 16).ok()?).map(Subvalue::Bytes)
            }
            crate::Composition::BerTlv | crate::Composition::Composite(_) => self.part(de, inner),
            crate::Composition::Positional(_) => self.positional(de, inner.parse().ok()?),
            crate::Composition::Primitive => None,
        }
    }

    /// A positional subfield, counted from one.
    pub fn positional(&self, de: De, number: usize) -> Option<Subvalue<'a>> {
        self.subfields(de).nth(number.checked_sub(1)?).map(|(_, value)| value)
    }

    /// The positional subfields that are there, with their definitions.
    pub fn subfields(&self, de: De) -> impl Iterator<Item = (&'d crate::Subfield, Subvalue<'a>)> + '_ {
        let element = self.dialect.element(de).filter(|_| self.has(de));
        let len = self.value_len(de).unwrap_or_default();
        let raw = self.raw(de).unwrap_or_default();
        let layout = element.and_then(|element| element.layout(self.mti.as_u16(), len));
        let mut at = 0;
        (0..).map_while(move |index| {
            let (element, spec) = (element?, layout?.subfield(index)?);
            if at >= len {
                return None;
            }
            let end = len.min(at + spec.length as usize);
            let value = cut(element, (raw, len), spec, at..end)?;
            at = end;
            Some((spec, value))
        })
    }

    /// The BER-TLV objects of an element, nested ones after the one that holds them.
    ///
    /// Empty when the element is absent; ends with an error where the bytes are not BER-TLV.
    pub fn tlv(&self, de: De) -> Tlvs<'a> {
        Tlvs::new(self.raw(de).unwrap_or_default())
    }

    /// The first BER-TLV object with this tag, at any depth.
    pub fn tag(&self, de: De, tag: u32) -> Option<&'a [u8]> {
        self.tlv(de).map_while(Result::ok).find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    fn digit_reader(&self, de: De) -> Option<Digits<'a>> {
        let element = self.dialect.element(de)?;
        let raw = self.raw(de)?;
        match element.class {
            Class::Binary => None,
            Class::Numeric | Class::SignedAmount | Class::Track => {
                Some(Digits::new(element, raw, self.value_len(de)?))
            }
            Class::Alpha | Class::AlphaNumeric | Class::Text => {
                let digits = Digits::new(element, raw, raw.len());
                (0..raw.len()).all(|index| digits.at(index).is_ascii_digit()).then_some(digits)
            }
        }
    }

    fn digit_string(&self, de: De) -> Option<String> {
        let digits = self.digit_reader(de)?;
        Some((0..digits.len()).map(|index| char::from(digits.at(index))).collect())
    }

    /// Whether the element has a length of its own on the wire.
    pub(crate) fn is_variable(&self, de: De) -> bool {
        self.dialect.element(de).is_some_and(|element| matches!(element.length, Length::Variable { .. }))
    }
}

/// The units `place` of an element, with what it is on the wire and its length in units, as the subfield's class wants
/// them.
fn cut<'a>(
    element: &Element,
    (raw, len): (&'a [u8], usize),
    spec: &crate::Subfield,
    place: Range<usize>,
) -> Option<Subvalue<'a>> {
    match element.class {
        Class::Numeric | Class::SignedAmount | Class::Track => {
            let digits = Digits::new(element, raw, len);
            Some(Subvalue::Digits(SmallDigits::collect(place.map(|index| digits.at(index)))))
        }
        Class::Binary if element.encoding == Encoding::Raw => raw.get(place).map(Subvalue::Bytes),
        Class::Binary => {
            let digits = raw.get(place.start * 2..place.end * 2)?;
            Some(Subvalue::Decoded(unhexed(element.encoding, digits)))
        }
        Class::Alpha | Class::AlphaNumeric | Class::Text => {
            let text = element.charset.decode(raw.get(place)?);
            let is_number = spec.class == Class::Numeric && text.bytes().all(|b| b.is_ascii_digit());
            Some(if is_number {
                Subvalue::Digits(SmallDigits::collect(text.bytes()))
            } else {
                Subvalue::Text(text)
            })
        }
    }
}

/// Bytes that the wire has as hexadecimal digits, which parsing has checked.
fn unhexed(encoding: Encoding, digits: &[u8]) -> Vec<u8> {
    let nibble = |byte| crate::parse::hex_nibble(encoding, byte).unwrap_or_default();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|&[high, low]| nibble(high) << 4 | nibble(low)).collect()
}

fn number_of(digits: impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = None;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = Some(value.unwrap_or(0u64).checked_mul(10)?.checked_add(u64::from(digit))?);
    }
    value
}
