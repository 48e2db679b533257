//! From the core's reply to a frame.

use switchyard_core::Reply;
use switchyard_core::dialect::ReplyContext;
use switchyard_domain::ResponseCode;
use switchyard_wire::{BuildError, Envelope, FrameError};

use super::slab::Retained;
use super::tongue::Tongue;
use crate::shared::Shared;

/// Processing requirement of the header: the terminal signs on before it asks for anything else.
const SIGN_ON_REQUIREMENT: u8 = 3;

/// Why an answer cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("the request does not parse any more")]
    Request,
}

/// Appends the frame of an answer. When the reply cannot be built the terminal hears 96: it must not wait
/// for what will never come.
pub(super) fn answer(shared: &Shared, tongue: Tongue, request: &Retained, reply: &Reply, out: &mut Vec<u8>) {
    shared.metrics.replied(reply.code);
    if let Err(error) = encode(shared, tongue, request, reply, out) {
        tracing::error!(%error, code = %reply.code, "an answer cannot be built");
        let refused = Reply::refused(ResponseCode::SYSTEM_MALFUNCTION);
        if let Err(error) = encode(shared, tongue, request, &refused, out) {
            tracing::error!(%error, "a refusal cannot be built");
        }
    }
}

fn encode(
    shared: &Shared,
    tongue: Tongue,
    request: &Retained,
    reply: &Reply,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let message = tongue.dialect.parse(request.body.bytes()).map_err(|_| EncodeError::Request)?;
    // These two say that there is no key to trust.
    let unkeyed = matches!(reply.code, ResponseCode::MAC_ERROR | ResponseCode::UNKNOWN_TERMINAL);
    let keys = match &request.terminal {
        Some(terminal) if request.mac && !unkeyed => {
            request.keys.clone().or_else(|| terminal.keys(&shared.store))
        }
        Some(_) | None => None,
    };
    let compute = keys.as_ref().map(|keys| |covered: &[u8]| *keys.mac.compute(covered).as_bytes());
    let mac = compute.as_ref().map(|compute| compute as &dyn Fn(&[u8]) -> [u8; 8]);
    let renews = request.terminal.as_ref().is_some_and(|terminal| terminal.wants_new_keys());
    let requirement = if renews && reply.requirement == 0 { SIGN_ON_REQUIREMENT } else { reply.requirement };
    let envelope = request.envelope.reply().with_processing_requirement(requirement.min(9));
    let (card, offset, acquirer) = (request.card.as_ref(), shared.offset, &shared.acquirer);
    let context = ReplyContext { card, offset, acquirer, mac };
    tongue.framing.try_write(out, |out| {
        envelope.write(out);
        tongue.spoken.write_reply(&message, reply, &context, out)?;
        Ok(())
    })
}

/// Appends the frame of an answer whose message is built already.
pub(super) fn frame(
    tongue: Tongue,
    envelope: &Envelope,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    tongue.framing.write(out, |out| {
        envelope.reply().with_processing_requirement(0).write(out);
        out.extend_from_slice(body);
    })
}
