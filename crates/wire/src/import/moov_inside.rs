//! Composites of moov-io specifications.

use serde_json::{Map, Value};

use super::moov::{check_keys, length, prefix, value, word};
use super::{Draft, ElementDraft, Inside, Size};

type Field = Map<String, Value>;

/// Composites inside composites that are looked into for their alphabet; deeper ones are refused anyway.
const DEPTH_MAX: usize = 16;

/// The encoding around parts: characters where all of them are, else bytes.
pub(super) fn outer(field: &Field) -> &'static str {
    if is_text(field, 0) { "ascii" } else { "raw" }
}

fn is_text(field: &Field, depth: usize) -> bool {
    let is_ascii = |value: Option<&Value>| {
        value.and_then(|value| value.get("enc")).is_none_or(|enc| enc == "ASCII" || enc == "HexToASCII")
    };
    let is_plain =
        |text: &str| text.starts_with("ASCII.") || text.starts_with("Hex.") || text == "None.Fixed";
    depth < DEPTH_MAX
        && is_ascii(field.get("tag"))
        && is_ascii(field.get("bitmap"))
        && subfields(field).all(|(_, subfield)| {
            let has_text = match word(subfield, "type") {
                "Composite" => is_text(subfield, depth + 1),
                _ => matches!(word(subfield, "enc"), "ASCII" | "HexToASCII"),
            };
            has_text && is_plain(word(subfield, "prefix"))
        })
}

fn subfields(field: &Field) -> impl Iterator<Item = (&String, &Field)> {
    let subfields = field.get("subfields").and_then(Value::as_object);
    subfields.into_iter().flatten().filter_map(|(key, subfield)| Some((key, subfield.as_object()?)))
}

/// What is inside a composite, put into its element.
pub(super) fn composite(field: &Field, place: &str, element: &mut ElementDraft, draft: &mut Draft) {
    for (key, subfield) in subfields(field) {
        check_keys(subfield, &format!("{place}.{key}"), draft);
    }
    let tag = field.get("tag").and_then(Value::as_object);
    let bitmap = field.get("bitmap").and_then(Value::as_object);
    let inside = match (tag, bitmap) {
        (None, Some(bitmap)) => bits(field, bitmap, place, draft),
        (Some(tag), None) => {
            check_tag(tag, place, draft);
            match word(tag, "enc") {
                "" => positions(field, tag, place, element, draft),
                "BerTLVTag" => ber(field, place, draft),
                _ => tags(field, tag, place, draft),
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            draft.unknown.push(format!("{place}: a composite has either a tag or a bitmap"));
            None
        }
    };
    element.inside = inside.map(Box::new);
}

fn check_tag(tag: &Field, place: &str, draft: &mut Draft) {
    const KNOWN: [&str; 7] =
        ["length", "enc", "padding", "sort", "skipUnknownTLVTags", "storeUnknownTLVTags", "prefUnknownTLV"];
    for key in tag.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        draft.unknown.push(format!("{place}: key {key} of tag"));
    }
    if !matches!(word(tag, "sort"), "" | "StringsByInt" | "StringsByHex" | "Strings") {
        draft.unknown.push(format!("{place}: sort {}", word(tag, "sort")));
    }
}

fn part(key: &str, subfield: &Field, place: &str, draft: &mut Draft) -> Option<ElementDraft> {
    value(subfield, 0, &format!("{place}.{key}"), draft)
}

fn bits(field: &Field, bitmap: &Field, place: &str, draft: &mut Draft) -> Option<Inside> {
    let encoding = match word(bitmap, "enc") {
        "Binary" => "raw",
        "HexToASCII" => "hex",
        other => {
            draft.unknown.push(format!("{place}: enc {other} of bitmap"));
            return None;
        }
    };
    let bytes = match length(bitmap) {
        0 => 8,
        bytes @ 1..=24 => bytes,
        bytes => {
            draft.unknown.push(format!("{place}: bitmap of {bytes} bytes"));
            return None;
        }
    };
    let is_one = bitmap.get("disableAutoExpand").and_then(Value::as_bool) == Some(true);
    let max = if is_one { 1 } else { 24 / bytes };
    let mut parts = Vec::new();
    for (key, subfield) in subfields(field) {
        let Some(part) = part(key, subfield, place, draft) else { continue };
        match key.parse::<usize>() {
            Ok(bit) if bit >= 1 && bit <= bytes * 8 * max && (max == 1 || bit % (bytes * 8) != 1) => {
                parts.push((bit.to_string(), part));
            }
            _ => draft.unknown.push(format!("{place}.{key}: not a bit of the bitmap")),
        }
    }
    let words = format!(
        "inside = \"bitmap\", bitmap = {{ encoding = \"{encoding}\", bytes = {bytes}, max = {max} }}"
    );
    Some(Inside { parts, ..Inside::of(words) })
}

fn ber(field: &Field, place: &str, draft: &mut Draft) -> Option<Inside> {
    let mut parts = Vec::new();
    for (key, subfield) in subfields(field) {
        let Some(mut part) = part(key, subfield, place, draft) else { continue };
        part.size = match part.size {
            Size::Prefix(..) => {
                draft.unknown.push(format!("{place}.{key}: prefix {}", word(subfield, "prefix")));
                continue;
            }
            Size::Given | Size::Rest => Size::Given,
            Size::Fixed | Size::Bare => Size::Fixed,
        };
        let bytes = crate::json::unhex(key);
        match bytes.filter(|bytes| crate::composite::is_ber_tag(bytes)) {
            Some(_) => parts.push((key.to_uppercase(), part)),
            None => draft.unknown.push(format!("{place}.{key}: not a BER-TLV tag")),
        }
    }
    Some(Inside { parts, ..Inside::of("inside = \"ber\"") })
}

