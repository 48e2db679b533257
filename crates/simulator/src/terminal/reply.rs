//! Replies, believed only after their MAC was right.

use super::compose::dialect;
use super::generic;
use super::keys::SessionKeys;
use super::script;
use crate::error::SimError;
use crate::world::DemoTerminal;
use switchyard_domain::{BatchNumber, ResponseCode, Rrn, Stan};
use switchyard_wire::{De, Envelope, EnvelopeKind, Message, Mti, MtiClass};

/// A reply without F64 is believed with these codes only: the host could not make one.
const WITHOUT_MAC: [&[u8; 2]; 6] = [b"A0", b"97", b"77", b"30", b"96", b"A7"];
/// Header digit 5: sign on again.
const REQUIREMENT_SIGN_ON: u8 = 3;
const MAC_DE: De = 64;

/// A verified reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Message type.
    pub mti: Mti,
    /// F11.
    pub stan: Option<Stan>,
    /// F39.
    pub code: Option<ResponseCode>,
    /// F37.
    pub rrn: Option<Rrn>,
    /// F38.
    pub auth: Option<String>,
    /// F13.
    pub date: Option<String>,
    /// F60.2.
    pub batch: Option<BatchNumber>,
    /// F4.
    pub amount_minor: Option<u64>,
    /// F54.
    pub balance_minor: Option<u64>,
    /// Result digits of F48: domestic, foreign.
    pub verdicts: Option<(u8, u8)>,
    /// F62.
    pub keys: Option<Vec<u8>>,
    /// What the chip made of scripts in F55: five bytes each.
    pub scripts: Vec<u8>,
    /// The host wants the terminal to sign on again.
    pub must_sign_on: bool,
    /// What the host wants the terminal to do next, by the header.
    pub requirement: Option<u8>,
    /// Whether it carries a MAC: a refusal without one may be anybody's. True where the terminal uses none.
    pub has_mac: bool,
    /// Every element but F2, F55 and F64, for the comparison of two replies: what the issuer says to a chip, it says once.
    pub image: Vec<(De, Vec<u8>)>,
}

/// What a request lets its reply be.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// Message type.
    pub mti: Mti,
    /// F11.
    pub stan: Option<Stan>,
    /// F4, if the reply has one.
    pub amount_minor: Option<u64>,
    /// Whether it has to carry F64.
    pub has_mac: bool,
    /// The request was broken on purpose: the reply may lack what the host could not read.
    pub is_loose: bool,
    /// Reference of an original that the request named.
    pub named: Option<Rrn>,
}

impl Reply {
    /// Reads a frame; nothing when it answers another request than the one expected.
    ///
    /// # Errors
    /// [`SimError::Parse`] and [`SimError::Frame`] for what is no message, [`SimError::Untrusted`] for a
    /// wrong MAC or an echo that is none.
    pub fn read(
        frame: &[u8],
        terminal: &DemoTerminal,
        keys: Option<&SessionKeys>,
        expected: &Expectation,
    ) -> Result<Option<Self>, SimError> {
        if terminal.speech.is_generic() {
            return generic::read(frame, terminal, keys, expected);
        }
        let (envelope, body) = Envelope::split(frame, EnvelopeKind::TpduHeader)?;
        let message = dialect().parse(body)?;
        let reply = Self::of(&message, &envelope);
        if reply.mti != expected.mti || (reply.stan != expected.stan && !expected.is_loose) {
            return Ok(None);
        }
        reply.check_mac(&message, keys, expected)?;
        if !expected.is_loose {
            if envelope.tpdu != (Envelope { tpdu: Some(terminal.tpdu.0), ..Envelope::default() }).reply().tpdu
            {
                return Err(SimError::Untrusted { what: "tpdu" });
            }
            reply.check_echo(&message, terminal, expected)?;
        }
        Ok(Some(reply))
    }

