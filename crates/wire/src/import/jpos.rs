//! jPOS `GenericPackager` files.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Draft, ElementDraft, ImportError, Warning, digits_class};
use crate::{DE_MAX, De};

/// Packagers inside packagers, this deep.
const DEPTH_MAX: usize = 8;

/// The dialect of a `GenericPackager` XML file, as TOML.
///
/// Fixed, variable, binary, amount and bitmap classes become elements; `GenericSubFieldPackager` of fixed fields
/// becomes subfields and the binary BER-TLV packager chip data. The inside of other packagers is left out with a
/// warning, and the element is read whole. The document type is not fetched.
///
/// # Errors
/// [`ImportError::Unknown`] names every class, attribute and tag that is not known; [`ImportError::Entity`] when
/// the file declares or uses an entity.
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
struct Node {
    tag: String,
    attributes: HashMap<String, String>,
    children: Vec<Node>,
}

impl Node {
    fn word(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", |value| value.trim())
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.word(name).parse().ok()
    }

    fn is_set(&self, name: &str) -> bool {
        self.word(name) == "true"
    }

    /// The class without its package.
    fn class(&self, name: &str) -> &str {
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
            "thirdBitmapField" => {
                draft.warn("bitmap", format!("a third bitmap in field {value} is not imported"));
            }
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
        "IFE_NUMERIC" | "IFE_CHAR" => draft.mti = "ebcdic",
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
    for key in field.attributes.keys() {
        let known = [
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
        if !known.contains(&key.as_str()) {
            draft.unknown.push(format!("{place}: attribute {key}"));
        }
    }
    let Some(class) = Class::of(field.class("class")) else {
        draft.unknown.push(format!("{place}: class {}", field.word("class")));
        return;
    };
    let Class::Value { class, encoding, prefix, fill } = class else { return };
    if id > last {
        return;
    }
    let Ok(de) = De::try_from(id).map_err(drop).and_then(|de| if de <= DE_MAX { Ok(de) } else { Err(()) })
    else {
        draft.warn(place, "is above the last element a dialect has: left out");
        return;
    };
    let mut element = ElementDraft {
        name: field.word("name").to_lowercase(),
        class: if class == "n" { digits_class(de) } else { class },
        length: field.number("length").unwrap_or_default(),
        encoding,
        prefix,
        counts: field.is_set("inclusive").then_some("inclusive").filter(|_| prefix.is_some()),
        pad: (encoding == "bcd").then(|| if field.is_set("pad") { "left" } else { "right" }),
        fill,
        charset: (encoding == "ebcdic").then_some("cp1047"),
        ..ElementDraft::default()
    };
    // A track that is fixed is a number to the class table and none to us.
    if element.prefix.is_none() && element.class == "z" {
        element.class = "n";
    }
    if element.length == 0 {
        draft.warn(place, "has no length: left out");
        return;
    }
    draft.fit(&place, &mut element);
    inside(field, &place, &mut element, draft);
    draft.elements.insert(de, element);
}

/// What a packager inside the field says, as far as a dialect can.
fn inside(field: &Node, place: &str, element: &mut ElementDraft, draft: &mut Draft) {
    check_inside(field, place, draft);
    if field.tag != "isofieldpackager" {
        return;
    }
    match field.class("packager") {
        "BERTLVBinaryPackager" if element.class == "b" => element.is_ber = true,
        "GenericSubFieldPackager" => {
            let mut subfields = Vec::new();
            for child in &field.children {
                let class = Class::of(child.class("class"));
                let (Some(Class::Value { class, prefix: None, encoding, .. }), Some(length)) =
                    (class, child.number("length"))
                else {
                    draft.warn(place, "has subfields of variable length: read whole");
                    return;
                };
                if encoding != element.encoding {
                    draft.warn(place, "has subfields in another encoding: read whole");
                    return;
                }
                subfields.push((format!("{class}{length}"), child.word("name").to_lowercase()));
            }
            element.subfields = subfields;
        }
        packager => draft.warn(place, format!("the inside by {packager} is not imported: read whole")),
    }
}

/// Names every class inside that is not known.
fn check_inside(field: &Node, place: &str, draft: &mut Draft) {
    for child in &field.children {
        let place = format!("{place}.{}", child.word("id"));
        match &*child.tag {
            "isofield" | "isofieldpackager" => {
                let class = child.class("class");
                if Class::of(class).is_none() && !is_bitmap(class) && !is_tagged(class) {
                    draft.unknown.push(format!("{place}: class {}", child.word("class")));
                }
                check_inside(child, &place, draft);
            }
            "isofieldvalidator" | "isovalidator" | "property" => {
                draft.warn(place, format!("{} is not imported", child.tag));
            }
            tag => draft.unknown.push(format!("{place}: tag {tag}")),
        }
    }
}

fn is_bitmap(class: &str) -> bool {
    matches!(class, "IFA_BITMAP" | "IFB_BITMAP" | "IFE_BITMAP")
}

/// Classes that carry a tag of their own and so only mean something inside a tagged packager.
fn is_tagged(class: &str) -> bool {
    ["IFA_T", "IFEP_", "IFEPE_", "IFMC_", "IFEMC_", "IFIPM_", "IFELPE_"]
        .iter()
        .any(|start| class.starts_with(start))
}

/// What a field packager's class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Takes no bytes.
    Nothing,
    Value {
        class: &'static str,
        encoding: &'static str,
        prefix: Option<(&'static str, usize)>,
        fill: Option<&'static str>,
    },
}

impl Class {
    /// Nothing when the class is not known.
    fn of(name: &str) -> Option<Self> {
        let fixed = |class, encoding| Some(Self::Value { class, encoding, prefix: None, fill: None });
        match name {
            "IF_NOP" | "IF_UNUSED" => return Some(Self::Nothing),
            "IF_CHAR" | "IFA_CHAR" => return fixed("ans", "ascii"),
            "IFE_CHAR" | "IF_ECHAR" => return fixed("ans", "ebcdic"),
            "IFA_NUMERIC" => return fixed("n", "ascii"),
            "IFE_NUMERIC" => return fixed("n", "ebcdic"),
            "IFB_NUMERIC" => return fixed("n", "bcd"),
            "IFB_FNUMERIC" => {
                return Some(Self::Value { class: "n", encoding: "bcd", prefix: None, fill: Some("F") });
            }
            "IFA_AMOUNT" => return fixed("x+n", "ascii"),
            "IFE_AMOUNT" => return fixed("x+n", "ebcdic"),
            "IFB_AMOUNT" => return fixed("x+n", "bcd"),
            "IFA_BINARY" => return fixed("b", "hex"),
            "IFB_BINARY" => return fixed("b", "raw"),
            "IFE_BINARY" => return fixed("b", "ebcdic-hex"),
            _ => {}
        }
        Self::variable(name)
    }

    /// `IFB_LLHCHAR`: alphabet of the prefix, its places, `H` when it is binary, kind of the value.
    fn variable(name: &str) -> Option<Self> {
        let (alphabet, rest) = name.split_once('_')?;
        let (fill, rest) = match rest.strip_prefix('F') {
            // Of the F classes only those of digits fill with a nibble; the others pad text.
            Some(inner) if alphabet == "IFB" && inner.ends_with("NUM") => (Some("F"), inner),
            Some(_) => return None,
            None => (None, rest),
        };
        let places = rest.bytes().take_while(|byte| *byte == b'L').count();
        if !(1..=6).contains(&places) {
            return None;
        }
        let (is_binary, kind) = match rest[places..].strip_prefix('H') {
            Some(kind) if alphabet == "IFB" && !kind.starts_with("EX") => (true, kind),
            Some(_) => return None,
            None => (false, &rest[places..]),
        };
        // The value's alphabet is the prefix's unless the name has two.
        let (prefix, text, digits) = match alphabet {
            "IFA" => ("ascii", "ascii", "ascii"),
            "IFE" => ("ebcdic", "ebcdic", "ebcdic"),
            "IFB" if is_binary => ("binary", "ascii", "bcd"),
            "IFB" => ("bcd", "ascii", "bcd"),
            "IFEA" => ("ebcdic", "ascii", "ascii"),
            "IFAE" => ("ascii", "ebcdic", "ebcdic"),
            _ => return None,
        };
        let (class, encoding) = match (kind, alphabet) {
            ("CHAR", _) => ("ans", text),
            ("ECHAR", "IFB") => ("ans", "ebcdic"),
            ("NUM", _) => ("n", digits),
            ("BNUM", "IFA") => ("n", "bcd"),
            ("BINARY", _) => ("b", "raw"),
            _ => return None,
        };
        // LL in binary is one byte, LLL two.
        let places = if is_binary { places.checked_sub(1)?.max(1) } else { places };
        Some(Self::Value { class, encoding, prefix: Some((prefix, places)), fill })
    }
}
