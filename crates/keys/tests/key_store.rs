//! Keys at rest: the LMK, its components, key blocks and usage separation.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage, Lmk, WrappedKey};
use switchyard_keys::tr31::{self, Header, OptionalBlock, Version};
use switchyard_keys::{DesKey, KeyError, Weakness, components, kcv, set_odd_parity};

/// Keys of odd parity.
const KEY: &[u8] = b"12478CEFIJLOQRTW";
const TRIPLE: &[u8] = b"12478CEFIJLOQRTWXabdghkm";

fn tdes() -> KeyAttributes {
    KeyAttributes::new(KeyAlgorithm::Tdes)
}

#[test]
fn a_key_opens_for_its_own_usage_only() {
    let lmk = Lmk::generate().unwrap();
    for usage in KeyUsage::ALL {
        let wrapped = lmk.wrap(KEY, usage, tdes()).unwrap();
        for other in KeyUsage::ALL {
            match lmk.unwrap(&wrapped, other) {
                Ok(key) => assert!(usage == other && key.expose() == KEY),
                Err(error) => {
                    assert_ne!(usage, other);
                    assert_eq!(error, KeyError::Usage { need: other.name(), have: usage.stored_code() });
                }
            }
        }
    }
}

#[test]
fn every_changed_character_of_a_wrapped_key_is_rejected() {
    let lmk = Lmk::generate().unwrap();
    let wrapped = lmk.wrap(KEY, KeyUsage::Tmk, tdes()).unwrap();
    for place in 0..wrapped.as_bytes().len() {
        for bit in 0..8 {
            let mut text = wrapped.as_bytes().to_vec();
            text[place] ^= 1 << bit;
            // Lower-case hex reads the same: only the letter's case changed.
            if text.eq_ignore_ascii_case(wrapped.as_bytes()) && place >= 16 {
                continue;
            }
            assert!(
                lmk.unwrap(&WrappedKey::from_bytes(text), KeyUsage::Tmk).is_err(),
                "place {place} bit {bit}"
            );
        }
    }
}

#[test]
fn another_lmk_opens_nothing() {
    let (lmk, other) = (Lmk::generate().unwrap(), Lmk::generate().unwrap());
    let wrapped = lmk.wrap(KEY, KeyUsage::Tmk, tdes()).unwrap();
    assert_eq!(other.unwrap(&wrapped, KeyUsage::Tmk).unwrap_err(), KeyError::Authentication);
    assert_ne!(lmk.kcv(), other.kcv());
}

#[test]
fn a_wrapped_key_hides_its_length_and_differs_each_time() {
    let lmk = Lmk::generate().unwrap();
    let double = lmk.wrap(KEY, KeyUsage::Tmk, tdes()).unwrap();
    let triple = lmk.wrap(TRIPLE, KeyUsage::Tmk, tdes()).unwrap();
    assert_eq!(double.as_bytes().len(), triple.as_bytes().len());
    assert_ne!(double, lmk.wrap(KEY, KeyUsage::Tmk, tdes()).unwrap());
}

#[test]
fn wrapping_checks_the_key_against_its_algorithm() {
    let lmk = Lmk::generate().unwrap();
    for (algorithm, bytes) in [
        (KeyAlgorithm::Des, 16),
        (KeyAlgorithm::Tdes, 8),
        (KeyAlgorithm::Aes, 8),
        (KeyAlgorithm::Hmac, 8),
        (KeyAlgorithm::Sm4, 24),
    ] {
        let refused = lmk.wrap(&TRIPLE[..bytes], KeyUsage::Mak, KeyAttributes::new(algorithm));
        assert!(matches!(refused, Err(KeyError::Length { .. })));
    }
    let attributes = KeyAttributes { version: 100, ..tdes() };
    assert!(matches!(lmk.wrap(KEY, KeyUsage::Mak, attributes), Err(KeyError::Input(_))));
    assert!(matches!(lmk.wrap(&[1; 16], KeyUsage::Mak, tdes()), Err(KeyError::Weak(_))));
    assert!(matches!(lmk.wrap(&[0x22; 16], KeyUsage::Mak, tdes()), Err(KeyError::Weak(_))));
    let typed_wrong = [b"0", &KEY[1..]].concat();
    for usage in [KeyUsage::Tmk, KeyUsage::Zpk, KeyUsage::Component] {
        let refused = lmk.wrap(&typed_wrong, usage, tdes());
        assert_eq!(refused, Err(KeyError::Weak(Weakness::Parity)), "{usage:?}");
    }
}