    fn of(message: &Message<'_, '_>, envelope: &Envelope) -> Self {
        let text = |de| message.text(de).map(|t| t.trim_end().to_owned());
        let code = text(39).and_then(|t| t.parse().ok());
        Self {
            mti: message.mti(),
            stan: message.number(11).and_then(|n| Stan::try_from(n).ok()),
            code,
            rrn: message.text(37).and_then(|t| t.parse().ok()),
            auth: text(38).filter(|t| !t.is_empty()),
            date: text(13),
            batch: batch(message),
            amount_minor: message.number(4),
            balance_minor: text(54).and_then(|t| t.get(8..20)?.parse().ok()),
            verdicts: verdicts(message),
            keys: message.raw(62).map(<[u8]>::to_vec),
            scripts: message.bytes(55).map_or_else(Vec::new, script::run),
            must_sign_on: envelope.processing_requirement() == Some(REQUIREMENT_SIGN_ON)
                || code.is_some_and(|c| c == ResponseCode::SIGN_ON_REQUIRED || c == ResponseCode::MAC_ERROR),
            requirement: envelope.processing_requirement(),
            has_mac: message.has(MAC_DE),
            image: message
                .elements()
                .filter(|de| !matches!(de, 2 | 55 | 64))
                .map(|de| (de, message.wire(de).unwrap_or_default().to_vec()))
                .collect(),
        }
    }

    fn check_mac(
        &self,
        message: &Message<'_, '_>,
        keys: Option<&SessionKeys>,
        expected: &Expectation,
    ) -> Result<(), SimError> {
        let wrong = Err(SimError::Untrusted { what: "mac" });
        match (message.raw(MAC_DE), message.offset(MAC_DE), keys) {
            (Some(mac), Some(at), Some(keys)) => {
                if keys.mac.verify(&message.body()[..at], mac) {
                    Ok(())
                } else {
                    wrong
                }
            }
            (Some(_), _, _) => wrong,
            (None, _, _) if !expected.has_mac => Ok(()),
            (None, _, _) if self.code.is_some_and(|c| WITHOUT_MAC.contains(&c.as_bytes())) => Ok(()),
            (None, _, _) => wrong,
        }
    }

    pub(super) fn check_echo(
        &self,
        message: &Message<'_, '_>,
        terminal: &DemoTerminal,
        expected: &Expectation,
    ) -> Result<(), SimError> {
        let differs = |what| Err(SimError::Untrusted { what });
        if message.text(41).is_some_and(|tid| tid.trim_end() != terminal.tid.as_str()) {
            return differs("terminal");
        }
        if message.text(42).is_some_and(|mid| mid.trim_end() != terminal.mid.as_str()) {
            return differs("merchant");
        }
        if let (Some(asked), Some(heard)) = (expected.amount_minor, self.amount_minor) {
            let is_part =
                self.code == Some(ResponseCode::PARTIAL) && terminal.speech.takes_partial && heard < asked;
            if heard != asked && !is_part {
                return differs("amount");
            }
        }
        if self.code.is_none() && self.mti.class() != MtiClass::Reconciliation {
            return differs("response code");
        }
        Ok(())
    }

    /// What was approved of `asked`: all of it, or the part that the answer names.
    pub fn approved_minor(&self, asked: u64) -> u64 {
        let part = self.amount_minor.filter(|_| self.code == Some(ResponseCode::PARTIAL));
        part.unwrap_or(asked)
    }
    /// Whether DE 39 says yes.
    pub fn is_approved(&self) -> bool {
        self.code.is_some_and(ResponseCode::is_approval)
    }
}

/// F60.2.
fn batch(message: &Message<'_, '_>) -> Option<BatchNumber> {
    let mut buffer = [0; 20];
    let digits = std::str::from_utf8(message.digits(60, &mut buffer)?).ok()?;
    BatchNumber::try_from(digits.get(2..8)?.parse::<u64>().ok()?).ok()
}

fn verdicts(message: &Message<'_, '_>) -> Option<(u8, u8)> {
    if message.mti().class() != MtiClass::Reconciliation {
        return None;
    }
    let mut buffer = [0; 322];
    let digits = message.digits(48, &mut buffer)?;
    Some((*digits.get(30)?, *digits.get(61)?))
}
