//! DE 55: bytes where the dialect has bytes, hexadecimal digits where it has characters only.

use switchyard_wire::{BuildError, Builder, Class, De, Message};

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
