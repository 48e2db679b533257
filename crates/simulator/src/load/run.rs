//! What a load run is made of and what it measures.

use super::lane::{Lane, LaneResult};
use super::prepare::prepare;
use crate::error::SimError;
use crate::fleet::Percentiles;
use crate::terminal::latency_histogram;
use crate::world::DemoWorld;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests that are prepared for one run.
pub const LOAD_REQUESTS_MAX: u64 = 4_000_000;
/// Connections of one run.
pub const LOAD_CONNECTIONS_MAX: usize = 4_096;

/// A load run.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// `host:port` of the switch.
    pub target: String,
    /// Who takes part; its terminals are dealt to the connections.
    pub world: DemoWorld,
    /// Sales.
    pub transactions: u64,
    /// Connections, at most one a terminal.
    pub connections: usize,
    /// Requests in flight on each.
    pub window: usize,
    /// Whether a PIN goes along.
    pub with_pin: bool,
    /// Whether only cards of the switch's own issuer are used.
    pub on_us_only: bool,
    /// Stops sending after this.
    pub time_limit: Option<Duration>,
    /// Gives up when no reply comes for this long.
    pub answer_timeout: Duration,
    /// Seed of cards and amounts.
    pub seed: u64,
    /// Verifies the MAC of one in this many replies; zero verifies none.
    pub verify_every: u64,
}

impl LoadConfig {
    /// On-us sales with a PIN over four connections with 64 in flight.
    pub fn new(target: impl Into<String>, world: DemoWorld, transactions: u64) -> Self {
        Self {
            target: target.into(),
            world,
            transactions,
            connections: 4,
            window: 64,
            with_pin: true,
            on_us_only: true,
            time_limit: None,
            answer_timeout: Duration::from_secs(30),
            seed: 1,
            verify_every: 64,
        }
    }
}

/// What a load run measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// Requests sent.
    pub sent: u64,
    /// Answered with 00.
    pub approved: u64,
    /// Refused, by code.
    pub declined: BTreeMap<String, u64>,
    /// Without an answer.
    pub unanswered: u64,
    /// Replies whose MAC was checked and wrong.
    pub mac_errors: u64,
    /// Replies to nothing that was sent.
    pub strays: u64,
    /// Milliseconds from the first request to the last reply.
    pub elapsed_ms: u64,
    /// Replies a second.
    pub throughput_per_s: f64,
    /// From request to reply.
    pub latency_us: Percentiles,
    /// Milliseconds of sign-on and preparation before.
    pub prepared_ms: u64,
    /// Terminals used.
    pub terminals: usize,
    /// Connections used.
    pub connections: usize,
    /// Requests in flight on each.
    pub window: usize,
}

/// Signs the terminals on, prepares every request, then sends them as fast as the windows let.
///
/// # Errors
/// [`SimError::World`] without a terminal or a card, [`SimError::Limit`] for too much at once, and what
/// stops a terminal from signing on.
pub async fn run_load(config: LoadConfig) -> Result<LoadReport, SimError> {
    if config.transactions > LOAD_REQUESTS_MAX || config.connections > LOAD_CONNECTIONS_MAX {
        return Err(SimError::Limit { what: "requests or connections of a load run" });
    }
    let begun = Instant::now();
    let prepared = prepare(&config).await?;
    let prepared_ms = begun.elapsed().as_millis() as u64;
    let (connections, terminals) = (prepared.len(), prepared.iter().map(|p| p.terminals.len()).sum());
    let mut lanes = Vec::with_capacity(connections);
    for prepared in prepared {
        lanes.push(Lane::connect(&config, prepared).await?);
    }
    let started = Instant::now();
    let deadline = config.time_limit.map(|limit| started + limit);
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(lane.run(deadline));
    }
    let mut total = LaneResult::new()?;
    while let Some(ended) = tasks.join_next().await {
        let result = ended.map_err(|_| SimError::Limit { what: "a connection panicked" })??;
        total.add(result)?;
    }
    // To the last reply, not to the moment at which its absence was noticed.
    let elapsed = total.last_reply.map_or_else(|| started.elapsed(), |at| at.duration_since(started));
    Ok(LoadReport {
        sent: total.sent,
        approved: total.approved,
        unanswered: total.sent.saturating_sub(total.replies),
        declined: total.declined,
        mac_errors: total.mac_errors,
        strays: total.strays,
        elapsed_ms: elapsed.as_millis() as u64,
        throughput_per_s: total.replies as f64 / elapsed.as_secs_f64().max(1e-6),
        latency_us: Percentiles::of(&total.latency),
        prepared_ms,
        terminals,
        connections,
        window: config.window,
    })
}

impl LaneResult {
    pub(super) fn new() -> Result<Self, SimError> {
        Ok(Self {
            sent: 0,
            replies: 0,
            approved: 0,
            declined: BTreeMap::new(),
            mac_errors: 0,
            strays: 0,
            latency: latency_histogram()?,
            last_reply: None,
        })
    }
    fn add(&mut self, other: Self) -> Result<(), SimError> {
        self.sent += other.sent;
        self.replies += other.replies;
        self.approved += other.approved;
        self.mac_errors += other.mac_errors;
        self.strays += other.strays;
        self.last_reply = self.last_reply.max(other.last_reply);
        for (code, count) in other.declined {
            *self.declined.entry(code).or_default() += count;
        }
        self.latency.add(&other.latency).map_err(|_| SimError::Limit { what: "histogram" })
    }
}
