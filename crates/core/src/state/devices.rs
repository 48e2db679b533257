//! What terminals are given to download, what each has, and what they said about themselves.

use crate::state::apply::missing_number;
use crate::state::{ApplyError, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchyard_domain::{
    BatchNumber, Download, DownloadKind, Record, ReplyFacts, Stamped, Stan, TerminalIndex, Timestamp,
};

/// Everything of the kind.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Devices {
    /// By kind and name.
    pub(crate) downloads: BTreeMap<(DownloadKind, Vec<u8>), Vec<u8>>,
    /// Counts up with every change of a kind.
    pub(crate) versions: BTreeMap<DownloadKind, u32>,
    /// At which version a terminal downloaded the kind last.
    pub(crate) had: BTreeMap<(TerminalIndex, DownloadKind), u32>,
    /// What a terminal said about itself last, and when it said so first.
    pub(crate) reported: BTreeMap<TerminalIndex, (Timestamp, Vec<u8>)>,
    /// The report on scripts that a terminal sent last: it may send it once more.
    pub(crate) scripts: BTreeMap<TerminalIndex, (BatchNumber, Stan, ReplyFacts)>,
}

impl Devices {
    /// Whether there never was anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.reported.is_empty() && self.scripts.is_empty()
    }
    /// Downloads of a kind in the order of their names, which terminals count by.
    pub(crate) fn of(&self, kind: DownloadKind) -> impl Iterator<Item = (&[u8], &[u8])> {
        let from = (kind, Vec::new());
        let all = self.downloads.range(from..).take_while(move |((other, _), _)| *other == kind);
        all.map(|((_, name), content)| (name.as_slice(), content.as_slice()))
    }
    pub(crate) fn version(&self, kind: DownloadKind) -> u32 {
        self.versions.get(&kind).copied().unwrap_or(0)
    }
    /// What a terminal is to download next: the first kind that changed since it had it.
    pub(crate) fn due(&self, terminal: TerminalIndex) -> Option<DownloadKind> {
        DownloadKind::ALL.into_iter().find(|kind| self.had(terminal, *kind) < self.version(*kind))
    }
    /// The version of a kind that a terminal has; 0 for none.
    fn had(&self, terminal: TerminalIndex, kind: DownloadKind) -> u32 {
        self.had.get(&(terminal, kind)).copied().unwrap_or(0)
    }
}

impl State {
    pub(super) fn apply_device(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        let devices = &mut self.devices;
        match &stamped.record {
            Record::DownloadSet(Download { kind, name, content }) => {
                devices.downloads.insert((*kind, name.clone()), content.clone());
                *devices.versions.entry(*kind).or_default() += 1;
            }
            Record::DownloadRemoved { kind, name, .. } => {
                let removed = devices.downloads.remove(&(*kind, name.clone()));
                removed.ok_or(missing_number("download", 0))?;
                *devices.versions.entry(*kind).or_default() += 1;
            }
            Record::Downloaded { terminal, kind, version } => {
                devices.had.insert((*terminal, *kind), *version);
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

    /// What terminals are given, by kind and name.
    pub fn downloads(&self) -> impl Iterator<Item = Download> {
        let all = self.devices.downloads.iter();
        all.map(|((kind, name), content)| Download {
            kind: *kind,
            name: name.clone(),
            content: content.clone(),
        })
    }
    /// Counts the changes of a kind.
    pub fn download_version(&self, kind: DownloadKind) -> u32 {
        self.devices.version(kind)
    }
    /// The version of a kind that a terminal has; 0 for none.
    pub fn downloaded(&self, terminal: TerminalIndex, kind: DownloadKind) -> u32 {
        self.devices.had(terminal, kind)
    }
    /// What a terminal said about itself last, and since when it says so.
    pub fn reported(&self, terminal: TerminalIndex) -> Option<(Timestamp, &[u8])> {
        self.devices.reported.get(&terminal).map(|(at, status)| (*at, status.as_slice()))
    }
}
