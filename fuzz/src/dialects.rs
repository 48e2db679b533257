//! Messages of terminals and issuers, from the bytes to what the core takes.

use std::convert::Infallible;
use switchyard_core::dialect::{iso87, unionpay};
use switchyard_core::{Reply, ReplyBody};
use switchyard_domain::{CardHash, CardRef, LinkDialect, Pan, ResponseCode, SealedPan, UtcOffset};
use switchyard_wire::{Dialect, Message};

/// A body as a terminal's request and as an answer on either kind of link.
pub fn terminal_message(bytes: &[u8]) {
    let terminals = Dialect::builtin("unionpay-pos").expect("built in");
    if let Some(answer) = unionpay::malformed_reply(bytes) {
        terminals.parse(&answer).expect("the answer to a malformed message parses");
    }
    if let Ok(message) = terminals.parse(bytes) {
        request(&message);
    }
    for link in [LinkDialect::Iso87Ascii, LinkDialect::Iso87Binary] {
        let dialect = Dialect::builtin(link.name()).expect("built in");
        let (message, _) = dialect.parse_partial(bytes);
        let _ = iso87::read_answer(&message);
    }
}

/// Reads it, deciphers its track to something, seals its card, and refuses it: the refusal must parse.
fn request(message: &Message<'_, '_>) {
    let Ok(parsed) = unionpay::read(message) else { return };
    let mut draft = parsed.draft;
    if let Some(track) = draft.encrypted_track() {
        let clear: Vec<u8> = track.iter().map(|byte| byte ^ 0x5A).collect();
        let _ = draft.set_track(&clear);
    }
    if draft.pan().is_some() || draft.encrypted_track().is_none() {
        let _ = draft.into_body::<Infallible>(|pan, _| Ok(card(pan)), hash);
    }
    let reply = Reply { code: ResponseCode::FORMAT_ERROR, body: ReplyBody::Refused, requirement: 0, chip: None };
    let acquirer = "48020000".parse().expect("eight digits");
    let mut out = Vec::new();
    unionpay::write_reply(message, &reply, None, UtcOffset::CHINA, &acquirer, None, &mut out)
        .expect("what was read can be refused");
    message.dialect().parse(&out).expect("a refusal parses");
}

fn hash(pan: &Pan) -> CardHash {
    CardHash(u128::from(pan.routing_key()).to_be_bytes())
}

fn card(pan: &Pan) -> CardRef {
    CardRef { sealed: SealedPan(vec![0; 8]), key_id: 1, intake: 1, hash: hash(pan), masked: pan.masked() }
}
