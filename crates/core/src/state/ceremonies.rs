//! Keys that their custodians bring together, and where keys of other kinds stand.

use crate::key::{Ceremony, KeyFacts};
use crate::state::registry::Registry;
use crate::state::{ApplyError, State};
use switchyard_domain::{Actor, KeyName, KeyRecord, KeyUse, LinkIndex, Record, Stamped, TerminalIndex};

impl Registry {
    pub(crate) fn ceremony(&self, key: KeyName) -> Option<&Ceremony> {
        self.ceremonies.iter().find(|(name, _)| *name == key).map(|(_, open)| open)
    }

    /// A key by its name, wherever it stands.
    pub(crate) fn key(&self, key: KeyName) -> Option<&KeyRecord> {
        match key.usage {
            KeyUse::ZonePin => {
                u16::try_from(key.owner).ok().and_then(|link| self.link(LinkIndex(link))).map(|l| &l.pin_key)
            }
            KeyUse::TerminalMaster => {
                self.terminal(TerminalIndex(key.owner)).map(|state| &state.terminal.master_key)
            }
            KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::PinVerification
            | KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::IssuerCryptogram
            | KeyUse::Transport => self.keys.iter().find(|(name, _)| *name == key).map(|(_, record)| record),
        }
    }

    /// Puts a key in the place of the one before it; a ceremony for it has ended with that.
    pub(super) fn install(&mut self, name: KeyName, key: &KeyRecord) {
        self.ceremonies.retain(|(open, _)| *open != name);
        let owner = name.owner as usize;
        match name.usage {
            KeyUse::ZonePin => {
                if let Some(link) = self.links.get_mut(owner) {
                    link.pin_key = key.clone();
                }
            }
            KeyUse::TerminalMaster => {
                if let Some(state) = self.terminals.get_mut(owner) {
                    state.terminal.master_key = key.clone();
                }
            }
            KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::PinVerification
            | KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::IssuerCryptogram
            | KeyUse::Transport => {
                self.keys.retain(|(known, _)| *known != name);
                self.keys.push((name, key.clone()));
            }
        }
    }

    pub(super) fn apply_ceremony(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        match &stamped.record {
            Record::KeyCeremonyBegun { key, plan, .. } => {
                self.ceremonies.push((*key, Ceremony { plan: *plan, components: Vec::new() }));
            }
            Record::KeyComponentLoaded { key, component } => {
                let missing = ApplyError::Missing { what: "ceremony for key", number: u64::from(key.owner) };
                let open = self.ceremonies.iter_mut().find(|(name, _)| name == key);
                let (_, open) = open.ok_or(missing)?;
                if let Actor::User(custodian) = &stamped.actor {
                    open.components.push((custodian.clone(), component.clone()));
                }
            }
            Record::KeyCeremonyCancelled { key, .. } => self.ceremonies.retain(|(name, _)| name != key),
            // What these say is for those who read the ledger.
            Record::KeyComponentDrawn { .. } | Record::KeyMoved { .. } => {}
            _ => unreachable!("only records of ceremonies come here"),
        }
        Ok(())
    }
}

impl State {
    /// What is known of a key.
    pub fn key_facts(&self, key: KeyName) -> KeyFacts {
        let registry = &self.registry;
        KeyFacts { key, record: registry.key(key).cloned(), ceremony: registry.ceremony(key).cloned() }
    }

    /// What is known of every key but those of terminals, and of every ceremony that is open.
    pub fn all_key_facts(&self) -> Vec<KeyFacts> {
        let registry = &self.registry;
        let mut names: Vec<KeyName> = registry.keys().map(|(name, _)| name).collect();
        names.extend(registry.links().map(|(link, _)| {
            let owner = u32::from(link.0);
            KeyName { usage: KeyUse::ZonePin, owner }
        }));
        for (name, _) in &registry.ceremonies {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        names.into_iter().map(|name| self.key_facts(name)).collect()
    }
}
