//! Frames of terminals in, frames to terminals out.

use super::Process;
use crate::env::{Env, Peer, Way};
use crate::hsm::TerminalKeys;
use crate::plan::Sabotage;
use crate::schedule::Micros;
use std::convert::Infallible;
use switchyard_core::dialect::{Draft, MacRequirement, Parsed, ReplyContext, Spoken};
use switchyard_core::{Body, Input, MacCheck, Origin, Reply, Request};
use switchyard_domain::{Pan, ResponseCode};
use switchyard_keys::track;
use switchyard_simulator::world::Speech;
use switchyard_wire::{BuildError, Dialect, Envelope, FrameError, Message, MtiVersion, Scan};

/// Largest frame of a terminal.
const FRAME_BYTES_MAX: usize = 4_096;
/// Most bytes of a packed track 2.
const TRACK_BYTES_MAX: usize = 19;

/// What is kept of a request until it is answered.
pub(super) struct Retained {
    pub(super) line: u64,
    pub(super) taken_at: Micros,
    tongue: Tongue,
    body: Vec<u8>,
    envelope: Envelope,
    terminal: Option<usize>,
    mac: bool,
    card: Option<Pan>,
}

/// Why an answer cannot be built.
#[derive(Debug)]
enum EncodeError {
    Build,
    Frame,
    Request,
}

impl From<BuildError> for EncodeError {
    fn from(_: BuildError) -> Self {
        Self::Build
    }
}
impl From<FrameError> for EncodeError {
    fn from(_: FrameError) -> Self {
        Self::Frame
    }
}

/// What is spoken on the listener that a terminal connects to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tongue {
    dialect: &'static Dialect,
    spoken: Spoken,
    speech: Speech,
}

impl Tongue {
    /// Nothing for a dialect that terminals do not speak.
    pub(super) fn of(speech: Speech) -> Option<Self> {
        let dialect = Dialect::builtin(speech.dialect.name())?;
        Some(Self { dialect, spoken: Spoken::of(dialect)?, speech })
    }
}

impl Process {
    /// Takes one frame of a terminal.
    pub(crate) fn take_frame(&mut self, env: &mut Env, line: u64, bytes: &[u8]) {
        let Some(Peer::Till(till)) = env.peer(line) else { return };
        let tongue = self.tongues[till];
        let Scan::Frame { start, end, .. } = tongue.speech.framing.scan(bytes, FRAME_BYTES_MAX) else {
            return;
        };
        let Ok((envelope, body)) = Envelope::split(&bytes[start..end], tongue.speech.envelope) else {
            return;
        };
        let Ok(message) = tongue.dialect.parse(body) else { return };
        let terminal = |id| self.by_id.get(&id).copied();
        let parsed = match tongue.spoken.read(&message) {
            Ok(parsed) => parsed,
            Err(refusal) => {
                env.note("request refused by its form", [line, 0, 0]);
                let id = message.raw(41).and_then(|id| switchyard_domain::TerminalId::try_from(id).ok());
                let retained = Retained {
                    line,
                    taken_at: env.now(),
                    tongue,
                    body: body.to_vec(),
                    envelope,
                    terminal: id.and_then(terminal),
                    mac: tongue.speech.carries_mac && (message.has(64) || message.has(128)),
                    card: None,
                };
                return self.answer(env, &retained, &Reply::refused(refusal.code));
            }
        };
        let terminal = terminal(parsed.terminal);
        let (id, merchant) = (parsed.terminal, parsed.merchant);
        let carries_mac = terminal.is_none_or(|index| self.terminals[index].profile.carries_mac);
        let needs_mac = carries_mac && parsed.mac != MacRequirement::NotRequired;
        let parsed = if needs_mac { parsed } else { Parsed { mac: MacRequirement::NotRequired, ..parsed } };
        let (mac, mut body_of, card) = self.admit(env, &message, parsed, terminal);
        if let (true, Body::Reversal(reversal)) = (env.is(Sabotage::MisreadMoment), &mut body_of)
            && let Some(moment) = &mut reversal.original_moment
        {
            *moment += 1;
        }
        let retained = Retained {
            line,
            taken_at: env.now(),
            tongue,
            body: body.to_vec(),
            envelope,
            terminal,
            mac: needs_mac,
            card,
        };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.retained.insert(ticket, retained);
        let origin = Origin { connection: line, ticket };
        let request = Request { origin, terminal: id, merchant, mac, body: body_of };
        self.handle(env, Input::Request(Box::new(request)));
    }

