//! DE 62 of downloads, of the master key too, and DE 55 of script results.

use super::read::Reader;
use crate::dialect::Refusal;
use crate::dialect::scripts::Scripts;
use crate::input::{DownloadStep, MasterKeyStep};
use switchyard_domain::{DownloadKind, name_of};

/// What DE 60.3 of a download asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Parameters,
    One,
    List,
    End,
}

impl Reader<'_, '_, '_> {
    pub(super) fn download(&self, kind: DownloadKind, step: Step) -> Result<DownloadStep, Refusal> {
        let de62 = self.0.raw(62).unwrap_or_default();
        Ok(match step {
            Step::End => DownloadStep::End,
            Step::Parameters => DownloadStep::Parameters { seen: seen(de62)? },
            Step::List => DownloadStep::List { seen: seen(de62)? },
            Step::One => DownloadStep::One { name: name_of(kind, de62).map_err(|_| Refusal::malformed(62))? },
        })
    }

    /// 60.3 = 401: check value and proof.
    pub(super) fn master_key_taken(&self) -> Result<MasterKeyStep, Refusal> {
        let parts = self.0.raw(62).and_then(|de62| de62.split_first_chunk::<4>());
        let (check_value, proof) = parts.ok_or(Refusal::malformed(62))?;
        let proof = proof.try_into().map_err(|_| Refusal::malformed(62))?;
        Ok(MasterKeyStep::Confirm { check_value: *check_value, proof })
    }

    pub(super) fn scripts(&self) -> Result<Scripts, Refusal> {
        Scripts::read(self.0.raw(55).unwrap_or_default())
    }
}

/// `1` and two digits: how many the terminal has heard of; nothing is none.
fn seen(de62: &[u8]) -> Result<usize, Refusal> {
    match de62 {
        [] => Ok(0),
        [b'1', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Ok(usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
        }
        _ => Err(Refusal::malformed(62)),
    }
}
