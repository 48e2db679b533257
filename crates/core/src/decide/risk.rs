//! What limits and risk rules say about a transaction. They are looked at before the PIN, and again after it: what
//! is decided is decided on the counters of that moment.

use crate::decide::financial::Plan;
use crate::effect::CommandError;
use crate::input::Financial;
use crate::machine::{Core, Output};
use crate::state::{RiskSeen, State, asks};
use switchyard_domain::{
    Actor, Record, ResponseCode, RiskAction, RiskFinding, RiskRule, RiskRules, RiskTest, RiskVerdict,
    Timestamp, TransactionId, TransactionKind, TransactionOpened,
};

impl Core {
    /// What rules look at in a request that would be recorded next; nothing where there are no rules.
    pub(crate) fn seen_asked(&self, plan: &Plan, request: &Financial, now: Timestamp) -> Option<RiskSeen> {
        let State { risk, routing, transactions, .. } = &self.state;
        if risk.rules.rules.is_empty() && risk.stand_in.rules.is_empty() && routing.rules.is_empty() {
            return None;
        }
        Some(RiskSeen {
            id: transactions.next_id(),
            kind: request.kind,
            merchant: plan.key.merchant,
            terminal: plan.key.terminal,
            card_kind: plan.card_kind,
            card: plan.card.as_ref().map(|card| card.hash),
            amount: request.amount,
            entry_mode: request.echo.entry_mode,
            day: self.state.day(),
            around: self.state.surroundings(plan.key.merchant, now),
        })
    }

    /// Records what the rules found in the transaction that was just recorded.
    pub(crate) fn flag(
        &mut self,
        finding: Option<Box<RiskFinding>>,
        opened: &TransactionOpened,
        stands: bool,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(finding) = finding else { return };
        let record = Record::RiskFlagged {
            transaction: opened.id,
            merchant: opened.key.merchant,
            amount: opened.amount,
            finding: *finding,
            stands,
        };
        self.emit(record, Actor::Switch, now, out);
    }

    /// A new set of rules follows the one in force.
    pub(crate) fn check_rules(&self, rules: &RiskRules) -> Result<(), CommandError> {
        if rules.version != self.state.risk.rules.version.wrapping_add(1) {
            return Err(CommandError::Invalid { what: "the version of the risk rules" });
        }
        rules.check().map_err(CommandError::Rules)
    }

    /// Only what is held is released, and for a reason.
    pub(crate) fn check_release(&self, transaction: TransactionId, reason: &str) -> Result<(), CommandError> {
        if !self.state.risk.held.contains_key(&transaction) {
            return Err(CommandError::Missing { what: "a held payout of this transaction" });
        }
        if reason.trim().is_empty() {
            return Err(CommandError::Invalid { what: "a release without a reason" });
        }
        Ok(())
    }
}

impl State {
    /// What the rules would find in a transaction that is recorded next, as it was or would be recorded at that time;
    /// `None` when none of them speaks. For those who try rules out.
    pub fn assess_opened(&self, opened: &TransactionOpened, at: Timestamp) -> Option<Box<RiskFinding>> {
        self.assess(&self.seen(opened, at))
    }

    /// What the rules find in a request; `None` when none of them speaks.
    pub(crate) fn assess(&self, seen: &RiskSeen) -> Option<Box<RiskFinding>> {
        let rules = &self.risk.rules;
        if rules.rules.is_empty() || !seen.kind.is_assessed() {
            return None;
        }
        let spoke = rules.rules.iter().filter(|rule| asks(rule, seen) && self.speaks(rule, seen));
        let mut found = finding(rules, spoke)?;
        if seen.kind == TransactionKind::Refund && found.verdict == RiskVerdict::HoldPayout {
            // A refund gains the merchant nothing that could be held: somebody is told instead.
            found.verdict = RiskVerdict::Alert;
        }
        Some(found)
    }

    /// What the rules found in something that has taken place, and what the hot-card list says: it is not declined any
    /// more, but nobody is paid before somebody has looked.
    pub(crate) fn assess_taken_place(
        &self,
        found: Option<Box<RiskFinding>>,
        is_hot: bool,
    ) -> Option<Box<RiskFinding>> {
        let mut found = match found {
            Some(found) => found,
            None if is_hot => {
                let (version, rules) = (self.risk.rules.version, Vec::new());
                Box::new(RiskFinding { version, rules, score: 0, verdict: RiskVerdict::HoldPayout })
            }
            None => return None,
        };
        if is_hot {
            found.rules.push(RiskRule::HOT_CARD);
        }
        if is_hot || matches!(found.verdict, RiskVerdict::Decline(_)) {
            found.verdict = RiskVerdict::HoldPayout;
        }
        Some(found)
    }

    fn speaks(&self, rule: &RiskRule, seen: &RiskSeen) -> bool {
        let minor = seen.amount.minor;
        let with = || self.risk.with(rule, seen);
        match rule.test {
            RiskTest::Always => true,
            RiskTest::AmountOver { minor_max } => minor > minor_max,
            RiskTest::RoundAmount { multiple_minor } => minor.is_multiple_of(multiple_minor),
            RiskTest::Sum { minor_max, .. } => with().minor > u128::from(minor_max),
            RiskTest::Count { count_max, .. } | RiskTest::SameAmount { count_max, .. } => {
                with().count > count_max
            }
            RiskTest::Areas { count_max, .. } => with().areas > count_max as usize,
        }
    }
}

fn finding<'r>(rules: &RiskRules, spoke: impl Iterator<Item = &'r RiskRule>) -> Option<Box<RiskFinding>> {
    let mut found =
        RiskFinding { version: rules.version, rules: Vec::new(), score: 0, verdict: RiskVerdict::Approve };
    for rule in spoke {
        found.rules.push(rule.number);
        let verdict = match rule.then {
            RiskAction::Decline(code) => RiskVerdict::Decline(code),
            RiskAction::HoldPayout => RiskVerdict::HoldPayout,
            RiskAction::Alert => RiskVerdict::Alert,
            RiskAction::Score(score) => {
                found.score = found.score.saturating_add(score);
                RiskVerdict::Approve
            }
        };
        found.verdict = worse(found.verdict, verdict);
    }
    let reached = |limit: Option<u32>| limit.is_some_and(|limit| found.score >= limit && found.score > 0);
    for (limit, verdict) in [
        (rules.alert_score, RiskVerdict::Alert),
        (rules.hold_score, RiskVerdict::HoldPayout),
        (rules.decline_score, RiskVerdict::Decline(ResponseCode::SUSPECTED_FRAUD)),
    ] {
        if reached(limit) {
            found.verdict = worse(found.verdict, verdict);
        }
    }
    (!found.rules.is_empty()).then(|| Box::new(found))
}

/// The first decline names the code; whatever is milder gives way.
fn worse(so_far: RiskVerdict, next: RiskVerdict) -> RiskVerdict {
    match so_far {
        RiskVerdict::Decline(_) => so_far,
        RiskVerdict::Approve | RiskVerdict::Alert | RiskVerdict::HoldPayout => so_far.max(next),
    }
}
