//! The parts of a composite, found one after another without allocating.

use std::fmt::Write as _;

use super::ber;
use super::check::check;
use super::key::{Key, Tag};
use super::model::{BER, BITMAP_WORDS_MAX, COMPOSITE_DEPTH_MAX, Composite, Head, Kind, LAST_OF_TAGS};
use super::model::{BitmapRule, TagRule};
use super::model::{PartSpec, TagCounts};
use super::view::View;
use crate::dialect::{Rule, Sensitivity};
use crate::error::ParseErrorKind;
use crate::parse::{hex_nibble, prefix_value};
use crate::{Charset, Element, Encoding, words};

/// One part of a composite.
#[derive(Clone, Copy, Debug)]
pub struct Part<'d, 'a> {
    pub(crate) key: Key,
    pub(crate) depth: u8,
    pub(crate) spec: Option<&'d PartSpec>,
    pub(crate) value: View<'a>,
    /// Tag, length and value.
    pub(crate) wire: View<'a>,
    pub(crate) units: usize,
    pub(crate) is_container: bool,
    /// The character set of the value when it is characters although nothing is known of the part.
    pub(crate) unknown_text: Option<Charset>,
    /// What is said of the composites that it is in.
    pub(crate) outer: Sensitivity,
}

/// A composite whose inside does not follow the dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("de {path}: {kind} at offset {offset}")]
pub struct PartError {
    /// The part that cannot be read, or the composite when it has no name yet: `127.25.2`.
    pub path: Box<str>,
    /// Offset of the trouble in the body; in the value given where there is no message.
    pub offset: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// The parts of a composite in the order of the wire, each before those inside it.
///
/// Made by [`Message::parts`](crate::Message::parts). Nothing is allocated, and nothing is read twice on one
/// level; there are at most [`COMPOSITE_DEPTH_MAX`] levels. After an error there is no more.
#[derive(Clone, Debug)]
pub struct Parts<'d, 'a> {
    stack: [Option<Frame<'d, 'a>>; COMPOSITE_DEPTH_MAX],
    depth: usize,
    root: Option<u8>,
    broken: Option<Fault>,
}

/// Where and why.
type Fault = (usize, ParseErrorKind);

/// A composite that we are in.
#[derive(Clone, Copy, Debug)]
struct Frame<'d, 'a> {
    composite: &'d Composite,
    view: View<'a>,
    at: usize,
    /// The part under way.
    key: Option<Key>,
    /// Parts found, for positions; whether bitmap or head were read.
    step: usize,
    /// Bits of the bitmap still to come.
    words: [u64; BITMAP_WORDS_MAX],
    /// BER-TLV objects follow the parts, or are being read.
    tail: bool,
    sensitivity: Sensitivity,
}

/// A part of a frame.
struct Found<'d, 'a> {
    key: Key,
    spec: Option<&'d PartSpec>,
    /// Start of the tag, start of the value, end of the value.
    start: usize,
    value_at: usize,
    end: usize,
    units: usize,
    inside: Option<&'d Composite>,
    view: View<'a>,
}

impl<'d, 'a> Parts<'d, 'a> {
    /// Over the value of `element`, whose bytes stand at `offset`.
    pub(crate) fn of(element: &'d Element, composite: &'d Composite, raw: &'a [u8], offset: usize) -> Self {
        let view = View::new(raw, offset);
        let mut parts = Self { stack: [None; COMPOSITE_DEPTH_MAX], depth: 0, root: None, broken: None };
        let encoding = element.encoding();
        match if is_hex(encoding) { view.unhex(encoding) } else { Ok(view) } {
            Ok(view) => parts.push(composite, view, element.sensitivity()),
            Err((index, byte)) => {
                let kind = ParseErrorKind::BadCharacter { byte, class: "b" };
                parts.broken = Some((view.offset(index), kind));
            }
        }
        if element.de() != 0 {
            parts.root = Some(element.de());
        }
        parts
    }

    /// Nothing at all.
    pub(crate) const fn empty() -> Self {
        Self { stack: [None; COMPOSITE_DEPTH_MAX], depth: 0, root: None, broken: None }
    }

    fn push(&mut self, composite: &'d Composite, view: View<'a>, sensitivity: Sensitivity) {
        if let Some(slot) = self.stack.get_mut(self.depth) {
            *slot = Some(Frame::new(composite, view, sensitivity));
            self.depth += 1;
        }
    }

