//! From a data directory to a core that has replayed its ledger.

use std::path::Path;
use std::sync::Arc;

use switchyard_core::{ApplyError, Core, CoreConfig};
use switchyard_domain::{Decode, Stamped};
use switchyard_ledger::{
    Error, FileLayer, LedgerId, Log, Options, Partition, Reader, Recovery, Sequence, SyncMethod,
};

use crate::config::Config;
use crate::shared::now;

/// Partition of this process; others are other processes.
pub(crate) const PARTITION: Partition = Partition(0);

/// Why a ledger cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The ledger refused.
    #[error("the ledger cannot be used ({})", .0.code())]
    Ledger(#[from] Error),
    /// A record is not in a form that this program reads.
    #[error("record {sequence} cannot be read")]
    Record {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: Decode,
    },
    /// A record does not follow from those before it.
    #[error("record {sequence} does not fit")]
    Apply {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: ApplyError,
    },
}

/// The core's rules and limits.
pub(crate) fn core_config(config: &Config) -> CoreConfig {
    let core = &config.core;
    CoreConfig {
        pin_tries_max: core.pin_tries_max as u8,
        no_pin_minor_max: core.no_pin_minor_max,
        refund_days_max: core.refund_days_max,
        hold_days_max: core.hold_days_max,
        link_timeouts_max: core.link_timeouts_max,
        link_rest_ms: u64::from(core.link_rest_ms),
        saf_retry_ms: u64::from(core.reversal_retry_ms),
        saf_retry_ms_max: u64::from(core.reversal_retry_ms_max),
        saf_attempts_max: core.reversal_attempts_max,
        mac_failures_max: core.mac_failures_max,
        key_overlap_ms: u64::from(core.key_overlap_s) * 1_000,
        malformed_pins_max: core.malformed_pins_max,
        malformed_pins_hours: core.malformed_pins_hours,
        rate_age_hours_max: core.rate_age_hours_max,
        in_flight_max: core.in_flight_max as usize,
        batch_items_max: core.batch_items_max as usize,
        ..CoreConfig::default()
    }
}

/// A ledger that was opened for writing, and what follows from it.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) recovery: Recovery,
    pub(crate) core: Core,
    /// Records that did not have to be replayed.
    pub(crate) from: Sequence,
}

/// Opens the log for writing, which takes its lock, and replays what no snapshot has.
pub(crate) fn open(
    dir: &Path,
    snapshots: &Path,
    config: &Config,
    files: &Arc<dyn FileLayer>,
) -> Result<Opened, ReplayError> {
    let mut id = [0; 16];
    // A log that exists keeps its own id; a new one without randomness gets zeros and is none the worse.
    let _ = getrandom::fill(&mut id);
    let mut options = Options::new(PARTITION, LedgerId(id), now().0);
    options.segment_bytes = u64::from(config.ledger.segment_mib) << 20;
    options.free_bytes_min = u64::from(config.ledger.free_mib_min) << 20;
    options.sync = match config.ledger.sync {
        crate::config::SyncMethod::Fdatasync => SyncMethod::Fdatasync,
        crate::config::SyncMethod::Direct => SyncMethod::Direct,
    };
    options.files = Arc::clone(files);
    let (log, recovery) = Log::open(dir, &options)?;
    let end = recovery.next_seq;
    let (mut state, mut reader) = crate::snapshots::newest(dir, snapshots, end)?;
    let from = reader.next_seq();
    crate::snapshots::follow(&mut state, &mut reader, end, &|| false)?;
    if reader.next_seq() != end {
        // What the writer found and the reader does not: neither is to be believed.
        return Err(Error::Beyond { need: end.0, have: reader.next_seq().0 }.into());
    }
    Ok(Opened { log, recovery, core: Core::resume(core_config(config), state), from })
}

/// Hands every record of a ledger on, in order.
///
/// # Errors
/// [`ReplayError`] by what is wrong; the records before it have been handed on.
pub fn replay(
    dir: &Path,
    mut visit: impl FnMut(&Stamped) -> Result<(), ApplyError>,
) -> Result<Sequence, ReplayError> {
    Reader::open(dir)?.for_each(|sequence, bytes| {
        let sequence = sequence.0;
        let stamped = Stamped::decode(bytes).map_err(|source| ReplayError::Record { sequence, source })?;
        visit(&stamped).map_err(|source| ReplayError::Apply { sequence, source })
    })
}
