//! Messages of terminals and issuers, from the bytes to what the core takes.

use std::convert::Infallible;
use switchyard_core::dialect::iso::link;
use switchyard_core::dialect::{ReplyContext, Spoken};
use switchyard_core::{Reply, ReplyBody};
use switchyard_domain::{CardHash, CardRef, LinkDialect, Pan, ResponseCode, SealedPan, UtcOffset};
use switchyard_wire::{Dialect, Message};

/// A body as a terminal's request in every dialect, and as an answer on every kind of link.
pub fn terminal_message(bytes: &[u8]) {
    heard("unionpay-pos", bytes);
    for dialect in LinkDialect::ALL {
        heard(dialect.name(), bytes);
        let dialect = Dialect::builtin(dialect.name()).expect("built in");
        let (message, _) = dialect.parse_partial(bytes);
        let _ = link::read_answer(&message);
    }
}

fn heard(name: &str, bytes: &[u8]) {
    let dialect = Dialect::builtin(name).expect("built in");
    let spoken = Spoken::of(dialect).expect("terminals speak it");
    if let Some(answer) = spoken.malformed_reply(dialect, bytes) {
        dialect.parse(&answer).expect("the answer to a malformed message parses");
    }
    if let Ok(message) = dialect.parse(bytes) {
        request(spoken, &message);
    }
}

/// Reads it, deciphers its track to something, seals its card, and refuses it: the refusal must parse.
fn request(spoken: Spoken, message: &Message<'_, '_>) {
    let Ok(parsed) = spoken.read(message) else { return };
    let mut draft = parsed.draft;
    if let Some(track) = draft.encrypted_track() {
        let clear: Vec<u8> = track.iter().map(|byte| byte ^ 0x5A).collect();
        let _ = draft.set_track(&clear);
    }
    if draft.pan().is_some() || draft.encrypted_track().is_none() {
        let _ = draft.into_body::<Infallible>(|pan, _| Ok(card(pan)), hash);
    }
    let reply =
        Reply { code: ResponseCode::FORMAT_ERROR, body: ReplyBody::Refused, requirement: 0, chip: None };
    let acquirer = "48020000".parse().expect("eight digits");
    let context = ReplyContext { card: None, offset: UtcOffset::CHINA, acquirer: &acquirer, mac: None };
    let mut out = Vec::new();
    spoken.write_reply(message, &reply, &context, &mut out).expect("what was read can be refused");
    message.dialect().parse(&out).expect("a refusal parses");
}

fn hash(pan: &Pan) -> CardHash {
    CardHash(u128::from(pan.routing_key()).to_be_bytes())
}

fn card(pan: &Pan) -> CardRef {
    CardRef { sealed: SealedPan(vec![0; 8]), key_id: 1, intake: 1, hash: hash(pan), masked: pan.masked() }
}
