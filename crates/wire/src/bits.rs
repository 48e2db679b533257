//! Checking eight and sixteen bytes at a time.
//!
//! A message has some eighty digits; a byte loop over them costs more than finding the elements.

/// One in every byte.
pub(crate) const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW * 0x80;

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

/// Whether a byte of `value` is a control character or above `7E`.
#[inline]
pub(crate) fn not_printable(value: &[u8]) -> bool {
    // A byte below 20 borrows and so marks itself before it can mislead the byte above; 7F and FF overflow.
    let bad = |word: u64| (word | word.wrapping_sub(LOW * 0x20) | word.wrapping_add(LOW)) & HIGH;
    any(value, b' ', bad)
}

/// Whether a byte of `value` is not an ASCII hexadecimal digit of either case.
#[inline]
pub(crate) fn not_hex(value: &[u8]) -> bool {
    any(value, b'0', not_hex_word)
}

/// A bit for every byte that is not a hexadecimal digit, wherever the bytes below 80 are.
#[inline]
const fn not_hex_word(word: u64) -> u64 {
    let seven = word & !HIGH;
    // Bit 7 of each byte says "at least": no sum reaches the next byte, for both are below 80.
    let digit = (seven + LOW * (0x80 - 0x30)) & !(seven + LOW * (0x80 - 0x3A));
    let lower = seven | (LOW * 0x20);
    let letter = (lower + LOW * (0x80 - 0x61)) & !(lower + LOW * (0x80 - 0x67));
    // Only what had bit 6 can be a letter: bit 5 was set by us.
    let letter = letter & (word << 1);
    (word | !(digit | letter)) & HIGH
}

/// Sixteen hexadecimal digits as a number, or nothing when one is not.
#[inline]
pub(crate) fn from_hex(digits: &[u8; 16]) -> Option<u64> {
    let (halves, _) = digits.as_chunks::<8>();
    let (high, low) = (u64::from_be_bytes(halves[0]), u64::from_be_bytes(halves[1]));
    if not_hex_word(high) | not_hex_word(low) != 0 {
        return None;
    }
    Some(nibbles(high) << 32 | nibbles(low))
}

/// The values of eight hexadecimal digits, the first highest, side by side. Of a separator it is D.
#[inline(always)]
pub(crate) const fn nibbles(word: u64) -> u64 {
    let values = (word & (LOW * 0x0F)) + ((word >> 6) & LOW) * 9;
    let bytes = (values | values >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (pairs | pairs >> 16) & 0xFFFF_FFFF
}

/// A number as sixteen upper-case hexadecimal digits in ASCII.
#[inline]
pub(crate) fn to_hex(word: u64) -> [u8; 16] {
    let half = |half: u64| {
        let pairs = (half | half << 16) & 0x0000_FFFF_0000_FFFF;
        let bytes = (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF;
        let values = (bytes | bytes << 4) & (LOW * 0x0F);
        let letters = ((values + LOW * 6) >> 4) & LOW;
        (values + LOW * 0x30 + letters * 7).to_be_bytes()
    };
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&half(word >> 32));
    digits[8..].copy_from_slice(&half(word & 0xFFFF_FFFF));
    digits
}

/// The first number of nine digits.
pub(crate) const EIGHT: u64 = 100_000_000;

/// A number of up to eight digits in ASCII, the first digit lowest: halved into fours, into pairs, into digits, each by a multiplication with the inverse.
#[inline(always)]
pub(crate) const fn eight_digits(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000F_000F_000F_000F;
    let digits = tens | (pairs - tens * 10) << 8;
    digits | (LOW * 0x30)
}

/// A range of ASCII characters, for eight at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range8 {
    low: u64,
    /// What makes every byte above the highest reach 80.
    over: u64,
}

impl Range8 {
    pub(crate) const fn of(low: u8, high: u8) -> Self {
        assert!(low <= high && high < 0x80);
        Self { low: LOW * low as u64, over: LOW * (0x7F - high) as u64 }
    }

    /// A bit for every byte outside. Neither sum nor difference reaches the next byte unless there is one.
    #[inline(always)]
    pub(crate) const fn bad(&self, word: u64) -> u64 {
        (word | word.wrapping_add(self.over) | !(word | HIGH).wrapping_sub(self.low)) & HIGH
    }

    /// Whether a byte of eight or more is outside.
    #[inline]
    pub(crate) fn is_left_by(&self, value: &[u8]) -> bool {
        let (words, _) = value.as_chunks::<8>();
        let tail = value.last_chunk::<8>().map_or(0, |word| self.bad(u64::from_le_bytes(*word)));
        words.iter().fold(tail, |bad, word| bad | self.bad(u64::from_le_bytes(*word))) != 0
    }
}

/// What one byte may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteRule {
    pub(crate) low: u8,
    pub(crate) range: u8,
    /// The most that its lower nibble may be.
    pub(crate) nibble: u8,
    /// Whether it may also be a letter of a hexadecimal number.
    pub(crate) letters: bool,
}

impl ByteRule {
    /// Anything goes.
    pub(crate) const ANY: Self = Self::range(0, 0xFF);

    pub(crate) const fn range(low: u8, high: u8) -> Self {
        Self { low, range: high - low, nibble: 0x0F, letters: false }
    }

    pub(crate) const fn is_any(self) -> bool {
        self.range == 0xFF && self.nibble == 0x0F
    }
}

/// What sixteen bytes in a row may be, each by itself.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(crate) struct Block {
    pub(crate) low: [u8; 16],
    range: [u8; 16],
    nibble: [u8; 16],
    /// `FF` where a letter of a hexadecimal number does not make it right.
    no_letter: [u8; 16],
}

