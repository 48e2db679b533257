//! jPOS `GenericPackager` files.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::jpos_class::{Class, TAKES_THE_REST, TagClass, ValueClass};
use super::jpos_inside::inside;
use super::{Draft, ElementDraft, ImportError, Inside, LENGTH_MAX, Size, Warning, digits_class};
use crate::{DE_MAX, De};

/// Packagers inside packagers, this deep.
const DEPTH_MAX: usize = 8;

/// The dialect of a `GenericPackager` XML file, as TOML.
///
/// Classes become elements and packagers inside them composites: by position, by bitmap, by tags, BER-TLV, datasets.
/// What jPOS does in another way, and what it would refuse to load itself, is a warning. The document type is not
/// fetched.
///
/// # Errors
/// [`ImportError::Unknown`] names every class, packager, attribute and tag that is not known or cannot be
/// expressed; [`ImportError::Entity`] when the file declares or uses an entity.
pub fn jpos_xml(text: &str) -> Result<(String, Vec<Warning>), ImportError> {
    let root = read(text)?;
    if root.tag != "isopackager" {
        return Err(ImportError::Shape { place: root.tag, expected: "isopackager" });
    }
    let mut draft = Draft {
        name: "imported".into(),
        title: "imported from a jPOS packager".into(),
        mti: "ascii",
        bitmap: "raw",
        bitmaps_min: 1,
        bitmaps_max: 2,
        ..Draft::default()
    };
    head(&root, &mut draft);
    let last = root.number("maxValidField").unwrap_or(usize::from(DE_MAX));
    for field in &root.children {
        match field.number("id") {
            _ if !matches!(&*field.tag, "isofield" | "isofieldpackager" | "isofieldvalidator") => {
                draft.unknown.push(format!("tag {}", field.tag));
            }
            None => return Err(ImportError::Shape { place: field.tag.clone(), expected: "an id" }),
            Some(0) => mti(field, &mut draft),
            Some(1) => bitmap(field, &mut draft),
            Some(id) => element(field, id, last, &mut draft),
        }
    }
    draft.finish()
}

/// One tag of the file.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) tag: String,
    attributes: HashMap<String, String>,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn word(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", |value| value.trim())
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.word(name).parse().ok()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// The fields inside.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter(|child| matches!(&*child.tag, "isofield" | "isofieldpackager"))
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.word(name) == "true"
    }

    /// The class without its package.
    pub(super) fn class(&self, name: &str) -> &str {
        let class = self.word(name);
        class.rsplit('.').next().unwrap_or(class)
    }
}

fn read(text: &str) -> Result<Node, ImportError> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        let event = reader.read_event();
        let offset = reader.buffer_position();
        let wrong = |what: String| ImportError::Xml { offset, what };
        match event.map_err(|error| wrong(error.to_string()))? {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return Err(wrong(format!("nested deeper than {DEPTH_MAX}")));
                }
                open.push(node(&start, offset)?);
            }
            Event::Empty(start) => {
                let child = node(&start, offset)?;
                open.last_mut().expect("the outermost is never closed").children.push(child);
            }
            Event::End(_) => {
                let child = open.pop().unwrap_or_default();
                let parent = open.last_mut().ok_or_else(|| wrong("an end without a start".into()))?;
                parent.children.push(child);
            }
            Event::DocType(declaration) => {
                let declaration = String::from(&*declaration);
                if let Some(at) = declaration.find("<!ENTITY") {
                    return Err(ImportError::Entity { name: declaration[at..].chars().take(40).collect() });
                }
            }
            Event::GeneralRef(reference) => {
                return Err(ImportError::Entity { name: String::from(&*reference) });
            }
            Event::Eof => break,
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    let mut outermost = open.into_iter().next().unwrap_or_default();
    let shape = || ImportError::Shape { place: "file".into(), expected: "isopackager, closed" };
    if outermost.children.len() == 1 { outermost.children.pop().ok_or_else(shape) } else { Err(shape()) }
}

fn node(start: &BytesStart<'_>, offset: u64) -> Result<Node, ImportError> {
    let mut node = Node { tag: start.name().as_ref().to_owned(), ..Node::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| ImportError::Xml { offset, what: error.to_string() })?;
        let key = attribute.key.as_ref().to_owned();
        let raw = &attribute.value;
        // The five entities of XML itself; others are refused, not expanded.
        let value = quick_xml::escape::unescape(raw)
            .map_err(|_| ImportError::Entity { name: raw.chars().take(40).collect() })?;
        node.attributes.insert(key, value.into_owned());
    }
    Ok(node)
}

