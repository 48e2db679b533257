//! Values of parts: decoded, named, shown and masked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use super::key::Key;
use super::model::PartSpec;
use super::view::View;
use super::walk::{Part, Parts, is_hex};
use crate::charset::Charset;
use crate::dialect::{Class, Sensitivity};
use crate::digits::Digits;
use crate::mask::mask_as;
use crate::message::SmallDigits;
use crate::render::{self, Rendered};
use crate::{Element, Encoding, Masking, Subvalue};

impl<'d, 'a> Part<'d, 'a> {
    /// What it is called in its composite.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Nesting: zero for the parts of the element itself.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// What the dialect says of it; nothing for a tag that is not known.
    pub fn spec(&self) -> Option<&'d PartSpec> {
        self.spec
    }

    /// Whether it has parts of its own, which come next.
    pub fn is_container(&self) -> bool {
        self.is_container
    }

    /// Tag, length and value as on the wire; decoded where a container is hexadecimal text.
    pub fn wire(&self) -> Cow<'a, [u8]> {
        self.wire.to_cow()
    }

    /// Length of the value in the unit of its class; bytes for what is not known.
    pub fn value_len(&self) -> usize {
        self.units
    }

    /// Its English name: of the dialect, else of the chip data tag.
    pub fn name(&self) -> &'d str {
        let named = self.spec.map(|spec| spec.element.name()).filter(|name| !name.is_empty());
        named.or_else(|| self.ber_tag().and_then(crate::describe::tag_name)).unwrap_or_default()
    }

    /// Its Chinese name, where the dialect has one.
    pub fn name_zh(&self) -> Option<&'d str> {
        self.spec.and_then(|spec| spec.element.name_zh())
    }

    /// The value as its class wants it: digits, text, or bytes.
    ///
    /// Bytes of what is not known, and of a container.
    pub fn value(&self) -> Subvalue<'a> {
        if self.is_container {
            let encoding = self.spec.map(|spec| spec.element.encoding()).filter(|encoding| is_hex(*encoding));
            let inside = encoding.and_then(|encoding| self.value.unhex(encoding).ok());
            return bytes(inside.unwrap_or(self.value));
        }
        let Some(element) = self.spec.map(|spec| &spec.element) else {
            let text = self.unknown_text.and_then(|charset| unknown_text(charset, &self.value));
            return text.map_or_else(|| bytes(self.value), Subvalue::Text);
        };
        match element.class() {
            Class::Binary => match element.encoding() {
                encoding if is_hex(encoding) => self.value.unhex(encoding).map_or(bytes(self.value), bytes),
                _ => bytes(self.value),
            },
            Class::Numeric | Class::SignedAmount => self.digits(element),
            Class::Track if element.encoding() == Encoding::Bcd => self.digits(element),
            Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text => match self.value.plain() {
                Some(raw) => Subvalue::Text(element.charset.decode(raw)),
                None => {
                    let text = element.charset.decode(&self.value.to_cow()).into_owned();
                    Subvalue::Text(Cow::Owned(text))
                }
            },
        }
    }

    fn digits(&self, element: &Element) -> Subvalue<'a> {
        let raw = self.value.to_cow();
        let digits = Digits::new(element, &raw, self.units);
        if let Some(small) = SmallDigits::try_collect(&digits) {
            return Subvalue::Digits(small);
        }
        Subvalue::Text((0..digits.len()).map(|index| char::from(digits.at(index))).collect())
    }

    /// What may be shown of it: what the dialect says, what its tag says, or nothing within a secret.
    pub fn sensitivity(&self) -> Sensitivity {
        if self.outer != Sensitivity::Open {
            return Sensitivity::Secret;
        }
        let declared = self.spec.map_or(Sensitivity::Open, |spec| spec.element.sensitivity());
        match declared {
            Sensitivity::Open => self.ber_tag().map_or(Sensitivity::Open, render::tag_sensitivity),
            Sensitivity::Pan | Sensitivity::Track | Sensitivity::Secret => declared,
        }
    }

    /// Its tag as a number, when it is chip data.
    pub(crate) fn ber_tag(&self) -> Option<u32> {
        match self.key {
            Key::Hex(tag) | Key::Tail(tag) => u32::try_from(tag.number()).ok(),
            Key::Number(_) | Key::Text(_) | Key::Odd(_) => None,
        }
    }

    /// The value as it is shown. Text that its character set cannot express is hexadecimal.
    pub(crate) fn render(&self, masking: Masking) -> Rendered {
        let value = self.value();
        let is_bytes = matches!(value, Subvalue::Bytes(_) | Subvalue::Decoded(_));
        let text = value.to_plain_string();
        if masking == Masking::Masked {
            // What is inside is shown, and masked, by itself.
            if self.is_container {
                return Rendered::Hex("*".repeat(text.len()));
            }
            let is_text = matches!(value, Subvalue::Text(_));
            return Rendered::Text(mask_as(self.sensitivity(), text, is_text));
        }
        if is_bytes && self.unknown_text.is_some() && !self.is_container {
            return Rendered::RawText(text);
        }
        if is_bytes {
            return Rendered::Hex(text);
        }
        let charset = self.spec.map(|spec| &spec.element).filter(|_| matches!(value, Subvalue::Text(_)));
        if let Some(element) = charset.filter(|element| !matches!(element.class(), Class::Numeric)) {
            let raw = self.value.to_cow();
            let mut again = Vec::with_capacity(raw.len());
            let is_packed = element.encoding() == Encoding::Bcd;
            if !is_packed && (element.charset.encode(&text, &mut again).is_err() || again != *raw) {
                return Rendered::RawText(render::hex(&raw));
            }
        }
        Rendered::Text(text)
    }
}

