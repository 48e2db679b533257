//! Questions about the registry, as the command line asks them: of a running switch over the administrators'
//! socket, or of a projector of its own.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchyard_domain::{MerchantId, TerminalId};
use switchyard_ledger::projection::Trouble;

use super::rows::{MerchantRow, TerminalRow};
use super::{Source, list, merchant, terminal};
use crate::custody;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Ask {
    /// Merchants in the order of their numbers, from behind one on.
    Merchants {
        /// The number.
        after: Option<u32>,
        /// At most so many.
        limit: usize,
    },
    /// One merchant.
    Merchant {
        /// DE 42.
        id: MerchantId,
    },
    /// Terminals in the order of their numbers, from behind one on.
    Terminals {
        /// The number.
        after: Option<u32>,
        /// At most so many.
        limit: usize,
    },
    /// One terminal.
    Terminal {
        /// DE 41.
        id: TerminalId,
    },
}

/// The rows that answer a question, as JSON objects; none when there is nobody of the name.
///
/// # Errors
/// [`Trouble`] when there are no rows to be had.
pub fn answer(source: &mut impl Source, ask: &Ask) -> Result<Vec<Value>, Trouble> {
    match ask {
        Ask::Merchants { after, limit } => {
            Ok(list::<MerchantRow>(source, *after, *limit)?.iter().map(merchant_json).collect())
        }
        Ask::Merchant { id } => Ok(merchant(source, id)?.iter().map(merchant_json).collect()),
        Ask::Terminals { after, limit } => {
            let rows = list::<TerminalRow>(source, *after, *limit)?;
            rows.iter().map(|row| terminal_json(source, row)).collect()
        }
        Ask::Terminal { id } => {
            let row = terminal(source, id)?;
            row.iter().map(|row| terminal_json(source, row)).collect()
        }
    }
}

/// Of a bank account people see the last four characters.
fn merchant_json(row: &MerchantRow) -> Value {
    let merchant = &row.merchant;
    let number: Vec<char> = merchant.account.number.chars().collect();
    let shown: String = number[number.len().saturating_sub(4)..].iter().collect();
    json!({
        "number": row.number, "mid": merchant.id, "name": merchant.name,
        "mcc": format!("{:04}", merchant.mcc), "fee_plan": merchant.fee_plan,
        "account": {"holder": merchant.account.holder, "number": format!("…{shown}"), "cnaps": merchant.account.cnaps},
        "disabled": row.disabled, "registered_at": row.registered_at.to_string(),
    })
}

/// What is shown of a key: nothing while it is still to come.
fn kcv(check_value: &[u8; 4]) -> Option<String> {
    (*check_value != [0; 4]).then(|| custody::text(check_value))
}

fn terminal_json(source: &mut impl Source, row: &TerminalRow) -> Result<Value, Trouble> {
    let merchant = source.row(&super::project::key(b'm', row.merchant.0))?;
    let merchant: Option<MerchantRow> = merchant.map(|bytes| super::decode(&bytes)).transpose()?;
    let offered = row.offered.map(
        |offered| json!({"kcv": custody::text(&offered.check_value), "until": offered.until.to_string()}),
    );
    Ok(json!({
        "number": row.number, "tid": row.id, "mid": merchant.map(|row| row.merchant.id),
        "dialect": row.profile.dialect.name(), "carries_mac": row.profile.carries_mac,
        "takes_partial": row.profile.takes_partial, "mac": row.mac, "kcv": kcv(&row.check_value), "signed_on": row.signed_on, "key_version": row.key_version,
        "batch": row.batch, "signed_on_at": row.signed_on_at.map(|at| at.to_string()),
        "disabled": row.disabled, "registered_at": row.registered_at.to_string(), "offered_key": offered,
    }))
}
