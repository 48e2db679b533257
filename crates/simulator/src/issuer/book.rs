//! The issuer's own books: accounts, holds, what was posted and what was answered.
//!
//! Pure: no socket and no clock, so that a script can hold it to its rules.

use super::account::Account;
use super::entry::IssuerEntry;
use super::request::{IssuerRequest, OriginalKey, RequestKind};
use super::scripts::{ScriptId, ScriptSent, Scripts};
use std::collections::{HashMap, HashSet};
use switchyard_domain::{ResponseCode, Rrn, TransactionKind};

/// Effects that one host keeps; beyond it everything new is answered 96.
pub const EFFECTS_MAX: usize = 4_000_000;
/// A completion may exceed its hold by this many per cent.
const COMPLETION_PERCENT_MAX: u64 = 115;

/// What the host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// DE 39.
    pub code: ResponseCode,
    /// DE 38 of an approval.
    pub auth: Option<[u8; 6]>,
    /// DE 54 of an inquiry: the available balance.
    pub balance_minor: Option<u64>,
    /// DE 55: a script for the chip.
    pub script: Option<ScriptId>,
}
impl Answer {
    pub(super) fn bare(code: ResponseCode) -> Self {
        Self { code, auth: None, balance_minor: None, script: None }
    }
}

/// Counters of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct IssuerCounts {
    /// Financial requests and advices heard, repeats included.
    pub requests: u64,
    /// Approved.
    pub approved: u64,
    /// Refused.
    pub declined: u64,
    /// Reversals that undid something.
    pub reversed: u64,
    /// Reversals of what was never heard of.
    pub tombstones: u64,
    /// Repeats answered from memory.
    pub repeats: u64,
    /// Scripts that chips were sent.
    pub scripts: u64,
    /// Of them, those whose result was heard.
    pub script_results: u64,
}

/// The books of one issuer.
#[derive(Debug)]
pub struct IssuerBook {
    accounts: HashMap<u64, Account>,
    entries: Vec<IssuerEntry>,
    /// Originals by (message type, trace number, DE 7).
    originals: HashMap<OriginalKey, usize>,
    /// Answers by (DE 7, DE 11, DE 37) and message type.
    answers: HashMap<(OriginalKey, Rrn), Answer>,
    /// Refused: a reversal of one of these has nothing to undo.
    declined: HashSet<OriginalKey>,
    tombstones: HashSet<OriginalKey>,
    scripts: Scripts,
    counts: IssuerCounts,
    amount_minor_max: u64,
    /// `YYMM` against which cards expire.
    year_month: [u8; 4],
    next_auth: u32,
}

/// What a request changes, found before anything is changed.
type Verdict = Result<Option<usize>, ResponseCode>;

impl IssuerBook {
    /// Books with these accounts, a limit per transaction, and the month in which cards expire.
    pub fn new(
        accounts: impl IntoIterator<Item = Account>,
        amount_minor_max: u64,
        year_month: [u8; 4],
    ) -> Self {
        Self {
            accounts: accounts.into_iter().map(|account| (account.routing_key(), account)).collect(),
            entries: Vec::new(),
            originals: HashMap::new(),
            answers: HashMap::new(),
            declined: HashSet::new(),
            tombstones: HashSet::new(),
            scripts: Scripts::default(),
            counts: IssuerCounts::default(),
            amount_minor_max,
            year_month,
            next_auth: 1,
        }
    }
    /// Books whose issuer sends a script to so many of a thousand chips that ask.
    #[must_use]
    pub fn scripting(mut self, per_mille: u16) -> Self {
        self.scripts.per_mille = per_mille;
        self
    }
    /// Every script that was sent or heard of, by the transaction's reference.
    pub fn scripts(&self) -> impl Iterator<Item = (&Rrn, &ScriptSent)> {
        self.scripts.sent.iter()
    }
    /// Everything that was posted, in order.
    pub fn entries(&self) -> &[IssuerEntry] {
        &self.entries
    }
    /// Counters.
    pub fn counts(&self) -> IssuerCounts {
        self.counts
    }
    /// Available balance of a card.
    pub fn available_minor(&self, routing_key: u64) -> Option<u64> {
        self.accounts.get(&routing_key).map(Account::available_minor)
    }

