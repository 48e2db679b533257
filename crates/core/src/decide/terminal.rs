//! Who may speak at all, sign-on, sign-off, echo.

use crate::decide::batch::Close;
use crate::effect::{Effect, Reply, ReplyBody};
use crate::flight::SignOnWait;
use crate::input::{Body, KeyForm, MacCheck, MadeKeys, Origin, Request, SlotId};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, KeyName, KeyUse, MerchantIndex, Record, ResponseCode, Stan, TerminalIndex, TerminalOrder,
    Timestamp,
};

/// Why a terminal was disabled without an operator.
const LOCKED_OUT: &str = "too many wrong MACs in a row";
const PINS_LOCKED_OUT: &str = "too many PIN blocks that do not open";
/// Microseconds in an hour.
const HOUR_MICROS: u64 = 3_600_000_000;

/// A terminal that may speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) terminal: TerminalIndex,
    pub(crate) merchant: MerchantIndex,
    pub(crate) origin: Origin,
}

impl Core {
    /// A terminal's request: first who it is, then whether it is authentic, then what it wants.
    pub(crate) fn request(&mut self, request: Request, now: Timestamp, out: &mut Output) {
        let origin = request.origin;
        let caller = match self.caller(&request) {
            Ok(caller) => caller,
            Err(code) => return out.refuse(origin, code),
        };
        if let Err(code) = self.authentic(&caller, request.mac, now) {
            if code == ResponseCode::MAC_ERROR {
                *self.flight.refusals.entry((caller.terminal, code)).or_default() += 1;
            }
            if request.mac == MacCheck::Wrong {
                self.wrong_mac(caller.terminal, now, out);
            }
            return out.refuse(origin, code);
        }
        if matches!(request.mac, MacCheck::Verified { .. }) {
            self.right_mac(caller.terminal, now, out);
        }
        if request.mac == MacCheck::NotRequired
            && let Err(code) = self.admit_unkeyed(caller.terminal, &request.body)
        {
            return out.refuse(origin, code);
        }
        let mut body = request.body;
        if let (MacCheck::Verified { version }, Body::Financial(financial)) = (request.mac, &mut body) {
            financial.key_version = Some(version);
        }
        self.place(&caller, &mut body);
        match body {
            Body::SignOn { stan, form } => self.sign_on(caller, stan, form, out),
            Body::SignOff { stan } => self.sign_off(caller, stan, now, out),
            Body::Status { status } => self.status_upload(caller, status, now, out),
            Body::Download { kind, step } => self.download(caller, kind, &step, now, out),
            Body::MasterKey(step) => self.master_key(caller, step, now, out),
            Body::ScriptResult(result) => {
                if self.signed_on(&caller, out) {
                    self.script_result(caller, *result, now, out);
                }
            }
            Body::Echo => {
                let (code, body) = (ResponseCode::APPROVED, ReplyBody::Echo { at: now });
                out.reply(origin, Reply { code, body, requirement: 0, chip: None });
            }
            Body::Unsupported { code } => out.refuse(origin, code),
            Body::Financial(financial) => {
                if self.signed_on(&caller, out) {
                    self.financial(caller, financial, now, out);
                }
            }
            Body::Reversal(reversal) => {
                if self.signed_on(&caller, out) {
                    self.reversal(caller, &reversal, now, out);
                }
            }
            Body::BatchTotals { stan, batch, totals, closes, moment } => {
                if self.signed_on(&caller, out) {
                    self.batch_totals(caller, Close { stan, batch, totals, closes, moment }, now, out);
                }
            }
            Body::BatchUpload { stan, batch, upload } => {
                if self.signed_on(&caller, out) {
                    self.batch_upload(caller, stan, batch, upload, now, out);
                }
            }
        }
    }

    fn caller(&self, request: &Request) -> Result<Caller, ResponseCode> {
        let registry = &self.state.registry;
        let terminal = registry.terminal_named(&request.terminal).ok_or(ResponseCode::UNKNOWN_TERMINAL)?;
        let merchant =
            registry.terminal(terminal).map(|t| t.terminal.merchant).expect("an index of the registry");
        let named = registry.merchant_by_id.get(&request.merchant);
        if named != Some(&merchant) {
            return Err(ResponseCode::INVALID_MERCHANT);
        }
        if let Some(code) = self.shut_out(terminal, merchant) {
            return Err(code);
        }
        Ok(Caller { terminal, merchant, origin: request.origin })
    }

    /// What those hear whom an operator has taken out of service.
    pub(crate) fn shut_out(&self, terminal: TerminalIndex, merchant: MerchantIndex) -> Option<ResponseCode> {
        let registry = &self.state.registry;
        if registry.is_merchant_disabled(merchant) {
            return Some(ResponseCode::INVALID_MERCHANT);
        }
        (registry.is_disabled(terminal) == Some(true)).then_some(ResponseCode::TERMINAL_NOT_PERMITTED)
    }

