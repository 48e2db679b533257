//! What terminals download, beside a model: a map of what was set, and what each of them heard last.

use crate::World;
use crate::support::*;
use std::collections::BTreeMap;
use switchyard_core::{Body, DownloadStanding, DownloadStep, DownloadsOf, Order, ReplyBody};
use switchyard_domain::{Download, DownloadKind, TerminalIndex};

/// Whose downloads an act is about: everybody's, a merchant's, a terminal's.
pub(crate) const WHOSE: u8 = 6;

/// What was set, and what each terminal has.
#[derive(Default)]
pub(crate) struct Downloads {
    /// By whose it is, kind and name.
    set: BTreeMap<(u8, DownloadKind, Vec<u8>), Download>,
    had: BTreeMap<(usize, DownloadKind), Vec<Download>>,
}

fn named(whose: u8) -> DownloadsOf {
    match usize::from(whose) {
        0 => DownloadsOf::Everybody,
        which @ 1..=2 => DownloadsOf::Merchant(MERCHANTS[which - 1].parse().unwrap()),
        which => DownloadsOf::Terminal(TERMINALS[which - 3].0.parse().unwrap()),
    }
}

impl Downloads {
    /// All of a kind that a terminal is given.
    fn given(&self, terminal: usize, kind: DownloadKind) -> Vec<Download> {
        let mut names: Vec<_> =
            self.set.keys().filter(|(_, of, _)| *of == kind).map(|(.., name)| name).collect();
        names.sort_unstable();
        names.dedup();
        let nearest = [3 + terminal as u8, 1 + TERMINALS[terminal].1 as u8, 0];
        let one =
            |name: &Vec<u8>| nearest.iter().find_map(|whose| self.set.get(&(*whose, kind, name.clone())));
        names.into_iter().filter_map(one).cloned().collect()
    }
}

/// Something for terminals to download.
pub(crate) fn download(which: u8, value: u8) -> Download {
    let rid = b"\x9F\x06\x07\xA0\x00\x00\x03\x33\x01";
    let made = match which {
        0 => Download::parameter(*b"12", format!("{value:02}").as_bytes()),
        1 => Download::parameter(*b"14", format!("{value:014}").as_bytes()),
        _ => {
            let content = [&rid[..], &[which], b"\xDF\x01\x01", &[value]].concat();
            Download::objects(DownloadKind::Aid, content)
        }
    };
    made.unwrap()
}

impl World {
    pub(crate) fn give(&mut self, whose: u8, download: Download) {
        self.downloads.set.insert((whose, download.kind, download.name.clone()), download.clone());
        self.bench.order(Order::SetDownload { whose: named(whose), download }).unwrap();
        self.all_know_what_is_due();
    }
    pub(crate) fn take_back(&mut self, whose: u8, Download { kind, name, .. }: Download) {
        let known = self.downloads.set.remove(&(whose, kind, name.clone())).is_some();
        let remove = Order::RemoveDownload { whose: named(whose), kind, name, reason: reason() };
        let done = self.bench.order(remove);
        assert_eq!(done.is_ok(), known, "{done:?}");
        self.all_know_what_is_due();
    }
    /// A terminal hears of everything that it is given now, and then has it.
    pub(crate) fn load(&mut self, terminal: usize, kind: DownloadKind) {
        let step = match kind {
            DownloadKind::Parameter => DownloadStep::Parameters { seen: 0 },
            DownloadKind::CaKey | DownloadKind::Aid => DownloadStep::List { seen: 0 },
        };
        let ticket = self.bench.request(terminal, Body::Download { kind, step });
        let ReplyBody::Download { data, .. } = self.bench.only(ticket).body else { panic!("a download") };
        let given = self.downloads.given(terminal, kind);
        let one = |download: &Download| match kind {
            DownloadKind::Parameter => [download.name.as_slice(), &download.content].concat(),
            DownloadKind::CaKey | DownloadKind::Aid => download.summary(),
        };
        let listed: Vec<u8> = given.iter().flat_map(one).collect();
        let first = if listed.is_empty() { b'0' } else { b'1' };
        assert_eq!(data, [&[first], listed.as_slice()].concat());
        for download in &given {
            let step = DownloadStep::One { name: download.name.clone() };
            let ticket = self.bench.request(terminal, Body::Download { kind, step });
            let ReplyBody::Download { data, .. } = self.bench.only(ticket).body else { panic!("a download") };
            assert_eq!(data[1..], download.content, "{kind:?} {:02x?}", download.name);
        }
        let ticket = self.bench.request(terminal, Body::Download { kind, step: DownloadStep::End });
        assert_eq!(self.bench.code_of(ticket), "00");
        self.downloads.had.insert((terminal, kind), given);
        self.all_know_what_is_due();
    }
    /// A terminal is to download a kind exactly when what it is given is not what it had.
    fn all_know_what_is_due(&self) {
        let state = self.bench.core.state();
        for terminal in 0..TERMINALS.len() {
            for kind in DownloadKind::ALL {
                let given = self.downloads.given(terminal, kind);
                let had = self.downloads.had.get(&(terminal, kind)).map_or(&[][..], Vec::as_slice);
                let expected = match (had == given, had.is_empty()) {
                    (false, _) => DownloadStanding::Due,
                    (true, true) => DownloadStanding::Nothing,
                    (true, false) => DownloadStanding::Current,
                };
                let standing = state.download_standing(TerminalIndex(terminal as u32), kind);
                assert_eq!(standing, expected, "terminal {terminal}: {kind:?}");
            }
        }
    }
}