fn bytes(view: View<'_>) -> Subvalue<'_> {
    match view.plain() {
        Some(raw) => Subvalue::Bytes(raw),
        None => Subvalue::Decoded(view.to_cow().into_owned()),
    }
}

/// The characters of a part that is not known; nothing when they are not all printable.
fn unknown_text<'a>(charset: Charset, view: &View<'a>) -> Option<Cow<'a, str>> {
    let text = match view.plain() {
        Some(raw) => charset.decode(raw),
        None => Cow::Owned(charset.decode(&view.to_cow()).into_owned()),
    };
    text.bytes().all(|byte| (0x20..0x7F).contains(&byte)).then_some(text)
}

/// The whole value of a composite with the values masked that are not to be seen, and everything from where it
/// can no longer be followed.
pub(crate) fn mask_whole(element: &Element, raw: &[u8], parts: Parts<'_, '_>) -> String {
    if element.sensitivity() != Sensitivity::Open {
        return "*".repeat(raw.len());
    }
    let whole = View::new(raw, 0);
    let is_binary = element.class() == Class::Binary;
    let whole =
        if is_hex(element.encoding()) { whole.unhex(element.encoding()).unwrap_or(whole) } else { whole };
    let show = |range: std::ops::Range<usize>| {
        let piece = whole.slice(range).map(View::to_cow).unwrap_or_default();
        if is_binary { render::hex(&piece) } else { element.charset.decode(&piece).into_owned() }
    };
    let hide = |count: usize| "*".repeat(if is_binary { count * 2 } else { count });
    let mut out = String::new();
    let mut at = 0;
    for part in parts {
        let Ok(part) = part else {
            out.push_str(&hide(whole.len() - at));
            return out;
        };
        if part.is_container {
            continue;
        }
        let range = whole.range_of(&part.value);
        out.push_str(&show(at..range.start));
        let is_open = part.render(Masking::Masked).into_string() == part.value().to_plain_string();
        out.push_str(&if is_open { show(range.clone()) } else { hide(range.len()) });
        at = range.end;
    }
    out.push_str(&show(at..whole.len()));
    out
}

/// Paths of the parts of a walk: `127.25.2`, `48.01#2` for a tag that occurs again.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    open: Vec<String>,
    seen: HashMap<String, u32>,
}

impl Paths {
    /// Of the parts of an element.
    pub(crate) fn of(de: crate::De) -> Self {
        Self { open: vec![de.to_string()], seen: HashMap::new() }
    }

    /// The path of the next part.
    pub(crate) fn next(&mut self, part: &Part<'_, '_>) -> String {
        self.open.truncate(part.depth() + 1);
        let mut path = self.open.last().cloned().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(path, ".{}", part.key);
        let count = self.seen.entry(path.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            let _ = write!(path, "#{count}");
        }
        if part.is_container {
            self.open.push(path.clone());
        }
        path
    }
}