    /// Answers one request. The second value is the index of the entry that it posted or reversed.
    pub fn handle(&mut self, request: &IssuerRequest) -> (Answer, Option<usize>) {
        self.counts.requests += 1;
        let kind = match request.kind {
            RequestKind::Reversal => return self.reverse(request),
            RequestKind::ScriptResult => return (Answer::bare(self.hear_scripts(request)), None),
            RequestKind::Transaction(kind) => kind,
        };
        let key = (request.key, request.rrn);
        if let Some(answer) = self.answers.get(&key) {
            self.counts.repeats += 1;
            return (*answer, None);
        }
        let (mut answer, posted) = if self.tombstones.contains(&request.key) {
            (Answer::bare(ResponseCode::MALFUNCTION), None)
        } else if self.entries.len() >= EFFECTS_MAX {
            (Answer::bare(ResponseCode::SYSTEM_MALFUNCTION), None)
        } else {
            self.decide(request, kind)
        };
        answer.script = self.scripts.draw(request);
        self.counts.scripts += u64::from(answer.script.is_some());
        if answer.code.is_approval() {
            self.counts.approved += 1;
        } else {
            self.counts.declined += 1;
            self.declined.insert(request.key);
        }
        self.answers.insert(key, answer);
        (answer, posted)
    }

    fn decide(&mut self, request: &IssuerRequest, kind: TransactionKind) -> (Answer, Option<usize>) {
        let original = match self.check(request, kind) {
            Ok(original) => original,
            Err(code) => return (Answer::bare(code), None),
        };
        if kind == TransactionKind::BalanceInquiry {
            let balance_minor = self.available_minor(request.pan.routing_key());
            return (Answer { balance_minor, ..Answer::bare(ResponseCode::APPROVED) }, None);
        }
        match self.post(request, kind, original) {
            Ok(index) => {
                let auth = Some(self.entries[index].auth);
                let answer = Answer { auth, ..Answer::bare(ResponseCode::APPROVED) };
                (answer, Some(index))
            }
            Err(code) => (Answer::bare(code), None),
        }
    }

    /// Card, PIN, limit, and the original where one is needed.
    fn check(&mut self, request: &IssuerRequest, kind: TransactionKind) -> Verdict {
        let account = self.accounts.get_mut(&request.pan.routing_key()).ok_or(ResponseCode::INVALID_CARD)?;
        // The cardholder is not there when the merchant gives money back or captures a hold.
        if !kind.follows_another() {
            if !request.is_advice {
                account.check_card(request, self.year_month)?;
            }
            if !request.is_advice && request.amount_minor > self.amount_minor_max {
                return Err(ResponseCode::AMOUNT_LIMIT);
            }
            // What was approved without it has the chip's word for it, or nobody's.
            if request.is_advice && request.lacks_cryptogram {
                return Err(ResponseCode::FORMAT_ERROR);
            }
            return Ok(None);
        }
        let key = request.original.ok_or(ResponseCode::FORMAT_ERROR)?;
        let index = *self.originals.get(&key).ok_or(ResponseCode::ORIGINAL_NOT_FOUND)?;
        let original = &self.entries[index];
        if original.pan_key != request.pan.routing_key() {
            return Err(ResponseCode::INVALID_CARD);
        }
        let amount = request.amount_minor;
        match (kind, original.kind) {
            (
                TransactionKind::Void,
                TransactionKind::Sale | TransactionKind::CashAdvance | TransactionKind::OfflineSale,
            )
            | (
                TransactionKind::CompletionVoid,
                TransactionKind::Completion | TransactionKind::CompletionAdvice,
            ) if original.is_open() && original.refunded_minor == 0 => {
                same_amount(amount, original.amount_minor)?;
            }
            (TransactionKind::PreAuthVoid, TransactionKind::PreAuth) if original.is_open() => {
                same_amount(amount, original.amount_minor)?;
            }
            (TransactionKind::Tip, TransactionKind::Sale | TransactionKind::OfflineSale)
                if original.is_open() => {}
            (TransactionKind::Completion | TransactionKind::CompletionAdvice, TransactionKind::PreAuth)
                if original.is_open() =>
            {
                if amount.saturating_mul(100) > original.amount_minor.saturating_mul(COMPLETION_PERCENT_MAX) {
                    return Err(ResponseCode::ORIGINAL_AMOUNT);
                }
            }
            (TransactionKind::Refund, original_kind)
                if (original_kind.buys() || original_kind.captures()) && original.is_open() =>
            {
                if original.refunded_minor.saturating_add(amount) > original.amount_minor {
                    return Err(ResponseCode::AMOUNT_LIMIT);
                }
            }
            _ => return Err(ResponseCode::ORIGINAL_NOT_FOUND),
        }
        Ok(Some(index))
    }

