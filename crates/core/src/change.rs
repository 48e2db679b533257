//! What operators want changed of what is registered. What is not named stays as it is.

use serde::{Deserialize, Serialize};
use switchyard_domain::{BankAccount, LinkDialect, MerchantId, TerminalMac, TransactionKind};

/// Of a link.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkChange {
    /// `host:port`, or where the switch listens for the host.
    pub address: Option<String>,
    /// What it speaks.
    pub dialect: Option<LinkDialect>,
    /// Name of its framing.
    pub framing: Option<String>,
    /// Milliseconds to wait for an answer.
    pub answer_timeout_ms: Option<u32>,
    /// How many connections it has at a time.
    pub connections: Option<u8>,
    /// Most requests that its host may have unanswered over all of them; zero: as many as the configuration says.
    pub credit_max: Option<u32>,
}

impl LinkChange {
    /// Milliseconds that an answer may be waited for.
    pub const ANSWER_TIMEOUT_MS: std::ops::RangeInclusive<u32> = 100..=300_000;
    /// Requests that a host may be allowed to have unanswered.
    pub const CREDIT_MAX: u32 = 65_536;
}

/// Of a merchant.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MerchantChange {
    /// Its name.
    pub name: Option<String>,
    /// Merchant category code.
    pub mcc: Option<u16>,
    /// Where payouts go.
    pub account: AccountChange,
    /// Number of its fee plan.
    pub fee_plan: Option<u32>,
}

/// Of the account that payouts go to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountChange {
    /// Holder's name.
    pub holder: Option<String>,
    /// Account number.
    pub number: Option<String>,
    /// CNAPS code of its bank, 12 digits.
    pub cnaps: Option<String>,
}

impl AccountChange {
    /// The account once it is changed.
    pub(crate) fn of(&self, account: &BankAccount) -> BankAccount {
        BankAccount {
            holder: self.holder.as_ref().unwrap_or(&account.holder).clone(),
            number: self.number.as_ref().unwrap_or(&account.number).clone(),
            cnaps: self.cnaps.as_ref().unwrap_or(&account.cnaps).clone(),
        }
    }
}

impl MerchantChange {
    /// Whether it is about what the merchant is paid, and where.
    pub(crate) fn is_of_terms(&self) -> bool {
        self.fee_plan.is_some() || self.account != AccountChange::default()
    }
    /// Whether it is about who the merchant is.
    pub(crate) fn is_of_identity(&self) -> bool {
        self.name.is_some() || self.mcc.is_some()
    }
}

/// Of a terminal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TerminalChange {
    /// Whose it is (DE 42).
    pub merchant: Option<MerchantId>,
    /// How it authenticates messages.
    pub mac: Option<TerminalMac>,
    /// Whether it understands that a part of the amount was approved.
    pub takes_partial: Option<bool>,
}

/// Of a card product.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProductChange {
    /// Its name in English.
    pub name: Option<String>,
    /// Its name in Chinese.
    pub name_zh: Option<String>,
    /// What its cards are not for.
    pub refuses: Option<Vec<TransactionKind>>,
    /// When a PIN is asked for.
    pub pin: Option<PinFrom>,
}

/// From which amount on a PIN is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinFrom {
    /// From none: the product does not ask.
    Never,
    /// From this one on, minor units.
    Minor(u64),
}

impl PinFrom {
    /// As the terms of a product have it.
    pub fn minor(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Minor(minor) => Some(minor),
        }
    }
}

/// One thing that is another than before, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// What.
    pub field: String,
    /// What it was. Of the number of a bank account the last four characters.
    pub before: String,
    /// What it is from now on.
    pub after: String,
}
