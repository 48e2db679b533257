//! A process of the switch: what the server does around the core, one step at a time.

mod intake;
mod link;

use crate::check::{Breach, ensure};
use crate::env::{Env, Event};
use crate::hsm::{Hsm, TerminalKeys};
use crate::plan::{Plan, Sabotage, TICK};
use crate::schedule::{Micros, millis, seconds};
use intake::{Retained, Tongue};
use link::LinkSide;
use std::collections::BTreeMap;
use switchyard_core::{Clock, Core, CoreConfig, Effect, Input, Output};
use switchyard_domain::{
    AcquirerId, Actor, Stamped, Terminal, TerminalId, TerminalIndex, TerminalProfile, Timestamp, UtcOffset,
    WorkingKeys,
};
use switchyard_ledger::{LedgerId, Log, Options as LogOptions, Partition, PowerCut, RecordBatch, Sequence};

/// Partition of every simulation.
pub(crate) const PARTITION: Partition = Partition(0);
/// The log is sealed after this long without a record.
const SEAL_AFTER: Micros = seconds(1);
/// A request that is not answered by then has been forgotten: no issuer may take as long.
const ANSWER_WITHIN: Micros = seconds(60);
/// Between two looks at requests that nobody answered.
const LOOK_EVERY: Micros = seconds(5);

/// Per thousand writes after which a snapshot is made.
const SNAPSHOT: u16 = 3;
/// Per thousand writes during which a switch that crashes at all does so.
const CRASH_IN_WRITE: u16 = 4;

/// What was decided and waits for the disk.
struct Submission {
    batch: RecordBatch,
    effects: Vec<Effect>,
    /// Records that have to be durable before these effects leave.
    position: u64,
}

/// A terminal as the intake sees it.
struct KnownTerminal {
    terminal: Terminal,
    profile: TerminalProfile,
    wrapped: Option<WorkingKeys>,
    keys: Option<TerminalKeys>,
}

/// One life of the switch, from a start to a crash.
pub(crate) struct Process {
    pub(crate) number: u64,
    core: Core,
    log: Log,
    /// Sequence of the next record that is submitted.
    next: Sequence,
    output: Output,
    clock: Clock,
    /// When the clock was read last.
    read_at: Micros,
    queue: Vec<Submission>,
    /// What the write under way makes durable.
    writing: Option<Vec<Submission>>,
    unsealed: bool,
    recorded_at: Micros,
    looked_at: Micros,
    terminals: Vec<KnownTerminal>,
    by_id: BTreeMap<TerminalId, usize>,
    retained: BTreeMap<u64, Retained>,
    next_ticket: u64,
    links: Vec<LinkSide>,
    /// What terminals speak, by their number.
    tongues: Vec<Tongue>,
    acquirer: AcquirerId,
    offset: UtcOffset,
}

/// The core's rules in a simulation.
pub(crate) fn core_config(plan: &Plan) -> CoreConfig {
    CoreConfig {
        in_flight_max: plan.in_flight_max,
        hold_days_max: plan.hold_days_max,
        saf_attempts_max: u32::MAX,
        ..CoreConfig::default()
    }
}

pub(crate) fn log_options(env: &Env) -> LogOptions {
    let mut options = LogOptions::new(PARTITION, LedgerId(*b"a simulated log!"), env.wall().0);
    options.segment_bytes = crate::world::SEGMENT_BYTES;
    options
}

impl Process {
    /// Opens the log, replays it, and begins to work. The state has to be the one that followed from the disk before.
    pub(crate) fn start(env: &mut Env, number: u64) -> Result<Self, Breach> {
        let unreadable = |error: switchyard_ledger::Error| Breach {
            rule: "the log can be opened",
            found: error.to_string(),
        };
        let (log, recovery) =
            Log::over(Box::new(env.disk.handle()), &log_options(env)).map_err(unreadable)?;
        env.tally.torn_writes += u64::from(recovery.cut.is_some());
        let before = env.oracle.records();
        env.oracle.follow(&env.disk)?;
        env.tally.unheard_writes += u64::from(env.oracle.records() > before);
        let core = Self::recall(env)?;
        if !env.is(Sabotage::ForgetRequests) {
            env.oracle.compare(core.state())?;
            env.tally.digests += 1;
        }
        let registry = core.state().registry();
        let links = registry.links().map(|(_, link)| LinkSide::new(link)).collect::<Option<Vec<_>>>();
        let missing = || Breach { rule: "the log can be opened", found: "a link of unknown speech".into() };
        let links = links.ok_or_else(missing)?;
        let tongues = env.speeches.iter().map(|speech| Tongue::of(*speech)).collect::<Option<Vec<_>>>();
        let tongues = tongues.ok_or_else(missing)?;
        let acquirer = core.state().acquirer().ok_or_else(missing)?;
        let mut process = Self {
            number,
            clock: Clock::new(core.state().last_at().max(env.wall())),
            read_at: env.now(),
            next: recovery.next_seq,
            output: Output::default(),
            queue: Vec::new(),
            writing: None,
            unsealed: false,
            recorded_at: env.now(),
            looked_at: env.now(),
            terminals: Vec::new(),
            by_id: BTreeMap::new(),
            retained: BTreeMap::new(),
            next_ticket: 1,
            links,
            tongues,
            acquirer,
            offset: core.state().offset(),
            core,
            log,
        };
        process.publish();
        let cut_bytes = recovery.cut.as_ref().map_or(0, |cut| cut.bytes);
        let now = process.read_clock(env);
        process.core.start(recovery.epoch.0, cut_bytes, now, &mut process.output);
        process.submit(env);
        env.schedule.after(TICK, Event::Tick { process: number });
        for link in 0..process.links.len() {
            for _ in 0..process.links[link].connections() {
                env.schedule.after(millis(1), Event::Connect { process: number, link });
            }
        }
        Ok(process)
    }

