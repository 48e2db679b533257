//! The transactions of the dialect as data: how each is recognised, what its request must have, what its
//! reply has.

use super::device::Step;
use crate::dialect::Refusal;
use crate::input::KeyForm;
use switchyard_domain::DownloadKind;
use switchyard_domain::TransactionKind::{
    self, BalanceInquiry, CardRepayment, CashAdvance, Completion, CompletionAdvice, CompletionVoid,
    OfflineSale, PreAuth, PreAuthAdvice, PreAuthVoid, Refund, Sale, Tip, TopUp, Void,
};
use switchyard_wire::{De, Mti};

/// By what a transaction is recognised, besides DE 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selector {
    /// MTI in its BCD form: `0x0200`.
    pub(super) mti: u16,
    /// DE 3.
    pub(super) processing_code: Option<u32>,
    /// DE 60.1.
    pub(super) type_code: u8,
    /// DE 60.3; absent where DE 60 is too short for it.
    pub(super) network_code: Option<u16>,
}

/// What a row of the table asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Financial(TransactionKind),
    Reversal(TransactionKind),
    SignOn(KeyForm),
    SignOff,
    Echo,
    Status,
    Download(DownloadKind, Step),
    ScriptResult,
    BatchTotals,
    UploadItems,
    UploadDetail,
    UploadEnd,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) mti: u16,
    /// DE 3 and DE 60.1; absent for a batch detail, which carries its original's.
    pub(super) codes: Option<(Option<u32>, u8)>,
    /// DE 60.3, any of these.
    pub(super) network_codes: &'static [u16],
    pub(super) action: Action,
    /// Elements that the request must have, without DE 64.
    pub(super) request: &'static [De],
    /// Elements that the reply has, without DE 64.
    pub(super) reply: &'static [De],
    /// Whether the request must carry DE 64.
    pub(super) needs_mac: bool,
}

const FULL: &[De] = &[2, 3, 4, 11, 12, 13, 14, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 53, 55, 60, 63];
const REFUNDED: &[De] = &[2, 3, 4, 11, 12, 13, 14, 15, 25, 32, 37, 39, 41, 42, 44, 49, 53, 60, 63];
const REVERSED: &[De] = &[2, 3, 4, 11, 12, 13, 14, 15, 25, 32, 37, 39, 41, 42, 44, 49, 53, 60];
const BALANCE: &[De] = &[2, 3, 11, 12, 13, 14, 25, 32, 37, 39, 41, 42, 44, 49, 53, 54, 55, 60];
const UPLOADED: &[De] = &[11, 12, 13, 32, 37, 39, 41, 42, 48, 60];
const GIVEN: &[De] = &[11, 12, 13, 39, 41, 42, 60, 62];
const PARAMETERS: &[De] = &[11, 12, 13, 37, 39, 41, 42, 60, 62];
const ENDED: &[De] = &[11, 12, 13, 39, 41, 42, 60];
const SCRIPTED: &[De] = &[3, 4, 11, 12, 13, 32, 37, 39, 41, 42, 60];
const SIGNED_ON: &[De] = &[11, 12, 13, 32, 37, 39, 41, 42, 60, 62];

const fn financial(
    mti: u16,
    processing_code: u32,
    type_code: u8,
    kind: TransactionKind,
    request: &'static [De],
    reply: &'static [De],
) -> Row {
    let codes = Some((Some(processing_code), type_code));
    Row { mti, codes, network_codes: &[0], action: Action::Financial(kind), request, reply, needs_mac: true }
}

const fn reversal(
    processing_code: u32,
    type_code: u8,
    kind: TransactionKind,
    request: &'static [De],
    reply: &'static [De],
) -> Row {
    let codes = Some((Some(processing_code), type_code));
    let action = Action::Reversal(kind);
    Row { mti: 0x0400, codes, network_codes: &[0], action, request, reply, needs_mac: true }
}

const fn management(
    mti: u16,
    network_codes: &'static [u16],
    action: Action,
    request: &'static [De],
    reply: &'static [De],
) -> Row {
    Row { mti, codes: Some((None, 0)), network_codes, action, request, reply, needs_mac: false }
}

const fn download(
    mti: u16,
    network_codes: &'static [u16],
    kind: DownloadKind,
    step: Step,
    request: &'static [De],
) -> Row {
    let reply = match (kind, step) {
        (_, Step::End) => ENDED,
        (DownloadKind::Parameter, _) => PARAMETERS,
        (DownloadKind::CaKey | DownloadKind::Aid, _) => GIVEN,
    };
    management(mti, network_codes, Action::Download(kind, step), request, reply)
}

