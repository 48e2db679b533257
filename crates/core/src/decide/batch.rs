//! Batch settlement 0500 and upload 0320.

use crate::decide::terminal::Caller;
use crate::effect::{Reply, ReplyBody};
use crate::input::Upload;
use crate::machine::{Core, Output};
use crate::state::{BatchStage, LastClose};
use std::collections::BTreeMap;
use switchyard_domain::{
    Actor, BatchCase, BatchCaseKind, BatchNumber, BatchSums, BatchTotals, BatchVerdict, CardClass, Outcome,
    Record, ReplyFacts, RequestKey, ResponseCode, Stan, TerminalDialect, TerminalIndex, Timestamp,
    TransactionId, UploadedItem,
};

/// Most items that a terminal may upload for one batch; more are refused with 79.
const UPLOAD_ITEMS_MAX: usize = 10_000;

/// Most cases of one record: each takes up to 25 bytes, and a record of the ledger has 64 KiB.
const RECORD_CASES_MAX: usize = 2_000;

/// A terminal's totals.
pub(crate) struct Close {
    pub(crate) stan: Stan,
    pub(crate) batch: BatchNumber,
    pub(crate) totals: BatchTotals,
    /// The batch ends whatever comes out.
    pub(crate) closes: bool,
    /// When the terminal made them; zero where its dialect does not say.
    pub(crate) moment: u64,
}

impl Core {
    /// 批结算: compares totals. Balanced closes the batch; unbalanced asks for the upload, unless the terminal only tells:
    /// then what differs becomes cases without one.
    pub(crate) fn batch_totals(&mut self, caller: Caller, close: Close, now: Timestamp, out: &mut Output) {
        let Close { stan, batch, totals, closes, moment } = close;
        let terminal = caller.terminal;
        let undivided = self.is_unbatched(&caller);
        let Some(state) = self.state.batches.get(terminal) else { return };
        let current = state.number;
        let host_totals = if undivided { state.totals.undivided() } else { state.totals };
        let known = state.closes().find(|l| l.batch == batch && l.terminal_totals == totals).copied();
        let is_cut_short = current == batch && state.stage != BatchStage::Open;
        if let Some(known) = known {
            out.reply(caller.origin, totals_reply(known.reply, totals, known.host_totals, known.verdict));
            // A crash may have come between these totals and the end of their batch.
            if closes && is_cut_short {
                self.end_upload(terminal, &known, stan, 0, now, out);
            }
            return;
        }
        if batch != current {
            return out.refuse(caller.origin, ResponseCode::SIGN_ON_REQUIRED);
        }
        let verdict = match self.sides_agree(terminal, &totals, &host_totals) {
            [true, true] => BatchVerdict::Balanced,
            _ => BatchVerdict::Unbalanced,
        };
        let facts = self.facts(ResponseCode::APPROVED, now);
        let record = Record::BatchReconciled {
            terminal,
            batch,
            stan,
            terminal_totals: totals,
            host_totals,
            verdict,
            reply: facts,
        };
        self.emit(record, Actor::Terminal(terminal), now, out);
        if moment != 0 {
            self.emit(Record::TotalsDated { terminal, batch, moment }, Actor::Terminal(terminal), now, out);
        }
        out.reply(caller.origin, totals_reply(facts, totals, host_totals, verdict));
        if closes && verdict == BatchVerdict::Unbalanced {
            let Some(last) = self.state.batches.get(terminal).and_then(|state| state.last) else { return };
            self.end_upload(terminal, &last, stan, 0, now, out);
        }
    }

    /// Closes a batch that did not balance, with a case for each difference. What goes back to the terminal comes out.
    fn end_upload(
        &mut self,
        terminal: TerminalIndex,
        last: &LastClose,
        stan: Stan,
        count: u32,
        now: Timestamp,
        out: &mut Output,
    ) -> ReplyFacts {
        let cases = self.compare(terminal, last);
        let cases = self.raise_most(terminal, cases, &Actor::Terminal(terminal), now, out);
        let reply = self.facts(ResponseCode::APPROVED, now);
        let record = Record::BatchUploadEnded { terminal, batch: last.batch, stan, count, cases, reply };
        self.emit(record, Actor::Terminal(terminal), now, out);
        reply
    }