    fn authentic(&self, caller: &Caller, mac: MacCheck, now: Timestamp) -> Result<(), ResponseCode> {
        let keys = self.state.registry.terminal(caller.terminal).and_then(|t| t.keys.as_ref());
        match mac {
            MacCheck::NotRequired => Ok(()),
            MacCheck::Verified { version } if keys.is_some_and(|k| k.version == version) => Ok(()),
            MacCheck::Verified { version } if self.were_in_force(caller.terminal, version, now) => Ok(()),
            MacCheck::NoKey => Err(ResponseCode::SIGN_ON_REQUIRED),
            // Its keys went with their algorithm: they were right, and are of no use any more.
            MacCheck::Verified { .. } if keys.is_none() => Err(ResponseCode::SIGN_ON_REQUIRED),
            MacCheck::Verified { .. } | MacCheck::Wrong => Err(ResponseCode::MAC_ERROR),
        }
    }

    /// Whether a terminal had these keys until a sign-on of a moment ago: what was under way then ends under them.
    fn were_in_force(&self, terminal: TerminalIndex, version: u32, now: Timestamp) -> bool {
        let before = self.flight.keys_before.get(&terminal);
        before.is_some_and(|(known, until)| *known == version && now < *until)
    }

    /// Whether a terminal's transactions carry no MAC, as its profile says: whoever reaches its listener is believed.
    fn is_trusted_unkeyed(&self, terminal: TerminalIndex) -> bool {
        self.state.registry.terminal(terminal).is_some_and(|state| !state.profile.carries_mac)
    }

    /// Whoever tries MACs gets so many tries at a terminal's keys. Then it hears 58 until an operator enables it again.
    ///
    /// The count is recorded with each, so that no crash gives tries back: the record shares the sync of whatever else is
    /// decided at the time, and so many of them are written in a minute that they fill no disk.
    fn wrong_mac(&mut self, terminal: TerminalIndex, now: Timestamp, out: &mut Output) {
        if self.config.mac_failures_max == 0 {
            return;
        }
        let not_recorded = self.flight.wrong_macs.entry(terminal).or_default();
        *not_recorded = not_recorded.saturating_add(1);
        let in_a_row = self.state.registry.wrong_macs(terminal).saturating_add(*not_recorded);
        if in_a_row < self.config.mac_failures_max {
            if self.may_record_mac(terminal) {
                self.flight.wrong_macs.remove(&terminal);
                self.emit(Record::MacsFailed { terminal, in_a_row }, Actor::Switch, now, out);
            }
            return;
        }
        self.flight.wrong_macs.remove(&terminal);
        self.lock_out(terminal, LOCKED_OUT, now, out);
    }

    /// Nobody answers for it: the switch disables a terminal until an operator has looked at it.
    fn lock_out(&mut self, terminal: TerminalIndex, why: &str, now: Timestamp, out: &mut Output) {
        let reason = why.parse().expect("one line of words");
        let record = Record::TerminalOrdered { terminal, order: TerminalOrder::Disable, reason };
        self.emit(record, Actor::Switch, now, out);
    }

    /// A PIN block that does not open says something of the PIN in it to whoever sends it with one card number after
    /// another. A terminal gets so many of them in a time, whatever else it sends between them: a right PIN of a card of
    /// one's own must not buy new tries. Each is recorded before its answer leaves.
    pub(super) fn malformed_pin(&mut self, terminal: TerminalIndex, now: Timestamp, out: &mut Output) {
        if self.config.malformed_pins_max == 0 {
            return;
        }
        let (count, since) = self.state.registry.malformed_pins(terminal);
        let window = u64::from(self.config.malformed_pins_hours) * HOUR_MICROS;
        let is_over = count == 0 || now >= since.plus_micros(window);
        let (count, since) = if is_over { (1, now) } else { (count.saturating_add(1), since) };
        self.emit(Record::PinsMalformed { terminal, count, since }, Actor::Switch, now, out);
        if count >= self.config.malformed_pins_max {
            self.lock_out(terminal, PINS_LOCKED_OUT, now, out);
        }
    }

    /// Whoever has the keys ends the count. There are no more of these records than of those above.
    fn right_mac(&mut self, terminal: TerminalIndex, now: Timestamp, out: &mut Output) {
        self.flight.wrong_macs.remove(&terminal);
        if self.state.registry.wrong_macs(terminal) > 0 {
            self.emit(Record::MacsFailed { terminal, in_a_row: 0 }, Actor::Switch, now, out);
        }
    }

    fn may_record_mac(&mut self, terminal: TerminalIndex) -> bool {
        let of_terminal = self.flight.mac_records.entry(terminal).or_default();
        let may = *of_terminal < self.config.mac_records_per_minute_max
            && self.flight.mac_records_count < self.config.mac_records_of_all_per_minute_max;
        *of_terminal += u32::from(may);
        self.flight.mac_records_count += u32::from(may);
        may
    }

    /// A minute is over: what was too much to be recorded in it is recorded now, in one record a terminal.
    pub(super) fn record_wrong_macs(&mut self, now: Timestamp, out: &mut Output) {
        self.flight.mac_records.clear();
        self.flight.mac_records_count = 0;
        for (terminal, not_recorded) in std::mem::take(&mut self.flight.wrong_macs) {
            let in_a_row = self.state.registry.wrong_macs(terminal).saturating_add(not_recorded);
            self.emit(Record::MacsFailed { terminal, in_a_row }, Actor::Switch, now, out);
        }
    }

