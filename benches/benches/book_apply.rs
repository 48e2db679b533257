//! Entries into the book: a sale's posting, and a hold with its capture.
//!
//! Every decision and every record of a replay applies one. Twice the time means that an entry allocates more
//! than its list of touched accounts, or that accounts are hashed by a slower hasher.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at what it did not expect")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use switchyard_book::Book;
use switchyard_domain::{AccountId, AccountKind, Currency, Entry, HoldId, Phase};

const CARDS: u32 = 10_000;
const MERCHANTS: u32 = 1_000;

fn card(number: u32) -> AccountId {
    AccountId::of(AccountKind::Cardholder, number % CARDS, Currency::CNY)
}

fn merchant(number: u32) -> AccountId {
    AccountId::of(AccountKind::MerchantPayable, number % MERCHANTS, Currency::CNY)
}

fn funded() -> Book {
    let bank = AccountId::own(AccountKind::IssuerSettlement, Currency::CNY);
    let mut book = Book::new();
    for number in 0..CARDS {
        book.apply(&Entry::one(bank, card(number), 1 << 50, Phase::Posted)).unwrap();
    }
    book
}

fn entries(c: &mut Criterion) {
    let mut group = c.benchmark_group("book/apply");
    group.throughput(Throughput::Elements(1));
    let mut book = funded();
    // Spread over the accounts as sales are: the next one is not in the cache.
    let spread = |number: u32| number.wrapping_mul(2_654_435_761) >> 8;
    let sales: Vec<Entry> =
        (0..CARDS).map(|n| Entry::one(card(spread(n)), merchant(spread(n)), 1, Phase::Posted)).collect();
    let mut turn = sales.iter().cycle();
    group.bench_function("posting", |b| b.iter(|| book.apply(black_box(turn.next().unwrap())).unwrap()));

    group.throughput(Throughput::Elements(2));
    let holds: Vec<[Entry; 2]> = (0..CARDS)
        .map(|n| {
            let (hold, from, to) = (HoldId(u64::from(n)), card(spread(n)), merchant(spread(n)));
            [Phase::Pending(hold), Phase::PostPending(hold)].map(|phase| Entry::one(from, to, 1, phase))
        })
        .collect();
    let mut turn = holds.iter().cycle();
    group.bench_function("hold and capture", |b| {
        b.iter(|| turn.next().unwrap().iter().for_each(|entry| book.apply(black_box(entry)).unwrap()));
    });
}

criterion_group!(benches, entries);
criterion_main!(benches);
