//! What outsiders keep and check: checkpoints, witness files, proofs.

use crate::common::{Key, batch, crash_after, filled, small};
use proptest::prelude::*;
use switchyard_ledger::checkpoint::{self, Checkpoint, Verdict, check_witness, parse_witness};
use switchyard_ledger::merkle::{Frontier, leaf_hash, verify_consistency};
use switchyard_ledger::proof::{self, Proof};
use switchyard_ledger::{Error, Hash, LedgerId, Log, ProofError, Sequence};

fn roots(records: &[Vec<u8>]) -> Vec<Hash> {
    let mut tree = Frontier::new();
    let mut roots = vec![tree.root()];
    for record in records {
        tree.push(leaf_hash(record));
        roots.push(tree.root());
    }
    roots
}

#[test]
fn every_record_is_proven_with_the_file_and_the_key_alone() {
    let (options, key) = (small(), Key::new(1));
    let dir = tempfile::tempdir().unwrap();
    let records = filled(dir.path(), &options, 21, 1);
    let texts: Vec<String> = (0..21)
        .map(|n| {
            let (inclusion, checkpoint) = proof::inclusion(dir.path(), Sequence(n)).unwrap();
            Proof::new(inclusion, checkpoint.sign(&key).unwrap()).to_string()
        })
        .collect();
    assert!(matches!(proof::inclusion(dir.path(), Sequence(21)), Err(Error::Beyond { need: 22, have: 21 })));
    drop(dir);
    for (n, text) in texts.iter().enumerate() {
        let proof = Proof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), *text);
        let (inclusion, checkpoint) = proof.verify(&key.verifier(&options)).unwrap();
        assert_eq!((inclusion.index.0, &inclusion.record), (n as u64, &records[n]));
        assert_eq!((checkpoint.size, checkpoint.root), (21, roots(&records)[21]));
    }
}

#[test]
fn what_was_changed_in_a_proof_is_refused() {
    let (options, key) = (small(), Key::new(1));
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &options, 13, 2);
    let (inclusion, checkpoint) = proof::inclusion(dir.path(), Sequence(6)).unwrap();
    let signed = checkpoint.sign(&key).unwrap();
    let verifier = key.verifier(&options);
    let check = |change: &dyn Fn(&mut proof::Inclusion)| {
        let mut changed = inclusion.clone();
        change(&mut changed);
        Proof::new(changed, signed.clone()).verify(&verifier).map(drop)
    };
    assert_eq!(check(&|_| ()), Ok(()));
    let changes: [&dyn Fn(&mut proof::Inclusion); 7] = [
        &|i| i.record[0] ^= 1,
        &|i| i.record.push(0),
        &|i| i.index = Sequence(7),
        &|i| i.index = Sequence(13),
        &|i| i.path[0].0[0] ^= 1,
        &|i| i.path.truncate(1),
        &|i| i.path.push(Hash::ZERO),
    ];
    for (n, change) in changes.iter().enumerate() {
        assert_eq!(check(change), Err(ProofError::NotIncluded), "change {n}");
    }
    let text = Proof::new(inclusion.clone(), signed).to_string();
    for at in 0..text.len() {
        let mut bad = text.clone().into_bytes();
        bad[at] ^= 1;
        let refused = Proof::parse(&bad).and_then(|proof| proof.verify(&verifier).map(drop));
        assert!(refused.is_err(), "byte {at}");
    }
}

#[test]
fn another_key_and_another_log_are_refused() {
    let (options, key) = (small(), Key::new(1));
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &options, 3, 3);
    let (inclusion, checkpoint) = proof::inclusion(dir.path(), Sequence(0)).unwrap();
    let signed = checkpoint.sign(&key).unwrap();
    let proof = Proof::new(inclusion.clone(), signed.clone());
    let mut other = options.clone();
    other.ledger_id = LedgerId([9; 16]);
    assert_eq!(proof.verify(&Key::new(2).verifier(&options)), Err(ProofError::Unsigned));
    assert_eq!(proof.verify(&key.verifier(&other)), Err(ProofError::OtherLog));
    let root = Hash([7; 32]);
    let lie = Checkpoint { root, ..checkpoint.clone() }.sign(&key).unwrap();
    assert_eq!(Proof::new(inclusion, lie).verify(&key.verifier(&options)), Err(ProofError::NotIncluded));
    let other_root = Checkpoint { root, ..checkpoint }.sign(&key).unwrap().to_string();
    let root_line = |text: &str| text.lines().nth(2).unwrap().to_owned();
    let tampered = signed.to_string().replace(&root_line(&signed.to_string()), &root_line(&other_root));
    let tampered = parse_witness(tampered.as_bytes()).unwrap();
    assert_eq!(tampered[0].verify(&key.verifier(&options)), Err(ProofError::Signature));
}

