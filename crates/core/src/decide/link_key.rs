//! Another PIN key of a link, over the line: brought by its host, or asked for by the switch. The key store opens it; here
//! it becomes a record, and only then an answer.

use crate::decide::saf::NETWORK_ANSWER;
use crate::dialect::iso::link::KEY_CHANGE;
use crate::effect::{CommandError, Effect, Stray, Upstream};
use crate::flight::{Asked, AskedAs, KeyAsked, KeyOpens, Over};
use crate::input::{Answer, Financial, PinOutcome, SlotId};
use crate::link_key::{KeyArrival, KeyBrought, KeyCargo, KeyFault, KeyOpening};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, KeyMessage, KeyName, KeyRecord, KeyUse, LinkIndex, LinkKeyChange, Record, ResponseCode,
    RouteTarget, Timestamp,
};

impl Core {
    /// A host brings a key. It hears what became of it once that is known, and durable.
    pub(crate) fn key_brought(&mut self, over: Over, brought: KeyBrought, out: &mut Output) {
        let KeyBrought { message, cargo } = brought;
        let link = over.link;
        if self.flight.link(link).line(over.generation).is_none() {
            // It will send it again over the connection that it has now.
            return;
        }
        if cargo.is_ok() && self.state.registry.link_terms(link).key_message == Some(message) {
            self.answer_key(over, message, ResponseCode::APPROVED, out);
            out.effects.push(Effect::KeyArrived { link, what: KeyArrival::Repeated });
            return;
        }
        if self.flight.link(link).key_opens.is_some_and(|opens| opens.message == Some(message)) {
            return;
        }
        let opened = cargo.and_then(|cargo| self.open_key(over, Some(message), cargo, out));
        if let Err(fault) = opened {
            self.answer_key(over, message, fault.code(), out);
            out.effects.push(Effect::KeyArrived { link, what: KeyArrival::Refused(fault) });
        }
    }

    /// Whether keys may come under this transport key already. One that is not installed opens nothing.
    pub(crate) fn may_come_under(&self, link: LinkIndex, number: Option<u32>) -> Result<bool, CommandError> {
        let named = |owner| KeyName { usage: KeyUse::Transport, owner };
        if number.is_some_and(|number| self.state.registry.key(named(number)).is_none()) {
            return Err(CommandError::Missing { what: "the transport key" });
        }
        Ok(self.state.registry.link_terms(link).key_under == number)
    }

