//! A transaction as the switch records it.

use crate::card::{CardClass, CardHash, CardRef, Expiry};
use crate::code::ResponseCode;
use crate::currency::Currency;
use crate::ids::{AuthCode, BatchNumber, LinkIndex, MerchantIndex, Rrn, Stan, TerminalIndex, TransactionId};
use crate::money::Amount;
use crate::product::CardKind;
use crate::time::{BusinessDate, Timestamp};
use serde::{Deserialize, Serialize};

/// What a terminal asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    /// 消费.
    Sale,
    /// 消费撤销: the whole sale, in its batch and on its day.
    Void,
    /// 退货: part or all of an earlier sale.
    Refund,
    /// 余额查询: nothing moves.
    BalanceInquiry,
    /// 预授权: a hold.
    PreAuth,
    /// 预授权撤销: ends the hold.
    PreAuthVoid,
    /// 预授权完成: captures the hold, up to 115 % of it.
    Completion,
    /// 预授权完成撤销.
    CompletionVoid,
    /// 离线结算: the terminal has approved it already, by its chip or its floor limit.
    OfflineSale,
    /// 预授权完成(通知): as a completion, but the terminal tells instead of asking.
    CompletionAdvice,
    /// 小费调整: added to an earlier sale of the batch, once.
    Tip,
    /// 取现: as a sale, for cash.
    CashAdvance,
    /// 信用卡还款: a debit of this card in favour of a credit card.
    CardRepayment,
    /// 手机充值: as a sale, of call credit.
    TopUp,
    /// A hold that the terminal or a voice has approved already.
    PreAuthAdvice,
}

impl TransactionKind {
    /// Its name, as records in JSON and rules have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::BalanceInquiry => "balance_inquiry",
            Self::PreAuth => "pre_auth",
            Self::PreAuthVoid => "pre_auth_void",
            Self::Completion => "completion",
            Self::CompletionVoid => "completion_void",
            Self::OfflineSale => "offline_sale",
            Self::CompletionAdvice => "completion_advice",
            Self::Tip => "tip",
            Self::CashAdvance => "cash_advance",
            Self::CardRepayment => "card_repayment",
            Self::TopUp => "top_up",
            Self::PreAuthAdvice => "pre_auth_advice",
        }
    }
    /// Whether it counts on the credit side of a batch, the debit side, or not at all.
    pub fn batch_side(self) -> Option<BatchSide> {
        match self {
            Self::Sale
            | Self::OfflineSale
            | Self::CashAdvance
            | Self::CardRepayment
            | Self::TopUp
            | Self::Tip
            | Self::Completion
            | Self::CompletionAdvice => Some(BatchSide::Debit),
            Self::Void | Self::Refund | Self::CompletionVoid => Some(BatchSide::Credit),
            Self::BalanceInquiry | Self::PreAuth | Self::PreAuthAdvice | Self::PreAuthVoid => None,
        }
    }
    /// What a cardholder pays with it (positive) or gets back (negative); a hold moves nothing.
    pub fn signed_minor(self, minor: u64) -> i64 {
        let minor = minor as i64;
        match self.batch_side() {
            Some(BatchSide::Debit) => minor,
            Some(BatchSide::Credit) => -minor,
            None => 0,
        }
    }
    /// Whether it takes a cardholder's money and follows nothing: limits, risk rules and stand-in look at it.
    pub fn is_limited(self) -> bool {
        !self.follows_another() && self != Self::BalanceInquiry
    }
    /// Whether limits and risk rules look at it and count it. A void, a completion and a tip are not asked about again:
    /// what they follow was, and they are bound to it.
    pub fn is_assessed(self) -> bool {
        self.is_limited() || self == Self::Refund
    }
    /// Whether it reports what has taken place already: it is acknowledged, not decided.
    pub fn is_advice(self) -> bool {
        matches!(self, Self::OfflineSale | Self::CompletionAdvice | Self::Tip | Self::PreAuthAdvice)
    }
    /// Whether it is a pre-authorization, asked or told.
    pub fn holds(self) -> bool {
        matches!(self, Self::PreAuth | Self::PreAuthAdvice)
    }
    /// Whether it captures a pre-authorization.
    pub fn captures(self) -> bool {
        matches!(self, Self::Completion | Self::CompletionAdvice)
    }
    /// Whether the cardholder pays at once, without a pre-authorization before.
    pub fn buys(self) -> bool {
        matches!(self, Self::Sale | Self::OfflineSale | Self::CashAdvance | Self::CardRepayment | Self::TopUp)
    }
    /// Whether it pays for a service to an account of its own: a telephone, another card.
    pub fn serves_an_account(self) -> bool {
        matches!(self, Self::CardRepayment | Self::TopUp)
    }
    /// Whether it takes its original back whole, as if that had never been.
    pub fn voids(self) -> bool {
        matches!(self, Self::Void | Self::PreAuthVoid | Self::CompletionVoid)
    }
    /// Whether it needs an original.
    pub fn follows_another(self) -> bool {
        match self {
            Self::Void
            | Self::Refund
            | Self::PreAuthVoid
            | Self::Completion
            | Self::CompletionAdvice
            | Self::CompletionVoid
            | Self::Tip => true,
            Self::Sale
            | Self::OfflineSale
            | Self::CashAdvance
            | Self::CardRepayment
            | Self::TopUp
            | Self::BalanceInquiry
            | Self::PreAuth
            | Self::PreAuthAdvice => false,
        }
    }
}

