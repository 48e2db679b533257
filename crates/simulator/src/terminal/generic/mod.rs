//! Messages of terminals that speak ISO 8583 as an edition has it: written apart from the switch's own translation, so
//! that one is the other's test.

mod compose;
mod elements;
mod reply;
mod result;
#[cfg(test)]
mod tests;

pub use result::heard_as;

pub(super) use compose::GenericComposer;
pub(super) use reply::read;

use super::ask::Asking;
use switchyard_domain::TransactionKind;
use switchyard_wire::{De, Mti, MtiVersion};

/// By what a transaction is recognised.
struct Selector {
    /// Three digits of the message type.
    mti: u16,
    /// DE 3.
    processing_code: u64,
    /// An authorization came before: DE 25 = 06, or DE 24 = 202.
    is_covered: bool,
}

fn selector(kind: TransactionKind) -> Selector {
    use TransactionKind as Kind;
    let (mti, processing_code) = match kind {
        Kind::Sale | Kind::Completion => (200, 0),
        Kind::CashAdvance => (200, 10_000),
        Kind::PreAuth => (100, 0),
        Kind::PreAuthAdvice => (120, 0),
        Kind::PreAuthVoid => (100, 20_000),
        Kind::Void | Kind::CompletionVoid => (200, 20_000),
        Kind::Refund => (220, 200_000),
        Kind::BalanceInquiry => (100, 310_000),
        Kind::OfflineSale | Kind::CompletionAdvice => (220, 0),
        Kind::Tip => (220, 0),
        Kind::CardRepayment => (200, 500_000),
        Kind::TopUp => (200, 510_000),
    };
    Selector { mti, processing_code, is_covered: kind.captures() }
}

/// Digits of a function, in the version of an edition. Since 1993 network management has an origin of its own.
fn mti(version: MtiVersion, number: u16) -> Mti {
    let origin = if number / 100 == 8 && version != MtiVersion::Iso1987 { 4 } else { 0 };
    let digit = match version {
        MtiVersion::Iso1987 | MtiVersion::Other(_) => 0,
        MtiVersion::Iso1993 => 1,
        MtiVersion::Iso2003 => 2,
    };
    Mti::new(digit << 12 | (number / 100) << 8 | (number / 10 % 10) << 4 | origin)
}

pub(super) fn request_mti(version: MtiVersion, asking: Asking) -> Mti {
    let is_first = version == MtiVersion::Iso1987;
    let number = match asking {
        Asking::SignOn | Asking::Echo | Asking::Download(_) => 800,
        Asking::ScriptResult => 620,
        Asking::SignOff if is_first => 800,
        Asking::SignOff => 820,
        Asking::Transaction(kind) => selector(kind).mti,
        // Both are taken back in the field: asked in 1987, told since.
        Asking::Reversal(_) if is_first => 400,
        Asking::Reversal(_) => 420,
        Asking::Totals | Asking::UploadEnd => 500,
        Asking::TotalsTold => 520,
        Asking::Upload => 320,
    };
    mti(version, number)
}

/// Where the working keys are.
fn keys_element(version: MtiVersion) -> De {
    if version == MtiVersion::Iso1987 { 62 } else { 96 }
}

/// Where an earlier message is named.
fn original_element(version: MtiVersion) -> De {
    if version == MtiVersion::Iso1987 { 90 } else { 56 }
}
