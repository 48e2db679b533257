//! `ledger query`: transactions by what is known of them, a page at a time, through the index.

use crate::arguments::{Output, QueryOptions};
use crate::history::Story;
use crate::ledger::moment::{self, Edge};
use crate::{Verdict, output};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::path::Path;
use switchyard_domain::{
    AccountId, CardHash, MaskedPan, MerchantId, Pan, Record, TransactionId, TransactionOpened,
};
use switchyard_ledger::Sequence;
use switchyard_ledger::index::{Cursor, Index, Key, Order, Query};
use switchyard_server::index::{self as keys, Names};

pub(crate) fn run(options: &QueryOptions, data: &Path, form: Output) -> Result<Verdict> {
    let index = open(data)?;
    let mut names = Names::new(&index);
    if let Some(account) = &options.account {
        let account = super::account::parse(account, &mut names)?;
        return movements(&index, account, options, form);
    }
    let Some(key) = key(options, &mut names)? else {
        return none(form);
    };
    let mut query = query(options, key, &index)?;
    let (mut found, mut fetch) = (Vec::new(), index.fetch());
    let mut more = true;
    // What an index cannot tell apart is looked at one by one, so a page of it may not be a page of the answer.
    while more && found.len() < options.limit {
        query.limit = options.limit - found.len();
        let page = index.page(&query)?;
        more = page.more;
        query.after = page.cursor().or(query.after);
        for (sequence, cursor) in page.sequences.iter().zip(&page.cursors) {
            let first = keys::record(&mut fetch, *sequence)?;
            if fits(options, &first.record) {
                found.push((tell(&index, &mut names, *sequence, &first.record)?, *cursor));
            }
        }
    }
    print(&found, more, form)
}

/// Opens the index of a data directory beside whoever writes there.
pub(crate) fn open(data: &Path) -> Result<Index> {
    keys::open(&data.join("ledger")).with_context(|| crate::data_hint(data))
}

fn query(options: &QueryOptions, key: Key, index: &Index) -> Result<Query> {
    let mut query = Query::new(key);
    query.order = if options.oldest_first { Order::Ascending } else { Order::Descending };
    if let Some(from) = &options.from {
        query.from = moment::sequence(from, Edge::From, index)?;
    }
    if let Some(to) = &options.to {
        query.to = moment::sequence(to, Edge::To, index)?;
    }
    query.after = options.cursor.as_deref().map(str::parse::<Cursor>).transpose()?;
    Ok(query)
}

/// By which key the transactions are found; `None` when a name in the question is nobody's.
fn key(options: &QueryOptions, names: &mut Names<'_>) -> Result<Option<Key>> {
    if let Some(rrn) = &options.rrn {
        return Ok(rrn.parse().ok().map(|rrn| keys::by_rrn(&rrn)));
    }
    if let Some(hash) = &options.card_hash {
        return Ok(Some(keys::by_card(&card_hash(hash)?)));
    }
    if let Some(card) = &options.card {
        let (card, day) = (masked(card)?, options.date.context("--card needs --date")?);
        return Ok(Some(keys::by_masked_card(&card, day)));
    }
    if let Some(terminal) = &options.terminal {
        let Some(terminal) = terminal.parse().ok().map(|id| names.terminal_index(&id)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        return Ok(Some(match (options.batch, options.stan) {
            (Some(batch), Some(stan)) => {
                keys::by_place(terminal, u64::from(batch).try_into()?, u64::from(stan).try_into()?)
            }
            _ => keys::by_terminal(terminal),
        }));
    }
    if let Some(merchant) = &options.merchant {
        let id: Option<MerchantId> = merchant.parse().ok();
        let merchant = id.map(|id| names.merchant_index(&id)).transpose()?.flatten();
        return Ok(merchant.map(keys::by_merchant));
    }
    Ok(Some(keys::every_transaction()))
}

/// Whether the transaction that a record made is asked for; a record that made none is left to [`tell`].
fn fits(options: &QueryOptions, record: &Record) -> bool {
    let (Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. }) = record
    else {
        return true;
    };
    let batch = options.batch.is_none_or(|batch| opened.key.batch.get() == batch);
    let amount = options.amount.is_none_or(|minor| opened.amount.minor == minor);
    let day = options.date.is_none_or(|day| opened.day == day);
    batch && amount && day
}

/// A card hash in the form that answers have.
pub(crate) fn card_hash(text: &str) -> Result<CardHash> {
    let wrong = || anyhow!("--card-hash needs 32 hexadecimal digits");
    let mut bytes = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(CardHash(bytes))
}

/// A masked card number as reports print it. A whole number is refused: it would stay in the shell's history.
fn masked(text: &str) -> Result<MaskedPan> {
    let stars = text.bytes().filter(|byte| *byte == b'*').count();
    let bytes = text.as_bytes();
    let middle = bytes.get(6..bytes.len().saturating_sub(4)).unwrap_or_default();
    if stars == 0 || middle.len() != stars || middle.iter().any(|byte| *byte != b'*') {
        bail!("--card needs the first six and the last four digits with stars between: 622588******0008");
    }
    let digits = text.replace('*', "0");
    let pan = Pan::from_digits(digits.as_bytes()).map_err(|_| anyhow!("--card is no masked card number"))?;
    Ok(pan.masked())
}

