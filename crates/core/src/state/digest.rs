//! One number over the whole persistent state, so that a replay can be held against the live one.

use crate::state::State;
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hash, Hasher};

/// Order-free combination: the digest of a map must not depend on how its hasher walks it.
fn combine<T: Hash>(items: impl Iterator<Item = T>) -> u64 {
    let build = FixedState::default();
    items.fold(0_u64, |sum, item| sum.wrapping_add(build.hash_one(item)))
}

impl State {
    /// A digest over everything that the records determine. It detects a difference; it proves nothing
    /// to an adversary (the ledger's Merkle root does).
    pub fn digest(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        self.records.hash(&mut hasher);
        self.references.hash(&mut hasher);
        self.day().hash(&mut hasher);
        self.days_to_net.hash(&mut hasher);
        self.link_stans.hash(&mut hasher);
        for transaction in &self.transactions.all {
            let t = transaction;
            (t.opened.id, t.opened.key, t.opened.fingerprint, t.opened.rrn, t.opened.upstream)
                .hash(&mut hasher);
            (t.outcome, t.day, t.reply, t.source, t.at).hash(&mut hasher);
            (t.reversal_wanted, t.unfound, t.voided, t.completed, t.refunded_minor).hash(&mut hasher);
        }
        combine(self.transactions.by_rrn.iter()).hash(&mut hasher);
        combine(self.transactions.by_auth_code.iter()).hash(&mut hasher);
        self.transactions.unresolved.hash(&mut hasher);
        combine(self.requests.tombstones.iter()).hash(&mut hasher);
        combine(self.requests.known.iter()).hash(&mut hasher);
        for reversal in &self.requests.reversals {
            (reversal.fingerprint, reversal.echo, reversal.reply).hash(&mut hasher);
        }
        (&self.saf.waiting, &self.saf.dead, self.saf.next).hash(&mut hasher);
        self.batches.by_terminal.hash(&mut hasher);
        for terminal in &self.registry.terminals {
            (terminal.terminal.id, terminal.signed_on, terminal.signed_off).hash(&mut hasher);
            terminal
                .keys
                .as_ref()
                .map(|k| (k.version, k.pin.check_value, k.mac.check_value))
                .hash(&mut hasher);
        }
        for card in &self.registry.cards {
            (card.card.card.hash, card.pin_failures).hash(&mut hasher);
        }
        self.book.image().hash(&mut hasher);
        hasher.finish()
    }
}
