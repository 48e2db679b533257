//! Parts of composites as members of JSON, and back.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::COMPOSITE_DEPTH_MAX;
use super::value::Paths;
use super::write::PartWriter;
use crate::json::{JsonError, shape, unhex};
use crate::render::Rendered;
use crate::{Builder, Class, De, Element, Masking, Message};

/// Adds the parts of an element by their paths. A composite that has parts is shown by them alone.
///
/// Gives the error where the inside does not follow the dialect.
pub(crate) fn subfields(
    message: &Message<'_, '_>,
    de: De,
    masking: Masking,
    out: &mut Map<String, Value>,
) -> Option<crate::PartError> {
    let mut paths = Paths::of(de);
    // A composite that has nothing inside but filler is shown by its bytes, once that is known.
    let mut bare: Option<(usize, String, Value)> = None;
    for part in message.parts(de) {
        let part = match part {
            Ok(part) => part,
            Err(error) => return Some(error),
        };
        if let Some((_, path, value)) = bare.take().filter(|(depth, ..)| *depth >= part.depth()) {
            out.insert(path, value);
        }
        let path = paths.next(&part);
        let value = match part.render(masking) {
            Rendered::Text(text) | Rendered::Hex(text) => Value::String(text),
            Rendered::RawText(hex) => Value::Object(Map::from_iter([("hex".to_owned(), hex.into())])),
        };
        if part.is_container {
            bare = Some((part.depth(), path, value));
        } else {
            out.insert(path, value);
        }
    }
    if let Some((_, path, value)) = bare {
        out.insert(path, value);
    }
    None
}

/// A part with its value or its parts, in the order of the file.
#[derive(Default)]
struct Node<'v> {
    /// As in the path, with the `#2` of a tag that occurs again.
    key: String,
    value: Option<&'v Value>,
    children: Vec<Node<'v>>,
    /// Places in `children`.
    index: HashMap<String, usize>,
}

/// Puts an element together from the paths of its parts.
///
/// # Errors
/// [`JsonError::Shape`] and [`JsonError::Build`] name the part.
pub(crate) fn compose(
    builder: &mut Builder<'_, '_>,
    element: &Element,
    subfields: &Map<String, Value>,
) -> Result<(), JsonError> {
    let prefix = format!("{}.", element.de());
    let mut root = Node::default();
    for (path, value) in subfields {
        let Some(inner) = path.strip_prefix(&prefix) else { continue };
        let mut node = &mut root;
        for (depth, key) in inner.split('.').enumerate() {
            if depth == COMPOSITE_DEPTH_MAX {
                return Err(shape(path, "composites less deep"));
            }
            node = node.child(key);
        }
        node.value = Some(value);
    }
    builder.parts(element.de(), |writer| write(writer, &root, &prefix))?;
    Ok(())
}

impl<'v> Node<'v> {
    fn child(&mut self, key: &str) -> &mut Self {
        let next = self.children.len();
        let index = *self.index.entry(key.to_owned()).or_insert(next);
        if index == next {
            self.children.push(Self { key: key.to_owned(), ..Self::default() });
        }
        &mut self.children[index]
    }
}

fn write(writer: &mut PartWriter<'_>, node: &Node<'_>, path: &str) -> Result<(), JsonError> {
    let mut children: Vec<&Node<'_>> = node.children.iter().collect();
    // Positions and bits have an order of their own; tags keep that of the file. The sort is stable.
    if writer.is_numbered() {
        children.sort_by_key(|child| child.key.parse::<u16>().map_or(u32::MAX, u32::from));
    }
    for child in children {
        let key = child.key.split('#').next().unwrap_or_default();
        let path = format!("{path}{}", child.key);
        if !child.children.is_empty() {
            writer.parts(key, |inner| write(inner, child, &format!("{path}.")))?;
            continue;
        }
        put(writer, key, child.value, &path)?;
    }
    Ok(())
}

fn put(writer: &mut PartWriter<'_>, key: &str, value: Option<&Value>, path: &str) -> Result<(), JsonError> {
    let spec = writer.spec(key)?;
    let is_text = match spec {
        Some(spec) => spec.element.class() != Class::Binary && !writer.is_container(key),
        // A number that nothing is known of cannot be written at all, and the writer says so.
        None => writer.unknown_is_text() || (writer.is_numbered() && key.parse::<u16>().is_ok()),
    };
    match value {
        Some(Value::String(text)) if is_text => {
            writer.text(key, text)?;
        }
        Some(Value::String(text)) => {
            let bytes = unhex(text).ok_or_else(|| shape(path, "hexadecimal"))?;
            if writer.is_container(key) {
                writer.whole(key, &bytes)?;
            } else {
                writer.bytes(key, &bytes)?;
            }
        }
        Some(Value::Object(object)) => {
            let bytes = object.get("hex").and_then(Value::as_str).and_then(unhex);
            writer.raw(key, &bytes.ok_or_else(|| shape(path, "{\"hex\": …}"))?)?;
        }
        _ => return Err(shape(path, "a string")),
    }
    Ok(())
}
