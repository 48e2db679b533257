//! What a PIN block may become, and that every fault looks the same.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use switchyard_keys::pin::{
    Pin, PinError, PinFormat, decode, decode_iso4, encode, encode_iso0, encode_iso4, pvv, translate,
    translate_from_iso4, translate_iso4, translate_to_iso4, verify_pvv,
};
use switchyard_keys::{AesCipher, DesKey, TdesCipher};

const FORMATS: [PinFormat; 5] =
    [PinFormat::Iso0, PinFormat::Iso0NoPan, PinFormat::Iso1, PinFormat::Iso2, PinFormat::Iso3];
const PAN: &[u8] = b"6225881234567890";

fn cipher() -> TdesCipher {
    TdesCipher::new(&DesKey::generate(16).unwrap())
}

#[test]
fn only_the_allowed_pairs_of_formats_translate() {
    use PinFormat::{Iso0, Iso0NoPan, Iso1, Iso3};
    let allowed = [
        (Iso0, Iso0),
        (Iso0, Iso3),
        (Iso3, Iso0),
        (Iso3, Iso3),
        (Iso1, Iso0),
        (Iso1, Iso3),
        (Iso0NoPan, Iso0),
        (Iso0NoPan, Iso3),
        (Iso0NoPan, Iso0NoPan),
    ];
    let (source, target) = (cipher(), cipher());
    let pin = Pin::new(b"123456").unwrap();
    for from in FORMATS {
        for to in FORMATS {
            let block = source.encrypt_block(encode(from, &pin, PAN).unwrap());
            let answer = translate(&source, &target, &block, from, to, PAN);
            if allowed.contains(&(from, to)) {
                let clear = target.decrypt_block(answer.unwrap());
                assert!(decode(to, &clear, PAN).unwrap().matches(&pin), "{from:?} to {to:?}");
            } else {
                assert!(matches!(answer, Err(PinError::Forbidden { .. })), "{from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn format_4_takes_part_in_the_matrix() {
    let (tdes, aes) = (cipher(), AesCipher::new(&[7; 16]).unwrap());
    let other = AesCipher::new(&[9; 32]).unwrap();
    let pin = Pin::new(b"987654321012").unwrap();
    for from in FORMATS {
        let block = tdes.encrypt_block(encode(from, &pin, PAN).unwrap());
        let answer = translate_to_iso4(&tdes, &aes, &block, from, PAN);
        if from == PinFormat::Iso2 {
            assert!(matches!(answer, Err(PinError::Forbidden { .. })));
            continue;
        }
        let moved = translate_iso4(&aes, &other, &answer.unwrap(), PAN).unwrap();
        for to in FORMATS {
            let back = translate_from_iso4(&other, &tdes, &moved, to, PAN);
            match to {
                PinFormat::Iso0 | PinFormat::Iso3 => {
                    let clear = tdes.decrypt_block(back.unwrap());
                    assert!(decode(to, &clear, PAN).unwrap().matches(&pin));
                }
                _ => assert!(matches!(back, Err(PinError::Forbidden { .. }))),
            }
        }
    }
}

#[test]
fn another_card_or_key_does_not_open_a_block() {
    let pin = Pin::new(b"1234").unwrap();
    let (right, wrong) = (cipher(), cipher());
    let block = right.encrypt_block(encode_iso0(&pin, PAN).unwrap());
    // Another card may still give digits; what it never gives is this PIN.
    if let Ok(read) = decode(PinFormat::Iso0, &right.decrypt_block(block), b"6225889999999990") {
        assert!(!read.matches(&pin));
    }
    if let Ok(read) = decode(PinFormat::Iso0, &wrong.decrypt_block(block), PAN) {
        assert!(!read.matches(&pin));
    }
}

#[test]
fn every_single_fault_of_a_block_is_the_same_error() {
    let pin = Pin::new(b"12345").unwrap();
    let clear = encode(PinFormat::Iso0NoPan, &pin, PAN).unwrap();
    for place in 0..16 {
        for nibble in 0..16_u8 {
            let mut block = clear;
            let shift = 4 * (1 - place % 2);
            block[place / 2] = block[place / 2] & !(0xF << shift) | nibble << shift;
            match decode(PinFormat::Iso0NoPan, &block, PAN) {
                Ok(read) => assert!(read.matches(&pin) || (2..7).contains(&place)),
                Err(error) => assert_eq!(error, PinError::Block),
            }
        }
    }
}

#[test]
fn pins_and_cards_out_of_range_are_refused() {
    for text in ["", "123", "1234567890123", "12a4", "１２３４"] {
        assert_eq!(Pin::new(text.as_bytes()).unwrap_err(), PinError::Digits);
    }
    let pin = Pin::new(b"1234").unwrap();
    for pan in ["", "123456789012", "12345678901234567890", "62258812345678X0"] {
        assert_eq!(encode_iso0(&pin, pan.as_bytes()).unwrap_err(), PinError::Pan);
    }
}

#[test]
fn a_pin_verifies_against_its_own_reference_only() {
    let pvk = cipher();
    let pin = Pin::new(b"1234").unwrap();
    let reference = pvv(&pvk, PAN, 1, &pin).unwrap();
    assert!(verify_pvv(&pvk, PAN, 1, &pin, &reference).unwrap());
    let mut wrong = reference;
    wrong[3] = b'0' + (wrong[3] - b'0' + 1) % 10;
    assert!(!verify_pvv(&pvk, PAN, 1, &pin, &wrong).unwrap());
    assert!(!verify_pvv(&pvk, PAN, 1, &pin, &reference[..3]).unwrap());
    assert!(pvv(&pvk, PAN, 10, &pin).is_err());
}

#[test]
fn debug_output_tells_nothing() {
    let pin = Pin::new(b"987654").unwrap();
    let key = DesKey::from_slice(&[0x5A; 16]).unwrap();
    let shown = format!("{pin:?} {key:?} {:?}", TdesCipher::new(&key));
    assert!(
        !shown.contains("987654") && !shown.contains("5a") && !shown.contains("5A") && !shown.contains("90")
    );
}

proptest! {
    #[test]
    fn a_pin_survives_translation(
        digits in "[0-9]{4,12}",
        pan in "[0-9]{13,19}",
        from in 0_usize..5,
        to_iso3 in any::<bool>(),
    ) {
        let from = FORMATS[from];
        prop_assume!(from != PinFormat::Iso2);
        let to = if to_iso3 { PinFormat::Iso3 } else { PinFormat::Iso0 };
        let pin = Pin::new(digits.as_bytes()).unwrap();
        let (source, target) = (cipher(), cipher());
        let block = source.encrypt_block(encode(from, &pin, pan.as_bytes()).unwrap());
        let moved = translate(&source, &target, &block, from, to, pan.as_bytes()).unwrap();
        let read = decode(to, &target.decrypt_block(moved), pan.as_bytes()).unwrap();
        prop_assert!(read.matches(&pin));
        prop_assert_eq!(read.expose_digits().len(), digits.len());
    }

    #[test]
    fn format_4_round_trips(digits in "[0-9]{4,12}", pan in "[0-9]{12,19}", key in any::<[u8; 32]>()) {
        let pin = Pin::new(digits.as_bytes()).unwrap();
        let key = AesCipher::new(&key).unwrap();
        let block = encode_iso4(&key, &pin, pan.as_bytes()).unwrap();
        prop_assert!(decode_iso4(&key, &block, pan.as_bytes()).unwrap().matches(&pin));
    }

    #[test]
    fn garbage_is_one_error(block in any::<[u8; 8]>(), format in 0_usize..5) {
        match decode(FORMATS[format], &block, PAN) {
            Ok(pin) => prop_assert!((4..=12).contains(&pin.expose_digits().len())),
            Err(error) => prop_assert_eq!(error, PinError::Block),
        }
    }
}