    fn post(
        &mut self,
        request: &IssuerRequest,
        kind: TransactionKind,
        original: Option<usize>,
    ) -> Result<usize, ResponseCode> {
        let held = original.map_or(0, |index| self.entries[index].amount_minor);
        let account = self.accounts.get_mut(&request.pan.routing_key()).ok_or(ResponseCode::INVALID_CARD)?;
        if request.is_advice {
            account.force(kind, request.amount_minor, held);
        } else {
            account.apply(kind, request.amount_minor, held)?;
        }
        if let Some(index) = original {
            self.entries[index].followed(kind, request.amount_minor);
        }
        let auth = self.auth_code();
        let index = self.entries.len();
        self.entries.push(IssuerEntry::new(
            kind,
            request,
            auth,
            original.map(|at| (at, self.entries[at].rrn)),
        ));
        self.originals.insert(request.key, index);
        Ok(index)
    }

    /// What a chip made of a script in the answer to something that was decided here.
    fn hear_scripts(&mut self, request: &IssuerRequest) -> ResponseCode {
        let original = request.original.map(|key| (key, request.rrn));
        if original.is_none_or(|place| !self.answers.contains_key(&place)) {
            return ResponseCode::ORIGINAL_NOT_FOUND;
        }
        let (code, is_new) = self.scripts.hear(request);
        self.counts.script_results += u64::from(is_new);
        self.counts.repeats += u64::from(code == ResponseCode::APPROVED && !is_new);
        code
    }

    fn reverse(&mut self, request: &IssuerRequest) -> (Answer, Option<usize>) {
        let accepted = Answer::bare(ResponseCode::APPROVED);
        let Some(key) = request.original else { return (Answer::bare(ResponseCode::FORMAT_ERROR), None) };
        let Some(&index) = self.originals.get(&key) else {
            // A declined original left nothing to undo; one never heard of must not post when it comes late.
            if !self.declined.contains(&key)
                && self.tombstones.len() < EFFECTS_MAX
                && self.tombstones.insert(key)
            {
                self.counts.tombstones += 1;
            } else {
                self.counts.repeats += 1;
            }
            return (accepted, None);
        };
        if !self.entries[index].is_open() {
            self.counts.repeats += 1;
            return (accepted, None);
        }
        self.undo(index);
        self.counts.reversed += 1;
        (accepted, Some(index))
    }

    fn undo(&mut self, index: usize) {
        let (kind, amount, pan_key, parent) = {
            let entry = &self.entries[index];
            (entry.kind, entry.amount_minor, entry.pan_key, entry.parent)
        };
        let held = parent.map_or(0, |at| self.entries[at].amount_minor);
        if let Some(account) = self.accounts.get_mut(&pan_key) {
            account.undo(kind, amount, held);
        }
        if let Some(at) = parent {
            self.entries[at].unfollowed(kind, amount);
        }
        self.entries[index].reversed = true;
    }

    fn auth_code(&mut self) -> [u8; 6] {
        let mut out = [b'0'; 6];
        let mut rest = self.next_auth % 1_000_000;
        for slot in out.iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.next_auth = self.next_auth.wrapping_add(1);
        out
    }
}

fn same_amount(have: u64, need: u64) -> Result<(), ResponseCode> {
    if have == need { Ok(()) } else { Err(ResponseCode::ORIGINAL_AMOUNT) }
}