    fn step(&mut self) -> Result<Option<Part<'d, 'a>>, Fault> {
        if let Some(fault) = self.broken.take() {
            return Err(fault);
        }
        while let Some(Some(frame)) = self.depth.checked_sub(1).and_then(|top| self.stack.get_mut(top)) {
            frame.key = None;
            let Some(found) = frame.next()? else {
                self.depth -= 1;
                continue;
            };
            frame.at = found.end;
            let (view, outer) = (found.view, frame.sensitivity);
            let cut = |range| view.slice(range).ok_or((view.offset(found.start), ParseErrorKind::BadLength));
            let part = Part {
                key: found.key,
                depth: self.depth as u8 - 1,
                spec: found.spec,
                value: cut(found.value_at..found.end)?,
                wire: cut(found.start..found.end)?,
                units: found.units,
                is_container: found.inside.is_some(),
                unknown_text: frame.unknown_text().filter(|_| found.spec.is_none()),
                outer,
            };
            if let Some(inside) = found.inside {
                self.enter(&part, inside)?;
            }
            return Ok(Some(part));
        }
        Ok(None)
    }

    fn enter(&mut self, part: &Part<'d, 'a>, inside: &'d Composite) -> Result<(), Fault> {
        let at = part.value.offset(0);
        if self.depth == COMPOSITE_DEPTH_MAX {
            return Err((at, ParseErrorKind::TooDeep { max: COMPOSITE_DEPTH_MAX }));
        }
        let encoding = part.spec.map(|spec| spec.element.encoding()).filter(|encoding| is_hex(*encoding));
        let view = match encoding {
            Some(encoding) => part.value.unhex(encoding).map_err(|(index, byte)| {
                (part.value.offset(index), ParseErrorKind::BadCharacter { byte, class: "b" })
            })?,
            None => part.value,
        };
        self.push(inside, view, part.sensitivity());
        Ok(())
    }

    #[cold]
    fn error(&self, (offset, kind): Fault) -> PartError {
        let mut path = self.root.map(|de| de.to_string()).unwrap_or_default();
        for frame in self.stack[..self.depth].iter().flatten() {
            if let Some(key) = frame.key {
                // Writing to a string cannot fail.
                let _ = write!(path, ".{key}");
            }
        }
        PartError { path: path.into(), offset, kind }
    }
}

impl<'d, 'a> Iterator for Parts<'d, 'a> {
    type Item = Result<Part<'d, 'a>, PartError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(part) => part.map(Ok),
            Err(fault) => {
                let error = self.error(fault);
                self.depth = 0;
                Some(Err(error))
            }
        }
    }
}

pub(crate) const fn is_hex(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Hex | Encoding::EbcdicHex)
}

impl<'d, 'a> Frame<'d, 'a> {
    const fn new(composite: &'d Composite, view: View<'a>, sensitivity: Sensitivity) -> Self {
        let words = [0; BITMAP_WORDS_MAX];
        Self { composite, view, at: 0, key: None, step: 0, words, tail: false, sensitivity }
    }

    fn unknown_text(&self) -> Option<Charset> {
        match self.composite.kind {
            Kind::Tagged(rule) if rule.is_text() => Some(rule.unknown_charset()),
            Kind::Tagged(_)
            | Kind::Positional { .. }
            | Kind::Bitmapped(_)
            | Kind::Ber
            | Kind::Datasets
            | Kind::Dbm => None,
        }
    }

    fn next(&mut self) -> Result<Option<Found<'d, 'a>>, Fault> {
        match self.composite.kind {
            Kind::Positional { repeat_from } => self.next_position(repeat_from),
            Kind::Tagged(rule) => self.next_tagged(rule),
            Kind::Bitmapped(rule) => {
                if self.step == 0 && self.view.len() > 0 {
                    self.step = 1;
                    if let Some(head) = self.composite.head.as_deref() {
                        return self.own(&head.part, Key::Number(0), 0, 0).map(Some);
                    }
                }
                if self.step == 1 {
                    self.step = 2;
                    self.read_bitmaps(rule)?;
                }
                self.next_bit()
            }
            Kind::Ber => self.next_object(Key::Hex),
            Kind::Datasets => self.next_dataset(),
            Kind::Dbm if self.step == 2 => self.next_object(Key::Tail),
            Kind::Dbm => {
                if self.step == 0 && self.view.len() > 0 {
                    self.step = 1;
                    self.read_dbm()?;
                }
                if self.tail && self.words == [0; BITMAP_WORDS_MAX] {
                    self.step = 2;
                    return self.next_object(Key::Tail);
                }
                self.next_bit()
            }
        }
    }

