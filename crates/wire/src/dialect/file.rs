//! The shape of a dialect file, before it is compiled.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::builtin_text;
use crate::De;
use crate::error::DialectError;

/// A dialect may extend one that extends another, this deep.
const EXTENDS_DEPTH_MAX: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialectFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) title: String,
    /// Consumed by [`load`]; kept so that the key is known.
    #[serde(default, rename = "extends")]
    pub(super) _extends: Option<String>,
    #[serde(default)]
    pub(super) framing: Option<String>,
    #[serde(default)]
    pub(super) envelope: Option<String>,
    #[serde(default)]
    pub(super) charset: Option<String>,
    #[serde(default)]
    pub(super) mti: MtiFile,
    #[serde(default)]
    pub(super) bitmap: BitmapFile,
    #[serde(default)]
    pub(super) encoding: EncodingFile,
    #[serde(default)]
    pub(super) pad: PadDefaultsFile,
    #[serde(default)]
    pub(super) elements: BTreeMap<String, ElementFile>,
    #[serde(default)]
    pub(super) codes: BTreeMap<String, BTreeMap<String, CodeFile>>,
    #[serde(default)]
    pub(super) transactions: Vec<TransactionFile>,
    #[serde(default)]
    pub(super) presence: Vec<PresenceFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MtiFile {
    pub(super) encoding: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BitmapFile {
    pub(super) encoding: Option<String>,
    /// Bitmaps always present.
    pub(super) min: Option<usize>,
    /// Bitmaps possible.
    pub(super) max: Option<usize>,
    /// The element that holds the third bitmap, where it does not follow the second.
    pub(super) third: Option<De>,
    /// Whether the first bit says that a second bitmap follows; where both are always there it may not.
    pub(super) announce: Option<bool>,
}

/// Encodings that hold unless an element says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncodingFile {
    pub(super) numeric: Option<String>,
    pub(super) track: Option<String>,
    pub(super) text: Option<String>,
    pub(super) binary: Option<String>,
    pub(super) prefix: Option<String>,
}

/// Filler of odd packed digits that holds unless an element says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PadDefaultsFile {
    pub(super) fixed: Option<String>,
    pub(super) variable: Option<String>,
    pub(super) fill: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ElementFile {
    /// Parts of BER-TLV may leave it out.
    #[serde(default)]
    pub(super) format: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) zh: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) counts: Option<String>,
    pub(super) pad: Option<String>,
    pub(super) fill: Option<String>,
    pub(super) charset: Option<String>,
    pub(super) sensitive: Option<String>,
    pub(super) tlv: Option<String>,
    pub(super) repeat_from: Option<usize>,
    #[serde(default)]
    pub(super) subfields: Vec<SubfieldFile>,
    #[serde(default)]
    pub(super) layouts: Vec<LayoutFile>,
    pub(super) inside: Option<String>,
    pub(super) tag: Option<TagFile>,
    pub(super) bitmap: Option<PartBitmapFile>,
    pub(super) head: Option<Box<ElementFile>>,
    /// What datasets that go by bits hold where nothing is said of them.
    pub(super) other: Option<Box<ElementFile>>,
    /// Of a head: absent where a tag starts.
    pub(super) optional: Option<bool>,
    #[serde(default)]
    pub(super) parts: BTreeMap<String, ElementFile>,
}

/// How the tags of a composite are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagFile {
    pub(super) width: usize,
    pub(super) encoding: Option<String>,
    /// `LL`: places of the length beside every tag.
    pub(super) length: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) counts: Option<String>,
    pub(super) first: Option<String>,
}

/// How the bitmap of a composite is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartBitmapFile {
    pub(super) encoding: Option<String>,
    pub(super) bytes: Option<usize>,
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubfieldFile {
    pub(super) format: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) zh: Option<String>,
    pub(super) sensitive: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutFile {
    #[serde(default)]
    pub(super) mti: Vec<String>,
    /// Units the value must have.
    pub(super) length: Option<u32>,
    pub(super) repeat_from: Option<usize>,
    pub(super) subfields: Vec<SubfieldFile>,
}

/// The meaning of a code: English alone, or English and Chinese.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum CodeFile {
    English(String),
    Both([String; 2]),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransactionFile {
    pub(super) name: String,
    pub(super) zh: Option<String>,
    pub(super) mti: String,
    #[serde(default)]
    pub(super) when: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    pub(super) request: Vec<u8>,
    #[serde(default)]
    pub(super) reply: Vec<u8>,
}

/// What messages of some types must have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceFile {
    pub(super) mti: OneOrMany,
    #[serde(default)]
    pub(super) mandatory: Vec<PathFile>,
    #[serde(default)]
    pub(super) conditional: Vec<PathFile>,
    #[serde(default)]
    pub(super) optional: Vec<PathFile>,
    #[serde(default)]
    pub(super) forbidden: Vec<PathFile>,
    /// Of each list at least one.
    #[serde(default)]
    pub(super) one_of: Vec<Vec<PathFile>>,
    #[serde(default)]
    pub(super) required: Vec<RequiredFile>,
    /// What elements are that no list names.
    pub(super) others: Option<String>,
}

/// What is mandatory when the message has certain values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequiredFile {
    pub(super) when: BTreeMap<String, OneOrMany>,
    pub(super) mandatory: Vec<PathFile>,
}

/// An element, or text that names several or something inside one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PathFile {
    Number(u8),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

/// Reads a dialect file and lays it over what it extends.
///
/// # Errors
/// [`DialectError::Toml`] for another shape, [`DialectError::UnknownBase`] for an unknown or endless `extends`.
pub(super) fn load(text: &str) -> Result<DialectFile, DialectError> {
    let table = merged(text, 0)?;
    table.try_into().map_err(|error| DialectError::Toml(Box::new(error)))
}

fn merged(text: &str, depth: usize) -> Result<Table, DialectError> {
    let over: Table = toml::from_str(text).map_err(|error| DialectError::Toml(Box::new(error)))?;
    let Some(base) = over.get("extends").and_then(Value::as_str) else { return Ok(over) };
    let unknown = || DialectError::UnknownBase {
        dialect: over.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        base: base.to_owned(),
    };
    if depth == EXTENDS_DEPTH_MAX {
        return Err(unknown());
    }
    let mut table = merged(builtin_text(base).ok_or_else(unknown)?, depth + 1)?;
    lay_over(&mut table, over);
    Ok(table)
}

/// Keys that say what is inside an element.
const INSIDE: [&str; 10] =
    ["subfields", "layouts", "tlv", "repeat_from", "inside", "tag", "bitmap", "head", "optional", "parts"];

/// Tables merge key by key; everything else is replaced. A changed `format` drops what the base said about
/// the element's inside, because subfields of another format mean nothing.
fn lay_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                if above.contains_key("format") {
                    for inside in INSIDE {
                        below.remove(inside);
                    }
                }
                lay_over(below, above);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
