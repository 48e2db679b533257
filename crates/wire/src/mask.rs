//! What of a message may be shown.

use crate::Sensitivity;

/// Whether card numbers, tracks, PIN blocks and verification values are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masking {
    /// First six and last four digits of a card number; nothing of tracks after it, PIN blocks and CVVs.
    #[default]
    Masked,
    /// Everything: needed to encode a message again. Never log it.
    Unmasked,
}

/// Shortest and longest card number.
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
const HEAD: usize = 6;
const TAIL: usize = 4;

/// First six and last four digits; less when that would show nearly all.
pub(crate) fn mask_pan(pan: &str) -> String {
    let count = pan.chars().count();
    let shown = if count < *PAN_DIGITS.start() { 0 } else { HEAD };
    let tail = if count < *PAN_DIGITS.start() { 0 } else { TAIL };
    let mask = |(index, c)| if index < shown || index >= count - tail { c } else { '*' };
    pan.chars().enumerate().map(mask).collect()
}

/// A card number that fills a longer field: with zeros on the left, or with F on the right as packed chip data do.
fn mask_filled_pan(field: &str) -> String {
    let pan = field.trim_end_matches('F');
    let digits = pan.trim_start_matches('0');
    let zeros = &pan[..pan.len() - digits.len()];
    format!("{zeros}{}{}", mask_pan(digits), &field[pan.len()..])
}

/// A value with what its sensitivity hides; `is_free` when anything may stand in it, a card number too.
pub(crate) fn mask_as(sensitivity: Sensitivity, text: String, is_free: bool) -> String {
    match sensitivity {
        Sensitivity::Open if is_free => mask_text(&text),
        Sensitivity::Open => text,
        Sensitivity::Pan => mask_filled_pan(&text),
        Sensitivity::Track => mask_track(&text),
        Sensitivity::Secret => "*".repeat(text.chars().count()),
    }
}

/// The card number of a track as in [`mask_pan`], the separator, and stars.
///
/// A track whose separator cannot be found (enciphered, or broken) shows its first six digits only.
pub(crate) fn mask_track(track: &str) -> String {
    let from = track.find(|c: char| c.is_ascii_digit()).unwrap_or(track.len());
    let digits = track[from..].bytes().take_while(u8::is_ascii_digit).count();
    let end = from + digits;
    let separator = track[end..].chars().next().filter(|c| matches!(c, '=' | 'D' | '^'));
    let stars = |text: &str| "*".repeat(text.chars().count());
    match separator {
        Some(separator) if PAN_DIGITS.contains(&digits) => {
            let rest = &track[end + separator.len_utf8()..];
            format!("{}{}{separator}{}", stars(&track[..from]), mask_pan(&track[from..end]), stars(rest))
        }
        _ => {
            let shown = from + digits.min(HEAD);
            format!("{}{}{}", stars(&track[..from]), &track[from..shown], stars(&track[shown..]))
        }
    }
}

/// Text in which every run of digits that is a valid card number is masked, and tracks with it.
pub(crate) fn mask_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, run) = rest.split_at(start);
        let digits = run.bytes().take_while(u8::is_ascii_digit).count();
        let (run, after) = run.split_at(digits);
        out.push_str(before);
        if !PAN_DIGITS.contains(&digits) || !is_luhn(run) {
            out.push_str(run);
            rest = after;
            continue;
        }
        out.push_str(&mask_pan(run));
        rest = after;
        // What follows a separator is the rest of a track.
        if after.starts_with(['=', 'D', '^']) {
            let track = after[1..].bytes().take_while(u8::is_ascii_digit).count();
            out.push_str(&after[..1]);
            out.push_str(&"*".repeat(track));
            rest = &after[1 + track..];
        }
    }
    out.push_str(rest);
    out
}

fn is_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, c)| {
            let digit = u32::from(c - b'0');
            match (index & 1, digit) {
                (0, _) => digit,
                (_, 0..=4) => digit * 2,
                (_, _) => digit * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_keep_six_and_four() {
        assert_eq!(mask_pan("4111111111111111"), "411111******1111");
        assert_eq!(mask_pan("411111"), "******");
        assert_eq!(mask_filled_pan("00004111111111111111"), "0000411111******1111");
        assert_eq!(mask_filled_pan("6212345678901234569F"), "621234*********4569F");
    }

    #[test]
    fn tracks_show_their_card_number_only() {
        assert_eq!(mask_track("4111111111111111=2512101123"), "411111******1111=**********");
        assert_eq!(mask_track("B4111111111111111^DOE/J^2512"), "*411111******1111^**********");
        assert_eq!(mask_track("4111111111A2"), "411111******");
        assert_eq!(mask_track("2512=4111111111111111"), "2512*****************");
    }

    #[test]
    fn card_numbers_are_found_in_text() {
        assert_eq!(mask_text("pan 4111111111111111, ok"), "pan 411111******1111, ok");
        assert_eq!(mask_text("4111111111111111=2512 x"), "411111******1111=**** x");
        assert_eq!(mask_text("4111111111111112 1234 好"), "4111111111111112 1234 好");
    }
}
