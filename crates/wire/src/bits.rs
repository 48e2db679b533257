//! Checking eight bytes at a time.
//!
//! A message has some eighty digits; a byte loop over them costs more than finding the elements.

const LOW: u64 = 0x0101_0101_0101_0101;

/// Whether a byte of `value` is not a digit whose zero is `zero` (`0x30` ASCII, `0xF0` EBCDIC).
#[inline]
pub(crate) fn not_digits(value: &[u8], zero: u8) -> bool {
    let high = LOW * u64::from(zero & 0xF0);
    let bad = |word: u64| {
        let zoned = (word & (LOW * 0xF0)) ^ high;
        // Six added to a nibble above nine carries into the zone, which was proved equal to `zero` first.
        zoned | (((word & (LOW * 0x0F)) + LOW * 6) & (LOW * 0xF0))
    };
    any(value, zero, bad)
}

/// Whether a nibble of `value` is above nine.
#[inline]
pub(crate) fn has_above_nine(value: &[u8]) -> bool {
    let bad = |word: u64| (word >> 3) & ((word >> 2) | (word >> 1)) & (LOW * 0x11);
    any(value, 0, bad)
}

/// Whether `bad` finds something in any eight bytes of `value`; the last group is filled with `fill`.
#[inline]
fn any(value: &[u8], fill: u8, bad: impl Fn(u64) -> u64) -> bool {
    if let Some(tail) = value.last_chunk::<8>() {
        let mut found = bad(u64::from_le_bytes(*tail));
        let (words, _) = value.as_chunks::<8>();
        for word in words {
            found |= bad(u64::from_le_bytes(*word));
        }
        return found != 0;
    }
    if let (Some(head), Some(tail)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let [head, tail] = [head, tail].map(|half| u64::from(u32::from_le_bytes(*half)));
        return bad(head | tail << 32) != 0;
    }
    let mut word = LOW * u64::from(fill);
    for &byte in value {
        word = word << 8 | u64::from(byte);
    }
    bad(word) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_byte_is_found_at_every_place() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    for zero in [0x30, 0xF0] {
                        let mut value = vec![zero + 7; length];
                        value[place] = byte;
                        let is_digit = (zero..=zero + 9).contains(&byte);
                        assert_eq!(not_digits(&value, zero), !is_digit, "{length} {place} {byte:#x}");
                    }
                    let mut value = vec![0x97; length];
                    value[place] = byte;
                    let is_bcd = byte >> 4 <= 9 && byte & 0xF <= 9;
                    assert_eq!(has_above_nine(&value), !is_bcd, "{length} {place} {byte:#x}");
                }
            }
        }
    }
}
