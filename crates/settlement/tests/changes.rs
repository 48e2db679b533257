//! Merchants that change: what they pay counts from then on, where they are paid when the day is settled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::*;
use switchyard_domain::*;

fn change(log: &mut Log, merchant: MerchantIndex, change: impl FnOnce(&mut Merchant)) {
    let known = log.records.iter().rev().find_map(|stamped| match &stamped.record {
        Record::MerchantChanged { merchant: of, change, .. } if *of == merchant => Some(change.after.clone()),
        _ => None,
    });
    let registered = log.records.iter().filter_map(|stamped| match &stamped.record {
        Record::MerchantRegistered(merchant) => Some(merchant.clone()),
        _ => None,
    });
    let before = known.or_else(|| registered.into_iter().nth(merchant.0 as usize)).unwrap();
    let mut after = before.clone();
    change(&mut after);
    let reason = "a test".parse().unwrap();
    log.push(Record::MerchantChanged { merchant, change: Box::new(Changed { before, after }), reason });
}

#[test]
fn a_fee_plan_prices_what_was_made_under_it_and_what_follows_that() {
    let mut log = Log::new();
    log.plan(china(1));
    log.plan(FeePlan { debit_ppm: 10_000, debit_cap_minor: None, ..china(2) });
    let merchant = log.merchant("m", 1);
    let first = log.sale(merchant, CardClass::Debit, 10_000); // 0.35 %: 35
    let second = log.sale(merchant, CardClass::Debit, 20_000); // 70
    change(&mut log, merchant, |merchant| merchant.fee_plan = 2);
    let third = log.sale(merchant, CardClass::Debit, 10_000); // 1 %: 100
    log.void(&first); // its own 35 back, not 100
    assert_eq!(log.close().merchants()[0].fees_minor, 70 + 100);
    log.refund(&second, 20_000); // 70 back, days later
    log.refund(&third, 5_000); // 50 of 100 back
    change(&mut log, merchant, |merchant| merchant.fee_plan = 1);
    let fourth = log.sale(merchant, CardClass::Debit, 10_000); // 35 again
    let plan = log.close();
    assert_eq!(plan.merchants()[0].fees_minor, -70 - 50 + 35);
    assert_eq!(plan.merchant_changes(), 2);
    log.refund(&fourth, 10_000);
    log.refund(&third, 5_000);
    assert_eq!(log.close().merchants()[0].fees_minor, -35 - 50);
}

#[test]
fn a_payout_goes_to_the_account_of_when_the_day_is_settled_and_its_files_stay() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    log.sale(merchant, CardClass::Debit, 10_000);
    let day = log.cut();
    change(&mut log, merchant, |merchant| {
        merchant.account = account("6222000011119999");
        merchant.name = "n".into();
    });
    let later = log.merchant("later", 1);
    change(&mut log, later, |merchant| merchant.name = "even later".into());
    let plan = log.settle(day);
    assert_eq!(
        (plan.merchants()[0].account.number.as_str(), plan.merchant_changes()),
        ("6222000011119999", 2)
    );
    assert_eq!(plan.merchants()[0].name, "n");
    let rendered = files(&plan);
    change(&mut log, merchant, |merchant| merchant.account = account("1"));
    let again = log.try_plan(day).unwrap();
    assert_eq!(files(&again), rendered, "what was recorded is rendered alike for ever");
    log.sale(merchant, CardClass::Debit, 10_000);
    assert_eq!(log.close().merchants()[0].account.number, "1", "the next day is paid to the next account");
}
