//! Values as text, masked or not: what JSON, describe and diff have in common.

use crate::composite::{Parts, mask_whole};
use crate::dialect::{Class, Sensitivity};
use crate::mask::mask_as;
use crate::{De, Element, Masking, Message, Subfield, Subvalue, TlvError};

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rendered {
    /// Characters or digits.
    Text(String),
    /// Upper-case hexadecimal of a binary element.
    Hex(String),
    /// Hexadecimal of text that its character set cannot express.
    RawText(String),
}

impl Rendered {
    pub(crate) fn into_string(self) -> String {
        match self {
            Self::Text(text) | Self::Hex(text) | Self::RawText(text) => text,
        }
    }
}

/// Chip data tags that hold a card number, a track, its discretionary part, or a PIN.
const TAG_PAN: u32 = 0x5A;
const TAG_TRACKS: [u32; 3] = [0x57, 0x56, 0x9F6B];
const TAG_SECRETS: [u32; 3] = [0x9F1F, 0x9F20, 0x99];

/// The whole value of an element.
pub(crate) fn element(message: &Message<'_, '_>, de: De, masking: Masking) -> Option<Rendered> {
    let element = message.dialect().element(de)?;
    if element.class() == Class::Binary {
        let text = hex(&message.bytes_owned(de)?);
        let text = match (masking, element.sensitivity(), element.inside()) {
            (Masking::Unmasked, _, _) => text,
            (Masking::Masked, Sensitivity::Open, Some(_)) => mask_composite(message, element)?,
            (Masking::Masked, sensitivity, _) => mask_as(sensitivity, text, false),
        };
        return Some(Rendered::Hex(text));
    }
    let text = message.text(de)?;
    if masking == Masking::Masked && element.inside().is_some() {
        return mask_composite(message, element).map(Rendered::Text);
    }
    if masking == Masking::Masked {
        let text = mask_subfields(message, de, &text).unwrap_or_else(|| text.into_owned());
        let is_free = element.class() == Class::Text && message.is_variable(de);
        return Some(Rendered::Text(mask_as(element.sensitivity(), text, is_free)));
    }
    let is_text = matches!(element.class(), Class::Track | Class::Alpha | Class::AlphaNumeric | Class::Text)
        && element.encoding() != crate::Encoding::Bcd;
    let raw = message.raw(de)?;
    if is_text {
        let mut again = Vec::with_capacity(raw.len());
        if element.charset.encode(&text, &mut again).is_err() || again != raw {
            return Some(Rendered::RawText(hex(raw)));
        }
    }
    Some(Rendered::Text(text.into_owned()))
}

/// A subfield's value.
pub(crate) fn subfield(spec: &Subfield, value: &Subvalue<'_>, masking: Masking) -> String {
    let text = value.to_plain_string();
    match masking {
        Masking::Unmasked => text,
        Masking::Masked => mask_as(spec.sensitivity, text, matches!(value, Subvalue::Text(_))),
    }
}

/// Upper-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// What may be shown of a chip data tag.
pub(crate) fn tag_sensitivity(tag: u32) -> Sensitivity {
    match tag {
        TAG_PAN => Sensitivity::Pan,
        _ if TAG_TRACKS.contains(&tag) => Sensitivity::Track,
        _ if TAG_SECRETS.contains(&tag) => Sensitivity::Secret,
        _ => Sensitivity::Open,
    }
}

fn mask_composite(message: &Message<'_, '_>, element: &Element) -> Option<String> {
    let inside = element.inside()?;
    let raw = message.raw(element.de())?;
    Some(mask_whole(element, raw, Parts::of(element, inside, raw, 0)))
}

/// The value with its sensitive subfields masked, for elements of digits; nothing when there are none.
fn mask_subfields(message: &Message<'_, '_>, de: De, text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut any = false;
    for (spec, value) in message.subfields(de) {
        let Subvalue::Digits(_) = value else { return None };
        any |= spec.sensitivity != Sensitivity::Open;
        out.push_str(&subfield(spec, &value, Masking::Masked));
    }
    // Digits beyond the last subfield have no meaning that could clear them.
    let rest = text.len().saturating_sub(out.len());
    out.push_str(&"*".repeat(rest));
    any.then_some(out)
}

impl TlvError {
    /// Offset in the element's value where the objects can no longer be followed.
    pub fn offset(&self) -> usize {
        match self {
            Self::Truncated { offset, .. }
            | Self::BadTag { offset }
            | Self::BadLength { offset, .. }
            | Self::TooDeep { offset, .. }
            | Self::TooMany { offset, .. } => *offset,
        }
    }
}