/// The side of a batch that a transaction counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSide {
    /// Cardholders paid.
    Debit,
    /// Cardholders got back.
    Credit,
}

/// The second digit of the MTI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    /// x1xx.
    Authorization,
    /// x2xx.
    Financial,
    /// x4xx.
    Reversal,
    /// x4xx that takes a part back: it has a key of its own, because the whole may be taken back after it.
    PartReversal,
}

/// By this key a repeat is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The merchant.
    pub merchant: MerchantIndex,
    /// The terminal.
    pub terminal: TerminalIndex,
    /// Its batch.
    pub batch: BatchNumber,
    /// The trace number.
    pub stan: Stan,
    /// The class of message.
    pub class: MessageClass,
}

/// By this a repeat is told from another request under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// DE 3.
    pub processing_code: u32,
    /// DE 4, minor units.
    pub amount_minor: u64,
    /// The card.
    pub card: Option<CardHash>,
    /// DE 60.1.
    pub type_code: u8,
    /// DE 61: batch and trace number of the original.
    pub original: Option<(BatchNumber, Stan)>,
    /// DE 37 of the request: the original's reference.
    pub original_rrn: Option<Rrn>,
}

/// Request elements that a reply repeats and that the key and the card do not already give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Echo {
    /// DE 14.
    pub expiry: Option<Expiry>,
    /// DE 25.
    pub condition: Option<u8>,
    /// DE 49.
    pub currency: Option<Currency>,
    /// DE 53: 16 digits.
    pub security_control: Option<u64>,
    /// DE 60 as a number. The generic dialects have no such element: the time by which a later message names this one,
    /// DE 7 in 1987 and DE 12 since.
    pub de60: u64,
    /// Digits of DE 60, at most 17.
    pub de60_digits: u8,
    /// DE 22 as a number, kept for the issuer and the receipt.
    pub entry_mode: Option<u16>,
}

/// What a reply says, kept so that a repeat hears the same. It has no card number, no PIN and no MAC: the
/// number comes from the repeat, the MAC is made again under the key in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyFacts {
    /// DE 39.
    pub code: ResponseCode,
    /// DE 37.
    pub rrn: Rrn,
    /// DE 38.
    pub auth_code: Option<AuthCode>,
    /// DE 12 and 13 follow from it.
    pub at: Timestamp,
    /// DE 15.
    pub settlement_date: BusinessDate,
    /// DE 54: the available balance; true where it is in credit.
    pub balance: Option<(Amount, bool)>,
}