fn head(root: &Node, draft: &mut Draft) {
    for (key, value) in &root.attributes {
        match key.as_str() {
            "maxValidField" | "firstField" | "emitBitmap" | "bitmapField" => {}
            "headerLength" if value.trim() == "0" => {}
            "headerLength" => {
                draft.warn("header", format!("{value} bytes before the message: choose an envelope"))
            }
            "thirdBitmapField" => match value.trim().parse::<De>().ok() {
                Some(third) => draft.third = Some(third),
                None if value.trim().starts_with('-') => {}
                None => draft.unknown.push(format!("thirdBitmapField {value} of isopackager")),
            },
            _ => draft.unknown.push(format!("attribute {key} of isopackager")),
        }
    }
    if root.word("emitBitmap") == "false" {
        draft.warn("bitmap", "the packager has none: a dialect always has one");
    }
}

fn mti(field: &Node, draft: &mut Draft) {
    match field.class("class") {
        "IFA_NUMERIC" | "IF_CHAR" => draft.mti = "ascii",
        "IFB_NUMERIC" => draft.mti = "bcd",
        "IFE_NUMERIC" | "IFE_CHAR" | "IF_ECHAR" => draft.mti = "ebcdic",
        _ => draft.unknown.push(format!("field 0: class {}", field.word("class"))),
    }
}

fn bitmap(field: &Node, draft: &mut Draft) {
    match field.class("class") {
        "IFA_BITMAP" => draft.bitmap = "hex",
        "IFB_BITMAP" => draft.bitmap = "raw",
        "IFE_BITMAP" => draft.bitmap = "ebcdic-hex",
        _ => draft.unknown.push(format!("field 1: class {}", field.word("class"))),
    }
    draft.bitmaps_max = field.number("length").unwrap_or(16).div_ceil(8).clamp(1, 3);
}

fn element(field: &Node, id: usize, last: usize, draft: &mut Draft) {
    let place = format!("field {id}");
    if id > last {
        // Named all the same when it is not known.
        let _ = value(field, &place, 0, draft);
        return;
    }
    let de = De::try_from(id).ok().filter(|de| *de <= DE_MAX);
    let Some(element) = value(field, &place, de.unwrap_or_default(), draft) else { return };
    match de {
        Some(de) => drop(draft.elements.insert(de, element)),
        None => draft.warn(place, "is above the last element a dialect has: left out"),
    }
}

/// A field with what is inside it; nothing when it takes no bytes or is not known.
pub(super) fn value(field: &Node, place: &str, de: De, draft: &mut Draft) -> Option<ElementDraft> {
    check_attributes(field, place, draft);
    let length = field.number("length").unwrap_or_default();
    let element = match Class::of(field.class("class")) {
        Some(Class::Nothing) => None,
        Some(Class::Value(class)) => Some(plain(field, class, length, de)),
        Some(Class::Tagged(class)) if de == 0 => Some(tagged(field, class, length)),
        Some(Class::Counted) => Some(counted(field, length)),
        Some(Class::Rest(class, encoding)) if de == 0 => Some(rest(field, class, encoding, length)),
        Some(Class::Rest(..)) => {
            draft.unknown.push(format!("{place}: class {} ({TAKES_THE_REST})", field.word("class")));
            None
        }
        Some(Class::Inexpressible(why)) => {
            draft.unknown.push(format!("{place}: class {} ({why})", field.word("class")));
            None
        }
        Some(Class::Tagged(_) | Class::Bitmap(..)) => {
            draft.unknown.push(format!("{place}: class {} outside its packager", field.word("class")));
            None
        }
        None => {
            draft.unknown.push(format!("{place}: class {}", field.word("class")));
            None
        }
    };
    let Some(mut element) = element else {
        // What is inside may be unknown too, and is named with it.
        if field.tag == "isofieldpackager" && Class::of(field.class("class")) != Some(Class::Nothing) {
            let mut lost = ElementDraft { class: "b", length: 1, encoding: "raw", ..ElementDraft::default() };
            inside(field, place, &mut lost, draft);
        }
        return None;
    };
    if let Some(Class::Value(ValueClass { warning: Some(warning), .. })) = Class::of(field.class("class")) {
        draft.warn(place, warning);
    }
    if element.length == 0 {
        draft.warn(place, "has no length: left out");
        return None;
    }
    draft.fit(place, &mut element);
    inside(field, place, &mut element, draft);
    Some(element)
}