    fn fault(&self, at: usize, kind: ParseErrorKind) -> Fault {
        (self.view.offset(at), kind)
    }

    fn truncated(&self, at: usize, need: usize) -> Fault {
        self.fault(at, ParseErrorKind::Truncated { need, have: self.view.len().saturating_sub(at) })
    }

    fn ended(&self) -> Result<Option<Found<'d, 'a>>, Fault> {
        let have = self.view.len() - self.at;
        if have == 0 { Ok(None) } else { Err(self.fault(self.at, ParseErrorKind::TrailingBytes { have })) }
    }

    fn next_position(&mut self, repeat_from: Option<usize>) -> Result<Option<Found<'d, 'a>>, Fault> {
        if self.at >= self.view.len() {
            return Ok(None);
        }
        let Some((spec, key)) = self.composite.position(self.step, repeat_from) else { return self.ended() };
        self.step += 1;
        self.own(spec, key, self.at, self.at).map(Some)
    }

    fn next_tagged(&mut self, rule: TagRule) -> Result<Option<Found<'d, 'a>>, Fault> {
        if self.step == 0 {
            self.step = 1;
            if let Some(head) = self.composite.head.as_deref().filter(|head| self.has_head(head, rule)) {
                return self.own(&head.part, Key::Number(0), 0, 0).map(Some);
            }
        }
        let start = self.at;
        if start >= self.view.len() {
            return Ok(None);
        }
        let places = rule.length.map_or(0, |length| length.bytes());
        let (tag_at, length_at) =
            if rule.is_length_first { (start + places, start) } else { (start, start + rule.bytes()) };
        let tag = self.view.head(tag_at..tag_at + rule.bytes());
        let (tag, count) = tag.ok_or_else(|| self.truncated(start, tag_at - start + rule.bytes()))?;
        let key = rule.key(&tag[..count]).ok_or(self.fault(tag_at, ParseErrorKind::BadTag))?;
        self.key = Some(key);
        let spec = self.composite.part(key);
        let Some(length) = rule.length.filter(|_| spec.is_none_or(|spec| !spec.has_own_length)) else {
            let spec = spec.ok_or(self.fault(tag_at, ParseErrorKind::UnknownElement))?;
            return self.own(spec, key, start, start + rule.bytes()).map(Some);
        };
        let digits = self.view.head(length_at..length_at + places);
        let (digits, count) = digits.ok_or_else(|| self.truncated(start, rule.bytes() + places))?;
        let bad = self.fault(length_at, ParseErrorKind::BadLength);
        let value = prefix_value(length.encoding.rule(), &digits[..count]).ok_or(bad)?;
        let value = match length.counts {
            TagCounts::Units | TagCounts::Bytes => value,
            TagCounts::Tag => value.checked_sub(rule.bytes()).ok_or(bad)?,
            TagCounts::All => value.checked_sub(rule.bytes() + places).ok_or(bad)?,
        };
        let value_at = start + rule.bytes() + places;
        self.given(spec, key, (start, value_at), value, length.counts == TagCounts::Units).map(Some)
    }

    fn has_head(&self, head: &Head, rule: TagRule) -> bool {
        let Some(first) = self.view.at(0) else { return false };
        let is_digit = match rule.encoding {
            Encoding::Ebcdic => (0xF0..=0xF9).contains(&first),
            _ => first.is_ascii_digit(),
        };
        !head.is_optional || !is_digit
    }

    fn next_bit(&mut self) -> Result<Option<Found<'d, 'a>>, Fault> {
        let Some(index) = self.words.iter().position(|word| *word != 0) else { return self.ended() };
        let lead = words::take_first(&mut self.words[index]).unwrap_or_default();
        let key = Key::Number(index as u16 * 64 + lead as u16 + 1);
        self.key = Some(key);
        let spec = self.composite.part(key);
        let spec = spec.ok_or(self.fault(self.at, ParseErrorKind::UnknownElement))?;
        self.own(spec, key, self.at, self.at).map(Some)
    }

