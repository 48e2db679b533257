//! Card products, as people type them.

use super::Because;
use super::change::Trial;
use clap::{Args, Subcommand, ValueEnum};
use switchyard_core::PinFrom;
use switchyard_domain::{Funding, ProductCode, Scheme, TransactionKind};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ProductCommand {
    /// Every card product, in the order in which they were added.
    #[command(after_help = "Example: switchyard product list --output json")]
    List,
    /// One product, and the ranges of card numbers that name it; exit 1 when there is none of this code.
    #[command(after_help = "Example: switchyard product show VISA-CR-GOLD")]
    Show {
        /// Its code.
        #[arg(value_name = "CODE")]
        code: ProductCode,
    },
    /// Add a product. Its code, scheme, funding and home stay for good, because transactions name it.
    #[command(
        after_help = "Example: switchyard product add GIFT-PP --scheme cup --funding prepaid --name 'Gift card' \
                            --name-zh 礼品卡 --refuse cash_advance --pin-from never --reason 'sold from May on'"
    )]
    Add(AddProduct),
    /// Change a product's names, what its cards are not for, and when a PIN is asked for; in force at once.
    #[command(
        after_help = "Example: switchyard product change GIFT-PP --pin-from 100000 --reason 'fraud in May'"
    )]
    Change(ChangeProduct),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddProduct {
    /// Its code: capital letters and digits, with `-` between them.
    #[arg(value_name = "CODE")]
    pub(crate) code: ProductCode,
    /// Whose mark is on its cards (DE 63.1).
    #[arg(long, value_name = "SCHEME")]
    pub(crate) scheme: SchemeName,
    /// Whose money they spend.
    #[arg(long, value_name = "FUNDING")]
    pub(crate) funding: FundingName,
    /// They are issued abroad.
    #[arg(long)]
    pub(crate) foreign: bool,
    /// Its name in English.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: String,
    /// Its name in Chinese.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) name_zh: String,
    /// A kind of transaction that its cards are not for: cash_advance, card_repayment, …; several times for several.
    #[arg(long = "refuse", value_name = "KIND", value_parser = kind)]
    pub(crate) refuses: Vec<TransactionKind>,
    /// The amount from which on a PIN is asked for, minor units, or `never`.
    #[arg(long, value_name = "MINOR|never", value_parser = pin_from, default_value = "never")]
    pub(crate) pin_from: PinFrom,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("product-settings").required(true).multiple(true)
    .args(["name", "name_zh", "refuses", "refuse_nothing", "pin_from"])))]
pub(crate) struct ChangeProduct {
    /// Its code.
    #[arg(value_name = "CODE")]
    pub(crate) code: ProductCode,
    /// Its name in English.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Its name in Chinese; nothing takes it away.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name_zh: Option<String>,
    /// A kind of transaction that its cards are not for; those that are named replace those before.
    #[arg(long = "refuse", value_name = "KIND", value_parser = kind)]
    pub(crate) refuses: Vec<TransactionKind>,
    /// Its cards are for everything.
    #[arg(long, conflicts_with = "refuses")]
    pub(crate) refuse_nothing: bool,
    /// The amount from which on a PIN is asked for, minor units, or `never`.
    #[arg(long, value_name = "MINOR|never", value_parser = pin_from)]
    pub(crate) pin_from: Option<PinFrom>,
    #[command(flatten)]
    pub(crate) trial: Trial,
    #[command(flatten)]
    pub(crate) because: Because,
}

/// Whose mark is on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeName {
    /// UnionPay.
    Cup,
    /// Visa.
    Vis,
    /// Mastercard.
    Mcc,
    /// Maestro.
    Mae,
    /// JCB.
    Jcb,
    /// Diners Club.
    Dcc,
    /// American Express.
    Amx,
}
impl From<SchemeName> for Scheme {
    fn from(scheme: SchemeName) -> Self {
        match scheme {
            SchemeName::Cup => Self::Cup,
            SchemeName::Vis => Self::Vis,
            SchemeName::Mcc => Self::Mcc,
            SchemeName::Mae => Self::Mae,
            SchemeName::Jcb => Self::Jcb,
            SchemeName::Dcc => Self::Dcc,
            SchemeName::Amx => Self::Amx,
        }
    }
}

/// Whose money a card spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FundingName {
    /// What is on its account.
    Debit,
    /// Its issuer's.
    Credit,
    /// What was loaded onto it.
    Prepaid,
    /// What is on its account, and a little more.
    QuasiCredit,
}
impl From<FundingName> for Funding {
    fn from(funding: FundingName) -> Self {
        match funding {
            FundingName::Debit => Self::Debit,
            FundingName::Credit => Self::Credit,
            FundingName::Prepaid => Self::Prepaid,
            FundingName::QuasiCredit => Self::QuasiCredit,
        }
    }
}

fn pin_from(text: &str) -> Result<PinFrom, String> {
    match text {
        "never" => Ok(PinFrom::Never),
        _ => text.parse().map(PinFrom::Minor).map_err(|_| "neither a number nor never".to_owned()),
    }
}

fn kind(text: &str) -> Result<TransactionKind, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("no kind of transaction is called {text:?}"))
}
