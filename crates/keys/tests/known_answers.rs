//! Every line of `tests/data/crypto.jsonl`: published answers, or answers on which two
//! independent implementations agree (each line names its source).

use std::collections::BTreeMap;

use switchyard_keys::selftest::{Outcome, Vector, run};

const VECTORS: &str = include_str!("data/crypto.jsonl");
const LINES: usize = 1058;
const ALGORITHMS: usize = 89;

#[test]
fn every_known_answer_is_given() {
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (number, line) in VECTORS.lines().enumerate() {
        let vector: Vector = serde_json::from_str(line).unwrap();
        match run(&vector) {
            Outcome::Pass => *passed.entry(vector.alg).or_default() += 1,
            Outcome::Fail { got } => faults.push(format!("line {}: {}: {got}", number + 1, vector.alg)),
            Outcome::Unknown => faults.push(format!("line {}: {}: unknown", number + 1, vector.alg)),
        }
    }
    for (alg, count) in &passed {
        println!("{alg}: {count}");
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(passed.values().sum::<usize>(), LINES);
    assert_eq!(passed.len(), ALGORITHMS);
}

#[test]
fn a_wrong_answer_fails_and_a_strange_algorithm_is_named() {
    let vector = |alg: &str, output: &str| {
        let line = format!(r#"{{"alg":"{alg}","inputs":{{"key":"7AAE972F25F11C4F"}},"output":"{output}"}}"#);
        serde_json::from_str::<Vector>(&line).unwrap()
    };
    assert_eq!(run(&vector("kcv_des_zero3", "CAC7D6")), Outcome::Pass);
    assert!(matches!(run(&vector("kcv_des_zero3", "CAC7D7")), Outcome::Fail { .. }));
    assert!(matches!(run(&vector("kcv_aes_cmac5", "CAC7D6")), Outcome::Fail { .. }));
    assert_eq!(run(&vector("rot13", "CAC7D6")), Outcome::Unknown);
}
