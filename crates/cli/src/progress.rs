//! Progress of long work, on stderr and only where somebody looks at it.

use indicatif::{ProgressBar, ProgressStyle};

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
    pub(crate) fn set(&self, done: u64, of: u64) {
        self.0.set_length(of.max(1));
        self.0.set_position(done);
    }
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
