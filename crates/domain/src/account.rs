//! The chart of accounts.

use crate::currency::Currency;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an account is for. The number is part of the on-disk format: add at the end only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum AccountKind {
    /// A cardholder's money at the embedded issuer (credit normal, no overdraft).
    Cardholder = 0,
    /// What backs the embedded issuer's cardholders.
    IssuerSettlement = 1,
    /// What a network or an outside issuer owes for its cards, one per link.
    NetworkReceivable = 2,
    /// What the acquirer owes a merchant.
    MerchantPayable = 3,
    /// Fees earned.
    FeeIncome = 4,
    /// Interchange paid.
    InterchangeExpense = 5,
    /// Scheme fees paid.
    SchemeExpense = 6,
    /// Held back from a merchant.
    Reserve = 7,
    /// Payouts on their way.
    PayoutClearing = 8,
    /// Money at the bank.
    Bank = 9,
    /// A merchant's wallet.
    Wallet = 10,
    /// Not yet explained.
    Suspense = 11,
    /// What rounding leaves over.
    Rounding = 12,
}

impl AccountKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Cardholder,
        Self::IssuerSettlement,
        Self::NetworkReceivable,
        Self::MerchantPayable,
        Self::FeeIncome,
        Self::InterchangeExpense,
        Self::SchemeExpense,
        Self::Reserve,
        Self::PayoutClearing,
        Self::Bank,
        Self::Wallet,
        Self::Suspense,
        Self::Rounding,
    ];
    /// Whether what has taken place is posted here whatever stands on it: no limit of its own is asked, because a decision of
    /// a terminal's could then not be undone any more.
    pub fn takes_everything(self) -> bool {
        matches!(self, Self::MerchantPayable | Self::NetworkReceivable | Self::Suspense)
    }
    /// Whether the balance may not fall below zero on its credit side.
    pub fn forbids_overdraft(self) -> bool {
        matches!(self, Self::Cardholder | Self::Wallet)
    }
}

/// What an account takes. Sums are of the whole life of the account, in minor units.
///
/// A limit is asked of what would move or be held from now on: tightening one undoes nothing, and what was held
/// before can still be captured up to the amount that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AccountRules {
    /// How far debits, posted and held, may exceed posted credits: 0 forbids an overdraft, `None` is no limit.
    pub debit_limit_minor: Option<u64>,
    /// How far credits, posted and held, may exceed posted debits: a wallet's ceiling; `None` is no limit.
    pub credit_limit_minor: Option<u64>,
    /// Takes nothing new; what was held before is still captured or released.
    pub closed: bool,
}

impl AccountRules {
    /// What holds for an account of this kind for which nothing else was recorded.
    pub fn of(kind: AccountKind) -> Self {
        Self { debit_limit_minor: kind.forbids_overdraft().then_some(0), ..Self::default() }
    }
}

/// An account: its kind, whose it is (merchant, link or card number in its registry), its currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId {
    /// What it is for.
    pub kind: AccountKind,
    /// Whose it is: an index into the registry of that kind, 0 for the acquirer's own.
    pub owner: u32,
    /// Its currency.
    pub currency: Currency,
}

impl AccountId {
    /// An account of the acquirer itself.
    pub fn own(kind: AccountKind, currency: Currency) -> Self {
        Self { kind, owner: 0, currency }
    }
    /// An account of somebody in the registry.
    pub fn of(kind: AccountKind, owner: u32, currency: Currency) -> Self {
        Self { kind, owner, currency }
    }
}
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}/{}", self.kind, self.owner, self.currency)
    }
}
impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
