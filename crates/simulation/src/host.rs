//! An issuer with books of its own, and with everything that issuers do wrong.

use crate::billing::{Billings, amount, converted};
use crate::env::{Env, Event};
use crate::plan::ISSUER_TIMEOUT;
use crate::schedule::{Micros, millis, seconds};
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{Currency, Rrn};
use switchyard_simulator::SimError;
use switchyard_simulator::issuer::{Account, Desk, IssuerBook, IssuerEntry, PinKeys, ScriptSent, Session};
use switchyard_simulator::world::{DemoLink, DemoWorld};
use switchyard_wire::{De, Dialect, Framing, Message, Mti, MtiClass, MtiVersion, Scan};

/// Refuses larger amounts with 61.
const AMOUNT_MINOR_MAX: u64 = 5_000_000;
/// The month in which every simulation begins, for cards that expired.
const YEAR_MONTH: [u8; 4] = *b"2611";
/// Largest frame that it takes.
const FRAME_BYTES_MAX: usize = 4_096;
const AMOUNT_DE: De = 4;
const CODE_DE: De = 39;
const BILLED_DE: De = 6;
const RATE_DE: De = 10;
/// DE 7 of its own messages about a link.
const MOMENT: &[u8] = b"1118141320";

/// The issuer behind one link.
pub(crate) struct Host {
    desk: Desk,
    dialect: &'static Dialect,
    framing: Framing,
    /// By connection.
    sessions: BTreeMap<u64, Session>,
    /// Connections on which it has signed off: new requests are told to come again.
    off: BTreeSet<u64>,
    /// Trace number of its last message about a link.
    stan: u64,
    /// Every request as it came, so that a copy of it fares the same.
    lots: BTreeMap<Vec<u8>, Lot>,
    /// What it was told of its cardholders' billing.
    billings: Billings,
    /// The currency of its cards, where it is another than that of the transactions.
    bills_in: Option<Currency>,
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
    pub(crate) fn new(
        world: &DemoWorld,
        link: &DemoLink,
        script_per_mille: u16,
        bills_in: Option<Currency>,
    ) -> Result<Self, SimError> {
        let accounts: Vec<Account> = world.cards_of(&link.name).map(Account::of).collect::<Result<_, _>>()?;
        let book = IssuerBook::new(accounts, AMOUNT_MINOR_MAX, YEAR_MONTH).scripting(script_per_mille);
        let desk = Desk::new(book, link.dialect, PinKeys::new(&link.zpk, None))?;
        let dialect = Dialect::builtin(link.dialect.name()).ok_or(SimError::World { what: "dialect" })?;
        let (sessions, lots) = (BTreeMap::new(), BTreeMap::new());
        let billings = Billings::default();
        let (framing, off) = (link.framing()?, BTreeSet::new());
        Ok(Self { desk, dialect, framing, sessions, off, stan: 0, lots, billings, bills_in })
    }

    /// Its sign-on or sign-off on a connection. It is off from the moment that it says so, and on when it is heard.
    pub(crate) fn sign(&mut self, line: u64, on: bool) -> Option<Vec<u8>> {
        if !on {
            self.off.insert(line);
        }
        self.stan += 1;
        let (mut body, mut frame) = (Vec::new(), Vec::new());
        let is_first = self.dialect.name().starts_with("iso87");
        let mti = match self.dialect.name() {
            _ if is_first => 0x0800,
            name if name.starts_with("iso93") => 0x1804,
            _ => 0x2804,
        };
        let mut builder = self.dialect.builder(&mut body, Mti::new(mti));
        builder.digits(7, MOMENT).ok()?.number(11, self.stan).ok()?;
        let (de, code) = match (is_first, on) {
            (true, on) => (70, if on { 1 } else { 2 }),
            (false, on) => (24, if on { 801 } else { 802 }),
        };
        builder.number(de, code).ok()?;
        builder.finish().ok()?;
        self.framing.write(&mut frame, |out| out.extend_from_slice(&body)).ok()?;
        Some(frame)
    }

