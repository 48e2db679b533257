//! Messages as JSON and back.
//!
//! `{"mti": "0200", "header": {"tpdu": "6000030000", "header": "603100310100"}, "fields": {"2": "…"},
//! "subfields": {"60.1": "22", "55.9F26": "…"}}`: characters as text, digits as digits without filler, bytes
//! as upper-case hexadecimal; parts of composites by their paths (`127.25.2`), with `#2` for a tag that occurs
//! again, and in `errors` where the inside of one cannot be followed. Text that its character set cannot express is `{"hex": "…"}`. What is unmasked
//! can be encoded again, byte for byte but for the value of filler nibbles.

use serde_json::{Map, Value};

use crate::dialect::{Class, Composition};
use crate::envelope::{Base1Header, CupsHeader};
use crate::pans::Pans;
use crate::render::{self, Rendered};
use crate::{BuildError, Builder, De, Dialect, Element, Envelope, Masking, Message, Mti, composite};

/// JSON that is not a message of the dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A value does not fit its element.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A member is missing or has another shape.
    #[error("{path}: expected {expected}")]
    Shape {
        /// The member.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
}

/// The message as JSON, without a header.
pub fn to_json(message: &Message<'_, '_>, masking: Masking) -> Value {
    to_json_with(message, &Envelope::default(), masking)
}

/// The message as JSON, with its envelope as `header` when there is one.
pub fn to_json_with(message: &Message<'_, '_>, envelope: &Envelope, masking: Masking) -> Value {
    let mut root = Map::new();
    root.insert("mti".into(), message.mti().to_string().into());
    if !envelope.is_empty() {
        root.insert("header".into(), envelope_to_json(envelope));
    }
    let (mut fields, mut subfields, mut errors) = (Map::new(), Map::new(), Map::new());
    for de in message.elements() {
        let Some(rendered) = render::element(message, de, masking) else { continue };
        let value = match rendered {
            Rendered::Text(text) | Rendered::Hex(text) => Value::String(text),
            Rendered::RawText(hex) => Value::Object(Map::from_iter([("hex".to_owned(), hex.into())])),
        };
        fields.insert(de.to_string(), value);
        add_subfields(message, de, masking, &mut subfields);
        if let Some(error) = composite::subfields(message, de, masking, &mut subfields) {
            errors.insert(de.to_string(), error.to_string().into());
        }
    }
    root.insert("fields".into(), fields.into());
    if !subfields.is_empty() {
        root.insert("subfields".into(), subfields.into());
    }
    let pans = Pans::of(message, masking);
    root.values_mut().for_each(|value| hide(&pans, value));
    if !errors.is_empty() {
        root.insert("errors".into(), errors.into());
    }
    root.into()
}

