//! Why a message is not taken.

use switchyard_domain::ResponseCode;
use switchyard_wire::{De, Mti};

/// A message that parsed but that the switch does not take; nothing of it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}, answered {code}")]
pub struct Refusal {
    /// DE 39 of the answer: 30, 12 or 40.
    pub code: ResponseCode,
    /// What is wrong, for the log and the counter.
    pub why: Why,
}

/// What is wrong with a message that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// It is an answer or a notification: it gets no answer at all.
    #[error("{0} is not a request")]
    NotARequest(Mti),
    /// An element that this transaction must have is absent.
    #[error("de {0} is missing")]
    Missing(De),
    /// An element is there but does not hold what it should.
    #[error("de {0} is malformed")]
    Malformed(De),
    /// Neither a card number nor a track.
    #[error("there is no card")]
    NoCard,
    /// DE 2 and DE 35 name two cards.
    #[error("de 2 and de 35 name different cards")]
    CardsDiffer,
    /// No transaction has this MTI and these codes.
    #[error("no such transaction")]
    UnknownTransaction,
    /// The dialect knows the transaction, this switch does not offer it.
    #[error("{0} is not offered")]
    NotOffered(&'static str),
}

impl Refusal {
    /// Whether the terminal waits for an answer: a message that is itself an answer is dropped, or two
    /// hosts would refuse each other for ever.
    pub fn is_answered(&self) -> bool {
        !matches!(self.why, Why::NotARequest(_))
    }
    pub(super) fn missing(de: De) -> Self {
        Self { code: ResponseCode::FORMAT_ERROR, why: Why::Missing(de) }
    }
    pub(super) fn malformed(de: De) -> Self {
        Self { code: ResponseCode::FORMAT_ERROR, why: Why::Malformed(de) }
    }
    pub(super) fn no_card() -> Self {
        Self { code: ResponseCode::FORMAT_ERROR, why: Why::NoCard }
    }
    pub(super) fn cards_differ() -> Self {
        Self { code: ResponseCode::FORMAT_ERROR, why: Why::CardsDiffer }
    }
    pub(super) fn unknown() -> Self {
        Self { code: ResponseCode::INVALID_TRANSACTION, why: Why::UnknownTransaction }
    }
    pub(super) fn not_offered(what: &'static str) -> Self {
        Self { code: ResponseCode::NOT_SUPPORTED, why: Why::NotOffered(what) }
    }
    pub(super) fn not_a_request(mti: Mti) -> Self {
        Self { code: ResponseCode::INVALID_TRANSACTION, why: Why::NotARequest(mti) }
    }
}
