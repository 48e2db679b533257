//! Limits and risk rules: what an operator sets, and what they found in a transaction.
//!
//! A limit is a rule whose test is a sum or a count and which declines. Every rule has a number of its own; what it
//! has counted stays with the number when the set is replaced, as long as the rule still counts the same thing.

use crate::code::ResponseCode;
use crate::currency::Currency;
use crate::ids::{MerchantIndex, TerminalIndex};
use crate::product::CardGroup;
use crate::transaction::TransactionKind;
use serde::{Deserialize, Serialize};

/// Most rules of a set: each is looked at for every transaction.
pub const RISK_RULES_MAX: usize = 256;
/// Longest sliding window, minutes.
pub const RISK_MINUTES_MAX: u32 = 2_880;
/// Most transactions that a rule with a sliding window can tell apart for one subject.
pub const RISK_SLIDING_MAX: u32 = 250;

/// All rules in force: a new version replaces the one before as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct RiskRules {
    /// Counts up by one with each set.
    pub version: u32,
    /// The rules; all are looked at, in this order.
    pub rules: Vec<RiskRule>,
    /// The score from which on a transaction is declined with 59.
    #[serde(default)]
    pub decline_score: Option<u32>,
    /// The score from which on its payout is held.
    #[serde(default)]
    pub hold_score: Option<u32>,
    /// The score from which on somebody is told.
    #[serde(default)]
    pub alert_score: Option<u32>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RiskRule {
    /// Its number, for good.
    pub number: u32,
    /// The reason in a person's words: what a finding shows.
    pub reason: String,
    /// Which transactions it is about.
    #[serde(default)]
    pub about: Scope,
    /// What makes it speak.
    pub test: RiskTest,
    /// What follows.
    pub then: RiskAction,
}

/// Which transactions a rule is about; what is empty asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// These merchants.
    #[serde(default)]
    pub merchants: Vec<MerchantIndex>,
    /// These terminals.
    #[serde(default)]
    pub terminals: Vec<TerminalIndex>,
    /// Cards of any of these classes and products.
    #[serde(default)]
    pub classes: Vec<CardGroup>,
    /// Transactions of these kinds. A risk rule that names none is about all that take a cardholder's money: refunds have to
    /// be named.
    #[serde(default)]
    pub kinds: Vec<TransactionKind>,
    /// Merchant category codes, from and to.
    #[serde(default)]
    pub mcc: Vec<(u16, u16)>,
    /// Areas: digits 4 to 7 of DE 42, from and to.
    #[serde(default)]
    pub areas: Vec<(u16, u16)>,
    /// How the card was read: the first two digits of DE 22.
    #[serde(default)]
    pub entry_modes: Vec<u8>,
    /// Local minutes of the day, from and up to (and not with); over midnight where the first is the greater.
    #[serde(default)]
    pub minutes: Option<(u16, u16)>,
    /// Days of the week, Monday 1 to Sunday 7.
    #[serde(default)]
    pub weekdays: Vec<u8>,
    /// Amounts in this currency.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Amounts of at least this many minor units.
    #[serde(default)]
    pub minor_min: u64,
}

/// Whose transactions are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskSubject {
    /// The merchant's.
    Merchant,
    /// The terminal's.
    Terminal,
    /// The card's, wherever it is used.
    Card,
    /// The card's at this merchant.
    CardAtMerchant,
    /// The merchant's with cards of this class.
    ClassAtMerchant,
    /// All with cards of this class.
    Class,
}

/// Over which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskWindow {
    /// The business day.
    Day,
    /// The calendar month of the business day.
    Month,
    /// The minutes before.
    Minutes(u32),
}

/// When a rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskTest {
    /// Always.
    Always,
    /// The amount is above this.
    AmountOver {
        /// Minor units that are still in order.
        minor_max: u64,
    },
    /// The amount is a multiple of this.
    RoundAmount {
        /// Minor units.
        multiple_minor: u64,
    },
    /// With this transaction the sum is above this. Each currency is added up by itself, refunds apart from payments.
    Sum {
        /// Of whom.
        of: RiskSubject,
        /// Over which time.
        window: RiskWindow,
        /// Minor units that are still in order.
        minor_max: u64,
    },
    /// With this transaction there are more than this, in any currency; refunds apart from payments.
    Count {
        /// Of whom.
        of: RiskSubject,
        /// Over which time.
        window: RiskWindow,
        /// How many are still in order.
        count_max: u32,
        /// Whether those that were declined count too.
        #[serde(default)]
        attempts: bool,
    },
    /// With this transaction there are more than this of the very same amount and currency.
    SameAmount {
        /// Of whom.
        of: RiskSubject,
        /// Minutes before.
        minutes: u32,
        /// How many are still in order.
        count_max: u32,
    },
    /// With this transaction the card was in more areas than this.
    Areas {
        /// Minutes before.
        minutes: u32,
        /// How many are still in order.
        count_max: u32,
    },
}

