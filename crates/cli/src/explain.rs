//! `explain`: the whole story of a transaction, read off the records: every message in and out that they hold, every
//! decision with its reason, every posting. What left no record (a repeat that heard the stored answer, a message
//! that could not be read) is not in it.

pub(crate) mod rules;
mod tell;
#[cfg(test)]
mod tests;
mod words;

use crate::arguments::{ExplainCommand, Output};
use crate::ledger::open_index;
use crate::operate::{cell, nothing};
use crate::{Verdict, output};
use anyhow::Result;
use rules::Rules;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::State;
use switchyard_domain::{Record, Rrn, Stamped, TransactionId, TransactionOpened};
use switchyard_ledger::Sequence;
use switchyard_ledger::index::{Index, Query};
use switchyard_server::index::{self as keys, Names};
use tell::Teller;

pub(crate) fn run(command: &ExplainCommand, data: &Path, form: Output) -> Result<Verdict> {
    let ExplainCommand::Transaction { rrn } = command;
    let index = open_index(data)?;
    let Some(opened) = rrn.parse().ok().map(|rrn| newest(&index, &rrn)).transpose()?.flatten() else {
        return nothing("there is no transaction under this reference", form);
    };
    let story = tell(&index, &opened, data)?;
    match form {
        Output::Json => output::json(&story)?,
        Output::Text => print(&story)?,
    }
    Ok(Verdict::Fine)
}

/// The story of a transaction.
fn tell(index: &Index, opened: &TransactionOpened, data: &Path) -> Result<Value> {
    let state = crate::operate::state(data)?;
    let story_of = story(index, opened)?;
    let findings = story_of.iter().filter_map(|(_, stamped)| rules::found_in(&stamped.record));
    let rules = Rules::of(data, state.risk_rules(), findings.map(|(_, finding)| finding))?;
    let (links, products) = (links(&state), products(&state));
    let mut names = Names::new(index);
    let mut teller = Teller::new(opened, (&links, &products), &rules, &mut names)?;
    let mut events = Vec::new();
    for (sequence, stamped) in story_of {
        events.push(teller.event(sequence, &stamped));
    }
    Ok(json!({
        "transaction": teller.head(),
        "original": opened.original.map(|id| reference(index, id)).transpose()?.flatten(),
        "followed_by": followers(index, opened.id)?,
        "events": events,
    }))
}

/// The newest transaction under a reference: one is given again after 400 days.
pub(crate) fn newest(index: &Index, rrn: &Rrn) -> Result<Option<TransactionOpened>> {
    let found = keys::records(index, keys::by_rrn(rrn))?;
    Ok(found.into_iter().rev().find_map(|(_, stamped)| opened_by(stamped.record)))
}

fn opened_by(record: Record) -> Option<TransactionOpened> {
    match record {
        Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. } => {
            Some(opened)
        }
        _ => None,
    }
}

/// Names of the links, in the order of registration.
fn links(state: &State) -> Vec<String> {
    state.registry().links().map(|(_, link)| link.name.clone()).collect()
}

/// Codes of the card products, by number.
fn products(state: &State) -> Vec<String> {
    state.registry().products().map(|(_, product)| product.code.to_string()).collect()
}

/// Every record that tells of the transaction, a terminal's reversals of its place included.
fn story(index: &Index, opened: &TransactionOpened) -> Result<Vec<(Sequence, Stamped)>> {
    let mut story = keys::story(index, opened.id)?;
    let key = opened.key;
    let reversals = keys::records(index, keys::reversals_at(key.terminal, key.batch, key.stan))?;
    story.extend(reversals);
    story.sort_by_key(|(sequence, _)| *sequence);
    story.dedup_by_key(|(sequence, _)| *sequence);
    Ok(story)
}

fn reference(index: &Index, id: TransactionId) -> Result<Option<Value>> {
    let found = keys::records(index, keys::of_transaction(id))?;
    let opened = found.into_iter().find_map(|(_, stamped)| opened_by(stamped.record));
    Ok(opened.map(|opened| json!({"rrn": opened.rrn, "kind": opened.kind})))
}

fn followers(index: &Index, id: TransactionId) -> Result<Vec<Value>> {
    let page = index.page(&Query::new(keys::following(id)))?;
    let mut fetch = index.fetch();
    let mut followers = Vec::new();
    for sequence in page.sequences {
        if let Some(opened) = opened_by(keys::record(&mut fetch, sequence)?.record) {
            followers.push(json!({"rrn": opened.rrn, "kind": opened.kind}));
        }
    }
    Ok(followers)
}

fn print(story: &Value) -> Result<()> {
    let head = story["transaction"].as_object().into_iter().flatten();
    for (name, value) in head.filter(|(_, value)| !value.is_null()) {
        output::line(&format!("{name}: {}", cell(value)))?;
    }
    if !story["original"].is_null() {
        output::line(&format!(
            "follows: {} {}",
            cell(&story["original"]["kind"]),
            cell(&story["original"]["rrn"])
        ))?;
    }
    for follower in story["followed_by"].as_array().into_iter().flatten() {
        output::line(&format!("followed by: {} {}", cell(&follower["kind"]), cell(&follower["rrn"])))?;
    }
    for event in story["events"].as_array().into_iter().flatten() {
        let (sequence, at, what) = (&event["sequence"], cell(&event["at"]), cell(&event["record"]));
        output::line(&format!("\n{at}  record {sequence}  {what}, by {}", cell(&event["by"])))?;
        for (mark, list) in [("<-", "in"), ("==", "decision"), ("##", "postings"), ("->", "out")] {
            for item in event[list].as_array().into_iter().flatten() {
                output::line(&format!("  {mark} {}", cell(item)))?;
            }
        }
    }
    Ok(())
}
