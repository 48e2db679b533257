//! Messages: parse to an index, read every element, build from values, reply, describe.
//!
//! Every message passes here four times. A parse that gets slower by half means that a known bitmap shape no
//! longer hits its cache or that something allocates; a slower build or reply, that lengths are checked twice.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use switchyard_benches::{ASCII_0200, UNIONPAY_CHIP_SALE, UNIONPAY_SALE, bytes};
use switchyard_wire::{BuildError, De, Dialect, Masking, Message, Mti, describe};

#[derive(Clone, Copy)]
enum Value {
    Digits(&'static [u8]),
    Number(u64),
    Text(&'static str),
    Bytes(&'static [u8]),
}
use Value::{Bytes, Digits, Number, Text};

const TRACK: Value = Digits(b"4111111111111111=25121010000012345678");

const ASCII_VALUES: [(De, Value); 16] = [
    (2, Digits(b"6212345678901234569")),
    (3, Number(0)),
    (4, Number(12_345)),
    (7, Digits(b"1122133000")),
    (11, Number(123)),
    (12, Digits(b"133000")),
    (22, Digits(b"051")),
    (25, Digits(b"00")),
    (32, Digits(b"12345678901")),
    (33, Digits(b"123456")),
    (35, TRACK),
    (37, Text("112213300123")),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (52, Bytes(&[0x12; 8])),
];

const SALE_VALUES: [(De, Value); 14] = [
    (3, Number(0)),
    (4, Number(12_345)),
    (11, Number(123)),
    (22, Digits(b"021")),
    (25, Digits(b"00")),
    (26, Digits(b"06")),
    (35, TRACK),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (52, Bytes(&[0x12; 8])),
    (53, Digits(b"2600000000000000")),
    (60, Digits(b"22000001000500")),
    (64, Bytes(b"12345678")),
];

/// What a terminal sends of a chip card: 19 tags.
const CHIP: &[u8] = b"\
    \x9F\x26\x08\x11\x11\x11\x11\x11\x11\x11\x11\x9F\x27\x01\x80\x9F\x10\x13\x07\x01\x01\x03\xA0\x00\x00\x01\
    \x0A\x01\x00\x00\x00\x00\x00\x11\x22\x33\x44\x9F\x37\x04\x01\x02\x03\x04\x9F\x36\x02\x00\x2A\x95\
    \x05\x00\x00\x00\x00\x00\x9A\x03\x26\x11\x22\x9C\x01\x00\x9F\x02\x06\x00\x00\x00\x01\x23\x45\x5F\x2A\x02\
    \x01\x56\x82\x02\x7C\x00\x9F\x1A\x02\x01\x56\x9F\x03\x06\x00\x00\x00\x00\x00\x00\x9F\x33\x03\xE0\xE9\xC8\
    \x9F\x34\x03\x42\x03\x00\x9F\x35\x01\x22\x9F\x1E\x08TERM0001\x84\x08\xA0\x00\x00\x03\x33\x01\x01\x01\
    \x9F\x09\x02\x00\x20";

const CHIP_VALUES: [(De, Value); 13] = [
    (3, Number(0)),
    (4, Number(12_345)),
    (11, Number(123)),
    (22, Digits(b"051")),
    (23, Digits(b"001")),
    (25, Digits(b"00")),
    (35, TRACK),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (55, Bytes(CHIP)),
    (60, Digits(b"22000001000500")),
    (64, Bytes(b"12345678")),
];

fn build(dialect: &Dialect, values: &[(De, Value)], out: &mut Vec<u8>) -> Result<(), BuildError> {
    let mut builder = dialect.builder(out, Mti::new(0x0200));
    for (de, value) in values {
        match *value {
            Digits(digits) => builder.digits(*de, digits)?,
            Number(number) => builder.number(*de, number)?,
            Text(text) => builder.text(*de, text)?,
            Bytes(bytes) => builder.bytes(*de, bytes)?,
        };
    }
    builder.finish().map(|_| ())
}

/// Reads every element as what it was built from.
fn read(message: &Message<'_, '_>, values: &[(De, Value)]) {
    let mut buffer = [0; 64];
    for (de, value) in values {
        match value {
            Digits(_) => _ = black_box(message.digits(*de, &mut buffer)),
            Number(_) => _ = black_box(message.number(*de)),
            Text(_) => _ = black_box(message.text(*de)),
            Bytes(_) => _ = black_box(message.bytes(*de)),
        }
    }
}

fn reply(dialect: &Dialect, request: &Message<'_, '_>, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let mut builder = dialect.builder(out, request.mti().reply());
    for de in [2, 3, 4, 7, 11, 12, 25, 32, 33, 37] {
        builder.echo(request, de)?;
    }
    builder.text(39, "00")?.echo(request, 41)?.echo(request, 42)?;
    builder.finish().map(|_| ())
}

fn time(c: &mut Criterion, name: &str, dialect: &str, hex: &str, values: &[(De, Value)]) {
    let dialect = Dialect::builtin(dialect).unwrap();
    let body = bytes(hex);
    let mut out = Vec::with_capacity(1_024);
    build(dialect, values, &mut out).unwrap();
    assert_eq!(out, body, "{name}: the values and the file are one message");
    let message = dialect.parse(&body).unwrap();
    assert!(message.elements().eq(values.iter().map(|(de, _)| *de)));

    let mut group = c.benchmark_group(format!("wire/{name}"));
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse", |b| b.iter(|| dialect.parse(black_box(&body)).is_ok()));
    group.bench_function(format!("parse and read {}", values.len()), |b| {
        b.iter(|| read(&dialect.parse(black_box(&body)).unwrap(), values));
    });
    if message.has(55) {
        assert_eq!(message.tlv(55).count(), 19);
        group.bench_function("parse and walk the tags of 55", |b| {
            b.iter(|| {
                let message = dialect.parse(black_box(&body)).unwrap();
                message.tlv(55).filter_map(Result::ok).fold(0, |sum, tlv| sum ^ tlv.tag)
            });
        });
    }
    group.bench_function(format!("build from {} values", values.len()), |b| {
        b.iter(|| {
            out.clear();
            build(dialect, black_box(values), &mut out).unwrap();
        });
    });
    group.bench_function("reply", |b| {
        b.iter(|| {
            out.clear();
            reply(dialect, black_box(&message), &mut out).unwrap();
        });
    });
    group.bench_function("describe", |b| {
        b.iter(|| describe::describe(black_box(&message), Masking::Masked));
    });
}

fn messages(c: &mut Criterion) {
    time(c, "iso87-ascii 0200", "iso87-ascii", ASCII_0200, &ASCII_VALUES);
    time(c, "unionpay sale", "unionpay-pos", UNIONPAY_SALE, &SALE_VALUES);
    time(c, "unionpay chip sale", "unionpay-pos", UNIONPAY_CHIP_SALE, &CHIP_VALUES);
}

criterion_group!(benches, messages);
criterion_main!(benches);
