//! Keys that people bring together, take out and bring in. The core sees wrapped keys and check values only.

use crate::effect::{CommandError, CommandOutcome};
use crate::key::{CEREMONIES_MAX, Ceremony, KeyCommand};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, KeyMove, KeyName, KeyPlan, KeyRecord, KeyUse, LinkIndex, Record, TerminalIndex, Timestamp,
    UserName,
};

const CEREMONY: &str = "a ceremony for this key";

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
                self.emit(Record::KeyComponentLoaded { key, component }, actor.clone(), now, out);
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
            KeyCommand::Move { key, under, way, check_value, record } => {
                self.may_move(key, under, way, record.is_some())?;
                if let Some(record) = record {
                    let installed = Record::KeyInstalled { name: key, key: record };
                    self.emit(installed, actor.clone(), now, out);
                }
                Record::KeyMoved { key, under, way, check_value }
            }
        };
        self.emit(record, actor, now, out);
        Ok(CommandOutcome::Recorded)
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
