//! The switch's end of its links.

use super::Process;
use crate::billing::converted;
use crate::env::{Env, Event, Peer, Way};
use crate::plan::Sabotage;
use crate::schedule::{Micros, millis, seconds};
use std::collections::VecDeque;
use switchyard_core::dialect::iso::link::{self, LinkContext};
use switchyard_core::{Answer, Input, Upstream};
use switchyard_domain::{CardRef, ConversionRate, Link, LinkIndex, ResponseCode};
use switchyard_wire::{BuildError, Dialect, FrameError, Framing, Scan};

/// Largest frame of an issuer.
const FRAME_BYTES_MAX: usize = 4_096;

/// One link.
pub(super) struct LinkSide {
    /// Its connections that stand.
    wires: Vec<Wire>,
    /// How many it is to have.
    connections: usize,
    /// The number of the last one.
    generation: u32,
    dialect: &'static Dialect,
    framing: Framing,
}

/// One connection of a link.
struct Wire {
    line: u64,
    generation: u32,
    /// Handed over, not a byte of it sent.
    waiting: VecDeque<Box<Upstream>>,
    /// Since when its host has signed it off.
    off_since: Option<Micros>,
}

/// How long something may still come for a host that has signed off: what was decided before waits for the disk.
const DECIDED_BEFORE: Micros = seconds(5);

/// Why a message cannot be sent.
#[derive(Debug)]
enum SendError {
    Build,
    Frame,
}

impl From<BuildError> for SendError {
    fn from(_: BuildError) -> Self {
        Self::Build
    }
}
impl From<FrameError> for SendError {
    fn from(_: FrameError) -> Self {
        Self::Frame
    }
}

impl LinkSide {
    pub(super) fn new(link: &Link) -> Option<Self> {
        Some(Self {
            wires: Vec::new(),
            connections: usize::from(link.connections),
            generation: 0,
            dialect: Dialect::builtin(link.dialect.name())?,
            framing: link.framing.parse().ok()?,
        })
    }
    pub(super) fn is_quiet(&self) -> bool {
        self.wires.iter().all(|wire| wire.waiting.is_empty())
    }
    /// How many connections it is to have.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }
    fn wire(&mut self, generation: u32) -> Option<&mut Wire> {
        self.wires.iter_mut().find(|wire| wire.generation == generation)
    }
}

impl Process {
    /// Tries one more connection of a link.
    pub(crate) fn connect_link(&mut self, env: &mut Env, link: usize) {
        let side = &mut self.links[link];
        if side.wires.len() >= side.connections {
            return;
        }
        let refused = env.away.contains(&link) || env.fault(env.plan.network.disconnect.saturating_mul(10));
        if refused {
            let wait = env.random.between(millis(100), seconds(10));
            return env.schedule.after(wait, Event::Connect { process: self.number, link });
        }
        side.generation += 1;
        let (line, generation) = (env.connect(Peer::Host(link)), side.generation);
        side.wires.push(Wire { line, generation, waiting: VecDeque::new(), off_since: None });
        env.note("link connected", [link as u64, u64::from(generation), 0]);
        self.handle(env, Input::LinkConnected { link: LinkIndex(link as u16), generation });
    }

    /// A connection of a link broke: what never left goes back before the loss is told.
    fn wire_lost(&mut self, env: &mut Env, index: usize, generation: u32) {
        let wires = &mut self.links[index].wires;
        let Some(place) = wires.iter().position(|wire| wire.generation == generation) else { return };
        let wire = wires.remove(place);
        env.disconnect(wire.line);
        env.note("link lost", [index as u64, u64::from(generation), 0]);
        let link = LinkIndex(index as u16);
        for input in wire.waiting.into_iter().filter_map(|message| not_sent(link, *message)) {
            self.handle(env, input);
        }
        self.handle(env, Input::LinkLost { link, generation });
        let wait = env.random.between(millis(50), seconds(3));
        env.schedule.after(wait, Event::Connect { process: self.number, link: index });
    }

    /// All connections of a link break.
    pub(crate) fn link_lost(&mut self, env: &mut Env, index: usize) {
        let generations: Vec<_> = self.links[index].wires.iter().map(|wire| wire.generation).collect();
        for generation in generations {
            self.wire_lost(env, index, generation);
        }
    }

    /// The connections on which a link is.
    pub(crate) fn lines_of(&self, link: usize) -> Vec<u64> {
        self.links.get(link).map_or(Vec::new(), |side| side.wires.iter().map(|wire| wire.line).collect())
    }

    /// A connection breaks, unless it has before.
    pub(crate) fn break_link(&mut self, env: &mut Env, link: usize, generation: u32) {
        if self.links[link].wire(generation).is_some() && !env.draining {
            env.tally.broken_stalls += 1;
            self.wire_lost(env, link, generation);
        }
    }

