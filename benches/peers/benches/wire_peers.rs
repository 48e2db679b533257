//! Parse, parse and read, build and reply: Switchyard's `wire` and crate iso8583_rs on the same bytes.
//!
//! The message is `messages/iso87-ascii-rawbitmap-0200.hex`: iso8583_rs reads bitmaps as bytes only, and no
//! variable packed digits, so that the UnionPay messages are out of its reach. What the two do is not the
//! same: iso8583_rs copies every value into a map and checks none of them; `wire` checks every byte and copies
//! nothing. A ratio below ten would mean that a shortcut of ours is no longer taken.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use switchyard_peers::iso8583_peer::{Form, empty, parse};
use switchyard_wire::{BuildError, De, Dialect, Message, Mti};

const MESSAGE: &str = include_str!("../../messages/iso87-ascii-rawbitmap-0200.hex");

/// What a reply takes from the request.
const ECHOED: [De; 12] = [2, 3, 4, 7, 11, 12, 25, 32, 33, 37, 41, 42];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Values as both take them: text, and hexadecimal digits of bytes.
fn values(message: &Message<'_, '_>) -> Vec<(De, String, Option<Vec<u8>>)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    message
        .elements()
        .map(|de| match message.bytes(de) {
            Some(bytes) => (de, hex(bytes), Some(bytes.to_vec())),
            None => (de, message.text(de).unwrap().into_owned(), None),
        })
        .collect()
}

fn build(
    dialect: &Dialect,
    values: &[(De, String, Option<Vec<u8>>)],
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let mut builder = dialect.builder(out, Mti::new(0x0200));
    for (de, text, bytes) in values {
        match bytes {
            Some(bytes) => builder.bytes(*de, bytes)?,
            None => builder.text(*de, text)?,
        };
    }
    builder.finish().map(|_| ())
}

fn peers(c: &mut Criterion) {
    let dialect = Form::Ascii.dialect();
    let mut body = unhex(MESSAGE);
    let message = Dialect::parse(dialect, &body).unwrap();
    let values = values(&message);
    let request = parse(&mut body.clone()).unwrap();
    let mut out = Vec::with_capacity(1_024);
    build(dialect, &values, &mut out).unwrap();
    assert_eq!(out, body, "ours writes the file");
    let assemble = || {
        let mut message = empty(Form::Ascii);
        for (de, text, _) in &values {
            message.set_on(u32::from(*de), text).ok().unwrap();
        }
        message.assemble().ok().unwrap()
    };
    assert_eq!(assemble(), body, "theirs writes the file");

    let mut group = c.benchmark_group("wire peers/parse to an index");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let mut theirs = body.clone();
    group.bench_function("iso8583_rs", |b| b.iter(|| parse(black_box(&mut theirs)).unwrap()));
    group.bench_function("switchyard", |b| b.iter(|| dialect.parse(black_box(&body)).is_ok()));
    group.finish();

    let mut group = c.benchmark_group("wire peers/parse and read 16");
    group.bench_function("iso8583_rs", |b| {
        b.iter(|| {
            let message = parse(black_box(&mut body)).unwrap();
            for (de, ..) in &values {
                black_box(message.bmp_child_value(u32::from(*de)).ok().unwrap());
            }
        });
    });
    group.bench_function("switchyard", |b| {
        b.iter(|| {
            let message = dialect.parse(black_box(&body)).unwrap();
            for (de, _, bytes) in &values {
                match bytes {
                    Some(_) => _ = black_box(message.bytes(*de)),
                    None => _ = black_box(message.text(*de)),
                }
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("wire peers/build from 16 values");
    group.bench_function("iso8583_rs", |b| b.iter(assemble));
    group.bench_function("switchyard", |b| {
        b.iter(|| {
            out.clear();
            build(dialect, black_box(&values), &mut out).unwrap();
        });
    });
    group.finish();

    let mut group = c.benchmark_group("wire peers/reply from a request");
    let echoed = ECHOED.map(u32::from);
    group.bench_function("iso8583_rs", |b| {
        b.iter(|| {
            let mut reply = empty(Form::Ascii);
            reply.echo_from(&request, &echoed).ok().unwrap();
            reply.set_on(39, "00").ok().unwrap();
            reply.assemble().ok().unwrap()
        });
    });
    let message = dialect.parse(&body).unwrap();
    group.bench_function("switchyard", |b| {
        b.iter(|| {
            out.clear();
            let mut reply = dialect.builder(&mut out, Mti::new(0x0210));
            for de in &ECHOED[..10] {
                reply.echo(black_box(&message), *de).unwrap();
            }
            reply.text(39, "00").unwrap();
            reply.echo(&message, 41).unwrap().echo(&message, 42).unwrap().finish().unwrap();
        });
    });
}

criterion_group!(benches, peers);
criterion_main!(benches);
