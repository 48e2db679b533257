//! The three journals, once every queue has drained: what the terminals believe, what the ledger says, what the issuers posted.

use super::story::Story;
use super::{Checked, Tale, ensure};
use crate::tally::Tally;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{BatchNumber, Outcome, ResponseCode, Rrn, Stan, TerminalIndex, TransactionKind};
use switchyard_simulator::issuer::{IssuerEntry, ScriptSent};
use switchyard_simulator::terminal::{FinalState, heard_as};
use switchyard_simulator::world::Speech;

/// A transaction as its terminal's journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Believed {
    pub(crate) kind: TransactionKind,
    pub(crate) minor: u64,
    pub(crate) state: FinalState,
    /// DE 39 of the answer, where one came that could be trusted.
    pub(crate) code: Option<ResponseCode>,
    pub(crate) rrn: Option<Rrn>,
}

/// What a terminal knows at the end.
#[derive(Debug)]
pub(crate) struct Journals<'a> {
    pub(crate) terminal: TerminalIndex,
    pub(crate) speech: Speech,
    pub(crate) believed: &'a BTreeMap<(BatchNumber, Stan), Believed>,
    /// What it told of scripts and had acknowledged, by the transaction's place.
    pub(crate) scripts: &'a BTreeMap<(BatchNumber, Stan), Vec<u8>>,
    /// Trace numbers of batches that it counted wrong on purpose.
    pub(crate) miscounted: &'a BTreeSet<(BatchNumber, Stan)>,
}

/// What the issuers posted.
#[derive(Debug)]
pub(crate) struct Books<'a> {
    pub(crate) entries: Vec<&'a [IssuerEntry]>,
    /// What became of scripts, by the transaction's reference.
    pub(crate) scripts: BTreeMap<Rrn, &'a ScriptSent>,
}

impl Journals<'_> {
    /// The terminal's journal against the ledger.
    pub(crate) fn compare(&self, story: &Story, tally: &mut Tally) -> Checked {
        let terminal = self.terminal;
        let mut ledger: BTreeMap<(BatchNumber, Stan), &Tale> = story
            .by_key
            .iter()
            .filter(|(key, _)| key.terminal == terminal)
            .map(|(key, id)| (self.place(key.batch, key.stan), &story.transactions[id]))
            .collect();
        for (place, believed) in self.believed {
            tally.compared_terminals += 1;
            let tale = ledger.remove(&self.place(place.0, place.1));
            let is_case = tale.is_some_and(|t| t.refused) && believed.state == FinalState::Reversed;
            tally.operator_cases += u64::from(is_case);
            ensure(agrees(believed, tale, &self.speech), "terminals' journal = ledger", || {
                let told =
                    tale.map(|t| (t.opened.kind, t.opened.amount.minor, t.outcome, t.reply.map(|r| r.code)));
                format!("terminal {} {}/{}: {believed:?}, ledger {told:?}", terminal.0, place.0, place.1)
            })?;
        }
        let unasked = ledger.into_iter().next();
        ensure(unasked.is_none(), "terminals' journal = ledger", || {
            format!(
                "terminal {} never asked for {:?}",
                terminal.0,
                unasked.map(|(place, tale)| (place, tale.opened.id))
            )
        })?;
        self.compare_scripts(story)?;
        self.explain_cases(story)
    }

    /// What the terminal had acknowledged of scripts is what their issuers are told.
    fn compare_scripts(&self, story: &Story) -> Checked {
        for (place, results) in self.scripts {
            let place = self.place(place.0, place.1);
            let keys = story.by_key.iter().filter(|(key, _)| key.terminal == self.terminal);
            let mut meant = keys.filter(|(key, _)| self.place(key.batch, key.stan) == place);
            let told = meant.find_map(|(_, id)| story.scripts.get(id));
            ensure(told == Some(results), "terminals' journal = ledger", || {
                format!("script of terminal {} {}/{}: told {told:02x?}", self.terminal.0, place.0, place.1)
            })?;
        }
        Ok(())
    }

    /// A generic dialect names no batch: the terminal knows what it asked for by the trace number, which no run uses
    /// twice, and not into which batch a request came that was on its way for minutes.
    fn place(&self, batch: BatchNumber, stan: Stan) -> (BatchNumber, Stan) {
        if self.speech.is_generic() { (BatchNumber::OPEN, stan) } else { (batch, stan) }
    }

    /// Every difference of a batch is one that the terminal made, or a reversal that was refused. Where totals that were told
    /// differ by a refused reversal, nobody uploads what would show which one it was: all of the batch is looked at.
    fn explain_cases(&self, story: &Story) -> Checked {
        for (terminal, batch, stan) in story.cases.iter().filter(|case| case.0 == self.terminal) {
            let place = self.place(*batch, *stan);
            let lied = self.miscounted.iter().any(|(batch, stan)| self.place(*batch, *stan) == place);
            let is_told = self.speech.is_generic() && !story.uploaded.contains(&(*terminal, *batch));
            let mut tales = story.by_key.iter().filter(|(key, _)| {
                let is_meant = self.place(key.batch, key.stan) == place || is_told && key.batch == *batch;
                key.terminal == *terminal && is_meant
            });
            let refused = tales.any(|(_, id)| story.transactions[id].refused);
            // It was on its way while the totals of the batch that it was made in were told, and came into the next one.
            let made_before = |(made_in, number): &(BatchNumber, Stan)| made_in != batch && number == stan;
            let late = self.speech.is_generic() && self.believed.keys().any(made_before);
            ensure(lied || refused || late, "batches add up", || {
                format!("terminal {} {batch}/{stan} differs and nobody knows why", terminal.0)
            })?;
        }
        Ok(())
    }
}

