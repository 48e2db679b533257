//! An issuer with books of its own, and with everything that issuers do wrong.

use crate::env::{Env, Event};
use crate::plan::ISSUER_TIMEOUT;
use crate::schedule::{Micros, millis, seconds};
use std::collections::BTreeMap;
use switchyard_domain::Rrn;
use switchyard_keys::TdesCipher;
use switchyard_simulator::SimError;
use switchyard_simulator::issuer::{Account, Desk, IssuerBook, IssuerEntry, ScriptSent, Session};
use switchyard_simulator::world::{DemoLink, DemoWorld};
use switchyard_wire::{Builder, De, Dialect, Framing, Message, MtiClass, Scan};

/// Refuses larger amounts with 61.
const AMOUNT_MINOR_MAX: u64 = 5_000_000;
/// The month in which every simulation begins, for cards that expired.
const YEAR_MONTH: [u8; 4] = *b"2611";
/// Largest frame that it takes.
const FRAME_BYTES_MAX: usize = 4_096;
const AMOUNT_DE: De = 4;
const CODE_DE: De = 39;

/// The issuer behind one link.
pub(crate) struct Host {
    desk: Desk,
    dialect: &'static Dialect,
    framing: Framing,
    /// By connection.
    sessions: BTreeMap<u64, Session>,
    /// Every request as it came, so that a copy of it fares the same.
    lots: BTreeMap<Vec<u8>, Lot>,
}

/// What a request comes to at the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lot {
    Plain,
    Busy,
    WrongAmount,
    Part,
}

/// What happens to one request.
#[derive(Default)]
struct Fate {
    silent: bool,
    double: bool,
    wait: Micros,
}

