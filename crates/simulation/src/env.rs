//! What all parties share: the schedule, chance, the network, the disk, and whoever watches.

use crate::check::{Breach, Oracle};
use crate::hsm::Hsm;
use crate::plan::{Options, Plan, Sabotage};
use crate::schedule::{Micros, Schedule, millis, seconds};
use crate::tally::Tally;
use crate::trace::Trace;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_core::Input;
use switchyard_domain::Timestamp;
use switchyard_ledger::MemoryDisk;
use switchyard_simulator::random::Random;
use switchyard_simulator::world::Speech;

/// When every simulation begins: 2026-11-18T14:13:20Z, microseconds since 1970.
const EPOCH_MICROS: u64 = 1_795_011_200_000_000;

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A terminal's clock rings; only the alarm that it set last counts.
    Till { till: usize, alarm: u64 },
    /// A terminal's frame reaches the switch.
    Request { line: u64, bytes: Vec<u8> },
    /// The switch's frame reaches a terminal.
    Reply { line: u64, bytes: Vec<u8> },
    /// The switch's frame reaches an issuer.
    Upstream { line: u64, bytes: Vec<u8> },
    /// An issuer's frame reaches the switch.
    Answer { line: u64, bytes: Vec<u8> },
    /// A connection of a link is tried.
    Connect { process: u64, link: usize },
    /// The oldest message that waits for a connection of a link goes out.
    Depart { process: u64, link: usize, generation: u32 },
    /// The write under way reaches the disk.
    Written { process: u64 },
    /// Work that needs a key is done.
    Worked { process: u64, input: Box<Input> },
    /// The core hears of the time.
    Tick { process: u64 },
    /// The switch crashes.
    Crash,
    /// It crashes in the middle of a write.
    CrashInWrite { process: u64 },
    /// It starts again.
    Restart,
    /// Its wall clock jumps.
    ClockJump,
    /// The business day ends.
    DayEnds,
    /// An operator orders something.
    Order,
    /// An issuer goes away, and its connection with it.
    HostAway,
    /// It is back.
    HostBack { host: usize },
    /// An issuer signs off.
    HostSignsOff,
    /// It signs on again on the connection on which it signed off, as often as nobody says that it was heard.
    HostSignsOn { host: usize, line: u64 },
    /// A connection of a link breaks while its socket takes nothing.
    Break { process: u64, link: usize, generation: u32 },
}

/// Who is at the other end of a line of the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Till(usize),
    Host(usize),
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToSwitch,
    FromSwitch,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    open: bool,
    /// When the last message arrives, each way: the next one does not overtake it, unless the network reorders.
    arrival: [Micros; 2],
}

/// Everything but the parties themselves.
pub(crate) struct Env {
    pub(crate) options: Options,
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) schedule: Schedule<Event>,
    pub(crate) tally: Tally,
    pub(crate) trace: Trace,
    pub(crate) oracle: Oracle,
    pub(crate) disk: MemoryDisk,
    pub(crate) hsm: Hsm,
    /// No more faults, no more customers: queues drain.
    pub(crate) draining: bool,
    /// What each terminal speaks: a listener of the switch for each dialect.
    pub(crate) speeches: Vec<Speech>,
    /// Rates that were ordered, as DE 10 has them.
    pub(crate) rates: Vec<u64>,
    /// Links whose issuers are away.
    pub(crate) away: BTreeSet<usize>,
    /// What the wall clock of the switch shows beside the time that went by.
    pub(crate) wall_offset: i64,
    /// The first breach ends the run.
    pub(crate) breach: Option<Breach>,
    lines: BTreeMap<u64, Line>,
    next_line: u64,
}

impl Env {
    pub(crate) fn new(options: Options, plan: Plan, random: Random, disk: MemoryDisk, hsm: Hsm) -> Self {
        Self {
            options,
            plan,
            random,
            schedule: Schedule::new(),
            tally: Tally::default(),
            trace: Trace::default(),
            oracle: Oracle::new(),
            disk,
            hsm,
            draining: false,
            speeches: Vec::new(),
            rates: Vec::new(),
            away: BTreeSet::new(),
            wall_offset: 0,
            breach: None,
            lines: BTreeMap::new(),
            next_line: 1,
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.schedule.now()
    }
    /// What the wall clock of the switch shows.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp((EPOCH_MICROS + self.now()).saturating_add_signed(self.wall_offset))
    }
    /// What the clocks of terminals show.
    pub(crate) fn till_clock(&self) -> Timestamp {
        Timestamp(EPOCH_MICROS + self.now())
    }
    /// Whether a fault happens now.
    pub(crate) fn fault(&mut self, per_mille: u16) -> bool {
        !self.draining && self.random.chance(per_mille)
    }
    pub(crate) fn is(&self, sabotage: Sabotage) -> bool {
        self.options.sabotage == Some(sabotage)
    }
    /// Whether sabotage of this kind happens now, now and then.
    pub(crate) fn sabotages(&mut self, sabotage: Sabotage, per_mille: u16) -> bool {
        self.is(sabotage) && self.random.chance(per_mille)
    }
    pub(crate) fn note(&mut self, what: &'static str, numbers: [u64; 3]) {
        self.trace.note(self.tally.steps, self.now(), what, numbers);
    }
    /// Keeps the first thing that is wrong.
    pub(crate) fn hold(&mut self, checked: Result<(), Breach>) {
        if let (Err(breach), None) = (checked, &self.breach) {
            self.breach = Some(breach);
        }
    }

