//! The state machine: one input in, records and effects out.

use crate::config::CoreConfig;
use crate::effect::{CommandError, Effect, Reply, Stray};
use crate::flight::{Flight, Over};
use crate::input::{Input, Origin};
use crate::state::{ApplyError, State};
use switchyard_domain::{
    Actor, LinkIndex, Record, ReplyFacts, ResponseCode, Rrn, Stamped, Stan, Timestamp, UtcOffset,
};

/// What one or more inputs led to. Records come before effects: none of these effects may happen before
/// all of these records are durable.
#[derive(Debug, Default)]
pub struct Output {
    /// New facts, in order.
    pub records: Vec<Stamped>,
    /// Wishes, in order.
    pub effects: Vec<Effect>,
}

impl Output {
    pub(crate) fn reply(&mut self, origin: Origin, reply: Reply) {
        self.effects.push(Effect::Reply { origin, reply });
    }
    pub(crate) fn stray(&mut self, link: LinkIndex, why: Stray) {
        self.effects.push(Effect::Stray { link, why });
    }
    pub(crate) fn refuse(&mut self, origin: Origin, code: ResponseCode) {
        self.reply(origin, Reply::refused(code));
    }
}

/// The deciding instance of a partition.
#[derive(Debug, Default)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) state: State,
    pub(crate) flight: Flight,
}

impl Core {
    /// An empty core.
    pub fn new(config: CoreConfig) -> Self {
        Self { config, ..Self::default() }
    }
    /// A core that goes on from a state, which a snapshot held.
    pub fn resume(config: CoreConfig, state: State) -> Self {
        Self { config, state, ..Self::default() }
    }
    /// What it knows.
    pub fn state(&self) -> &State {
        &self.state
    }
    /// Takes a record of the ledger, at start, in order.
    ///
    /// # Errors
    /// [`ApplyError`] when the record does not fit: the ledger is not one of this switch.
    pub fn replay(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        self.state.apply(stamped)
    }
    /// Begins to work after the replay: whatever was under way when the process before ended is now
    /// unknown, and is reversed.
    pub fn start(&mut self, epoch: u64, cut_bytes: u64, now: Timestamp, out: &mut Output) {
        if !self.state.is_initialised() {
            // An empty ledger: its first record is the genesis, and nothing is under way.
            return;
        }
        let now = now.max(self.state.last_at);
        self.flight.saf_from_before = self.state.saf.next;
        self.resume_saf(now);
        self.emit(Record::Started { epoch, cut_bytes }, Actor::Switch, now, out);
        self.abandon_pending(now, out);
    }
    /// Takes one input. A clock that was set back does not turn time back: nothing happens before the
    /// record before it.
    pub fn handle(&mut self, input: Input, now: Timestamp, out: &mut Output) {
        let now = now.max(self.state.last_at);
        match input {
            Input::Request(request) => self.request(*request, now, out),
            Input::PinDone { slot, request, outcome } => self.pin_done(slot, request, outcome, now, out),
            Input::ChipDone { slot, request, outcome } => self.chip_done(slot, request, outcome, now, out),
            Input::KeysMade { slot, made } => self.keys_made(slot, made, now, out),
            Input::LinkConnected { link, generation } => {
                self.link_connected(Over { link, generation }, now, out);
            }
            Input::LinkLost { link, generation } => self.link_lost(Over { link, generation }, out),
            Input::HostSigned { link, generation, on } => {
                self.host_signed(Over { link, generation }, on, now, out);
            }
            Input::KeyBrought { link, generation, brought } => {
                self.key_brought(Over { link, generation }, *brought, out);
            }
            Input::LinkKeyOpened { slot, link, opened } => self.link_key_opened(slot, link, opened, now, out),
            Input::Answer { link, generation, answer } => {
                self.answer(Over { link, generation }, &answer, now, out);
            }
            Input::NotSent { link, transaction, request } => {
                self.not_sent(link, transaction, request, now, out);
            }
            Input::Tick => self.tick(now, out),
            Input::Command { ticket, actor, command } => self.command(ticket, actor, *command, now, out),
        }
    }

    /// Makes a fact: applies it at once and hands it out to be made durable.
    ///
    /// # Panics
    /// When the record does not apply: what was just decided contradicts the state it was decided on, and
    /// going on would be worse than stopping.
    pub(crate) fn emit(&mut self, record: Record, actor: Actor, now: Timestamp, out: &mut Output) {
        let stamped = Stamped { at: now, actor, record };
        if let Err(error) = self.state.apply(&stamped) {
            panic!("a decision contradicts the state: {error}");
        }
        if let Some((id, lane)) = self.state.saf.take_moved() {
            self.saf_moved(id, lane);
        }
        out.records.push(stamped);
    }

    /// Makes a fact that somebody ordered, unless it is longer than the ledger takes: what was ordered is then refused, where
    /// whatever follows from transactions has its limits already.
    pub(crate) fn try_emit(
        &mut self,
        record: Record,
        actor: Actor,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<(), CommandError> {
        let stamped = Stamped { at: now, actor, record };
        fits(&stamped)?;
        self.emit(stamped.record, stamped.actor, now, out);
        Ok(())
    }

    /// The facts of a reply made now, under the next reference number.
    pub(crate) fn facts(&self, code: ResponseCode, now: Timestamp) -> ReplyFacts {
        ReplyFacts {
            code,
            rrn: self.next_rrn(),
            auth_code: None,
            at: now,
            settlement_date: self.state.day(),
            balance: None,
        }
    }

    /// Day of 400, partition, counter: unique for 400 days.
    pub(crate) fn next_rrn(&self) -> Rrn {
        let day = u64::from(self.state.day().0 % 400);
        let partition = self.state.origin.as_ref().map_or(0, |o| u64::from(o.partition % 10));
        let number = day * 1_000_000_000 + partition * 100_000_000 + self.state.references % 100_000_000;
        Rrn::try_from(&digits::<12>(number)[..]).expect("twelve digits are a reference number")
    }

    /// The next trace number of a transaction on a link; the highest ones are for network messages, which
    /// are not recorded.
    pub(crate) fn next_stan(&self, link: LinkIndex) -> Stan {
        let last = self.state.link_stans.get(usize::from(link.0)).copied().unwrap_or(0);
        let next = if last >= NETWORK_STAN_FIRST - 1 { 1 } else { last + 1 };
        Stan::try_from(u64::from(next)).expect("at most six digits")
    }

    /// The switch's local time.
    pub(crate) fn offset(&self) -> UtcOffset {
        self.state.offset()
    }
}

/// Whether the ledger takes a record of this length.
pub(crate) fn fits(stamped: &Stamped) -> Result<(), CommandError> {
    let mut bytes = Vec::new();
    stamped.encode(&mut bytes);
    let (have, max) = (bytes.len(), Stamped::BYTES_MAX);
    if have > max { Err(CommandError::TooLong { have, max }) } else { Ok(()) }
}

/// First of the trace numbers that network messages use in turn.
pub(crate) const NETWORK_STAN_FIRST: u32 = 999_000;

/// The last `N` decimal digits of a number, with leading zeros.
pub(crate) fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut out = [b'0'; N];
    for slot in out.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out
}
