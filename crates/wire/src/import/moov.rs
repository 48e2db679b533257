//! moov-io/iso8583 specifications.

use serde_json::{Map, Value};

use super::{Draft, ElementDraft, ImportError, Warning, digits_class};
use crate::{DE_MAX, De};

/// The dialect of a moov-io specification in JSON, as TOML.
///
/// Fixed and variable fields become elements, composites of fixed subfields become subfields, BER-TLV composites
/// chip data. The inside of other composites is left out with a warning, and the element is read whole.
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

fn word<'v>(field: &'v Map<String, Value>, key: &str) -> &'v str {
    field.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn length(field: &Map<String, Value>) -> usize {
    field.get("length").and_then(Value::as_u64).and_then(|length| length.try_into().ok()).unwrap_or_default()
}

fn check_keys(field: &Map<String, Value>, place: &str, draft: &mut Draft) {
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
        let bits = units * 64;
        draft.warn(
            "field 1",
            format!("always writes {bits} bits, even where the first is clear: so does this"),
        );
        (draft.bitmaps_min, draft.bitmaps_max) = (units.min(3), units.min(3));
    } else if field.get("disableAutoExpand").and_then(Value::as_bool) == Some(true) {
        draft.bitmaps_max = 1;
    }
}

fn element(field: &Map<String, Value>, id: usize, place: &str, draft: &mut Draft) {
    let Some(de) = De::try_from(id).ok().filter(|de| *de <= DE_MAX) else {
        draft.warn(place, "is above the last element a dialect has: left out");
        return;
    };
    let Some(mut element) = value(field, de, place, draft) else { return };
    element.name = word(field, "description").to_lowercase();
    if element.length == 0 {
        draft.warn(place, "has no length: left out");
        return;
    }
    draft.fit(place, &mut element);
    if word(field, "type") == "Composite" {
        composite(field, place, &mut element, draft);
    }
    draft.elements.insert(de, element);
}

/// The value's class, encoding and prefix; nothing when one of them is not known.
fn value(field: &Map<String, Value>, de: De, place: &str, draft: &mut Draft) -> Option<ElementDraft> {
    let kind = word(field, "type");
    let is_ber = kind == "Composite" && is_ber(field);
    let encoding = match word(field, "enc") {
        "ASCII" => "ascii",
        "BCD" | "LBCD" => "bcd",
        "EBCDIC" | "EBCDIC1047" => "ebcdic",
        "Binary" | "ASCIIToHex" => "raw",
        "HexToASCII" => "hex",
        // A composite's encoding is that of its subfields.
        "" if kind == "Composite" => {
            if is_ber {
                "raw"
            } else {
                "ascii"
            }
        }
        other => {
            draft.unknown.push(format!("{place}: enc {other}"));
            return None;
        }
    };
    let class = match (kind, encoding) {
        (
            "String" | "Numeric" | "Binary" | "Hex" | "Track1" | "Track2" | "Track3" | "Composite",
            "raw" | "hex",
        ) => "b",
        ("Numeric" | "String", "bcd") => digits_class(de),
        ("Numeric", _) => "n",
        ("Track2" | "Track3", _) => "z",
        ("String" | "Track1" | "Hex" | "Composite", "ascii" | "ebcdic") => "ans",
        (kind, encoding) => {
            draft.unknown.push(format!("{place}: type {kind} in {encoding}"));
            return None;
        }
    };
    let prefix = prefix(word(field, "prefix"), place, draft)?;
    Some(ElementDraft {
        class,
        length: length(field),
        encoding,
        prefix,
        pad: (encoding == "bcd").then(|| if word(field, "enc") == "LBCD" { "right" } else { "left" }),
        charset: match word(field, "enc") {
            "EBCDIC" => Some("cp037"),
            "EBCDIC1047" => Some("cp1047"),
            _ => None,
        },
        is_ber,
        ..ElementDraft::default()
    })
}

/// `ASCII.LL`: encoding and places; `Fixed` has none.
#[allow(clippy::option_option)]
fn prefix(text: &str, place: &str, draft: &mut Draft) -> Option<Option<(&'static str, usize)>> {
    let (encoding, places) = text.split_once('.').unwrap_or((text, ""));
    let is_places = (1..=6).contains(&places.len()) && places.bytes().all(|byte| byte == b'L');
    let encoding = match encoding {
        _ if places == "Fixed" => return Some(None),
        "ASCII" => "ascii",
        "BCD" => "bcd",
        "EBCDIC" | "EBCDIC1047" => "ebcdic",
        "Binary" => "binary",
        _ => "",
    };
    if encoding.is_empty() || !is_places {
        draft.unknown.push(format!("{place}: prefix {text}"));
        return None;
    }
    Some(Some((encoding, places.len())))
}

fn is_ber(field: &Map<String, Value>) -> bool {
    field.get("tag").and_then(|tag| tag.get("enc")).and_then(Value::as_str) == Some("BerTLVTag")
}

fn composite(field: &Map<String, Value>, place: &str, element: &mut ElementDraft, draft: &mut Draft) {
    let empty = Map::new();
    let subfields = field.get("subfields").and_then(Value::as_object).unwrap_or(&empty);
    for (key, subfield) in subfields {
        if let Some(subfield) = subfield.as_object() {
            check_keys(subfield, &format!("{place}.{key}"), draft);
        }
    }
    if element.is_ber {
        return;
    }
    let is_tagged = field.get("tag").is_some_and(|tag| tag.get("enc").is_some());
    if is_tagged || field.get("bitmap").is_some() {
        draft.warn(place, "the inside is tagged or has a bitmap and is not imported: read whole");
        return;
    }
    let mut numbered: Vec<(usize, &Map<String, Value>)> = subfields
        .iter()
        .filter_map(|(key, subfield)| Some((key.parse().ok()?, subfield.as_object()?)))
        .collect();
    numbered.sort_unstable_by_key(|(number, _)| *number);
    let mut out = Vec::new();
    for (number, subfield) in numbered {
        let Some(inner) = value(subfield, 0, &format!("{place}.{number}"), draft) else { return };
        if inner.prefix.is_some() || inner.encoding != element.encoding {
            draft.warn(place, "has subfields of variable length or another encoding: read whole");
            return;
        }
        out.push((format!("{}{}", inner.class, inner.length), word(subfield, "description").to_lowercase()));
    }
    element.subfields = out;
}
