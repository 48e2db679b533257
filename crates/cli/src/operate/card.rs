//! `card`: the hot-card list.

use super::{give, rows, told};
use crate::admin::Admin;
use crate::arguments::{Because, CardCommand, Output};
use crate::history::each_record;
use crate::settle::hex;
use crate::{Verdict, output, serve};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use switchyard_core::{Command, CommandOutcome, Order};
use switchyard_domain::{BlockCause, CardHash, Pan, Record};
use switchyard_server::{CardToBlock, ClearPan};

/// Longest import: a line is a card.
const IMPORT_BYTES_MAX: u64 = 64 << 20;

pub(crate) fn run(command: &CardCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        CardCommand::List => list(data, form),
        CardCommand::Block { cause, because } => {
            let card = CardToBlock { pan: number_from_stdin()?, cause: (*cause).into() };
            told(&block(vec![card], because, data)?, form)
        }
        CardCommand::Unblock { card_hash: Some(hash), because } => {
            let card = crate::ledger::card_hash(hash)?;
            give(Order::UnblockCard { card, reason: because.reason.clone() }, because, data, form)
        }
        CardCommand::Unblock { card_hash: None, because } => {
            told(&unblock(&number_from_stdin()?, because, data)?, form)
        }
        CardCommand::Import { file, cause, because } => import(file, (*cause).into(), because, data, form),
    }
}

fn block(cards: Vec<CardToBlock>, because: &Because, data: &Path) -> Result<CommandOutcome> {
    let reason = &because.reason;
    let request = || json!({"command": "block-cards", "cards": cards, "reason": reason});
    let admin = Admin::open(data, &serve::load(&because.config)?)?;
    admin.with_keys(request, |tools| {
        let cards = cards.iter().map(|card| card.blocked(|pan| tools.cards.hash(pan))).collect();
        Ok(Command::Order(Order::BlockCards { cards, reason: reason.clone() }))
    })
}

fn unblock(pan: &ClearPan, because: &Because, data: &Path) -> Result<CommandOutcome> {
    let reason = &because.reason;
    let request = || json!({"command": "unblock-card", "pan": pan, "reason": reason});
    let admin = Admin::open(data, &serve::load(&because.config)?)?;
    admin.with_keys(request, |tools| {
        let card = tools.cards.hash(pan.pan());
        Ok(Command::Order(Order::UnblockCard { card, reason: reason.clone() }))
    })
}

/// One card number. What was read is never quoted.
fn number_from_stdin() -> Result<ClearPan> {
    let mut text = String::new();
    std::io::stdin().take(256).read_to_string(&mut text)?;
    let digits: String = text.trim().chars().filter(|c| *c != ' ').collect();
    match Pan::from_digits(digits.as_bytes()) {
        Ok(pan) if pan.luhn_is_valid() => Ok(pan.into()),
        _ => bail!("stdin holds no card number: 13 to 19 digits with a right check digit"),
    }
}

fn import(file: &Path, cause: BlockCause, because: &Because, data: &Path, form: Output) -> Result<Verdict> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().take(IMPORT_BYTES_MAX).read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| file.display().to_string())?
    };
    let cards = match parse(&text, cause) {
        Ok(cards) => cards,
        Err(mistakes) => {
            for (line, mistake) in &mistakes {
                eprintln!("{}:{line}: {mistake}", file.display());
            }
            let mistakes = mistakes.iter().map(|(line, mistake)| json!({"line": line, "error": mistake}));
            if form == Output::Json {
                output::json(&json!({"recorded": false, "errors": mistakes.collect::<Vec<_>>()}))?;
            }
            return Ok(Verdict::Finding);
        }
    };
    let (mut count, mut unchanged) = (0, 0);
    let mut cards = cards.into_iter().peekable();
    while cards.peek().is_some() {
        let some: Vec<_> = cards.by_ref().take(Order::CARDS_MAX).collect();
        if let CommandOutcome::Changed { count: more, unchanged: so } = block(some, because, data)? {
            count += more;
            unchanged += so;
        }
    }
    told(&CommandOutcome::Changed { count, unchanged }, form)
}

/// The cards of a list, or every line that is wrong, by its number. What a line holds is never quoted.
fn parse(text: &str, cause: BlockCause) -> Result<Vec<CardToBlock>, Vec<(usize, &'static str)>> {
    let (mut cards, mut mistakes) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let (number, named) = text.split_once(',').map_or((text, None), |(n, c)| (n, Some(c.trim())));
        let cause = match named {
            None => Ok(cause),
            Some("lost") => Ok(BlockCause::Lost),
            Some("stolen") => Ok(BlockCause::Stolen),
            Some("restricted") => Ok(BlockCause::Restricted),
            Some(_) => Err("the cause is none of lost, stolen, restricted"),
        };
        let pan = Pan::from_digits(number.trim().as_bytes())
            .map_err(|_| "no card number: 13 to 19 digits")
            .and_then(|pan| if pan.luhn_is_valid() { Ok(pan) } else { Err("the check digit is wrong") });
        match (pan, cause) {
            (Ok(pan), Ok(cause)) => cards.push(CardToBlock { pan: pan.into(), cause }),
            (Err(mistake), _) | (_, Err(mistake)) => mistakes.push((line, mistake)),
        }
    }
    if mistakes.is_empty() { Ok(cards) } else { Err(mistakes) }
}

fn list(data: &Path, form: Output) -> Result<Verdict> {
    let mut hot: BTreeMap<CardHash, Value> = BTreeMap::new();
    each_record(data, |_, stamped| {
        match &stamped.record {
            Record::CardBlocked { blocked, reason } => {
                let row = json!({
                    "card": blocked.masked.map(|masked| masked.to_string()), "cause": blocked.cause,
                    "code": blocked.cause.code(), "since": stamped.at.to_string(), "by": stamped.actor,
                    "reason": reason, "card_hash": hex(&blocked.card.0),
                });
                hot.insert(blocked.card, row);
            }
            Record::CardUnblocked { card, .. } => drop(hot.remove(card)),
            _ => {}
        }
        Ok(())
    })?;
    let columns = ["card", "cause", "code", "since", "reason", "card_hash"];
    rows(&columns, hot.into_values().collect(), form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_good_whole_or_every_wrong_line_is_named() {
        let good = "# hot cards\n4111111111111111\n\n 5500005555555559 , stolen # called\n";
        let cards = parse(good, BlockCause::Lost).unwrap();
        let causes: Vec<_> = cards.iter().map(|card| card.cause).collect();
        assert_eq!(causes, [BlockCause::Lost, BlockCause::Stolen]);
        assert_eq!(cards[0].pan.pan().masked().to_string(), "411111******1111");
        let bad = "4111111111111112\n4111\n4111111111111111,gone\n4111111111111111\nx\n";
        let mistakes = parse(bad, BlockCause::Lost).unwrap_err();
        assert_eq!(mistakes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 5]);
        assert!(mistakes.iter().all(|(_, mistake)| !mistake.contains("4111")));
    }
}
