//! Starts the workers and adds up what they did.

use super::config::FleetConfig;
use super::deck::Deck;
use super::originals::Originals;
use super::report::{FleetReport, Part};
use super::scenario::Scenario;
use super::worker::Worker;
use crate::error::SimError;
use crate::journal::{Journal, JournalLine};
use crate::random::Random;
use crate::terminal::{Terminal, TerminalOptions, latency_histogram};
use std::collections::BTreeMap;
use std::sync::Arc;
use switchyard_domain::TerminalId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

/// Terminals that one fleet can have.
const TERMINALS_MAX: usize = 100_000;

/// Runs a fleet to its end. What the switch answers wrongly is in the report, not an error.
///
/// # Errors
/// [`SimError::World`] when there is no terminal or no usable card, [`SimError::Io`] for the journal.
pub async fn run_fleet(config: FleetConfig) -> Result<FleetReport, SimError> {
    let count = config.terminals.min(config.world.terminals.len()).min(TERMINALS_MAX);
    if count == 0 {
        return Err(SimError::World { what: "terminal" });
    }
    let config = Arc::new(config);
    let deck = Arc::new(Deck::of(&config.world)?);
    let mut lines = BTreeMap::<TerminalId, Vec<JournalLine>>::new();
    if let (Some(path), true) = (&config.journal, config.resume) {
        for line in Journal::read(path)? {
            lines.entry(line.tid).or_default().push(line);
        }
    }
    let journal = config.journal.as_ref().map(Journal::open).transpose()?.map(Arc::new);
    let turns = Arc::new(Semaphore::new(config.connections.unwrap_or(count).max(1)));
    let started = Instant::now();
    let deadline = config.time_limit.map(|limit| started + limit);
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let worker = make_worker(index, count, &config, &deck, journal.clone(), &lines)?;
        let share = share_of(config.transactions, count, index);
        let turns = Arc::clone(&turns);
        tasks.spawn(async move {
            let _turn = turns.acquire_owned().await.expect("the semaphore is never closed");
            worker.run(share, deadline).await
        });
    }
    let mut latency = latency_histogram()?;
    let mut parts: Vec<Part> = Vec::with_capacity(count);
    while let Some(ended) = tasks.join_next().await {
        let (part, terminal) = ended.map_err(|_| SimError::Limit { what: "a terminal panicked" })?;
        latency.add(&terminal.counts().latency).map_err(|_| SimError::Limit { what: "histogram" })?;
        parts.push(part);
    }
    let report = FleetReport::of(parts, &latency, started.elapsed().as_millis() as u64);
    info!(sent = report.sent, approved = report.approved, errors = report.errors_count, "fleet has ended");
    Ok(report)
}

fn make_worker(
    index: usize,
    count: usize,
    config: &Arc<FleetConfig>,
    deck: &Arc<Deck>,
    journal: Option<Arc<Journal>>,
    lines: &BTreeMap<TerminalId, Vec<JournalLine>>,
) -> Result<Worker, SimError> {
    let spec = config.world.terminals[index].clone();
    let mut options = TerminalOptions::new(config.target.clone());
    options.answer_timeout = config.answer_timeout;
    options.connect_patience = config.connect_patience;
    let own = lines.get(&spec.tid).map_or(&[][..], Vec::as_slice);
    let terminal = if config.resume {
        Terminal::resume(spec, options, journal, own, &deck.all)?
    } else {
        Terminal::new(spec, options, journal)?
    };
    // Scenario k is played by terminal k, k + count, and so on: each at least once in the fleet.
    let forced = if config.mischief.each_once {
        Scenario::FAULTS.into_iter().enumerate().filter(|(k, _)| k % count == index).map(|(_, s)| s).collect()
    } else {
        Vec::new()
    };
    Ok(Worker {
        index,
        terminal,
        config: Arc::clone(config),
        deck: Arc::clone(deck),
        random: Random::part(config.seed, index as u64),
        originals: Originals::default(),
        part: Part::default(),
        forced,
    })
}

/// Equal shares; the first terminals take what is left over.
fn share_of(total: u64, count: usize, index: usize) -> u64 {
    let count = count as u64;
    total / count + u64::from((index as u64) < total % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!((0..7).map(|index| share_of(100, 7, index)).sum::<u64>(), 100);
        assert_eq!(share_of(3, 7, 2), 1);
        assert_eq!(share_of(3, 7, 3), 0);
    }
}