    /// Verifies the MAC, deciphers the track, seals the card.
    fn admit(
        &mut self,
        env: &mut Env,
        message: &Message<'_, '_>,
        parsed: Parsed,
        terminal: Option<usize>,
    ) -> (MacCheck, Body, Option<Pan>) {
        let keys = terminal.and_then(|index| self.terminals[index].ready());
        let mac = match &parsed.mac {
            MacRequirement::NotRequired => MacCheck::NotRequired,
            MacRequirement::Required { covered, received } => match (keys, received) {
                (None, _) => MacCheck::NoKey,
                (Some(keys), Some(received))
                    if is_right(keys, message, &message.body()[..*covered], received.as_slice()) =>
                {
                    MacCheck::Verified { version: keys.version }
                }
                (Some(_), _) => MacCheck::Wrong,
            },
        };
        if matches!(mac, MacCheck::Wrong | MacCheck::NoKey) {
            return (mac, Body::Unsupported { code: ResponseCode::MAC_ERROR }, None);
        }
        let mut draft = parsed.draft;
        let mut card = None;
        if let Some(packed) = draft.encrypted_track() {
            let mut track = [0; TRACK_BYTES_MAX];
            let len = packed.len().min(TRACK_BYTES_MAX);
            track[..len].copy_from_slice(&packed[..len]);
            let tdk = keys.and_then(|keys| keys.track.as_ref());
            let clear = tdk.is_some_and(|tdk| track::decrypt_in_place(tdk, &mut track[..len]).is_ok());
            if !clear {
                return (mac, Body::Unsupported { code: ResponseCode::SECURITY_FAILURE }, None);
            }
            if let Err(refusal) = draft.set_track(&track[..len]) {
                return (mac, Body::Unsupported { code: refusal.code }, None);
            }
            card = draft.pan().and_then(copy_of);
        }
        (mac, seal(env, draft), card)
    }

    /// An answer leaves.
    pub(super) fn reply(&mut self, env: &mut Env, origin: Origin, mut reply: Reply) {
        let Some(retained) = self.retained.remove(&origin.ticket) else { return };
        if env.is(Sabotage::ApproveDeclines) && approve(&mut reply) {
            env.note("a decline is made an approval", [origin.connection, 0, 0]);
        }
        if let switchyard_core::ReplyBody::Download { data, .. } = &mut reply.body
            && env.is(Sabotage::AlterDownload)
            && let Some(last) = data.last_mut()
        {
            *last ^= 1;
        }
        self.answer(env, &retained, &reply);
    }

    fn answer(&mut self, env: &mut Env, retained: &Retained, reply: &Reply) {
        let mut frame = Vec::with_capacity(256);
        let mut encoded = self.encode(retained, reply, &mut frame);
        if encoded.is_err() {
            encoded = self.encode(retained, &Reply::refused(ResponseCode::SYSTEM_MALFUNCTION), &mut frame);
        }
        env.hold(crate::check::ensure(encoded.is_ok(), "every request is answered", || {
            format!("{encoded:?}")
        }));
        if env.is_open(retained.line) && !env.transmit(retained.line, Way::FromSwitch, frame) {
            env.disconnect(retained.line);
        }
    }

    fn encode(&mut self, request: &Retained, reply: &Reply, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let tongue = request.tongue;
        let message = tongue.dialect.parse(&request.body).map_err(|_| EncodeError::Request)?;
        // These two say that there is no key to trust.
        let unkeyed = matches!(reply.code, ResponseCode::MAC_ERROR | ResponseCode::UNKNOWN_TERMINAL);
        let (offset, acquirer) = (self.offset, self.acquirer);
        let keys = match request.terminal {
            Some(index) if request.mac && !unkeyed => self.terminals[index].ready(),
            Some(_) | None => None,
        };
        let compute = keys.map(|keys| |covered: &[u8]| *keys.mac.compute(covered).as_bytes());
        let mac = compute.as_ref().map(|compute| compute as &dyn Fn(&[u8]) -> [u8; 8]);
        let envelope = request.envelope.reply().with_processing_requirement(reply.requirement.min(9));
        tongue.speech.framing.try_write(out, |out| {
            envelope.write(out);
            let card = request.card.as_ref();
            let context = ReplyContext { card, offset, acquirer: &acquirer, mac };
            tongue.spoken.write_reply(&message, reply, &context, out)?;
            Ok(())
        })
    }
}

/// The edition of 2003 has room for half a MAC.
fn is_right(keys: &TerminalKeys, message: &Message<'_, '_>, covered: &[u8], received: &[u8]) -> bool {
    if message.mti().version() == MtiVersion::Iso2003 && message.dialect().name() != "unionpay-pos" {
        keys.mac.verify_truncated(covered, received)
    } else {
        keys.mac.verify(covered, received)
    }
}

fn seal(env: &mut Env, draft: Draft) -> Body {
    let hsm = std::cell::RefCell::new(&mut env.hsm);
    let body = draft.into_body(
        |pan, expiry| Ok::<_, Infallible>(hsm.borrow_mut().seal(pan, expiry)),
        |pan| hsm.borrow().hash(pan),
    );
    body.unwrap_or(Body::Unsupported { code: ResponseCode::SECURITY_FAILURE })
}

fn copy_of(pan: &Pan) -> Option<Pan> {
    let mut digits = [0; Pan::DIGITS_MAX];
    let len = pan.write_digits(&mut digits);
    Pan::from_digits(&digits[..len]).ok()
}

/// Makes a recorded decline an approval on its way out.
fn approve(reply: &mut Reply) -> bool {
    let declined = reply.code == ResponseCode::INSUFFICIENT_FUNDS || reply.code == ResponseCode::WRONG_PIN;
    if declined {
        reply.code = ResponseCode::APPROVED;
        if let switchyard_core::ReplyBody::Financial { facts, .. } = &mut reply.body {
            facts.code = ResponseCode::APPROVED;
        }
    }
    declined
}
