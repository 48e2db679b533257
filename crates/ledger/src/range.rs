//! Checks a part of a log.

use std::path::Path;

use crate::merkle::Frontier;
use crate::{Error, Finding, Reader, Sequence, VerifyError};

/// A part of a log in which every byte is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeReport {
    /// First record that was checked: that of the block which holds the first one asked for.
    pub first: Sequence,
    /// Sequence after the last record that was checked.
    pub next: Sequence,
    /// Count of blocks.
    pub blocks: u64,
    /// Whether Merkle roots were compared too, which takes all records from the first on.
    pub roots: bool,
}

/// Verifies the blocks that hold the records from `from` up to `to` (without it, to the end): every checksum, padding
/// and header, and that each block continues the one before by its hash. From the first record on, the Merkle root of
/// every block as well. `progress` gets the records done.
///
/// # Errors
/// `Finding` with what is wrong first, `CouldNot` when the log cannot be read or has no record `from`.
pub fn verify_range(
    dir: &Path,
    from: Sequence,
    to: Option<Sequence>,
    mut progress: impl FnMut(u64),
) -> Result<RangeReport, VerifyError> {
    let reader = Reader::open(dir)?;
    let roots = from.0 == 0;
    // Before the first record stands the block that opened the log, which is a part of it.
    let mut reader = if roots { reader } else { reader.from(from)? };
    let mut tree = Frontier::new();
    let mut report = RangeReport { first: from, next: from, blocks: 0, roots };
    while to.is_none_or(|to| reader.next_seq() < to) {
        let Some(block) = reader.next_block()? else { break };
        let header = block.header;
        if roots && let Err(what) = block.grow(&mut tree) {
            let (segment, offset, _) = reader.found();
            let finding = Finding { segment, offset, block: header.block, what };
            return Err(VerifyError::Finding(finding));
        }
        if report.blocks == 0 {
            report.first = header.first_seq;
        }
        report.blocks += 1;
        report.next = header.next_seq();
        progress(report.next.0 - report.first.0);
    }
    let need = to.map_or(from.0.saturating_add(1), |to| to.0);
    if report.next.0 < need && !(need == 1 && to.is_none()) {
        return Err(VerifyError::CouldNot(Error::Beyond { need, have: reader.next_seq().0 }));
    }
    Ok(report)
}
