//! moov-io/iso8583 specifications.

use serde_json::{Map, Value};

use super::moov_inside::{composite, outer};
use super::{Draft, ElementDraft, ImportError, LENGTH_MAX, Size, Warning, digits_class};
use crate::{DE_MAX, De};

/// The dialect of a moov-io specification in JSON, as TOML.
///
/// Fields become elements, and composites whatever they are: positions, tags, BER-TLV, bits.
///
/// # Errors
/// [`ImportError::Unknown`] names every key, type, encoding and prefix that is not known.
pub fn moov_json(text: &str) -> Result<(String, Vec<Warning>), ImportError> {
    let root: Value = serde_json::from_str(text).map_err(ImportError::Json)?;
    let root = root.as_object().ok_or_else(|| shape("file", "an object"))?;
    let fields = root.get("fields").and_then(Value::as_object).ok_or_else(|| shape("fields", "an object"))?;
    let name = root.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut draft = Draft {
        name: "imported".into(),
        title: if name.is_empty() { "imported from a moov-io specification".into() } else { name.into() },
        mti: "ascii",
        bitmap: "raw",
        bitmaps_min: 1,
        bitmaps_max: 2,
        ..Draft::default()
    };
    for key in root.keys().filter(|key| !matches!(key.as_str(), "name" | "fields")) {
        draft.unknown.push(format!("key {key}"));
    }
    for (key, field) in fields {
        let place = format!("field {key}");
        let Some(field) = field.as_object() else { return Err(shape(place, "an object")) };
        let Ok(id) = key.parse::<usize>() else {
            // An older version of the format has Field002 here.
            draft.unknown.push(format!("key {key} of fields"));
            continue;
        };
        check_keys(field, &place, &mut draft);
        match id {
            0 => mti(field, &mut draft),
            1 => bitmap(field, &mut draft),
            _ => element(field, id, &place, &mut draft),
        }
    }
    if draft.elements.keys().any(|de| *de > 128) && draft.bitmaps_max == 2 {
        draft.bitmaps_max = 3;
    }
    draft.finish()
}

fn shape(place: impl Into<String>, expected: &'static str) -> ImportError {
    ImportError::Shape { place: place.into(), expected }
}

pub(super) fn word<'v>(field: &'v Map<String, Value>, key: &str) -> &'v str {
    field.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn length(field: &Map<String, Value>) -> usize {
    field.get("length").and_then(Value::as_u64).and_then(|length| length.try_into().ok()).unwrap_or_default()
}

pub(super) fn check_keys(field: &Map<String, Value>, place: &str, draft: &mut Draft) {
    const KNOWN: &[&str] = &[
        "type",
        "length",
        "description",
        "enc",
        "prefix",
        "padding",
        "tag",
        "subfields",
        "bitmap",
        "disableAutoExpand",
    ];
    for key in field.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        draft.unknown.push(format!("{place}: key {key}"));
    }
}

fn mti(field: &Map<String, Value>, draft: &mut Draft) {
    match word(field, "enc") {
        "ASCII" => draft.mti = "ascii",
        "BCD" | "LBCD" => draft.mti = "bcd",
        "EBCDIC" | "EBCDIC1047" => draft.mti = "ebcdic",
        other => draft.unknown.push(format!("field 0: enc {other}")),
    }
}

fn bitmap(field: &Map<String, Value>, draft: &mut Draft) {
    match word(field, "enc") {
        "Binary" => draft.bitmap = "raw",
        "HexToASCII" => draft.bitmap = "hex",
        other => draft.unknown.push(format!("field 1: enc {other}")),
    }
    let units = length(field).max(8) / 8;
    if units > 1 {
        // The first bit stays clear: only a set one would announce a further bitmap, of the same length.
        (draft.bitmaps_min, draft.bitmaps_max) = (units.min(3), units.min(3));
        draft.is_silent = true;
    } else if field.get("disableAutoExpand").and_then(Value::as_bool) == Some(true) {
        draft.bitmaps_max = 1;
    }
}

fn element(field: &Map<String, Value>, id: usize, place: &str, draft: &mut Draft) {
    let Some(de) = De::try_from(id).ok().filter(|de| *de <= DE_MAX) else {
        draft.warn(place, "is above the last element a dialect has: left out");
        return;
    };
    let Some(element) = value(field, de, place, draft) else { return };
    if matches!(element.size, Size::Rest | Size::Given) {
        draft.unknown.push(format!("{place}: prefix {} of an element", word(field, "prefix")));
    }
    draft.elements.insert(de, element);
}

