//! Messages: parse to an index, read every element, build from values, reply, describe.
//!
//! Every message passes here four times. A parse that gets slower by half means that a known bitmap shape no
//! longer hits its cache or that something allocates; a slower build or reply, that lengths are checked twice.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use switchyard_benches::wire::{CASES, Case};
use switchyard_wire::{Masking, describe};

fn time(c: &mut Criterion, case: &Case) {
    let ready = case.ready();
    let (message, unknown) = (ready.parse(), case.unknown());
    let mut out = Vec::with_capacity(1_024);
    let mut group = c.benchmark_group(format!("wire/{}", case.name));
    group.throughput(Throughput::Bytes(ready.body.len() as u64));
    group.bench_function("parse", |b| b.iter(|| ready.dialect.parse(black_box(ready.body)).is_ok()));
    group.bench_function("parse, bitmap not known", |b| {
        b.iter(|| unknown.dialect.parse(black_box(unknown.body)).is_ok());
    });
    group.bench_function(format!("parse and read {}", case.values.len()), |b| {
        b.iter(|| ready.read(&ready.parse()));
    });
    if message.has(55) {
        assert_eq!(message.tlv(55).count(), 19);
        group.bench_function("parse and walk the tags of 55", |b| b.iter(|| ready.tags()));
    }
    group.bench_function(format!("build from {} values", case.values.len()), |b| {
        b.iter(|| {
            out.clear();
            black_box(&ready).build(&mut out).unwrap();
        });
    });
    group.bench_function("reply by echo", |b| {
        b.iter(|| {
            out.clear();
            ready.reply(black_box(&message), &mut out).unwrap();
        });
    });
    let plan = ready.plan().unwrap();
    group.bench_function("reply by plan", |b| {
        b.iter(|| {
            out.clear();
            plan.write(black_box(&message), &mut out, &[Some(b"00")]).unwrap();
        });
    });
    group.bench_function("describe", |b| {
        b.iter(|| describe::describe(black_box(&message), Masking::Masked));
    });
}

fn messages(c: &mut Criterion) {
    CASES.iter().for_each(|case| time(c, case));
}

criterion_group!(benches, messages);
criterion_main!(benches);
