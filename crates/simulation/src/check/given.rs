//! What terminals are given to download, by the records: whose it is, and what is laid over what.

use super::story::Story;
use super::{Checked, ensure};
use crate::tally::Tally;
use std::collections::BTreeMap;
use switchyard_domain::{
    Download, DownloadDigest, DownloadKind, DownloadScope, MerchantId, MerchantIndex, Record, TerminalIndex,
};

/// What operators gave out and took back, and what terminals have of it.
#[derive(Debug, Default)]
pub(super) struct Given {
    merchants: Vec<MerchantId>,
    /// Whose each terminal is.
    owners: Vec<MerchantIndex>,
    now: BTreeMap<(DownloadScope, DownloadKind, Vec<u8>), Download>,
    ever: Vec<(DownloadScope, Download)>,
    had: BTreeMap<(TerminalIndex, DownloadKind), Option<DownloadDigest>>,
}

impl Given {
    pub(super) fn take(&mut self, record: &Record) {
        match record {
            Record::MerchantRegistered(merchant) => self.merchants.push(merchant.id),
            Record::TerminalRegistered(terminal) => self.owners.push(terminal.merchant),
            Record::DownloadSet { scope, download } => {
                self.now.insert((*scope, download.kind, download.name.clone()), download.clone());
                self.ever.push((*scope, download.clone()));
            }
            Record::DownloadRemoved { scope, kind, name, .. } => {
                self.now.remove(&(*scope, *kind, name.clone()));
            }
            Record::Downloaded { terminal, kind, digest } => {
                self.had.insert((*terminal, *kind), *digest);
            }
            _ => {}
        }
    }

    /// Whose downloads reach a terminal, the nearest first.
    fn scopes(&self, terminal: TerminalIndex) -> Vec<DownloadScope> {
        let owner = self.owners.get(terminal.0 as usize).map(|owner| DownloadScope::Merchant(*owner));
        [Some(DownloadScope::Terminal(terminal)), owner, Some(DownloadScope::Everybody)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// What a terminal is given of a kind, in the order of the names.
    fn to(&self, terminal: TerminalIndex, kind: DownloadKind) -> Vec<Download> {
        let mut given = BTreeMap::new();
        for scope in self.scopes(terminal) {
            for ((whose, of, name), download) in &self.now {
                if (*whose, *of) == (scope, kind) {
                    given.entry(name).or_insert_with(|| download.clone());
                }
            }
        }
        given.into_values().collect()
    }
}

impl Story {
    /// DE 42 of a terminal.
    pub(crate) fn merchant_of(&self, terminal: TerminalIndex) -> Option<MerchantId> {
        let owner = self.given.owners.get(terminal.0 as usize)?;
        self.given.merchants.get(owner.0 as usize).copied()
    }

    /// Whether a terminal, its merchant or everybody was ever given this.
    pub(crate) fn gave(&self, terminal: TerminalIndex, download: &Download) -> bool {
        let scopes = self.given.scopes(terminal);
        self.given.ever.iter().any(|(scope, given)| scopes.contains(scope) && given == download)
    }

    /// What a terminal holds is what it is given, wherever the switch takes it to be so.
    pub(crate) fn compare_held(
        &self,
        terminal: TerminalIndex,
        held: &BTreeMap<DownloadKind, Vec<Download>>,
        tally: &mut Tally,
    ) -> Checked {
        for (kind, held) in held {
            let given = self.given.to(terminal, *kind);
            let digests = given.iter().map(|one| DownloadDigest::of(&one.name, &one.content));
            let digest = digests.fold(DownloadDigest::NOTHING, DownloadDigest::and);
            if self.given.had.get(&(terminal, *kind)) != Some(&Some(digest)) {
                // It is told that there is something new.
                continue;
            }
            tally.compared_downloads += 1;
            ensure(*held == given, "terminals hold what they are given", || {
                let names = |all: &[Download]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
                let (held, given) = (names(held), names(&given));
                format!("terminal {} holds {kind:?} {held:02x?}, given {given:02x?}", terminal.0)
            })?;
        }
        Ok(())
    }
}