/// What follows when a rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskAction {
    /// The transaction is declined: 61 for an amount limit, 65 for a count.
    Decline(ResponseCode),
    /// It may take place; what the merchant gains by it is not paid out until somebody releases it.
    HoldPayout,
    /// Somebody is told.
    Alert,
    /// Adds to the score.
    Score(u32),
}

/// What the rules together say, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskVerdict {
    /// Nothing but a score.
    Approve,
    /// Somebody is told.
    Alert,
    /// The payout is held.
    HoldPayout,
    /// It is declined.
    Decline(ResponseCode),
}

/// What the rules found in a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RiskFinding {
    /// Version of the rules.
    pub version: u32,
    /// Numbers of the rules that spoke, in their order: the reasons. [`RiskRule::HOT_CARD`] is the hot-card list.
    pub rules: Vec<u32>,
    /// The sum of their scores.
    pub score: u32,
    /// What follows.
    pub verdict: RiskVerdict,
}

/// Why a set of rules is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RiskError {
    /// More than can be looked at for every transaction.
    #[error("more than {RISK_RULES_MAX} risk rules")]
    TooMany,
    /// Two rules have the same number.
    #[error("risk rule {0} is there twice")]
    Twice(u32),
    /// A rule contradicts itself.
    #[error("risk rule {0} contradicts itself")]
    Contradiction(u32),
    /// Its number stands for the hot-card list in what is found.
    #[error("risk rule {0}: this number is the hot-card list's")]
    Reserved(u32),
    /// A rule is about a kind that none is ever asked about, so it would never speak.
    #[error(
        "risk rule {rule} is about {kind:?}: rules are asked about payments, pre-authorizations and refunds only"
    )]
    NeverAsked {
        /// The rule.
        rule: u32,
        /// The kind.
        kind: TransactionKind,
    },
    /// A refund gains a merchant nothing that could be held.
    #[error("risk rule {0} is about refunds alone: they have no payout to hold")]
    NothingToHold(u32),
}

impl RiskRules {
    /// Whether every rule is one that can be held to.
    ///
    /// # Errors
    /// [`RiskError`] with the number of the rule.
    pub fn check(&self) -> Result<(), RiskError> {
        if self.rules.len() > RISK_RULES_MAX {
            return Err(RiskError::TooMany);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if self.rules[..index].iter().any(|earlier| earlier.number == rule.number) {
                return Err(RiskError::Twice(rule.number));
            }
            rule.check()?;
        }
        Ok(())
    }
}

impl RiskRule {
    /// What stands in the place of a rule's number where the hot-card list spoke.
    pub const HOT_CARD: u32 = u32::MAX;

    fn check(&self) -> Result<(), RiskError> {
        let Self { number: rule, about, test, then, .. } = self;
        if *rule == Self::HOT_CARD {
            return Err(RiskError::Reserved(*rule));
        }
        if !(test.is_in_order() && then.is_in_order() && about.is_in_order()) {
            return Err(RiskError::Contradiction(*rule));
        }
        if let Some(kind) = about.kinds.iter().find(|kind| !kind.is_assessed()) {
            return Err(RiskError::NeverAsked { rule: *rule, kind: *kind });
        }
        let refunds = !about.kinds.is_empty() && about.kinds.iter().all(|kind| !kind.is_limited());
        if refunds && *then == RiskAction::HoldPayout {
            return Err(RiskError::NothingToHold(*rule));
        }
        Ok(())
    }

    /// Whether it is asked about transactions of this kind: about refunds only where it names them, because what is
    /// given back is no spending.
    pub fn asks_about(&self, kind: TransactionKind) -> bool {
        let kinds = &self.about.kinds;
        if kinds.is_empty() { kind.is_limited() } else { kind.is_assessed() && kinds.contains(&kind) }
    }

    /// Whether this rule counts what `other` counts, so that what was counted stays true.
    pub fn counts_as(&self, other: &Self) -> bool {
        self.number == other.number && self.about == other.about && self.test.meter() == other.test.meter()
    }
}