    /// A host says that a connection takes nothing more, or everything again: what has not left goes another way.
    fn host_signed(&mut self, env: &mut Env, index: usize, generation: u32, on: bool) {
        env.note("a host signs on or off", [index as u64, u64::from(generation), u64::from(on)]);
        let Some(wire) = self.links[index].wire(generation) else { return };
        wire.off_since = (!on).then(|| env.now());
        let cut = if on { VecDeque::new() } else { std::mem::take(&mut wire.waiting) };
        let link = LinkIndex(index as u16);
        if on || !env.is(Sabotage::OverhearSignOffs) {
            self.handle(env, Input::HostSigned { link, generation, on });
        }
        for input in cut.into_iter().filter_map(|message| not_sent(link, *message)) {
            self.handle(env, input);
        }
    }

    /// Takes a message for a connection of a link. It goes out when those before it have.
    pub(super) fn send(&mut self, env: &mut Env, link: LinkIndex, generation: u32, message: Box<Upstream>) {
        let index = usize::from(link.0);
        let Some(side) = self.links.get_mut(index) else { return };
        let Some(wire) = side.wire(generation) else {
            if let Some(input) = not_sent(link, *message) {
                self.handle(env, input);
            }
            return;
        };
        let is_late = wire.off_since.is_some_and(|since| env.now() - since > DECIDED_BEFORE);
        env.hold(crate::check::ensure(
            !is_late || matches!(*message, Upstream::Network { .. }),
            "a host that signed off is left alone",
            || format!("link {index} since {:?} is sent {}", wire.off_since, kind_of(&message)),
        ));
        let swallowed = match &*message {
            Upstream::Reversal { saf, .. } if env.is(Sabotage::SwallowReversals) => Some((430, saf)),
            Upstream::Advice { saf, .. } if env.is(Sabotage::SwallowAdvices) => {
                Some((saf.upstream.mti + 10, saf))
            }
            Upstream::Script { saf, .. } if env.is(Sabotage::SwallowScripts) => {
                Some((saf.upstream.mti + 10, saf))
            }
            _ => None,
        };
        if let Some((mti, saf)) = swallowed {
            let answer = Answer {
                mti,
                stan: Some(saf.upstream.stan),
                transmitted: Some(saf.upstream.transmitted_at.transmission_digits()),
                code: Some(ResponseCode::APPROVED),
                ..Answer::default()
            };
            return self.handle(env, Input::Answer { link, generation, answer: Box::new(answer) });
        }
        wire.waiting.push_back(message);
        let mut wait = env.random.between(50, millis(1));
        if env.fault(env.plan.network.stall) {
            // The socket takes nothing for a while, and then is gone or takes all of it.
            wait += env.random.between(millis(100), seconds(15));
            if env.fault(env.plan.network.broken_stall) {
                env.schedule.after(wait / 2, Event::Break { process: self.number, link: index, generation });
            }
        }
        env.schedule.after(wait, Event::Depart { process: self.number, link: index, generation });
    }

    /// The oldest message of a connection goes out, unless it may not any more.
    pub(crate) fn depart(&mut self, env: &mut Env, index: usize, generation: u32) {
        let (offset, acquirer, now) = (self.offset, self.acquirer, self.clock.now());
        let side = &mut self.links[index];
        let Some(wire) = side.wire(generation) else { return };
        let Some(mut message) = wire.waiting.pop_front() else { return };
        let (line, is_host_off) = (wire.line, wire.off_since.is_some());
        // The core has stopped waiting for it: its reversal is behind it.
        let overdue = match &*message {
            Upstream::Request(request) => now >= request.leaves_by,
            Upstream::Reversal { .. }
            | Upstream::Advice { .. }
            | Upstream::Script { .. }
            | Upstream::Network { .. }
            | Upstream::KeyAnswer { .. } => false,
        };
        let mut frame = Vec::with_capacity(256);
        let is_wanted = !is_host_off || matches!(*message, Upstream::Network { .. });
        let may_leave = is_wanted && !overdue;
        if may_leave {
            if env.is(Sabotage::AlterAmount)
                && let Upstream::Request(request) = &mut *message
            {
                request.opened.amount.minor += 1;
                request.request.amount.minor += 1;
            }
            if env.is(Sabotage::ReverseAtAnotherRate) {
                at_another_rate(&mut message);
            }
            let card = sealed_card(&message).and_then(|card| env.hsm.open_card(card));
            let context = LinkContext { offset, acquirer };
            let built = side.framing.try_write(&mut frame, |out| -> Result<(), SendError> {
                link::write(side.dialect, &message, card.as_ref(), &context, out)?;
                Ok(())
            });
            env.hold(crate::check::ensure(built.is_ok(), "messages can be built", || format!("{built:?}")));
        }
        if may_leave && !env.transmit(line, Way::FromSwitch, frame) {
            return self.wire_lost(env, index, generation);
        }
        if (!may_leave || env.sabotages(Sabotage::TakeSentForUnsent, 100))
            && let Some(input) = not_sent(LinkIndex(index as u16), *message)
        {
            self.handle(env, input);
        }
    }

