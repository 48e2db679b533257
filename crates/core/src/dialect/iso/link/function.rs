//! What a message of 1993 and 2003 is about: function codes (DE 24) and reasons (DE 25).

use switchyard_domain::{ReversalReason, TransactionKind};

/// DE 70 of 1987 and DE 24 since 1993, for network management.
const NETWORK: [(u16, u16); 5] = [(1, 801), (2, 802), (161, 811), (201, 821), (301, 831)];

/// DE 24 of a transaction: an authorization, a request of its own, or one that an earlier authorization covers.
pub(super) fn of_transaction(kind: TransactionKind) -> u64 {
    match kind {
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice | TransactionKind::PreAuthVoid => 100,
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::Tip
        | TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::BalanceInquiry => 200,
        // Taking a completion back is about the whole of what was approved before.
        TransactionKind::CompletionVoid => 201,
        TransactionKind::Completion | TransactionKind::CompletionAdvice => 202,
    }
}

/// DE 24 of what a chip made of scripts: by agreement, the standard has no code for it.
pub(super) const SCRIPT_RESULT: u64 = 690;

/// DE 24 of a reversal: of the whole, or of a part.
pub(super) fn of_reversal(is_partial: bool) -> u64 {
    if is_partial { 401 } else { 400 }
}

/// DE 25 of a reversal.
pub(super) fn reversal_reason(reason: ReversalReason) -> u64 {
    match reason {
        ReversalReason::NoAnswer => 4_021,
        ReversalReason::TerminalFault => 4_002,
        ReversalReason::MacError => 4_020,
        ReversalReason::Other => 4_001,
    }
}

/// DE 25 of an advice: the terminal had done it already, or the issuer was away.
pub(super) fn advice_reason(kind: TransactionKind) -> u64 {
    if kind.is_advice() { 1_004 } else { 1_003 }
}

/// DE 24 of network management, from DE 70 of 1987.
pub(super) fn of_network(code: u16) -> u64 {
    NETWORK.iter().find(|(first, _)| *first == code).map_or(800, |(_, later)| u64::from(*later))
}

/// DE 70 of 1987, from DE 24.
pub(crate) fn network_code(function: u16) -> Option<u16> {
    NETWORK.iter().find(|(_, later)| *later == function).map(|(first, _)| *first)
}
