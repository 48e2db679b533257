//! Decisions of the core on one thread: sales on us, approved, without PIN or MAC work.
//!
//! The core is one thread a partition, so this is the ceiling of everything above it. Half the rate means a
//! look-up that became a scan, or a record that is copied more often than it is made.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "../../crates/core/tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use support::{Ask, Bench, MERCHANTS, ON_US, ON_US_OTHER, START, TERMINALS};
use switchyard_core::{Body, CoreConfig, Input, MacCheck, Origin, Output, Request};

/// Sales that one core decides before the next takes its place: the memory of all would not fit.
const SALES: u64 = 100_000;

/// Terminals take turns; the trace number is new each time.
fn sale(number: u64) -> Input {
    let terminal = (number % TERMINALS.len() as u64) as usize;
    let ask = Ask::sale(10 + number as u32, 1 + number % 9).terminal(terminal);
    let ask = ask.card(Some(if number.is_multiple_of(2) { ON_US } else { ON_US_OTHER }));
    let (id, merchant) = TERMINALS[terminal];
    Input::Request(Box::new(Request {
        origin: Origin { connection: number % 4, ticket: number },
        terminal: id.parse().unwrap(),
        merchant: MERCHANTS[merchant].parse().unwrap(),
        mac: MacCheck::Verified { version: 1 },
        body: Body::Financial(ask.financial()),
    }))
}

/// Signs on, prepares every request, and times nothing but the decisions.
fn decide(count: u64) -> Duration {
    // All of it is one batch.
    let config = CoreConfig { batch_items_max: usize::MAX, ..CoreConfig::default() };
    let mut core = Bench::with(config).core;
    let before = core.state().records();
    let sales: Vec<Input> = (0..count).map(sale).collect();
    let mut out = Output::default();
    let start = Instant::now();
    for sale in sales {
        core.handle(sale, START, &mut out);
        if out.records.len() >= 64 {
            out.records.clear();
            out.effects.clear();
        }
    }
    let took = start.elapsed();
    assert_eq!(core.state().records() - before, count, "every sale is decided");
    assert!(core.state().book().holds().is_empty());
    took
}

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("core/decide");
    group.throughput(Throughput::Elements(1));
    group.bench_function("on-us sale", |b| {
        b.iter_custom(|count| {
            let whole = (0..count / SALES).map(|_| decide(SALES)).sum::<Duration>();
            whole + decide(count % SALES)
        });
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
