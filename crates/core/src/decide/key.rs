//! Keys that people bring together, take out and bring in. The core sees wrapped keys and check values only.

use crate::access::Act;
use crate::effect::{CommandError, CommandOutcome};
use crate::key::{CEREMONIES_MAX, Ceremony, KeyCommand, Translation};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, KeyMove, KeyName, KeyPlan, KeyRecord, KeyUse, LinkIndex, LmkChange, Record, TerminalIndex,
    Timestamp, UserName, WaitingKey,
};

const CEREMONY: &str = "a ceremony for this key";
/// How many custodians bring the local master key.
const CUSTODIANS_MIN: usize = 2;
const CUSTODIANS_MAX: usize = 3;

impl Core {
    pub(super) fn key(
        &mut self,
        actor: Actor,
        command: KeyCommand,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let record = match command {
            KeyCommand::Begin { key, plan, reason } => {
                self.may_begin(key, &plan)?;
                Record::KeyCeremonyBegun { key, plan, reason }
            }
            KeyCommand::Drawn { key, check_value } => {
                self.ceremony(key)?;
                custodian(&actor)?;
                Record::KeyComponentDrawn { key, check_value }
            }
            KeyCommand::Load { key, component, before, sum } => {
                self.may_load(&actor, key, before, sum.as_ref())?;
                self.try_emit(Record::KeyComponentLoaded { key, component }, actor.clone(), now, out)?;
                let Some(sum) = sum else { return Ok(CommandOutcome::Recorded) };
                Record::KeyInstalled { name: key, key: sum }
            }
            KeyCommand::Cancel { key, reason } => {
                self.ceremony(key)?;
                Record::KeyCeremonyCancelled { key, reason }
            }
            KeyCommand::Facts { key } => return Ok(CommandOutcome::Keys(vec![self.state.key_facts(key)])),
            KeyCommand::TerminalFacts { terminal } => {
                let terminal = self.state.registry.terminal_named(&terminal);
                let owner = terminal.ok_or(CommandError::Missing { what: "terminal" })?.0;
                let key = KeyName { usage: KeyUse::TerminalMaster, owner };
                return Ok(CommandOutcome::Keys(vec![self.state.key_facts(key)]));
            }
            KeyCommand::List => return Ok(CommandOutcome::Keys(self.state.all_key_facts())),
            KeyCommand::Wrapped { from } => return Ok(CommandOutcome::Keys(self.state.wrapped_keys(from))),
            KeyCommand::ChangeLmk(change) => {
                self.may_change_lmk(&change)?;
                Record::LmkChanged(change)
            }
            KeyCommand::Translate { keys } => return self.translate(actor, keys, now, out),
            KeyCommand::Offer(new) => return self.offer_key(actor, *new, now, out),
            KeyCommand::Withdraw { terminal, reason } => {
                return self.withdraw_key(actor, &terminal, reason, now, out);
            }
            KeyCommand::Waiting => {
                return Ok(CommandOutcome::WaitingKeys(self.state.registry.waiting_keys().collect()));
            }
            KeyCommand::TranslateWaiting { keys } => return self.translate_waiting(actor, keys, now, out),
            KeyCommand::RetireLmk { check_values, reason } => {
                if self.state.registry.lmk.is_some_and(|in_force| check_values.contains(&in_force)) {
                    return Err(CommandError::Invalid { what: "retiring the local master key in force" });
                }
                Record::LmkRetired { check_values, reason }
            }
            KeyCommand::Move { key, under, way, check_value, record } => {
                self.may_move(key, under, way, record.is_some())?;
                if let Some(record) = record {
                    let installed = Record::KeyInstalled { name: key, key: record };
                    self.try_emit(installed, actor.clone(), now, out)?;
                }
                Record::KeyMoved { key, under, way, check_value }
            }
        };
        self.try_emit(record, actor, now, out)?;
        Ok(CommandOutcome::Recorded)
    }

    /// Two or three custodians who are no others' bring a component each.
    fn may_change_lmk(&self, change: &LmkChange) -> Result<(), CommandError> {
        let custodians = &change.custodians;
        if !(CUSTODIANS_MIN..=CUSTODIANS_MAX).contains(&custodians.len()) {
            return Err(CommandError::Invalid { what: "the number of custodians: two or three" });
        }
        for (place, (custodian, _)) in custodians.iter().enumerate() {
            if custodians[..place].iter().any(|(other, _)| other == custodian) {
                return Err(CommandError::Invalid { what: "one custodian with two components" });
            }
            self.permitted(&Actor::User(custodian.clone()), Act::LoadComponent)?;
        }
        if change.now == change.before || self.state.registry.lmk == Some(change.now) {
            return Err(CommandError::Invalid { what: "the local master key that is in force already" });
        }
        Ok(())
    }

    /// What became another key since it was looked at has been wrapped anew by that.
    fn translate(
        &mut self,
        actor: Actor,
        keys: Vec<Translation>,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let registry = &self.state.registry;
        let all = keys.len();
        let same = |key: &Translation| {
            let is_same = key.before.check_value == key.now.check_value;
            is_same && registry.wrapped(key.key) == Some(&key.before)
        };
        let keys: Vec<_> = keys.into_iter().filter(same).map(|key| (key.key, key.now)).collect();
        let (count, unchanged) = (keys.len(), all - keys.len());
        if count > 0 {
            self.try_emit(Record::KeysTranslated { keys }, actor, now, out)?;
        }
        Ok(CommandOutcome::Changed { count, unchanged })
    }

