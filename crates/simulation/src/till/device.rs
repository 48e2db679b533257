//! What a UnionPay terminal downloads and says about itself, step by step between its customers.

use super::Till;
use crate::check::Breach;
use crate::env::Env;
use std::collections::VecDeque;
use switchyard_domain::{
    BatchNumber, Download, DownloadError, DownloadKind, Stan, TerminalIndex, entries_of, parameters_of,
};
use switchyard_simulator::SimError;
use switchyard_simulator::terminal::{Composer, Reply, ScriptRun};

/// First byte of F62: there is none of it; there is more.
const NOTHING: u8 = b'0';
const MORE: u8 = b'2';

/// A download, as far as it has come.
#[derive(Debug)]
pub(super) struct Loading {
    kind: DownloadKind,
    /// How many the host has told of.
    seen: usize,
    /// Names that are still to be asked for; nothing before all of the list is there.
    wanted: Option<VecDeque<Vec<u8>>>,
    listed: VecDeque<Vec<u8>>,
    /// What has arrived.
    arrived: Vec<Download>,
}

impl Loading {
    /// The message type of the next step.
    pub(super) fn mti(&self) -> u16 {
        let is_list = self.wanted.is_none() && self.kind != DownloadKind::Parameter;
        if is_list { 0x0820 } else { 0x0800 }
    }
    /// 60.3: to ask for a list, for one, and to say that all is there.
    fn codes(&self) -> (&'static str, &'static str, &'static str) {
        match self.kind {
            DownloadKind::Parameter => ("360", "360", "361"),
            DownloadKind::CaKey => ("372", "370", "371"),
            DownloadKind::Aid => ("382", "380", "381"),
        }
    }
}

impl Till {
    /// What the last answer about it told it to download.
    fn due(&self) -> Option<DownloadKind> {
        DownloadKind::ALL.into_iter().find(|kind| Some(kind.requirement()) == self.requirement)
    }
    pub(super) fn has_to_load(&self) -> bool {
        !self.spec.speech.is_generic() && self.due().is_some()
    }
    pub(super) fn begin_loading(&mut self) {
        let begun =
            |kind| Loading { kind, seen: 0, wanted: None, listed: VecDeque::new(), arrived: Vec::new() };
        self.loading = self.due().map(begun);
        if let Some(loading) = &self.loading {
            self.held.remove(&loading.kind);
        }
    }

    pub(super) fn compose_download(&self, composer: &Composer<'_>, stan: Stan) -> Result<Vec<u8>, SimError> {
        let Some(loading) = &self.loading else {
            return Err(SimError::Limit { what: "nothing to download" });
        };
        let (list, one, end) = loading.codes();
        let (code, de62) = match &loading.wanted {
            None if loading.seen == 0 && loading.kind == DownloadKind::Parameter => (list, Vec::new()),
            None => (list, format!("1{:02}", loading.seen).into_bytes()),
            Some(wanted) => wanted.front().map_or((end, Vec::new()), |name| (one, name.clone())),
        };
        composer.download(loading.mti(), stan, code, &de62)
    }

    /// A part of a list, one of its members, or the end.
    pub(super) fn loaded(&mut self, env: &mut Env, reply: &Reply) {
        let Some(mut loading) = self.loading.take() else { return };
        if !reply.is_approved() {
            return;
        }
        let (first, rest) = match reply.keys.as_deref() {
            Some([first, rest @ ..]) => (*first, rest),
            Some([]) | None => (NOTHING, &[][..]),
        };
        let read = match &mut loading.wanted {
            None => self.listed(env, &mut loading, first, rest),
            Some(wanted) => {
                if wanted.pop_front().is_none() {
                    // The end was heard: what is due now, it says.
                    self.requirement = reply.requirement;
                    self.held.insert(loading.kind, loading.arrived);
                    return;
                }
                // Taken back by an operator meanwhile: there is none of it.
                if first == NOTHING {
                    Ok(())
                } else {
                    let download = Download::objects(loading.kind, rest.to_vec());
                    download.map(|download| self.arrived(env, &mut loading, download))
                }
            }
        };
        if let Err(error) = read {
            let found = format!("terminal {}: {error}", self.index);
            return env.hold(Err(Breach { rule: "downloads arrive as they were set", found }));
        }
        self.loading = Some(loading);
    }

    fn listed(
        &self,
        env: &mut Env,
        loading: &mut Loading,
        first: u8,
        rest: &[u8],
    ) -> Result<(), DownloadError> {
        if loading.kind == DownloadKind::Parameter {
            let all = parameters_of(rest)?;
            loading.seen += all.len();
            all.into_iter().for_each(|download| self.arrived(env, loading, download));
        } else {
            let names = entries_of(loading.kind, rest)?;
            loading.seen += names.len();
            loading.listed.extend(names.into_iter().map(<[u8]>::to_vec));
        }
        if first != MORE {
            loading.wanted = Some(std::mem::take(&mut loading.listed));
        }
        Ok(())
    }
    /// What comes is what an operator gave out at some time, to this terminal, its merchant or everybody.
    fn arrived(&self, env: &mut Env, loading: &mut Loading, download: Download) {
        env.tally.downloads += 1;
        let known = env.oracle.story.gave(TerminalIndex(self.index as u32), &download);
        env.hold(crate::check::ensure(known, "downloads arrive as they were set", || {
            let (terminal, Download { kind, name, .. }) = (self.index, &download);
            format!("{kind:?} {name:02x?} was never given out so to terminal {terminal}")
        }));
        loading.arrived.push(download);
    }

    /// The place under which the oldest script result is told: the same until it was heard.
    pub(super) fn number_script(&mut self) -> (BatchNumber, Stan) {
        let batch = self.state.batch;
        match self.owed.front_mut() {
            Some((_, Some(place))) if place.0 == batch => *place,
            Some((_, place)) => *place.insert((batch, self.state.take_stan())),
            None => (batch, self.state.take_stan()),
        }
    }
    /// Whatever is no refusal to listen ends it.
    pub(super) fn script_heard(&mut self, env: &mut Env, run: ScriptRun, reply: &Reply) {
        if !reply.has_mac || reply.rrn.is_none() {
            return;
        }
        let code = reply.code;
        env.hold(crate::check::ensure(reply.is_approved(), "script results are taken", || {
            format!("terminal {} {}/{} heard {code:?}", self.index, run.batch, run.stan)
        }));
        env.tally.scripts += 1;
        self.told.insert((run.batch, run.stan), run.results);
        self.owed.pop_front();
    }

    /// What it says about itself under a trace number.
    pub(super) fn status(&self, stan: Stan) -> Vec<u8> {
        format!("paper {} battery {}", stan.get() % 7, stan.get() % 100).into_bytes()
    }
}