    /// Whether it has signed off on this connection.
    pub(crate) fn is_off(&self, line: u64) -> bool {
        self.off.contains(&line)
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
        let network = self.dialect.parse(&body).ok().filter(|m| m.mti().class() == MtiClass::Network);
        let is_network = network.is_some();
        if network.is_some_and(|message| message.mti().is_response()) {
            return self.heard_of(&body, line);
        }
        if let Ok(message) = self.dialect.parse(&body) {
            env.tally.billed += u64::from(message.has(BILLED_DE));
            let checked = self.billings.check(&message, self.bills_in, &env.rates);
            env.hold(checked);
        }
        let faults = env.plan.host;
        let mut fate = Fate { wait: env.random.between(millis(2), millis(200)), ..Fate::default() };
        let mut session = *self.sessions.entry(line).or_default();
        let mut is_part = false;
        if !is_network {
            if env.fault(faults.deaf) {
                env.tally.host_deaf += 1;
                return env.note("issuer does not hear", [line, 0, 0]);
            }
            match self.lot_of(env, line, &body) {
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
                with(self.dialect, &message, &[(CODE_DE, code(&message, "25", "914", "9114"))])
            });
            answer = not_found.unwrap_or(answer);
        }
        if is_part {
            let in_part = self.dialect.parse(&answer).ok().and_then(|message| {
                let approved =
                    message.text(CODE_DE).is_some_and(|code| code.bytes().all(|digit| digit == b'0'));
                let in_part = [(CODE_DE, code(&message, "10", "002", "0002"))];
                approved.then(|| with(self.dialect, &message, &in_part)).flatten()
            });
            env.tally.host_parts += u64::from(in_part.is_some());
            answer = in_part.unwrap_or(answer);
        }
        let mut frame = Vec::with_capacity(answer.len() + 4);
        self.framing.write(&mut frame, |out| out.extend_from_slice(&answer))?;
        Ok(frame)
    }

    /// The switch has heard its last word.
    fn heard_of(&mut self, body: &[u8], line: u64) {
        let Ok(answer) = self.dialect.parse(body) else { return };
        // In 2003 and 1993 the function says what it was about, in 1987 DE 70.
        let on = matches!((answer.number(70), answer.number(24)), (Some(1), _) | (None, Some(801)));
        if on && answer.number(11) == Some(self.stan) {
            self.off.remove(&line);
        }
    }

    fn lot_of(&mut self, env: &mut Env, line: u64, body: &[u8]) -> Lot {
        let faults = env.plan.host;
        let known = self.lots.get(body).copied();
        // What has been approved or taken back already is taken as it is told: both say in DE 39 what was decided. What a
        // chip made of a script is too.
        // A reversal says in DE 39 why, or since 1993 in DE 25.
        let asks = |message: &Message<'_, '_>| {
            !message.has(CODE_DE)
                && !matches!(message.mti().class(), MtiClass::Administrative | MtiClass::Reversal)
        };
        let is_request = self.dialect.parse(body).is_ok_and(|message| asks(&message));
        let lot = match known {
            // A reversal or an advice that was told to come again is taken when it does.
            Some(Lot::Busy) if !is_request => Lot::Plain,
            Some(lot) => lot,
            None if self.off.contains(&line) => Lot::Busy,
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
    /// What its cardholder is billed follows the amount.
    fn alter(&self, body: &mut Vec<u8>, to: impl Fn(u64) -> u64) -> bool {
        let follows = |message: &Message<'_, '_>| message.has(90) || message.has(56);
        let altered = self.dialect.parse(body).ok().filter(|message| !follows(message)).and_then(|message| {
            let (currency, minor) = amount(&message, AMOUNT_DE, 49).filter(|(_, minor)| *minor > 1)?;
            let mut changes = vec![(AMOUNT_DE, spelled(&message, AMOUNT_DE, to(minor))?)];
            if let Some((billing, _)) = amount(&message, BILLED_DE, 51) {
                let billed = converted((currency, to(minor)), message.number(RATE_DE)?, billing)?;
                changes.push((BILLED_DE, spelled(&message, BILLED_DE, billed).filter(|_| billed > 0)?));
            }
            with(self.dialect, &message, &changes)
        });
        let done = altered.is_some();
        *body = altered.unwrap_or_else(|| std::mem::take(body));
        done
    }
}

/// A code as the edition of a message has it.
fn code(message: &Message<'_, '_>, iso87: &str, iso93: &str, iso2003: &str) -> String {
    let code = match message.mti().version() {
        MtiVersion::Iso1987 => iso87,
        MtiVersion::Iso1993 => iso93,
        MtiVersion::Iso2003 | MtiVersion::Other(_) => iso2003,
    };
    code.to_owned()
}

/// An amount in place of another: in 2003 behind currency and exponent.
fn spelled(message: &Message<'_, '_>, de: De, minor: u64) -> Option<String> {
    let text = message.text(de)?;
    let kept = if message.mti().version() == MtiVersion::Iso2003 { text.get(..4)? } else { "" };
    Some(format!("{kept}{minor:012}"))
}

/// The same message with other texts in place of some elements.
fn with(dialect: &Dialect, message: &Message<'_, '_>, changes: &[(De, String)]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, message.mti());
    for element in message.elements() {
        let change = changes.iter().find(|(de, _)| *de == element);
        let done = match change {
            Some((de, text)) => builder.text(*de, text).is_ok(),
            None => builder.echo(message, element).is_ok(),
        };
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
