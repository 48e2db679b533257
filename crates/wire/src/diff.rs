//! What differs between two messages.

use std::collections::HashMap;
use std::fmt;

use crate::pans::Pans;
use crate::{De, ElementPath, Masking, Message, composite, render};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: ElementPath,
    /// Where in a composite, below the element: `25.2`, `9F26`.
    pub inside: Option<Box<str>>,
    /// The left value as shown; nothing when absent.
    pub left: Option<String>,
    /// The right value as shown; nothing when absent.
    pub right: Option<String>,
}

impl Difference {
    /// Where, in whole: `de 127.25.2`.
    pub fn place(&self) -> String {
        self.inside
            .as_deref()
            .map_or_else(|| self.path.to_string(), |inside| format!("{}.{inside}", self.path))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        match (&self.left, &self.right) {
            (Some(left), Some(right)) => write!(f, ": {left} -> {right}"),
            (Some(left), None) => write!(f, ": {left} -> absent"),
            (None, Some(right)) => write!(f, ": absent -> {right}"),
            (None, None) => Ok(()),
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
        found.push(Difference { path: ElementPath::Mti, inside: None, left: Some(left), right: Some(right) });
    }
    for de in 2..=crate::DE_MAX {
        if left.has(de) || right.has(de) {
            compare(left, right, de, masking, &mut found);
        }
    }
    for pans in [Pans::of(left, masking), Pans::of(right, masking)] {
        for shown in found.iter_mut().flat_map(|difference| [&mut difference.left, &mut difference.right]) {
            *shown = shown.take().map(|text| pans.hide(text));
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
    let plain = |message| render::element(message, de, Masking::Unmasked);
    if plain(left) == plain(right) {
        return;
    }
    let (parts, others) = (parts(left, de), parts(right, de));
    let whole = |found: &mut Vec<Difference>| {
        let show = |message| render::element(message, de, masking).map(render::Rendered::into_string);
        let path = ElementPath::De(de);
        found.push(Difference { path, inside: None, left: show(left), right: show(right) });
    };
    if parts.is_empty() || others.is_empty() {
        return whole(found);
    }
    let before = found.len();
    let mut rest: HashMap<Place, &Part> = others.iter().map(|part| (part.place(), part)).collect();
    let show =
        |part: &Part| if masking == Masking::Masked { part.masked.clone() } else { part.plain.clone() };
    for part in &parts {
        let other = rest.remove(&part.place());
        if other != Some(part) {
            let (left, right) = (Some(show(part)), other.map(show));
            found.push(Difference { path: part.path, inside: part.inside.clone(), left, right });
        }
    }
    for part in others.iter().filter(|part| rest.contains_key(&part.place())) {
        let right = Some(show(part));
        found.push(Difference { path: part.path, inside: part.inside.clone(), left: None, right });
    }
    // Nothing but the order of parts, or how lengths are written.
    if found.len() == before {
        whole(found);
    }
}

/// What two parts have in common that are compared.
type Place = (ElementPath, Option<Box<str>>);

#[derive(Clone, PartialEq, Eq)]
struct Part {
    path: ElementPath,
    inside: Option<Box<str>>,
    plain: String,
    masked: String,
}

impl Part {
    fn place(&self) -> Place {
        (self.path, self.inside.clone())
    }
}

/// The subfields or parts of an element; none when it has none or they cannot be read whole.
fn parts(message: &Message<'_, '_>, de: De) -> Vec<Part> {
    let positional = message.subfields(de).enumerate().map(|(index, (spec, value))| Part {
        path: ElementPath::Subfield(de, index as u16 + 1),
        inside: None,
        plain: render::subfield(spec, &value, Masking::Unmasked),
        masked: render::subfield(spec, &value, Masking::Masked),
    });
    let mut found: Vec<Part> = positional.collect();
    let mut paths = composite::Paths::of(de);
    for part in message.parts(de) {
        let Ok(part) = part else { return Vec::new() };
        let path = paths.next(&part);
        // A container differs in its parts.
        if !part.is_container() {
            let inside = path.split_once('.').map(|(_, inside)| inside.into());
            found.push(Part {
                path: ElementPath::De(de),
                inside,
                plain: part.render(Masking::Unmasked).into_string(),
                masked: part.render(Masking::Masked).into_string(),
            });
        }
    }
    found
}
