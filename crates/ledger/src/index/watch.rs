//! What an index tells its surroundings: it logs nothing itself.

use std::sync::Arc;

use super::build::Built;
use super::error::Doubt;
use crate::SegmentNumber;

/// Something that an operator may want to read about.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A sealed index is not used and is made anew from its segment.
    Rebuilding {
        /// The segment.
        segment: SegmentNumber,
        /// Why.
        doubt: Doubt,
    },
    /// A sealed index is written and in use.
    Built {
        /// The segment.
        segment: SegmentNumber,
        /// What is in it.
        built: Built,
    },
    /// A sealed index cannot be made; lookups read its segment instead.
    Failed {
        /// The segment.
        segment: SegmentNumber,
        /// Why.
        error: String,
    },
    /// The index does not follow the log any further; lookups read the rest of the log.
    Stopped {
        /// Why.
        error: String,
    },
}

type Tell = dyn Fn(&Event) + Send + Sync;

/// Who is told; nobody by default.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<Tell>>);

impl Watch {
    /// Tells a function, on the index's own threads.
    pub fn new(tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, event: &Event) {
        if let Some(tell) = &self.0 {
            tell(event);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Watch(some)" } else { "Watch(none)" })
    }
}