fn plain(field: &Node, class: ValueClass, length: usize, de: De) -> ElementDraft {
    let size = class.prefix.map_or(Size::Fixed, |(encoding, places)| Size::Prefix(encoding, places));
    let is_inclusive = field.is_set("inclusive") && class.counts.is_none() && class.prefix.is_some();
    let is_number = class.class == "n";
    let mut element = ElementDraft {
        name: field.word("name").to_lowercase(),
        class: if is_number { digits_class(de) } else { class.class },
        length: if class.is_halved { length.div_ceil(2) } else { length },
        encoding: class.encoding,
        size,
        counts: if is_inclusive { Some("inclusive") } else { class.counts },
        pad: (class.encoding == "bcd").then(|| if field.is_set("pad") { "left" } else { "right" }),
        fill: class.fill.map(str::to_owned),
        charset: (class.encoding == "ebcdic").then_some("cp1047"),
        ..ElementDraft::default()
    };
    // A track that is fixed is a number to the class table and none to us.
    if is_number && element.size == Size::Fixed {
        element.class = "n";
    }
    element
}

fn tagged(field: &Node, class: TagClass, length: usize) -> ElementDraft {
    ElementDraft {
        name: field.word("name").to_lowercase(),
        class: class.class,
        length,
        encoding: class.encoding,
        size: Size::Given,
        charset: (class.encoding == "ebcdic").then_some("cp1047"),
        ..ElementDraft::default()
    }
}

/// The last part of a composite, without a length.
fn rest(field: &Node, class: &'static str, encoding: &'static str, length: usize) -> ElementDraft {
    ElementDraft {
        name: field.word("name").to_lowercase(),
        class,
        length: length.min(LENGTH_MAX),
        encoding,
        size: Size::Rest,
        ..ElementDraft::default()
    }
}

/// A count of bytes, the bytes, and filler up to the maximum.
fn counted(field: &Node, length: usize) -> ElementDraft {
    let part = |size| ElementDraft {
        class: "b",
        length: length.clamp(1, 255),
        encoding: "raw",
        size,
        ..ElementDraft::default()
    };
    let value = ElementDraft { name: "value".into(), ..part(Size::Prefix("binary", 1)) };
    let filler = ElementDraft { name: "filler".into(), ..part(Size::Rest) };
    let parts = vec![("1".to_owned(), value), ("2".to_owned(), filler)];
    ElementDraft {
        name: field.word("name").to_lowercase(),
        class: "b",
        length: length.saturating_add(1).min(LENGTH_MAX),
        encoding: "raw",
        inside: Some(Box::new(Inside { parts, ..Inside::of("inside = \"positional\"") })),
        ..ElementDraft::default()
    }
}

fn check_attributes(field: &Node, place: &str, draft: &mut Draft) {
    const KNOWN: [&str; 23] = [
        "id",
        "length",
        "name",
        "class",
        "pad",
        "trim",
        "token",
        "params",
        "encoding",
        "inclusive",
        "packager",
        "emitBitmap",
        "bitmapField",
        "maxValidField",
        "firstField",
        "headerLength",
        "tagMapper",
        "tagSize",
        "lenSize",
        "swapTagAndLen",
        "minlen",
        "maxlen",
        "break-on-error",
    ];
    let mut unknown: Vec<&String> =
        field.attributes.keys().filter(|key| !KNOWN.contains(&key.as_str())).collect();
    unknown.sort_unstable();
    draft.unknown.extend(unknown.into_iter().map(|key| format!("{place}: attribute {key}")));
    for child in &field.children {
        match &*child.tag {
            "isofield" | "isofieldpackager" => {}
            "isofieldvalidator" | "isovalidator" | "property" => {
                draft.warn(place, format!("{} is not imported", child.tag));
            }
            tag => draft.unknown.push(format!("{place}: tag {tag}")),
        }
    }
}
