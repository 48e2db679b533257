//! What a journal says that happened: the terminal's side of the comparison with the switch's ledger.

use super::line::{JournalLine, LineKind};
use crate::terminal::{AdminKind, FinalState, MessageKind};
use serde::Serialize;
use std::collections::BTreeMap;
use switchyard_domain::{BatchNumber, ResponseCode, Rrn, Stan, TerminalId, TransactionKind};

/// Terminal, batch, trace number.
pub type TransactionKey = (TerminalId, BatchNumber, Stan);

/// A transaction as its terminal's journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Believed {
    /// What was asked.
    pub kind: TransactionKind,
    /// Minor units.
    pub amount_minor: u64,
    /// DE 39 of the first answer.
    pub code: Option<ResponseCode>,
    /// DE 37 of the first answer.
    pub rrn: Option<Rrn>,
    /// How it stands: unknown while an answer, or the answer to its reversal, is missing.
    pub state: FinalState,
    /// Answers heard: more than one after a repeat.
    pub answers: u32,
    /// Whether all of them said the same.
    pub is_consistent: bool,
}

/// The final state of every transaction in a journal.
pub fn believed(lines: &[JournalLine]) -> BTreeMap<TransactionKey, Believed> {
    let mut all = BTreeMap::new();
    for line in lines {
        let key = (line.tid, line.batch, line.stan);
        match (line.kind, line.t) {
            (MessageKind::Transaction(kind), LineKind::Req) => {
                all.entry(key).or_insert_with(|| Believed {
                    kind,
                    amount_minor: line.amount,
                    code: None,
                    rrn: None,
                    state: FinalState::Unknown,
                    answers: 0,
                    is_consistent: true,
                });
            }
            (MessageKind::Transaction(_), LineKind::Rep) => {
                if let Some(entry) = all.get_mut(&key) {
                    entry.hear(line);
                }
            }
            (MessageKind::Admin(AdminKind::Reversal), t) => {
                if let Some(entry) = all.get_mut(&key) {
                    entry.state = match (t, line.code) {
                        (LineKind::Rep, Some(code)) if is_reversal_over(code) => FinalState::Reversed,
                        _ => FinalState::Unknown,
                    };
                }
            }
            (MessageKind::Admin(_), _) => {}
        }
    }
    all
}

impl Believed {
    fn hear(&mut self, line: &JournalLine) {
        if self.answers == 0 {
            (self.code, self.rrn) = (line.code, line.rrn);
            let is_yes = line.code.is_some_and(ResponseCode::is_approval);
            self.state = if is_yes { FinalState::Approved } else { FinalState::Declined };
        } else if (self.code, self.rrn) != (line.code, line.rrn) {
            self.is_consistent = false;
        }
        self.answers += 1;
    }
    /// Whether a switch refuses like this without a record (A0, 30, 97, 77): its ledger does not have it.
    pub fn is_unrecorded(&self) -> bool {
        self.code.is_some_and(|code| matches!(code.as_bytes(), b"A0" | b"30" | b"97" | b"77"))
    }
}

/// 00, 12 and 25 end a reversal; after anything else a terminal repeats it.
pub(crate) fn is_reversal_over(code: ResponseCode) -> bool {
    matches!(code.as_bytes(), b"00" | b"12" | b"25")
}
