//! Composites from values to bytes.

use super::ber;
use super::key::Key;
use super::model::PartSpec;
use super::model::{BER, BITMAP_WORDS_MAX, BitmapRule, COMPOSITE_DEPTH_MAX, Composite, Kind, LAST_OF_TAGS};
use super::model::{TagCounts, TagRule};
use super::walk::{Part, is_hex};
use crate::Charset;
use crate::builder::{bad_digit, fill_up, put_digits, put_hex, put_number, put_prefix};
use crate::dialect::{Class, Rule};
use crate::error::PartFault;
use crate::{BuildError, Builder, De, Element, Encoding, Length};

/// Writes the parts of one composite.
///
/// Positions and bits are given in ascending order, tags in the order that they shall have. A key is written as
/// in a path: `2`, `01`, `9F26`.
#[derive(Debug)]
pub struct PartWriter<'c> {
    composite: &'c Composite,
    /// Parts without a bitmap before them.
    out: Vec<u8>,
    path: String,
    depth: usize,
    /// The last position or bit.
    last: u16,
    /// Positions written.
    count: usize,
    /// Bytes of the part before the bitmap.
    head_bytes: usize,
    words: [u64; BITMAP_WORDS_MAX],
    /// BER-TLV objects follow the bits of a dataset.
    tail: bool,
    is_empty: bool,
}

