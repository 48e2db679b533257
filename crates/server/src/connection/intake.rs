//! From a frame to a request for the core.

use std::sync::Arc;
use std::time::Instant;

use switchyard_core::dialect::{Draft, IntoBodyError, MacRequirement, Parsed};
use switchyard_core::{Body, MacCheck, Origin, Reply, Request};
use switchyard_domain::{MerchantId, Pan, ResponseCode, TerminalId};
use switchyard_keys::{KeyError, track};
use switchyard_wire::{Envelope, Message};

use super::answer::{answer, frame};
use super::slab::{Body as Bytes, Retained, Slab};
use super::tongue::Tongue;
use crate::keystore::{TerminalKeys, wipe};
use crate::keytable::TerminalEntry;
use crate::metrics::Closed;
use crate::shared::Shared;
use crate::tls::PeerCertificate;

/// Messages in a row that nothing can be answered to; then the connection is closed.
const GARBAGE_MAX: u32 = 8;
/// Most bytes of a packed track 2: 37 nibbles and a filler.
const TRACK_BYTES_MAX: usize = 19;
/// Bytes of a MAC in the edition of 2003. An element of eight bytes never holds so few.
const MAC_BYTES_2003: usize = 4;

/// The state of a connection's intake.
#[derive(Debug)]
pub(super) struct Intake {
    connection: u64,
    tongue: Tongue,
    /// The terminal that spoke last: most connections have one only.
    terminal: Option<(TerminalId, Arc<TerminalEntry>)>,
    garbage: u32,
    /// Terminals that it does not name are not listened to.
    certificate: Option<PeerCertificate>,
    /// What one read brought, for the core.
    pub(super) requests: Vec<Box<Request>>,
}

impl Intake {
    pub(super) fn new(connection: u64, tongue: Tongue, certificate: Option<PeerCertificate>) -> Self {
        Self { connection, tongue, terminal: None, garbage: 0, certificate, requests: Vec::new() }
    }

    /// Takes one frame: it becomes a request, or is answered at once into `out`.
    pub(super) fn take(
        &mut self,
        shared: &Shared,
        payload: &[u8],
        read_at: Instant,
        slab: &mut Slab,
        out: &mut Vec<u8>,
    ) -> Result<(), Closed> {
        shared.metrics.frames_received.increment(1);
        let (envelope, body) =
            Envelope::split(payload, self.tongue.envelope).map_err(|_| Closed::BadEnvelope)?;
        let Ok(message) = self.tongue.dialect.parse(body) else {
            return self.malformed(shared, &envelope, body, out);
        };
        let parsed = match self.tongue.spoken.read(&message) {
            Ok(parsed) => parsed,
            Err(refusal) if !refusal.is_answered() => return self.garbage(shared),
            Err(refusal) => {
                let named = |de| message.text(de).map(|text| text.trim_end_matches(' ').to_owned());
                let terminal = named(41).and_then(|id| id.parse::<TerminalId>().ok());
                let merchant = named(42).and_then(|id| id.parse::<MerchantId>().ok());
                self.check_certificate(terminal.as_ref(), merchant.as_ref())?;
                let terminal = terminal.and_then(|id| self.terminal(shared, &id));
                let request = Retained {
                    body: Bytes::of(body),
                    envelope,
                    terminal,
                    mac: message.has(64) || message.has(128),
                    keys: None,
                    card: None,
                    read_at,
                };
                answer(shared, self.tongue, &request, &Reply::refused(refusal.code), out);
                return Ok(());
            }
        };
        self.garbage = 0;
        self.check_certificate(Some(&parsed.terminal), Some(&parsed.merchant))?;
        let terminal = self.terminal(shared, &parsed.terminal);
        let request = admit(shared, self.tongue, &message, parsed, terminal.as_deref());
        let retained = Retained {
            body: Bytes::of(body),
            envelope,
            terminal,
            mac: request.needs_mac,
            keys: request.keys,
            card: request.card,
            read_at,
        };
        let ticket = slab.keep(retained);
        let origin = Origin { connection: self.connection, ticket };
        let Admitted { terminal, merchant, mac, body, .. } = request.admitted;
        self.requests.push(Box::new(Request { origin, terminal, merchant, mac, body }));
        Ok(())
    }

    /// Whether the connection's certificate, when there is one, speaks for whom the message names.
    fn check_certificate(
        &mut self,
        terminal: Option<&TerminalId>,
        merchant: Option<&MerchantId>,
    ) -> Result<(), Closed> {
        let Some(certificate) = &mut self.certificate else { return Ok(()) };
        match (terminal, merchant) {
            (Some(terminal), Some(merchant)) if certificate.is_for(terminal, merchant) => Ok(()),
            _ => Err(Closed::Certificate),
        }
    }