    /// As [`translate`](Self::translate). A ceremony or an offer that has ended meanwhile has no key to be translated.
    fn translate_waiting(
        &mut self,
        actor: Actor,
        keys: Vec<Translation<WaitingKey>>,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let registry = &self.state.registry;
        let all = keys.len();
        let same = |key: &Translation<WaitingKey>| {
            let is_same = key.before.check_value == key.now.check_value;
            is_same && registry.waiting(&key.key) == Some(&key.before)
        };
        let keys: Vec<_> = keys.into_iter().filter(same).map(|key| (key.key, key.now)).collect();
        let (count, unchanged) = (keys.len(), all - keys.len());
        if count > 0 {
            self.try_emit(Record::WaitingKeysTranslated { keys }, actor, now, out)?;
        }
        Ok(CommandOutcome::Changed { count, unchanged })
    }

    fn ceremony(&self, key: KeyName) -> Result<&Ceremony, CommandError> {
        self.state.registry.ceremony(key).ok_or(CommandError::Missing { what: CEREMONY })
    }

    fn may_begin(&self, key: KeyName, plan: &KeyPlan) -> Result<(), CommandError> {
        if self.state.registry.ceremony(key).is_some() {
            return Err(CommandError::Exists { what: CEREMONY });
        }
        let have = self.state.registry.ceremonies.len() + 1;
        if have > CEREMONIES_MAX {
            return Err(CommandError::TooMany { what: "ceremonies", have, max: CEREMONIES_MAX });
        }
        if !plan.is_sound() {
            return Err(CommandError::Invalid { what: "the plan of a key" });
        }
        self.may_come(key)
    }

    /// Whether a key of this name can be brought in: sessions' keys and those of cards have ways of their own.
    fn may_come(&self, key: KeyName) -> Result<(), CommandError> {
        let registry = &self.state.registry;
        let known = match key.usage {
            KeyUse::Transport => true,
            // The embedded issuer has one of each.
            KeyUse::PinVerification | KeyUse::IssuerCryptogram => key.owner == 0,
            KeyUse::ZonePin => {
                u16::try_from(key.owner).is_ok_and(|link| registry.link(LinkIndex(link)).is_some())
            }
            KeyUse::TerminalMaster => registry.terminal(TerminalIndex(key.owner)).is_some(),
            KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::CardData
            | KeyUse::CardHash => {
                return Err(CommandError::Invalid { what: "bringing in a key of this use" });
            }
        };
        if known { Ok(()) } else { Err(CommandError::Missing { what: "whose key it is" }) }
    }

    /// Split knowledge: a component is brought by somebody who logged in, and nobody brings two.
    fn may_load(
        &self,
        actor: &Actor,
        key: KeyName,
        before: usize,
        sum: Option<&KeyRecord>,
    ) -> Result<(), CommandError> {
        let ceremony = self.ceremony(key)?;
        let custodian = custodian(actor)?;
        if ceremony.components.iter().any(|(other, _)| other == custodian) {
            return Err(CommandError::NotNow {
                why: "one custodian brings one component: the next is another's",
            });
        }
        let is_last = ceremony.components.len() + 1 == usize::from(ceremony.plan.components);
        if ceremony.components.len() != before || is_last != sum.is_some() {
            return Err(CommandError::NotNow { why: "another component came meanwhile: load yours again" });
        }
        let expected = ceremony.plan.check_value;
        match (sum, expected) {
            (Some(sum), Some(expected)) if sum.check_value[..3] != expected => Err(CommandError::NotNow {
                why: "the check value is not the one that was expected: a component is wrong; cancel and begin anew",
            }),
            _ => Ok(()),
        }
    }

    fn may_move(&self, key: KeyName, under: KeyName, way: KeyMove, brings: bool) -> Result<(), CommandError> {
        if under.usage != KeyUse::Transport || self.state.registry.key(under).is_none() {
            return Err(CommandError::Missing { what: "the transport key" });
        }
        match (way, brings) {
            (KeyMove::Exported, false) if self.state.registry.key(key).is_some() => Ok(()),
            (KeyMove::Exported, false) => Err(CommandError::Missing { what: "the key" }),
            (KeyMove::Injected, true) if key.usage == KeyUse::TerminalMaster => self.may_come(key),
            // Nobody overwrites a transport key with one that came under another.
            (KeyMove::Imported, true) if key != under => self.may_come(key),
            (KeyMove::Exported | KeyMove::Imported | KeyMove::Injected, _) => {
                Err(CommandError::Invalid { what: "moving this key" })
            }
        }
    }
}

fn custodian(actor: &Actor) -> Result<&UserName, CommandError> {
    match actor {
        Actor::User(user) => Ok(user),
        Actor::Switch | Actor::Terminal(_) | Actor::Link(_) | Actor::Operator(_) | Actor::Installer => {
            Err(CommandError::NotNow { why: "a custodian logs in with --user" })
        }
    }
}
