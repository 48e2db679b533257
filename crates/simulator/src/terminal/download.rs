//! What the host gives a terminal to work with: parameters, keys of certification authorities, applications.

use super::Terminal;
use super::ask::Asking;
use super::machine::{is_line_trouble, refused};
use super::manage::ADMIN_ATTEMPTS_MAX;
use super::order::AdminKind;
use super::reply::Reply;
use crate::error::SimError;
use switchyard_domain::{Download, DownloadKind, entries_of, parameters_of};

/// First byte of F62: there is more.
const MORE: u8 = b'2';
/// Parts of one list, and kinds in a row: far more than a host has.
const PARTS_MAX: usize = 100;

/// 60.3 of the steps of a kind: to ask for a list, for one, and to say that all is there.
fn codes(kind: DownloadKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        DownloadKind::Parameter => ("360", "360", "361"),
        DownloadKind::CaKey => ("372", "370", "371"),
        DownloadKind::Aid => ("382", "380", "381"),
    }
}

impl Terminal {
    /// What it has downloaded since it was started, the latest of each kind.
    pub fn downloaded(&self) -> &[Download] {
        &self.downloads
    }

    /// Downloads what the header of an answer asks for, until it asks for nothing more.
    pub(super) async fn download_due(&mut self, mut requirement: Option<u8>) -> Result<(), SimError> {
        for _ in 0..PARTS_MAX {
            let asked = |kind: &DownloadKind| Some(kind.requirement()) == requirement;
            let Some(kind) = DownloadKind::ALL.into_iter().find(asked) else { return Ok(()) };
            let fresh = match kind {
                DownloadKind::Parameter => self.download_parameters().await?,
                DownloadKind::CaKey | DownloadKind::Aid => self.download_objects(kind).await?,
            };
            self.downloads.retain(|known| known.kind != kind);
            self.downloads.extend(fresh);
            requirement = self.exchange(0x0800, codes(kind).2, &[]).await?.requirement;
        }
        Err(SimError::Limit { what: "downloads in a row" })
    }

    async fn download_parameters(&mut self) -> Result<Vec<Download>, SimError> {
        let mut all = Vec::new();
        for _ in 0..PARTS_MAX {
            let seen = if all.is_empty() { String::new() } else { format!("1{:02}", all.len()) };
            let (first, rest) = self.part(0x0800, "360", seen.as_bytes()).await?;
            let untrusted = |_| SimError::Untrusted { what: "terminal parameters" };
            all.extend(parameters_of(&rest).map_err(untrusted)?);
            if first != MORE {
                return Ok(all);
            }
        }
        Err(SimError::Limit { what: "parts of the parameters" })
    }

    /// First what there is, then each by its name.
    async fn download_objects(&mut self, kind: DownloadKind) -> Result<Vec<Download>, SimError> {
        let (list, one, _) = codes(kind);
        let untrusted = |_| SimError::Untrusted { what: "download" };
        let mut wanted: Vec<Vec<u8>> = Vec::new();
        for part in 0.. {
            let (first, rest) = self.part(0x0820, list, format!("1{:02}", wanted.len()).as_bytes()).await?;
            wanted.extend(entries_of(kind, &rest).map_err(untrusted)?.into_iter().map(<[u8]>::to_vec));
            match first {
                MORE if part < PARTS_MAX => {}
                MORE => return Err(SimError::Limit { what: "parts of a list" }),
                _ => break,
            }
        }
        let mut all = Vec::new();
        for entry in wanted {
            let (_, content) = self.part(0x0800, one, &entry).await?;
            all.push(Download::objects(kind, content).map_err(untrusted)?);
        }
        Ok(all)
    }

    /// F62 of an answer: its first byte, and the rest.
    async fn part(&mut self, mti: u16, code: &str, de62: &[u8]) -> Result<(u8, Vec<u8>), SimError> {
        let reply = self.exchange(mti, code, de62).await?;
        match reply.keys.as_deref() {
            Some([first, rest @ ..]) => Ok((*first, rest.to_vec())),
            _ => Err(SimError::Untrusted { what: "download" }),
        }
    }

    async fn exchange(&mut self, mti: u16, code: &str, de62: &[u8]) -> Result<Reply, SimError> {
        let reply = self.asked(mti, code, de62).await?;
        if reply.is_approved() { Ok(reply) } else { Err(refused("download", reply.code)) }
    }

    /// The answer to a step of a download, whatever it says.
    pub(super) async fn asked(&mut self, mti: u16, code: &str, de62: &[u8]) -> Result<Reply, SimError> {
        for attempt in 1..=ADMIN_ATTEMPTS_MAX {
            let stan = self.state.take_stan();
            let (composer, asking) = (self.composer(self.state.batch), Asking::Download(mti));
            let frame = composer.download(mti, stan, code, de62)?;
            let expected = composer.expected(asking, Some(stan));
            let line = self.admin_line(AdminKind::Download, stan, asking);
            match self.converse(&frame, line, &expected).await {
                Err(error) if is_line_trouble(&error) && attempt < ADMIN_ATTEMPTS_MAX => {}
                other => return other,
            }
        }
        Err(SimError::Silent { what: "a download" })
    }
}