#[test]
fn only_an_exportable_key_leaves_and_under_its_public_code() {
    let lmk = Lmk::generate().unwrap();
    let kbpk = [7; 32];
    let kept = lmk.wrap(KEY, KeyUsage::Zpk, tdes()).unwrap();
    assert!(matches!(lmk.export(&kept, KeyUsage::Zpk, &kbpk), Err(KeyError::Input(_))));
    let attributes = KeyAttributes { exportable: true, version: 42, ..tdes() };
    let free = lmk.wrap(KEY, KeyUsage::Zpk, attributes).unwrap();
    let block = lmk.export(&free, KeyUsage::Zpk, &kbpk).unwrap();
    let opened = tr31::unwrap(&kbpk, &block).unwrap();
    assert_eq!(opened.key.expose(), KEY);
    assert_eq!(opened.header.usage.as_bytes(), b"P0");
    assert_eq!(opened.header.key_version, *b"42");
    assert!(matches!(lmk.export(&free, KeyUsage::Tmk, &kbpk), Err(KeyError::Usage { .. })));
    let other = Lmk::generate().unwrap();
    let imported = other.import((KeyAlgorithm::Aes, &kbpk), &block, KeyUsage::Zpk).unwrap();
    assert_eq!(other.unwrap(&imported, KeyUsage::Zpk).unwrap().expose(), KEY);
    assert!(matches!(
        other.import((KeyAlgorithm::Aes, &kbpk), &block, KeyUsage::Zmk),
        Err(KeyError::Usage { .. })
    ));
}

#[test]
fn a_listing_tells_usage_attributes_and_check_value() {
    let lmk = Lmk::generate().unwrap();
    let keys: [(KeyAlgorithm, &[u8]); 5] = [
        (KeyAlgorithm::Des, &KEY[..8]),
        (KeyAlgorithm::Tdes, TRIPLE),
        (KeyAlgorithm::Aes, &[3; 32]),
        (KeyAlgorithm::Hmac, &[3; 40]),
        (KeyAlgorithm::Sm4, &[3; 16]),
    ];
    for (version, (usage, (algorithm, key))) in
        (0..).zip(KeyUsage::ALL.into_iter().zip(keys.into_iter().cycle()))
    {
        let attributes = KeyAttributes { algorithm, version, exportable: version % 2 == 0 };
        let info = lmk.inspect(&lmk.wrap(key, usage, attributes).unwrap()).unwrap();
        assert_eq!((info.usage, info.attributes), (usage, attributes));
        assert_ne!(info.check_value, [0; 3]);
    }
    let wrapped = lmk.wrap(KEY, KeyUsage::Tmk, tdes()).unwrap();
    assert_eq!(lmk.inspect(&wrapped).unwrap().check_value[..], kcv(&DesKey::from_slice(KEY).unwrap())[..3]);
}

#[test]
fn custodians_together_restore_the_lmk_and_one_alone_does_not() {
    let lmk = Lmk::generate().unwrap();
    for count in [2, 3] {
        let shares = lmk.split(count).unwrap();
        let shares: Vec<&[u8]> = shares.iter().map(|share| share.expose()).collect();
        assert_eq!(Lmk::from_components(&shares).unwrap().kcv(), lmk.kcv());
        assert!(matches!(Lmk::from_components(&shares[..1]), Err(KeyError::Input(_))));
        assert!(matches!(Lmk::from_components(&[shares[0], shares[0]]), Err(KeyError::Weak(_))));
        assert!(matches!(Lmk::from_components(&[shares[0], &shares[1][1..]]), Err(KeyError::Input(_))));
    }
    assert!(lmk.split(1).is_err() && lmk.split(4).is_err());
    assert!(components::combine(&[&[1; 16], &[2; 16], &[4; 16], &[8; 16]]).is_err());
    assert!(matches!(Lmk::from_slice(&[0; 32]), Err(KeyError::Weak(Weakness::AllZero))));
}

