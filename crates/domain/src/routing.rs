//! Where transactions go beyond the range of the card, and what is approved while an issuer is away.

use crate::ids::LinkIndex;
use crate::risk::Scope;
use crate::transaction::TransactionKind;
use serde::{Deserialize, Serialize};

/// Most rules of a set.
pub const ROUTING_RULES_MAX: usize = 256;
/// Most destinations of a rule.
pub const DESTINATIONS_MAX: usize = 16;

/// All rules that choose among links; a new version replaces the one before as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct RoutingRules {
    /// Counts up by one with each set.
    pub version: u32,
    /// The first rule that is about a transaction and has a destination in health decides.
    pub rules: Vec<RoutingRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoutingRule {
    /// Its number, for people.
    pub number: u32,
    /// Institution codes of issuers; empty for all.
    #[serde(default)]
    pub issuers: Vec<u64>,
    /// Which transactions.
    #[serde(default)]
    pub about: Scope,
    /// Amounts of at most this many minor units.
    #[serde(default)]
    pub minor_max: Option<u64>,
    /// How to choose.
    pub choose: Choice,
    /// Among which links.
    pub destinations: Vec<Destination>,
}

/// How to choose among destinations in health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The first in the list.
    First,
    /// In turn, each as often as its weight says.
    Weight,
    /// The one that costs least for this amount; the first of equals.
    Cost,
}

/// A link that may take the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// The link.
    pub link: LinkIndex,
    /// Its share, where weights choose.
    #[serde(default = "one")]
    pub weight: u32,
    /// What it costs: parts per million of the amount.
    #[serde(default)]
    pub cost_ppm: u32,
    /// What it costs besides, minor units.
    #[serde(default)]
    pub cost_minor: u64,
}

fn one() -> u32 {
    1
}

/// What the switch approves by itself while an issuer is away; a new version replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct StandInRules {
    /// Counts up by one with each set.
    pub version: u32,
    /// The first rule that is about a transaction decides.
    pub rules: Vec<StandInRule>,
}

/// Limits of one product while its issuer is away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StandInRule {
    /// Its number, for people.
    pub number: u32,
    /// Institution codes of issuers; empty for all.
    #[serde(default)]
    pub issuers: Vec<u64>,
    /// Which transactions.
    #[serde(default)]
    pub about: Scope,
    /// Most of one transaction, minor units.
    pub minor_max: u64,
    /// Most that a card may spend so on a business day, minor units.
    pub day_minor_max: u64,
    /// Most transactions of a card so on a business day.
    pub day_count_max: u32,
    /// Whether a PIN that nobody can verify is in the way.
    #[serde(default)]
    pub refuses_pin: bool,
}

/// Why a set of rules is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// More than can be looked at for every transaction.
    #[error("more than {ROUTING_RULES_MAX} rules")]
    TooMany,
    /// A rule has no destination, too many, the same one twice, or nothing but weights of zero.
    #[error("rule {0}: its destinations contradict themselves")]
    Destinations(u32),
    /// A rule's scope contradicts itself.
    #[error("rule {0} contradicts itself")]
    Contradiction(u32),
    /// A rule is about a kind that none is ever asked about, so it would never choose.
    #[error("rule {rule} is about {kind:?}, which {why}")]
    NeverAsked {
        /// The rule.
        rule: u32,
        /// The kind.
        kind: TransactionKind,
        /// What becomes of it.
        why: &'static str,
    },
}

/// The first kind in a scope that is never asked about.
fn never_asked(
    rule: u32,
    about: &Scope,
    asked: fn(TransactionKind) -> bool,
    why: &'static str,
) -> Result<(), RoutingError> {
    let kind = about.kinds.iter().find(|kind| !asked(**kind));
    kind.map_or(Ok(()), |kind| Err(RoutingError::NeverAsked { rule, kind: *kind, why }))
}

impl RoutingRules {
    /// Whether every rule is one that can be followed.
    ///
    /// # Errors
    /// [`RoutingError`] with the number of the rule.
    pub fn check(&self) -> Result<(), RoutingError> {
        if self.rules.len() > ROUTING_RULES_MAX {
            return Err(RoutingError::TooMany);
        }
        for rule in &self.rules {
            let links = &rule.destinations;
            let twice = |(n, d): (usize, &Destination)| links[..n].iter().any(|other| other.link == d.link);
            let no_weight = rule.choose == Choice::Weight && links.iter().all(|d| d.weight == 0);
            if links.is_empty()
                || links.len() > DESTINATIONS_MAX
                || links.iter().enumerate().any(twice)
                || no_weight
            {
                return Err(RoutingError::Destinations(rule.number));
            }
            if !rule.about.is_in_order() {
                return Err(RoutingError::Contradiction(rule.number));
            }
            let why = "goes where its original went";
            never_asked(rule.number, &rule.about, |kind| !kind.follows_another(), why)?;
        }
        Ok(())
    }
}

impl StandInRules {
    /// Whether every rule is one that can be followed.
    ///
    /// # Errors
    /// [`RoutingError`] with the number of the rule.
    pub fn check(&self) -> Result<(), RoutingError> {
        if self.rules.len() > ROUTING_RULES_MAX {
            return Err(RoutingError::TooMany);
        }
        for rule in &self.rules {
            if !rule.about.is_in_order() {
                return Err(RoutingError::Contradiction(rule.number));
            }
            let why = "is not approved in an issuer's place";
            never_asked(rule.number, &rule.about, TransactionKind::is_limited, why)?;
        }
        Ok(())
    }
}