impl Host {
    /// The issuer behind a link of the world, which sends a script to so many of a thousand chips.
    pub(crate) fn new(world: &DemoWorld, link: &DemoLink, script_per_mille: u16) -> Result<Self, SimError> {
        let accounts: Vec<Account> = world.cards_of(&link.name).map(Account::of).collect::<Result<_, _>>()?;
        let book = IssuerBook::new(accounts, AMOUNT_MINOR_MAX, YEAR_MONTH).scripting(script_per_mille);
        let desk = Desk::new(book, link.dialect, TdesCipher::new(&link.zpk.des()))?;
        let dialect = Dialect::builtin(link.dialect.name()).ok_or(SimError::World { what: "dialect" })?;
        let (sessions, lots) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { desk, dialect, framing: link.framing()?, sessions, lots })
    }

    /// Everything that it posted.
    pub(crate) fn entries(&self) -> &[IssuerEntry] {
        self.desk.book.entries()
    }

    /// What became of its scripts.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (&Rrn, &ScriptSent)> {
        self.desk.book.scripts()
    }

    /// Hears a frame; its answers are planned.
    pub(crate) fn hear(&mut self, env: &mut Env, line: u64, bytes: &[u8]) {
        let Scan::Frame { start, end, .. } = self.framing.scan(bytes, FRAME_BYTES_MAX) else { return };
        let mut body = bytes[start..end].to_vec();
        let is_network =
            self.dialect.parse(&body).is_ok_and(|message| message.mti().class() == MtiClass::Network);
        let faults = env.plan.host;
        let mut fate = Fate { wait: env.random.between(millis(2), millis(200)), ..Fate::default() };
        let mut session = *self.sessions.entry(line).or_default();
        let mut is_part = false;
        if !is_network {
            if env.fault(faults.deaf) {
                env.tally.host_deaf += 1;
                return env.note("issuer does not hear", [line, 0, 0]);
            }
            match self.lot_of(env, &body) {
                Lot::Plain => {}
                // A desk that nobody has signed on to says 91 and does nothing.
                Lot::Busy => session.is_signed_on = false,
                Lot::WrongAmount => drop(self.alter(&mut body, |minor| minor - 1)),
                Lot::Part => is_part = self.alter(&mut body, |minor| minor * 3 / 5),
            }
            fate.draw(env);
        }
        let Ok(answer) = self.answer(env, &body, &mut session, is_part) else {
            return env.note("issuer cannot read", [line, 0, 0]);
        };
        if is_network {
            self.sessions.insert(line, session);
        }
        env.note("issuer answers", [line, fate.wait, u64::from(fate.silent)]);
        if !fate.silent {
            if fate.double {
                env.schedule.after(fate.wait + millis(1), Event::Answer { line, bytes: answer.clone() });
            }
            env.schedule.after(fate.wait, Event::Answer { line, bytes: answer });
        }
    }

    /// The desk's answer in its frame. Some hosts say 25 to the reversal of what they never had, where others say 00. What
    /// was made a part before the desk saw it is approved as one.
    fn answer(
        &mut self,
        env: &mut Env,
        body: &[u8],
        session: &mut Session,
        is_part: bool,
    ) -> Result<Vec<u8>, SimError> {
        let unheard_of = self.desk.book.counts().tombstones;
        let mut answer = Vec::new();
        self.desk.handle(body, session, &mut answer)?;
        if self.desk.book.counts().tombstones > unheard_of && env.fault(env.plan.host.unfound) {
            env.tally.host_unfound += 1;
            let not_found = self.dialect.parse(&answer).ok().and_then(|message| {
                with(self.dialect, &message, CODE_DE, |builder| builder.text(CODE_DE, "25").is_ok())
            });
            answer = not_found.unwrap_or(answer);
        }
        if is_part {
            let in_part = self.dialect.parse(&answer).ok().and_then(|message| {
                let approved = message.text(CODE_DE).is_some_and(|code| code == "00");
                let put = |builder: &mut Builder<'_, '_>| builder.text(CODE_DE, "10").is_ok();
                approved.then(|| with(self.dialect, &message, CODE_DE, put)).flatten()
            });
            env.tally.host_parts += u64::from(in_part.is_some());
            answer = in_part.unwrap_or(answer);
        }
        let mut frame = Vec::with_capacity(answer.len() + 4);
        self.framing.write(&mut frame, |out| out.extend_from_slice(&answer))?;
        Ok(frame)
    }

    fn lot_of(&mut self, env: &mut Env, body: &[u8]) -> Lot {
        let faults = env.plan.host;
        let known = self.lots.get(body).copied();
        // What has been approved or taken back already is taken as it is told: both say in DE 39 what was decided. What a
        // chip made of a script is too.
        let asks = |message: &Message<'_, '_>| {
            !message.has(CODE_DE) && message.mti().class() != MtiClass::Administrative
        };
        let is_request = self.dialect.parse(body).is_ok_and(|message| asks(&message));
        let lot = match known {
            // A reversal or an advice that was told to come again is taken when it does.
            Some(Lot::Busy) if !is_request => Lot::Plain,
            Some(lot) => lot,
            None if env.fault(faults.busy) => {
                env.tally.host_busy += 1;
                Lot::Busy
            }
            None if is_request && env.fault(faults.part) => Lot::Part,
            None if is_request && env.fault(faults.wrong_amount) => {
                env.tally.host_wrong_amount += 1;
                Lot::WrongAmount
            }
            None => Lot::Plain,
        };
        self.lots.insert(body.to_vec(), lot);
        lot
    }

    /// Makes a request one of another amount, if it can. What has none, or follows another, stays as it is.
    fn alter(&self, body: &mut Vec<u8>, to: impl Fn(u64) -> u64) -> bool {
        let altered = self.dialect.parse(body).ok().filter(|message| !message.has(90)).and_then(|message| {
            let minor = message.number(AMOUNT_DE).filter(|minor| *minor > 1)?;
            let amount = |builder: &mut Builder<'_, '_>| builder.number(AMOUNT_DE, to(minor)).is_ok();
            with(self.dialect, &message, AMOUNT_DE, amount)
        });
        let done = altered.is_some();
        *body = altered.unwrap_or_else(|| std::mem::take(body));
        done
    }
}

/// The same message with another element in place of `de`.
fn with(
    dialect: &Dialect,
    message: &Message<'_, '_>,
    de: De,
    put: impl Fn(&mut Builder<'_, '_>) -> bool,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, message.mti());
    for element in message.elements() {
        let done = if element == de { put(&mut builder) } else { builder.echo(message, element).is_ok() };
        done.then_some(())?;
    }
    builder.finish().ok()?;
    Some(out)
}

impl Fate {
    fn draw(&mut self, env: &mut Env) {
        let faults = env.plan.host;
        if env.fault(faults.slow) {
            env.tally.host_slow += 1;
            self.wait += env.random.between(seconds(1), ISSUER_TIMEOUT);
        } else if env.fault(faults.late) {
            env.tally.host_late += 1;
            self.wait += ISSUER_TIMEOUT + env.random.between(millis(1), seconds(60));
        }
        if env.fault(faults.silent) {
            env.tally.host_silent += 1;
            self.silent = true;
        }
        if env.fault(faults.double) {
            env.tally.host_double += 1;
            self.double = true;
        }
    }
}
