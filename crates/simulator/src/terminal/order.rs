//! What a customer and a cashier ask of a terminal.

use crate::journal::{EntryMode, OriginalRef};
use crate::world::{Concealed, DemoCard};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use switchyard_domain::{BatchNumber, ResponseCode, Rrn, Stan, Timestamp, TransactionKind};
use switchyard_wire::Mti;

/// Messages that are no transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminKind {
    /// 0400.
    Reversal,
    /// 0800, 60.3 = 003 or 004.
    SignOn,
    /// 0820, 60.3 = 002.
    SignOff,
    /// 0820, 60.3 = 301.
    EchoTest,
    /// 0500.
    Settlement,
    /// 0320, 60.3 = 201.
    Upload,
    /// 0320, 60.3 = 202 or 207.
    UploadEnd,
    /// 0800 and 0820, 60.3 = 360 to 382: a step of a download.
    Download,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageKind {
    /// It moves or holds money, or asks for the balance.
    Transaction(TransactionKind),
    /// It does not.
    Admin(AdminKind),
}

/// What is wrong with a request on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tamper {
    /// Nothing.
    #[default]
    None,
    /// The last byte of F64 is another: A0.
    Mac,
    /// F41 is nobody's: 97.
    TerminalId,
    /// The last field is cut: 30.
    Truncate,
    /// The terminal hangs up before the reply and reverses.
    HangUp,
    /// The terminal asks although it is not signed on: 77.
    SignedOff,
    /// The chip's cryptogram is another's: 05 where its issuer looks at it.
    Cryptogram,
}
impl Tamper {
    /// Whether the host refuses such a request without keeping anything, so that there is nothing to reverse.
    pub(super) fn is_refused_stateless(self) -> bool {
        match self {
            Self::Mac | Self::TerminalId | Self::Truncate | Self::SignedOff => true,
            Self::None | Self::HangUp | Self::Cryptogram => false,
        }
    }
}

/// One order to a terminal.
#[derive(Debug, Clone)]
pub struct Order {
    /// What to do.
    pub kind: TransactionKind,
    /// Minor units; zero for an inquiry.
    pub amount_minor: u64,
    /// With which card.
    pub card: Arc<DemoCard>,
    /// How it is read.
    pub entry: EntryMode,
    /// What the customer types, right or wrong.
    pub pin: Option<Concealed>,
    /// What it follows.
    pub original: Option<OriginalRef>,
    /// What is wrong with the request.
    pub tamper: Tamper,
    /// When it is asked for: by this a generic terminal's request is told from another, and named later.
    pub at: Timestamp,
}

/// What the terminal believes about a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalState {
    /// It took place.
    Approved,
    /// It did not.
    Declined,
    /// It is undone.
    Reversed,
    /// No answer, and no answer to its reversal either.
    Unknown,
}

/// How an order ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was asked.
    pub kind: TransactionKind,
    /// Batch of the request.
    pub batch: BatchNumber,
    /// Trace number of the request.
    pub stan: Stan,
    /// Minor units: what was approved, where that is a part.
    pub amount_minor: u64,
    /// DE 39, where an answer came.
    pub code: Option<ResponseCode>,
    /// DE 37.
    pub rrn: Option<Rrn>,
    /// DE 38.
    pub auth: Option<String>,
    /// DE 13.
    pub date: Option<String>,
    /// DE 54.
    pub balance_minor: Option<u64>,
    /// When it was asked for.
    pub at: Timestamp,
    /// How it stands.
    pub state: FinalState,
}
impl Done {
    /// As the original of another transaction, once it is approved.
    pub fn as_original(&self) -> Option<OriginalRef> {
        match self.state {
            FinalState::Approved => Some(OriginalRef {
                batch: self.batch,
                stan: self.stan,
                date: self.date.clone()?,
                rrn: self.rrn?,
                auth: self.auth.clone(),
                at: Some(self.at),
            }),
            FinalState::Declined | FinalState::Reversed | FinalState::Unknown => None,
        }
    }
}

/// The selector of a transaction: message type, F3, F25, 60.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    /// Message type.
    pub mti: Mti,
    /// F3.
    pub processing_code: u64,
    /// F25.
    pub condition: u64,
    /// F60.1.
    pub type_code: u8,
}

/// The table of section 5 of the UnionPay notes.
pub fn selector(kind: TransactionKind) -> Selector {
    let (mti, processing_code, condition, type_code) = match kind {
        TransactionKind::Sale => (0x0200, 0, 0, 22),
        TransactionKind::Void => (0x0200, 200_000, 0, 23),
        TransactionKind::Refund => (0x0220, 200_000, 0, 25),
        TransactionKind::BalanceInquiry => (0x0200, 310_000, 0, 1),
        TransactionKind::PreAuth => (0x0100, 30_000, 6, 10),
        TransactionKind::PreAuthVoid => (0x0100, 200_000, 6, 11),
        TransactionKind::Completion => (0x0200, 0, 6, 20),
        TransactionKind::CompletionVoid => (0x0200, 200_000, 6, 21),
        TransactionKind::OfflineSale => (0x0220, 0, 0, 30),
        TransactionKind::CompletionAdvice => (0x0220, 0, 6, 24),
        TransactionKind::Tip => (0x0220, 0, 0, 34),
        TransactionKind::CashAdvance => (0x0200, 10_000, 0, 22),
        TransactionKind::CardRepayment => (0x0200, 500_000, 0, 22),
        TransactionKind::TopUp => (0x0200, 510_000, 0, 22),
        // No message of this dialect: the generic ones have it.
        TransactionKind::PreAuthAdvice => (0x0120, 30_000, 6, 10),
    };
    Selector { mti: Mti::new(mti), processing_code, condition, type_code }
}

/// Whether a terminal undoes it with a 0400 when no answer comes. A refund is an advice, and so is
/// what it approved by itself: these are repeated instead. An inquiry moves nothing.
pub fn is_reversible(kind: TransactionKind) -> bool {
    !matches!(kind, TransactionKind::Refund | TransactionKind::BalanceInquiry) && !kind.is_advice()
}
