//! DE 55: bytes where the dialect has bytes, hexadecimal digits where it has characters only.

use switchyard_domain::CHIP_BYTES_MAX;
use switchyard_wire::{BuildError, Builder, Class, De, Message, Tlv, Tlvs};

/// What of a chip's data is kept for an issuer that hears of the transaction later, with the most bytes that EMV and PBOC
/// give each: the cryptogram, what it is made over, and how terminal and chip came to it. What is not named here is never
/// written down, and so neither is the content of a track (56, 57, 9F1F, 9F20, 9F6B), the number of the card (5A) nor its
/// holder's name (5F20, 9F0B).
const KEPT: [(u32, usize); 32] = [
    (0x9F26, 8),
    (0x9F27, 1),
    (0x9F10, 32),
    (0x9F37, 4),
    (0x9F36, 2),
    (0x95, 5),
    (0x9A, 3),
    (0x9C, 1),
    (0x9F02, 6),
    (0x5F2A, 2),
    (0x82, 2),
    (0x9F1A, 2),
    (0x9F03, 6),
    (0x9F33, 3),
    (0x9F34, 3),
    (0x9F35, 1),
    (0x9F1E, 8),
    (0x84, 16),
    (0x9F09, 2),
    (0x9F41, 4),
    (0x8A, 2),
    (0x9B, 2),
    (0x5F34, 1),
    (0x9F21, 3),
    (0x9F39, 1),
    (0x9F53, 1),
    (0x9F5D, 6),
    (0x9F63, 16),
    (0x9F66, 4),
    (0x9F6C, 2),
    (0x9F74, 6),
    (0x9F06, 16),
];

/// What of a terminal's DE 55 may be recorded: objects of [`KEPT`], the most telling first, each once. Where all of them
/// are more than a link takes, the last are left out. Bytes behind what can be read are no object.
pub(crate) fn recordable(data: &[u8]) -> Vec<u8> {
    let is_plain = |object: &Tlv<'_>| object.depth == 0 && !object.is_constructed;
    let objects: Vec<Tlv<'_>> = Tlvs::new(data).map_while(Result::ok).filter(is_plain).collect();
    let mut out = Vec::with_capacity(data.len().min(CHIP_BYTES_MAX));
    for (tag, len_max) in KEPT {
        let found = objects.iter().find(|object| object.tag == tag && object.value.len() <= len_max);
        let Some(Tlv { value, .. }) = found else { continue };
        let tag = tag.to_be_bytes();
        let tag = &tag[tag.iter().take_while(|byte| **byte == 0).count()..];
        if out.len() + tag.len() + 1 + value.len() <= CHIP_BYTES_MAX {
            out.extend_from_slice(tag);
            out.push(value.len() as u8);
            out.extend_from_slice(value);
        }
    }
    out
}

/// Writes bytes into an element of either kind.
pub(super) fn write(builder: &mut Builder<'_, '_>, de: De, bytes: &[u8]) -> Result<(), BuildError> {
    if builder.dialect().element(de).is_some_and(|element| element.class() == Class::Binary) {
        return builder.bytes(de, bytes).map(|_| ());
    }
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble & 0xF)]);
    let digits: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
    builder.text(de, &digits).map(|_| ())
}

/// The bytes of DE 55; nothing when it is absent or cannot be read.
pub(super) fn read(message: &Message<'_, '_>) -> Option<Vec<u8>> {
    if let Some(bytes) = message.bytes(55) {
        return Some(bytes.to_vec());
    }
    let text = message.text(55)?;
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    pairs.map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(tag: u32, value: &[u8]) -> Vec<u8> {
        let tag: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        [&tag[..], &[value.len() as u8], value].concat()
    }

    #[test]
    fn tracks_numbers_and_names_are_never_kept() {
        let track = [0x62, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x32, 0xD3, 0x01, 0x22, 0x01];
        let forbidden =
            [0x56, 0x57, 0x5A, 0x99, 0x5F20, 0x5F24, 0x5F30, 0x9F0B, 0x9F1F, 0x9F20, 0x9F6B, 0x9F7C];
        let cryptogram = object(0x9F26, &[7; 8]);
        let mut data = Vec::new();
        for tag in forbidden {
            data.extend(object(tag, &track));
        }
        data.extend(&cryptogram);
        // Nor inside a template, nor in an object that is longer than it may be.
        data.extend(object(0x70, &object(0x57, &track)));
        data.extend(object(0x95, &track));
        assert_eq!(recordable(&data), cryptogram);
        assert!(forbidden.iter().all(|tag| KEPT.iter().all(|(kept, _)| kept != tag)));
    }

    #[test]
    fn what_is_kept_fits_a_link_and_the_cryptogram_goes_first() {
        let all: Vec<u8> = KEPT.iter().rev().flat_map(|(tag, len)| object(*tag, &vec![9; *len])).collect();
        let kept = recordable(&all);
        assert!(kept.len() <= CHIP_BYTES_MAX && kept.starts_with(&object(0x9F26, &[9; 8])));
        assert_eq!(recordable(&kept), kept, "what was kept is kept whole");
        let found: Vec<u32> = Tlvs::new(&kept).map(|object| object.unwrap().tag).collect();
        assert!(KEPT[..20].iter().all(|(tag, _)| found.contains(tag)), "{found:x?}");
    }

    #[test]
    fn bytes_that_are_no_objects_are_left_out() {
        let good = object(0x9F36, &[0, 7]);
        for bad in [&[0x9F][..], &[0x9F, 0x26], &[0x9F, 0x26, 8, 1], &[0x9F, 0x26, 0x84, 1, 1, 1, 1]] {
            assert_eq!(recordable(&[&good[..], bad].concat()), good);
            assert!(recordable(bad).is_empty());
        }
        let twice = [object(0x9F36, &[0, 7]), object(0x9F36, &[0, 8])].concat();
        assert_eq!(recordable(&twice), good);
    }
}
