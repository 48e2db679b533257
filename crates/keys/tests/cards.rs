//! Sealing, hashing and masking of card numbers.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use switchyard_keys::KeyError;
use switchyard_keys::card::{CardVault, SEALED_PAN_BYTES, SealedPan, masked};

const PAN: &[u8] = b"6225881234567890";

fn vault() -> CardVault {
    CardVault::new(1, &[1; 32], &[2; 32]).unwrap()
}

#[test]
fn a_sealed_card_moved_to_another_record_does_not_open() {
    let vault = vault();
    let (first, second) =
        (vault.seal(PAN, None, 7).unwrap(), vault.seal(b"4111111111111111", None, 8).unwrap());
    assert_eq!(vault.open(1, &first, 7).unwrap().expose_pan(), PAN);
    assert_eq!(vault.open(1, &second, 7).unwrap_err(), KeyError::Authentication);
    assert_eq!(vault.open(1, &first, 8).unwrap_err(), KeyError::Authentication);
}

#[test]
fn every_flipped_bit_is_rejected() {
    let vault = vault();
    let sealed = vault.seal(PAN, Some(b"3012"), 7).unwrap();
    for bit in 0..8 * SEALED_PAN_BYTES {
        let mut bytes = *sealed.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(vault.open(1, &SealedPan::from_bytes(bytes), 7).unwrap_err(), KeyError::Authentication);
    }
}

#[test]
fn retired_keys_open_and_do_not_seal() {
    let old = CardVault::new(1, &[1; 32], &[2; 32]).unwrap();
    let sealed = old.seal(PAN, None, 7).unwrap();
    let new = CardVault::new(2, &[3; 32], &[2; 32]).unwrap();
    assert_eq!(new.open(1, &sealed, 7).unwrap_err(), KeyError::UnknownKey(1));
    let new = new.with_retired(1, &[1; 32]).unwrap();
    assert_eq!(new.open(1, &sealed, 7).unwrap().expose_pan(), PAN);
    assert_eq!(new.key_id(), 2);
    let sealed = new.seal(PAN, None, 7).unwrap();
    assert_eq!(old.open(2, &sealed, 7).unwrap_err(), KeyError::UnknownKey(2));
    assert!(new.with_retired(2, &[1; 32]).is_err());
}

#[test]
fn the_number_of_the_key_is_under_the_tag() {
    let sealed = vault().seal(PAN, None, 7).unwrap();
    let renumbered = CardVault::new(9, &[1; 32], &[2; 32]).unwrap();
    assert_eq!(renumbered.open(9, &sealed, 7).unwrap_err(), KeyError::Authentication);
}

#[test]
fn the_hash_joins_a_card_and_needs_its_key() {
    let other_data_key = CardVault::new(2, &[9; 32], &[2; 32]).unwrap();
    let other_hash_key = CardVault::new(1, &[1; 32], &[3; 32]).unwrap();
    let hash = vault().hash(PAN).unwrap();
    assert_eq!(hash, other_data_key.hash(PAN).unwrap());
    assert_ne!(hash, other_hash_key.hash(PAN).unwrap());
    assert_ne!(hash, vault().hash(b"6225881234567891").unwrap());
    // The function itself is held to published answers elsewhere.
    let known = switchyard_keys::mac::hmac::hmac_sha256(&[2; 32], PAN);
    assert_eq!(hash.as_bytes()[..], known[..16]);
}

#[test]
fn keys_must_differ_and_be_long_enough() {
    assert!(matches!(CardVault::new(1, &[1; 16], &[2; 32]), Err(KeyError::Length { .. })));
    assert!(matches!(CardVault::new(1, &[1; 32], &[2; 31]), Err(KeyError::Length { .. })));
    assert!(matches!(CardVault::new(1, &[1; 32], &[1; 32]), Err(KeyError::Input(_))));
}

#[test]
fn no_output_shows_the_number() {
    let vault = vault();
    let sealed = vault.seal(PAN, Some(b"3012"), 7).unwrap();
    let shown = format!(
        "{vault:?} {sealed:?} {:?} {:?}",
        vault.hash(PAN).unwrap(),
        vault.open(1, &sealed, 7).unwrap()
    );
    assert!(!shown.contains("622588") && !shown.contains("7890"));
    assert_eq!(masked(PAN).unwrap().to_string(), "622588******7890");
    assert_eq!(format!("{:?}", masked(PAN).unwrap()), "622588******7890");
}

proptest! {
    #[test]
    fn what_was_sealed_opens(pan in "[0-9]{13,19}", expiry in prop::option::of("[0-9]{4}"), id in any::<u128>()) {
        let vault = vault();
        let expiry: Option<[u8; 4]> = expiry.map(|text| text.as_bytes().try_into().unwrap());
        let sealed = vault.seal(pan.as_bytes(), expiry.as_ref(), id).unwrap();
        let card = vault.open(1, &sealed, id).unwrap();
        prop_assert_eq!(card.expose_pan(), pan.as_bytes());
        prop_assert_eq!(card.expose_expiry(), expiry.as_ref());
        let mask = masked(pan.as_bytes()).unwrap();
        prop_assert_eq!(mask.as_bytes().len(), pan.len());
        prop_assert_eq!(mask.as_bytes().iter().filter(|b| b.is_ascii_digit()).count(), 10);
    }

    #[test]
    fn what_is_no_card_number_is_refused(pan in "[0-9]{0,12}|[0-9]{20,30}|[0-9]{12}[^0-9]") {
        let vault = vault();
        prop_assert_eq!(vault.seal(pan.as_bytes(), None, 1).unwrap_err(), KeyError::Pan);
        prop_assert_eq!(vault.hash(pan.as_bytes()).unwrap_err(), KeyError::Pan);
        prop_assert_eq!(masked(pan.as_bytes()).unwrap_err(), KeyError::Pan);
    }
}

#[test]
fn a_rotated_vault_opens_both_and_a_shredded_key_opens_nothing() {
    let first = CardVault::new(1, &[1; 32], &[9; 32]).unwrap();
    let old = first.seal(PAN, None, 7).unwrap();
    let second = first.rotated(2, &[2; 32]).unwrap();
    let new = second.seal(PAN, None, 8).unwrap();
    assert_eq!(second.open(1, &old, 7).unwrap().expose_pan(), PAN);
    assert_eq!(second.open(2, &new, 8).unwrap().expose_pan(), PAN);
    assert!(first.rotated(1, &[3; 32]).is_err(), "a number is given once");
    let left = second.without(&[1]).unwrap();
    assert_eq!(left.open(1, &old, 7).unwrap_err(), KeyError::Shredded(1));
    assert_eq!(left.open(2, &new, 8).unwrap().expose_pan(), PAN);
    assert_eq!(left.hash(PAN).unwrap(), first.hash(PAN).unwrap(), "records are still joined by the hash");
    assert!(left.without(&[2]).is_err(), "the key in use stays");
    assert_eq!(left.with_shredded(5).open(5, &old, 7).unwrap_err(), KeyError::Shredded(5));
}