#[test]
fn checkpoints_that_a_witness_kept_hold_while_the_log_grows_and_not_otherwise() {
    let (options, key) = (small(), Key::new(1));
    let dir = tempfile::tempdir().unwrap();
    let mut kept = String::new();
    for round in 0..6u8 {
        let (mut log, _) = Log::open(dir.path(), &options).unwrap();
        log.append(&batch(&[[round; 30], [round + 100; 30]]), 1).unwrap();
        log.seal(1).unwrap();
        let signed = checkpoint::current(dir.path()).unwrap().sign(&key).unwrap();
        assert_eq!(signed.unverified().size, 2 * u64::from(round) + 2);
        kept.push_str(&signed.to_string());
    }
    let kept = parse_witness(kept.as_bytes()).unwrap();
    let verifier = key.verifier(&options);
    let report = check_witness(dir.path(), &kept, &verifier).unwrap();
    assert!(report.holds() && report.kept.len() == 6 && report.size == 12);
    assert!(!check_witness(dir.path(), &[], &verifier).unwrap().holds());
    for pair in kept.windows(2) {
        let [old, new] = [&pair[0], &pair[1]].map(|signed| signed.unverified());
        let (path, from, to) = proof::consistency(dir.path(), old.size, new.size).unwrap();
        assert_eq!((&from, &to), (old, new));
        assert!(verify_consistency(old.size, &old.root, new.size, &new.root, &path));
        assert!(!verify_consistency(old.size, &new.root, new.size, &old.root, &path));
    }
    let wrong = check_witness(dir.path(), &kept, &Key::new(2).verifier(&options)).unwrap();
    assert!(wrong.kept.iter().all(|(_, v)| *v == Verdict::NotProven(ProofError::Unsigned)));

    // The same ledger id with another past, and one that lost its end.
    let rewritten = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(rewritten.path(), &options).unwrap();
    log.append(&batch(&[[0u8; 30], [100u8; 30], [77u8; 30], [101u8; 30]]), 1).unwrap();
    log.close(2).unwrap();
    let report = check_witness(rewritten.path(), &kept, &verifier).unwrap();
    let verdicts: Vec<_> = report.kept.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(verdicts[0], Verdict::Consistent);
    assert!(matches!(verdicts[1], Verdict::Differs { .. }));
    assert!(verdicts[2..].iter().all(|verdict| *verdict == Verdict::Shorter));
    assert!(!report.holds());
}

#[test]
fn a_checkpoint_leaves_out_a_last_block_that_a_crash_may_take() {
    let (options, dir) = (small(), tempfile::tempdir().unwrap());
    crash_after(dir.path(), &options, &[b"one", b"two"]);
    assert_eq!(checkpoint::current(dir.path()).unwrap().size, 1);
    assert!(matches!(proof::inclusion(dir.path(), Sequence(1)), Err(Error::Beyond { need: 2, have: 1 })));
    let (log, _) = Log::open(dir.path(), &options).unwrap();
    log.close(1).unwrap();
    assert_eq!(checkpoint::current(dir.path()).unwrap().size, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_two_sizes_are_consistent(count in 1u64..24, seed: u64, a: u64, b: u64) {
        let (options, dir) = (small(), tempfile::tempdir().unwrap());
        let roots = roots(&filled(dir.path(), &options, count, seed));
        let (a, b) = (a % (count + 1), b % (count + 1));
        let (old, new) = (a.min(b), a.max(b));
        let (path, from, to) = proof::consistency(dir.path(), old, new).unwrap();
        prop_assert_eq!((from.root, to.root), (roots[old as usize], roots[new as usize]));
        prop_assert!(verify_consistency(old, &from.root, new, &to.root, &path));
        prop_assert!(proof::consistency(dir.path(), old, count + 1).is_err());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Proof::parse(&bytes);
        let _ = parse_witness(&bytes);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in prop::collection::vec(
        prop_oneof![
            Just("c2sp.org/tlog-proof@v1".to_owned()), Just(String::new()), Just("index 0".to_owned()),
            Just("extra AAAA".to_owned()), Just("1".to_owned()), Just("— a AAAAAAAA".to_owned()),
            Just("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned()), "\\PC{0,20}",
        ], 0..12)) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let _ = Proof::parse(text.as_bytes());
        if let Ok(kept) = parse_witness(text.as_bytes()) {
            let again = kept.iter().map(ToString::to_string).collect::<String>();
            prop_assert_eq!(parse_witness(again.as_bytes()).unwrap(), kept);
        }
    }
}
