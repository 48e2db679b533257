//! A dialect in the making, and its text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{ImportError, Warning};
use crate::{De, Dialect};

/// The most units that a format can say.
pub(super) const LENGTH_MAX: usize = 999_999;

/// A dialect in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) mti: &'static str,
    pub(super) bitmap: &'static str,
    pub(super) bitmaps_min: usize,
    pub(super) bitmaps_max: usize,
    /// The element that holds the third bitmap.
    pub(super) third: Option<De>,
    /// The first bit is written clear although a second bitmap follows.
    pub(super) is_silent: bool,
    pub(super) elements: BTreeMap<De, ElementDraft>,
    pub(super) warnings: Vec<Warning>,
    pub(super) unknown: Vec<String>,
}

/// One element or part in the making, in the words of a dialect file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ElementDraft {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) length: usize,
    pub(super) encoding: &'static str,
    pub(super) size: Size,
    pub(super) counts: Option<&'static str>,
    pub(super) pad: Option<&'static str>,
    pub(super) fill: Option<String>,
    pub(super) charset: Option<&'static str>,
    /// Formats and names of fixed parts in the element's own encoding.
    pub(super) subfields: Vec<(String, String)>,
    pub(super) inside: Option<Box<Inside>>,
}

/// Where the length of a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Size {
    /// Always the same.
    #[default]
    Fixed,
    /// A prefix of an encoding and so many places.
    Prefix(&'static str, usize),
    /// It stands beside the tag.
    Given,
    /// Always the same, and no length beside its tag says so.
    Bare,
    /// Whatever is left.
    Rest,
}

/// What is inside an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// `inside = "tagged", tag = { … }`.
    pub(super) words: String,
    /// What stands before tags or bitmap, and whether it may be absent.
    pub(super) head: Option<(ElementDraft, bool)>,
    /// The inside of every dataset by bits.
    pub(super) other: Option<Box<Inside>>,
    pub(super) parts: Vec<(String, ElementDraft)>,
}

impl Inside {
    pub(super) fn of(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }
}

impl Draft {
    pub(super) fn warn(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.warnings.push(Warning { place: place.into(), what: what.into() });
    }

    /// Cuts a length to what its prefix can say.
    pub(super) fn fit(&mut self, place: &str, element: &mut ElementDraft) {
        let mut max = LENGTH_MAX;
        if let Size::Prefix(encoding, places) = element.size {
            let radix: usize = match encoding {
                "binary" => 256,
                "hex" => 16,
                _ => 10,
            };
            max = radix.saturating_pow(places.min(7) as u32) - 1;
            // What counts more than units can say less of them.
            max = match element.counts {
                Some("inclusive") => max.saturating_sub(places),
                Some("nibbles") => max / 2,
                Some("bytes") if element.encoding == "hex" || element.encoding == "ebcdic-hex" => max / 2,
                _ => max,
            };
        }
        if element.length > max {
            let max = max.min(LENGTH_MAX);
            let length = element.length;
            self.warn(place, format!("length {length} is above what its prefix can say: {max} is used"));
            element.length = max;
        }
    }

    /// The TOML, which compiles.
    pub(super) fn finish(mut self) -> Result<(String, Vec<Warning>), ImportError> {
        if !self.unknown.is_empty() {
            return Err(ImportError::Unknown { names: self.unknown });
        }
        self.check_third();
        let max = if self.third.is_some() { 192 } else { self.bitmaps_max * 64 };
        let announces = |de: De| self.bitmaps_max == 3 && (de == 65 || de == 129);
        let out: Vec<De> =
            self.elements.keys().copied().filter(|de| usize::from(*de) > max || announces(*de)).collect();
        for de in out {
            self.elements.remove(&de);
            self.warn(format!("field {de}"), "has no bit in the bitmaps: left out");
        }
        let text = self.to_toml();
        Dialect::from_toml(&text).map_err(|error| ImportError::Dialect(Box::new(error)))?;
        Ok((text, self.warnings))
    }

