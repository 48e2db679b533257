//! What a transaction costs its merchant.
//!
//! Integer arithmetic in minor units, rates in parts per million, products in `i128`, half-up rounding: the
//! same number on an invoice, in a statement and in the ledger, on every machine.

use switchyard_domain::{CardClass, FeePlan};

/// Parts per million in one.
const PPM: i128 = 1_000_000;

/// The fee of one sale of `amount_minor`: the percentage, rounded half up, plus the fixed part; at least the
/// plan's minimum; at most the class's cap, which therefore wins over a minimum above it. An amount of zero
/// costs nothing.
pub fn price(plan: &FeePlan, class: CardClass, amount_minor: u64) -> u64 {
    if amount_minor == 0 {
        return 0;
    }
    let (ppm, cap) = rate(plan, class);
    let fee = percentage(ppm, amount_minor).saturating_add(plan.fixed_minor).max(plan.minimum_minor);
    fee.min(cap.unwrap_or(u64::MAX))
}

/// The fee that a refund of `amount_minor` gives back when `remaining_minor` of the original's captured
/// amount is left after it: what the original cost before less what it costs now. Whatever the number of
/// partial refunds and whatever caps, minimum and fixed part the plan has, they sum up to the fee that was
/// charged, to the fen, and never to more. Nothing comes back under a plan that keeps the fee.
pub fn refund(plan: &FeePlan, class: CardClass, amount_minor: u64, remaining_minor: u64) -> u64 {
    if !plan.refund_returns_fee {
        return 0;
    }
    let before = price(plan, class, remaining_minor.saturating_add(amount_minor));
    before.saturating_sub(price(plan, class, remaining_minor))
}

fn rate(plan: &FeePlan, class: CardClass) -> (u32, Option<u64>) {
    match class {
        CardClass::Debit => (plan.debit_ppm, plan.debit_cap_minor),
        CardClass::Credit => (plan.credit_ppm, plan.credit_cap_minor),
        CardClass::Foreign => (plan.foreign_ppm, plan.foreign_cap_minor),
    }
}

/// Half-up: a product that lies halfway goes to the higher minor unit.
fn percentage(ppm: u32, amount_minor: u64) -> u64 {
    let product = i128::from(amount_minor) * i128::from(ppm);
    u64::try_from((product + PPM / 2) / PPM).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};
    use switchyard_domain::BusinessDate;

    fn china() -> FeePlan {
        FeePlan {
            plan: 1,
            from: BusinessDate(0),
            debit_ppm: 3_500,
            debit_cap_minor: Some(1_300),
            credit_ppm: 4_500,
            credit_cap_minor: None,
            foreign_ppm: 12_000,
            foreign_cap_minor: None,
            fixed_minor: 0,
            minimum_minor: 0,
            refund_returns_fee: true,
        }
    }

    #[test]
    fn published_vectors_hold() {
        let table = [
            (0, 0, 0),
            (1, 0, 0),
            (111, 0, 0),
            (112, 0, 1),
            (142, 0, 1),
            (143, 1, 1),
            (10_000, 35, 45),
            (371_428, 1_300, 1_671),
            (371_571, 1_300, 1_672),
            (500_000, 1_300, 2_250),
            (999_999_999_999, 1_300, 4_500_000_000),
        ];
        for (amount, debit, credit) in table {
            assert_eq!(price(&china(), CardClass::Debit, amount), debit, "debit {amount}");
            assert_eq!(price(&china(), CardClass::Credit, amount), credit, "credit {amount}");
        }
    }

    #[test]
    fn fixed_part_minimum_and_cap_apply_in_that_order() {
        let plan = FeePlan { fixed_minor: 10, minimum_minor: 30, ..china() };
        let table = [
            (0, 0),           // nothing moved
            (100, 30),        // 0 + 10, raised to the minimum
            (5_714, 30),      // 20 + 10
            (10_000, 45),     // 35 + 10
            (500_000, 1_300), // 1750 + 10, capped
        ];
        for (amount, fee) in table {
            assert_eq!(price(&plan, CardClass::Debit, amount), fee, "{amount}");
        }
        let odd = FeePlan { minimum_minor: 2_000, ..plan };
        assert_eq!(price(&odd, CardClass::Debit, 100), 1_300, "a cap below the minimum wins");
    }

    #[test]
    fn refunds_of_a_capped_sale_never_return_more_than_was_charged() {
        // 10 000 yuan cost 13; two halves priced alone would give back 26.
        assert_eq!(refund(&china(), CardClass::Debit, 500_000, 500_000), 0);
        assert_eq!(refund(&china(), CardClass::Debit, 500_000, 0), 1_300);
        let kept = FeePlan { refund_returns_fee: false, ..china() };
        assert_eq!(refund(&kept, CardClass::Debit, 500_000, 0), 0);
    }

    fn plans() -> impl Strategy<Value = FeePlan> {
        let cap = prop::option::of(0_u64..5_000);
        (0_u32..50_000, cap, 0_u64..200, 0_u64..200).prop_map(|(ppm, cap, fixed, minimum)| FeePlan {
            debit_ppm: ppm,
            debit_cap_minor: cap,
            fixed_minor: fixed,
            minimum_minor: minimum,
            ..china()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_decimal_arithmetic(plan in plans(), amount in 0_u64..=999_999_999_999) {
            let exact = Decimal::from(amount) * Decimal::from(plan.debit_ppm) / Decimal::from(1_000_000);
            let percent = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
            let mut fee = (percent + Decimal::from(plan.fixed_minor)).max(Decimal::from(plan.minimum_minor));
            if let Some(cap) = plan.debit_cap_minor {
                fee = fee.min(Decimal::from(cap));
            }
            if amount == 0 {
                fee = Decimal::ZERO;
            }
            prop_assert_eq!(Decimal::from(price(&plan, CardClass::Debit, amount)), fee);
        }

        #[test]
        fn partial_refunds_sum_up_to_the_fee(plan in plans(), parts in prop::collection::vec(1_u64..300_000, 1..8)) {
            let amount: u64 = parts.iter().sum();
            let mut remaining = amount;
            let mut returned = 0;
            for part in parts {
                remaining -= part;
                returned += refund(&plan, CardClass::Debit, part, remaining);
                prop_assert!(returned <= price(&plan, CardClass::Debit, amount));
            }
            prop_assert_eq!(returned, price(&plan, CardClass::Debit, amount));
        }
    }
}