impl Block {
    /// Anything goes.
    pub(crate) const ANY: Self =
        Self { low: [0; 16], range: [0xFF; 16], nibble: [0x0F; 16], no_letter: [0xFF; 16] };

    /// Gives the byte at `place` its rule.
    pub(crate) fn set(&mut self, place: usize, rule: ByteRule) {
        (self.low[place], self.range[place], self.nibble[place]) = (rule.low, rule.range, rule.nibble);
        self.no_letter[place] = if rule.letters { 0 } else { 0xFF };
    }

    pub(crate) fn has_nibbles(&self) -> bool {
        self.nibble != [0x0F; 16]
    }

    pub(crate) fn has_letters(&self) -> bool {
        self.no_letter != [0xFF; 16]
    }

    /// Adds to `bad` something other than zero for every byte that is outside its range; where `NIBBLES`, for
    /// every lower nibble above its maximum; where `LETTERS`, not for the letters of a hexadecimal number.
    #[inline(always)]
    pub(crate) fn check<const NIBBLES: bool, const LETTERS: bool>(
        &self,
        bytes: &[u8; 16],
        bad: &mut [u8; 16],
    ) {
        for index in 0..16 {
            let byte = bytes[index];
            // A subtraction that stops at zero is what the vector unit has.
            let mut over = byte.wrapping_sub(self.low[index]).saturating_sub(self.range[index]);
            if LETTERS {
                // Without bit 5 both cases are one, and no digit is left.
                let letter = (byte & 0xDF).wrapping_sub(b'A').saturating_sub(5);
                over = over.min(letter | self.no_letter[index]);
            }
            bad[index] |= over;
            if NIBBLES {
                bad[index] |= (byte & 0x0F).saturating_sub(self.nibble[index]);
            }
        }
    }
}

/// Adds to `bad` something other than zero for every byte that is not between `low` and `low + range`.
#[inline(always)]
pub(crate) fn between(bytes: &[u8; 16], low: u8, ranges: &[u8; 16], bad: &mut [u8; 16]) {
    for index in 0..16 {
        bad[index] |= bytes[index].wrapping_sub(low).saturating_sub(ranges[index]);
    }
}

/// Four bytes, and four more so many bits above them. (`map` on an array would be a call.)
#[inline(always)]
pub(crate) const fn two_halves(head: &[u8; 4], tail: &[u8; 4], apart: usize) -> u64 {
    u32::from_le_bytes(*head) as u64 | (u32::from_le_bytes(*tail) as u64) << apart
}

/// Whether `bad` finds something in any eight bytes of `value`; the last group is filled with `fill`.
#[inline(always)]
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
        return bad(two_halves(head, tail, 32)) != 0;
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
                    value.fill(b'~');
                    value[place] = byte;
                    assert_eq!(not_printable(&value), !(0x20..0x7F).contains(&byte), "{length} {byte:#x}");
                    value.fill(b'f');
                    value[place] = byte;
                    assert_eq!(not_hex(&value), !byte.is_ascii_hexdigit(), "{length} {place} {byte:#x}");
                }
            }
        }
    }

    #[test]
    fn numbers_become_digits() {
        let mut number = 1u64;
        for _ in 0..10_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for number in [number % EIGHT, number % 1_000_000, number % 100] {
                let text = format!("{number:08}");
                let digits = eight_digits(number);
                assert_eq!(digits.to_le_bytes(), *text.as_bytes());
                assert_eq!(format!("{:08x}", nibbles(digits.swap_bytes())), text);
            }
        }
        for pair in 0..10_000u64 {
            assert_eq!(eight_digits(pair * 10_000).to_le_bytes(), *format!("{pair:04}0000").as_bytes());
        }
    }

    #[test]
    fn a_range_knows_every_byte_at_every_place() {
        for (low, high) in [(b'0', b'9'), (b'0', b'='), (b' ', b'~'), (0, 0x7F)] {
            let range = Range8::of(low, high);
            for place in 0..11 {
                for byte in 0..=255u8 {
                    let mut value = [high; 11];
                    value[place] = byte;
                    assert_eq!(range.is_left_by(&value), !(low..=high).contains(&byte), "{place} {byte:#x}");
                }
            }
        }
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        for word in [0, u64::MAX, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210] {
            let digits = to_hex(word);
            assert_eq!(digits, *format!("{word:016X}").as_bytes());
            assert_eq!(from_hex(&digits), Some(word));
            assert_eq!(from_hex(&digits.map(|digit| digit.to_ascii_lowercase())), Some(word));
        }
        assert_eq!(from_hex(b"0123456789ABCDEG"), None);
        assert_eq!(from_hex(b"\xB00123456789ABCDE"), None);
    }

    #[test]
    fn a_block_has_a_rule_for_each_byte() {
        let mut block = Block::ANY;
        block.set(3, ByteRule::range(b'0', b'9'));
        block.set(9, ByteRule { nibble: 9, ..ByteRule::range(0, 0x99) });
        block.set(12, ByteRule { letters: true, ..ByteRule::range(b'0', b'9') });
        for byte in 0..=255u8 {
            let passes = |place: usize| {
                let mut bytes = [b'5'; 16];
                bytes[place] = byte;
                let mut bad = [0; 16];
                block.check::<true, true>(&bytes, &mut bad);
                bad == [0; 16]
            };
            assert!(passes(0));
            assert_eq!(passes(3), byte.is_ascii_digit());
            assert_eq!(passes(9), byte >> 4 <= 9 && byte & 0xF <= 9);
            assert_eq!(passes(12), byte.is_ascii_hexdigit());
        }
    }
}
