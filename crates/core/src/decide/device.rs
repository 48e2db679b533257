//! Downloads, status uploads and what chips made of scripts: nothing here moves money.

use crate::decide::order::{Desk, Verdict};
use crate::decide::terminal::Caller;
use crate::effect::{CommandError, CommandOutcome, Reply, ReplyBody};
use crate::input::{DownloadStep, OriginalRef, ScriptResult};
use crate::machine::{Core, Output};
use crate::order::DownloadsOf;
use crate::state::devices::scopes;
use crate::state::{DownloadStanding, State};
use switchyard_domain::{
    Actor, DOWNLOAD_BYTES_MAX, DOWNLOAD_OVERRIDES_MAX, Download, DownloadKind, DownloadScope, MessageClass,
    Reason, Record, ReplyFacts, RequestKey, ResponseCode, ReversalReason, SafKind, ScriptReport,
    TerminalIndex, Timestamp, TransactionId, UpstreamRef,
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
        let given = self.state.devices.given(&scopes(caller.merchant, caller.terminal), kind);
        let data = match step {
            DownloadStep::One { name } => {
                let found = given.get(name.as_slice());
                found.map_or_else(|| vec![NOTHING], |(_, given)| [&[LAST], given.content.as_slice()].concat())
            }
            DownloadStep::Parameters { seen } => {
                let rest = given.into_iter().skip(*seen);
                part(rest.map(|(name, (_, given))| [name, given.content.as_slice()].concat()), *seen == 0)
            }
            DownloadStep::List { seen } => {
                let rest = given.into_iter().skip(*seen);
                let listed = rest.map(|(name, (_, given))| {
                    Download { kind, name: name.to_vec(), content: given.content.clone() }.summary()
                });
                part(listed, *seen == 0)
            }
            DownloadStep::End => return self.downloaded(caller, kind, now, out),
        };
        if let DownloadStep::Parameters { seen: 0 } | DownloadStep::List { seen: 0 } = step {
            // A copy of the question that comes late does not make whole what has changed since.
            self.flight.loading.entry((caller.terminal, kind)).or_insert(true);
        }
        let body = ReplyBody::Download { at: now, data };
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement: 0, chip: None });
    }

    /// The terminal has all of a kind. It carries no MAC, so that only what is new is recorded. Of what was begun before a start
    /// nobody knows whether it stayed the same: the terminal is told once more.
    fn downloaded(&mut self, caller: Caller, kind: DownloadKind, now: Timestamp, out: &mut Output) {
        let terminal = caller.terminal;
        let devices = &self.state.devices;
        if let Some(is_whole) = self.flight.loading.remove(&(terminal, kind)) {
            let digest = is_whole.then(|| devices.digest(&scopes(caller.merchant, terminal), kind));
            if devices.had(terminal, kind) != digest {
                let record = Record::Downloaded { terminal, kind, digest };
                self.emit(record, Actor::Terminal(terminal), now, out);
            }
        }
        let requirement = self.requirement(caller.terminal);
        let body = ReplyBody::Echo { at: now };
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement, chip: None });
    }

    /// What a terminal is told to do next.
    pub(crate) fn requirement(&self, terminal: TerminalIndex) -> u8 {
        let is_due =
            |kind: &DownloadKind| self.state.download_standing(terminal, *kind) == DownloadStanding::Due;
        DownloadKind::ALL.into_iter().find(is_due).map_or(0, DownloadKind::requirement)
    }

    /// What these terminals are given of these kinds is another from now on: what they have begun to load is none of both.
    pub(super) fn downloads_change(&mut self, scope: DownloadScope, kinds: &[DownloadKind]) {
        for ((terminal, kind), is_whole) in &mut self.flight.loading {
            *is_whole &= !kinds.contains(kind) || !self.state.download_scopes(*terminal).contains(&scope);
        }
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

    /// Terminals of a scope are given this from now on. What is so already is not recorded again.
    pub(super) fn set_download(
        &mut self,
        whose: &DownloadsOf,
        download: Download,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        download.check().map_err(CommandError::Download)?;
        let (scope, kind) = (self.download_scope(whose)?, download.kind);
        let devices = &self.state.devices;
        let known = devices.downloads.get(&(scope, kind, download.name.clone()));
        if known.is_some_and(|given| given.content == download.content) {
            return Ok(CommandOutcome::RecordedBefore);
        }
        if known.is_none() {
            room_for(scope, devices.own(scope, kind).count(), devices.overrides())?;
        }
        let done = self.ordered(Record::DownloadSet { scope, download }, desk)?;
        self.downloads_change(scope, &[kind]);
        Ok(done)
    }

    pub(super) fn remove_download(
        &mut self,
        whose: &DownloadsOf,
        kind: DownloadKind,
        name: Vec<u8>,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let scope = self.download_scope(whose)?;
        if !self.state.devices.downloads.contains_key(&(scope, kind, name.clone())) {
            return Err(CommandError::Missing { what: "download of this name and scope" });
        }
        let done = self.ordered(Record::DownloadRemoved { scope, kind, name, reason }, desk)?;
        self.downloads_change(scope, &[kind]);
        Ok(done)
    }

    fn download_scope(&self, whose: &DownloadsOf) -> Result<DownloadScope, CommandError> {
        let registry = &self.state.registry;
        let (scope, what) = match whose {
            DownloadsOf::Everybody => (Some(DownloadScope::Everybody), "scope"),
            DownloadsOf::Merchant(id) => {
                (registry.merchant_by_id.get(id).copied().map(DownloadScope::Merchant), "merchant")
            }
            DownloadsOf::Terminal(id) => {
                (registry.terminal_named(id).map(DownloadScope::Terminal), "terminal")
            }
        };
        scope.ok_or(CommandError::Missing { what })
    }
}

