//! Proofs and what witnesses kept come from strangers: no text may end the program or take it long.

use crate::common::{Key, filled, small};
use proptest::prelude::*;
use switchyard_ledger::checkpoint::{current, parse_witness};
use switchyard_ledger::limits::{PROOF_BYTES_MAX, WITNESS_BYTES_MAX, WITNESS_CHECKPOINTS_MAX};
use switchyard_ledger::proof::{Proof, inclusion};
use switchyard_ledger::{ProofError, Sequence};

fn sample() -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &small(), 20, 2);
    let (found, checkpoint) = inclusion(dir.path(), Sequence(7)).unwrap();
    let signed = checkpoint.sign(&Key::new(1)).unwrap();
    let kept = current(dir.path()).unwrap().sign(&Key::new(1)).unwrap().to_string();
    (Proof::new(found, signed).to_string(), kept)
}

/// Texts that a parser which looks back or starts anew would not get through: the time of these grows with their
/// square if any step does, and the test does not end.
#[test]
fn the_longest_texts_of_every_bad_kind_are_refused_at_once() {
    let (proof, kept) = sample();
    let head = proof.split_once("\n\n").unwrap().0;
    let units =
        ["\n", "a\n", "a\n\n", "— x AAAAAAAA\n", "—", "\n— a b", "\u{2014} ", "index 1\n", "extra AAAA\n"];
    for unit in units {
        let long = |bytes: usize| unit.repeat(bytes / unit.len());
        for text in [long(PROOF_BYTES_MAX), format!("{head}\n{}", long(PROOF_BYTES_MAX / 2))] {
            assert!(Proof::parse(text.as_bytes()).is_err(), "{unit:?}");
        }
        let witness = parse_witness(long(WITNESS_BYTES_MAX).as_bytes());
        assert!(unit == "\n" && witness == Ok(Vec::new()) || witness.is_err(), "{unit:?}");
        let behind = format!("{kept}{}", long(WITNESS_BYTES_MAX / 2));
        assert!(unit == "\n" || parse_witness(behind.as_bytes()).is_err(), "{unit:?}");
    }
    let too_long = "x".repeat(WITNESS_BYTES_MAX + 1);
    assert!(matches!(parse_witness(too_long.as_bytes()), Err(ProofError::TooLong { .. })));
    assert!(matches!(Proof::parse(too_long.as_bytes()), Err(ProofError::TooLong { .. })));
}

#[test]
fn a_witness_file_as_full_as_it_may_be_is_read() {
    let (_, kept) = sample();
    let count = (WITNESS_BYTES_MAX / (kept.len() + 1)).min(WITNESS_CHECKPOINTS_MAX);
    let text = format!("{kept}\n").repeat(count);
    assert_eq!(parse_witness(text.as_bytes()).unwrap().len(), count);
    if count == WITNESS_CHECKPOINTS_MAX {
        let more = format!("{text}{kept}");
        assert!(matches!(parse_witness(more.as_bytes()), Err(ProofError::TooLong { .. })));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_end_the_program(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Proof::parse(&bytes);
        let _ = parse_witness(&bytes);
    }

    #[test]
    fn neither_does_any_line_in_any_place(
        lines in prop::collection::vec(
            prop_oneof![
                Just("c2sp.org/tlog-proof@v1".to_owned()), Just(String::new()), Just("— a AAAAAAAA".to_owned()),
                Just("extra ".to_owned()), Just("index 18446744073709551616".to_owned()),
                Just("index 0".to_owned()), Just("AAAA".to_owned()), ".{0,12}", "[0-9]{1,24}", "[A-Za-z0-9+/=]{0,48}",
            ],
            0..14,
        ),
    ) {
        let text = lines.join("\n");
        let _ = Proof::parse(text.as_bytes());
        let _ = parse_witness(text.as_bytes());
    }
}
