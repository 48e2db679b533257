//! Values as text, masked or not: what JSON, describe and diff have in common.

use crate::dialect::{Class, Composition, Sensitivity};
use crate::mask::{mask_filled_pan, mask_pan, mask_text, mask_track};
use crate::{De, Masking, Message, Subfield, Subvalue, Tlv, TlvError};

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
        let text = match (masking, element.sensitivity(), element.composition()) {
            (Masking::Unmasked, _, _) => text,
            (Masking::Masked, Sensitivity::Open, Composition::BerTlv) => mask_tlv_hex(message, de, text),
            (Masking::Masked, sensitivity, _) => mask_as(sensitivity, text),
        };
        return Some(Rendered::Hex(text));
    }
    let text = message.text(de)?;
    if masking == Masking::Masked {
        let text = mask_subfields(message, de, &text).unwrap_or_else(|| text.into_owned());
        return Some(Rendered::Text(match element.sensitivity() {
            Sensitivity::Open if element.class() == Class::Text && message.is_variable(de) => {
                mask_text(&text)
            }
            sensitivity => mask_as(sensitivity, text),
        }));
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
    let text = match value {
        Subvalue::Digits(digits) => digits.as_str().to_owned(),
        Subvalue::Text(text) => text.to_string(),
        Subvalue::Bytes(bytes) => hex(bytes),
    };
    match (masking, value) {
        (Masking::Unmasked, _) => text,
        (Masking::Masked, Subvalue::Text(_)) if spec.sensitivity == Sensitivity::Open => mask_text(&text),
        (Masking::Masked, _) => mask_as(spec.sensitivity, text),
    }
}

/// The value of a BER-TLV object.
pub(crate) fn tag(tlv: &Tlv<'_>, masking: Masking) -> String {
    let text = hex(tlv.value);
    if masking == Masking::Unmasked {
        return text;
    }
    // What is inside is shown, and masked, by itself.
    if tlv.is_constructed {
        return "*".repeat(text.len());
    }
    mask_tag(tlv.tag, text)
}

/// Upper-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn mask_as(sensitivity: Sensitivity, text: String) -> String {
    match sensitivity {
        Sensitivity::Open => text,
        Sensitivity::Pan => mask_filled_pan(&text),
        Sensitivity::Track => mask_track(&text),
        Sensitivity::Secret => "*".repeat(text.chars().count()),
    }
}

fn mask_tag(tag: u32, text: String) -> String {
    match tag {
        TAG_PAN => {
            let pan = text.trim_end_matches('F');
            format!("{}{}", mask_pan(pan), &text[pan.len()..])
        }
        _ if TAG_TRACKS.contains(&tag) => mask_track(&text),
        _ if TAG_SECRETS.contains(&tag) => "*".repeat(text.len()),
        _ => text,
    }
}

/// Masks the sensitive tags inside the hexadecimal of an element, and everything from where the objects can
/// no longer be followed.
fn mask_tlv_hex(message: &Message<'_, '_>, de: De, mut text: String) -> String {
    let Some(raw) = message.raw(de) else { return text };
    for object in message.tlv(de) {
        match object {
            Ok(tlv) if !tlv.is_constructed => {
                let at = (tlv.value.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize) * 2;
                let range = at..at + tlv.value.len() * 2;
                if let Some(value) = text.get(range.clone()) {
                    let masked = mask_tag(tlv.tag, value.to_owned());
                    text.replace_range(range, &masked);
                }
            }
            Ok(_) => {}
            Err(error) => {
                let at = (error.offset() * 2).min(text.len());
                let stars = "*".repeat(text.len() - at);
                text.replace_range(at.., &stars);
            }
        }
    }
    text
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