/// Every transaction that the switch does.
pub(super) const ROWS: &[Row] = &[
    financial(0x0200, 310_000, 1, BalanceInquiry, &[3, 11, 22, 25, 41, 42, 49, 60], BALANCE),
    financial(0x0200, 0, 22, Sale, &[3, 4, 11, 22, 25, 41, 42, 49, 60], FULL),
    reversal(0, 22, Sale, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60], REVERSED),
    financial(0x0200, 200_000, 23, Void, &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61], FULL),
    reversal(200_000, 23, Void, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 61], REVERSED),
    financial(0x0220, 200_000, 25, Refund, &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63], REFUNDED),
    financial(0x0100, 30_000, 10, PreAuth, &[3, 4, 11, 22, 25, 41, 42, 49, 60], FULL),
    reversal(30_000, 10, PreAuth, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60], FULL),
    financial(0x0100, 200_000, 11, PreAuthVoid, &[3, 4, 11, 22, 25, 38, 41, 42, 49, 60, 61], FULL),
    reversal(200_000, 11, PreAuthVoid, &[2, 3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 61], FULL),
    financial(0x0200, 0, 20, Completion, &[3, 4, 11, 22, 25, 38, 41, 42, 49, 60, 61], FULL),
    reversal(0, 20, Completion, &[3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 61], FULL),
    financial(0x0200, 200_000, 21, CompletionVoid, &[3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61], FULL),
    reversal(200_000, 21, CompletionVoid, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 61], FULL),
    financial(0x0220, 0, 30, OfflineSale, &[2, 3, 4, 11, 22, 25, 41, 42, 60, 63], FULL),
    financial(0x0220, 0, 24, CompletionAdvice, &[3, 4, 11, 22, 25, 38, 41, 42, 49, 60, 61], FULL),
    financial(0x0220, 0, 32, Tip, &[2, 3, 4, 11, 22, 25, 41, 42, 60, 63], FULL),
    financial(0x0220, 0, 34, Tip, &[2, 3, 4, 11, 22, 25, 41, 42, 60, 63], FULL),
    financial(0x0200, 10_000, 22, CashAdvance, &[3, 4, 11, 22, 25, 41, 42, 49, 60], FULL),
    reversal(10_000, 22, CashAdvance, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60], REVERSED),
    financial(0x0200, 500_000, 22, CardRepayment, &[3, 4, 11, 22, 25, 41, 42, 49, 60], FULL),
    reversal(500_000, 22, CardRepayment, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60], REVERSED),
    financial(0x0200, 510_000, 22, TopUp, &[3, 4, 11, 22, 25, 41, 42, 49, 60], FULL),
    reversal(510_000, 22, TopUp, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60], REVERSED),
    management(0x0800, &[1], Action::SignOn(KeyForm::Single), &[11, 41, 42, 60, 63], SIGNED_ON),
    management(0x0800, &[3], Action::SignOn(KeyForm::Double), &[11, 41, 42, 60, 63], SIGNED_ON),
    management(0x0800, &[4], Action::SignOn(KeyForm::DoubleWithTrack), &[11, 41, 42, 60, 63], SIGNED_ON),
    management(0x0820, &[2], Action::SignOff, &[11, 41, 42, 60], &[11, 12, 13, 32, 37, 39, 41, 42, 60]),
    management(0x0820, &[301], Action::Echo, &[41, 42, 60], &[11, 12, 13, 39, 41, 42, 60]),
    download(0x0800, &[360], DownloadKind::Parameter, Step::Parameters, &[41, 42, 60]),
    download(0x0800, &[361], DownloadKind::Parameter, Step::End, &[41, 42, 60]),
    download(0x0820, &[372], DownloadKind::CaKey, Step::List, &[41, 42, 60, 62]),
    download(0x0800, &[370], DownloadKind::CaKey, Step::One, &[41, 42, 60, 62]),
    download(0x0800, &[371], DownloadKind::CaKey, Step::End, &[41, 42, 60]),
    download(0x0820, &[382], DownloadKind::Aid, Step::List, &[41, 42, 60, 62]),
    download(0x0800, &[380], DownloadKind::Aid, Step::One, &[41, 42, 60, 62]),
    download(0x0800, &[381], DownloadKind::Aid, Step::End, &[41, 42, 60]),
    Row {
        mti: 0x0620,
        codes: Some((None, 0)),
        network_codes: &[951],
        action: Action::ScriptResult,
        request: &[11, 41, 42, 55, 60],
        reply: SCRIPTED,
        needs_mac: true,
    },
    management(0x0820, &[362], Action::Status, &[41, 42, 60, 62], &[11, 12, 13, 39, 41, 42, 60, 62]),
    management(
        0x0500,
        &[201],
        Action::BatchTotals,
        &[11, 41, 42, 48, 49, 60, 63],
        &[11, 12, 13, 15, 32, 37, 41, 42, 48, 49, 60, 63],
    ),
    management(0x0320, &[201], Action::UploadItems, &[11, 41, 42, 48, 60], UPLOADED),
    management(0x0320, &[202, 207], Action::UploadEnd, &[11, 41, 42, 48, 60], UPLOADED),
    Row {
        mti: 0x0320,
        codes: None,
        network_codes: &[203, 204, 205, 206],
        action: Action::UploadDetail,
        request: &[3, 11, 22, 25, 41, 42, 49, 60],
        reply: UPLOADED,
        needs_mac: true,
    },
];

