//! Metrics: names as constants, descriptions beside them, handles made once.
//!
//! Each switch has a recorder of its own, so that several can live in one process, as tests want.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use switchyard_domain::ResponseCode;

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
/// 1 when a link has a connection, by `link`.
pub const LINK_UP: &str = "switch_link_up";
/// Messages sent to an issuer, by `link`.
pub const LINK_SENT: &str = "switch_link_messages_sent_total";
/// Messages received from an issuer, by `link`.
pub const LINK_RECEIVED: &str = "switch_link_messages_received_total";
/// Requests that came back unsent, by `link`.
pub const LINK_UNSENT: &str = "switch_link_requests_unsent_total";
/// Connections lost, by `link`.
pub const LINK_LOST: &str = "switch_link_connections_lost_total";

/// Bounds of the request histogram, seconds: they bracket the 10 ms that half load is held to.
const REQUEST_SECONDS_BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.1, 0.5, 2.0, 30.0];
const CORE_BATCH_BOUNDS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)* }
        impl $name {
            pub(crate) const LABELS: &[&str] = &[$($label),*];
        }
    };
}

labels!(
    /// Why a terminal's connection ended.
    Closed {
        /// The peer closed it.
        Peer = "peer",
        /// Nothing came for too long.
        Idle = "idle",
        /// A frame was not complete in time.
        FrameDeadline = "frame_deadline",
        /// The length cannot be.
        BadLength = "bad_length",
        /// TPDU or header cannot be.
        BadEnvelope = "bad_envelope",
        /// Too many messages in a row that cannot be answered.
        Garbage = "garbage",
        /// TLS was not agreed on.
        Handshake = "handshake",
        /// Its certificate is another terminal's.
        Certificate = "certificate",
        /// It did not take its answers.
        OutputDeadline = "output_deadline",
        /// The operating system reported an error.
        Error = "error",
        /// The switch stops.
        Shutdown = "shutdown",
    }
);
labels!(
    /// Classes of response codes: what a terminal does next.
    CodeClass {
        /// A: approved.
        Approved = "approved",
        /// B: to be corrected and sent again.
        Retry = "retry",
        /// C: declined.
        Declined = "declined",
        /// D: capture the card or stop.
        Capture = "capture",
        /// E: the outcome is unknown.
        Unknown = "unknown",
    }
);
labels!(
    /// How work with keys ended.
    KeyOutcome {
        /// A PIN was right.
        Verified = "verified",
        /// A PIN was wrong.
        Wrong = "wrong",
        /// A PIN block was malformed.
        Malformed = "malformed",
        /// A PIN was brought under a link's key.
        Translated = "translated",
        /// Keys were made.
        Made = "made",
        /// It could not be done.
        Failed = "failed",
    }
);

impl Closed {
    /// For the log.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

impl CodeClass {
    pub(crate) fn of(code: ResponseCode) -> Self {
        match code.as_bytes() {
            _ if code.is_approval() => Self::Approved,
            b"09" | b"13" | b"14" | b"42" | b"99" | b"A0" => Self::Retry,
            b"04" | b"07" | b"33" | b"34" | b"35" | b"36" | b"37" | b"38" | b"41" | b"43" | b"67" | b"77"
            | b"97" => Self::Capture,
            b"06" | b"98" => Self::Unknown,
            _ => Self::Declined,
        }
    }
}

/// Every handle of a switch.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    prometheus: PrometheusHandle,
    handles: Handles,
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
    replies: Vec<Counter>,
    pub(crate) replies_undelivered: Counter,
    pub(crate) request_seconds: Histogram,
    pub(crate) core_batch_inputs: Histogram,
    pub(crate) ledger_records: Counter,
    pub(crate) ledger_sync_seconds: Gauge,
    pub(crate) ledger_full: Gauge,
    pub(crate) index_behind_records: Gauge,
    pub(crate) projections_behind_records: Gauge,
    key_jobs: Vec<Counter>,
    pub(crate) hsm_up: Gauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// The handles of one link.
pub(crate) struct LinkMetrics {
    pub(crate) up: Gauge,
    pub(crate) sent: Counter,
    pub(crate) received: Counter,
    pub(crate) unsent: Counter,
    pub(crate) lost: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let bounds =
            [(REQUEST_SECONDS, &REQUEST_SECONDS_BOUNDS[..]), (CORE_BATCH_INPUTS, &CORE_BATCH_BOUNDS)];
        let builder = bounds.into_iter().fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
            builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .expect("the bounds are constants and not empty")
        });
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
                replies: labelled(REPLIES, "class", CodeClass::LABELS),
                replies_undelivered: counter!(REPLIES_UNDELIVERED),
                request_seconds: histogram!(REQUEST_SECONDS),
                core_batch_inputs: histogram!(CORE_BATCH_INPUTS),
                ledger_records: counter!(LEDGER_RECORDS),
                ledger_sync_seconds: gauge!(LEDGER_SYNC_SECONDS),
                ledger_full: gauge!(LEDGER_FULL),
                index_behind_records: gauge!(INDEX_BEHIND_RECORDS),
                projections_behind_records: gauge!(PROJECTIONS_BEHIND_RECORDS),
                key_jobs: labelled(KEY_JOBS, "outcome", KeyOutcome::LABELS),
                hsm_up: gauge!(HSM_UP),
            }
        });
        Self { prometheus: recorder.handle(), recorder, handles }
    }

    /// The handles of a link, made when it is registered. Links are few and named by operators.
    pub(crate) fn link(&self, name: &str) -> LinkMetrics {
        metrics::with_local_recorder(&self.recorder, || LinkMetrics {
            up: gauge!(LINK_UP, "link" => name.to_owned()),
            sent: counter!(LINK_SENT, "link" => name.to_owned()),
            received: counter!(LINK_RECEIVED, "link" => name.to_owned()),
            unsent: counter!(LINK_UNSENT, "link" => name.to_owned()),
            lost: counter!(LINK_LOST, "link" => name.to_owned()),
        })
    }

    pub(crate) fn closed(&self, reason: Closed) {
        self.connections_closed[reason as usize].increment(1);
    }
    pub(crate) fn replied(&self, code: ResponseCode) {
        self.replies[CodeClass::of(code) as usize].increment(1);
    }
    pub(crate) fn key_job(&self, outcome: KeyOutcome) {
        self.key_jobs[outcome as usize].increment(1);
    }
    /// The page that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.prometheus.render()
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
    describe_counter!(LOGIN_FAILURES, Unit::Count, "logins of people with a wrong user or password");
    describe_counter!(REPLIES, Unit::Count, "answers to terminals, by class of the response code");
    describe_counter!(REPLIES_UNDELIVERED, Unit::Count, "answers whose connection was gone");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "from the read of a request to the write of its answer"
    );
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
    describe_gauge!(LINK_UP, Unit::Count, "1 when a link has a connection");
    describe_counter!(LINK_SENT, Unit::Count, "messages sent to an issuer");
    describe_counter!(LINK_RECEIVED, Unit::Count, "messages received from an issuer");
    describe_counter!(LINK_UNSENT, Unit::Count, "requests that came back unsent");
    describe_counter!(LINK_LOST, Unit::Count, "connections of a link that were lost");
}
