//! Upper-case hexadecimal, as HSMs write it.

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `bytes` in hexadecimal.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0F)]]);
    }
}

/// The bytes of a text of hexadecimal digits.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// As [`decode`], for exactly `N` bytes.
pub(crate) fn array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).map(|value| value as u8)
}
