//! Master keys that terminals fetch over the line: offered, fetched as often as they ask, taken once.
//!
//! A terminal's messages about it carry no MAC. What is fetched opens under a key that the terminal alone has, so that
//! whoever asks in its place learns nothing; and nothing changes before a proof came that only who opened it can give.

use crate::decide::terminal::Caller;
use crate::effect::{CommandError, CommandOutcome, Reply, ReplyBody};
use crate::input::MasterKeyStep;
use crate::key::{KEY_OFFERS_MAX, NewOffer};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, DOWNLOAD_BYTES_MAX, KEY_OFFER_HOURS_MAX, KeyName, KeyOffer, KeyUse, Reason, Record, ResponseCode,
    TerminalDialect, TerminalId, TerminalIndex, Timestamp,
};

const OFFER: &str = "a key that the terminal may fetch";
const HOUR_MICROS: u64 = 3_600_000_000;
/// Header requirement: sign on again.
const SIGN_ON: u8 = 3;

impl Core {
    /// A terminal may fetch its next master key from now on.
    pub(super) fn offer_key(
        &mut self,
        actor: Actor,
        new: NewOffer,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        self.expire_offers(now, out);
        self.may_offer(&new)?;
        let NewOffer { terminal, key, under, line, hours, reason, before: _ } = new;
        let until = now.plus_micros(u64::from(hours) * HOUR_MICROS);
        let offer = Box::new(KeyOffer { key, under, line, until, reason });
        self.emit(Record::TerminalKeyOffered { terminal, offer }, actor, now, out);
        Ok(CommandOutcome::Recorded)
    }

    fn may_offer(&self, new: &NewOffer) -> Result<(), CommandError> {
        let registry = &self.state.registry;
        let state = registry.terminal(new.terminal).ok_or(CommandError::Missing { what: "terminal" })?;
        if state.profile.dialect != TerminalDialect::UnionpayPos {
            return Err(CommandError::NotNow {
                why: "a generic dialect has no download of a master key: use inject-key",
            });
        }
        let transport = |under: KeyName| under.usage == KeyUse::Transport && registry.key(under).is_some();
        if new.under.is_some_and(|under| !transport(under)) {
            return Err(CommandError::Missing { what: "the transport key" });
        }
        if state.terminal.master_key.check_value != new.before {
            return Err(CommandError::NotNow { why: "the terminal's master key is another one by now" });
        }
        if registry.offers.contains_key(&new.terminal) {
            return Err(CommandError::Exists { what: OFFER });
        }
        let have = registry.offers.len() + 1;
        if have > KEY_OFFERS_MAX {
            return Err(CommandError::TooMany {
                what: "keys for terminals to fetch",
                have,
                max: KEY_OFFERS_MAX,
            });
        }
        let is_sound = (1..=KEY_OFFER_HOURS_MAX).contains(&new.hours)
            && (1..=DOWNLOAD_BYTES_MAX).contains(&new.line.wrapped.len())
            && new.key.check_value != new.before;
        if is_sound { Ok(()) } else { Err(CommandError::Invalid { what: OFFER }) }
    }

    /// It may not any more.
    pub(super) fn withdraw_key(
        &mut self,
        actor: Actor,
        terminal: &TerminalId,
        reason: Reason,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        self.expire_offers(now, out);
        let registry = &self.state.registry;
        let terminal = registry.terminal_named(terminal).ok_or(CommandError::Missing { what: "terminal" })?;
        let offer = registry.offers.get(&terminal).ok_or(CommandError::Missing { what: OFFER })?;
        let check_value = offer.key.check_value;
        let record = Record::TerminalKeyWithdrawn { terminal, check_value, reason: Some(reason) };
        self.emit(record, actor, now, out);
        Ok(CommandOutcome::Recorded)
    }

    /// Ends offers whose time is over.
    pub(super) fn expire_offers(&mut self, now: Timestamp, out: &mut Output) {
        let over = |(terminal, offer): (&TerminalIndex, &KeyOffer)| {
            (offer.until <= now).then_some((*terminal, offer.key.check_value))
        };
        let all: Vec<_> = self.state.registry.offers.iter().filter_map(over).collect();
        for (terminal, check_value) in all {
            let record = Record::TerminalKeyWithdrawn { terminal, check_value, reason: None };
            self.emit(record, Actor::Switch, now, out);
        }
    }

    /// 0800 with 60.3 = 400 or 401.
    pub(super) fn master_key(
        &mut self,
        caller: Caller,
        step: MasterKeyStep,
        now: Timestamp,
        out: &mut Output,
    ) {
        if self.state.registry.offers.get(&caller.terminal).is_some_and(|offer| offer.until <= now) {
            self.expire_offers(now, out);
        }
        match step {
            MasterKeyStep::Fetch => match self.state.registry.offers.get(&caller.terminal) {
                Some(offer) => {
                    let body = ReplyBody::Download { at: now, data: offer.line.wrapped.clone() };
                    let code = ResponseCode::APPROVED;
                    out.reply(caller.origin, Reply { code, body, requirement: 0, chip: None });
                }
                None => out.refuse(caller.origin, ResponseCode::ORIGINAL_NOT_FOUND),
            },
            MasterKeyStep::Confirm { check_value, proof } => {
                self.master_key_taken(caller, check_value, &proof, now, out);
            }
        }
    }

    /// The key is in force once the terminal has proven that it has it. It may say so again: its answer may be lost.
    fn master_key_taken(
        &mut self,
        caller: Caller,
        check_value: [u8; 4],
        proof: &[u8; 8],
        now: Timestamp,
        out: &mut Output,
    ) {
        let (terminal, registry) = (caller.terminal, &self.state.registry);
        let in_force = registry.terminal(terminal).map(|state| state.terminal.master_key.check_value);
        match registry.offers.get(&terminal).filter(|offer| offer.key.check_value == check_value) {
            Some(offer) if is_same(&offer.line.proof, proof) => {
                let record = Record::TerminalKeyTaken { terminal, key: offer.key.clone() };
                self.emit(record, Actor::Terminal(terminal), now, out);
            }
            Some(_) => {
                let code = ResponseCode::SECURITY_FAILURE;
                *self.flight.refusals.entry((terminal, code)).or_default() += 1;
                return out.refuse(caller.origin, code);
            }
            None if in_force == Some(check_value) => {}
            None => return out.refuse(caller.origin, ResponseCode::ORIGINAL_NOT_FOUND),
        }
        let wants = self.state.registry.wants_new_keys(terminal);
        let requirement = if wants { SIGN_ON } else { self.requirement(terminal) };
        let body = ReplyBody::Echo { at: now };
        out.reply(caller.origin, Reply { code: ResponseCode::APPROVED, body, requirement, chip: None });
    }
}

/// Takes the same time wherever they differ.
fn is_same(expected: &[u8; 8], told: &[u8; 8]) -> bool {
    expected.iter().zip(told).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
