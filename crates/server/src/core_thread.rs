//! The one thread that decides: it takes batches of inputs, and submits their records with what waits for
//! them to be durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use switchyard_core::{Clock, Core, Input, Output};
use switchyard_domain::{
    Actor, BusinessDate, KeyName, KeyUse, LinkIndex, LinkOrder, Record, RiskFinding, RiskVerdict, Stamped,
    TerminalOrder, Timestamp, TransactionId,
};
use switchyard_ledger::{Error, Measure, RecordBatch, Refused, Sequence, Submitter};

use crate::metrics::Finding;
use crate::release::{Pending, Registered};
use crate::shared::{Fatal, Shared, now};

/// The core hears of the time at least this often.
const TICK: Duration = Duration::from_millis(100);

/// The log is sealed after this long without a record.
const SEAL_AFTER_MICROS: u64 = 1_000_000;

/// What the core last said about itself, for people.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CoreFacts {
    pub(crate) day: Option<BusinessDate>,
    pub(crate) records: u64,
    pub(crate) saf_waiting: usize,
    pub(crate) saf_dead: usize,
    pub(crate) unresolved: usize,
    pub(crate) payouts_held: usize,
}

/// The core with what it needs to be one thread.
pub(crate) struct CoreThread {
    shared: Arc<Shared>,
    core: Core,
    submitter: Submitter<Pending>,
    /// Sequence of the next record: this thread is the only one that submits any.
    next: Sequence,
    output: Output,
    links: u16,
    clock: Clock,
    /// When the clock was read last.
    read_at: Instant,
    /// Records were submitted since the log was last put out of doubt.
    unsealed: bool,
    recorded_at: Timestamp,
}

impl CoreThread {
    pub(crate) fn new(
        shared: Arc<Shared>,
        core: Core,
        submitter: Submitter<Pending>,
        next: Sequence,
        clock: Timestamp,
    ) -> Self {
        let links = core.state().registry().links().count() as u16;
        Self {
            shared,
            core,
            submitter,
            next,
            output: Output::default(),
            links,
            clock: Clock::new(clock),
            read_at: Instant::now(),
            unsealed: false,
            recorded_at: clock,
        }
    }

