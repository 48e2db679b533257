//! Which transaction a message is.

use crate::dialect::Refusal;
use switchyard_domain::TransactionKind;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Financial(TransactionKind),
    Reversal,
    SignOn,
    SignOff,
    Echo,
    Totals {
        /// Told, not asked.
        closes: bool,
    },
    UploadEnd,
    Upload,
    ScriptResult,
}

/// By what a transaction is recognised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selector {
    /// Three digits of the MTI, without the repeat bit.
    pub(super) mti: u16,
    /// DE 3.
    pub(super) processing_code: Option<u64>,
    /// Whether an earlier authorization covers it.
    pub(super) is_covered: bool,
    /// All of DE 4 is a tip: DE 54 says so.
    pub(super) is_tip: bool,
    /// DE 55 is there.
    pub(super) has_chip: bool,
    /// DE 70, or what DE 24 comes to.
    pub(super) network_code: Option<u16>,
}

/// DE 3 of a reconciliation that ends an upload.
const UPLOAD_END: u64 = 960_000;

/// Whether a message type waits for an answer.
pub(super) fn expects_answer(mti: u16) -> bool {
    matches!(mti, 100 | 120 | 200 | 220 | 300 | 320 | 400 | 420 | 500 | 520 | 600 | 620 | 800 | 820)
}

/// Finds the transaction.
///
/// # Errors
/// 40 for one that the standard knows and the switch does not do, 12 for any other.
pub(super) fn select(selector: Selector) -> Result<Action, Refusal> {
    match selector.mti {
        100 | 120 | 200 | 220 => financial(selector).map(Action::Financial),
        400 | 420 => Ok(Action::Reversal),
        320 => Ok(Action::Upload),
        500 if selector.processing_code == Some(UPLOAD_END) => Ok(Action::UploadEnd),
        500 => Ok(Action::Totals { closes: false }),
        520 => Ok(Action::Totals { closes: true }),
        800 | 820 => match selector.network_code {
            Some(1 | 101 | 161) => Ok(Action::SignOn),
            Some(2) => Ok(Action::SignOff),
            Some(301) => Ok(Action::Echo),
            _ => Err(Refusal::unknown()),
        },
        300 => Err(Refusal::not_offered("a file action")),
        620 if selector.has_chip => Ok(Action::ScriptResult),
        600 | 620 => Err(Refusal::not_offered("an administrative message")),
        _ => Err(Refusal::unknown()),
    }
}

fn financial(selector: Selector) -> Result<TransactionKind, Refusal> {
    use TransactionKind as Kind;
    let code = selector.processing_code.ok_or(Refusal::missing(3))?;
    match (selector.mti, code / 10_000) {
        (100 | 200, 30 | 31) => Ok(Kind::BalanceInquiry),
        (100, 0 | 3) => Ok(Kind::PreAuth),
        (120, 0 | 3) => Ok(Kind::PreAuthAdvice),
        (100 | 120, 2 | 20) => Ok(Kind::PreAuthVoid),
        (220, 0) if selector.is_tip => Ok(Kind::Tip),
        (200, 0) if selector.is_tip => Err(Refusal::not_offered("a tip that asks")),
        (200, 0) if selector.is_covered => Ok(Kind::Completion),
        (220, 0) if selector.is_covered => Ok(Kind::CompletionAdvice),
        (200, 0) => Ok(Kind::Sale),
        (220, 0) => Ok(Kind::OfflineSale),
        (200, 1) => Ok(Kind::CashAdvance),
        (200 | 220, 2) => Ok(Kind::Void),
        (200 | 220, 20) => Ok(Kind::Refund),
        (200, 50) => Ok(Kind::CardRepayment),
        (200, 51) => Ok(Kind::TopUp),
        (120, _) => Err(Refusal::not_offered("this as an authorization by somebody else")),
        (_, 9) => Err(Refusal::not_offered("cash-back")),
        (_, 21..=29) => Err(Refusal::not_offered("a deposit or credit adjustment")),
        (_, 33..=39) => Err(Refusal::not_offered("an inquiry of another kind")),
        (_, 40..=49) => Err(Refusal::not_offered("a transfer")),
        (_, 1 | 50 | 51) => Err(Refusal::not_offered("this without a request")),
        _ => Err(Refusal::unknown()),
    }
}