/// Everything that the ledger says about the transaction that a record made.
fn tell(index: &Index, names: &mut Names<'_>, sequence: Sequence, first: &Record) -> Result<Story> {
    let (opened, decided) = match first {
        Record::Opened(opened) => (opened, None),
        Record::Decided { opened, outcome, reply, .. } => (opened, Some((*outcome, reply))),
        Record::Advised { opened, reply, .. } => {
            (opened, Some((switchyard_domain::Outcome::Approved, reply)))
        }
        _ => bail!("record {sequence} makes no transaction"),
    };
    let (outcome, reply) = decided.map_or((switchyard_domain::Outcome::Pending, None), |(o, r)| (o, Some(r)));
    let (terminal, merchant) = parties(names, opened)?;
    let mut story = Story::new(sequence.0, opened, terminal, merchant, outcome, reply);
    for (later, stamped) in keys::story(index, TransactionId(opened.id.0))? {
        if later != sequence {
            story.observe(later.0, &stamped.record);
        }
    }
    Ok(story)
}

fn parties(
    names: &mut Names<'_>,
    opened: &TransactionOpened,
) -> Result<(switchyard_domain::TerminalId, MerchantId)> {
    let terminal = names.terminal(opened.key.terminal)?.context("a transaction of an unknown terminal")?;
    let merchant = names.merchant(opened.key.merchant)?.context("a transaction of an unknown merchant")?;
    Ok((terminal.id, merchant.id))
}

fn none(form: Output) -> Result<Verdict> {
    if form == Output::Json {
        output::json(&json!([]))?;
    }
    Ok(Verdict::Finding)
}

fn print(found: &[(Story, Cursor)], more: bool, form: Output) -> Result<Verdict> {
    match form {
        Output::Json => {
            let rows: Result<Vec<Value>> = found
                .iter()
                .map(|(story, cursor)| {
                    let mut row = serde_json::to_value(story)?;
                    row["cursor"] = cursor.to_string().into();
                    Ok(row)
                })
                .collect();
            output::json(&rows?.into())?;
        }
        Output::Text => output::table(
            &["rrn", "terminal", "batch", "stan", "kind", "amount", "card", "outcome", "code"],
            found.iter().map(|(s, _)| {
                vec![
                    s.rrn.to_string(),
                    s.terminal.to_string(),
                    s.batch.to_string(),
                    s.stan.to_string(),
                    format!("{:?}", s.kind),
                    format!("{} {}", s.amount_minor, s.currency),
                    s.card.clone().unwrap_or_default(),
                    format!("{:?}", s.outcome),
                    s.code.map(|c| c.to_string()).unwrap_or_default(),
                ]
            }),
        )?,
    }
    if let (true, Some((_, cursor))) = (more, found.last()) {
        eprintln!("there are more: --cursor {cursor}");
    }
    Ok(if found.is_empty() { Verdict::Finding } else { Verdict::Fine })
}

/// What moved on an account, posting by posting. A record may have several postings and is never cut in two.
fn movements(index: &Index, account: AccountId, options: &QueryOptions, form: Output) -> Result<Verdict> {
    let mut query = query(options, keys::by_account(&account), index)?;
    let (mut rows, mut last, mut more) = (Vec::new(), None, true);
    let mut fetch = index.fetch();
    while more && rows.len() < options.limit {
        query.limit = options.limit - rows.len();
        let page = index.page(&query)?;
        more = page.more;
        query.after = page.cursor().or(query.after);
        last = page.cursor().or(last);
        for (sequence, cursor) in page.sequences.iter().zip(&page.cursors) {
            let stamped = keys::record(&mut fetch, *sequence)?;
            for posting in stamped.record.entry().into_iter().flat_map(|entry| &entry.0) {
                if ![posting.debit, posting.credit].contains(&account) {
                    continue;
                }
                rows.push(json!({
                    "sequence": sequence.0, "at": stamped.at.to_string(),
                    "record": super::name_of(&stamped.record),
                    "debit": posting.debit.to_string(), "credit": posting.credit.to_string(),
                    "amount_minor": posting.amount_minor, "phase": format!("{:?}", posting.phase),
                    "cursor": cursor.to_string(),
                }));
            }
        }
    }
    let found = !rows.is_empty();
    match form {
        Output::Json => output::json(&rows.into())?,
        Output::Text => {
            let columns = ["sequence", "at", "record", "debit", "credit", "amount_minor", "phase"];
            let cell = |row: &Value, name: &str| match &row[name] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            output::table(&columns, rows.iter().map(|row| columns.map(|name| cell(row, name)).to_vec()))?;
        }
    }
    if let (true, Some(cursor)) = (more, last) {
        eprintln!("there are more: --cursor {cursor}");
    }
    Ok(if found { Verdict::Fine } else { Verdict::Finding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_by_its_mask_and_never_by_its_number() {
        assert_eq!(masked("622588******0008").unwrap().to_string(), "622588******0008");
        assert_eq!(masked("622588*********0008").unwrap().to_string(), "622588*********0008");
        for text in ["", "*", "6225880000000008", "62258*******0008", "622588*****00008", "622588******000x"]
        {
            assert!(masked(text).is_err(), "{text}");
        }
        assert!(card_hash(&"0a".repeat(16)).is_ok());
        for text in ["", "0a", &"0g".repeat(16), &"é".repeat(16)] {
            assert!(card_hash(text).is_err(), "{text}");
        }
    }
}