/// How a transaction ended, or has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Sent on, not answered yet.
    Pending,
    /// It took place.
    Approved,
    /// It did not.
    Declined,
    /// Nobody knows: no answer came in time and a reversal is on its way. Not a decline.
    Unknown,
    /// It was undone.
    Reversed,
}

/// How a request went upstream: enough to build its repeat or reversal byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UpstreamRef {
    /// The link it went over.
    pub link: LinkIndex,
    /// DE 11 on the link.
    pub stan: Stan,
    /// DE 7 on the link.
    pub transmitted_at: Timestamp,
    /// MTI on the link, 0 to 9999.
    pub mti: u16,
}

/// A transaction when the switch takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionOpened {
    /// Its number.
    pub id: TransactionId,
    /// By which its repeat is recognised.
    pub key: RequestKey,
    /// By which its repeat is verified.
    pub fingerprint: Fingerprint,
    /// What was asked.
    pub kind: TransactionKind,
    /// The amount; zero for an inquiry.
    pub amount: Amount,
    /// The card, sealed.
    pub card: Option<CardRef>,
    /// The card's class and product, fixed here.
    pub card_class: CardKind,
    /// The transaction that this one follows.
    pub original: Option<TransactionId>,
    /// DE 37, given by the switch.
    pub rrn: Rrn,
    /// Elements the reply repeats.
    pub echo: Echo,
    /// How it goes to the issuer; absent for the switch's own cards and for refusals.
    pub upstream: Option<UpstreamRef>,
    /// The business day that was open.
    pub day: BusinessDate,
    /// DE 18: the merchant's category then, which its limits count it under whatever the merchant is by now.
    pub mcc: u16,
}

/// What a record changes in the merchant's favour or against it, for settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Movement {
    /// The merchant.
    pub merchant: MerchantIndex,
    /// The terminal.
    pub terminal: TerminalIndex,
    /// The transaction that moves the money.
    pub transaction: TransactionId,
    /// Its reference.
    pub rrn: Rrn,
    /// Its kind.
    pub kind: TransactionKind,
    /// True when the merchant gains.
    pub gain: bool,
    /// How much.
    pub amount: Amount,
    /// The card's class.
    pub card_class: CardClass,
    /// When the original was made: its fee plan prices this.
    pub priced_at: Timestamp,
}

/// DE 39 of a terminal's 0400: why it reverses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalReason {
    /// 98: no answer in time.
    NoAnswer,
    /// 96: approved, but the terminal failed.
    TerminalFault,
    /// A0: the answer's MAC was wrong.
    MacError,
    /// 06 and anything else.
    Other,
}

/// Number of a store-and-forward entry within its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SafId(pub u64);

/// What a store-and-forward entry delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SafKind {
    /// 0420, repeated as 0421.
    Reversal,
    /// 0120 or 0220, repeated as 0121 or 0221: what the switch or the terminal approved by itself.
    Advice,
    /// 0620, repeated as 0621: what a chip made of its issuer's scripts.
    Script,
    /// 0420, repeated as 0421, that names the amount that stands.
    PartReversal,
}

/// Why something was approved without asking the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceReason {
    /// The issuer was away.
    IssuerAway,
    /// The terminal had approved it already.
    Offline,
}

/// A message that has to reach an issuer, however long that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SafEntry {
    /// Its number.
    pub id: SafId,
    /// What it is.
    pub kind: SafKind,
    /// The transaction it is about.
    pub transaction: TransactionId,
    /// Link, trace number and time of its own: first send and repeats carry the same.
    pub upstream: UpstreamRef,
    /// Why, for DE 39 of the advice.
    pub reason: ReversalReason,
}
