//! Whether the time of a comparison tells where a MAC is wrong: Welch's t-test over two classes of inputs, as
//! dudect does it. A forger who could tell the first wrong byte would need 8 × 256 tries instead of 2^64.
//!
//! One class is wrong in its first byte, the other in its last. |t| below 4.5 is no evidence of a difference;
//! a comparison that stops early, measured beside each of the two, shows that the test would have seen one.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "run by hand")]

use std::hint::black_box;
use std::time::Instant;
use switchyard_keys::constant_time_eq;
use switchyard_keys::mac::{MacAlgorithm, MacKey};

const MEASUREMENTS: usize = 400_000;
/// Comparisons under one reading of the clock, which alone takes as long as several of them.
const REPEATS: usize = 64;
/// Readings above this share were interrupted and say nothing of the code.
const KEPT: f64 = 0.9;
const THRESHOLD: f64 = 4.5;

fn main() {
    let key = MacKey::new(MacAlgorithm::CupEcb, &[0x3B; 8]).unwrap();
    // Short, so that the comparison is much of the time that is measured.
    let message: Vec<u8> = (0..8).collect();
    let right = *key.compute(&message).as_bytes();
    let constant = t_value(right, constant_time_eq);
    let verify = t_value(right, |_, received| key.verify(&message, received));
    let stops = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(x, y)| black_box(x) == black_box(y));
    let early = t_value(right, stops);
    let early_verify = t_value(right, |_, received| stops(key.compute(&message).as_bytes(), received));
    println!("constant_time_eq    |t| = {constant:.2}");
    println!("MacKey::verify      |t| = {verify:.2}");
    println!("stops at a mismatch |t| = {early:.2}, after computing a MAC {early_verify:.2}");
    let verdict = match (constant.max(verify) < THRESHOLD, early.min(early_verify) >= THRESHOLD) {
        (true, true) => "no evidence of a difference",
        (true, false) => "THE MEASUREMENT IS BLIND: it does not see a comparison that stops early",
        (false, _) => "THE TIME DIFFERS",
    };
    println!("{verdict}");
    std::process::exit(i32::from(!verdict.starts_with("no evidence")));
}

fn t_value(right: [u8; 8], compare: impl Fn(&[u8], &[u8]) -> bool) -> f64 {
    let [mut first, mut last] = [right; 2];
    first[0] ^= 0xFF;
    last[7] ^= 0xFF;
    // Drawn beforehand, so that neither class follows a pattern; the draw must not cost time in between.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let classes: Vec<bool> = (0..MEASUREMENTS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state & 1 == 0
        })
        .collect();
    let mut readings = [Vec::new(), Vec::new()];
    for class in classes {
        // The same place in memory for both classes.
        let mut received = [0; 8];
        received.copy_from_slice(if class { &first } else { &last });
        let begun = Instant::now();
        for _ in 0..REPEATS {
            black_box(compare(black_box(&right), black_box(&received)));
        }
        readings[usize::from(class)].push(begun.elapsed().as_nanos() as f64);
    }
    let mut all: Vec<f64> = readings.concat();
    all.sort_by(f64::total_cmp);
    let limit = all[(all.len() as f64 * KEPT) as usize];
    let [(m0, v0, n0), (m1, v1, n1)] =
        readings.map(|class| moments(class.into_iter().filter(|x| *x <= limit)));
    ((m0 - m1) / (v0 / n0 + v1 / n1).sqrt()).abs()
}

/// Mean, variance and count.
fn moments(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    (mean, squares / (count - 1.0), count)
}
