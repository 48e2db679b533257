//! Card verification values.

/// Fills `out` with ASCII digits: the decimal nibbles of `block` in order, then its letters
/// less ten, as Visa selects digits for a PVV and a CVV.
pub(crate) fn decimalize(block: &[u8; 8], out: &mut [u8]) {
    let nibbles = block.iter().flat_map(|b| [b >> 4, b & 0x0F]);
    let digits = nibbles.clone().filter(|&n| n < 10);
    let letters = nibbles.filter(|&n| n > 9).map(|n| n - 10);
    for (place, digit) in out.iter_mut().zip(digits.chain(letters)) {
        *place = b'0' + digit;
    }
}