    /// The core as it follows from the disk: from the snapshot where there is one, every other time.
    fn recall(env: &mut Env) -> Result<Core, Breach> {
        let (config, forgets) = (core_config(&env.plan), env.is(Sabotage::ForgetRequests));
        if !forgets
            && env.random.chance(500)
            && let Some(core) = env.oracle.resume(&env.disk, config.clone())?
        {
            env.tally.snapshot_starts += 1;
            return Ok(core);
        }
        env.oracle.replay(&env.disk, config, forgets)
    }

    fn publish(&mut self) {
        let registry = self.core.state().registry();
        for (index, terminal, keys) in registry.terminals() {
            let profile = registry.profile(index).unwrap_or_default();
            let (terminal_of, wrapped) = (terminal.clone(), keys.cloned());
            let known = KnownTerminal { terminal: terminal_of, profile, wrapped, keys: None };
            self.by_id.insert(terminal.id, index.0 as usize);
            self.terminals.push(known);
        }
    }

    /// The time as the core is told: it goes forward with the hours that pass, whatever happens to the wall clock.
    fn read_clock(&mut self, env: &Env) -> Timestamp {
        if env.is(Sabotage::StopTime) && env.tally.steps > 200 {
            return self.clock.now();
        }
        let elapsed = env.now() - self.read_at;
        self.read_at = env.now();
        self.clock.advance(env.wall(), elapsed)
    }

    /// Hands the core one input and submits what follows.
    pub(crate) fn handle(&mut self, env: &mut Env, input: Input) {
        let now = self.read_clock(env);
        self.core.handle(input, now, &mut self.output);
        self.submit(env);
    }

    /// The core hears of the time, and the log is sealed after a gap.
    pub(crate) fn tick(&mut self, env: &mut Env) {
        self.handle(env, Input::Tick);
        let idle = env.now() - self.recorded_at >= SEAL_AFTER;
        if self.unsealed && idle && self.writing.is_none() && self.queue.is_empty() {
            self.unsealed = false;
            let sealed = self.log.seal(env.wall().0);
            env.hold(ensure(sealed.is_ok(), "the log can be written", || format!("{:?}", sealed.err())));
            let followed = env.oracle.follow(&env.disk);
            env.hold(followed);
        }
        if env.now() - self.looked_at >= LOOK_EVERY {
            self.looked_at = env.now();
            self.look_for_the_forgotten(env);
        }
        // Nobody waits for anything: the next look at the clock may be later. The server looks every 100 ms.
        let state = self.core.state();
        let busy = !self.retained.is_empty() || self.unsealed || state.unresolved() + state.saf_waiting() > 0;
        let pause = if busy { TICK } else { TICK * 50 };
        env.schedule.after(pause, Event::Tick { process: self.number });
    }

    /// Requests that the switch took and never answered.
    fn look_for_the_forgotten(&mut self, env: &mut Env) {
        let now = env.now();
        let oldest = self.retained.values().map(|retained| retained.taken_at).min();
        let waited = oldest.map_or(0, |at| now - at);
        env.hold(ensure(waited <= ANSWER_WITHIN, "every request is answered", || {
            format!("one has waited for {} s", waited / 1_000_000)
        }));
    }

