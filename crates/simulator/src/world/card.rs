//! Check digits of card numbers.

/// The digit that makes `digits` followed by it a valid card number (ISO/IEC 7812-1 annex B).
pub fn luhn_digit(digits: &str) -> char {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0')) % 10;
            if place.is_multiple_of(2) { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// Whether the last digit is the check digit of those before it.
pub fn luhn_is_valid(digits: &str) -> bool {
    match (digits.char_indices().next_back(), digits.bytes().all(|b| b.is_ascii_digit())) {
        (Some((at, last)), true) if at > 0 => luhn_digit(&digits[..at]) == last,
        _ => false,
    }
}

/// Whether a run of 13 to 19 digits inside `digits` would pass for a card number.
pub(super) fn could_be_taken_for_a_card(digits: &str) -> bool {
    (13..=19).any(|len| {
        (0..digits.len().saturating_sub(len - 1))
            .any(|at| digits.get(at..at + len).is_some_and(luhn_is_valid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_numbers_are_valid() {
        for number in ["6212345678901232", "4111111111111111", "5555555555554444"] {
            assert!(luhn_is_valid(number), "{number}");
        }
        assert!(!luhn_is_valid("4111111111111112"));
        assert!(could_be_taken_for_a_card("004111111111111111"));
        assert!(!could_be_taken_for_a_card("41111111"));
    }
}
