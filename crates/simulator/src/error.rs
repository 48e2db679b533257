//! What can go wrong in the simulator itself. A refusal by the switch is an outcome, not an error.

use switchyard_keys::KeyError;
use switchyard_keys::pin::PinError;
use switchyard_keys::working_keys::WorkingKeyError;
use switchyard_wire::{BuildError, FrameError, ParseError};

/// Why the simulator cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The operating system refused.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// The peer is gone or does not answer: reconnect, and reverse what was in flight.
    #[error("connection lost while waiting for {what}")]
    Lost {
        /// What was waited for.
        what: &'static str,
    },
    /// The peer was silent for too long: reverse what was in flight.
    #[error("no answer to {what} in time")]
    Silent {
        /// What was waited for.
        what: &'static str,
    },
    /// The peer answered, and the answer cannot be trusted: reverse what was in flight.
    #[error("{what} of the answer is wrong")]
    Untrusted {
        /// What was checked.
        what: &'static str,
    },
    /// The switch does not let the terminal on.
    #[error("{what} was refused with {code}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// DE 39.
        code: String,
    },
    /// The peer's bytes are no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer's bytes are no message.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A message that the simulator wanted to send cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A key is unfit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A PIN is unfit.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The working keys of a sign-on are unfit.
    #[error(transparent)]
    WorkingKeys(#[from] WorkingKeyError),
    /// The demo world is not complete.
    #[error("demo world: {what} is missing or out of bounds")]
    World {
        /// What is missing.
        what: &'static str,
    },
    /// A file is not the JSON that it should be.
    #[error("{what} is not valid")]
    Json {
        /// Which file.
        what: &'static str,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// A journal has a line that is none, and not only its last.
    #[error("journal line {line} is not valid")]
    Journal {
        /// Counted from one.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The session has no keys yet.
    #[error("terminal is not signed on")]
    NotSignedOn,
    /// A named limit of the simulator was reached.
    #[error("limit reached: {what}")]
    Limit {
        /// Which.
        what: &'static str,
    },
}
