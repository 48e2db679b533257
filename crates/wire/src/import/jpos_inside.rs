//! Packagers inside the fields of jPOS files.

use super::jpos::{Node, value};
use super::jpos_class::{Class, TagClass};
use super::{Draft, ElementDraft, Inside, Size};

/// What a packager inside the field says.
pub(super) fn inside(field: &Node, place: &str, element: &mut ElementDraft, draft: &mut Draft) {
    if field.tag != "isofieldpackager" {
        return;
    }
    if field.number("headerLength").is_some_and(|length| length > 0) {
        draft.unknown.push(format!("{place}: headerLength {} inside an element", field.word("headerLength")));
    }
    let found = match field.class("packager") {
        "BERTLVBinaryPackager" | "ICCDataPackager" | "DefaultICCBERTLVPackager" => {
            around(element);
            Some(ber(field, place, draft))
        }
        "BERTLVAsciiHexPackager" => {
            in_digits(element, "hex");
            Some(ber(field, place, draft))
        }
        "BERTLVEbcdicHexPackager" => {
            in_digits(element, "ebcdic-hex");
            Some(ber(field, place, draft))
        }
        "GenericSubFieldPackager" | "CTCSubFieldPackager" | "CTCSubElementPackager" => {
            positions(field, place, element, draft)
        }
        "GenericPackager" | "GenericValidatingPackager" | "Base1SubFieldPackager" => {
            if field.word("emitBitmap") == "false" {
                positions(field, place, element, draft)
            } else {
                bits(field, place, draft)
            }
        }
        "EuroSubFieldPackager"
        | "MasterCardEBCDICSubFieldPackager"
        | "GICCSubFieldPackager"
        | "GenericTaggedFieldsPackager"
        | "TaggedSequencePackager" => tags(field, place, draft),
        "DatasetPackager" => Some(datasets(field, place, draft)),
        _ => {
            draft.unknown.push(format!("{place}: packager {}", field.word("packager")));
            // Its classes may be unknown as well.
            field.fields().for_each(|child| drop(part(child, place, draft)));
            None
        }
    };
    if let Some(found) = found {
        around(element);
        element.inside = Some(Box::new(found));
    }
}

/// Makes an element one that can be around parts: bytes or text.
fn around(element: &mut ElementDraft) {
    let is_text = matches!(element.class, "ans" | "an") && element.encoding != "bcd";
    if is_text {
        element.class = "ans";
        return;
    }
    if element.encoding == "bcd" {
        // Digits are counted, of which bytes hold two.
        element.length = element.length.div_ceil(2);
        if let Size::Prefix(..) = element.size {
            element.counts = Some("nibbles");
        }
    }
    if element.class != "b" {
        (element.encoding, element.charset) = ("raw", None);
    }
    (element.class, element.pad, element.fill) = ("b", None, None);
}

/// Makes an element one of bytes that are carried as digits; its length was in digits.
fn in_digits(element: &mut ElementDraft, encoding: &'static str) {
    around(element);
    (element.class, element.encoding, element.charset) = ("b", encoding, None);
    element.length = (element.length / 2).max(1);
    if let Size::Prefix(..) = element.size {
        element.counts = Some("bytes");
    }
}

fn ber(field: &Node, place: &str, draft: &mut Draft) -> Inside {
    if field.fields().next().is_some() {
        draft.warn(place, "formats of single tags are not imported: their values are bytes");
    }
    Inside::of("inside = \"ber\"")
}

/// A field inside, with its place.
fn part(child: &Node, place: &str, draft: &mut Draft) -> Option<ElementDraft> {
    value(child, &format!("{place}.{}", child.word("id")), 0, draft)
}

