//! What differs between two messages.

use std::fmt;

use crate::{De, ElementPath, Masking, Message, Subvalue, render};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: ElementPath,
    /// The left value as shown; nothing when absent.
    pub left: Option<String>,
    /// The right value as shown; nothing when absent.
    pub right: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.left, &self.right) {
            (Some(left), Some(right)) => write!(f, "{}: {left} -> {right}", self.path),
            (Some(left), None) => write!(f, "{}: {left} -> absent", self.path),
            (None, Some(right)) => write!(f, "{}: absent -> {right}", self.path),
            (None, None) => write!(f, "{}", self.path),
        }
    }
}

/// Compares two messages element by element, and by subfield where both have subfields.
///
/// Messages of different dialects are compared by value, not by their bytes. Values that are equal once masked
/// but not otherwise are reported all the same.
pub fn diff(left: &Message<'_, '_>, right: &Message<'_, '_>, masking: Masking) -> Vec<Difference> {
    let mut found = Vec::new();
    if left.mti() != right.mti() {
        let (left, right) = (left.mti().to_string(), right.mti().to_string());
        found.push(Difference { path: ElementPath::Mti, left: Some(left), right: Some(right) });
    }
    for de in 2..=crate::DE_MAX {
        if left.has(de) || right.has(de) {
            compare(left, right, de, masking, &mut found);
        }
    }
    found
}

fn compare(
    left: &Message<'_, '_>,
    right: &Message<'_, '_>,
    de: De,
    masking: Masking,
    found: &mut Vec<Difference>,
) {
    let is_same = |of: fn(&Message<'_, '_>, De, Masking) -> Option<render::Rendered>| {
        of(left, de, Masking::Unmasked) == of(right, de, Masking::Unmasked)
    };
    if is_same(render::element) {
        return;
    }
    let (parts, others) = (parts(left, de), parts(right, de));
    if parts.is_empty() || others.is_empty() {
        let show = |message| render::element(message, de, masking).map(render::Rendered::into_string);
        found.push(Difference { path: ElementPath::De(de), left: show(left), right: show(right) });
        return;
    }
    let find = |parts: &[Part], path| parts.iter().find(|part| part.path == path).cloned();
    let mut paths: Vec<ElementPath> = parts.iter().chain(&others).map(|part| part.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let (left, right) = (find(&parts, path), find(&others, path));
        if left != right {
            let show = |part: Option<Part>| {
                part.map(|part| if masking == Masking::Masked { part.masked } else { part.plain })
            };
            found.push(Difference { path, left: show(left), right: show(right) });
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Part {
    path: ElementPath,
    plain: String,
    masked: String,
}

/// The subfields or tags of an element; none when it has none or they cannot be read whole.
fn parts(message: &Message<'_, '_>, de: De) -> Vec<Part> {
    let positional = message.subfields(de).enumerate().map(|(index, (spec, value))| Part {
        path: ElementPath::Subfield(de, index as u16 + 1),
        plain: render::subfield(spec, &value, Masking::Unmasked),
        masked: render::subfield(spec, &value, Masking::Masked),
    });
    let parts: Vec<Part> = positional.collect();
    let is_tlv =
        message.dialect().element(de).is_some_and(|e| *e.composition() == crate::Composition::BerTlv);
    if !is_tlv {
        return parts;
    }
    let tags = message.tlv(de).map(|tlv| {
        tlv.map(|tlv| Part {
            path: ElementPath::Tag(de, tlv.tag),
            plain: render::tag(&tlv, Masking::Unmasked),
            masked: render::tag(&tlv, Masking::Masked),
        })
    });
    let tags: Result<Vec<Part>, _> = tags.collect();
    let tags = tags.unwrap_or_default();
    // A tag that occurs twice cannot be told apart by path: the element is then compared whole.
    let mut paths: Vec<ElementPath> = tags.iter().map(|part| part.path).collect();
    paths.sort_unstable();
    let is_unique = paths.windows(2).all(|pair| pair[0] != pair[1]);
    if is_unique { tags } else { Vec::new() }
}

/// The text of a subfield's value, for callers that compare by themselves.
impl Subvalue<'_> {
    /// Digits and text as they are, bytes as upper-case hexadecimal. Not masked.
    pub fn to_plain_string(&self) -> String {
        match self {
            Self::Digits(digits) => digits.as_str().to_owned(),
            Self::Text(text) => text.to_string(),
            Self::Bytes(bytes) => render::hex(bytes),
        }
    }
}