    fn malformed(
        &mut self,
        shared: &Shared,
        envelope: &Envelope,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Closed> {
        match self.tongue.spoken.malformed_reply(self.tongue.dialect, body) {
            Some(reply) => {
                shared.metrics.messages_malformed.increment(1);
                shared.metrics.replied(ResponseCode::FORMAT_ERROR);
                frame(self.tongue, envelope, &reply, out).map_err(|_| Closed::Error)
            }
            None => self.garbage(shared),
        }
    }

    fn garbage(&mut self, shared: &Shared) -> Result<(), Closed> {
        shared.metrics.messages_malformed.increment(1);
        self.garbage += 1;
        if self.garbage >= GARBAGE_MAX { Err(Closed::Garbage) } else { Ok(()) }
    }

    fn terminal(&mut self, shared: &Shared, id: &TerminalId) -> Option<Arc<TerminalEntry>> {
        if let Some((known, entry)) = &self.terminal
            && known == id
        {
            return Some(Arc::clone(entry));
        }
        let entry = shared.table.find(id)?;
        self.terminal = Some((*id, Arc::clone(&entry)));
        Some(entry)
    }
}

/// A request ready for the core but for its origin, and what its answer needs.
struct Ready {
    admitted: Admitted,
    needs_mac: bool,
    keys: Option<Arc<TerminalKeys>>,
    card: Option<Pan>,
}

struct Admitted {
    terminal: TerminalId,
    merchant: MerchantId,
    mac: MacCheck,
    body: Body,
}

/// Verifies the MAC, deciphers the track, seals the card.
fn admit(
    shared: &Shared,
    tongue: Tongue,
    message: &Message<'_, '_>,
    parsed: Parsed,
    terminal: Option<&TerminalEntry>,
) -> Ready {
    let Parsed { terminal: id, merchant, mac, draft } = parsed;
    let profile = terminal.map(|terminal| terminal.profile()).unwrap_or_default();
    if terminal.is_some() && profile.dialect != tongue.name {
        // It is registered for another listener: what it would mean here is not what it says there.
        let body = Body::Unsupported { code: ResponseCode::TERMINAL_NOT_PERMITTED };
        let admitted = Admitted { terminal: id, merchant, mac: MacCheck::NotRequired, body };
        return Ready { admitted, needs_mac: false, keys: None, card: None };
    }
    let mac = if profile.carries_mac { mac } else { MacRequirement::NotRequired };
    let needs_mac = mac != MacRequirement::NotRequired;
    let (mac, keys) = check_mac(shared, message.body(), &mac, terminal);
    let (body, card) = match mac {
        MacCheck::Verified { .. } | MacCheck::NotRequired => body_of(shared, draft, keys.as_deref()),
        // The core refuses it before it looks at what is asked: no card is worth sealing.
        MacCheck::Wrong | MacCheck::NoKey => {
            shared.metrics.mac_failures.increment(u64::from(mac == MacCheck::Wrong));
            (Body::Unsupported { code: ResponseCode::MAC_ERROR }, None)
        }
    };
    Ready { admitted: Admitted { terminal: id, merchant, mac, body }, needs_mac, keys, card }
}

/// Whether the MAC is right, and under which keys: those in force, or, for what was under way at a sign-on, those before.
fn check_mac(
    shared: &Shared,
    body: &[u8],
    requirement: &MacRequirement,
    terminal: Option<&TerminalEntry>,
) -> (MacCheck, Option<Arc<TerminalKeys>>) {
    let MacRequirement::Required { covered, received } = requirement else {
        return (MacCheck::NotRequired, None);
    };
    let Some((terminal, keys)) = terminal.and_then(|entry| Some((entry, entry.keys(&shared.store)?))) else {
        return (MacCheck::NoKey, None);
    };
    let (Some(received), Some(covered)) = (received, body.get(..*covered)) else {
        return (MacCheck::Wrong, None);
    };
    let right = |keys: &Arc<TerminalKeys>| is_right(keys, covered, received.as_slice());
    let found = Some(keys).filter(right).or_else(|| terminal.keys_before(&shared.store).filter(right));
    match found {
        Some(keys) => (MacCheck::Verified { version: keys.version }, Some(keys)),
        None => (MacCheck::Wrong, None),
    }
}

/// Whether the MAC is right: all of it, or the half for which 2003 has room.
fn is_right(keys: &TerminalKeys, covered: &[u8], received: &[u8]) -> bool {
    if received.len() != MAC_BYTES_2003 {
        return keys.mac.verify(covered, received);
    }
    keys.mac.verify_truncated(covered, received)
}

/// What the core gets to decide on, and the card number where the answer cannot read it from its request.
fn body_of(shared: &Shared, mut draft: Draft, keys: Option<&TerminalKeys>) -> (Body, Option<Pan>) {
    let mut card = None;
    if let Some(packed) = draft.encrypted_track() {
        let mut track = [0; TRACK_BYTES_MAX];
        let len = packed.len().min(TRACK_BYTES_MAX);
        track[..len].copy_from_slice(&packed[..len]);
        let code = decipher(&mut draft, &mut track[..len], keys);
        wipe(&mut track);
        if let Some(code) = code {
            return (Body::Unsupported { code }, None);
        }
        card = draft.pan().and_then(copy_of);
    }
    let body = draft.into_body(|pan, expiry| shared.cards.seal(pan, expiry), |pan| shared.cards.hash(pan));
    match body {
        Ok(body) => (body, card),
        Err(IntoBodyError::Seal(KeyError::Pan)) => {
            (Body::Unsupported { code: ResponseCode::INVALID_CARD }, None)
        }
        Err(IntoBodyError::Seal(error)) => {
            tracing::error!(%error, "a card cannot be sealed");
            (Body::Unsupported { code: ResponseCode::SECURITY_FAILURE }, None)
        }
        Err(IntoBodyError::EncryptedTrack) => {
            (Body::Unsupported { code: ResponseCode::SECURITY_FAILURE }, None)
        }
    }
}

/// Deciphers a track in place and puts it into the draft; else the code that says why not.
fn decipher(draft: &mut Draft, track: &mut [u8], keys: Option<&TerminalKeys>) -> Option<ResponseCode> {
    let Some(tdk) = keys.and_then(|keys| keys.track.as_ref()) else {
        return Some(ResponseCode::SECURITY_FAILURE);
    };
    if track::decrypt_in_place(tdk, track).is_err() {
        return Some(ResponseCode::FORMAT_ERROR);
    }
    draft.set_track(track).err().map(|refusal| refusal.code)
}

fn copy_of(pan: &Pan) -> Option<Pan> {
    crate::keystore::with_digits(pan, |digits| Pan::from_digits(digits).ok())
}
