//! What the demo did, for a newcomer and for programs.

use super::compare::Invariants;
use crate::arguments::Output;
use crate::ledger::Meaning;
use crate::output;
use crate::settle::{self, Settled};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use switchyard_domain::ResponseCode;
use switchyard_ledger::VerifyReport;
use switchyard_simulator::fleet::FleetReport;

pub(super) struct Report {
    pub(super) data: PathBuf,
    pub(super) fleet: FleetReport,
    pub(super) verified: Result<VerifyReport, String>,
    pub(super) meaning: Meaning,
    pub(super) settled: Settled,
    pub(super) invariants: Invariants,
    pub(super) findings: Vec<String>,
}

impl Report {
    pub(super) fn print(&self, form: Output) -> Result<()> {
        match form {
            Output::Json => output::json(&self.to_json()?),
            Output::Text => self.to_text(),
        }
    }

    fn throughput(&self) -> f64 {
        self.fleet.sent as f64 * 1_000.0 / (self.fleet.elapsed_ms.max(1) as f64)
    }

    fn to_json(&self) -> Result<Value> {
        let fleet = &self.fleet;
        let plan = settle::to_json(&self.settled.plan, Some((&self.settled.dir, &self.settled.files)));
        let ledger = match &self.verified {
            Ok(report) => json!({
                "records": report.records, "blocks": report.blocks, "root": report.root.to_string(), "verified": true,
            }),
            Err(finding) => json!({ "verified": false, "finding": finding }),
        };
        Ok(json!({
            "transactions": {
                "sent": fleet.sent, "approved": fleet.approved, "declined": fleet.declined,
                "reversed": fleet.reversed, "unknown": fleet.unknown, "repeated": fleet.repeats, "kinds": fleet.kinds,
            },
            "invariants": serde_json::to_value(self.invariants)?,
            "findings": self.findings,
            "batches": fleet.batches,
            "ledger": ledger,
            "settlement": plan,
            "throughput_per_s": self.throughput().round(),
            "latency_us": fleet.latency_us,
            "data": self.data.display().to_string(),
        }))
    }

    fn to_text(&self) -> Result<()> {
        self.transactions()?;
        self.batches()?;
        self.ledger()?;
        self.settlement()?;
        output::line("\nWhat has to hold")?;
        for (what, held) in self.invariants.list() {
            output::line(&format!("  {} {what}", if held { "yes" } else { " NO" }))?;
        }
        for finding in &self.findings {
            output::line(&format!("  - {finding}"))?;
        }
        let data = self.data.display();
        output::line("\nWhere to look")?;
        output::line(&format!(
            "  ledger           {data}/ledger       switchyard ledger verify --data {data}"
        ))?;
        output::line(&format!("  terminals wrote  {data}/terminals.jsonl"))?;
        output::line(&format!("  files to pay     {}", self.settled.dir.display()))?;
        output::line(&format!("  one transaction  switchyard ledger query --limit 5 --data {data}"))
    }

    fn transactions(&self) -> Result<()> {
        let fleet = &self.fleet;
        output::line("Transactions")?;
        output::line(&format!(
            "  {} sent, and {} echo tests: {} approved, {} reversed after a lost answer, {} declined",
            fleet.sent,
            fleet.kinds.get("echo").copied().unwrap_or_default(),
            fleet.approved,
            fleet.reversed,
            fleet.declined.values().sum::<u64>()
        ))?;
        for (code, count) in &fleet.declined {
            let meaning = code.parse::<ResponseCode>().ok().and_then(ResponseCode::meaning);
            let (zh, en) = meaning.unwrap_or(("连接已断", "the switch hung up"));
            output::line(&format!("    {code:>6}  {count:>6}  {en} {zh}"))?;
        }
        let kinds: Vec<String> =
            fleet.kinds.iter().map(|(kind, n)| format!("{} {n}", kind.replace('_', " "))).collect();
        output::line(&format!("  by kind: {}", kinds.join(", ")))?;
        output::line(&format!(
            "  {} requests were sent twice and heard the same answer twice",
            fleet.repeats
        ))?;
        let latency = fleet.latency_us;
        output::line(&format!(
            "  {:.0} a second; from request to verified answer p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms\n  \
             (the slowest waited for issuers that the demo makes silent now and then)",
            self.throughput(),
            latency.p50 as f64 / 1_000.0,
            latency.p99 as f64 / 1_000.0,
            latency.p999 as f64 / 1_000.0
        ))
    }

    fn batches(&self) -> Result<()> {
        let batches = &self.fleet.batches;
        let balanced = batches.iter().filter(|b| b.uploaded == 0).count();
        output::line("\nBatches")?;
        output::line(&format!("  {} closed, {balanced} balanced at once", batches.len()))?;
        for batch in batches.iter().filter(|b| b.uploaded > 0) {
            output::line(&format!(
                "  terminal {} batch {}: {}, {} transactions uploaded, {} to explain",
                batch.tid, batch.batch, batch.verdict, batch.uploaded, batch.cases
            ))?;
        }
        Ok(())
    }

    fn ledger(&self) -> Result<()> {
        output::line("\nLedger")?;
        match &self.verified {
            Ok(report) => {
                output::line(&format!(
                    "  {} records in {} blocks (one disk sync each)",
                    report.records, report.blocks
                ))?;
                output::line(&format!("  Merkle root {}", report.root))?;
            }
            Err(finding) => output::line(&format!("  NOT VERIFIED: {finding}"))?,
        }
        for (currency, debits, credits) in &self.meaning.trial {
            output::line(&format!("  trial balance {currency}: debits {debits} = credits {credits}"))?;
        }
        Ok(())
    }

    fn settlement(&self) -> Result<()> {
        let plan = &self.settled.plan;
        output::line(&format!("\nSettlement of {}", plan.day()))?;
        output::table(
            &["  merchant", "name", "sales", "refunds", "fees", "payout"],
            plan.merchants().iter().map(|net| {
                vec![
                    format!("  {}", net.id),
                    net.name.clone(),
                    settle::money(net.sales.minor),
                    settle::money(net.refunds.minor),
                    settle::money(net.fees_minor.into()),
                    settle::money(net.payout_minor.into()),
                ]
            }),
        )?;
        for file in self.settled.files.iter().filter(|f| f.name.starts_with("pain")) {
            output::line(&format!("  {}  sha256 {}", file.name, settle::hex(&file.sha256)))?;
        }
        Ok(())
    }
}