/// Whether a scope that has `own` of a kind takes one more, of `overrides` that all merchants and terminals have.
fn room_for(scope: DownloadScope, own: usize, overrides: usize) -> Result<(), CommandError> {
    let what = match scope {
        DownloadScope::Everybody => "downloads of this kind for everybody",
        DownloadScope::Merchant(_) => "downloads of this kind for the merchant",
        DownloadScope::Terminal(_) => "downloads of this kind for the terminal",
    };
    if own >= scope.limit() {
        return Err(CommandError::Full { what, max: scope.limit() });
    }
    if scope != DownloadScope::Everybody && overrides >= DOWNLOAD_OVERRIDES_MAX {
        let what = "downloads of merchants and terminals";
        return Err(CommandError::Full { what, max: DOWNLOAD_OVERRIDES_MAX });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{DOWNLOADS_MAX, MerchantIndex};

    #[test]
    fn every_scope_has_its_room_and_a_terminal_can_count_what_comes_of_it() {
        let all = DownloadScope::Everybody;
        let (merchant, terminal) =
            (DownloadScope::Merchant(MerchantIndex(1)), DownloadScope::Terminal(TerminalIndex(2)));
        assert_eq!(all.limit() + merchant.limit() + terminal.limit(), DOWNLOADS_MAX);
        let said = |scope, own, overrides| {
            room_for(scope, own, overrides).err().map_or(String::new(), |error| error.to_string())
        };
        for (scope, own, overrides, says) in [
            (all, 58, DOWNLOAD_OVERRIDES_MAX, ""),
            (all, 59, 0, "there are 59 downloads of this kind for everybody already: remove one first"),
            (merchant, 19, 199_999, ""),
            (
                merchant,
                20,
                0,
                "there are 20 downloads of this kind for the merchant already: remove one first",
            ),
            (terminal, 19, 199_999, ""),
            (
                terminal,
                20,
                0,
                "there are 20 downloads of this kind for the terminal already: remove one first",
            ),
            (
                terminal,
                0,
                200_000,
                "there are 200000 downloads of merchants and terminals already: remove one first",
            ),
        ] {
            assert_eq!(said(scope, own, overrides), says, "{scope:?} {own} {overrides}");
        }
    }
}
