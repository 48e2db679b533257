//! A start from a snapshot and the records behind it, as the switch makes it when it can.

use super::{Breach, ensure};
use switchyard_core::{ImageError, Part, Restore, State};
use switchyard_domain::Stamped;
use switchyard_ledger::{BlockNumber, MemoryDisk};

/// The sections of a state, as they would lie in a file.
#[derive(Debug)]
pub(super) struct Snapshot {
    records: u64,
    sections: Vec<(u16, u64, Vec<u8>)>,
}

impl Snapshot {
    pub(super) fn of(state: &State) -> Self {
        let sections =
            state.sections().map(|section| (section.kind as u16, section.index, section.bytes.into_owned()));
        Self { records: state.records(), sections: sections.collect() }
    }

    /// The state that it holds, and the records of the disk that came after it.
    pub(super) fn restore(&self, disk: &MemoryDisk) -> Result<State, Breach> {
        let unfit = |error: ImageError| Breach { rule: "a snapshot can be read", found: error.to_string() };
        let mut restore = Restore::default();
        for (kind, index, bytes) in &self.sections {
            restore.add(Part::parse(*kind, *index, bytes.clone()).map_err(unfit)?).map_err(unfit)?;
        }
        let (mut state, _) = restore.finish().map_err(unfit)?;
        let wrong = state.wrong_index();
        ensure(wrong.is_none(), "what a snapshot leaves out is found again", || format!("{wrong:?}"))?;
        let mut failed = None;
        let read = disk.for_each(BlockNumber(0), |sequence, bytes| {
            if sequence.0 >= self.records && failed.is_none() {
                failed = match Stamped::decode(bytes) {
                    Ok(stamped) => state.apply(&stamped).err().map(|error| error.to_string()),
                    Err(error) => Some(error.to_string()),
                };
            }
        });
        read.map_err(|error| Breach { rule: "blocks are whole", found: error.to_string() })?;
        ensure(failed.is_none(), "a snapshot can be read", || failed.unwrap_or_default())?;
        let wrong = state.wrong_index();
        ensure(wrong.is_none(), "indexes say what a look at everything says", || format!("{wrong:?}"))?;
        Ok(state)
    }
}