fn positions(field: &Node, place: &str, element: &mut ElementDraft, draft: &mut Draft) -> Option<Inside> {
    let first = field.fields().find_map(|child| child.number("id")).unwrap_or_default();
    let mut parts: Vec<(usize, ElementDraft)> = Vec::new();
    for child in field.fields() {
        if let Some(part) = part(child, place, draft) {
            // Positions count from one, wherever the file starts.
            let id = child.number("id").unwrap_or_default();
            let number = id.saturating_add(1).saturating_sub(first.min(1)).max(1);
            parts.push((number, part));
        }
    }
    parts.sort_by_key(|(number, _)| *number);
    let is_plain = |part: &ElementDraft| {
        part.size == Size::Fixed
            && part.encoding == element.encoding
            && part.inside.is_none()
            && part.subfields.is_empty()
    };
    // Digits of a packed element have no bytes of their own: a position may end inside a byte.
    let fits = |part: &ElementDraft| part.class != "b" && part.length <= 40 || part.encoding == "raw";
    if parts.iter().all(|(_, part)| is_plain(part) && fits(part)) && element.encoding != "hex" {
        element.subfields = parts
            .iter()
            .map(|(_, part)| (format!("{}{}", part.class, part.length), part.name.clone()))
            .collect();
        return None;
    }
    parts.dedup_by_key(|(number, _)| *number);
    let parts = parts.into_iter().map(|(number, part)| (number.to_string(), part)).collect();
    Some(Inside { parts, ..Inside::of("inside = \"positional\"") })
}

fn bits(field: &Node, place: &str, draft: &mut Draft) -> Option<Inside> {
    let bitmap = field.fields().find_map(|child| match Class::of(child.class("class")) {
        Some(Class::Bitmap(encoding, has_first_bit)) => Some((child, encoding, has_first_bit)),
        _ => None,
    });
    let Some((bitmap, encoding, has_first_bit)) = bitmap else {
        draft.unknown.push(format!("{place}: packager {} without a bitmap", field.word("packager")));
        field.fields().for_each(|child| drop(part(child, place, draft)));
        return None;
    };
    let length = bitmap.number("length").unwrap_or(8).clamp(1, 24);
    let (bytes, max) = match length {
        _ if has_first_bit => (8, 1),
        1..=8 => (length, 1),
        _ => (8, length.div_ceil(8)),
    };
    let at = bitmap.number("id").unwrap_or_default();
    let mut parts = Vec::new();
    for child in field.fields().filter(|child| !std::ptr::eq(*child, bitmap)) {
        let id = child.number("id").unwrap_or_default();
        if id < at {
            if Class::of(child.class("class")) != Some(Class::Nothing) {
                draft.unknown.push(format!("{place}.{id}: class {} before the bitmap", child.word("class")));
            }
            continue;
        }
        let Some(part) = part(child, place, draft) else { continue };
        let announces = max > 1 && id % 64 == 1;
        if id == 0 || id > bytes * 8 * max || announces {
            draft.warn(format!("{place}.{id}"), "has no bit in the bitmap: left out");
            continue;
        }
        parts.push((id.to_string(), part));
    }
    let words = format!(
        "inside = \"bitmap\", bitmap = {{ encoding = \"{encoding}\", bytes = {bytes}, max = {max} }}"
    );
    Some(Inside { parts, ..Inside::of(words) })
}

fn tags(field: &Node, place: &str, draft: &mut Draft) -> Option<Inside> {
    let packager = field.class("packager");
    check_mapper(field, place, draft);
    let token = field.word("token").len();
    let classes = field.fields().filter_map(|child| match Class::of(child.class("class")) {
        Some(Class::Tagged(class)) => Some(class),
        _ => None,
    });
    let Some(rule) = rule(field, classes.collect()) else {
        draft.unknown.push(format!("{place}: packager {packager} without a class that has a tag"));
        field.fields().for_each(|child| drop(part(child, place, draft)));
        return None;
    };
    let width = rule.width.unwrap_or(token);
    if !(1..=crate::TAG_BYTES_MAX).contains(&width) {
        draft.unknown.push(format!("{place}: token {:?} of packager {packager}", field.word("token")));
        return None;
    }
    let mut found = Inside::of(words(&rule, width));
    for child in field.fields() {
        let id = child.word("id");
        let at = format!("{place}.{id}");
        let Some(mut part) = part(child, place, draft) else { continue };
        let class = match Class::of(child.class("class")) {
            Some(Class::Tagged(class)) => class,
            // What has no tag of its own stands before those that have, or has the tags of its packager.
            _ if field.number("tagSize").is_none() => {
                let is_absent = child.class("class").ends_with("_TCC") || packager == "GICCSubFieldPackager";
                if found.head.is_some() || width == 1 || part.size == Size::Rest {
                    draft.unknown.push(format!("{at}: class {} among tags", child.word("class")));
                }
                found.head = Some((part, is_absent));
                continue;
            }
            _ => TagClass { class: part.class, encoding: part.encoding, ..rule },
        };
        let is_alike = (class.tag, class.width.unwrap_or(width), class.is_length_first)
            == (rule.tag, width, rule.is_length_first);
        let has_same_length = (class.places, class.prefix) == (rule.places, rule.prefix);
        if !is_alike || (!has_same_length && rule.is_length_first) {
            draft.unknown.push(format!("{at}: class {} among other tags", child.word("class")));
            continue;
        }
        part.size = if has_same_length { Size::Given } else { Size::Prefix(class.prefix, class.places) };
        if let Some(key) = key(child, &at, width, draft) {
            draft.fit(&at, &mut part);
            found.parts.push((key, part));
        }
    }
    found.parts.sort_by(|a, b| a.0.cmp(&b.0));
    found.parts.dedup_by(|a, b| a.0 == b.0);
    Some(found)
}

