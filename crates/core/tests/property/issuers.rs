//! What issuers know in a random script, apart from what the switch says of them.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::TransactionId;

/// What an issuer decides on what never reached it.
pub(crate) const NEVER: &str = "never";

/// The issuers' own books: what each decided, once, whether or not anybody heard it.
#[derive(Default)]
pub(crate) struct Issuers {
    pub(crate) decided: BTreeMap<TransactionId, &'static str>,
    /// What each would approve where not the whole: three fifths of what it was asked for.
    pub(crate) parts: BTreeMap<TransactionId, u64>,
    pub(crate) reversed: BTreeSet<TransactionId>,
    /// What was approved in their place when its request could not leave: they know of it by its advice alone.
    pub(crate) told: BTreeSet<TransactionId>,
    /// What each knows of scripts: how often it was told, but for repeats.
    pub(crate) scripts: BTreeSet<TransactionId>,
}

impl Issuers {
    /// The first decision stands; what was reversed before it came is refused.
    pub(crate) fn decide(&mut self, id: TransactionId, code: &'static str) -> &'static str {
        let code = if self.reversed.contains(&id) { "25" } else { code };
        self.decided.entry(id).or_insert(code)
    }
    /// The answer to an advice: it is taken, or has to come again.
    pub(crate) fn advise(&mut self, id: TransactionId, code: &'static str) -> &'static str {
        if ["91", "96"].contains(&code) { code } else { self.decide(id, "00") }
    }
    /// The answer to a reversal that was delivered.
    pub(crate) fn reverse(&mut self, id: TransactionId, code: &'static str) -> &'static str {
        if ["91", "96", "12"].contains(&code) {
            return code;
        }
        self.reversed.insert(id);
        if self.took(id) { "00" } else { code }
    }
    /// The answer to what a chip made of scripts. Nobody hears that before it decided.
    pub(crate) fn hear_scripts(&mut self, id: TransactionId, code: &'static str) -> &'static str {
        assert!(self.decided.contains_key(&id), "{id}: scripts of an answer that nobody gave");
        if code == "00" {
            self.scripts.insert(id);
        }
        code
    }
    /// 98 is what a network says whose issuer did take it.
    pub(crate) fn took(&self, id: TransactionId) -> bool {
        self.decided.get(&id).is_some_and(|code| ["00", "10", "98"].contains(code))
    }
    pub(crate) fn stands(&self, id: TransactionId) -> bool {
        self.took(id) && !self.reversed.contains(&id)
    }
    /// What was taken where it was not the whole.
    pub(crate) fn part(&self, id: TransactionId) -> Option<u64> {
        self.parts.get(&id).copied().filter(|_| self.decided.get(&id) == Some(&"10"))
    }
}
