//! Scripts: what the issuer sends to chips in its answers, and what it hears of them afterwards.

use super::request::{IssuerRequest, OriginalKey};
use std::collections::BTreeMap;
use switchyard_domain::{ResponseCode, Rrn};

/// DE 55, a template of scripts that run after the chip has made its last cryptogram.
const TAG_TEMPLATE: u8 = 0x72;
const TAG_IDENTIFIER: [u8; 2] = [0x9F, 0x18];
const TAG_COMMAND: u8 = 0x86;
/// Unblocks the application.
const COMMAND: [u8; 9] = [0x84, 0x18, 0, 0, 4, 0xAA, 0xBB, 0xCC, 0xDD];

/// What a script is known by.
pub type ScriptId = [u8; 4];

/// One answer's script, and what its chip made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSent {
    /// By which the chip names it.
    pub id: ScriptId,
    /// The result that was heard, with the message that told it.
    pub heard: Option<(Vec<u8>, OriginalKey)>,
}

/// Every script of an issuer, by the reference of the transaction in whose answer it went.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    /// Of a thousand chips that ask, how many get a script.
    pub(super) per_mille: u16,
    pub(super) sent: BTreeMap<Rrn, ScriptSent>,
}

impl Scripts {
    /// The script for the answer to a request, if it gets one: chance without a die, so that a run can be played again.
    pub(super) fn draw(&mut self, request: &IssuerRequest) -> Option<ScriptId> {
        let counter =
            request.rrn.as_bytes().iter().fold(0_u32, |n, digit| n.wrapping_mul(31) + u32::from(*digit));
        let wanted = counter.wrapping_mul(0x9E37_79B9) >> 16;
        if !request.has_chip || request.is_advice || wanted % 1_000 >= u32::from(self.per_mille) {
            return None;
        }
        let id = (self.sent.len() as u32 + 1).to_be_bytes();
        self.sent.insert(request.rrn, ScriptSent { id, heard: None });
        Some(id)
    }

    /// A result arrives. One transaction has one: another message about it is a mistake of who sends it.
    /// Says whether it is new, too.
    pub(super) fn hear(&mut self, request: &IssuerRequest) -> (ResponseCode, bool) {
        let Some(results) = &request.script_results else { return (ResponseCode::FORMAT_ERROR, false) };
        // Whoever tells of a script that was never sent is heard, too: what a chip did cannot be refused.
        let id = ScriptId::default();
        let sent = self.sent.entry(request.rrn).or_insert(ScriptSent { id, heard: None });
        match &sent.heard {
            Some((_, key)) if *key != request.key => (ResponseCode::DUPLICATE, false),
            Some(_) => (ResponseCode::APPROVED, false),
            None => {
                sent.heard = Some((results.clone(), request.key));
                (ResponseCode::APPROVED, true)
            }
        }
    }
}

/// DE 55 of an answer with this script.
pub(super) fn template(id: ScriptId) -> Vec<u8> {
    let mut inside = TAG_IDENTIFIER.to_vec();
    inside.push(id.len() as u8);
    inside.extend(id);
    inside.extend([TAG_COMMAND, COMMAND.len() as u8]);
    inside.extend(COMMAND);
    let mut out = vec![TAG_TEMPLATE, inside.len() as u8];
    out.extend(inside);
    out
}