fn agrees(believed: &Believed, tale: Option<&Tale>, speech: &Speech) -> bool {
    let Some(tale) = tale else {
        // Refused without a record, never heard, or undone before it was taken.
        return believed.state != FinalState::Approved && believed.rrn.is_none();
    };
    let outcome = tale.outcome;
    let state = match believed.state {
        FinalState::Approved => outcome == Outcome::Approved,
        FinalState::Declined => matches!(outcome, Outcome::Declined | Outcome::Reversed),
        FinalState::Reversed => {
            matches!(outcome, Outcome::Declined | Outcome::Reversed)
                || outcome == Outcome::Approved && tale.refused
        }
        // An inquiry that was never answered moves nothing.
        FinalState::Unknown => tale.opened.kind == TransactionKind::BalanceInquiry,
    };
    let heard = |code| if speech.is_generic() { heard_as(speech.version(), code) } else { code };
    let same_code = believed.rrn.is_none() || believed.code == tale.reply.map(|reply| heard(reply.code));
    let same_reference = believed.rrn.is_none_or(|rrn| rrn == tale.opened.rrn);
    // In a generic dialect a completion is voided as a sale is: what has no original is a void, whatever was meant.
    let same_kind = believed.kind == tale.opened.kind
        || speech.is_generic()
            && (believed.kind, tale.opened.kind) == (TransactionKind::CompletionVoid, TransactionKind::Void)
            && tale.opened.original.is_none();
    // Who never heard of the part that was approved knows what was asked for.
    let same_amount = believed.minor == tale.opened.amount.minor
        || believed.state != FinalState::Approved && believed.minor == tale.asked;
    let same_order = same_kind && same_amount;
    state && same_code && same_reference && same_order
}

impl Books<'_> {
    /// The ledger against the issuers' books.
    pub(crate) fn compare(&self, story: &Story, tally: &mut Tally) -> Checked {
        let mut posted: BTreeMap<Rrn, &IssuerEntry> = BTreeMap::new();
        for entry in self.entries.iter().copied().flatten() {
            let first = posted.insert(entry.rrn, entry).is_none();
            ensure(first, "ledger = issuers' books", || format!("{} is posted twice", entry.rrn))?;
        }
        for tale in story.transactions.values().filter(|tale| tale.opened.upstream.is_some()) {
            tally.compared_issuers += 1;
            let opened = &tale.opened;
            let ours = tale.outcome == Outcome::Approved && opened.kind != TransactionKind::BalanceInquiry;
            let entry = posted.remove(&opened.rrn);
            let theirs = entry.is_some_and(|entry| !entry.reversed);
            // To the issuer a sale that was approved in its place is one that it hears of afterwards.
            let told = match (tale.advised, opened.kind) {
                (Some(_), TransactionKind::Sale) => TransactionKind::OfflineSale,
                (_, TransactionKind::PreAuthAdvice) => TransactionKind::PreAuth,
                (_, kind) => kind,
            };
            let same = entry.is_none_or(|e| !ours || (e.kind, e.amount_minor) == (told, opened.amount.minor));
            ensure(ours == theirs && same, "ledger = issuers' books", || {
                let theirs = entry.map(|e| (e.kind, e.amount_minor, e.reversed));
                let (id, kind, minor) = (opened.id, opened.kind, opened.amount.minor);
                format!("{id} {kind:?} of {minor} is {:?}, the issuer has {theirs:?}", tale.outcome)
            })?;
        }
        let unknown = posted.into_keys().next();
        ensure(unknown.is_none(), "ledger = issuers' books", || format!("nobody knows {unknown:?}"))?;
        self.compare_scripts(story, tally)
    }

    /// Every result that the ledger has for an issuer was heard there, and no other.
    fn compare_scripts(&self, story: &Story, tally: &mut Tally) -> Checked {
        let told: BTreeMap<Rrn, &[u8]> = (story.scripts.iter())
            .map(|(id, results)| (story.transactions[id].opened.rrn, results.as_slice()))
            .collect();
        let heard: BTreeMap<Rrn, &[u8]> = (self.scripts.iter())
            .filter_map(|(rrn, sent)| Some((*rrn, sent.heard.as_ref()?.0.as_slice())))
            .collect();
        tally.compared_scripts += told.len() as u64;
        ensure(told == heard, "ledger = issuers' books", || {
            let differs = told.iter().find(|(rrn, results)| heard.get(*rrn) != Some(*results));
            let unasked = heard.keys().find(|rrn| !told.contains_key(*rrn));
            format!("scripts: told {differs:02x?}, heard and not told {unasked:?}")
        })
    }
}