    /// Whether something without a MAC is looked at.
    fn admit_unkeyed(&mut self, terminal: TerminalIndex, body: &Body) -> Result<(), ResponseCode> {
        let trusted = self.is_trusted_unkeyed(terminal);
        if !trusted && matches!(body, Body::Financial(_) | Body::Reversal(_)) {
            return Err(ResponseCode::MAC_ERROR);
        }
        let is_free = trusted && !matches!(body, Body::SignOn { .. });
        if is_free || self.may_send_unkeyed(terminal) {
            Ok(())
        } else {
            Err(ResponseCode::SYSTEM_MALFUNCTION)
        }
    }

    /// Messages without a MAC can come from anybody who knows a terminal's number: there is a limit to the keys, the
    /// records and the work that they cause.
    fn may_send_unkeyed(&mut self, terminal: TerminalIndex) -> bool {
        let sent = self.flight.unkeyed.entry(terminal).or_default();
        *sent = sent.saturating_add(1);
        let within = *sent <= self.config.unkeyed_per_minute_max;
        if !within {
            *self.flight.refusals.entry((terminal, ResponseCode::SYSTEM_MALFUNCTION)).or_default() += 1;
        }
        within
    }

    fn signed_on(&self, caller: &Caller, out: &mut Output) -> bool {
        let signed_on = self.state.registry.terminal(caller.terminal).is_some_and(|t| t.signed_on);
        if !signed_on {
            out.refuse(caller.origin, ResponseCode::SIGN_ON_REQUIRED);
        }
        signed_on
    }

    fn sign_on(&mut self, caller: Caller, stan: Stan, form: KeyForm, out: &mut Output) {
        if self.flight.sign_ons.len() + self.flight.pins.len() >= self.config.in_flight_max {
            return out.refuse(caller.origin, ResponseCode::SYSTEM_MALFUNCTION);
        }
        let master = KeyName { usage: KeyUse::TerminalMaster, owner: caller.terminal.0 };
        if self.state.registry.key(master).is_none() {
            // Working keys could not travel: its master key is still to be brought.
            return out.refuse(caller.origin, ResponseCode::SECURITY_FAILURE);
        }
        let recorded = self.state.registry.key_version(caller.terminal);
        let asked = self.flight.key_versions.entry(caller.terminal).or_insert(recorded);
        let version = recorded.max(*asked).wrapping_add(1);
        *asked = version;
        let slot = self.flight.slot();
        self.flight
            .sign_ons
            .insert(slot, SignOnWait { origin: caller.origin, terminal: caller.terminal, stan });
        out.effects.push(Effect::MakeKeys { slot, terminal: caller.terminal, version, form });
    }

    /// The keys are there: record them, put them in force, tell the terminal.
    pub(crate) fn keys_made(
        &mut self,
        slot: SlotId,
        made: Option<Box<MadeKeys>>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some(SignOnWait { origin, terminal, stan }) = self.flight.sign_ons.remove(&slot) else { return };
        let Some(made) = made else { return out.refuse(origin, ResponseCode::SECURITY_FAILURE) };
        let MadeKeys { keys, block } = *made;
        let in_force = self.state.registry.key_version(terminal);
        if keys.version <= in_force {
            // Two sign-ons overtook each other; the later one's keys are in force already.
            return out.refuse(origin, ResponseCode::SIGN_ON_REQUIRED);
        }
        let facts = self.facts(ResponseCode::APPROVED, now);
        let Some(batch) = self.state.batches.get(terminal).map(|b| b.number) else { return };
        if in_force > 0 && self.config.key_overlap_ms > 0 {
            let until = now.plus_micros(self.config.key_overlap_ms * 1_000);
            self.flight.keys_before.insert(terminal, (in_force, until));
        }
        let record = Record::SignedOn { terminal, stan, keys: keys.clone(), batch, reply: facts };
        self.emit(record, Actor::Terminal(terminal), now, out);
        out.effects.push(Effect::UseKeys { terminal, keys: Box::new(keys) });
        let requirement = self.requirement(terminal);
        let body = ReplyBody::SignOn { facts, batch, key_block: block };
        out.reply(origin, Reply { requirement, ..Reply::recorded(&facts, body) });
    }

    fn sign_off(&mut self, caller: Caller, stan: Stan, now: Timestamp, out: &mut Output) {
        let terminal = caller.terminal;
        // A sign-off carries no MAC: only the one that changes something is recorded.
        let signed_off = self.state.registry.terminal(terminal).and_then(|t| t.signed_off);
        if let Some(facts) = signed_off {
            return out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::SignOff { facts }));
        }
        // Closing a batch has advanced it already, so that a sign-off has nothing left to count up.
        let facts = self.facts(ResponseCode::APPROVED, now);
        self.emit(Record::SignedOff { terminal, stan, reply: facts }, Actor::Terminal(terminal), now, out);
        out.reply(caller.origin, Reply::recorded(&facts, ReplyBody::SignOff { facts }));
    }
}