/// How tags are written: as the packager says, else as the first of its classes does.
fn rule(field: &Node, classes: Vec<TagClass>) -> Option<TagClass> {
    let sizes = field.number("tagSize").zip(field.number("lenSize").filter(|size| (1..=6).contains(size)));
    if let Some((width, places)) = sizes {
        let is_length_first = field.is_set("swapTagAndLen");
        let (tag, prefix, class, encoding) = ("ascii", "ascii", "ans", "ascii");
        return Some(TagClass { width: Some(width), tag, places, prefix, is_length_first, class, encoding });
    }
    classes.into_iter().next()
}

fn words(rule: &TagClass, width: usize) -> String {
    let (tag, prefix, places) = (rule.tag, rule.prefix, "L".repeat(rule.places));
    let order = if rule.is_length_first { ", first = \"length\", counts = \"tag\"" } else { "" };
    let length = format!("length = \"{places}\", prefix = \"{prefix}\"");
    format!("inside = \"tagged\", tag = {{ width = {width}, encoding = \"{tag}\", {length}{order} }}")
}

/// The tag of a field: its token, else its number with zeros before it.
fn key(child: &Node, at: &str, width: usize, draft: &mut Draft) -> Option<String> {
    let token = child.word("token");
    let key = if token.is_empty() { format!("{:0>width$}", child.word("id")) } else { token.to_owned() };
    // A placeholder stands for every tag that is not named: those are read as they are.
    if !token.is_empty() && token.bytes().all(|byte| byte == b'#') {
        return None;
    }
    let is_tag = key.len() == width && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_tag {
        draft.unknown.push(format!("{at}: tag {key:?} is not one of {width} letters and digits"));
        return None;
    }
    Some(key)
}

/// Mappers that count are known; one of a program is not.
fn check_mapper(field: &Node, place: &str, draft: &mut Draft) {
    let is_known =
        matches!(field.class("tagMapper"), "TTDecimalTagMapper" | "TTTDecimalTagMapper" | "DecimalTagMapper");
    if field.has("tagMapper") && !is_known {
        draft.unknown.push(format!("{place}: tagMapper {}", field.word("tagMapper")));
    }
}

/// Every dataset by bits has the same fields; those by tags are BER-TLV.
fn datasets(field: &Node, place: &str, draft: &mut Draft) -> Inside {
    /// Fields that the first bitmap has when another follows.
    const FIRST: usize = 15;
    /// Fields of each bitmap behind it.
    const NEXT: usize = 7;
    let mut parts = Vec::new();
    for child in field.fields() {
        let Some(part) = part(child, place, draft) else { continue };
        let bit = match child.number("id").unwrap_or_default() {
            0 => continue,
            id @ 1..=FIRST => id + 1,
            // The first bit of each further byte announces the next.
            id => (18 + (id - FIRST - 1) % NEXT).saturating_add(((id - FIRST - 1) / NEXT).saturating_mul(8)),
        };
        if bit > 192 {
            draft.warn(format!("{place}.{}", child.word("id")), "has no bit in a dataset: left out");
            continue;
        }
        parts.push((bit.to_string(), part));
    }
    let other = Inside { parts, ..Inside::of("inside = \"dbm\"") };
    Inside { other: Some(Box::new(other)), ..Inside::of("inside = \"datasets\"") }
}
