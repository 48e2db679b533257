//! Random days against the plainest possible bookkeeping.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;
use switchyard_domain::*;
use switchyard_settlement::{Terms, fee, invariant};

#[derive(Debug, Clone, Copy)]
enum Step {
    Sale(u8, u8, u64),
    Void(usize),
    Reverse(usize),
    Refund(usize, u64),
    UndoRefund(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..4, 0_u8..3, 1_u64..900_000).prop_map(|(m, class, minor)| Step::Sale(m, class, minor)),
        2 => (0_usize..64).prop_map(Step::Void),
        1 => (0_usize..64).prop_map(Step::Reverse),
        4 => (0_usize..64, 1_u64..400_000).prop_map(|(sale, minor)| Step::Refund(sale, minor)),
        1 => (0_usize..64).prop_map(Step::UndoRefund),
        2 => Just(Step::Close),
    ]
}

fn fee_plan() -> impl Strategy<Value = FeePlan> {
    let cap = prop::option::of(0_u64..2_000);
    (0_u32..20_000, cap, 0_u64..60, 0_u64..60, any::<bool>()).prop_map(
        |(ppm, cap, fixed, minimum, returns)| FeePlan {
            debit_ppm: ppm,
            debit_cap_minor: cap,
            fixed_minor: fixed,
            minimum_minor: minimum,
            refund_returns_fee: returns,
            ..china(1)
        },
    )
}

/// A sale with what was refunded of it.
struct Known {
    sale: Sale,
    refunded: u64,
    undone: bool,
    day: BusinessDate,
}

/// What each merchant is owed, by the shortest reasoning: captured less refunded less the fee of what is
/// left of each sale (or of the whole, where refunds keep the fee), over all days.
fn owed(known: &[Known], plan: &FeePlan) -> BTreeMap<MerchantIndex, i128> {
    let mut owed: BTreeMap<_, i128> = BTreeMap::new();
    for Known { sale, refunded, .. } in known.iter().filter(|known| !known.undone) {
        let left = sale.amount - refunded;
        let priced = if plan.refund_returns_fee { left } else { sale.amount };
        let fee = fee::price(plan, sale.class, priced);
        *owed.entry(sale.merchant).or_default() += i128::from(left) - i128::from(fee);
    }
    owed
}

fn pick(known: &mut [Known], index: usize) -> Option<&mut Known> {
    let count = known.len().max(1);
    known.get_mut(index % count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_day_holds_its_invariants_and_every_fen_arrives(
        steps in prop::collection::vec(step(), 1..60),
        plan in fee_plan(),
        minimum_payout_minor in 0_u64..300_000,
    ) {
        let mut log = Log::new();
        log.terms = Terms { minimum_payout_minor };
        log.plan(plan.clone());
        let merchants = ["a", "b", "c", "d"].map(|name| log.merchant(name, 1));
        let mut known: Vec<Known> = Vec::new();
        let mut refunds: Vec<(usize, Sale)> = Vec::new();
        let mut paid: BTreeMap<MerchantIndex, i128> = BTreeMap::new();
        let mut carried: BTreeMap<MerchantIndex, i128> = BTreeMap::new();
        let mut lines = 0;
        let mut moved = 0;
        let mut next = 0;
        for step in steps.into_iter().chain([Step::Close]) {
            match step {
                Step::Sale(merchant, class, minor) => {
                    let class = [CardClass::Debit, CardClass::Credit, CardClass::Foreign][usize::from(class)];
                    let sale = log.sale(merchants[usize::from(merchant)], class, minor);
                    known.push(Known { sale, refunded: 0, undone: false, day: log.day });
                    moved += 1;
                }
                Step::Void(index) | Step::Reverse(index) => {
                    let open = log.day;
                    let Some(known) = pick(&mut known, index) else { continue };
                    if known.undone || known.refunded > 0 || refunds.iter().any(|(_, r)| r.at == known.sale.at) {
                        continue;
                    }
                    if matches!(step, Step::Reverse(_)) {
                        log.reverse(&known.sale, TransactionKind::Sale);
                    } else if known.day == open {
                        log.void(&known.sale);
                    } else {
                        continue;
                    }
                    known.undone = true;
                    moved += 1;
                }
                Step::Refund(index, minor) => {
                    let position = index % known.len().max(1);
                    let Some(known) = pick(&mut known, index) else { continue };
                    let minor = minor.min(known.sale.amount - known.refunded);
                    if known.undone || minor == 0 {
                        continue;
                    }
                    known.refunded += minor;
                    refunds.push((position, log.refund(&known.sale, minor)));
                    moved += 1;
                }
                Step::UndoRefund(index) => {
                    if refunds.is_empty() {
                        continue;
                    }
                    let (position, refund) = refunds.swap_remove(index % refunds.len());
                    known[position].refunded -= refund.amount;
                    log.reverse(&refund, TransactionKind::Refund);
                    moved += 1;
                }
                Step::Close => {
                    let day = log.close();
                    prop_assert_eq!(invariant::check(&day), Ok(()));
                    prop_assert_eq!(day.first_sequence(), next);
                    next = day.fence_sequence() + 1;
                    lines += day.lines_count();
                    for net in day.merchants() {
                        *paid.entry(net.merchant).or_default() += i128::from(net.payout_minor);
                        carried.insert(net.merchant, i128::from(net.carry_out_minor));
                        prop_assert!(net.payout_minor == 0 || net.payout_minor >= minimum_payout_minor);
                    }
                    let again = log.try_plan(day.day()).unwrap();
                    prop_assert_eq!(files(&again), files(&day));
                    prop_assert_eq!(again.records().count(), 0);
                }
            }
        }
        prop_assert_eq!(lines, moved, "each movement is in exactly one day");
        for (merchant, owed) in owed(&known, &plan) {
            let paid = paid.get(&merchant).copied().unwrap_or(0);
            let carried = carried.get(&merchant).copied().unwrap_or(0);
            prop_assert_eq!(paid + carried, owed, "merchant {}", merchant);
        }
    }
}
