//! What terminals are given to download, what each has, and what they said about themselves.

use crate::state::apply::missing_number;
use crate::state::{ApplyError, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{
    BatchNumber, Download, DownloadDigest, DownloadKind, DownloadScope, MerchantIndex, Record, ReplyFacts,
    Stamped, Stan, TerminalIndex, Timestamp,
};

/// Something to download, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) content: Vec<u8>,
    digest: DownloadDigest,
}

/// Whether a terminal has what it is given of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadStanding {
    /// There is nothing for it, and it has nothing.
    Nothing,
    /// It is to download.
    Due,
    /// It has it all.
    Current,
}

/// Everything of the kind.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Devices {
    /// By scope, kind and name.
    pub(crate) downloads: BTreeMap<(DownloadScope, DownloadKind, Vec<u8>), Given>,
    /// What a terminal had of a kind when it downloaded it last; nothing when that is not known.
    pub(crate) had: BTreeMap<(TerminalIndex, DownloadKind), Option<DownloadDigest>>,
    /// What a terminal said about itself last, and when it said so first.
    pub(crate) reported: BTreeMap<TerminalIndex, (Timestamp, Vec<u8>)>,
    /// The report on scripts that a terminal sent last: it may send it once more.
    pub(crate) scripts: BTreeMap<TerminalIndex, (BatchNumber, Stan, ReplyFacts)>,
}

impl Devices {
    /// Whether there never was anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.downloads.is_empty()
            && self.had.is_empty()
            && self.reported.is_empty()
            && self.scripts.is_empty()
    }
    /// Downloads of a kind that a scope has itself, in the order of their names.
    pub(crate) fn own(
        &self,
        scope: DownloadScope,
        kind: DownloadKind,
    ) -> impl Iterator<Item = (&[u8], &Given)> {
        let all = self.downloads.range((scope, kind, Vec::new())..);
        let own = all.take_while(move |((whose, of, _), _)| (*whose, *of) == (scope, kind));
        own.map(|((.., name), given)| (name.as_slice(), given))
    }
    /// Downloads of a kind in the order of their names, which terminals count by: of each name that of the last scope.
    pub(crate) fn given(
        &self,
        scopes: &[DownloadScope],
        kind: DownloadKind,
    ) -> BTreeMap<&[u8], (DownloadScope, &Given)> {
        let all = scopes
            .iter()
            .flat_map(|scope| self.own(*scope, kind).map(move |(name, given)| (name, (*scope, given))));
        // Of two under one name a map keeps the one behind.
        all.collect()
    }
    /// How many of them are not everybody's.
    pub(crate) fn overrides(&self) -> usize {
        let everybodys = DownloadKind::ALL.map(|kind| self.own(DownloadScope::Everybody, kind).count());
        self.downloads.len() - everybodys.iter().sum::<usize>()
    }
    /// The digest of what these scopes are given of a kind.
    pub(crate) fn digest(&self, scopes: &[DownloadScope], kind: DownloadKind) -> DownloadDigest {
        let digests = self.given(scopes, kind).into_values().map(|(_, given)| given.digest);
        digests.fold(DownloadDigest::NOTHING, DownloadDigest::and)
    }
    /// What a terminal had of a kind when it downloaded it last; one that never did had nothing.
    pub(crate) fn had(&self, terminal: TerminalIndex, kind: DownloadKind) -> Option<DownloadDigest> {
        self.had.get(&(terminal, kind)).copied().unwrap_or(Some(DownloadDigest::NOTHING))
    }
}

/// Whose downloads a terminal of a merchant is given, the nearest last.
pub(crate) fn scopes(merchant: MerchantIndex, terminal: TerminalIndex) -> [DownloadScope; 3] {
    [DownloadScope::Everybody, DownloadScope::Merchant(merchant), DownloadScope::Terminal(terminal)]
}

impl State {
    pub(super) fn apply_device(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        let devices = &mut self.devices;
        match &stamped.record {
            Record::DownloadSet { scope, download: Download { kind, name, content } } => {
                let given = Given { content: content.clone(), digest: DownloadDigest::of(name, content) };
                devices.downloads.insert((*scope, *kind, name.clone()), given);
            }
            Record::DownloadRemoved { scope, kind, name, .. } => {
                let removed = devices.downloads.remove(&(*scope, *kind, name.clone()));
                removed.ok_or(missing_number("download", 0))?;
            }
            Record::Downloaded { terminal, kind, digest } => {
                devices.had.insert((*terminal, *kind), *digest);
            }
            Record::TerminalReported { terminal, status } => {
                devices.reported.insert(*terminal, (stamped.at, status.clone()));
            }
            Record::ScriptReported { terminal, report, reply } => {
                devices.scripts.insert(*terminal, (report.batch, report.stan, *reply));
                self.used_reference(&reply.rrn);
            }
            _ => unreachable!("only terminals' records come here"),
        }
        Ok(())
    }

    /// Everything that terminals are given, by scope, kind and name.
    pub fn downloads(&self) -> impl Iterator<Item = (DownloadScope, Download)> {
        let all = self.devices.downloads.iter();
        all.map(|((scope, kind, name), given)| {
            (*scope, Download { kind: *kind, name: name.clone(), content: given.content.clone() })
        })
    }
    /// What these scopes are given of a kind, by name: of each name that of the last scope that has it.
    pub fn given(
        &self,
        scopes: &[DownloadScope],
        kind: DownloadKind,
    ) -> impl Iterator<Item = (DownloadScope, Download)> {
        let given = self.devices.given(scopes, kind).into_iter();
        given.map(move |(name, (scope, given))| {
            (scope, Download { kind, name: name.to_vec(), content: given.content.clone() })
        })
    }
    /// Whose downloads a terminal is given, the nearest last; nobody's where there is no such terminal.
    pub fn download_scopes(&self, terminal: TerminalIndex) -> Vec<DownloadScope> {
        let known = self.registry.terminal(terminal);
        known.map_or(Vec::new(), |state| scopes(state.terminal.merchant, terminal).to_vec())
    }
    /// Whether a terminal has what it is given of a kind.
    pub fn download_standing(&self, terminal: TerminalIndex, kind: DownloadKind) -> DownloadStanding {
        let given = self.devices.digest(&self.download_scopes(terminal), kind);
        match self.devices.had(terminal, kind) {
            had if had != Some(given) => DownloadStanding::Due,
            Some(DownloadDigest::NOTHING) => DownloadStanding::Nothing,
            _ => DownloadStanding::Current,
        }
    }
    /// What a terminal said about itself last, and since when it says so.
    pub fn reported(&self, terminal: TerminalIndex) -> Option<(Timestamp, &[u8])> {
        self.devices.reported.get(&terminal).map(|(at, status)| (*at, status.as_slice()))
    }
}
