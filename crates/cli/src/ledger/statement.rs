//! `ledger statement`: what happened on one account, and what stood on it after any record.

use crate::arguments::{Output, StatementOptions};
use crate::ledger::moment::{self, Edge};
use crate::{Verdict, output};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_book::{Balance, Side, Statement, StatementBuilder, StatementLine};
use switchyard_domain::AccountId;
use switchyard_ledger::Sequence;
use switchyard_ledger::index::{Index, Query};
use switchyard_server::index::{self as keys, Names};

/// Longest statement; a longer one is refused and wants a shorter time.
const LINES_MAX: usize = 200_000;

pub(crate) fn run(options: &StatementOptions, data: &Path, form: Output) -> Result<Verdict> {
    let index = super::query::open(data)?;
    let account = super::account::parse(&options.account, &mut Names::new(&index))?;
    let end = index.end().0;
    let edge = |text: &Option<String>, edge, other| {
        text.as_deref().map_or(Ok(other), |text| moment::sequence(text, edge, &index).map(|seq| seq.0))
    };
    let mut sequences = edge(&options.from, Edge::From, 0)?..edge(&options.to, Edge::To, end)?;
    if let Some(at_seq) = options.at_seq {
        if at_seq > end {
            bail!("the ledger has {end} records, not {at_seq}");
        }
        // What stands there, and no lines.
        sequences = at_seq..at_seq;
    }
    let statement =
        make(&index, StatementBuilder::new(account, sequences.clone()), account, Sequence(sequences.start))?;
    match form {
        Output::Json => output::json(&to_json(&statement))?,
        Output::Text => print(&statement)?,
    }
    Ok(Verdict::Fine)
}

/// Follows the account through the records that name it, from the first on.
fn make(
    index: &Index,
    mut builder: StatementBuilder,
    account: AccountId,
    from: Sequence,
) -> Result<Statement> {
    let mut query = Query::new(keys::by_account(&account));
    let mut fetch = index.fetch();
    let mut lines = 0;
    loop {
        let page = index.page(&query)?;
        query.after = page.cursor().or(query.after);
        for sequence in &page.sequences {
            // The statement closes before its end: with an empty range, with the balance that opens it.
            if builder.is_complete_before(sequence.0) {
                return Ok(builder.finish());
            }
            let stamped = keys::record(&mut fetch, *sequence)?;
            if let Some(entry) = stamped.record.entry() {
                lines += if *sequence >= from { entry.0.len() } else { 0 };
                builder.take(sequence.0, stamped.at, entry)?;
            }
        }
        if lines > LINES_MAX {
            bail!("more than {LINES_MAX} lines: name a shorter time with --from and --to");
        }
        if !page.more {
            return Ok(builder.finish());
        }
    }
}

fn balance_json(balance: &Balance) -> Value {
    json!({
        "debits_posted": balance.debits_posted, "credits_posted": balance.credits_posted,
        "debits_pending": balance.debits_pending, "credits_pending": balance.credits_pending,
        // It may be beyond what a JSON number carries exactly.
        "net_credit_minor": balance.net_credit_minor().to_string(),
    })
}

fn to_json(statement: &Statement) -> Value {
    let lines: Vec<Value> = statement
        .lines
        .iter()
        .map(|line| {
            json!({
                "sequence": line.sequence, "at": line.at.to_string(), "side": side(line),
                "counterpart": line.counterpart.to_string(), "amount_minor": line.amount_minor,
                "phase": format!("{:?}", line.phase), "released_minor": line.released_minor,
                "balance": balance_json(&line.balance),
            })
        })
        .collect();
    json!({
        "account": statement.account.to_string(),
        "from_seq": statement.sequences.start, "to_seq": statement.sequences.end,
        "opening": balance_json(&statement.opening), "lines": lines,
        "closing": balance_json(&statement.closing),
    })
}

fn side(line: &StatementLine) -> &'static str {
    match line.side {
        Side::Debit => "debit",
        Side::Credit => "credit",
    }
}

fn print(statement: &Statement) -> Result<()> {
    let sums = |what: &str, balance: &Balance| {
        output::line(&format!(
            "{what} balance of {}: {} (debits {}, credits {}; held {} and {})",
            statement.account,
            balance.net_credit_minor(),
            balance.debits_posted,
            balance.credits_posted,
            balance.debits_pending,
            balance.credits_pending
        ))
    };
    sums("opening", &statement.opening)?;
    if !statement.lines.is_empty() {
        output::table(
            &["sequence", "at", "side", "counterpart", "amount", "phase", "balance", "held"],
            statement.lines.iter().map(|line| {
                vec![
                    line.sequence.to_string(),
                    line.at.to_string(),
                    side(line).to_owned(),
                    line.counterpart.to_string(),
                    line.amount_minor.to_string(),
                    format!("{:?}", line.phase),
                    line.balance.net_credit_minor().to_string(),
                    (line.balance.debits_pending + line.balance.credits_pending).to_string(),
                ]
            }),
        )?;
    }
    sums("closing", &statement.closing)
}