impl RiskTest {
    /// Of whom and over which time the rule keeps count, and whether declined ones count; `None` when it keeps none.
    pub fn meter(&self) -> Option<(RiskSubject, RiskWindow, bool)> {
        match *self {
            Self::Always | Self::AmountOver { .. } | Self::RoundAmount { .. } => None,
            Self::Sum { of, window, .. } => Some((of, window, false)),
            Self::Count { of, window, attempts, .. } => Some((of, window, attempts)),
            Self::SameAmount { of, minutes, .. } => Some((of, RiskWindow::Minutes(minutes), false)),
            Self::Areas { minutes, .. } => Some((RiskSubject::Card, RiskWindow::Minutes(minutes), false)),
        }
    }
    fn is_in_order(&self) -> bool {
        let slides = match self.meter() {
            Some((_, RiskWindow::Minutes(minutes), _)) => {
                if !(1..=RISK_MINUTES_MAX).contains(&minutes) {
                    return false;
                }
                true
            }
            Some(_) | None => false,
        };
        match *self {
            Self::RoundAmount { multiple_minor } => multiple_minor > 0,
            Self::Count { count_max, .. }
            | Self::SameAmount { count_max, .. }
            | Self::Areas { count_max, .. } => !slides || count_max < RISK_SLIDING_MAX,
            Self::Always | Self::AmountOver { .. } | Self::Sum { .. } => true,
        }
    }
}

impl RiskAction {
    fn is_in_order(self) -> bool {
        match self {
            Self::Decline(code) => !code.is_approval() && !code.is_unknown(),
            Self::HoldPayout | Self::Alert | Self::Score(_) => true,
        }
    }
}

impl Scope {
    /// Whether what it asks can be.
    pub fn is_in_order(&self) -> bool {
        let minutes = self.minutes.is_none_or(|(from, to)| from < 1_440 && to <= 1_440 && from != to);
        minutes && self.weekdays.iter().all(|day| (1..=7).contains(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: u32, test: RiskTest, then: RiskAction) -> RiskRule {
        RiskRule { number, reason: String::new(), about: Scope::default(), test, then }
    }
    fn set(rules: Vec<RiskRule>) -> RiskRules {
        RiskRules { version: 1, rules, ..RiskRules::default() }
    }

    #[test]
    fn rules_that_cannot_be_held_to_are_refused() {
        let alert = RiskAction::Alert;
        let slow = |minutes, count_max| RiskTest::SameAmount { of: RiskSubject::Card, minutes, count_max };
        for (name, rules, expected) in [
            ("none", vec![], Ok(())),
            ("one", vec![rule(1, RiskTest::Always, alert)], Ok(())),
            (
                "twice",
                vec![rule(1, RiskTest::Always, alert), rule(1, RiskTest::Always, alert)],
                Err(RiskError::Twice(1)),
            ),
            ("too long", vec![rule(1, slow(2_881, 1), alert)], Err(RiskError::Contradiction(1))),
            ("no time", vec![rule(1, slow(0, 1), alert)], Err(RiskError::Contradiction(1))),
            ("too many", vec![rule(1, slow(5, 250), alert)], Err(RiskError::Contradiction(1))),
            (
                "declines with an approval",
                vec![rule(1, RiskTest::Always, RiskAction::Decline(ResponseCode::APPROVED))],
                Err(RiskError::Contradiction(1)),
            ),
            (
                "the hot-card list's number",
                vec![rule(RiskRule::HOT_CARD, RiskTest::Always, alert)],
                Err(RiskError::Reserved(u32::MAX)),
            ),
            (
                "multiples of nothing",
                vec![rule(1, RiskTest::RoundAmount { multiple_minor: 0 }, alert)],
                Err(RiskError::Contradiction(1)),
            ),
        ] {
            assert_eq!(set(rules).check(), expected, "{name}");
        }
        use TransactionKind::{CompletionAdvice, Refund, Sale, Tip, Void};
        for (kinds, then, expected) in [
            (vec![Refund], alert, Ok(())),
            (vec![Sale, Refund], RiskAction::HoldPayout, Ok(())),
            (vec![Refund], RiskAction::HoldPayout, Err(RiskError::NothingToHold(1))),
            (vec![Sale, Void], alert, Err(RiskError::NeverAsked { rule: 1, kind: Void })),
            (vec![Tip], alert, Err(RiskError::NeverAsked { rule: 1, kind: Tip })),
            (vec![CompletionAdvice], alert, Err(RiskError::NeverAsked { rule: 1, kind: CompletionAdvice })),
        ] {
            let about = Scope { kinds: kinds.clone(), ..Scope::default() };
            let rules = set(vec![RiskRule { about, ..rule(1, RiskTest::Always, then) }]);
            assert_eq!(rules.check(), expected, "{kinds:?}");
        }
        let json = r#"{"version":1,"rules":[{"number":7,"reason":"day","test":
            {"sum":{"of":"card","window":"day","minor_max":100}},"then":{"decline":"61"}}]}"#;
        let read: RiskRules = serde_json::from_str(json).unwrap();
        assert_eq!(read.check(), Ok(()));
        assert!(read.rules[0].counts_as(&RiskRule {
            test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 5 },
            ..read.rules[0].clone()
        }));
    }
}
