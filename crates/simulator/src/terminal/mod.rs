//! A POS terminal: a state machine over one TCP connection. It speaks UnionPay's dialect, or a generic one.
//!
//! It signs on, checks every check value and every MAC, writes its journal before it sends and after it
//! has verified, and undoes what got no answer before it does anything else.

mod ask;
mod chip;
mod close;
mod compose;
mod download;
mod generic;
mod keys;
mod line;
mod machine;
mod manage;
mod master_key;
mod order;
mod record;
mod recover;
mod reply;
mod script;
mod state;
#[cfg(test)]
mod tests;
mod undo;

pub use ask::{Asking, request_mti};
pub use close::{CloseMode, CloseReport};
pub use compose::{Composer, UploadItem};
pub use generic::heard_as;
pub use keys::SessionKeys;
pub use machine::{Terminal, TerminalCounts, TerminalOptions};
pub use order::{AdminKind, Done, FinalState, MessageKind, Order, Selector, Tamper, is_reversible, selector};
pub use recover::Recovered;
pub use reply::{Expectation, Reply};
pub use script::ScriptRun;
pub use state::{BATCH_TRANSACTIONS_MAX, PendingReversal, TerminalState};

pub(crate) use compose::dialect;
#[cfg(test)]
pub(crate) use compose::totals_digits;
pub(crate) use machine::latency_histogram;
