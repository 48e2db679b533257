//! The cryptography of a UnionPay sale: its MAC verified, its PIN brought under another key.
//!
//! Both stand in every request. Twice the time means that a key schedule is expanded per message again
//! instead of once per key.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::pin::{Pin, PinFormat, encode, translate};
use switchyard_keys::{DesKey, TdesCipher};

const PAN: &[u8] = b"6225880000000008";
const KEY: [u8; 16] =
    [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10];

fn macs(c: &mut Criterion) {
    let message: Vec<u8> = (0..200).collect();
    let mut group = c.benchmark_group("keys/mac 200 bytes");
    group.throughput(Throughput::Bytes(message.len() as u64));
    for (name, algorithm, key) in [
        ("cup-ecb verify", MacAlgorithm::CupEcb, &KEY[..8]),
        ("cup-ecb verify, double-length key", MacAlgorithm::CupEcb, &KEY),
        ("x9.19 verify", MacAlgorithm::X919, &KEY),
    ] {
        let key = MacKey::new(algorithm, key).unwrap();
        let mac = key.compute(&message);
        group.bench_function(name, |b| {
            b.iter(|| assert!(key.verify(black_box(&message), black_box(mac.as_bytes()))));
        });
    }
}

fn pins(c: &mut Criterion) {
    let cipher = |bytes: &[u8]| TdesCipher::new(&DesKey::from_slice(bytes).unwrap());
    let (source, target) = (cipher(&KEY), cipher(&[0x5B; 16]));
    let pin = Pin::new(b"123456").unwrap();
    let block = source.encrypt_block(encode(PinFormat::Iso0, &pin, PAN).unwrap());
    let mut group = c.benchmark_group("keys/pin");
    group.throughput(Throughput::Elements(1));
    group.bench_function("translate iso0", |b| {
        let (from, to) = (PinFormat::Iso0, PinFormat::Iso0);
        b.iter(|| translate(&source, &target, black_box(&block), from, to, PAN).unwrap());
    });
}

criterion_group!(benches, macs, pins);
criterion_main!(benches);
