//! Progress of long work, on stderr and only where somebody looks at it.

use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

const RECORDS_PER_STEP: u64 = 1_024;

/// Clears the bar when it goes.
struct Finishing(Bar);

impl Drop for Finishing {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// A bar that disappears when it is done.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Counts bytes.
    pub(crate) fn bytes(what: &'static str) -> Self {
        Self::new(what, "{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    }
    /// Counts things.
    pub(crate) fn count(what: &'static str) -> Self {
        Self::new(what, "{msg} {wide_bar} {pos}/{len} {eta}")
    }
    fn new(what: &'static str, template: &str) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }
    /// Counts the records of a ledger that is read from its first one on; every so often is enough for the eye.
    pub(crate) fn records(what: &'static str, ledger: &Path, passes: u64) -> impl FnMut(u64) + use<> {
        let bar = Finishing(Self::count(what));
        // Without a mark there is nothing to measure against, and whoever reads the ledger will say what is wrong.
        let total = switchyard_ledger::marked_records(ledger).ok().flatten().unwrap_or_default() * passes;
        move |done| {
            if done % RECORDS_PER_STEP == 0 {
                bar.0.set(done, total.max(done));
            }
        }
    }
    pub(crate) fn set(&self, done: u64, of: u64) {
        self.0.set_length(of.max(1));
        self.0.set_position(done);
    }
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
