//! The invariants of the design, checked from outside: on the ledger's records, the terminals' journal and
//! the issuers' books. The running core is asked for nothing but its digest.

use crate::history::{History, Story};
use crate::ledger::Meaning;
use crate::settle::Settled;
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use switchyard_domain::{Outcome, Rrn};
use switchyard_simulator::fleet::{FleetOutcome, FleetReport};
use switchyard_simulator::issuer::IssuerEntry;
use switchyard_simulator::terminal::FinalState;

/// Differences listed in full; the rest is counted.
const FINDINGS_KEPT_MAX: usize = 50;

/// Everything that was collected.
pub(super) struct Evidence<'a> {
    pub(super) fleet: &'a FleetReport,
    pub(super) issuers: &'a BTreeMap<String, Vec<IssuerEntry>>,
    pub(super) meaning: &'a Meaning,
    pub(super) live_digest: u64,
    pub(super) dead_letters: usize,
    pub(super) verified: bool,
    pub(super) settled: &'a Settled,
    pub(super) settled_again: &'a Settled,
}

/// What held. The names are those of `demo --output json`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Invariants {
    /// Every answer that a terminal got stands in the ledger.
    pub(super) answers_are_in_the_ledger: bool,
    /// One request, one effect, whatever was repeated.
    pub(super) nothing_is_doubled: bool,
    /// Repeats, declines and refusals came as the rules say.
    pub(super) answers_follow_the_rules: bool,
    /// Debits equal credits.
    pub(super) debits_equal_credits: bool,
    /// Voids and refunds never exceed what was captured.
    pub(super) follow_ups_stay_within: bool,
    /// No outcome is left open and no reversal undelivered.
    pub(super) reversals_end: bool,
    /// Terminals' journal = ledger.
    pub(super) terminals_agree: bool,
    /// Ledger = issuers' books.
    pub(super) issuers_agree: bool,
    /// Replaying the ledger gives the state that ran.
    pub(super) replay_equals_live: bool,
    /// Checksums, chain, Merkle root.
    pub(super) ledger_verifies: bool,
    /// Settling twice gives the same files.
    pub(super) settlement_repeats: bool,
    /// Batches ended as the terminals expect, every one closed.
    pub(super) batches_close: bool,
}

impl Invariants {
    pub(super) fn all_hold(&self) -> bool {
        self.list().iter().all(|(_, held)| *held)
    }
    /// Each with what it says.
    pub(super) fn list(&self) -> [(&'static str, bool); 12] {
        [
            ("every answer a terminal got is in the ledger", self.answers_are_in_the_ledger),
            ("nothing is doubled, whatever was repeated", self.nothing_is_doubled),
            ("answers follow the rules", self.answers_follow_the_rules),
            ("debits equal credits", self.debits_equal_credits),
            ("voids and refunds stay within what was captured", self.follow_ups_stay_within),
            ("every reversal ended, no outcome is open", self.reversals_end),
            ("terminals' journal = ledger", self.terminals_agree),
            ("ledger = issuers' books", self.issuers_agree),
            ("replaying the ledger gives the state that ran", self.replay_equals_live),
            ("the ledger verifies", self.ledger_verifies),
            ("settling again gives the same files", self.settlement_repeats),
            ("every batch is closed", self.batches_close),
        ]
    }

    pub(super) fn check(data: &Path, evidence: &Evidence<'_>) -> Result<(Self, Vec<String>)> {
        let history = History::read(data)?;
        let mut findings = Findings::default();
        let terminals = terminals(&history, evidence.fleet, &mut findings);
        let issuers = issuers(&history, evidence.issuers, &mut findings);
        let unfinished = |s: &Story| matches!(s.outcome, Outcome::Pending | Outcome::Unknown);
        let open = history.stories.iter().filter(|s| unfinished(s)).count();
        findings.expect(open == 0, || format!("{open} transactions without an outcome"));
        for error in &evidence.fleet.errors {
            findings.add(format!(
                "{} {}: expected {}, got {}",
                error.tid, error.scenario, error.expected, error.got
            ));
        }
        let invariants = Self {
            answers_are_in_the_ledger: terminals.missing == 0,
            nothing_is_doubled: terminals.doubled == 0 && issuers.doubled == 0,
            answers_follow_the_rules: evidence.fleet.errors_count == 0,
            debits_equal_credits: evidence.meaning.balanced,
            follow_ups_stay_within: issuers.exceeded == 0,
            reversals_end: open == 0 && evidence.dead_letters == 0,
            terminals_agree: terminals.differing == 0 && evidence.fleet.unknown == 0,
            issuers_agree: issuers.differing == 0,
            replay_equals_live: evidence.meaning.digest == evidence.live_digest,
            ledger_verifies: evidence.verified,
            settlement_repeats: same_files(evidence.settled, evidence.settled_again),
            batches_close: evidence.fleet.batches.iter().all(|b| b.closed),
        };
        Ok((invariants, findings.close()))
    }
}

#[derive(Default)]
struct Findings {
    kept: Vec<String>,
    more: usize,
}
impl Findings {
    fn add(&mut self, text: String) {
        if self.kept.len() < FINDINGS_KEPT_MAX { self.kept.push(text) } else { self.more += 1 }
    }
    fn expect(&mut self, held: bool, text: impl FnOnce() -> String) {
        if !held {
            self.add(text());
        }
    }
    fn close(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("and {} more", self.more));
        }
        self.kept
    }
}