    fn next_object(&mut self, key: fn(Tag) -> Key) -> Result<Option<Found<'d, 'a>>, Fault> {
        // Zero bytes between objects are filler (EMV book 3, annex B).
        while self.view.at(self.at) == Some(0) {
            self.at += 1;
        }
        let start = self.at;
        if start >= self.view.len() {
            return Ok(None);
        }
        let head = ber::read(&self.view, start).map_err(|(at, kind)| self.fault(at, kind))?;
        let (tag, is_constructed, length, value_at) = head;
        let key = key(tag);
        self.key = Some(key);
        let spec = self.composite.part(key);
        let mut found = self.given(spec, key, (start, value_at), length, false)?;
        if is_constructed && found.inside.is_none() {
            let is_ber = self.composite.kind == Kind::Ber;
            found.inside = Some(if is_ber { self.composite } else { &BER });
        }
        Ok(Some(found))
    }

    fn next_dataset(&mut self) -> Result<Option<Found<'d, 'a>>, Fault> {
        let start = self.at;
        if start >= self.view.len() {
            return Ok(None);
        }
        let head = self.view.head(start..start + 3).ok_or_else(|| self.truncated(start, 3))?;
        let [id, high, low, ..] = head.0;
        let key = Tag::new(&[id]).map(Key::Hex).ok_or(self.fault(start, ParseErrorKind::BadTag))?;
        self.key = Some(key);
        let length = usize::from(u16::from_be_bytes([high, low]));
        let mut found = self.given(self.composite.part(key), key, (start, start + 3), length, false)?;
        if found.spec.is_none() && id <= LAST_OF_TAGS {
            found.inside = Some(&BER);
        }
        Ok(Some(found))
    }

    /// A part whose length is its own: fixed, prefixed, or whatever is left.
    fn own(&mut self, spec: &'d PartSpec, key: Key, start: usize, at: usize) -> Result<Found<'d, 'a>, Fault> {
        self.key = Some(key);
        let layout = &spec.layout;
        let prefix = usize::from(layout.prefix_bytes);
        if layout.rule == Rule::Fixed {
            return self.found(spec, key, (start, at), layout.units as usize, layout.bytes as usize);
        }
        if prefix == 0 {
            let bytes = self.view.len().saturating_sub(at);
            return self.found(spec, key, (start, at), spec.units_of(bytes), bytes);
        }
        let (digits, count) = self.view.head(at..at + prefix).ok_or_else(|| self.truncated(at, prefix))?;
        let bad = self.fault(at, ParseErrorKind::BadLength);
        let length = prefix_value(layout.rule, &digits[..count]).ok_or(bad)?;
        let max = layout.units as usize;
        let (units, bytes) = match layout.rule {
            Rule::BytesPrefix(_) => (spec.units_of(length), length),
            Rule::NibblesPrefix(_) => {
                let units = layout.scale.units_of_nibbles(length).ok_or(bad)?;
                (units, layout.scale.bytes(units.min(max + 1)))
            }
            Rule::CharactersPrefix(_) if length <= max => {
                /// Bytes of the longest character of any set.
                const CHARACTER_BYTES_MAX: usize = 4;
                let value_at = at + prefix;
                let end = self.view.len().min(value_at + length * CHARACTER_BYTES_MAX);
                let text = self.view.slice(value_at..end).map(View::to_cow).unwrap_or_default();
                (length, spec.element.charset.bytes_of(length, &text))
            }
            _ => (length, layout.scale.bytes(length.min(max + 1))),
        };
        self.found(spec, key, (start, at + prefix), units, bytes)
    }

    /// A part whose length stood beside its tag.
    fn given(
        &mut self,
        spec: Option<&'d PartSpec>,
        key: Key,
        (start, value_at): (usize, usize),
        length: usize,
        is_units: bool,
    ) -> Result<Found<'d, 'a>, Fault> {
        let Some(spec) = spec else {
            let end = value_at.saturating_add(length);
            if end > self.view.len() {
                return Err(self.truncated(start, end - start));
            }
            let view = self.view;
            return Ok(Found { key, spec, start, value_at, end, units: length, inside: None, view });
        };
        let max = spec.layout.units as usize;
        let (units, bytes) = if is_units {
            (length, spec.layout.scale.bytes(length.min(max + 1)))
        } else {
            (spec.units_of(length), length)
        };
        if spec.layout.rule == Rule::Fixed && units < max {
            return Err(self.fault(start, ParseErrorKind::BadLength));
        }
        self.found(spec, key, (start, value_at), units, bytes)
    }

