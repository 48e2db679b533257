//! What terminals on a listener speak, behind one face.

use super::draft::Parsed;
use super::iso::{Edition, terminal};
use super::refusal::Refusal;
use super::unionpay;
use crate::effect::Reply;
use std::ops::Range;
use switchyard_domain::{AcquirerId, Pan, UtcOffset};
use switchyard_wire::{BuildError, Dialect, Message};

/// Computes a MAC over the bytes that it covers.
pub type MacOf<'m> = &'m dyn Fn(&[u8]) -> [u8; 8];

/// What an answer has besides the core's reply and the request.
#[derive(Clone, Copy)]
pub struct ReplyContext<'a> {
    /// The card number, where the request has it only in an enciphered track.
    pub card: Option<&'a Pan>,
    /// Local time.
    pub offset: UtcOffset,
    /// DE 32.
    pub acquirer: &'a AcquirerId,
    /// With it the answer ends in a MAC.
    pub mac: Option<MacOf<'a>>,
}

/// A family of terminals' messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// UnionPay POS.
    UnionPay,
    /// ISO 8583 as an edition has it.
    Iso(Edition),
}

impl Spoken {
    /// How terminals speak in a built-in dialect; nothing for one that terminals do not speak.
    pub fn of(dialect: &Dialect) -> Option<Self> {
        match dialect.name() {
            "unionpay-pos" => Some(Self::UnionPay),
            _ => Edition::of(dialect).map(Self::Iso),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Refusal`]; ask [`Refusal::is_answered`] before answering.
    pub fn read(self, message: &Message<'_, '_>) -> Result<Parsed, Refusal> {
        match self {
            Self::UnionPay => unionpay::read(message),
            Self::Iso(edition) => terminal::read(message, edition),
        }
    }

    /// Appends the answer to `request` from its MTI on, and gives its place in `out`.
    ///
    /// # Errors
    /// [`BuildError`] when an element does not take its value; `out` is as it was before.
    pub fn write_reply(
        self,
        request: &Message<'_, '_>,
        reply: &Reply,
        context: &ReplyContext<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Range<usize>, BuildError> {
        match self {
            Self::UnionPay => unionpay::write_reply(request, reply, context, out),
            Self::Iso(edition) => terminal::write_reply(request, edition, reply, context, out),
        }
    }

    /// The answer to a body that does not parse whole; nothing for one that gets none.
    pub fn malformed_reply(self, dialect: &Dialect, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::UnionPay => unionpay::malformed_reply(body),
            Self::Iso(edition) => terminal::malformed_reply(dialect, edition, body),
        }
    }
}