    /// Raises cases in records of their own until the rest of them fits the one that closes the batch.
    pub(super) fn raise_most(
        &mut self,
        terminal: TerminalIndex,
        mut cases: Vec<BatchCase>,
        actor: &Actor,
        now: Timestamp,
        out: &mut Output,
    ) -> Vec<BatchCase> {
        let Some(batch) = self.state.batches.get(terminal).map(|state| state.number) else { return cases };
        while cases.len() > RECORD_CASES_MAX {
            let rest = cases.split_off(RECORD_CASES_MAX);
            let record =
                Record::BatchCompared { terminal, batch, cases: std::mem::replace(&mut cases, rest) };
            self.emit(record, actor.clone(), now, out);
        }
        cases
    }

    /// 批上送: what the terminal has, and the end of it.
    pub(crate) fn batch_upload(
        &mut self,
        caller: Caller,
        stan: Stan,
        batch: BatchNumber,
        upload: Upload,
        now: Timestamp,
        out: &mut Output,
    ) {
        let terminal = caller.terminal;
        let Some(state) = self.state.batches.get(terminal) else { return };
        let Some(last) = state.last.filter(|l| l.batch == batch) else {
            return out.refuse(caller.origin, ResponseCode::SIGN_ON_REQUIRED);
        };
        let uploading = match &state.stage {
            BatchStage::Uploading { items } if state.number == batch => Some(items),
            BatchStage::Uploading { .. } | BatchStage::Open => None,
        };
        let Some(known) = uploading else {
            // The batch is closed: a repeat, or the details that follow a balanced close.
            let facts = last.ended.unwrap_or(last.reply);
            return out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::BatchUpload { facts }));
        };
        let count_known = known.len();
        match upload {
            Upload::Items(items) => {
                let added = items.iter().filter(|item| !known.contains_key(&item.stan)).count();
                if count_known + added > UPLOAD_ITEMS_MAX {
                    return out.refuse(caller.origin, ResponseCode::UPLOAD_MISMATCH);
                }
                // A repeat says nothing new: it is answered and leaves no trace.
                if items.iter().any(|item| known.get(&item.stan) != Some(item)) {
                    let record = Record::BatchUploaded { terminal, batch, items };
                    self.emit(record, Actor::Terminal(terminal), now, out);
                }
                let facts = ReplyFacts { at: now, ..last.reply };
                out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::BatchUpload { facts }));
            }
            Upload::End { count } if count as usize != count_known => {
                out.refuse(caller.origin, ResponseCode::UPLOAD_MISMATCH);
            }
            Upload::End { count } => {
                let facts = self.end_upload(terminal, &last, stan, count, now, out);
                out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::BatchUpload { facts }));
            }
        }
    }

    /// A terminal may close its batch while an issuer has not answered yet. What is approved then is in neither side's
    /// totals: it is a case, as what a terminal leaves out of its upload is.
    pub(super) fn raise_when_too_late(&mut self, id: TransactionId, now: Timestamp, out: &mut Output) {
        let Some(transaction) = self.state.transactions.get(id) else { return };
        let RequestKey { terminal, batch, stan, .. } = transaction.opened.key;
        let counts =
            transaction.outcome == Outcome::Approved && transaction.opened.kind.batch_side().is_some();
        let is_closed = self.state.batches.get(terminal).is_some_and(|open| open.number != batch);
        if !counts || !is_closed || self.state.cases.is_open(terminal, batch, stan) {
            return;
        }
        let host_minor = transaction.opened.amount.minor;
        let case = BatchCase { kind: BatchCaseKind::HostOnly, stan, terminal_minor: 0, host_minor };
        self.emit(Record::CaseRaised { transaction: id, terminal, batch, case }, Actor::Switch, now, out);
    }

    /// Whether domestic and foreign totals of a terminal are the host's. DE 48 of `unionpay-pos` has three digits for a
    /// count.
    fn sides_agree(&self, terminal: TerminalIndex, told: &BatchTotals, host: &BatchTotals) -> [bool; 2] {
        let profile = self.state.registry.profile(terminal);
        let in_digits = profile.is_some_and(|profile| profile.dialect == TerminalDialect::UnionpayPos);
        [(&told.domestic, &host.domestic), (&told.foreign, &host.foreign)]
            .map(|(told, host)| if in_digits { host.are_told_by(told) } else { host == told })
    }

    /// Item by item: the terminal's upload against the host's batch. A side that balanced is not uploaded,
    /// so its transactions are not missed.
    pub(super) fn compare(&self, terminal: TerminalIndex, last: &LastClose) -> Vec<BatchCase> {
        let Some(state) = self.state.batches.get(terminal) else { return Vec::new() };
        let BatchStage::Uploading { items } = &state.stage else { return Vec::new() };
        let [domestic_agrees, foreign_agrees] =
            self.sides_agree(terminal, &last.terminal_totals, &last.host_totals);
        let domestic_differs = !domestic_agrees;
        // A terminal that does not tell cards apart has all of them on the domestic side.
        let none_foreign = last.host_totals.foreign == BatchSums::default();
        let foreign_differs = !foreign_agrees || none_foreign && domestic_differs;
        let mut host = BTreeMap::new();
        for id in &state.transactions {
            let Some(transaction) = self.state.transactions.get(*id) else { continue };
            let opened = &transaction.opened;
            if transaction.outcome == Outcome::Approved && opened.kind.batch_side().is_some() {
                host.insert(opened.key.stan, opened);
            }
        }
        let mut cases: Vec<BatchCase> = items
            .values()
            .filter_map(|item| match host.remove(&item.stan) {
                None => Some(case(BatchCaseKind::TerminalOnly, item, 0)),
                Some(opened) => {
                    let card = opened.card.as_ref().map(|c| c.hash);
                    differs(item, opened.amount.minor, card).map(|kind| case(kind, item, opened.amount.minor))
                }
            })
            .collect();
        cases.extend(host.into_values().filter_map(|opened| {
            let side_differs = match opened.card_class.class {
                CardClass::Debit | CardClass::Credit => domestic_differs,
                CardClass::Foreign => foreign_differs,
            };
            side_differs.then_some(BatchCase {
                kind: BatchCaseKind::HostOnly,
                stan: opened.key.stan,
                terminal_minor: 0,
                host_minor: opened.amount.minor,
            })
        }));
        // What was a case before, and may be settled by now, is not told twice.
        cases.retain(|case| !state.cases_raised.contains(&case.stan));
        cases
    }
}

/// A terminal that balances hears its own totals: the host's may have a count that it cannot tell.
fn totals_reply(facts: ReplyFacts, told: BatchTotals, host: BatchTotals, verdict: BatchVerdict) -> Reply {
    let totals = if verdict == BatchVerdict::Balanced { told } else { host };
    Reply::recorded(&facts, ReplyBody::BatchTotals { facts, totals, verdict })
}

fn differs(
    item: &UploadedItem,
    host_minor: u64,
    card: Option<switchyard_domain::CardHash>,
) -> Option<BatchCaseKind> {
    if item.amount_minor != host_minor {
        Some(BatchCaseKind::Amount)
    } else if item.card.is_some() && item.card != card {
        Some(BatchCaseKind::Card)
    } else {
        None
    }
}

fn case(kind: BatchCaseKind, item: &UploadedItem, host_minor: u64) -> BatchCase {
    BatchCase { kind, stan: item.stan, terminal_minor: item.amount_minor, host_minor }
}
