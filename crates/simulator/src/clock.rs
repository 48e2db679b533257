//! The time of day, for those who put it into messages.

use std::time::{SystemTime, UNIX_EPOCH};
use switchyard_domain::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
}
