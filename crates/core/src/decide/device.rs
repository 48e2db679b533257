//! Downloads, status uploads and what chips made of scripts: nothing here moves money.

use crate::decide::order::Desk;
use crate::decide::terminal::Caller;
use crate::effect::{CommandError, CommandOutcome, Reply, ReplyBody};
use crate::input::{DownloadStep, OriginalRef, ScriptResult};
use crate::machine::{Core, Output};
use crate::state::State;
use switchyard_domain::{
    Actor, DOWNLOAD_BYTES_MAX, DOWNLOADS_MAX, Download, DownloadKind, MessageClass, Reason, Record,
    ReplyFacts, RequestKey, ResponseCode, ReversalReason, SafKind, ScriptReport, TerminalIndex, Timestamp,
    TransactionId, UpstreamRef,
};

/// First byte of DE 62: there is none of it.
const NOTHING: u8 = b'0';
/// First byte of DE 62: this is the last part.
const LAST: u8 = b'1';
/// First byte of DE 62: there is more.
const MORE: u8 = b'2';

impl Core {
    pub(crate) fn download(
        &mut self,
        caller: Caller,
        kind: DownloadKind,
        step: &DownloadStep,
        now: Timestamp,
        out: &mut Output,
    ) {
        let devices = &self.state.devices;
        let data = match step {
            DownloadStep::One { name } => {
                let found = devices.downloads.get(&(kind, name.clone()));
                found.map_or_else(|| vec![NOTHING], |content| [&[LAST], content.as_slice()].concat())
            }
            DownloadStep::Parameters { seen } => {
                let rest = devices.of(kind).skip(*seen);
                part(rest.map(|(name, content)| [name, content].concat()), *seen == 0)
            }
            DownloadStep::List { seen } => {
                let rest = devices.of(kind).skip(*seen);
                let listed = rest.map(|(name, content)| {
                    Download { kind, name: name.to_vec(), content: content.to_vec() }.summary()
                });
                part(listed, *seen == 0)
            }
            DownloadStep::End => return self.downloaded(caller, kind, now, out),
        };
        let body = ReplyBody::Download { at: now, data };
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement: 0, chip: None });
    }

    /// The terminal has all of a kind. It carries no MAC, so that only what is new is recorded.
    fn downloaded(&mut self, caller: Caller, kind: DownloadKind, now: Timestamp, out: &mut Output) {
        let (terminal, version) = (caller.terminal, self.state.devices.version(kind));
        if self.state.downloaded(terminal, kind) < version {
            let record = Record::Downloaded { terminal, kind, version };
            self.emit(record, Actor::Terminal(terminal), now, out);
        }
        let requirement = self.requirement(caller.terminal);
        let body = ReplyBody::Echo { at: now };
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement, chip: None });
    }

    /// What a terminal is told to do next.
    pub(crate) fn requirement(&self, terminal: TerminalIndex) -> u8 {
        self.state.devices.due(terminal).map_or(0, DownloadKind::requirement)
    }

    pub(crate) fn status_upload(
        &mut self,
        caller: Caller,
        status: Vec<u8>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let terminal = caller.terminal;
        if status.len() > DOWNLOAD_BYTES_MAX {
            return out.refuse(caller.origin, ResponseCode::FORMAT_ERROR);
        }
        // It carries no MAC: only another status than before is recorded.
        if self.state.reported(terminal).is_none_or(|(_, known)| known != status) {
            let record = Record::TerminalReported { terminal, status };
            self.emit(record, Actor::Terminal(terminal), now, out);
        }
        let (body, requirement) = (ReplyBody::Echo { at: now }, self.requirement(caller.terminal));
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement, chip: None });
    }

    /// The card did something or did not: its issuer wants to know.
    pub(crate) fn script_result(
        &mut self,
        caller: Caller,
        result: ScriptResult,
        now: Timestamp,
        out: &mut Output,
    ) {
        let ScriptResult { stan, batch, original, results, verification, counter } = result;
        let terminal = caller.terminal;
        let known = self.state.devices.scripts.get(&terminal).copied();
        let facts = match known.filter(|(b, s, _)| (*b, *s) == (batch, stan)) {
            Some((.., facts)) => facts,
            None => {
                let transaction = self.scripted(&caller, &original);
                let facts = self.facts(ResponseCode::APPROVED, now);
                let report = ScriptReport { batch, stan, transaction, results, verification, counter };
                let record = Record::ScriptReported { terminal, report: report.clone(), reply: facts };
                self.emit(record, Actor::Terminal(terminal), now, out);
                self.tell_scripts(report, Actor::Terminal(terminal), now, out);
                facts
            }
        };
        out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::ScriptResult { facts }));
    }

    /// The issuer behind a link hears of it, however long that takes; for the embedded issuer the record is the end. It
    /// hears the first result of a transaction: an answer has its scripts once, and so the queue is bounded by what was
    /// answered. Nobody has heard of a transaction without an answer what its scripts were.
    fn tell_scripts(&mut self, report: ScriptReport, actor: Actor, now: Timestamp, out: &mut Output) {
        let transaction = report.transaction.and_then(|id| self.state.transactions.get(id));
        let answered = |reply: ReplyFacts| reply.code != ResponseCode::NO_ISSUER_ANSWER;
        let untold = transaction.filter(|transaction| {
            let was_answered = !transaction.is_unresolved() && transaction.reply.is_some_and(answered);
            was_answered && !transaction.scripts_told
        });
        let Some(opened) = untold.map(|transaction| &transaction.opened) else { return };
        let Some(link) = Self::link_of(opened) else { return };
        let (transaction, mti) = (opened.id, crate::dialect::iso::link::SCRIPT_RESULT);
        let upstream = UpstreamRef { link, stan: self.next_stan(link), transmitted_at: now, mti };
        let saf = self.saf_entry(SafKind::Script, transaction, upstream, ReversalReason::Other);
        self.emit(Record::ScriptQueued { saf, report }, actor, now, out);
        self.hurry(Some(&saf), now, out);
    }

    /// The transaction whose answer had the scripts.
    pub(super) fn scripted(&self, caller: &Caller, original: &OriginalRef) -> Option<TransactionId> {
        let State { transactions, requests, .. } = &self.state;
        let own = |id: TransactionId| {
            transactions.get(id).is_some_and(|t| t.opened.key.terminal == caller.terminal).then_some(id)
        };
        if let Some(found) = original.rrn.and_then(|rrn| transactions.under(rrn)) {
            return own(found.opened.id);
        }
        let (batch, stan) = original.batch_stan?;
        let (merchant, terminal) = (caller.merchant, caller.terminal);
        let key = RequestKey { merchant, terminal, batch, stan, class: MessageClass::Financial };
        requests.transaction_at(&key, batch, stan)
    }

    /// Terminals are given this from now on. What is so already is not recorded again.
    pub(super) fn set_download(
        &mut self,
        download: Download,
        desk: &mut Desk<'_>,
    ) -> Result<CommandOutcome, CommandError> {
        download.check().map_err(CommandError::Download)?;
        let devices = &self.state.devices;
        let known = devices.downloads.get(&(download.kind, download.name.clone()));
        if known == Some(&download.content) {
            return Ok(CommandOutcome::RecordedBefore);
        }
        if known.is_none() && devices.of(download.kind).count() >= DOWNLOADS_MAX {
            return Err(CommandError::NotNow { why: "terminals count to 99: remove one first" });
        }
        self.ordered(Record::DownloadSet(download), desk)
    }

    pub(super) fn remove_download(
        &mut self,
        kind: DownloadKind,
        name: Vec<u8>,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Result<CommandOutcome, CommandError> {
        if !self.state.devices.downloads.contains_key(&(kind, name.clone())) {
            return Err(CommandError::Missing { what: "download of this name" });
        }
        self.ordered(Record::DownloadRemoved { kind, name, reason }, desk)
    }
}

/// As many as fit of those that the terminal has not heard of, with what says whether there is more.
fn part(rest: impl Iterator<Item = Vec<u8>>, is_first: bool) -> Vec<u8> {
    let mut rest = rest.peekable();
    if rest.peek().is_none() {
        return vec![if is_first { NOTHING } else { LAST }];
    }
    let mut data = vec![LAST];
    for item in rest {
        if data.len() + item.len() > DOWNLOAD_BYTES_MAX + 1 {
            data[0] = MORE;
            break;
        }
        data.extend(item);
    }
    data
}
