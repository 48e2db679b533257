//! Every transaction of the partition, with what followed it.

use crate::state::references::{References, Span};
use crate::state::rows::{ROWS_PER_PAGE, Row, Rows};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use switchyard_book::Sharded;
use switchyard_domain::{
    AccountId, AdviceReason, Amount, AuthCode, Billing, BusinessDate, CardHash, MerchantIndex, Outcome,
    ReplyFacts, Rrn, Timestamp, TransactionId, TransactionOpened,
};

/// A transaction and where it stands.
///
/// The order of fields is the format of snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) opened: TransactionOpened,
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
    /// The business day of the record that posted the outcome; before that, the day it was opened on.
    pub(crate) day: BusinessDate,
    pub(crate) reply: Option<ReplyFacts>,
    /// The account on the other side of the merchant: a cardholder's, or a network receivable.
    pub(crate) source: AccountId,
    /// It was approved without asking the issuer.
    pub(crate) advice: Option<AdviceReason>,
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
    /// Minor units of tips that stand: a refund may give these back, too.
    pub(crate) tipped_minor: u64,
    /// Minor units that were asked for, where a part of them was approved.
    pub(crate) asked_minor: Option<u64>,
    /// What the messages about it say of its cardholder's billing.
    pub(crate) billing: Option<Billing>,
    /// Its issuer is told, or was, what the chip made of the scripts in the answer.
    pub(crate) scripts_told: bool,
    /// Minor units of what was approved that the terminal took back since.
    pub(crate) taken_minor: u64,
}

impl Transaction {
    /// Whether its outcome is still to come.
    pub(crate) fn is_unresolved(&self) -> bool {
        matches!(self.outcome, Outcome::Pending | Outcome::Unknown)
    }
    /// The key that its card is sealed under.
    pub(crate) fn card_key(&self) -> Option<u16> {
        self.opened.card.as_ref().map(|card| card.key_id)
    }
    /// The card that it is about.
    pub(crate) fn card_hash(&self) -> Option<CardHash> {
        self.opened.card.as_ref().map(|card| card.hash)
    }
    /// What was approved: what stands, and what was taken back of it in part.
    pub(crate) fn approved(&self) -> Amount {
        let amount = self.opened.amount;
        Amount::new(amount.minor.saturating_add(self.taken_minor), amount.currency)
    }
    /// What was asked for: the whole, whatever part of it was approved.
    pub(crate) fn asked(&self) -> Amount {
        let approved = self.approved();
        Amount::new(self.asked_minor.unwrap_or(approved.minor), approved.currency)
    }
    /// The part that was approved, where it is not all that was asked for.
    pub(crate) fn approved_part(&self) -> Option<Amount> {
        self.asked_minor.map(|_| self.approved())
    }
    /// What has been captured of it and not been given back: its amount and its tips.
    pub(crate) fn left_minor(&self) -> u64 {
        self.opened.amount.minor.saturating_add(self.tipped_minor).saturating_sub(self.refunded_minor)
    }
    /// Whether it still stands whole: approved, not voided, not completed, nothing refunded.
    pub(crate) fn is_untouched(&self) -> bool {
        self.outcome == Outcome::Approved && !self.voided && !self.completed && self.refunded_minor == 0
    }
}

/// What a start needs to know of a page of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageSummary {
    pub(crate) span: Option<Span>,
    /// Those without a final outcome, and what each follows.
    pub(crate) unresolved: Vec<(TransactionId, Option<TransactionId>)>,
}

impl Row for Transaction {
    type Summary = PageSummary;
    fn summary(rows: &[Self]) -> PageSummary {
        let unresolved = rows.iter().filter(|row| row.is_unresolved());
        PageSummary {
            span: Span::over(rows.iter().map(|row| row.opened.rrn)),
            unresolved: unresolved.map(|row| (row.opened.id, row.opened.original)).collect(),
        }
    }
    fn is_numbered(&self, number: u64) -> bool {
        self.opened.id.0 == number
    }
}

/// What cards under a data key are still needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CardKeyUse {
    /// Transactions without a final outcome.
    pub(crate) unresolved: u64,
    /// The newest business day of any transaction.
    pub(crate) day: BusinessDate,
}