fn positions(
    field: &Field,
    tag: &Field,
    place: &str,
    element: &mut ElementDraft,
    draft: &mut Draft,
) -> Option<Inside> {
    let radix = if word(tag, "sort") == "StringsByHex" { 16 } else { 10 };
    let mut numbered = Vec::new();
    for (key, subfield) in subfields(field) {
        let Some(part) = part(key, subfield, place, draft) else { continue };
        match u16::from_str_radix(key, radix) {
            Ok(number) => numbered.push((number, part)),
            Err(_) => draft.unknown.push(format!("{place}.{key}: not a position")),
        }
    }
    numbered.sort_by_key(|(number, _)| *number);
    let is_plain = |part: &ElementDraft| {
        part.size == Size::Fixed
            && part.encoding == element.encoding
            && part.inside.is_none()
            && part.subfields.is_empty()
            && (part.class != "n" || part.length <= 40)
    };
    let is_counted = numbered.iter().zip(1..).all(|((number, _), place)| *number == place);
    if !numbered.is_empty()
        && is_counted
        && element.encoding == "ascii"
        && numbered.iter().all(|(_, part)| is_plain(part))
    {
        let subfields =
            numbered.into_iter().map(|(_, part)| (format!("{}{}", part.class, part.length), part.name));
        element.subfields = subfields.collect();
        return None;
    }
    let last = numbered.len().saturating_sub(1);
    if let Some((number, _)) = numbered[..last].iter().find(|(_, part)| part.size == Size::Rest) {
        draft.unknown.push(format!("{place}.{number}: prefix None.Fixed before other subfields"));
    }
    let parts = numbered.into_iter().map(|(number, part)| (number.to_string(), part)).collect();
    Some(Inside { parts, ..Inside::of("inside = \"positional\"") })
}

fn tags(field: &Field, tag: &Field, place: &str, draft: &mut Draft) -> Option<Inside> {
    let encoding = match word(tag, "enc") {
        "ASCII" => "ascii",
        "BCD" => "bcd",
        "EBCDIC" | "EBCDIC1047" => "ebcdic",
        "Binary" | "ASCIIToHex" => "raw",
        other => {
            draft.unknown.push(format!("{place}: enc {other} of tag"));
            return None;
        }
    };
    let width = length(tag);
    if !(1..=crate::TAG_BYTES_MAX).contains(&width) {
        draft.unknown.push(format!("{place}: tag of {width} characters"));
        return None;
    }
    let mut found: Vec<(String, ElementDraft)> = Vec::new();
    for (key, subfield) in subfields(field) {
        let Some(part) = part(key, subfield, place, draft) else { continue };
        if part.size == Size::Given {
            draft.unknown.push(format!("{place}.{key}: prefix {}", word(subfield, "prefix")));
            continue;
        }
        if let Some(key) = padded(key, tag, width, encoding, place, draft) {
            found.push((key, part));
        }
    }
    let shared = shared_length(tag, &found, place, draft);
    for (_, part) in &mut found {
        if part.counts.is_none() && shared.is_some() && shared == Some(part.size) {
            part.size = Size::Given;
        } else if shared.is_some() && part.size == Size::Fixed {
            part.size = Size::Bare;
        }
    }
    let words = match shared {
        Some(Size::Prefix(prefix, places)) => {
            format!(", length = \"{}\", prefix = \"{prefix}\"", "L".repeat(places))
        }
        _ => String::new(),
    };
    let words = format!("inside = \"tagged\", tag = {{ width = {width}, encoding = \"{encoding}\"{words} }}");
    Some(Inside { parts: found, ..Inside::of(words) })
}

/// The length that tags which are not known have: the one that the file says, else the one of all that are.
fn shared_length(
    tag: &Field,
    parts: &[(String, ElementDraft)],
    place: &str,
    draft: &mut Draft,
) -> Option<Size> {
    let given = word(tag, "prefUnknownTLV");
    if !given.is_empty() {
        return prefix(given, place, draft).filter(|size| matches!(size, Size::Prefix(..)));
    }
    let first = parts.first().map(|(_, part)| part.size)?;
    let is_shared = matches!(first, Size::Prefix(..)) && parts.iter().all(|(_, part)| part.size == first);
    is_shared.then_some(first)
}

/// A tag as wide as it is on the wire.
fn padded(
    key: &str,
    tag: &Field,
    width: usize,
    encoding: &str,
    place: &str,
    draft: &mut Draft,
) -> Option<String> {
    let padding = tag.get("padding");
    let text = |name: &str| {
        padding.and_then(|padding| padding.get(name)).and_then(Value::as_str).unwrap_or_default()
    };
    let pad = text("pad").chars().next().unwrap_or('0');
    let count = if encoding == "raw" { width * 2 } else { width };
    let missing = count.saturating_sub(key.chars().count());
    let pads: String = std::iter::repeat_n(pad, missing).collect();
    let full = match text("type") {
        "Right" => format!("{key}{pads}"),
        "Left" => format!("{pads}{key}"),
        _ => key.to_owned(),
    };
    let is_tag = full.len() == count
        && match encoding {
            "raw" | "bcd" => full.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
            "ebcdic" => full.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
            _ => full.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        };
    if !is_tag {
        draft.unknown.push(format!("{place}.{key}: not a tag of {width}"));
    }
    is_tag.then_some(full)
}
