//! Instructions that each thing takes, and the most that it may take: `cargo xtask bench --gate`.
//!
//! Needs valgrind, and gungraun-runner of the version of this workspace's gungraun; says so when they are missing.
//! A count above its limit means that a short way is no longer taken or that something was added to it; a limit
//! is raised only with the reason in the commit.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use std::hint::black_box;
use switchyard_benches::wire::{ASCII_0200, Case, Ready, UNIONPAY_CHIP_SALE, UNIONPAY_SALE};
use switchyard_wire::{BuildPlan, Masking, Message, ReplyPlan, Value, describe};

/// The most instructions.
fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

type Request = (Ready, Message<'static, 'static>, Vec<u8>);

fn known(case: Case) -> Ready {
    case.ready()
}

fn unknown(case: Case) -> Ready {
    case.unknown()
}

fn request(case: Case) -> Request {
    let ready = case.ready();
    (ready, ready.parse(), Vec::with_capacity(1_024))
}

/// A plan is large: passed by value, it would be most of what is counted.
type Planned = Box<(Request, ReplyPlan<'static>)>;

fn planned(case: Case) -> Planned {
    let (ready, message, mut out) = request(case);
    let plan = ready.plan().unwrap();
    // The first reply works out the runs.
    plan.write(&message, &mut out, &[Some(b"00")]).unwrap();
    out.clear();
    Box::new(((ready, message, out), plan))
}

#[library_benchmark(setup = known)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(900))]
#[bench::unionpay_sale(args = (UNIONPAY_SALE), config = limit(590))]
#[bench::unionpay_chip_sale(args = (UNIONPAY_CHIP_SALE), config = limit(640))]
fn parse(ready: Ready) -> bool {
    ready.dialect.parse(black_box(ready.body)).is_ok()
}

#[library_benchmark(setup = unknown)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(2_250))]
fn parse_unknown_bitmap(ready: Ready) -> bool {
    ready.dialect.parse(black_box(ready.body)).is_ok()
}

#[library_benchmark(setup = known)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(6_500))]
fn parse_and_read(ready: Ready) {
    ready.read(&ready.parse());
}

#[library_benchmark(setup = known)]
#[bench::unionpay_chip_sale(args = (UNIONPAY_CHIP_SALE), config = limit(1_640))]
fn parse_and_walk_tags(ready: Ready) -> u32 {
    ready.tags()
}

#[library_benchmark(setup = request)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(2_800))]
#[bench::unionpay_chip_sale(args = (UNIONPAY_CHIP_SALE), config = limit(3_060))]
fn build((ready, _, mut out): Request) -> Vec<u8> {
    ready.build(&mut out).unwrap();
    out
}

type Templated = Box<(BuildPlan<'static>, Vec<Value<'static>>, Vec<u8>)>;

fn templated(case: Case) -> Templated {
    let (plan, values) = case.ready().build_plan().unwrap();
    Box::new((plan, values, Vec::with_capacity(1_024)))
}

#[library_benchmark(setup = templated)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(1_950))]
#[bench::unionpay_chip_sale(args = (UNIONPAY_CHIP_SALE), config = limit(2_360))]
fn build_by_plan(mut templated: Templated) -> Templated {
    let (plan, values, out) = &mut *templated;
    plan.write(out, black_box(values)).unwrap();
    templated
}

#[library_benchmark(setup = request)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(1_910))]
fn reply_by_echo((ready, message, mut out): Request) -> Vec<u8> {
    ready.reply(&message, &mut out).unwrap();
    out
}

#[library_benchmark(setup = planned)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(465))]
fn reply_by_plan(mut planned: Planned) -> Planned {
    let ((_, message, out), plan) = &mut *planned;
    plan.write(message, out, &[Some(b"00")]).unwrap();
    // Given back, so that nothing is dropped here.
    planned
}

#[library_benchmark(setup = request)]
#[bench::ascii_0200(args = (ASCII_0200), config = limit(132_000))]
fn describe_masked((_, message, _): Request) -> String {
    describe::describe(black_box(&message), Masking::Masked)
}

library_benchmark_group!(
    name = wire,
    benchmarks = [
        parse,
        parse_unknown_bitmap,
        parse_and_read,
        parse_and_walk_tags,
        build,
        build_by_plan,
        reply_by_echo,
        reply_by_plan,
        describe_masked
    ]
);

main!(library_benchmark_groups = wire);
