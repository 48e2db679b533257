//! `limit`: what accounts take.

use super::change;
use crate::Verdict;
use crate::arguments::{Bound, LimitCommand, Output};
use crate::ledger::{account, open_index};
use crate::operate::{nothing, rows, state};
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use switchyard_core::Command;
use switchyard_domain::{AccountId, AccountRules};
use switchyard_server::index::Names;

pub(crate) fn run(command: &LimitCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        LimitCommand::List => {
            let state = state(data)?;
            let ruled = state.book().own_rules().map(|(account, rules)| row(account, rules));
            rows(&["account", "debit_minor", "credit_minor", "closed"], ruled.collect(), form)
        }
        LimitCommand::Set { account: text, debit, credit, closed, change: options } => {
            let index = open_index(data)?;
            let account = account::parse(text, &mut Names::new(&index))?;
            let before = state(data)?.book().rules(account);
            let bound = |new: &Option<Bound>, old| new.map_or(old, |Bound(minor)| minor);
            let rules = AccountRules {
                debit_limit_minor: bound(debit, before.debit_limit_minor),
                credit_limit_minor: bound(credit, before.credit_limit_minor),
                closed: closed.unwrap_or(before.closed),
            };
            change(Command::SetAccountRules { account, rules }, options, data, form)
        }
        LimitCommand::Remove { account: text, change: options } => {
            let index = open_index(data)?;
            let account = account::parse(text, &mut Names::new(&index))?;
            let own = state(data)?.book().own_rules().any(|(ruled, _)| ruled == account);
            if !own {
                return nothing(&format!("{text} has no rules of its own"), form);
            }
            let rules = AccountRules::of(account.kind);
            change(Command::SetAccountRules { account, rules }, options, data, form)
        }
    }
}

fn row(account: AccountId, rules: AccountRules) -> serde_json::Value {
    json!({
        "account": account.to_string(), "debit_minor": rules.debit_limit_minor,
        "credit_minor": rules.credit_limit_minor, "closed": rules.closed,
    })
}
