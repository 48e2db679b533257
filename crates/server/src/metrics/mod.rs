//! Metrics: names as constants, descriptions beside them, handles made once.
//!
//! Each switch has a recorder of its own, so that several can live in one process, as tests want.

mod labels;
mod latency;
mod link;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use switchyard_domain::{Outcome, Record, ResponseCode};

pub(crate) use labels::{Closed, CodeClass, Finding, KeyOutcome};
use latency::Latency;
pub use latency::LatencyCounts;
pub(crate) use link::{Codes, LinkMetrics};
pub use link::{
    LINK_ANSWER_SECONDS, LINK_ANSWERS, LINK_CONNECTIONS, LINK_CONNECTIONS_SIGNED_ON, LINK_KEY_CHANGES,
    LINK_LOST, LINK_QUEUE, LINK_RECEIVED, LINK_RESTING, LINK_SENT, LINK_SIGN_ONS_REFUSED, LINK_SIGNED_ON,
    LINK_TIMEOUTS, LINK_UNMATCHED, LINK_UNREADABLE, LINK_UNSENT, LINK_UP, REPLY_CODES,
};

/// Connections of terminals that are open.
pub const CONNECTIONS_OPEN: &str = "switch_connections_open";
/// Connections taken from terminals.
pub const CONNECTIONS_ACCEPTED: &str = "switch_connections_accepted_total";
/// Connections refused at a limit.
pub const CONNECTIONS_REFUSED: &str = "switch_connections_refused_total";
/// HTTP connections refused at their limit.
pub const HTTP_CONNECTIONS_REFUSED: &str = "switch_http_connections_refused_total";
/// Connections closed, by `reason`.
pub const CONNECTIONS_CLOSED: &str = "switch_connections_closed_total";
/// Frames that terminals sent.
pub const FRAMES_RECEIVED: &str = "switch_frames_received_total";
/// Messages that do not parse, answered 30 or dropped.
pub const MESSAGES_MALFORMED: &str = "switch_messages_malformed_total";
/// Requests handed to the core.
pub const REQUESTS: &str = "switch_requests_total";
/// Requests answered 96 because the switch had too much to do.
pub const REQUESTS_SHED: &str = "switch_requests_shed_total";
/// Requests whose MAC was wrong or absent.
pub const MAC_FAILURES: &str = "switch_mac_failures_total";
/// Terminals that were disabled because of too many wrong MACs in a row.
pub const TERMINALS_LOCKED_OUT: &str = "switch_terminals_locked_out_total";
/// Logins of people with a wrong user or password.
pub const LOGIN_FAILURES: &str = "switch_login_failures_total";
/// Answers, by `class` of their response code.
pub const REPLIES: &str = "switch_replies_total";
/// Answers whose connection was gone.
pub const REPLIES_UNDELIVERED: &str = "switch_replies_undelivered_total";
/// From the read of a request to the write of its answer.
pub const REQUEST_SECONDS: &str = "switch_request_seconds";
/// Inputs that the core took at once.
pub const CORE_BATCH_INPUTS: &str = "switch_core_batch_inputs";
/// Records handed to the ledger.
pub const LEDGER_RECORDS: &str = "switch_ledger_records_total";
/// Duration of the last append to the ledger.
pub const LEDGER_SYNC_SECONDS: &str = "switch_ledger_sync_seconds";
/// 1 when the ledger takes no more for want of space.
pub const LEDGER_FULL: &str = "switch_ledger_full";
/// Durable records that are not in the index yet; lookups read them from the ledger.
pub const INDEX_BEHIND_RECORDS: &str = "switch_index_behind_records";
/// Durable records that the projections do not know yet; all of them while there are no projections.
pub const PROJECTIONS_BEHIND_RECORDS: &str = "switch_projections_behind_records";
/// PIN work and key making, by `outcome`.
pub const KEY_JOBS: &str = "switch_key_jobs_total";
/// 1 when the HSM takes commands.
pub const HSM_UP: &str = "switch_hsm_up";
/// Transactions begun, by `kind`.
pub const TRANSACTIONS: &str = "switch_transactions_total";
/// Outcomes of transactions, by `outcome`.
pub const OUTCOMES: &str = "switch_outcomes_total";
/// What the risk rules found, by `verdict`.
pub const RISK: &str = "switch_risk_total";
/// Transactions whose outcome nobody knows yet.
pub const UNRESOLVED: &str = "switch_transactions_unresolved";
/// Reversals, advices and results of scripts that wait for an issuer.
pub const SAF_WAITING: &str = "switch_saf_waiting";
/// Reversals, advices and results of scripts that gave up and wait for an operator.
pub const SAF_DEAD: &str = "switch_saf_dead";
/// Payouts that are held and wait for an operator.
pub const PAYOUTS_HELD: &str = "switch_payouts_held";
/// What chips made of issuers' scripts, by `step`.
pub const SCRIPT_RESULTS: &str = "switch_script_results_total";
/// Inputs that wait for the core.
pub const CORE_QUEUE: &str = "switch_core_queue_inputs";
/// PIN work and key making that waits.
pub const KEY_QUEUE: &str = "switch_key_queue_jobs";
/// Administrators' connections that are open.
pub const ADMIN_CONNECTIONS_OPEN: &str = "switch_admin_connections_open";
/// Administrators' connections refused at their limit.
pub const ADMIN_CONNECTIONS_REFUSED: &str = "switch_admin_connections_refused_total";