    /// Submits what starting the core led to, and then works until the queue is closed and empty. What the core
    /// knows at its end comes back.
    pub(crate) fn run(mut self, started: Output) -> Core {
        self.output = started;
        self.publish();
        let mut going = self.submit();
        let mut inputs = Vec::new();
        let mut next_tick = Instant::now() + TICK;
        while going && self.shared.queue.take(&mut inputs, next_tick) {
            going = self.turn(&mut inputs);
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.core.handle(Input::Tick, self.clock.now(), &mut self.output);
                going = going && self.submit();
                self.publish();
                self.seal_when_idle();
            }
        }
        self.publish();
        self.core
    }

    /// After a gap the log is sealed: its last block is then beyond the doubt that a crash could leave.
    fn seal_when_idle(&mut self) {
        if self.unsealed && self.clock.now().micros_since(self.recorded_at) >= SEAL_AFTER_MICROS {
            self.submitter.seal();
            self.unsealed = false;
        }
    }

    /// Records keep their order in time, and deadlines their pace, even when the wall clock is set back.
    fn read_clock(&mut self) -> Timestamp {
        // The wall clock first: a pause between the two readings then never puts the time ahead of both.
        let wall = now();
        let read_at = Instant::now();
        let elapsed = read_at.saturating_duration_since(self.read_at);
        self.read_at = read_at;
        let (before, was_doubted) = (self.clock.now(), self.clock.is_doubted());
        let clock = self.clock.advance(wall, elapsed.as_micros() as u64);
        if self.clock.is_doubted() && !was_doubted {
            let ahead_s = wall.micros_since(clock) / 1_000_000;
            tracing::warn!(
                ahead_s,
                "the wall clock was set far forward: the time follows if it stays so for a minute"
            );
        } else if was_doubted && !self.clock.is_doubted() {
            let forward_s = clock.micros_since(before).saturating_sub(elapsed.as_micros() as u64) / 1_000_000;
            tracing::warn!(forward_s, "the wall clock is believed again");
        }
        self.shared.clock.store(clock.0, Ordering::Relaxed);
        clock
    }

    fn turn(&mut self, inputs: &mut Vec<Input>) -> bool {
        let clock = self.read_clock();
        if !inputs.is_empty() {
            self.shared.metrics.core_batch_inputs.record(inputs.len() as f64);
        }
        let per_batch = self.shared.config.core.batch_inputs_max as usize;
        let mut count = 0;
        for input in inputs.drain(..) {
            self.core.handle(input, clock, &mut self.output);
            count += 1;
            if count % per_batch == 0 && !self.submit() {
                return false;
            }
        }
        self.submit()
    }

    /// Hands records and effects to the committer; false when it takes no more.
    fn submit(&mut self) -> bool {
        if self.output.records.is_empty() && self.output.effects.is_empty() {
            return true;
        }
        // The place of the first record is known, so this thread hashes the tree over the records as well, and
        // the committer gets back to the disk sooner.
        let mut batch = RecordBatch::starting_at(self.next);
        batch.reserve(self.output.records.len(), self.output.records.len() * 384);
        let mut pending = Pending::default();
        for stamped in std::mem::take(&mut self.output.records) {
            self.shared.metrics.recorded(&stamped.record);
            self.note(&stamped, &mut pending);
            match batch.push(|buffer| stamped.encode(buffer)) {
                Ok(()) => {}
                Err(Error::TooLarge { what: Measure::BlockBytes, .. }) => {
                    // The first part waits for nothing: effects leave when the last record is durable.
                    if !self.hand_over(std::mem::take(&mut batch), Pending::default()) {
                        return false;
                    }
                    batch = RecordBatch::starting_at(self.next);
                    if batch.push(|buffer| stamped.encode(buffer)).is_err() {
                        return self.stop();
                    }
                }
                Err(_) => return self.stop(),
            }
        }
        if !batch.is_empty() {
            self.shared.metrics.ledger_records.increment(batch.count() as u64);
            (self.unsealed, self.recorded_at) = (true, self.clock.now());
        }
        pending.effects = std::mem::take(&mut self.output.effects);
        self.hand_over(batch, pending)
    }

    fn hand_over(&mut self, batch: RecordBatch, pending: Pending) -> bool {
        self.next = Sequence(self.next.0 + batch.count() as u64);
        match self.submitter.submit(batch, pending) {
            Ok(()) => true,
            // The ledger failed or is shutting down, and has said so itself.
            Err(Refused::Closed(..)) => false,
            Err(Refused::Full(..) | Refused::TooLarge(..)) => self.stop(),
        }
    }

    /// Remembers records that the server has to act on.
    fn note(&mut self, stamped: &Stamped, pending: &mut Pending) {
        match &stamped.record {
            Record::LinkRegistered(link) => {
                pending.registered.push(Registered::Link(LinkIndex(self.links), Box::new(link.clone())));
                self.links += 1;
            }
            Record::KeyInstalled { name, key } => {
                pending.registered.push(Registered::Key(*name, key.clone()));
            }
            Record::TerminalKeyTaken { terminal, key } => {
                let name = KeyName { usage: KeyUse::TerminalMaster, owner: terminal.0 };
                pending.registered.push(Registered::Key(name, key.clone()));
                pending.registered.push(Registered::RenewKeys(*terminal));
            }
            Record::LinkKeyChanged(change) => {
                let name = KeyName { usage: KeyUse::ZonePin, owner: u32::from(change.link.0) };
                pending.registered.push(Registered::Key(name, change.key.clone()));
            }
            Record::KeysTranslated { keys } => pending.registered.push(Registered::Translated(keys.clone())),
            Record::CardKeysShredded { keys, .. } => {
                pending.registered.push(Registered::Shredded(keys.clone()));
            }
            Record::LinkOrdered { link, order: LinkOrder::Up, .. } => {
                pending.registered.push(Registered::LinkWanted(*link, true));
            }
            Record::LinkOrdered { link, order: LinkOrder::Down, .. } => {
                pending.registered.push(Registered::LinkWanted(*link, false));
            }
            Record::LinkChanged { link, change, .. } => {
                let settings = Box::new(change.after.clone());
                pending.registered.push(Registered::LinkChanged(*link, settings));
            }
            Record::TerminalOrdered { terminal, order: TerminalOrder::RenewKeys, .. } => {
                pending.registered.push(Registered::RenewKeys(*terminal));
            }
            Record::TerminalOrdered { terminal, order: TerminalOrder::Disable, reason }
                if stamped.actor == Actor::Switch =>
            {
                self.shared.metrics.terminals_locked_out.increment(1);
                tracing::warn!(terminal = terminal.0, %reason, "a terminal is disabled");
            }
            Record::RiskFlagged { transaction, finding, .. } => self.tell_found(*transaction, finding),
            _ => {}
        }
    }

    /// Somebody is told of what the rules found: in the log, too, for those who are woken by it.
    fn tell_found(&self, transaction: TransactionId, finding: &RiskFinding) {
        let verdict = Finding::of(finding.verdict).label();
        let state = self.core.state();
        let Some((opened, ..)) = state.transaction(transaction) else { return };
        let merchant = state.registry().merchant(opened.key.merchant);
        let merchant = merchant.map(|merchant| merchant.id.to_string()).unwrap_or_default();
        let RiskFinding { rules, score, .. } = finding;
        let (rrn, amount) = (opened.rrn, opened.amount);
        match finding.verdict {
            RiskVerdict::Alert | RiskVerdict::HoldPayout => {
                tracing::warn!(%rrn, %merchant, %amount, verdict, ?rules, score, "the risk rules found something");
            }
            RiskVerdict::Approve | RiskVerdict::Decline(_) => {
                tracing::debug!(%rrn, %merchant, %amount, verdict, ?rules, score, "the risk rules found something");
            }
        }
    }

    /// The state is ahead of the ledger for good.
    fn stop(&self) -> bool {
        self.shared.fail(&Fatal::Record);
        false
    }

    fn publish(&self) {
        let state = self.core.state();
        let facts = CoreFacts {
            day: state.is_initialised().then(|| state.day()),
            records: state.records(),
            saf_waiting: state.saf_waiting(),
            saf_dead: state.saf_dead(),
            unresolved: state.unresolved(),
            payouts_held: state.held_count(),
        };
        let metrics = &self.shared.metrics;
        metrics.unresolved.set(facts.unresolved as f64);
        metrics.saf_waiting.set(facts.saf_waiting as f64);
        metrics.saf_dead.set(facts.saf_dead as f64);
        metrics.payouts_held.set(facts.payouts_held as f64);
        *self.shared.facts.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = facts;
        let sync_micros = self.submitter.stats().last_sync_micros();
        self.shared.sync_micros.store(sync_micros, Ordering::Relaxed);
        metrics.ledger_sync_seconds.set(sync_micros as f64 / 1e6);
    }
}
