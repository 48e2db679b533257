//! The risk rules that spoke, in the words of those who set them.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_domain::{
    Actor, Record, RiskFinding, RiskRule, RiskRules, RiskVerdict, Stamped, Timestamp, TransactionId,
};
use switchyard_ledger::Reader;

/// Sets of rules by version.
#[derive(Debug, Default)]
pub(crate) struct Rules(BTreeMap<u32, RiskRules>);

impl Rules {
    /// The set in force, and those before it that any of the findings names. Older ones are in the ledger alone, which is
    /// read for them.
    pub(crate) fn of<'f>(
        data: &Path,
        in_force: &RiskRules,
        findings: impl Iterator<Item = &'f RiskFinding>,
    ) -> Result<Self> {
        let mut rules = Self::default();
        rules.know(in_force);
        let oldest = findings.map(|finding| finding.version).filter(|version| *version > 0).min();
        if oldest.is_some_and(|version| version < in_force.version) {
            let dir = data.join("ledger");
            let kind = variant_of_a_set();
            Reader::open(&dir).with_context(|| crate::data_hint(data))?.for_each(|sequence, bytes| {
                if Stamped::variant(bytes) == kind {
                    let stamped = Stamped::decode(bytes).with_context(|| format!("record {}", sequence.0))?;
                    rules.observe(&stamped.record);
                }
                anyhow::Ok(())
            })?;
        }
        Ok(rules)
    }

    /// Another set came into force.
    pub(crate) fn observe(&mut self, record: &Record) {
        if let Record::RiskRulesSet(rules) = record {
            self.know(rules);
        }
    }

    fn know(&mut self, rules: &RiskRules) {
        self.0.insert(rules.version, rules.clone());
    }

    /// Why a rule is there.
    pub(crate) fn reason(&self, version: u32, number: u32) -> String {
        if number == RiskRule::HOT_CARD {
            return "the card is on the hot-card list".to_owned();
        }
        let rule = self.0.get(&version).and_then(|set| set.rules.iter().find(|rule| rule.number == number));
        match rule {
            Some(rule) => format!("rule {number}: {}", rule.reason),
            None => format!("rule {number}"),
        }
    }

    /// A finding in sentences, rule by rule.
    pub(super) fn tell(&self, finding: &RiskFinding) -> Vec<String> {
        let mut told: Vec<String> =
            finding.rules.iter().map(|number| self.reason(finding.version, *number)).collect();
        let score = if finding.score > 0 { format!(", score {}", finding.score) } else { String::new() };
        let says = match finding.verdict {
            RiskVerdict::Approve => "nothing against it".to_owned(),
            RiskVerdict::Alert => "somebody is told".to_owned(),
            RiskVerdict::HoldPayout => {
                "what its merchant gains is not paid out until it is released".to_owned()
            }
            RiskVerdict::Decline(code) => format!("declined with {}", super::words::named(code)),
        };
        told.push(format!("the risk rules, version {}{score}: {says}", finding.version));
        told
    }
}

/// A verdict as commands print it.
pub(crate) fn verdict(verdict: RiskVerdict) -> &'static str {
    match verdict {
        RiskVerdict::Approve => "approve",
        RiskVerdict::Alert => "alert",
        RiskVerdict::HoldPayout => "hold_payout",
        RiskVerdict::Decline(_) => "decline",
    }
}

/// By which records with sets of rules are known before they are taken apart.
fn variant_of_a_set() -> Option<u32> {
    let record = Record::RiskRulesSet(RiskRules::default());
    let mut bytes = Vec::new();
    Stamped { at: Timestamp::default(), actor: Actor::Switch, record }.encode(&mut bytes);
    Stamped::variant(&bytes)
}

/// What the rules found in a transaction: the record behind the one that made it.
pub(crate) fn found_in(record: &Record) -> Option<(TransactionId, &RiskFinding)> {
    match record {
        Record::RiskFlagged { transaction, finding, .. } => Some((*transaction, finding)),
        _ => None,
    }
}