/// Finds the transaction.
///
/// # Errors
/// 40 for one that UnionPay knows and the switch does not do, 12 for any other.
pub(super) fn select(selector: Selector) -> Result<&'static Row, Refusal> {
    ROWS.iter().find(|row| row.matches(selector)).ok_or_else(|| refusal(selector))
}

impl Row {
    fn matches(&self, selector: Selector) -> bool {
        let network_code = match self.action {
            Action::Financial(_) | Action::Reversal(_) => Some(selector.network_code.unwrap_or(0)),
            Action::SignOn(_)
            | Action::SignOff
            | Action::Echo
            | Action::Status
            | Action::Download(..)
            | Action::ScriptResult
            | Action::BatchTotals
            | Action::UploadItems
            | Action::UploadDetail
            | Action::UploadEnd => selector.network_code,
        };
        let codes_match = match self.codes {
            Some((Some(processing_code), type_code)) => {
                selector.processing_code == Some(processing_code) && selector.type_code == type_code
            }
            Some((None, type_code)) => selector.type_code == type_code,
            None => true,
        };
        self.mti == selector.mti
            && codes_match
            && network_code.is_some_and(|code| self.network_codes.contains(&code))
    }

    /// Whether DE 25 fits: 06 (18 by mail or telephone) for everything about a pre-authorization and for
    /// nothing else; instalments and loads are other products.
    pub(super) fn check_condition(&self, condition: u8) -> Result<(), Refusal> {
        let (kind, is_reversal) = match self.action {
            Action::Financial(kind) => (kind, false),
            Action::Reversal(kind) => (kind, true),
            Action::SignOn(_)
            | Action::SignOff
            | Action::Echo
            | Action::Status
            | Action::Download(..)
            | Action::ScriptResult
            | Action::BatchTotals
            | Action::UploadItems
            | Action::UploadDetail
            | Action::UploadEnd => return Ok(()),
        };
        let wants_preauth = match kind {
            PreAuth | PreAuthAdvice | PreAuthVoid | Completion | CompletionAdvice | CompletionVoid => true,
            Sale | OfflineSale | CashAdvance | CardRepayment | TopUp | Tip | Void | Refund
            | BalanceInquiry => false,
        };
        match condition {
            6 | 18 if wants_preauth => Ok(()),
            6 | 18 => Err(Refusal::unknown()),
            _ if wants_preauth => Err(Refusal::unknown()),
            64 if !is_reversal => Err(Refusal::not_offered("an instalment")),
            91 if !is_reversal => Err(Refusal::not_offered("a load")),
            64 | 91 => Err(Refusal::unknown()),
            _ => Ok(()),
        }
    }
}

/// Transactions of the dialect that the switch does not do. A reversal of one of these is unknown
/// instead: on 12 a terminal stops repeating it, on 40 it would not.
fn refusal(selector: Selector) -> Refusal {
    let what = match (selector.mti, selector.type_code, selector.network_code) {
        (0x0100 | 0x0200 | 0x0220, 3, _) => "a points inquiry",
        (0x0200 | 0x0220, 27 | 36, _) => "an e-cash transaction",
        (0x0100 | 0x0200 | 0x0220, 45..=49 | 51, _) => "a load",
        (0x0100 | 0x0200 | 0x0220, 53 | 54, _) => "a reservation",
        (0x0200 | 0x0220, 60, _) => "a code payment",
        (0x0320 | 0x0800 | 0x0820, 7 | 8, _) | (0x0800 | 0x0820, _, Some(800..=809)) => "a signature upload",
        (0x0800 | 0x0820, _, Some(5 | 6)) => "a sign-on with SM4 keys",
        (0x0800 | 0x0820, _, Some(400..=402 | 420)) => "a master key download",
        (0x0800 | 0x0820, _, Some(101 | 373 | 390..=399 | 960 | 961)) => "a download",
        _ => return Refusal::unknown(),
    };
    Refusal::not_offered(what)
}

/// Whether a message type waits for an answer in this dialect.
pub(super) fn expects_answer(mti: Mti) -> bool {
    matches!(
        mti.as_u16() & 0xFFFE,
        0x0100 | 0x0120 | 0x0200 | 0x0220 | 0x0320 | 0x0400 | 0x0420 | 0x0500 | 0x0620 | 0x0800 | 0x0820
    )
}
