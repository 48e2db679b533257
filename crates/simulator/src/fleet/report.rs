//! What a fleet did and believes.

use super::scenario::Scenario;
use crate::terminal::{CloseReport, FinalState};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use switchyard_domain::{BatchNumber, ResponseCode, Rrn, Stan, TerminalId, TransactionKind};

/// Faults kept in full; the rest is counted.
pub const FAULTS_KEPT_MAX: usize = 200;

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: u64,
    /// 99 % were faster.
    pub p99: u64,
    /// 99.9 % were faster.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}
impl Percentiles {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// One transaction as its terminal believes it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetOutcome {
    /// The terminal.
    pub tid: TerminalId,
    /// Its batch.
    pub batch: BatchNumber,
    /// Its trace number.
    pub stan: Stan,
    /// What was asked.
    pub kind: TransactionKind,
    /// Minor units.
    pub amount_minor: u64,
    /// DE 39.
    pub code: Option<ResponseCode>,
    /// DE 37.
    pub rrn: Option<Rrn>,
    /// What the terminal believes.
    pub state: FinalState,
    /// Why it was asked like this.
    pub scenario: Scenario,
    /// The switch refuses it without a record (A0, 30, 97, 77): its ledger does not have it.
    pub unrecorded: bool,
}

/// Something that should not have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetFault {
    /// The terminal.
    pub tid: TerminalId,
    /// What it did.
    pub scenario: String,
    /// Trace number, where there is one.
    pub stan: Option<Stan>,
    /// What was right.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct FleetReport {
    /// Orders carried out.
    pub sent: u64,
    /// Of these approved.
    pub approved: u64,
    /// Refused, by code.
    pub declined: BTreeMap<String, u64>,
    /// Undone after a lost answer.
    pub reversed: u64,
    /// Without an answer, even to their reversal.
    pub unknown: u64,
    /// Requests sent twice that got the same answer twice.
    pub repeats: u64,
    /// Requests of a journal that were ended after a restart.
    pub recovered: u64,
    /// Messages of every kind.
    pub messages: u64,
    /// Batches closed.
    pub batches: Vec<CloseReport>,
    /// What should not have been; the first of them.
    pub errors: Vec<FleetFault>,
    /// How many there were.
    pub errors_count: u64,
    /// From request to verified reply.
    pub latency_us: Percentiles,
    /// Milliseconds from first to last message.
    pub elapsed_ms: u64,
    /// Orders by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Every transaction, by terminal, batch and trace number.
    pub outcomes: Vec<FleetOutcome>,
}

/// What one terminal adds to the report.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) outcomes: Vec<FleetOutcome>,
    pub(super) batches: Vec<CloseReport>,
    pub(super) errors: Vec<FleetFault>,
    pub(super) errors_count: u64,
    pub(super) repeats: u64,
    pub(super) recovered: u64,
    pub(super) echoes: u64,
    pub(super) messages: u64,
}
impl Part {
    pub(super) fn fault(&mut self, fault: FleetFault) {
        self.errors_count += 1;
        if self.errors.len() < FAULTS_KEPT_MAX {
            self.errors.push(fault);
        }
    }
}

impl FleetReport {
    pub(super) fn of(parts: Vec<Part>, latency: &Histogram<u64>, elapsed_ms: u64) -> Self {
        let mut report = Self {
            sent: 0,
            approved: 0,
            declined: BTreeMap::new(),
            reversed: 0,
            unknown: 0,
            repeats: 0,
            recovered: 0,
            messages: 0,
            batches: Vec::new(),
            errors: Vec::new(),
            errors_count: 0,
            latency_us: Percentiles::of(latency),
            elapsed_ms,
            kinds: BTreeMap::new(),
            outcomes: Vec::new(),
        };
        for part in parts {
            report.add(part);
        }
        report.outcomes.sort_by_key(|o| (o.tid, o.batch, o.stan));
        report
    }
    fn add(&mut self, part: Part) {
        for outcome in &part.outcomes {
            self.sent += 1;
            match (outcome.state, outcome.code) {
                (FinalState::Approved, _) => self.approved += 1,
                (FinalState::Reversed, _) => self.reversed += 1,
                (FinalState::Declined, Some(code)) => {
                    *self.declined.entry(code.to_string()).or_default() += 1;
                }
                // The switch hung up on a request that it could not read.
                (FinalState::Declined, None) => *self.declined.entry("closed".to_owned()).or_default() += 1,
                (FinalState::Unknown, _) => self.unknown += 1,
            }
            *self.kinds.entry(kind_name(outcome.kind).to_owned()).or_default() += 1;
        }
        if part.echoes > 0 {
            *self.kinds.entry("echo".to_owned()).or_default() += part.echoes;
        }
        self.outcomes.extend(part.outcomes);
        self.batches.extend(part.batches);
        self.repeats += part.repeats;
        self.recovered += part.recovered;
        self.messages += part.messages;
        self.errors_count += part.errors_count;
        let room = FAULTS_KEPT_MAX.saturating_sub(self.errors.len());
        self.errors.extend(part.errors.into_iter().take(room));
    }
}

fn kind_name(kind: TransactionKind) -> &'static str {
    match kind {
        TransactionKind::Sale => "sale",
        TransactionKind::Void => "void",
        TransactionKind::Refund => "refund",
        TransactionKind::BalanceInquiry => "balance_inquiry",
        TransactionKind::PreAuth => "pre_auth",
        TransactionKind::PreAuthVoid => "pre_auth_void",
        TransactionKind::Completion => "completion",
        TransactionKind::CompletionVoid => "completion_void",
        TransactionKind::OfflineSale => "offline_sale",
        TransactionKind::CompletionAdvice => "completion_advice",
        TransactionKind::Tip => "tip",
        TransactionKind::CashAdvance => "cash_advance",
        TransactionKind::CardRepayment => "card_repayment",
        TransactionKind::TopUp => "top_up",
        TransactionKind::PreAuthAdvice => "pre_auth_advice",
    }
}