const CORE_BATCH_BOUNDS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

/// Every handle of a switch.
pub(crate) struct Metrics {
    prometheus: PrometheusHandle,
    handles: Handles,
    /// From the read of a request to the write of its answer.
    pub(crate) request: Latency,
    /// Answers to terminals.
    pub(crate) codes: Codes,
    links: RwLock<Vec<Arc<LinkMetrics>>>,
}

impl std::ops::Deref for Metrics {
    type Target = Handles;
    fn deref(&self) -> &Handles {
        &self.handles
    }
}

pub(crate) struct Handles {
    pub(crate) connections_open: Gauge,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) http_connections_refused: Counter,
    connections_closed: Vec<Counter>,
    pub(crate) frames_received: Counter,
    pub(crate) messages_malformed: Counter,
    pub(crate) requests: Counter,
    pub(crate) requests_shed: Counter,
    pub(crate) mac_failures: Counter,
    pub(crate) login_failures: Counter,
    pub(crate) terminals_locked_out: Counter,
    replies: Vec<Counter>,
    pub(crate) replies_undelivered: Counter,
    pub(crate) core_batch_inputs: Histogram,
    pub(crate) ledger_records: Counter,
    pub(crate) ledger_sync_seconds: Gauge,
    pub(crate) ledger_full: Gauge,
    pub(crate) index_behind_records: Gauge,
    pub(crate) projections_behind_records: Gauge,
    key_jobs: Vec<Counter>,
    pub(crate) hsm_up: Gauge,
    transactions: Vec<Counter>,
    outcomes: Vec<Counter>,
    risk: Vec<Counter>,
    pub(crate) unresolved: Gauge,
    pub(crate) saf_waiting: Gauge,
    pub(crate) saf_dead: Gauge,
    pub(crate) payouts_held: Gauge,
    script_results: Vec<Counter>,
    pub(crate) core_queue: Gauge,
    pub(crate) key_queue: Gauge,
    pub(crate) admin_connections_open: Gauge,
    pub(crate) admin_connections_refused: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(CORE_BATCH_INPUTS.to_owned()), &CORE_BATCH_BOUNDS)
            .expect("the bounds are constants and not empty");
        let recorder = builder.build_recorder();
        let handles = metrics::with_local_recorder(&recorder, || {
            describe();
            Handles {
                connections_open: gauge!(CONNECTIONS_OPEN),
                connections_accepted: counter!(CONNECTIONS_ACCEPTED),
                connections_refused: counter!(CONNECTIONS_REFUSED),
                http_connections_refused: counter!(HTTP_CONNECTIONS_REFUSED),
                connections_closed: labelled(CONNECTIONS_CLOSED, "reason", Closed::LABELS),
                frames_received: counter!(FRAMES_RECEIVED),
                messages_malformed: counter!(MESSAGES_MALFORMED),
                requests: counter!(REQUESTS),
                requests_shed: counter!(REQUESTS_SHED),
                mac_failures: counter!(MAC_FAILURES),
                login_failures: counter!(LOGIN_FAILURES),
                terminals_locked_out: counter!(TERMINALS_LOCKED_OUT),
                replies: labelled(REPLIES, "class", CodeClass::LABELS),
                replies_undelivered: counter!(REPLIES_UNDELIVERED),
                core_batch_inputs: histogram!(CORE_BATCH_INPUTS),
                ledger_records: counter!(LEDGER_RECORDS),
                ledger_sync_seconds: gauge!(LEDGER_SYNC_SECONDS),
                ledger_full: gauge!(LEDGER_FULL),
                index_behind_records: gauge!(INDEX_BEHIND_RECORDS),
                projections_behind_records: gauge!(PROJECTIONS_BEHIND_RECORDS),
                key_jobs: labelled(KEY_JOBS, "outcome", KeyOutcome::LABELS),
                hsm_up: gauge!(HSM_UP),
                transactions: labelled(TRANSACTIONS, "kind", labels::Kind::LABELS),
                outcomes: labelled(OUTCOMES, "outcome", labels::Ended::LABELS),
                risk: labelled(RISK, "verdict", Finding::LABELS),
                unresolved: gauge!(UNRESOLVED),
                saf_waiting: gauge!(SAF_WAITING),
                saf_dead: gauge!(SAF_DEAD),
                payouts_held: gauge!(PAYOUTS_HELD),
                script_results: labelled(SCRIPT_RESULTS, "step", labels::ScriptStep::LABELS),
                core_queue: gauge!(CORE_QUEUE),
                key_queue: gauge!(KEY_QUEUE),
                admin_connections_open: gauge!(ADMIN_CONNECTIONS_OPEN),
                admin_connections_refused: counter!(ADMIN_CONNECTIONS_REFUSED),
            }
        });
        Self {
            prometheus: recorder.handle(),
            handles,
            request: Latency::default(),
            codes: Codes::default(),
            links: RwLock::default(),
        }
    }

    /// What is counted of a link, made when it is registered. Links are few and named by operators.
    pub(crate) fn link(&self, name: &str) -> Arc<LinkMetrics> {
        let link = Arc::new(LinkMetrics::new(name));
        self.links.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&link));
        link
    }
    /// What is counted of every link, in the order of registration.
    pub(crate) fn links(&self) -> Vec<Arc<LinkMetrics>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn closed(&self, reason: Closed) {
        self.connections_closed[reason as usize].increment(1);
    }
    pub(crate) fn replied(&self, code: ResponseCode) {
        self.replies[CodeClass::of(code) as usize].increment(1);
        self.codes.count(code);
    }
    /// A request was answered this long after it was read.
    pub(crate) fn waited(&self, waited: Duration) {
        self.request.record(waited);
    }
    /// What a record says of a transaction's life.
    pub(crate) fn recorded(&self, record: &Record) {
        let (opened, outcome) = match record {
            Record::Opened(opened) => (Some(opened), None),
            Record::Decided { opened, outcome, .. } => (Some(opened), Some(*outcome)),
            Record::Advised { opened, .. } => (Some(opened), Some(Outcome::Approved)),
            Record::Resolved { outcome, .. } => (None, Some(*outcome)),
            Record::RiskFlagged { finding, .. } => {
                self.risk[Finding::of(finding.verdict) as usize].increment(1);
                return;
            }
            Record::ScriptReported { .. } => {
                self.script_results[labels::ScriptStep::Told as usize].increment(1);
                return;
            }
            Record::ScriptQueued { .. } => {
                self.script_results[labels::ScriptStep::Queued as usize].increment(1);
                return;
            }
            _ => return,
        };
        if let Some(opened) = opened {
            self.transactions[labels::Kind::of(opened.kind) as usize].increment(1);
        }
        if let Some(ended) = outcome.and_then(labels::Ended::of) {
            self.outcomes[ended as usize].increment(1);
        }
    }
    pub(crate) fn key_job(&self, outcome: KeyOutcome) {
        self.key_jobs[outcome as usize].increment(1);
    }
    /// The page that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        let mut page = self.prometheus.render();
        let help = "from the read of a request to the write of its answer";
        link::family(&mut page, REQUEST_SECONDS, "histogram", help);
        self.request.write(REQUEST_SECONDS, "", &mut page);
        self.codes.write(&mut page);
        link::write(&self.links(), &mut page);
        page
    }
    /// Moves what histograms collected into their buckets; without it their memory grows.
    pub(crate) fn upkeep(&self) {
        self.prometheus.run_upkeep();
    }
}

