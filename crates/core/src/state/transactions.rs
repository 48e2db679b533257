//! Every transaction of the partition, with what followed it.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use switchyard_domain::{
    AccountId, AuthCode, BusinessDate, MerchantIndex, Outcome, ReplyFacts, Rrn, Timestamp, TransactionId,
    TransactionKind, TransactionOpened,
};

/// A transaction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) opened: TransactionOpened,
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
    /// The business day of the record that posted the outcome; before that, the day it was opened on.
    pub(crate) day: BusinessDate,
    pub(crate) reply: Option<ReplyFacts>,
    /// The account on the other side of the merchant: a cardholder's, or a network receivable.
    pub(crate) source: AccountId,
    /// A terminal's reversal came before the issuer's answer.
    pub(crate) reversal_wanted: bool,
    /// The issuer answered the reversal with 25: it never had this, or has it still to come.
    pub(crate) unfound: bool,
    /// A void (or the void of a pre-authorization or completion) took or is taking it away.
    pub(crate) voided: bool,
    /// A completion captured or is capturing it.
    pub(crate) completed: bool,
    /// Minor units refunded or being refunded.
    pub(crate) refunded_minor: u64,
}

impl Transaction {
    /// Whether it still stands whole: approved, not voided, not completed, nothing refunded.
    pub(crate) fn is_untouched(&self) -> bool {
        self.outcome == Outcome::Approved && !self.voided && !self.completed && self.refunded_minor == 0
    }
}

/// All transactions and the ways to find one.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    pub(crate) all: Vec<Transaction>,
    pub(crate) by_rrn: HashMap<Rrn, TransactionId, FixedState>,
    /// Approved pre-authorizations: several may share a code, the newest is asked first.
    pub(crate) by_auth_code: HashMap<(MerchantIndex, AuthCode), Vec<TransactionId>, FixedState>,
    /// Those without a final outcome, in order.
    pub(crate) unresolved: BTreeSet<TransactionId>,
}

impl Transactions {
    pub(crate) fn get(&self, id: TransactionId) -> Option<&Transaction> {
        self.all.get(id.0 as usize)
    }
    pub(crate) fn get_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.all.get_mut(id.0 as usize)
    }
    pub(crate) fn next_id(&self) -> TransactionId {
        TransactionId(self.all.len() as u64)
    }
    pub(crate) fn unresolved(&self) -> usize {
        self.unresolved.len()
    }
    /// Pre-authorizations of a merchant under a code, newest first.
    pub(crate) fn authorized(
        &self,
        merchant: MerchantIndex,
        code: AuthCode,
    ) -> impl Iterator<Item = &Transaction> {
        let ids = self.by_auth_code.get(&(merchant, code)).map_or(&[][..], Vec::as_slice);
        ids.iter().rev().filter_map(|id| self.get(*id))
    }

    pub(crate) fn insert(&mut self, transaction: Transaction) {
        let id = transaction.opened.id;
        self.by_rrn.insert(transaction.opened.rrn, id);
        self.all.push(transaction);
        self.settle_indexes(id);
    }
    /// Keeps the indexes true after an outcome changed.
    pub(crate) fn settle_indexes(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get(id.0 as usize) else { return };
        if matches!(transaction.outcome, Outcome::Pending | Outcome::Unknown) {
            self.unresolved.insert(id);
        } else {
            self.unresolved.remove(&id);
        }
        if transaction.opened.kind == TransactionKind::PreAuth
            && transaction.outcome == Outcome::Approved
            && let Some(code) = transaction.reply.and_then(|r| r.auth_code)
        {
            let ids = self.by_auth_code.entry((transaction.opened.key.merchant, code)).or_default();
            if ids.last() != Some(&id) {
                ids.push(id);
            }
        }
    }
}