/// Masks what is known to be a card number in every text of a value.
fn hide(pans: &Pans, value: &mut Value) {
    match value {
        Value::String(text) => *text = pans.hide(std::mem::take(text)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(pans, member)),
        Value::Array(values) => values.iter_mut().for_each(|value| hide(pans, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn envelope_to_json(envelope: &Envelope) -> Value {
    let mut header = Map::new();
    for (name, part) in envelope.parts() {
        header.insert(name.into(), render::hex(part).into());
    }
    header.into()
}

fn add_subfields(message: &Message<'_, '_>, de: De, masking: Masking, out: &mut Map<String, Value>) {
    for (index, (spec, value)) in message.subfields(de).enumerate() {
        out.insert(format!("{de}.{}", index + 1), render::subfield(spec, &value, masking).into());
    }
}

/// Builds the body of a message from JSON as [`to_json`] makes it.
///
/// An element that is missing in `fields` is put together from its `subfields`; where both are there, `fields`
/// counts. A number is accepted for a numeric element and zero-padded.
///
/// # Errors
/// [`JsonError::Shape`] names the member; [`JsonError::Build`] the element. Masked values do not build.
pub fn from_json(dialect: &Dialect, value: &Value) -> Result<Vec<u8>, JsonError> {
    let mti = value.get("mti").and_then(Value::as_str).and_then(|text| text.parse::<Mti>().ok());
    let mti = mti.ok_or_else(|| shape("mti", "four digits"))?;
    let empty = Map::new();
    let member = |name: &str| match value.get(name) {
        None => Ok(&empty),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(shape(name, "an object")),
    };
    let (fields, subfields) = (member("fields")?, member("subfields")?);
    let mut present = [None; crate::SLOTS];
    for (key, value) in fields {
        present[usize::from(element_number(key)?)] = Some(value);
    }
    let mut composed: Vec<De> = Vec::new();
    for key in subfields.keys() {
        let (de, _) = key.split_once('.').ok_or_else(|| shape(key, "a path as in 60.1 or 55.9F26"))?;
        let de = element_number(de)?;
        if present[usize::from(de)].is_none() && !composed.contains(&de) {
            composed.push(de);
        }
    }
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, mti);
    for de in 2..=crate::DE_MAX {
        if let Some(value) = present[usize::from(de)] {
            put(&mut builder, dialect, de, value)?;
        } else if composed.contains(&de) {
            compose(&mut builder, dialect, de, subfields)?;
        }
    }
    builder.finish()?;
    Ok(out)
}

/// The envelope in `header`; empty when there is none.
///
/// # Errors
/// [`JsonError::Shape`] names the member.
pub fn envelope_from_json(value: &Value) -> Result<Envelope, JsonError> {
    let header = value.get("header");
    let part = |name: &str| match header.and_then(|header| header.get(name)) {
        None => Ok(None),
        Some(Value::String(text)) => {
            unhex(text).map(Some).ok_or_else(|| shape(format!("header.{name}"), "hexadecimal"))
        }
        Some(_) => Err(shape(format!("header.{name}"), "a string")),
    };
    Ok(Envelope {
        tpdu: sized("header.tpdu", part("tpdu")?)?,
        lri: sized("header.lri", part("lri")?)?,
        header: sized("header.header", part("header")?)?,
        version: sized("header.version", part("version")?)?,
        cups: sized("header.cups", part("cups")?)?.map(CupsHeader),
        base1: sized("header.base1", part("base1")?)?.map(Base1Header),
    })
}

fn sized<const N: usize>(path: &str, bytes: Option<Vec<u8>>) -> Result<Option<[u8; N]>, JsonError> {
    bytes.map(|bytes| bytes.try_into().map_err(|_| shape(path, "another number of bytes"))).transpose()
}

fn element_number(key: &str) -> Result<De, JsonError> {
    let de = key.parse::<De>().ok().filter(|de| (2..=crate::DE_MAX).contains(de));
    de.ok_or_else(|| shape(format!("fields.{key}"), "an element number"))
}

fn put(builder: &mut Builder<'_, '_>, dialect: &Dialect, de: De, value: &Value) -> Result<(), JsonError> {
    let path = || format!("fields.{de}");
    let element = dialect.element(de).ok_or(BuildError::UnknownElement { de })?;
    match value {
        Value::String(text) if element.class() == Class::Binary => {
            let bytes = unhex(text).ok_or_else(|| shape(path(), "hexadecimal"))?;
            builder.bytes(de, &bytes)?;
        }
        Value::String(text) => {
            builder.text(de, text)?;
        }
        Value::Number(number) => {
            let number = number.as_u64().ok_or_else(|| shape(path(), "a whole number"))?;
            builder.number(de, number)?;
        }
        Value::Object(object) => {
            let bytes = object.get("hex").and_then(Value::as_str).and_then(unhex);
            builder.bytes(de, &bytes.ok_or_else(|| shape(path(), "{\"hex\": …}"))?)?;
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => return Err(shape(path(), "a string")),
    }
    Ok(())
}

/// Puts an element together from its subfields.
fn compose(
    builder: &mut Builder<'_, '_>,
    dialect: &Dialect,
    de: De,
    subfields: &Map<String, Value>,
) -> Result<(), JsonError> {
    let element = dialect.element(de).ok_or(BuildError::UnknownElement { de })?;
    if element.inside().is_some() {
        return composite::compose(builder, element, subfields);
    }
    let prefix = format!("{de}.");
    let mut parts = Vec::new();
    for (key, value) in subfields {
        let Some(inner) = key.strip_prefix(&prefix) else { continue };
        let text = value.as_str().ok_or_else(|| shape(key, "a string"))?;
        parts.push((key, inner, text));
    }
    match element.composition() {
        Composition::Positional(_) => {
            let mut numbered = Vec::new();
            for (key, inner, text) in parts {
                let number = inner.parse::<usize>().map_err(|_| shape(key, "a subfield number"))?;
                numbered.push((number, text));
            }
            numbered.sort_unstable_by_key(|(number, _)| *number);
            for (index, (number, _)) in numbered.iter().enumerate() {
                if *number != index + 1 {
                    return Err(shape(format!("{de}.{}", index + 1), "every subfield before the last"));
                }
            }
            let text: String = numbered.into_iter().map(|(_, text)| text).collect();
            put_composed(builder, element, &text)?;
        }
        Composition::Primitive | Composition::BerTlv | Composition::Composite(_) => {
            return Err(shape(prefix + "*", "an element with subfields"));
        }
    }
    Ok(())
}

fn put_composed(builder: &mut Builder<'_, '_>, element: &Element, text: &str) -> Result<(), JsonError> {
    let de = element.de();
    if element.class() == Class::Binary {
        let bytes = unhex(text).ok_or_else(|| shape(format!("{de}.*"), "hexadecimal"))?;
        builder.bytes(de, &bytes)?;
    } else {
        builder.text(de, text)?;
    }
    Ok(())
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let nibble = |byte| crate::parse::hex_nibble(crate::Encoding::Hex, byte);
    pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect()
}

pub(crate) fn shape(path: impl Into<String>, expected: &'static str) -> JsonError {
    JsonError::Shape { path: path.into(), expected }
}