    fn found(
        &self,
        spec: &'d PartSpec,
        key: Key,
        (start, value_at): (usize, usize),
        units: usize,
        bytes: usize,
    ) -> Result<Found<'d, 'a>, Fault> {
        let max = spec.layout.units as usize;
        if units > max {
            return Err(self.fault(start, ParseErrorKind::LengthOverMax { length: units, max }));
        }
        let end = value_at.saturating_add(bytes);
        let value = self.view.slice(value_at..end.max(value_at));
        let value = value.ok_or_else(|| self.truncated(start, end - start))?;
        let has_wide_characters = matches!(spec.layout.rule, Rule::CharactersPrefix(_));
        if spec.layout.scale.bytes(units) != bytes && !has_wide_characters {
            return Err(self.fault(start, ParseErrorKind::BadLength));
        }
        check(&spec.layout, &value, units).map_err(|(index, byte)| {
            let class = spec.element.class().as_str();
            (value.offset(index), ParseErrorKind::BadCharacter { byte, class })
        })?;
        let inside = spec.element.inside();
        Ok(Found { key, spec: Some(spec), start, value_at, end, units, inside, view: self.view })
    }

    fn read_bitmaps(&mut self, rule: BitmapRule) -> Result<(), Fault> {
        let mut bit = 0;
        for index in 0..rule.max {
            let at = self.at;
            let end = at + rule.wire_bytes();
            if end > self.view.len() {
                return Err(self.truncated(at, rule.wire_bytes()));
            }
            let mut is_continued = false;
            for step in 0..usize::from(rule.bytes) {
                let byte = self.bitmap_byte(rule.encoding, at, step)?;
                let byte = if step == 0 && rule.is_chained() {
                    is_continued = byte & 0x80 != 0;
                    byte & 0x7F
                } else {
                    byte
                };
                self.set_bits(bit, byte)?;
                bit += 8;
            }
            self.at = end;
            if !is_continued && index + 1 >= rule.min {
                return Ok(());
            }
            if is_continued && index + 1 == rule.max {
                return Err(self.fault(at, ParseErrorKind::BadBitmap));
            }
        }
        Ok(())
    }

    fn bitmap_byte(&self, encoding: Encoding, at: usize, step: usize) -> Result<u8, Fault> {
        let bad = self.fault(at, ParseErrorKind::BadBitmap);
        if !is_hex(encoding) {
            return self.view.at(at + step).ok_or(bad);
        }
        let digit = |index| self.view.at(index).and_then(|byte| hex_nibble(encoding, byte)).ok_or(bad);
        Ok(digit(at + step * 2)? << 4 | digit(at + step * 2 + 1)?)
    }

    fn set_bits(&mut self, bit: usize, byte: u8) -> Result<(), Fault> {
        let bad = self.fault(self.at, ParseErrorKind::BadBitmap);
        let word = self.words.get_mut(bit / 64).ok_or(bad)?;
        *word |= u64::from(byte) << (56 - bit % 64);
        Ok(())
    }

    fn read_dbm(&mut self) -> Result<(), Fault> {
        let (mut bit, mut bytes) = (0, 2);
        loop {
            let at = self.at;
            let mut is_continued = false;
            for step in 0..bytes {
                let byte = self.view.at(at + step).ok_or_else(|| self.truncated(at, bytes))?;
                is_continued |= step == 0 && byte & 0x80 != 0;
                self.set_bits(bit, if step == 0 { byte & 0x7F } else { byte })?;
                bit += 8;
            }
            self.at = at + bytes;
            if !is_continued {
                break;
            }
            bytes = 1;
        }
        // The last bit of the last bitmap says that objects follow the parts.
        let last = &mut self.words[(bit - 1) / 64];
        let mask = 1 << (63 - (bit - 1) % 64);
        self.tail = *last & mask != 0;
        *last &= !mask;
        Ok(())
    }
}

impl PartSpec {
    /// Units that bytes of the wire hold. An odd maximum of packed digits still has a filler nibble: a count of
    /// bytes cannot say so.
    pub(crate) fn units_of(&self, bytes: usize) -> usize {
        let max = self.layout.units as usize;
        let units = self.layout.scale.units(bytes);
        if units == max + 1 { max } else { units }
    }
}
