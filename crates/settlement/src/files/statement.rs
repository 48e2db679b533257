//! A merchant's statement of the day: every movement, none left out.
//!
//! | column | content |
//! |---|---|
//! | `time` | local time of the record |
//! | `kind` | sale, void, refund, completion, completion_void |
//! | `effect` | `gain` or `loss`: a sale that loses was reversed |
//! | `terminal` | DE 41 |
//! | `rrn` | DE 37 |
//! | `transaction` | the switch's number of it |
//! | `class` | debit, credit, foreign |
//! | `currency` | code |
//! | `amount` | signed: positive where the merchant gains, negative where it loses |
//! | `fee` | signed: positive where the merchant pays, negative where a fee comes back |
//! | `net` | `amount` − `fee` |
//!
//! The last three are numbers, sums of a column are what the summary says. Text cells that a spreadsheet
//! would take for a formula begin with an apostrophe.

use super::RenderedFile;
use super::text::{LocalTimes, cell, decimal};
use crate::line::Line;
use crate::plan::{DayPlan, MerchantNet};
use std::fmt::Write;
use switchyard_domain::{CardClass, MerchantId, TransactionKind};

const HEADER: [&str; 11] =
    ["time", "kind", "effect", "terminal", "rrn", "transaction", "class", "currency", "amount", "fee", "net"];

/// The name of a merchant's statement. A merchant number may hold any printable character; those that could
/// lead out of the directory, and all others but letters, digits, `-` and `_`, are written as `%XX`.
pub fn statement_name(id: MerchantId) -> String {
    let mut name = String::from("merchant-");
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            write!(name, "%{byte:02X}").expect("a string takes every write");
        }
    }
    name + ".csv"
}

/// The statement of one merchant, over all its currencies.
pub(super) fn render(plan: &DayPlan, nets: &[MerchantNet]) -> RenderedFile {
    let id = nets.first().expect("a chunk of nets is never empty").id;
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(HEADER).expect("a vector takes every write");
    let mut times = LocalTimes::new(plan.offset());
    for line in nets.iter().flat_map(|net| plan.lines_of(net)) {
        csv.write_record(row(plan, &mut times, line)).expect("a vector takes every write");
    }
    let bytes = csv.into_inner().expect("a vector takes every write");
    RenderedFile::new(statement_name(id), bytes)
}

fn row(plan: &DayPlan, times: &mut LocalTimes, line: &Line) -> [String; 11] {
    let places = line.currency.exponent();
    let terminal = plan.terminal_id(line.terminal).expect("the plan has checked that the terminal is known");
    [
        times.text(line.at),
        kind(line.kind).to_owned(),
        (if line.gain { "gain" } else { "loss" }).to_owned(),
        cell(terminal.as_str()),
        cell(line.rrn.as_str()),
        line.transaction.to_string(),
        class(line.class).to_owned(),
        line.currency.to_string(),
        decimal(line.signed_minor(), places),
        decimal(i128::from(line.fee_minor), places),
        decimal(line.net_minor(), places),
    ]
}

fn kind(kind: TransactionKind) -> &'static str {
    match kind {
        TransactionKind::Sale => "sale",
        TransactionKind::Void => "void",
        TransactionKind::Refund => "refund",
        TransactionKind::BalanceInquiry => "balance_inquiry",
        TransactionKind::PreAuth => "pre_auth",
        TransactionKind::PreAuthVoid => "pre_auth_void",
        TransactionKind::Completion => "completion",
        TransactionKind::CompletionVoid => "completion_void",
        TransactionKind::OfflineSale => "offline_sale",
        TransactionKind::CompletionAdvice => "completion_advice",
        TransactionKind::Tip => "tip",
        TransactionKind::CashAdvance => "cash_advance",
        TransactionKind::CardRepayment => "card_repayment",
        TransactionKind::TopUp => "top_up",
        TransactionKind::PreAuthAdvice => "pre_auth_advice",
    }
}

fn class(class: CardClass) -> &'static str {
    match class {
        CardClass::Debit => "debit",
        CardClass::Credit => "credit",
        CardClass::Foreign => "foreign",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merchant_number_cannot_lead_out_of_the_directory() {
        let table =
            [("898100012345678", "898100012345678"), ("../A b", "%2E%2E%2FA%20b"), ("A_b-1", "A_b-1")];
        for (id, name) in table {
            assert_eq!(statement_name(id.parse().unwrap()), format!("merchant-{name}.csv"));
        }
    }
}