#[derive(Default)]
struct Differences {
    missing: usize,
    doubled: usize,
    differing: usize,
    exceeded: usize,
}

/// The terminals' beliefs against the ledger.
fn terminals(history: &History, fleet: &FleetReport, findings: &mut Findings) -> Differences {
    let mut found = Differences::default();
    let ledger = history.by_place();
    found.doubled = history.stories.len() - ledger.len();
    findings.expect(found.doubled == 0, || format!("{} trace numbers with two transactions", found.doubled));
    let mut believed = HashSet::new();
    for outcome in &fleet.outcomes {
        let place = (outcome.tid, outcome.batch, outcome.stan);
        believed.insert(place);
        match ledger.get(&place) {
            Some(story) => {
                let agrees = agrees(outcome, story);
                found.differing += usize::from(!agrees);
                findings.expect(agrees, || format!("terminal believes {outcome:?}, ledger says {story:?}"));
            }
            // A refusal that leaves no trace, or a request undone before it was taken.
            None if outcome.unrecorded || outcome.state == FinalState::Reversed => {}
            None => {
                found.missing += 1;
                findings.add(format!("not in the ledger: {outcome:?}"));
            }
        }
    }
    for (place, story) in &ledger {
        if !believed.contains(place) {
            found.differing += 1;
            findings.add(format!("no terminal asked for {story:?}"));
        }
    }
    found
}

fn agrees(outcome: &FleetOutcome, story: &Story) -> bool {
    let state = match outcome.state {
        FinalState::Approved => story.outcome == Outcome::Approved,
        FinalState::Declined => matches!(story.outcome, Outcome::Declined | Outcome::Reversed),
        // A terminal that reverses what was declined, or never sent on, counts it as reversed.
        FinalState::Reversed => matches!(story.outcome, Outcome::Reversed | Outcome::Declined),
        FinalState::Unknown => false,
    };
    // A declined request that became a reversal after 98 keeps its code.
    let told = outcome.code.is_none_or(|code| Some(code) == story.code);
    let same_reference = outcome.rrn.is_none_or(|rrn| rrn == story.rrn);
    state
        && told
        && same_reference
        && outcome.kind == story.kind
        && outcome.amount_minor == story.amount_minor
}

/// The ledger against the issuers' books: for each reference the same net.
fn issuers(
    history: &History,
    books: &BTreeMap<String, Vec<IssuerEntry>>,
    findings: &mut Findings,
) -> Differences {
    let mut found = Differences::default();
    let mut posted: HashMap<Rrn, i64> = HashMap::new();
    for entry in books.values().flatten() {
        found.doubled += usize::from(posted.insert(entry.rrn, entry.net_minor()).is_some());
        let exceeded = entry.refunded_minor > entry.amount_minor.saturating_add(entry.tipped_minor);
        found.exceeded += usize::from(exceeded);
        findings.expect(!exceeded, || format!("refunded more than sold: {entry:?}"));
    }
    findings.expect(found.doubled == 0, || format!("{} references posted twice by an issuer", found.doubled));
    for story in history.stories.iter().filter(|s| s.over_link) {
        let ours =
            if story.outcome == Outcome::Approved { story.kind.signed_minor(story.amount_minor) } else { 0 };
        let theirs = posted.remove(&story.rrn).unwrap_or(0);
        found.differing += usize::from(ours != theirs);
        findings.expect(ours == theirs, || format!("issuer has {theirs}, ledger has {ours} for {story:?}"));
    }
    for (rrn, minor) in posted.iter().filter(|(_, minor)| **minor != 0) {
        found.differing += 1;
        findings.add(format!("an issuer has {minor} for {rrn}, which the ledger does not know"));
    }
    found
}

fn same_files(first: &Settled, second: &Settled) -> bool {
    first.files == second.files && second.records.is_empty()
}
