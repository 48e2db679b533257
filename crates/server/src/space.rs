//! Watches the ledger's disk: new work is refused before the ledger would have to refuse it, because the
//! core may not decide what cannot be recorded.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::shared::Shared;

/// Takes note of how much is free.
pub(crate) fn watch(shared: &Shared, ledger: &Path) {
    let limits = &shared.config.ledger;
    // The next segment is reserved while this one fills; below this there may be no room for it.
    let needed = u64::from(limits.segment_mib + limits.free_mib_min) << 20;
    let free = match shared.hooks.files.free_bytes(ledger) {
        Ok(free) => free,
        Err(error) => {
            // A disk that cannot say how full it is may be full: nothing new until it can.
            tracing::error!(%error, "the ledger's disk cannot be measured");
            0
        }
    };
    let full = free < needed;
    if shared.ledger_full.swap(full, Ordering::Relaxed) != full {
        shared.metrics.ledger_full.set(f64::from(u8::from(full)));
        if full {
            tracing::error!(
                free_bytes = free,
                needed_bytes = needed,
                "disk nearly full: new work is refused"
            );
        } else {
            tracing::info!(free_bytes = free, "disk has room again");
        }
    }
}