    /// Hands records and effects over to be made durable.
    fn submit(&mut self, env: &mut Env) {
        if self.output.records.is_empty() && self.output.effects.is_empty() {
            return;
        }
        let mut batch = RecordBatch::starting_at(self.next);
        for stamped in std::mem::take(&mut self.output.records) {
            let lost = posts(&stamped) && env.sabotages(Sabotage::LosePosting, 20)
                || orders(&stamped) && env.sabotages(Sabotage::LoseOrder, 300);
            if lost {
                continue;
            }
            let pushed = batch.push(|buffer| stamped.encode(buffer));
            env.hold(ensure(pushed.is_ok(), "records have room", || format!("{:?}", pushed.err())));
        }
        if !batch.is_empty() {
            (self.unsealed, self.recorded_at) = (true, env.now());
        }
        self.next = Sequence(self.next.0 + batch.count() as u64);
        let effects = std::mem::take(&mut self.output.effects);
        let mut submission = Submission { batch, effects, position: self.core.state().records() };
        if env.is(Sabotage::ReleaseEarly) {
            let early = std::mem::take(&mut submission.effects);
            self.release(env, early, submission.position);
        }
        self.queue.push(submission);
        self.write(env);
    }

    /// Begins to write whatever queued, unless a write is under way.
    fn write(&mut self, env: &mut Env) {
        if self.writing.is_some() || self.queue.is_empty() {
            return;
        }
        let taken = std::mem::take(&mut self.queue);
        let mut wait = 0;
        if taken.iter().any(|submission| !submission.batch.is_empty()) {
            wait = env.random.between(100, 3_000);
            if env.fault(env.plan.disk.stall) {
                env.tally.disk_stalls += 1;
                wait += env.random.between(millis(50), seconds(1));
            }
        }
        if wait > 0 && env.plan.crash_every.is_some() && env.fault(CRASH_IN_WRITE) {
            let early = env.random.below(wait);
            env.schedule.after(early, Event::CrashInWrite { process: self.number });
        }
        self.writing = Some(taken);
        env.schedule.after(wait, Event::Written { process: self.number });
    }

    /// The write has come to its end: what waited for it leaves. False when the disk failed: the process ends without a word.
    pub(crate) fn written(&mut self, env: &mut Env) -> bool {
        let Some(taken) = self.writing.take() else { return true };
        if env.fault(env.plan.disk.error) {
            env.tally.disk_errors += 1;
            env.note("the disk fails", [0; 3]);
            self.tear(env, &taken);
            return false;
        }
        if !self.append(env, &taken) {
            return false;
        }
        let followed = env.oracle.follow(&env.disk);
        env.hold(followed);
        for submission in &taken {
            self.put_in_force(&submission.effects);
        }
        for submission in taken {
            self.release(env, submission.effects, submission.position);
        }
        if env.random.chance(SNAPSHOT) {
            env.oracle.keep_snapshot();
        }
        self.write(env);
        self.check(env);
        true
    }

    fn append(&mut self, env: &mut Env, taken: &[Submission]) -> bool {
        if taken.iter().all(|submission| submission.batch.is_empty()) {
            return true;
        }
        let appended = self.log.append_group(taken.iter().map(|submission| &submission.batch), env.wall().0);
        env.hold(ensure(appended.is_ok(), "the log can be written", || {
            format!("{:?}", appended.as_ref().err())
        }));
        appended.is_ok()
    }

    /// A write that ends in the middle: parts of it are written, nobody hears of it.
    fn tear(&mut self, env: &mut Env, taken: &[Submission]) {
        if taken.iter().all(|submission| submission.batch.is_empty()) {
            return;
        }
        let pieces = match env.random.below(4) {
            0 => 0,
            1 => u64::MAX,
            _ => env.random.next(),
        };
        // Now and then it is through, and nobody lives to hear so.
        let after_writes = u32::from(env.random.chance(250));
        env.disk.cut_power(PowerCut { after_writes, pieces });
        // Its error is the point: whoever wrote does not live to see it.
        let _ = self.log.append_group(taken.iter().map(|submission| &submission.batch), env.wall().0);
    }

    /// The process dies. What the disk has is what it has.
    pub(crate) fn crash(mut self, env: &mut Env) {
        if let Some(taken) = self.writing.take() {
            env.tally.crashes_in_write += 1;
            self.tear(env, &taken);
        }
    }

    /// What stands after every write.
    fn check(&mut self, env: &mut Env) {
        let bounded = env.oracle.bounded(self.retained.len(), self.queue.len());
        env.hold(bounded);
        if self.is_durable() {
            let settled = env.oracle.settled(self.core.state());
            env.hold(settled);
        }
    }

    fn is_durable(&self) -> bool {
        self.writing.is_none() && self.queue.is_empty()
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = self.core.state();
        self.is_durable()
            && self.retained.is_empty()
            && state.saf_waiting() == 0
            && state.unresolved() == 0
            && self.links.iter().all(LinkSide::is_quiet)
    }

