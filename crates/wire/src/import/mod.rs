//! Dialects from the tables of other implementations: jPOS packagers and moov-io specifications.
//!
//! The result is the TOML of a dialect, to read, keep and edit. Whatever an importer does not know is an error
//! that names all of it; what it knows and cannot express is a [`Warning`].

mod jpos;
mod moov;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::DialectError;
use crate::{De, Dialect};

pub use jpos::jpos_xml;
pub use moov::moov_json;

/// Something in the source that the dialect does not say in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field: `field 48`, `header`.
    pub place: String,
    /// What is different, and what was done.
    pub what: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A file that is not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not XML.
    #[error("not XML at byte {offset}: {what}")]
    Xml {
        /// Offset in the file.
        offset: u64,
        /// What the XML reader says.
        what: String,
    },
    /// Not JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// An entity is declared or used: nothing is fetched or expanded.
    #[error("entities are not read: {name}")]
    Entity {
        /// Its name, or the start of its declaration.
        name: String,
    },
    /// The file has another shape than a specification.
    #[error("{place}: expected {expected}")]
    Shape {
        /// Where.
        place: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Classes or keys that the importer does not know: all of them.
    #[error("not known: {}", names.join(", "))]
    Unknown {
        /// Each with its place: `field 7: class com.example.Odd`.
        names: Vec<String>,
    },
    /// What was read does not make a dialect.
    #[error("what was read is not a dialect")]
    Dialect(#[source] Box<DialectError>),
}

/// A dialect in the making.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    title: String,
    mti: &'static str,
    bitmap: &'static str,
    bitmaps_min: usize,
    bitmaps_max: usize,
    elements: BTreeMap<De, ElementDraft>,
    warnings: Vec<Warning>,
    unknown: Vec<String>,
}

/// One element in the making, in the words of a dialect file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ElementDraft {
    name: String,
    class: &'static str,
    length: usize,
    encoding: &'static str,
    /// Encoding and places of the length prefix; none when the length is fixed.
    prefix: Option<(&'static str, usize)>,
    counts: Option<&'static str>,
    pad: Option<&'static str>,
    fill: Option<&'static str>,
    charset: Option<&'static str>,
    is_ber: bool,
    /// Formats and names.
    subfields: Vec<(String, String)>,
}

impl Draft {
    fn warn(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.warnings.push(Warning { place: place.into(), what: what.into() });
    }

    /// Cuts a length to what its prefix can say.
    fn fit(&mut self, place: &str, element: &mut ElementDraft) {
        let Some((encoding, places)) = element.prefix else { return };
        let radix: usize = if encoding == "binary" { 256 } else { 10 };
        let max = radix.saturating_pow(places.min(7) as u32) - 1;
        if element.length > max {
            self.warn(
                place,
                format!("length {} is above what its prefix can say: {max} is used", element.length),
            );
            element.length = max;
        }
    }

    /// The TOML, which compiles.
    fn finish(mut self) -> Result<(String, Vec<Warning>), ImportError> {
        if !self.unknown.is_empty() {
            return Err(ImportError::Unknown { names: self.unknown });
        }
        let max = self.bitmaps_max * 64;
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

    fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "name = {}\ntitle = {}\n", quoted(&self.name), quoted(&self.title));
        let _ = writeln!(out, "[mti]\nencoding = \"{}\"\n", self.mti);
        let (min, max) = (self.bitmaps_min, self.bitmaps_max);
        let _ =
            writeln!(out, "[bitmap]\nencoding = \"{}\"\nmin = {min}\nmax = {max}\n\n[elements]", self.bitmap);
        for (de, element) in &self.elements {
            let _ = writeln!(out, "{de} = {{ {} }}", element.to_toml(*de));
        }
        out
    }
}

impl ElementDraft {
    fn to_toml(&self, de: De) -> String {
        let mut parts = vec![format!("name = {}", quoted(&self.name))];
        let format = match self.prefix {
            None => format!("{}{}", self.class, self.length),
            Some((_, places)) => format!("{}..{} {}", self.class, self.length, "L".repeat(places)),
        };
        parts.push(format!("format = \"{format}\", encoding = \"{}\"", self.encoding));
        let words = [
            ("prefix", self.prefix.map(|(encoding, _)| encoding)),
            ("counts", self.counts),
            ("pad", self.pad),
            ("fill", self.fill),
            ("charset", self.charset),
            ("tlv", self.is_ber.then_some("ber")),
            // Other implementations do not say what is secret; these elements always are.
            ("sensitive", sensitivity(de)),
        ];
        for (key, word) in words {
            parts.extend(word.map(|word| format!("{key} = \"{word}\"")));
        }
        if !self.subfields.is_empty() {
            let subfields = self
                .subfields
                .iter()
                .map(|(format, name)| format!("{{ format = \"{format}\", name = {} }}", quoted(name)));
            parts.push(format!("subfields = [{}]", subfields.collect::<Vec<_>>().join(", ")));
        }
        parts.join(", ")
    }
}

/// The class of a value of digits: tracks have a separator that other numbers have not.
const fn digits_class(de: De) -> &'static str {
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
