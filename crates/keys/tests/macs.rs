//! Properties of the message authentication codes.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use switchyard_keys::KeyError;
use switchyard_keys::mac::{MacAlgorithm, MacKey};

const ALGORITHMS: [(MacAlgorithm, usize); 8] = [
    (MacAlgorithm::CupEcb, 8),
    (MacAlgorithm::CupEcb, 16),
    (MacAlgorithm::X99, 8),
    (MacAlgorithm::X919, 16),
    (MacAlgorithm::CmacAes, 16),
    (MacAlgorithm::CmacAes, 32),
    (MacAlgorithm::CmacTdes, 16),
    (MacAlgorithm::Sm4Cup, 16),
];

fn mac_key(which: usize, seed: [u8; 32]) -> MacKey {
    let (algorithm, bytes) = ALGORITHMS[which];
    MacKey::new(algorithm, &seed[..bytes]).unwrap()
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let right: [(MacAlgorithm, &[usize]); 6] = [
        (MacAlgorithm::CupEcb, &[8, 16, 24]),
        (MacAlgorithm::X99, &[8]),
        (MacAlgorithm::X919, &[8, 16]),
        (MacAlgorithm::CmacAes, &[16, 24, 32]),
        (MacAlgorithm::CmacTdes, &[8, 16, 24]),
        (MacAlgorithm::Sm4Cup, &[16]),
    ];
    for (algorithm, lengths) in right {
        for bytes in 0..40 {
            match MacKey::new(algorithm, &vec![1; bytes]) {
                Ok(key) => assert!(lengths.contains(&bytes) && key.algorithm() == algorithm),
                Err(error) => {
                    assert!(
                        !lengths.contains(&bytes)
                            && matches!(error, KeyError::Length { have, .. } if have == bytes)
                    );
                }
            }
        }
    }
}

#[test]
fn a_mac_of_any_other_length_than_8_never_verifies() {
    for which in 0..ALGORITHMS.len() {
        let key = mac_key(which, [0x5B; 32]);
        let mac = key.compute(b"0200");
        let padded: Vec<u8> = mac.as_bytes().iter().copied().chain([0; 8]).collect();
        for bytes in (0..16).filter(|&bytes| bytes != 8) {
            assert!(!key.verify(b"0200", &padded[..bytes]));
        }
    }
}

#[test]
fn every_flipped_bit_of_a_200_byte_message_and_its_mac_is_rejected() {
    let message: Vec<u8> = (0..200).collect();
    for (which, (algorithm, _)) in ALGORITHMS.iter().enumerate() {
        let key = mac_key(which, [0xA7; 32]);
        let mac = *key.compute(&message).as_bytes();
        assert!(key.verify(&message, &mac));
        for bit in 0..8 * message.len() {
            let mut altered = message.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(&altered, &mac), "{algorithm:?} bit {bit}");
        }
        for bit in 0..64 {
            let mut altered = mac;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(&message, &altered), "{algorithm:?} mac bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn parts_equal_the_whole(
        which in 0_usize..8,
        seed in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let key = mac_key(which, seed);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut start = 0;
        for cut in cuts {
            parts.push(&message[start..cut]);
            start = cut;
        }
        parts.push(&message[start..]);
        prop_assert_eq!(key.compute_parts(&parts), key.compute(&message));
        prop_assert!(key.verify_parts(&parts, key.compute(&message).as_bytes()));
    }

    #[test]
    fn another_key_does_not_verify(which in 0_usize..8, seed in any::<[u8; 32]>(), message in "[ -~]{1,64}") {
        let mut other = seed;
        // Bit 1, because bit 0 of each byte is the parity DES ignores.
        other[0] ^= 2;
        let mac = mac_key(which, seed).compute(message.as_bytes());
        prop_assert!(!mac_key(which, other).verify(message.as_bytes(), mac.as_bytes()));
    }
}
