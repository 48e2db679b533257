//! Answers to a generic terminal, believed only after their MAC was right.

use super::{keys_element, result};
use crate::error::SimError;
use crate::terminal::keys::SessionKeys;
use crate::terminal::reply::{Expectation, Reply};
use crate::terminal::script;
use crate::world::DemoTerminal;
use switchyard_domain::{ResponseCode, Rrn, Stan};
use switchyard_wire::{De, Envelope, Message, MtiClass, MtiVersion};

/// Results that are believed without a MAC: the host could not make one.
const WITHOUT_MAC: [&[u8; 2]; 7] = [b"A0", b"58", b"77", b"30", b"96", b"A7", b"12"];
/// DE 54: available balance.
const AVAILABLE: &str = "02";

/// Reads a frame's payload; nothing when it answers another request than the one expected.
pub(in crate::terminal) fn read(
    frame: &[u8],
    terminal: &DemoTerminal,
    keys: Option<&SessionKeys>,
    expected: &Expectation,
) -> Result<Option<Reply>, SimError> {
    let speech = terminal.speech;
    let (envelope, body) = Envelope::split(frame, speech.envelope)?;
    let message = speech.tables()?.parse(body)?;
    let mut reply = of(&message, speech.version());
    if reply.mti != expected.mti || (reply.stan != expected.stan && !expected.is_loose) {
        return Ok(None);
    }
    // A refusal that is kept nowhere gives back the reference that the request had.
    reply.rrn = reply.rrn.filter(|rrn| Some(*rrn) != expected.named);
    check_mac(&reply, &message, keys, expected)?;
    if !speech.carries_mac {
        reply.has_mac = true;
    }
    if !expected.is_loose {
        let asked = envelope.tpdu.map(|_| terminal.tpdu.0);
        if envelope.tpdu != (Envelope { tpdu: asked, ..Envelope::default() }).reply().tpdu {
            return Err(SimError::Untrusted { what: "tpdu" });
        }
        reply.check_echo(&message, terminal, expected)?;
    }
    Ok(Some(reply))
}

fn of(message: &Message<'_, '_>, version: MtiVersion) -> Reply {
    let text = |de| message.text(de).map(|text| text.trim_end().to_owned());
    let code = text(39).and_then(|text| result::read(version, &text));
    let is_totals = message.mti().class() == MtiClass::Reconciliation;
    let verdicts = code.filter(|_| is_totals).and_then(|code| match code.as_bytes() {
        b"00" => Some((b'1', b'1')),
        // Domestic and foreign cards are not told apart: all of them go up.
        b"95" => Some((b'2', b'2')),
        _ => None,
    });
    Reply {
        mti: message.mti(),
        stan: message.number(11).and_then(|number| Stan::try_from(number).ok()),
        code,
        rrn: text(37).and_then(|text| text.parse::<Rrn>().ok()),
        auth: text(38).filter(|text| !text.is_empty()),
        date: date(message, version),
        batch: None,
        amount_minor: message.amount().ok().flatten().map(|amount| amount.minor),
        balance_minor: text(54).and_then(|text| balance(&text, version)),
        verdicts,
        keys: keys_of(message, version),
        scripts: chip_of(message).map_or_else(Vec::new, |chip| script::run(&chip)),
        must_sign_on: code
            .is_some_and(|code| code == ResponseCode::SIGN_ON_REQUIRED || code == ResponseCode::MAC_ERROR),
        requirement: None,
        has_mac: mac_element(message).is_some(),
        image: message
            .elements()
            .filter(|de| !matches!(de, 2 | 55 | 64 | 128))
            .map(|de| (de, message.wire(de).unwrap_or_default().to_vec()))
            .collect(),
    }
}

fn mac_element(message: &Message<'_, '_>) -> Option<De> {
    [128, 64].into_iter().find(|de| message.has(*de))
}

fn check_mac(
    reply: &Reply,
    message: &Message<'_, '_>,
    keys: Option<&SessionKeys>,
    expected: &Expectation,
) -> Result<(), SimError> {
    let wrong = Err(SimError::Untrusted { what: "mac" });
    let Some(de) = mac_element(message) else {
        let believed =
            !expected.has_mac || reply.code.is_some_and(|code| WITHOUT_MAC.contains(&code.as_bytes()));
        return if believed { Ok(()) } else { wrong };
    };
    let (Some(received), Some(at), Some(keys)) = (message.bytes_owned(de), message.offset(de), keys) else {
        return wrong;
    };
    let covered = &message.body()[..at];
    let is_right = if message.mti().version() == MtiVersion::Iso2003 {
        received.len() == 4 && keys.mac.verify_truncated(covered, &received)
    } else {
        keys.mac.verify(covered, &received)
    };
    if is_right { Ok(()) } else { wrong }
}

/// Month and day: DE 13, or out of DE 12 since 1993.
fn date(message: &Message<'_, '_>, version: MtiVersion) -> Option<String> {
    let text = |de: De, from: usize| {
        let mut buffer = [0; 20];
        let digits = message.digits(de, &mut buffer)?.get(from..from + 4)?;
        Some(String::from_utf8_lossy(digits).into_owned())
    };
    match version {
        MtiVersion::Iso1987 | MtiVersion::Other(_) => text(13, 0),
        MtiVersion::Iso1993 => text(12, 2),
        MtiVersion::Iso2003 => text(12, 4),
    }
}

/// Of amounts of twenty characters (21 in 2003) the available balance.
fn balance(text: &str, version: MtiVersion) -> Option<u64> {
    let length = if version == MtiVersion::Iso2003 { 21 } else { 20 };
    let amounts = (0..).map_while(|index| text.get(index * length..(index + 1) * length));
    amounts.into_iter().find(|amount| &amount[2..4] == AVAILABLE)?.get(length - 12..)?.parse().ok()
}

/// DE 55: bytes, or hexadecimal digits where the dialect has characters only.
fn chip_of(message: &Message<'_, '_>) -> Option<Vec<u8>> {
    match message.bytes_owned(55) {
        Some(bytes) => Some(bytes.into_owned()),
        None => crate::hex::decode(message.text(55)?.trim_end()),
    }
}

/// Working keys: bytes, or hexadecimal digits where the dialect has characters only.
fn keys_of(message: &Message<'_, '_>, version: MtiVersion) -> Option<Vec<u8>> {
    let de = keys_element(version);
    if let Some(bytes) = message.bytes_owned(de) {
        return Some(bytes.into_owned());
    }
    crate::hex::decode(message.text(de)?.trim_end())
}
