//! Batch settlement 0500 and upload 0320.

use crate::decide::terminal::Caller;
use crate::effect::{Reply, ReplyBody};
use crate::input::Upload;
use crate::machine::{Core, Output};
use crate::state::{BatchStage, LastClose};
use std::collections::BTreeMap;
use switchyard_domain::{
    Actor, BatchCase, BatchCaseKind, BatchNumber, BatchSums, BatchTotals, BatchVerdict, CardClass, Outcome,
    Record, ReplyFacts, ResponseCode, Stan, TerminalIndex, Timestamp, UploadedItem,
};

/// Most items that a terminal may upload for one batch; more are refused with 79.
const UPLOAD_ITEMS_MAX: usize = 10_000;

/// A terminal's totals.
pub(crate) struct Close {
    pub(crate) stan: Stan,
    pub(crate) batch: BatchNumber,
    pub(crate) totals: BatchTotals,
    /// The batch ends whatever comes out.
    pub(crate) closes: bool,
}

impl Core {
    /// 批结算: compares totals. Balanced closes the batch; unbalanced asks for the upload, unless the terminal only tells:
    /// then what differs becomes cases without one.
    pub(crate) fn batch_totals(&mut self, caller: Caller, close: Close, now: Timestamp, out: &mut Output) {
        let Close { stan, batch, totals, closes } = close;
        let terminal = caller.terminal;
        let undivided = self.is_unbatched(&caller);
        let Some(state) = self.state.batches.get(terminal) else { return };
        let current = state.number;
        let host_totals = if undivided { state.totals.undivided() } else { state.totals };
        if let Some(last) = state.last.filter(|l| l.batch == batch && l.terminal_totals == totals) {
            return out.reply(caller.origin, totals_reply(last.reply, last.host_totals, last.verdict));
        }
        if batch != current {
            return out.refuse(caller.origin, ResponseCode::SIGN_ON_REQUIRED);
        }
        let verdict = if totals == host_totals { BatchVerdict::Balanced } else { BatchVerdict::Unbalanced };
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
        out.reply(caller.origin, totals_reply(facts, host_totals, verdict));
        if closes && verdict == BatchVerdict::Unbalanced {
            let last = self.state.batches.get(terminal).and_then(|state| state.last);
            let cases = last.map_or_else(Vec::new, |last| self.compare(terminal, &last));
            let reply = self.facts(ResponseCode::APPROVED, now);
            let record = Record::BatchUploadEnded { terminal, batch, stan, count: 0, cases, reply };
            self.emit(record, Actor::Terminal(terminal), now, out);
        }
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
                let cases = self.compare(terminal, &last);
                let facts = self.facts(ResponseCode::APPROVED, now);
                let record = Record::BatchUploadEnded { terminal, batch, stan, count, cases, reply: facts };
                self.emit(record, Actor::Terminal(terminal), now, out);
                out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::BatchUpload { facts }));
            }
        }
    }

    /// Item by item: the terminal's upload against the host's batch. A side that balanced is not uploaded,
    /// so its transactions are not missed.
    pub(super) fn compare(&self, terminal: TerminalIndex, last: &LastClose) -> Vec<BatchCase> {
        let Some(state) = self.state.batches.get(terminal) else { return Vec::new() };
        let BatchStage::Uploading { items } = &state.stage else { return Vec::new() };
        let domestic_differs = last.terminal_totals.domestic != last.host_totals.domestic;
        // A terminal that does not tell cards apart has all of them on the domestic side.
        let none_foreign = last.host_totals.foreign == BatchSums::default();
        let foreign_differs =
            last.terminal_totals.foreign != last.host_totals.foreign || none_foreign && domestic_differs;
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
        // A refused reversal was a case of its own, which may be settled by now: it is not told twice.
        cases.retain(|case| !state.refused_reversals.contains(&case.stan));
        cases
    }
}

fn totals_reply(facts: ReplyFacts, totals: BatchTotals, verdict: BatchVerdict) -> Reply {
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