    /// An issuer's frame arrives.
    pub(crate) fn answered(&mut self, env: &mut Env, line: u64, bytes: &[u8]) {
        let mut wires =
            self.links.iter().enumerate().flat_map(|(index, side)| {
                side.wires.iter().map(move |wire| (wire.line, index, wire.generation))
            });
        let Some((_, index, generation)) = wires.find(|wire| wire.0 == line) else { return };
        let side = &self.links[index];
        let Scan::Frame { start, end, .. } = side.framing.scan(bytes, FRAME_BYTES_MAX) else { return };
        let Ok(message) = side.dialect.parse(&bytes[start..end]) else { return };
        let mut reply = Vec::new();
        if let Some(built) = link::answer_network(&message, &mut reply) {
            let mut frame = Vec::with_capacity(reply.len() + 4);
            let framed = side.framing.write(&mut frame, |out| out.extend_from_slice(&reply));
            env.hold(crate::check::ensure(built.is_ok() && framed.is_ok(), "messages can be built", || {
                format!("{built:?}")
            }));
            if let Ok(Some(asked @ (link::SIGN_ON | link::SIGN_OFF))) = built {
                self.host_signed(env, index, generation, asked == link::SIGN_ON);
            }
            return env.transmit_in_order(line, Way::FromSwitch, frame);
        }
        let read = link::read_answer(&message);
        env.hold(crate::check::ensure(read.is_ok(), "answers can be read", || format!("{read:?}")));
        let Ok(mut answer) = read else { return };
        if env.is(Sabotage::AlterAmount) {
            answer.amount_minor = None;
        }
        if env.is(Sabotage::TakePartForWhole) && answer.code == Some(ResponseCode::PARTIAL) {
            (answer.code, answer.amount_minor) = (Some(ResponseCode::APPROVED), None);
        }
        let is_signed_on = answer.mti == 810 && answer.code == Some(ResponseCode::APPROVED);
        if let Some(wire) = self.links[index].wire(generation).filter(|_| is_signed_on) {
            wire.off_since = None;
        }
        let link = LinkIndex(index as u16);
        env.note(
            "an issuer's answer",
            [u64::from(answer.mti), answer.stan.map_or(0, |stan| u64::from(stan.get())), index as u64],
        );
        self.handle(env, Input::Answer { link, generation, answer: Box::new(answer) });
    }
}

/// Sabotage: what takes something back bills it at another rate.
fn at_another_rate(message: &mut Upstream) {
    let Upstream::Reversal { billing: Some(billing), opened, .. } = message else { return };
    let Some(rate) = ConversionRate::from_de10(u64::from(billing.rate.de10()) + 1) else { return };
    let (asked, currency) = ((opened.amount.currency, opened.amount.minor), billing.amount.currency);
    billing.rate = rate;
    billing.amount.minor = converted(asked, u64::from(rate.de10()), currency).unwrap_or(0);
}

/// What the core hears of a message that never left: a request comes back, what is in the queue stays there.
fn not_sent(link: LinkIndex, message: Upstream) -> Option<Input> {
    match message {
        Upstream::Request(request) => {
            Some(Input::NotSent { link, transaction: request.opened.id, request: Some(request) })
        }
        Upstream::Reversal { .. }
        | Upstream::Advice { .. }
        | Upstream::Script { .. }
        | Upstream::Network { .. }
        | Upstream::KeyAnswer { .. } => None,
    }
}

/// What a message is, for people.
fn kind_of(message: &Upstream) -> &'static str {
    match message {
        Upstream::Request(_) => "a request",
        Upstream::Reversal { .. } => "a reversal",
        Upstream::Advice { .. } => "an advice",
        Upstream::Script { .. } => "a script result",
        Upstream::Network { .. } | Upstream::KeyAnswer { .. } => "a message about the link",
    }
}

/// The sealed card of a message that has none in clear.
fn sealed_card(message: &Upstream) -> Option<&CardRef> {
    match message {
        Upstream::Request(request) if request.request.card.is_none() => request.opened.card.as_ref(),
        Upstream::Reversal { opened, .. }
        | Upstream::Advice { opened, .. }
        | Upstream::Script { opened, .. } => opened.card.as_ref(),
        Upstream::Request(_) | Upstream::Network { .. } | Upstream::KeyAnswer { .. } => None,
    }
}