#[test]
fn weak_des_keys_are_refused_whatever_their_parity() {
    let weakness = |bytes: &[u8]| DesKey::from_slice(bytes).unwrap().check_quality().unwrap_err();
    assert_eq!(weakness(&[0; 16]), KeyError::Weak(Weakness::AllZero));
    assert_eq!(weakness(&[1; 8]), KeyError::Weak(Weakness::AllZero));
    assert_eq!(weakness(&[0x22; 16]), KeyError::Weak(Weakness::EqualParts));
    assert_eq!(weakness(&[0xFF; 8]), KeyError::Weak(Weakness::WeakPart));
    let mut mixed = [0x23; 16];
    mixed[8..].copy_from_slice(&[0x1F, 0x1F, 0x1F, 0x1F, 0x0E, 0x0E, 0x0E, 0x0E]);
    assert_eq!(weakness(&mixed), KeyError::Weak(Weakness::WeakPart));
    let mut parity = *b"0123456789ABCDEF";
    assert!(DesKey::from_slice(&parity).unwrap().check_parity().is_err());
    set_odd_parity(&mut parity);
    assert!(DesKey::from_slice(&parity).unwrap().check_parity().is_ok());
    for bytes in [8, 16, 24] {
        let key = DesKey::generate(bytes).unwrap();
        assert!(key.len() == bytes && key.check_quality().is_ok() && key.check_parity().is_ok());
    }
    for bytes in [0, 7, 9, 15, 25, 1000] {
        assert!(DesKey::generate(bytes).is_err());
    }
}

#[test]
fn old_versions_are_read_only() {
    let usage = KeyUsage::Zpk.tr31_code();
    for version in [Version::A, Version::C, Version::E] {
        let header = Header::new(version, usage, b'T', b'B', b'E');
        assert!(matches!(tr31::wrap(&[7; 16], &header, &[1; 16]), Err(KeyError::Input(_))));
    }
}

proptest! {
    #[test]
    fn key_blocks_round_trip(
        aes in any::<bool>(),
        kbpk in any::<[u8; 24]>(),
        key in prop::collection::vec(any::<u8>(), 1..64),
        optional in prop::collection::vec(("[A-Z]{2}", "[ -~]{0,300}"), 0..4),
    ) {
        let version = if aes { Version::D } else { Version::B };
        let mut header = Header::new(version, KeyUsage::Zpk.tr31_code(), b'T', b'B', b'E');
        header.optional = optional
            .iter()
            .filter(|(id, _)| id != "PB")
            .map(|(id, data)| OptionalBlock { id: id.as_bytes().try_into().unwrap(), data: data.as_bytes().to_vec() })
            .collect();
        let block = tr31::wrap(&kbpk, &header, &key).unwrap();
        let mut opened = tr31::unwrap(&kbpk, &block).unwrap();
        prop_assert_eq!(opened.key.expose(), &key[..]);
        opened.header.optional.retain(|optional| optional.id != *b"PB");
        prop_assert_eq!(opened.header, header);
        let mut wrong = kbpk;
        wrong[0] ^= 2;
        prop_assert_eq!(tr31::unwrap(&wrong, &block).unwrap_err(), KeyError::Authentication);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ABCDE]00[0-9]{2}P0TB00E0[0-9]00[0-9A-F]{0,80}", kbpk in any::<[u8; 16]>()) {
        prop_assert!(tr31::unwrap(&kbpk, text.as_bytes()).is_err());
        prop_assert!(tr31::unwrap(&kbpk, &text.as_bytes()[..text.len() / 2]).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(tr31::unwrap(&[7; 16], &bytes).is_err());
    }
}
