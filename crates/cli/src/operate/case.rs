//! `case`: differences between terminals' batches and the host's, and reversals that were refused.

use super::{give, nothing, object, rows, state};
use crate::Verdict;
use crate::arguments::{CaseCommand, Output};
use crate::history::each_record;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{OpenCase, Order};
use switchyard_domain::{
    BatchCase, BatchNumber, CaseId, Record, Stamped, TerminalId, TerminalIndex, Timestamp,
};

const COLUMNS: [&str; 9] =
    ["case", "terminal", "batch", "stan", "differs", "terminal_minor", "host_minor", "since", "finding"];

pub(crate) fn run(command: &CaseCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        CaseCommand::List { all: false } => {
            let state = state(data)?;
            let name = |index| state.registry().terminal_id(index);
            let open = state.open_cases().map(|(id, open)| row(id, open, name(open.terminal)));
            rows(&COLUMNS, open.collect(), form)
        }
        CaseCommand::List { all: true } => rows(&COLUMNS, Told::read(data)?.cases, form),
        CaseCommand::Show { case } => {
            let cases = Told::read(data)?.cases;
            let found = usize::try_from(*case).ok().and_then(|number| cases.get(number));
            found.map_or_else(|| nothing("there is no such case", form), |case| object(case, form))
        }
        CaseCommand::Resolve { case, finding, because } => {
            let (case, finding) = (CaseId(*case), (*finding).into());
            let order = Order::ResolveCase { case, finding, reason: because.reason.clone() };
            give(order, because, data, form)
        }
    }
}

fn row(id: CaseId, open: &OpenCase, terminal: Option<TerminalId>) -> Value {
    let case = open.case;
    json!({
        "case": id.0, "terminal": terminal, "batch": open.batch, "stan": case.stan, "differs": case.kind,
        "terminal_minor": case.terminal_minor, "host_minor": case.host_minor, "since": open.at.to_string(),
    })
}

/// Every case that there ever was, as the records tell them, by number.
#[derive(Default)]
struct Told {
    terminals: Vec<TerminalId>,
    cases: Vec<Value>,
}

impl Told {
    fn read(data: &Path) -> Result<Self> {
        let mut told = Self::default();
        each_record(data, |_, stamped| {
            told.observe(stamped);
            Ok(())
        })?;
        Ok(told)
    }

    fn observe(&mut self, stamped: &Stamped) {
        match &stamped.record {
            Record::TerminalRegistered(terminal) => self.terminals.push(terminal.id),
            Record::BatchUploadEnded { terminal, batch, cases, .. }
            | Record::BatchForceClosed { terminal, batch, cases, .. }
            | Record::BatchCompared { terminal, batch, cases } => {
                cases.iter().for_each(|case| self.arise(*terminal, *batch, *case, stamped.at));
            }
            Record::CaseRaised { terminal, batch, case, .. } => {
                self.arise(*terminal, *batch, *case, stamped.at)
            }
            Record::CaseResolved { case, finding, reason } => {
                let known = usize::try_from(case.0).ok().and_then(|number| self.cases.get_mut(number));
                if let Some(row) = known {
                    row["finding"] = json!(finding);
                    row["settled_at"] = stamped.at.to_string().into();
                    row["settled_by"] = json!(stamped.actor);
                    row["reason"] = reason.as_str().into();
                }
            }
            _ => {}
        }
    }
    fn arise(&mut self, terminal: TerminalIndex, batch: BatchNumber, case: BatchCase, at: Timestamp) {
        let name = self.terminals.get(terminal.0 as usize).copied();
        let id = CaseId(self.cases.len() as u64);
        self.cases.push(row(id, &OpenCase { terminal, batch, case, at }, name));
    }
}