    /// Compares the live state with the one that follows from the disk, digest and book.
    pub(crate) fn compare(&self, env: &mut Env) -> Result<(), Breach> {
        if !env.is(Sabotage::ForgetRequests) {
            env.tally.digests += 1;
            env.oracle.compare(self.core.state())?;
        }
        env.oracle.compare_book(self.core.state())
    }

    /// Keys of durable records come into force before any answer of the same write.
    fn put_in_force(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::UseKeys { terminal, keys } = effect
                && let Some(known) = self.terminals.get_mut(terminal.0 as usize)
            {
                (known.wrapped, known.keys) = (Some(keys.as_ref().clone()), None);
            }
            if let Effect::UseProfile { terminal, profile } = effect
                && let Some(known) = self.terminals.get_mut(terminal.0 as usize)
            {
                known.profile = *profile;
            }
        }
    }

    /// Lets effects go, in order.
    fn release(&mut self, env: &mut Env, effects: Vec<Effect>, position: u64) {
        for effect in effects {
            let leaves = env.oracle.leaves(&effect, position);
            env.hold(leaves);
            match effect {
                Effect::Reply { origin, reply } => self.reply(env, origin, reply),
                Effect::PinWork { slot, terminal, version, request, job } => {
                    let outcome = self.pin_outcome(env, terminal, version, &request, &job);
                    self.worked(env, Input::PinDone { slot, request, outcome });
                }
                Effect::ChipWork { slot, request } => {
                    env.tally.chips += 1;
                    let believed = env.is(Sabotage::BelieveChips);
                    let outcome = if believed {
                        switchyard_core::ChipOutcome::Right(Vec::new())
                    } else {
                        env.hsm.chip_work(&request)
                    };
                    self.worked(env, Input::ChipDone { slot, request, outcome });
                }
                Effect::MakeKeys { slot, terminal, version, form } => {
                    let known = self.terminals.get(terminal.0 as usize);
                    let made = known.and_then(|known| env.hsm.make_keys(&known.terminal, version, form));
                    self.worked(env, Input::KeysMade { slot, made: made.map(Box::new) });
                }
                Effect::Send { link, generation, message } => self.send(env, link, generation, message),
                Effect::UseTerminal { .. }
                | Effect::UseProfile { .. }
                | Effect::UseMac { .. }
                | Effect::UseKeys { .. }
                | Effect::LinkState { .. }
                | Effect::SignOnRefused { .. }
                | Effect::OpenLinkKey { .. }
                | Effect::KeyArrived { .. }
                | Effect::Stray { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn pin_outcome(
        &mut self,
        env: &Env,
        terminal: TerminalIndex,
        version: u32,
        request: &switchyard_core::Financial,
        job: &switchyard_core::PinJob,
    ) -> switchyard_core::PinOutcome {
        let failed = switchyard_core::PinOutcome::Failed;
        let Some(known) = self.terminals.get_mut(terminal.0 as usize) else { return failed };
        // A sign-on in between has changed the key: the block cannot be read any more.
        match known.ready().filter(|keys| keys.version == version) {
            Some(keys) => env.hsm.pin_work(keys, request, job),
            None => failed,
        }
    }

    fn worked(&mut self, env: &mut Env, input: Input) {
        let wait = env.random.between(200, millis(5));
        env.schedule.after(wait, Event::Worked { process: self.number, input: Box::new(input) });
    }

    /// An operator ends the business day.
    pub(crate) fn cut_day(&mut self, env: &mut Env) {
        self.command(env, switchyard_core::Command::CutDay);
    }

    /// An operator wants something; what is refused or is so already changes nothing.
    pub(crate) fn command(&mut self, env: &mut Env, command: switchyard_core::Command) {
        let actor = Actor::Operator("the simulation".into());
        let command = Box::new(command);
        self.handle(env, Input::Command { ticket: 0, actor, command });
    }
}

impl KnownTerminal {
    /// The working keys in force.
    fn ready(&mut self) -> Option<&TerminalKeys> {
        if self.keys.is_none() {
            self.keys = Hsm::open_working(self.terminal.mac, self.wrapped.as_ref()?);
        }
        self.keys.as_ref()
    }
}

/// Whether a record is an order of an operator.
fn orders(stamped: &Stamped) -> bool {
    use switchyard_domain::Record::{LinkOrdered, TerminalOrdered};
    matches!(stamped.record, LinkOrdered { .. } | TerminalOrdered { .. })
}

fn posts(stamped: &Stamped) -> bool {
    stamped.record.entry().is_some_and(|entry| !entry.is_empty())
}