    /// Opens a connection of the switch.
    pub(crate) fn connect(&mut self, peer: Peer) -> u64 {
        let line = self.next_line;
        self.next_line += 1;
        self.lines.insert(line, Line { peer, open: true, arrival: [0; 2] });
        line
    }
    pub(crate) fn is_open(&self, line: u64) -> bool {
        self.lines.get(&line).is_some_and(|line| line.open)
    }
    pub(crate) fn peer(&self, line: u64) -> Option<Peer> {
        self.lines.get(&line).map(|line| line.peer)
    }
    /// Breaks a connection: what is on its way to the switch or to an issuer may still arrive, and nothing else is sent.
    pub(crate) fn disconnect(&mut self, line: u64) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.open = false;
        }
    }
    /// Forgets every connection: the process at their end is gone.
    pub(crate) fn disconnect_all(&mut self) {
        for line in self.lines.values_mut() {
            line.open = false;
        }
    }

    /// Puts a message on a line, and on it the network's faults. False when the connection broke instead.
    pub(crate) fn transmit(&mut self, line: u64, way: Way, bytes: Vec<u8>) -> bool {
        let Some(peer) = self.peer(line).filter(|_| self.is_open(line)) else { return false };
        self.tally.messages += 1;
        let faults = self.plan.network;
        if self.fault(faults.disconnect) {
            self.tally.disconnects += 1;
            // Half of the time the message was through.
            if self.random.chance(500) {
                self.deliver(line, peer, way, bytes);
            }
            return false;
        }
        if self.fault(faults.drop) {
            self.tally.dropped += 1;
            self.note("lost on the way", [line, 0, 0]);
            return true;
        }
        if self.fault(faults.duplicate) {
            self.tally.duplicated += 1;
            self.deliver(line, peer, way, bytes.clone());
        }
        self.deliver(line, peer, way, bytes);
        true
    }

    /// Puts a message on a line that nothing overtakes and nothing doubles: whether a host is signed on is what it said
    /// last, and the two ends of a connection have the same last word. It may be lost all the same.
    pub(crate) fn transmit_in_order(&mut self, line: u64, way: Way, bytes: Vec<u8>) {
        let Some(peer) = self.peer(line).filter(|_| self.is_open(line)) else { return };
        self.tally.messages += 1;
        if self.fault(self.plan.network.drop) {
            self.tally.dropped += 1;
            return self.note("lost on the way", [line, 0, 0]);
        }
        self.deliver_in_order(line, peer, way, bytes, false);
    }

    fn deliver(&mut self, line: u64, peer: Peer, way: Way, bytes: Vec<u8>) {
        let overtakes = self.fault(self.plan.network.reorder);
        self.tally.reordered += u64::from(overtakes);
        self.deliver_in_order(line, peer, way, bytes, overtakes);
    }

    fn deliver_in_order(&mut self, line: u64, peer: Peer, way: Way, bytes: Vec<u8>, overtakes: bool) {
        let near = match peer {
            Peer::Till(_) => (millis(5), millis(150)),
            Peer::Host(_) => (millis(1), millis(30)),
        };
        let mut delay = self.random.between(near.0, near.1);
        if self.fault(self.plan.network.delay) {
            self.tally.delayed += 1;
            delay += self.random.between(seconds(1), seconds(90));
        }
        let now = self.now();
        if let Some(line) = self.lines.get_mut(&line).filter(|_| !overtakes) {
            let arrival = &mut line.arrival[usize::from(way == Way::FromSwitch)];
            *arrival = (now + delay).max(*arrival);
            delay = *arrival - now;
        }
        let event = match (peer, way) {
            (Peer::Till(_), Way::ToSwitch) => Event::Request { line, bytes },
            (Peer::Till(_), Way::FromSwitch) => Event::Reply { line, bytes },
            (Peer::Host(_), Way::FromSwitch) => Event::Upstream { line, bytes },
            (Peer::Host(_), Way::ToSwitch) => Event::Answer { line, bytes },
        };
        self.schedule.after(delay, event);
    }
}
