//! Keys that their custodians bring together, and where keys of other kinds stand.

use crate::key::{Ceremony, KeyFacts, TRANSLATED_TERMINALS_MAX};
use crate::state::registry::Registry;
use crate::state::{ApplyError, State};
use switchyard_domain::{
    Actor, KeyName, KeyRecord, KeyUse, LinkIndex, LinkKeyChange, Record, Stamped, TerminalIndex,
};

/// What a terminal has.
const TERMINALS_KEYS: [KeyUse; 4] =
    [KeyUse::TerminalMaster, KeyUse::TerminalPin, KeyUse::TerminalMac, KeyUse::TerminalTrack];

impl Registry {
    pub(crate) fn ceremony(&self, key: KeyName) -> Option<&Ceremony> {
        self.ceremonies.iter().find(|(name, _)| *name == key).map(|(_, open)| open)
    }

    /// A key by its name, wherever it stands; nothing where it is still to come.
    pub(crate) fn key(&self, key: KeyName) -> Option<&KeyRecord> {
        let found = match key.usage {
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
        };
        found.filter(|record| !record.is_to_come())
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
                if let Some(terms) = self.link_terms.get_mut(owner) {
                    // What brought the key before this one brings it no more.
                    terms.key_message = None;
                }
            }
            KeyUse::TerminalMaster => {
                // What it may fetch was meant to follow the key before this one.
                self.offers.remove(&TerminalIndex(name.owner));
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

    /// A key as it is wrapped, also of a terminal's session. Keys whose wrapped form is in no ledger have none.
    pub(crate) fn wrapped(&self, key: KeyName) -> Option<&KeyRecord> {
        let found = match key.usage {
            KeyUse::TerminalPin | KeyUse::TerminalMac | KeyUse::TerminalTrack => {
                self.terminal(TerminalIndex(key.owner)).and_then(|state| state.keys.as_ref()?.of(key.usage))
            }
            KeyUse::TerminalMaster
            | KeyUse::ZonePin
            | KeyUse::PinVerification
            | KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::IssuerCryptogram
            | KeyUse::Transport => self.key(key),
        };
        found.filter(|record| !record.wrapped.0.is_empty())
    }

    /// Puts a key in the place of itself, wrapped in another way.
    fn translate(&mut self, name: KeyName, key: &KeyRecord) -> Result<(), ApplyError> {
        let owner = name.owner as usize;
        let place = match name.usage {
            KeyUse::TerminalPin | KeyUse::TerminalMac | KeyUse::TerminalTrack => {
                self.terminals.get_mut(owner).and_then(|state| state.keys.as_mut()?.of_mut(name.usage))
            }
            KeyUse::TerminalMaster => self.terminals.get_mut(owner).map(|s| &mut s.terminal.master_key),
            KeyUse::ZonePin => self.links.get_mut(owner).map(|link| &mut link.pin_key),
            KeyUse::PinVerification
            | KeyUse::CardData
            | KeyUse::CardHash
            | KeyUse::IssuerCryptogram
            | KeyUse::Transport => {
                self.keys.iter_mut().find(|(known, _)| *known == name).map(|(_, record)| record)
            }
        };
        let missing = ApplyError::Missing { what: "key that was translated", number: u64::from(name.owner) };
        *place.ok_or(missing)? = key.clone();
        Ok(())
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
            Record::LmkChanged(change) => self.lmk = Some(change.now),
            Record::KeysTranslated { keys } => {
                keys.iter().try_for_each(|(name, key)| self.translate(*name, key))?;
            }
            Record::TerminalKeyOffered { .. }
            | Record::TerminalKeyTaken { .. }
            | Record::TerminalKeyWithdrawn { .. }
            | Record::WaitingKeysTranslated { .. } => self.apply_waiting(&stamped.record)?,
            Record::LinkKeyChanged(change) => {
                let LinkKeyChange { link, key, message, .. } = &**change;
                self.install(KeyName { usage: KeyUse::ZonePin, owner: u32::from(link.0) }, key);
                let missing = ApplyError::Missing { what: "link", number: u64::from(link.0) };
                let terms = self.link_terms.get_mut(usize::from(link.0));
                terms.ok_or(missing)?.key_message = *message;
            }
            // What these say is for those who read the ledger.
            Record::KeyComponentDrawn { .. } | Record::KeyMoved { .. } | Record::LmkRetired { .. } => {}
            _ => unreachable!("only records of ceremonies come here"),
        }
        Ok(())
    }
}

impl State {
    /// Keys as they are wrapped: those that are no terminal's, or those of some terminals from this one on.
    pub fn wrapped_keys(&self, from: Option<TerminalIndex>) -> Vec<KeyFacts> {
        let registry = &self.registry;
        let names: Vec<KeyName> = match from {
            None => {
                let links = (0..registry.links.len() as u32).map(|owner| (KeyUse::ZonePin, owner));
                let links = links.map(|(usage, owner)| KeyName { usage, owner });
                registry.keys().map(|(name, _)| name).chain(links).collect()
            }
            Some(from) => {
                let all = registry.terminals.len() as u32;
                let some = (from.0..all).take(TRANSLATED_TERMINALS_MAX);
                some.flat_map(|owner| TERMINALS_KEYS.map(|usage| KeyName { usage, owner })).collect()
            }
        };
        let facts = |key| registry.wrapped(key).map(|record| (key, record.clone()));
        let found = names.into_iter().filter_map(facts);
        found.map(|(key, record)| KeyFacts { key, record: Some(record), ceremony: None }).collect()
    }

    /// Check value of the local master key in force, once it was changed.
    pub fn lmk(&self) -> Option<[u8; 4]> {
        self.registry.lmk
    }

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