    /// The third bitmap stands in an element of eight bytes, behind one or two others.
    fn check_third(&mut self) {
        let Some(third) = self.third else { return };
        let is_eight_bytes = self.elements.get(&third).is_some_and(|element| {
            element.class == "b"
                && element.size == Size::Fixed
                && element.length == 8
                && element.inside.is_none()
        });
        if !crate::dialect::third_fits(third, self.bitmaps_max, is_eight_bytes) {
            self.third = None;
            self.warn("bitmap", format!("field {third} is not eight bytes and holds no third bitmap"));
        }
    }

    fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "name = {}\ntitle = {}\n", quoted(&self.name), quoted(&self.title));
        let _ = writeln!(out, "[mti]\nencoding = \"{}\"\n", self.mti);
        let (min, max) = (self.bitmaps_min, self.bitmaps_max);
        let _ = writeln!(out, "[bitmap]\nencoding = \"{}\"\nmin = {min}\nmax = {max}", self.bitmap);
        if let Some(third) = self.third {
            let _ = writeln!(out, "third = {third}");
        }
        if self.is_silent {
            let _ = writeln!(out, "announce = false");
        }
        let _ = writeln!(out, "\n[elements]");
        for (de, element) in &self.elements {
            let _ = writeln!(out, "{de} = {{ {} }}", element.to_toml(sensitivity(*de)));
        }
        out
    }
}

impl ElementDraft {
    fn to_toml(&self, sensitive: Option<&'static str>) -> String {
        let mut parts = vec![format!("name = {}", quoted(&self.name))];
        let (class, length) = (self.class, self.length);
        let format = match self.size {
            Size::Fixed | Size::Bare => format!("{class}{length}"),
            Size::Prefix(_, places) => format!("{class}..{length} {}", "L".repeat(places)),
            Size::Given | Size::Rest => format!("{class}..{length}"),
        };
        parts.push(format!("format = \"{format}\", encoding = \"{}\"", self.encoding));
        let prefix = match self.size {
            Size::Prefix(encoding, _) => Some(encoding),
            Size::Rest | Size::Bare => Some("none"),
            Size::Fixed | Size::Given => None,
        };
        let words = [
            ("prefix", prefix),
            ("counts", self.counts),
            ("pad", self.pad),
            ("charset", self.charset),
            // Other implementations do not say what is secret; these elements always are.
            ("sensitive", sensitive),
        ];
        for (key, word) in words {
            parts.extend(word.map(|word| format!("{key} = \"{word}\"")));
        }
        parts.extend(self.fill.as_deref().map(|fill| format!("fill = {}", quoted(fill))));
        if !self.subfields.is_empty() {
            let subfields = self
                .subfields
                .iter()
                .map(|(format, name)| format!("{{ format = \"{format}\", name = {} }}", quoted(name)));
            parts.push(format!("subfields = [{}]", subfields.collect::<Vec<_>>().join(", ")));
        }
        parts.extend(self.inside.as_deref().map(Inside::to_toml));
        parts.join(", ")
    }
}

impl Inside {
    fn to_toml(&self) -> String {
        let mut words = vec![self.words.clone()];
        if let Some((head, is_optional)) = &self.head {
            let optional = if *is_optional { ", optional = true" } else { "" };
            words.push(format!("head = {{ {}{optional} }}", head.to_toml(None)));
        }
        words.extend(self.other.as_deref().map(|other| format!("other = {{ {} }}", other.to_toml())));
        if !self.parts.is_empty() {
            let parts = self
                .parts
                .iter()
                .map(|(key, part)| format!("{} = {{ {} }}", quoted(key), part.to_toml(None)));
            words.push(format!("parts = {{ {} }}", parts.collect::<Vec<_>>().join(", ")));
        }
        words.join(", ")
    }
}

/// The class of a value of digits: tracks have a separator that other numbers have not.
pub(super) const fn digits_class(de: De) -> &'static str {
    if de == 35 || de == 36 { "z" } else { "n" }
}

const fn sensitivity(de: De) -> Option<&'static str> {
    match de {
        2 | 34 | 102 | 103 => Some("pan"),
        35 | 36 | 45 => Some("track"),
        52 => Some("secret"),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
