//! What a running switch says about itself.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::shared::{Phase, Shared};

/// A switch at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `starting`, `serving`, `draining`, `stopping` or `failed`.
    pub phase: &'static str,
    /// The business day that is open.
    pub day: Option<String>,
    /// Records decided so far.
    pub records: u64,
    /// Terminals registered.
    pub terminals: usize,
    /// Connections of terminals.
    pub connections: usize,
    /// Transactions whose outcome nobody knows yet, pending ones included.
    pub unresolved: usize,
    /// Reversals that wait for an issuer.
    pub saf_waiting: usize,
    /// Reversals that wait for an operator.
    pub saf_dead: usize,
    /// Payouts that are held and wait for an operator.
    pub payouts_held: usize,
    /// Whether new work is refused because the ledger's disk is nearly full.
    pub ledger_full: bool,
    /// Links in the order of registration.
    pub links: Vec<LinkStatus>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// Whether it has a connection.
    pub up: bool,
}

pub(crate) fn status(shared: &Shared) -> Status {
    let facts = *shared.facts.lock().unwrap_or_else(PoisonError::into_inner);
    Status {
        phase: match *shared.phase.borrow() {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Draining => "draining",
            Phase::Stopping => "stopping",
            Phase::Failed => "failed",
        },
        day: facts.day.map(|day| day.to_string()),
        records: facts.records,
        terminals: shared.table.count(),
        connections: shared.connections.count(),
        unresolved: facts.unresolved,
        saf_waiting: facts.saf_waiting,
        saf_dead: facts.saf_dead,
        payouts_held: facts.payouts_held,
        ledger_full: shared.ledger_full.load(Ordering::Relaxed),
        links: shared.links.status().into_iter().map(|(name, up)| LinkStatus { name, up }).collect(),
    }
}
