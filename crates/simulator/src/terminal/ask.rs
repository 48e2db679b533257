//! What a terminal asks, and which answer it waits for.

use super::compose::Composer;
use super::generic;
use super::order::{Order, selector};
use super::reply::Expectation;
use crate::world::DemoTerminal;
use switchyard_domain::{Stan, TransactionKind};
use switchyard_wire::Mti;

/// A message of a terminal, whatever its dialect spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// For working keys.
    SignOn,
    /// To be forgotten.
    SignOff,
    /// Whether anybody is there.
    Echo,
    /// For something to work with, or to say something about itself: UnionPay terminals only, with their message type.
    Download(u16),
    /// To tell what a chip made of scripts.
    ScriptResult,
    /// For a transaction.
    Transaction(TransactionKind),
    /// To take one back.
    Reversal(TransactionKind),
    /// To compare totals.
    Totals,
    /// To say what the totals are, whatever the host has: generic terminals only.
    TotalsTold,
    /// To hear what the batch has.
    Upload,
    /// To end that.
    UploadEnd,
}

/// The message type of a request.
pub fn request_mti(terminal: &DemoTerminal, asking: Asking) -> Mti {
    if terminal.speech.is_generic() {
        return generic::request_mti(terminal.speech.version(), asking);
    }
    match asking {
        Asking::SignOn => Mti::new(0x0800),
        Asking::SignOff | Asking::Echo => Mti::new(0x0820),
        Asking::Download(mti) => Mti::new(mti),
        Asking::ScriptResult => Mti::new(0x0620),
        Asking::Transaction(kind) => selector(kind).mti,
        Asking::Reversal(_) => Mti::new(0x0400),
        Asking::Totals | Asking::TotalsTold => Mti::new(0x0500),
        Asking::Upload | Asking::UploadEnd => Mti::new(0x0320),
    }
}

impl Composer<'_> {
    /// The answer to a message that is no transaction.
    pub fn expected(&self, asking: Asking, stan: Option<Stan>) -> Expectation {
        let speech = &self.terminal.speech;
        let is_sealed = speech.is_generic()
            && speech.carries_mac
            && matches!(asking, Asking::Totals | Asking::TotalsTold | Asking::Upload | Asking::UploadEnd);
        let is_sealed = is_sealed || asking == Asking::ScriptResult && speech.carries_mac;
        Expectation {
            mti: request_mti(self.terminal, asking).reply(),
            // UnionPay's echo test has no trace number.
            stan: stan.filter(|_| asking != Asking::Echo || speech.is_generic()),
            amount_minor: None,
            has_mac: is_sealed,
            is_loose: false,
            named: None,
        }
    }
    /// The answer to a transaction, or to its reversal.
    pub fn expected_of(&self, asking: Asking, order: &Order, stan: Stan) -> Expectation {
        Expectation {
            amount_minor: (order.amount_minor > 0).then_some(order.amount_minor),
            has_mac: self.terminal.speech.carries_mac,
            is_loose: order.tamper.is_refused_stateless(),
            named: order.original.as_ref().map(|original| original.rrn),
            ..self.expected(asking, Some(stan))
        }
    }
}
