//! The day over all merchants, for people (CSV) and programs (JSON).
//!
//! Sums in the CSV are signed decimals in the major unit, seen from the merchant's side; in the JSON they are
//! whole minor units. Neither names a time but the cut's, so that both come out the same each time.

use super::RenderedFile;
use super::text::{cell, decimal, iso_time};
use crate::plan::{DayPlan, MerchantNet, Totals};
use serde::Serialize;

const HEADER: [&str; 16] = [
    "merchant",
    "name",
    "currency",
    "lines",
    "sales_count",
    "sales",
    "refunds_count",
    "refunds",
    "cancelled_count",
    "cancelled",
    "fees",
    "carry_in",
    "net",
    "payout",
    "carry_out",
    "end_to_end_id",
];

pub(super) fn csv(plan: &DayPlan) -> RenderedFile {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(HEADER).expect("a vector takes every write");
    for net in plan.merchants() {
        csv.write_record(row(plan, net)).expect("a vector takes every write");
    }
    let bytes = csv.into_inner().expect("a vector takes every write");
    RenderedFile::new("summary.csv".to_owned(), bytes)
}

fn row(plan: &DayPlan, net: &MerchantNet) -> [String; 16] {
    let money = |minor: i128| decimal(minor, net.currency.exponent());
    let paid = net.payout_minor > 0;
    [
        cell(net.id.as_str()),
        cell(&net.name),
        net.currency.to_string(),
        net.lines.to_string(),
        net.sales.count.to_string(),
        money(net.sales.minor),
        net.refunds.count.to_string(),
        money(net.refunds.minor),
        net.cancelled.count.to_string(),
        money(net.cancelled.minor),
        money(i128::from(net.fees_minor)),
        money(i128::from(net.carry_in_minor)),
        money(i128::from(net.net_minor)),
        money(i128::from(net.payout_minor)),
        money(i128::from(net.carry_out_minor)),
        if paid { super::end_to_end_id(plan, net) } else { String::new() },
    ]
}

#[derive(Serialize)]
struct Summary<'a> {
    day: String,
    next_day: String,
    acquirer: &'a str,
    partition: u8,
    cut_at: String,
    first_sequence: u64,
    fence_sequence: u64,
    movements: usize,
    totals: &'a [Totals],
}

pub(super) fn json(plan: &DayPlan) -> RenderedFile {
    let acquirer = plan.acquirer();
    let summary = Summary {
        day: plan.day().to_string(),
        next_day: plan.next_day().to_string(),
        acquirer: acquirer.as_str(),
        partition: plan.partition(),
        cut_at: iso_time(plan.cut_at(), plan.offset()),
        first_sequence: plan.first_sequence(),
        fence_sequence: plan.fence_sequence(),
        movements: plan.lines_count(),
        totals: plan.totals(),
    };
    let mut bytes = serde_json::to_vec_pretty(&summary).expect("a summary has string keys only");
    bytes.push(b'\n');
    RenderedFile::new("summary.json".to_owned(), bytes)
}
