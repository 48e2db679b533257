//! Changes of what is registered, as people type them. What is not named stays as it is.

use super::registry::Mac;
use super::{Because, LinkTarget, Named};
use clap::Args;

/// What every change takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Trial {
    /// Say what would change, and whether it may; record nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("link-settings").required(true).multiple(true)
    .args(["address", "dialect", "framing", "answer_timeout_ms", "connections", "credit"])))]
pub(crate) struct ChangeLink {
    #[command(flatten)]
    pub(crate) target: LinkTarget,
    /// Where its host is from now on, as in `link add`. Its connections are let go; reversals that wait go to the new one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// What its host speaks from now on, as `dialect list` names it: the link has to be down, or drained.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// How its messages are framed from now on, as `decode --frame` names it. Its connections are let go.
    #[arg(long, value_name = "KIND")]
    pub(crate) framing: Option<String>,
    /// Milliseconds to wait for an answer; its connections stay.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=300_000))]
    pub(crate) answer_timeout_ms: Option<u32>,
    /// How many connections it has at a time; those that stay go on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) connections: Option<u8>,
    /// Requests that the host may have unanswered over all of them, or `default` for what the configuration says; its connections stay.
    #[arg(long, value_name = "N|default", value_parser = credit)]
    pub(crate) credit: Option<u32>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Zero is what the configuration says.
fn credit(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number @ 1..=65_536) => Ok(number),
        _ if text == "default" => Ok(0),
        _ => Err("neither 1 to 65536 nor default".to_owned()),
    }
}

#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("merchant-settings").required(true).multiple(true)
    .args(["name", "mcc", "fee_plan", "account_holder", "account_number", "account_cnaps"])))]
pub(crate) struct ChangeMerchant {
    #[command(flatten)]
    pub(crate) named: Named,
    /// Its name.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Merchant category code.
    #[arg(long, value_name = "MCC", value_parser = clap::value_parser!(u16).range(1..=9_999))]
    pub(crate) mcc: Option<u16>,
    /// Number of the fee plan for its transactions from now on.
    #[arg(long, value_name = "N")]
    pub(crate) fee_plan: Option<u32>,
    /// Holder of the account that payouts go to: also those of days that are cut and not settled yet.
    #[arg(long, value_name = "TEXT")]
    pub(crate) account_holder: Option<String>,
    /// Number of that account.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) account_number: Option<String>,
    /// CNAPS code of its bank, 12 digits.
    #[arg(long, value_name = "CODE")]
    pub(crate) account_cnaps: Option<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("terminal-settings").required(true).multiple(true)
    .args(["merchant", "mac", "takes_partial"])))]
pub(crate) struct ChangeTerminal {
    #[command(flatten)]
    pub(crate) named: Named,
    /// Whose it is from now on (DE 42): its batch has to be empty.
    #[arg(long, value_name = "MID")]
    pub(crate) merchant: Option<String>,
    /// How it authenticates messages from now on; it hears 77 until it has signed on for keys of this kind.
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) mac: Option<Mac>,
    /// Whether it understands that a part of the amount was approved: true or false.
    #[arg(long, value_name = "BOOL")]
    pub(crate) takes_partial: Option<bool>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

impl ChangeLink {
    pub(crate) fn because(&self) -> &Because {
        &self.target.because
    }
}