fn labelled(name: &'static str, label: &'static str, values: &[&'static str]) -> Vec<Counter> {
    values.iter().map(|value| counter!(name, label => *value)).collect()
}

fn describe() {
    describe_gauge!(CONNECTIONS_OPEN, Unit::Count, "connections of terminals that are open");
    describe_counter!(CONNECTIONS_ACCEPTED, Unit::Count, "connections taken from terminals");
    describe_counter!(CONNECTIONS_REFUSED, Unit::Count, "connections refused at a limit");
    describe_counter!(HTTP_CONNECTIONS_REFUSED, Unit::Count, "HTTP connections refused at their limit");
    describe_counter!(CONNECTIONS_CLOSED, Unit::Count, "connections of terminals closed, by reason");
    describe_counter!(FRAMES_RECEIVED, Unit::Count, "frames that terminals sent");
    describe_counter!(MESSAGES_MALFORMED, Unit::Count, "messages that do not parse");
    describe_counter!(REQUESTS, Unit::Count, "requests handed to the core");
    describe_counter!(REQUESTS_SHED, Unit::Count, "requests answered 96 for want of room");
    describe_counter!(MAC_FAILURES, Unit::Count, "requests whose MAC is wrong or absent");
    describe_counter!(
        TERMINALS_LOCKED_OUT,
        Unit::Count,
        "terminals disabled because of too many wrong MACs in a row"
    );
    describe_counter!(LOGIN_FAILURES, Unit::Count, "logins of people with a wrong user or password");
    describe_counter!(REPLIES, Unit::Count, "answers to terminals, by class of the response code");
    describe_counter!(REPLIES_UNDELIVERED, Unit::Count, "answers whose connection was gone");
    describe_histogram!(CORE_BATCH_INPUTS, Unit::Count, "inputs that the core took at once");
    describe_counter!(LEDGER_RECORDS, Unit::Count, "records handed to the ledger");
    describe_gauge!(LEDGER_SYNC_SECONDS, Unit::Seconds, "duration of the last append to the ledger");
    describe_gauge!(LEDGER_FULL, Unit::Count, "1 when the ledger takes no more for want of space");
    describe_gauge!(INDEX_BEHIND_RECORDS, Unit::Count, "Durable records that are not indexed yet");
    describe_gauge!(
        PROJECTIONS_BEHIND_RECORDS,
        Unit::Count,
        "Durable records that the projections do not know yet"
    );
    describe_counter!(KEY_JOBS, Unit::Count, "PIN work and key making, by outcome");
    describe_gauge!(HSM_UP, Unit::Count, "1 when the HSM takes commands");
    describe_counter!(TRANSACTIONS, Unit::Count, "transactions begun, by kind");
    describe_counter!(OUTCOMES, Unit::Count, "outcomes of transactions");
    describe_counter!(RISK, Unit::Count, "transactions in which a risk rule spoke, by what follows");
    describe_gauge!(UNRESOLVED, Unit::Count, "transactions whose outcome nobody knows yet");
    describe_gauge!(
        SAF_WAITING,
        Unit::Count,
        "reversals, advices and script results that wait for an issuer"
    );
    describe_gauge!(SAF_DEAD, Unit::Count, "reversals, advices and script results that wait for an operator");
    describe_gauge!(PAYOUTS_HELD, Unit::Count, "payouts that are held and wait for an operator");
    describe_counter!(SCRIPT_RESULTS, Unit::Count, "what chips made of issuers' scripts, by step");
    describe_gauge!(CORE_QUEUE, Unit::Count, "inputs that wait for the core");
    describe_gauge!(KEY_QUEUE, Unit::Count, "PIN work and key making that waits");
    describe_gauge!(ADMIN_CONNECTIONS_OPEN, Unit::Count, "administrators' connections that are open");
    describe_counter!(
        ADMIN_CONNECTIONS_REFUSED,
        Unit::Count,
        "administrators' connections refused at the limit"
    );
}