/// All transactions and the ways to find one.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    pub(crate) all: Rows<Transaction>,
    pub(crate) references: References,
    /// Approved pre-authorizations: several may share a code, the newest is asked first.
    pub(crate) by_auth_code: Sharded<(MerchantIndex, AuthCode), Vec<TransactionId>>,
    /// Those without a final outcome, in order.
    pub(crate) unresolved: BTreeSet<TransactionId>,
    /// Those of them that follow another, behind the one that they follow.
    followers: BTreeSet<(TransactionId, TransactionId)>,
    /// By key of card data, so that nobody has to look through transactions before one is destroyed.
    pub(crate) card_keys: BTreeMap<u16, CardKeyUse>,
    /// What the record at hand may have changed.
    pub(super) touched: Vec<TransactionId>,
}

impl Transactions {
    pub(crate) fn get(&self, id: TransactionId) -> Option<&Transaction> {
        self.all.get(id.0)
    }
    pub(crate) fn get_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.touched.push(id);
        self.all.get_mut(id.0)
    }
    pub(crate) fn next_id(&self) -> TransactionId {
        TransactionId(self.all.len())
    }
    pub(crate) fn unresolved(&self) -> usize {
        self.unresolved.len()
    }
    /// What follows a transaction and has no final outcome.
    pub(crate) fn followers(&self, original: TransactionId) -> impl Iterator<Item = &Transaction> {
        let ids = (original, TransactionId(0))..=(original, TransactionId(u64::MAX));
        self.followers.range(ids).filter_map(|(_, id)| self.get(*id))
    }
    /// Knows of transactions without a final outcome, and what each follows.
    pub(crate) fn know_unresolved(&mut self, unresolved: &[(TransactionId, Option<TransactionId>)]) {
        self.unresolved.extend(unresolved.iter().map(|(id, _)| *id));
        let followers = unresolved.iter().filter_map(|(id, original)| Some(((*original)?, *id)));
        self.followers.extend(followers);
    }
    /// Whether the index says what a look at everything without an outcome says.
    pub(super) fn is_indexed(&self) -> bool {
        let unresolved = self.unresolved.iter().filter_map(|id| self.get(*id));
        let followers = unresolved.filter_map(|t| Some((t.opened.original?, t.opened.id)));
        self.followers == followers.collect()
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

    /// The newest transaction under a reference: one is given again after 400 days.
    pub(crate) fn under(&self, rrn: Rrn) -> Option<&Transaction> {
        self.references.pages(rrn).find_map(|page| {
            let rows = self.all.live(page)?;
            rows.iter().rev().find(|transaction| transaction.opened.rrn == rrn)
        })
    }

    pub(crate) fn insert(&mut self, transaction: Transaction) {
        let id = transaction.opened.id;
        self.references.push((id.0 / ROWS_PER_PAGE as u64) as usize, transaction.opened.rrn);
        self.all.push(transaction);
        self.settle_indexes(id);
    }
    /// Keeps the indexes true after an outcome changed.
    pub(crate) fn settle_indexes(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get(id.0) else { return };
        let (more, less) = match transaction.is_unresolved() {
            true => (u64::from(self.unresolved.insert(id)), 0),
            false => (0, u64::from(self.unresolved.remove(&id))),
        };
        if let Some(original) = transaction.opened.original {
            match transaction.is_unresolved() {
                true => self.followers.insert((original, id)),
                false => self.followers.remove(&(original, id)),
            };
        }
        if let Some(key) = transaction.card_key() {
            let day = transaction.day;
            let used = self.card_keys.entry(key).or_insert(CardKeyUse { unresolved: 0, day });
            used.unresolved = (used.unresolved + more).saturating_sub(less);
            used.day = used.day.max(day);
        }
        if transaction.opened.kind.holds()
            && transaction.outcome == Outcome::Approved
            && let Some(code) = transaction.reply.and_then(|r| r.auth_code)
        {
            let ids = self.by_auth_code.get_or_default((transaction.opened.key.merchant, code));
            if ids.last() != Some(&id) {
                ids.push(id);
            }
        }
    }
}