/// The value's class, encoding and prefix, and what is inside; nothing when one of them is not known.
pub(super) fn value(
    field: &Map<String, Value>,
    de: De,
    place: &str,
    draft: &mut Draft,
) -> Option<ElementDraft> {
    let kind = word(field, "type");
    let enc = word(field, "enc");
    let encoding = match enc {
        "ASCII" => "ascii",
        "BCD" | "LBCD" => "bcd",
        "EBCDIC" | "EBCDIC1047" => "ebcdic",
        "Binary" | "ASCIIToHex" => "raw",
        "HexToASCII" => "hex",
        // A composite's encoding is that of its subfields.
        "" if kind == "Composite" => outer(field),
        other => {
            draft.unknown.push(format!("{place}: enc {other}"));
            return None;
        }
    };
    let class = match (kind, encoding) {
        ("Composite", "raw" | "hex") => "b",
        ("Composite", "ascii" | "ebcdic") => "ans",
        ("String" | "Numeric" | "Binary" | "Hex" | "Track1" | "Track2" | "Track3", "raw" | "hex") => "b",
        ("Numeric" | "String", "bcd") => digits_class(de),
        ("Track2" | "Track3", "bcd") => "z",
        ("Numeric", _) => "n",
        ("Track2" | "Track3", _) => "z",
        ("String" | "Track1" | "Hex", "ascii" | "ebcdic") => "ans",
        (kind, encoding) => {
            draft.unknown.push(format!("{place}: type {kind} in {encoding}"));
            return None;
        }
    };
    let size = prefix(word(field, "prefix"), place, draft)?;
    let (pad, fill) = padding(field, place, class, draft);
    let mut element = ElementDraft {
        name: word(field, "description").to_lowercase(),
        class,
        length: length(field),
        encoding,
        size,
        pad: if encoding == "bcd" { Some(if enc == "LBCD" { "right" } else { "left" }) } else { pad },
        fill,
        charset: match enc {
            "EBCDIC" => Some("cp037"),
            "EBCDIC1047" => Some("cp1047"),
            _ => None,
        },
        ..ElementDraft::default()
    };
    if element.length == 0 && size == Size::Rest {
        element.length = LENGTH_MAX;
    }
    if element.length == 0 {
        draft.warn(place, "has no length: left out");
        return None;
    }
    if size == Size::Rest {
        element.length = element.length.min(crate::BODY_BYTES_MAX);
    }
    draft.fit(place, &mut element);
    if kind == "Composite" {
        composite(field, place, &mut element, draft);
    }
    Some(element)
}

/// Side and character that fill a fixed text. Numbers are shown with their zeros.
fn padding(
    field: &Map<String, Value>,
    place: &str,
    class: &str,
    draft: &mut Draft,
) -> (Option<&'static str>, Option<String>) {
    let Some(padding) = field.get("padding") else { return (None, None) };
    let text = |key: &str| padding.get(key).and_then(Value::as_str).unwrap_or_default();
    let side = match text("type") {
        "Left" => "left",
        "Right" => "right",
        "None" | "" => return (None, None),
        other => {
            draft.unknown.push(format!("{place}: padding {other}"));
            return (None, None);
        }
    };
    let is_text = class == "ans";
    let fill = text("pad").to_owned();
    if !is_text || fill.chars().count() != 1 || !fill.is_ascii() || fill.contains(char::is_control) {
        return (None, None);
    }
    (Some(side), Some(fill))
}

/// `ASCII.LL`: encoding and places; `Fixed` has none.
pub(super) fn prefix(text: &str, place: &str, draft: &mut Draft) -> Option<Size> {
    let (encoding, places) = text.split_once('.').unwrap_or((text, ""));
    let is_places = (1..=6).contains(&places.len()) && places.bytes().all(|byte| byte == b'L');
    let (encoding, places) = match encoding {
        "None" if places == "Fixed" => return Some(Size::Rest),
        "ASCII" | "BCD" | "EBCDIC" | "EBCDIC1047" | "Binary" | "Hex" if places == "Fixed" => {
            return Some(Size::Fixed);
        }
        "BerTLV" => return Some(Size::Given),
        "ASCII" => ("ascii", places.len()),
        "BCD" => ("bcd", places.len()),
        "EBCDIC" | "EBCDIC1047" => ("ebcdic", places.len()),
        "Binary" => ("binary", places.len()),
        // Two digits for each byte of the length.
        "Hex" if places.len() <= 3 => ("hex", places.len() * 2),
        _ => ("", 0),
    };
    if encoding.is_empty() || !is_places {
        draft.unknown.push(format!("{place}: prefix {text}"));
        return None;
    }
    Some(Size::Prefix(encoding, places))
}