    /// An operator wants another key of a link: its host is asked for one.
    pub(crate) fn ask_for_key(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        let timeout_ms = u64::from(self.timeout_ms(link));
        let flight = self.flight.link(link);
        let stan = flight.next_network_stan();
        let place = AskedAs::Stan(stan, NETWORK_ANSWER);
        let Some(generation) = flight.choose(&[], now) else { return };
        flight.key_asked = Some(KeyAsked { generation, place, until: now.plus_micros(timeout_ms * 1_000) });
        flight.note_asked(generation, place, Asked::NewKey);
        let message = Box::new(Upstream::Network { stan, at: now, code: KEY_CHANGE });
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// Whether a host can be asked for a key.
    pub(crate) fn may_ask_for_key(&mut self, link: LinkIndex) -> Result<(), CommandError> {
        let flight = self.flight.link(link);
        let why = if !flight.is_signed_on() {
            "the host has not signed the link on"
        } else if flight.has_key_under_way() {
            "a key of the link is under way already"
        } else if self.transport_of(link).is_none() {
            "no transport key is agreed with the link (`link key-under`), or it is not installed"
        } else {
            return Ok(());
        };
        Err(CommandError::NotNow { why })
    }

    /// The host's answer to the question for a key.
    pub(crate) fn key_answered(
        &mut self,
        over: Over,
        place: AskedAs,
        answer: &Answer,
        out: &mut Output,
    ) -> Option<Stray> {
        let Over { link, generation } = over;
        let flight = self.flight.link(link);
        flight.forget(generation, place);
        let is_it = |asked: &mut KeyAsked| (asked.generation, asked.place) == (generation, place);
        if flight.key_asked.take_if(is_it).is_none() {
            return Some(Stray::Late);
        }
        let cargo = match (answer.code, &answer.key) {
            (Some(ResponseCode::APPROVED), Some(cargo)) => cargo.clone(),
            (Some(ResponseCode::APPROVED), None) => Err(KeyFault::Absent),
            (Some(_) | None, _) => Err(KeyFault::HostRefused),
        };
        let opened = cargo.and_then(|cargo| self.open_key(over, None, cargo, out));
        if let Err(fault) = opened {
            out.effects.push(Effect::KeyArrived { link, what: KeyArrival::Refused(fault) });
        }
        None
    }

    /// Nobody answers any more: the time is over, or the connection is.
    pub(crate) fn give_up_asking(&mut self, link: LinkIndex, lost: Option<u32>, out: &mut Output) {
        let flight = self.flight.link(link);
        let is_over = |asked: &mut KeyAsked| lost.is_none_or(|lost| lost == asked.generation);
        if let Some(KeyAsked { generation, place, .. }) = flight.key_asked.take_if(is_over) {
            flight.forget(generation, place);
            out.effects.push(Effect::KeyArrived { link, what: KeyArrival::Refused(KeyFault::Unanswered) });
        }
    }

    /// The transport key that the link's keys come under.
    fn transport_of(&self, link: LinkIndex) -> Option<(KeyName, &KeyRecord)> {
        let owner = self.state.registry.link_terms(link).key_under?;
        let under = KeyName { usage: KeyUse::Transport, owner };
        Some((under, self.state.registry.key(under)?))
    }

    /// Has the key store open it.
    fn open_key(
        &mut self,
        over: Over,
        message: Option<KeyMessage>,
        cargo: KeyCargo,
        out: &mut Output,
    ) -> Result<(), KeyFault> {
        let Over { link, generation } = over;
        // Also one that was asked for: its host may have answered already, and could not tell which of the two came last.
        if self.flight.link(link).has_key_under_way() {
            return Err(KeyFault::Busy);
        }
        let (under, transport) = self.transport_of(link).ok_or(KeyFault::NotAgreed)?;
        let transport = transport.clone();
        let in_force = self.state.registry.link(link).ok_or(KeyFault::NotAgreed)?.pin_key.clone();
        let slot = self.flight.slot();
        self.flight.link(link).key_opens = Some(KeyOpens { slot, generation, message, under });
        let opening = Box::new(KeyOpening { link, under, transport, in_force, cargo });
        out.effects.push(Effect::OpenLinkKey { slot, opening });
        Ok(())
    }

    /// The key store has looked at a key. What it takes is recorded before the host hears of it.
    pub(crate) fn link_key_opened(
        &mut self,
        slot: SlotId,
        link: LinkIndex,
        opened: Result<KeyRecord, KeyFault>,
        now: Timestamp,
        out: &mut Output,
    ) {
        let flight = self.flight.link(link);
        let Some(opens) = flight.key_opens.take_if(|opens| opens.slot == slot) else { return };
        let KeyOpens { generation, message, under, .. } = opens;
        // A host whose connection ended without an answer goes on with the key before, or sends this one again.
        let is_heard = message.is_none() || flight.line(generation).is_some();
        let in_force = self.state.registry.link(link).map(|link| link.pin_key.check_value);
        let opened = opened.and_then(|key| match in_force {
            _ if !is_heard => Err(KeyFault::Unanswered),
            Some(in_force) if in_force == key.check_value => Err(KeyFault::Same),
            Some(_) => Ok(key),
            None => Err(KeyFault::NotAgreed),
        });
        let (code, what) = match opened {
            Ok(key) => {
                let change = LinkKeyChange { link, key, under, message };
                self.emit(Record::LinkKeyChanged(Box::new(change)), Actor::Link(link), now, out);
                (ResponseCode::APPROVED, KeyArrival::Taken)
            }
            Err(fault) => (fault.code(), KeyArrival::Refused(fault)),
        };
        if let Some(message) = message.filter(|_| is_heard) {
            self.answer_key(Over { link, generation }, message, code, out);
        }
        out.effects.push(Effect::KeyArrived { link, what });
    }

    fn answer_key(&self, over: Over, message: KeyMessage, code: ResponseCode, out: &mut Output) {
        let Over { link, generation } = over;
        let message = Box::new(Upstream::KeyAnswer { message, code });
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// A PIN block that was made under the link's key before the one in force is made once more: the answer to the key
    /// change goes before it, so its host has that key alone by then. Comes back where there is nothing to be made anew.
    pub(crate) fn remade_pin(
        &mut self,
        slot: SlotId,
        request: Box<Financial>,
        outcome: &PinOutcome,
        out: &mut Output,
    ) -> Option<Box<Financial>> {
        let PinOutcome::Translated(pin) = outcome else { return Some(request) };
        let (terminal, link) = if let Some((id, link)) = self.flight.reroutes.get(&slot) {
            let transaction = self.state.transactions.get(*id);
            (transaction.map(|transaction| transaction.opened.key.terminal), Some(*link))
        } else {
            let wait = self.flight.pins.get(&slot);
            let link = wait.and_then(|wait| match wait.target {
                RouteTarget::Link(link) => Some(link),
                RouteTarget::OnUs => None,
            });
            (wait.map(|wait| wait.key.terminal), link)
        };
        let (Some(terminal), Some(link)) = (terminal, link) else { return Some(request) };
        if self.is_under_key_in_force(link, pin.key) {
            return Some(request);
        }
        let keys = self.state.registry.terminal(terminal).and_then(|state| state.keys.as_ref());
        let Some(version) = request.key_version.or(keys.map(|keys| keys.version)) else {
            return Some(request);
        };
        let job = crate::effect::PinJob::Translate { link };
        out.effects.push(Effect::PinWork { slot, terminal, version, request, job });
        None
    }

    pub(crate) fn is_under_key_in_force(&self, link: LinkIndex, check_value: [u8; 4]) -> bool {
        self.state.registry.link(link).is_some_and(|link| link.pin_key.check_value == check_value)
    }
}
