//! Everything that `switchyard top` shows, at one moment: counters since the start of the process, and what stands now.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use switchyard_core::{Command, CommandOutcome, LinkFacts};
use switchyard_domain::{Actor, LinkMode};

use crate::metrics::{LatencyCounts, LinkMetrics};
use crate::shared::Shared;
use crate::status::status;
use crate::switch::RunError;

/// A switch at one moment. Rates are differences between two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Milliseconds since the process began to serve, by a clock that nobody sets.
    pub uptime_ms: u64,
    /// As in [`Status`](crate::Status).
    pub phase: String,
    /// The business day that is open.
    pub day: Option<String>,
    /// Records decided so far.
    pub records: u64,
    /// Duration of the last group commit, microseconds.
    pub sync_micros: u64,
    /// Terminals registered.
    pub terminals: usize,
    /// Connections of terminals.
    pub connections: usize,
    /// Inputs that wait for the core.
    pub core_queue: usize,
    /// PIN work and key making that waits.
    pub key_queue: usize,
    /// Whether the HSM takes commands.
    pub hsm_up: bool,
    /// Whether new work is refused because the ledger's disk is nearly full.
    pub ledger_full: bool,
    /// Transactions whose outcome nobody knows yet, pending ones included.
    pub unresolved: usize,
    /// Reversals and advices that wait for an issuer.
    pub saf_waiting: usize,
    /// Reversals and advices that wait for an operator.
    pub saf_dead: usize,
    /// Payouts that are held and wait for an operator.
    pub payouts_held: usize,
    /// Answers to terminals: response codes that were used, and how often.
    pub codes: Vec<(String, u64)>,
    /// From the read of a request to the write of its answer.
    pub request: LatencyCounts,
    /// Links in the order of registration.
    pub links: Vec<LinkOverview>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOverview {
    /// Its name.
    pub name: String,
    /// What it is for, by order.
    pub mode: LinkMode,
    /// `down`, `connected`, `signed-off` (by its host) or `signed-on`.
    pub status: String,
    /// How many connections it is to have.
    pub connections: u8,
    /// On how many its host has taken the sign-on.
    pub connections_signed_on: usize,
    /// Whether it takes no requests for a while, because too many were not answered.
    pub resting: bool,
    /// Transactions that wait for an answer.
    pub in_flight: usize,
    /// Store-and-forward entries that wait to be delivered.
    pub saf_waiting: usize,
    /// Those that gave up.
    pub saf_dead: usize,
    /// Messages that wait to be sent.
    pub queue: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Requests that came back unsent.
    pub unsent: u64,
    /// Requests that nobody answered in time.
    pub timeouts: u64,
    /// Answers that no request waited for.
    pub unmatched: u64,
    /// Connections lost.
    pub lost: u64,
    /// Answers to requests, by class of their response code.
    pub answers: Vec<(String, u64)>,
    /// From the sending of a request to its answer.
    pub answer: LatencyCounts,
}

/// Asks the core for its links and adds what the server counts.
///
/// # Errors
/// [`RunError::Stopped`] when the switch ends before.
pub(crate) async fn overview(shared: &Shared, actor: Actor) -> Result<Overview, RunError> {
    let Ok(Ok(CommandOutcome::Links(facts))) = shared.command(actor, Command::Links).await else {
        return Err(RunError::Stopped);
    };
    shared.links.measure();
    let (status, metrics) = (status(shared), &shared.metrics);
    let links = facts.into_iter().zip(metrics.links());
    Ok(Overview {
        uptime_ms: Instant::now().saturating_duration_since(shared.started).as_millis() as u64,
        phase: status.phase.to_owned(),
        day: status.day,
        records: status.records,
        sync_micros: shared.sync_micros.load(std::sync::atomic::Ordering::Relaxed),
        terminals: status.terminals,
        connections: status.connections,
        core_queue: shared.queue.depth(),
        key_queue: shared.jobs.depth(),
        hsm_up: shared.module.is_well(),
        ledger_full: status.ledger_full,
        unresolved: status.unresolved,
        saf_waiting: status.saf_waiting,
        saf_dead: status.saf_dead,
        payouts_held: status.payouts_held,
        codes: metrics.codes.used().map(|(code, count)| (code.to_owned(), count)).collect(),
        request: metrics.request.counts(),
        links: links.map(|(facts, counted)| link(facts, &counted)).collect(),
    })
}

fn link(facts: LinkFacts, counted: &LinkMetrics) -> LinkOverview {
    LinkOverview {
        name: facts.name,
        mode: facts.mode,
        status: facts.status.to_owned(),
        connections: facts.connections,
        connections_signed_on: facts.connections_signed_on,
        resting: facts.resting,
        in_flight: facts.in_flight,
        saf_waiting: facts.saf_waiting,
        saf_dead: facts.saf_dead,
        queue: counted.waiting(),
        sent: counted.sent.count(),
        received: counted.received.count(),
        unsent: counted.unsent.count(),
        timeouts: counted.timeouts.count(),
        unmatched: counted.strays().map(|(_, count)| count).sum(),
        lost: counted.lost.count(),
        answers: counted.answers().map(|(class, count)| (class.to_owned(), count)).collect(),
        answer: counted.answer.counts(),
    }
}