/// A value that is to be written.
#[derive(Clone, Copy)]
enum Given<'v> {
    Text(&'v str),
    Bytes(&'v [u8]),
    /// As on the wire.
    Raw(&'v [u8]),
}

type Step<'s, 'c> = Result<&'s mut PartWriter<'c>, BuildError>;

impl<'d> Builder<'d, '_> {
    /// Writes a composite from its parts.
    ///
    /// # Errors
    /// [`BuildError::Part`] names the part; those of [`Builder::bytes`] for the whole.
    pub fn parts<E: From<BuildError>>(
        &mut self,
        de: De,
        fill: impl FnOnce(&mut PartWriter<'d>) -> Result<(), E>,
    ) -> Result<&mut Self, E> {
        let element = self.dialect().element(de).ok_or(BuildError::UnknownElement { de })?;
        let Some(composite) = element.inside() else {
            let path = de.to_string().into();
            return Err(BuildError::Part { path, fault: PartFault::NotAComposite }.into());
        };
        let mut writer = PartWriter::new(composite, de.to_string(), 0);
        fill(&mut writer)?;
        let bytes = writer.finish();
        Ok(self.bytes(de, &bytes)?)
    }
}

impl<'c> PartWriter<'c> {
    pub(crate) fn new(composite: &'c Composite, path: String, depth: usize) -> Self {
        Self {
            composite,
            out: Vec::new(),
            path,
            depth,
            last: 0,
            count: 0,
            head_bytes: 0,
            words: [0; BITMAP_WORDS_MAX],
            tail: false,
            is_empty: true,
        }
    }

    /// Writes a part from text: characters in its character set, or digits.
    ///
    /// # Errors
    /// [`BuildError::Part`] names the part and what is wrong with it.
    pub fn text(&mut self, key: &str, text: &str) -> Step<'_, 'c> {
        self.put(key, Given::Text(text))
    }

    /// Writes a part from bytes; where the part is text, bytes that are in its character set already.
    ///
    /// # Errors
    /// As [`PartWriter::text`].
    pub fn bytes(&mut self, key: &str, bytes: &[u8]) -> Step<'_, 'c> {
        self.put(key, Given::Bytes(bytes))
    }

    /// Writes a part from its bytes on the wire, without tag and length.
    ///
    /// # Errors
    /// As [`PartWriter::text`]; what the bytes hold is not checked.
    pub fn raw(&mut self, key: &str, bytes: &[u8]) -> Step<'_, 'c> {
        self.put(key, Given::Raw(bytes))
    }

    /// Writes a part that is a composite itself.
    ///
    /// # Errors
    /// As [`PartWriter::text`]; those of `fill`.
    pub fn parts<E: From<BuildError>>(
        &mut self,
        key: &str,
        fill: impl FnOnce(&mut PartWriter<'c>) -> Result<(), E>,
    ) -> Result<&mut Self, E> {
        let (named, spec) = self.find(key)?;
        let Some(inside) = self.inside(named, spec) else {
            return Err(self.error(named, PartFault::NotAComposite).into());
        };
        if self.depth + 1 == COMPOSITE_DEPTH_MAX {
            return Err(self.error(named, PartFault::TooDeep { max: COMPOSITE_DEPTH_MAX }).into());
        }
        let mut writer = PartWriter::new(inside, format!("{}.{named}", self.path), self.depth + 1);
        fill(&mut writer)?;
        let bytes = writer.finish();
        Ok(self.put_inside(named, spec, &bytes)?)
    }

    /// Writes a part that is a composite itself from the bytes inside it.
    ///
    /// # Errors
    /// As [`PartWriter::text`]; what the bytes hold is not checked.
    pub fn whole(&mut self, key: &str, bytes: &[u8]) -> Step<'_, 'c> {
        let (named, spec) = self.find(key)?;
        self.put_inside(named, spec, bytes)
    }

    fn put_inside(&mut self, key: Key, spec: Option<&'c PartSpec>, bytes: &[u8]) -> Step<'_, 'c> {
        match spec.map(|spec| spec.element.encoding()).filter(|encoding| is_hex(*encoding)) {
            Some(encoding) => {
                let mut digits = Vec::with_capacity(bytes.len() * 2);
                put_hex(encoding, bytes, &mut digits);
                self.put_found(key, spec, Given::Raw(&digits))
            }
            None => self.put_found(key, spec, Given::Raw(bytes)),
        }
    }

    /// Copies a part of a composite of the same kind as it is on the wire, tag and length included.
    ///
    /// # Errors
    /// [`BuildError::Part`] for a key that cannot come now.
    pub fn copy(&mut self, part: &Part<'_, '_>) -> Step<'_, 'c> {
        self.place(part.key)?;
        self.out.extend_from_slice(&part.wire());
        self.note_head(part.key);
        Ok(self)
    }

    /// The bitmap comes behind a part that stands before it.
    fn note_head(&mut self, key: Key) {
        if key == Key::Number(0) && matches!(self.composite.kind, Kind::Bitmapped(_)) {
            self.head_bytes = self.out.len();
        }
    }

    /// Whether a part has parts of its own.
    pub(crate) fn is_container(&self, key: &str) -> bool {
        self.find(key).is_ok_and(|(key, spec)| self.inside(key, spec).is_some())
    }

    /// What the dialect says of a part; nothing when it says nothing.
    ///
    /// # Errors
    /// [`PartFault::NotAKey`] for what no part can be called.
    pub(crate) fn spec(&self, key: &str) -> Result<Option<&'c PartSpec>, BuildError> {
        self.find(key).map(|(_, spec)| spec)
    }

    /// Whether a part that is not known is given as characters.
    pub(crate) fn unknown_is_text(&self) -> bool {
        matches!(self.composite.kind, Kind::Tagged(rule) if rule.is_text())
    }

    /// Whether the parts have numbers, which say their order.
    pub(crate) fn is_numbered(&self) -> bool {
        matches!(self.composite.kind, Kind::Positional { .. } | Kind::Bitmapped(_) | Kind::Dbm)
    }

    /// The bytes of the composite.
    pub(crate) fn finish(self) -> Vec<u8> {
        let bits = match self.composite.kind {
            Kind::Bitmapped(rule) if !self.is_empty => bitmaps(rule, &self.words),
            Kind::Dbm if !self.is_empty => dbm_bitmap(&self.words, self.tail),
            Kind::Bitmapped(_)
            | Kind::Dbm
            | Kind::Positional { .. }
            | Kind::Tagged(_)
            | Kind::Ber
            | Kind::Datasets => return self.out,
        };
        let (head, parts) = self.out.split_at(self.head_bytes);
        [head, &bits, parts].concat()
    }

    fn error(&self, key: Key, fault: PartFault) -> BuildError {
        BuildError::Part { path: format!("{}.{key}", self.path).into(), fault }
    }

    fn find(&self, key: &str) -> Result<(Key, Option<&'c PartSpec>), BuildError> {
        let not_a_key = || {
            let path = format!("{}.{key}", self.path).into();
            BuildError::Part { path, fault: PartFault::NotAKey }
        };
        let named = self.composite.key_of(key).ok_or_else(not_a_key)?;
        if let (Key::Number(0), Some(head)) = (named, self.composite.head.as_deref()) {
            return Ok((named, Some(&head.part)));
        }
        let spec = match self.composite.kind {
            Kind::Positional { repeat_from } => {
                let next = self.composite.position(self.count, repeat_from);
                next.filter(|(_, key)| *key == named).map(|(spec, _)| spec)
            }
            _ => self.composite.part(named),
        };
        Ok((named, spec))
    }

    fn inside(&self, key: Key, spec: Option<&'c PartSpec>) -> Option<&'c Composite> {
        if let Some(inside) = spec.and_then(|spec| spec.element.inside()) {
            return Some(inside);
        }
        match (self.composite.kind, key) {
            (Kind::Ber, Key::Hex(tag)) if tag.as_bytes()[0] & 0x20 != 0 => Some(self.composite),
            (Kind::Dbm, Key::Tail(tag)) if tag.as_bytes()[0] & 0x20 != 0 => Some(&BER),
            (Kind::Datasets, Key::Hex(id)) if spec.is_none() && id.as_bytes()[0] <= LAST_OF_TAGS => {
                Some(&BER)
            }
            _ => None,
        }
    }

    fn put(&mut self, key: &str, given: Given<'_>) -> Step<'_, 'c> {
        let (key, spec) = self.find(key)?;
        self.put_found(key, spec, given)
    }

    fn put_found(&mut self, key: Key, spec: Option<&'c PartSpec>, given: Given<'_>) -> Step<'_, 'c> {
        let is_tagged = !matches!(key, Key::Number(_));
        if spec.is_none() && !is_tagged {
            let fault = match self.composite.kind {
                Kind::Positional { .. } => PartFault::OutOfOrder,
                _ => PartFault::Unknown,
            };
            return Err(self.error(key, fault));
        }
        let encoded = match (spec, self.composite.kind) {
            (Some(spec), _) => encode(spec, given),
            (None, Kind::Tagged(rule)) => encode_unknown(rule.unknown_charset(), given),
            (None, _) => encode_unknown(Charset::Latin1, given),
        };
        let (value, units) = encoded.map_err(|fault| self.error(key, fault))?;
        self.place(key)?;
        match self.composite.kind {
            Kind::Tagged(rule) if is_tagged => self.put_tagged(rule, key, spec, &value, units)?,
            Kind::Ber | Kind::Dbm if is_tagged => {
                let (Key::Hex(tag) | Key::Tail(tag)) = key else { return Ok(self) };
                ber::put(tag.as_bytes(), &value, &mut self.out);
            }
            Kind::Datasets => {
                let Key::Hex(id) = key else { return Ok(self) };
                let max = usize::from(u16::MAX);
                let fault = PartFault::TooLong { length: value.len(), max };
                let length = u16::try_from(value.len()).map_err(|_| self.error(key, fault))?;
                self.out.extend_from_slice(id.as_bytes());
                self.out.extend_from_slice(&length.to_be_bytes());
                self.out.extend_from_slice(&value);
            }
            _ => self.put_own(spec, &value, units),
        }
        self.note_head(key);
        Ok(self)
    }

    /// Notes that a part comes now.
    fn place(&mut self, key: Key) -> Result<(), BuildError> {
        self.is_empty = false;
        let number = match (self.composite.kind, key) {
            (Kind::Dbm, Key::Tail(_)) => {
                self.tail = true;
                return Ok(());
            }
            // The part before the tags or the bitmap is the first or none.
            (Kind::Tagged(_) | Kind::Bitmapped(_), Key::Number(0)) => {
                let is_first = self.out.is_empty() && self.count == 0;
                return if is_first { Ok(()) } else { Err(self.error(key, PartFault::OutOfOrder)) };
            }
            (Kind::Positional { .. } | Kind::Bitmapped(_) | Kind::Dbm, Key::Number(number)) => number,
            _ => return Ok(()),
        };
        let is_bit = !matches!(self.composite.kind, Kind::Positional { .. });
        if number <= self.last && (is_bit || self.count > 0) || self.tail {
            return Err(self.error(key, PartFault::OutOfOrder));
        }
        self.last = number;
        self.count += 1;
        if is_bit {
            let bit = usize::from(number).saturating_sub(1);
            match self.words.get_mut(bit / 64) {
                Some(word) => *word |= 1 << (63 - bit % 64),
                None => return Err(self.error(key, PartFault::Unknown)),
            }
        }
        Ok(())
    }

    fn put_own(&mut self, spec: Option<&PartSpec>, value: &[u8], units: usize) {
        if let Some(spec) = spec {
            let at = self.out.len();
            self.out.resize(at + usize::from(spec.layout.prefix_bytes), 0);
            put_prefix(&spec.element, units, value, &mut self.out[at..]);
        }
        self.out.extend_from_slice(value);
    }

    fn put_tagged(
        &mut self,
        rule: TagRule,
        key: Key,
        spec: Option<&PartSpec>,
        value: &[u8],
        units: usize,
    ) -> Result<(), BuildError> {
        let Some(length) = rule.length.filter(|_| spec.is_none_or(|spec| !spec.has_own_length)) else {
            let spec = spec.ok_or_else(|| self.error(key, PartFault::Unknown))?;
            rule.put(key, &mut self.out);
            self.put_own(Some(spec), value, units);
            return Ok(());
        };
        let number = match length.counts {
            TagCounts::Units => units,
            TagCounts::Bytes => value.len(),
            TagCounts::Tag => value.len() + rule.bytes(),
            TagCounts::All => value.len() + rule.bytes() + length.bytes(),
        };
        let mut digits = vec![0; length.bytes()];
        if !put_number(length.encoding, length.places, number, &mut digits) {
            let max = length.encoding.number_max(length.places);
            return Err(self.error(key, PartFault::TooLong { length: number, max }));
        }
        if rule.is_length_first {
            self.out.extend_from_slice(&digits);
            rule.put(key, &mut self.out);
        } else {
            rule.put(key, &mut self.out);
            self.out.extend_from_slice(&digits);
        }
        self.out.extend_from_slice(value);
        Ok(())
    }
}

fn bitmaps(rule: BitmapRule, words: &[u64; BITMAP_WORDS_MAX]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let unit = usize::from(rule.bytes);
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let count = (last / unit + 1).max(usize::from(rule.min));
    bytes.truncate(count * unit);
    if rule.is_chained() {
        // A bitmap that is always there is announced when something is in it.
        for index in 1..count {
            let is_used = bytes[index * unit..].iter().any(|byte| *byte != 0);
            if is_used || index >= usize::from(rule.min) {
                bytes[(index - 1) * unit] |= 0x80;
            }
        }
    }
    if !is_hex(rule.encoding) {
        return bytes;
    }
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    put_hex(rule.encoding, &bytes, &mut digits);
    digits
}

/// Two bytes, and a byte more while a bit does not fit: the first bit of each says that another follows, the
/// last bit of the last that objects do.
fn dbm_bitmap(words: &[u64; BITMAP_WORDS_MAX], tail: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut count = 2 + bytes[2..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if bytes[count - 1] & 1 == 1 && count < bytes.len() {
        count += 1;
    }
    bytes.truncate(count);
    if count > 2 {
        bytes[0] |= 0x80;
        bytes[2..count - 1].iter_mut().for_each(|byte| *byte |= 0x80);
    }
    if tail && let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    bytes
}

/// The value of a part that is not known: characters as its tag has them.
fn encode_unknown(charset: Charset, given: Given<'_>) -> Result<(Vec<u8>, usize), PartFault> {
    let mut out = Vec::new();
    match given {
        Given::Text(text) => charset
            .encode(text, &mut out)
            .map_err(|position| PartFault::BadCharacter { position, class: Class::Text.as_str() })?,
        Given::Bytes(bytes) | Given::Raw(bytes) => out.extend_from_slice(bytes),
    }
    let units = out.len();
    Ok((out, units))
}

/// The value on the wire, and its length in units.
fn encode(spec: &PartSpec, given: Given<'_>) -> Result<(Vec<u8>, usize), PartFault> {
    let element = &spec.element;
    let mut out = Vec::new();
    match given {
        Given::Raw(bytes) => {
            out.extend_from_slice(bytes);
            let text = matches!(element.class(), Class::Alpha | Class::AlphaNumeric | Class::Text);
            let units = if text { element.counted(bytes) } else { spec.units_of(bytes.len()) };
            return fits(spec, units).map(|()| (out, units));
        }
        Given::Text(text) => match element.class() {
            Class::Binary => {
                return Err(PartFault::WrongKind { class: element.class().as_str(), given: "text" });
            }
            Class::Numeric | Class::SignedAmount => return digits(spec, text, out),
            Class::Track if element.encoding() == Encoding::Bcd => return digits(spec, text, out),
            Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => {
                let class = element.class().as_str();
                element
                    .charset
                    .encode(text, &mut out)
                    .map_err(|position| PartFault::BadCharacter { position, class })?;
            }
        },
        Given::Bytes(bytes) => match element.class() {
            Class::Binary if is_hex(element.encoding()) => {
                fits(spec, bytes.len())?;
                put_hex(element.encoding(), bytes, &mut out);
                return Ok((out, bytes.len()));
            }
            Class::Binary | Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => {
                out.extend_from_slice(bytes);
            }
            Class::Numeric | Class::SignedAmount => {
                return Err(PartFault::WrongKind { class: element.class().as_str(), given: "bytes" });
            }
        },
    }
    if element.class() != Class::Binary {
        printable(element, &out)?;
        if let Length::Fixed(length) = element.length() {
            fill_up(element, 0, length as usize, &mut out);
        }
    }
    let units = element.counted(&out);
    fits(spec, units)?;
    Ok((out, units))
}

fn digits(spec: &PartSpec, text: &str, mut out: Vec<u8>) -> Result<(Vec<u8>, usize), PartFault> {
    let element = &spec.element;
    if let Some(position) = bad_digit(element, text.as_bytes()) {
        return Err(PartFault::BadCharacter { position, class: element.class().as_str() });
    }
    fits(spec, text.len())?;
    put_digits(element, text.as_bytes(), &mut out);
    Ok((out, text.len()))
}

fn printable(element: &Element, value: &[u8]) -> Result<(), PartFault> {
    if element.class() == Class::Text || element.encoding() != Encoding::Ascii {
        return Ok(());
    }
    match value.iter().position(|byte| !(0x20..0x7F).contains(byte)) {
        Some(position) => Err(PartFault::BadCharacter { position, class: element.class().as_str() }),
        None => Ok(()),
    }
}

fn fits(spec: &PartSpec, length: usize) -> Result<(), PartFault> {
    let max = spec.layout.units as usize;
    if length > max {
        return Err(PartFault::TooLong { length, max });
    }
    if spec.layout.rule == Rule::Fixed && length < max {
        return Err(PartFault::TooShort { need: max, have: length });
    }
    Ok(())
}
