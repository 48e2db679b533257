//! Keys that are not in force yet: components of ceremonies, and master keys that terminals may fetch.

use crate::state::ApplyError;
use crate::state::apply::missing_number;
use crate::state::registry::Registry;
use switchyard_domain::{KeyName, KeyRecord, KeyUse, Record, TerminalIndex, WaitingKey};

impl Registry {
    /// Every key that waits, as it is wrapped.
    pub(crate) fn waiting_keys(&self) -> impl Iterator<Item = (WaitingKey, KeyRecord)> {
        let components = self.ceremonies.iter().flat_map(|(key, open)| {
            let named = |custodian| WaitingKey::Component { key: *key, custodian };
            open.components.iter().map(move |(user, part)| (named(user.clone()), part.clone()))
        });
        let offered = self.offers.iter();
        let offered =
            offered.map(|(terminal, offer)| (WaitingKey::Offered { terminal: *terminal }, offer.key.clone()));
        components.chain(offered)
    }

    /// A key that waits.
    pub(crate) fn waiting(&self, key: &WaitingKey) -> Option<&KeyRecord> {
        match key {
            WaitingKey::Component { key, custodian } => {
                let parts = &self.ceremony(*key)?.components;
                parts.iter().find(|(user, _)| user == custodian).map(|(_, part)| part)
            }
            WaitingKey::Offered { terminal } => self.offers.get(terminal).map(|offer| &offer.key),
        }
    }

    fn waiting_mut(&mut self, key: &WaitingKey) -> Option<&mut KeyRecord> {
        match key {
            WaitingKey::Component { key, custodian } => {
                let (_, open) = self.ceremonies.iter_mut().find(|(name, _)| name == key)?;
                open.components.iter_mut().find(|(user, _)| user == custodian).map(|(_, part)| part)
            }
            WaitingKey::Offered { terminal } => self.offers.get_mut(terminal).map(|offer| &mut offer.key),
        }
    }

    pub(super) fn apply_waiting(&mut self, record: &Record) -> Result<(), ApplyError> {
        let missing = |terminal: TerminalIndex| missing_number("terminal", u64::from(terminal.0));
        match record {
            Record::TerminalKeyOffered { terminal, offer } => {
                self.terminal(*terminal).ok_or(missing(*terminal))?;
                self.offers.insert(*terminal, (**offer).clone());
            }
            Record::TerminalKeyTaken { terminal, key } => {
                self.terminal(*terminal).ok_or(missing(*terminal))?;
                self.install(KeyName { usage: KeyUse::TerminalMaster, owner: terminal.0 }, key);
                // Its working keys came under the key before: its answers ask for a sign-on until it has others.
                if let Some(state) = self.terminals.get_mut(terminal.0 as usize) {
                    state.renews_keys = true;
                }
            }
            Record::TerminalKeyWithdrawn { terminal, .. } => {
                let ended = self.offers.remove(terminal);
                ended.ok_or(missing_number("offer of a key to terminal", u64::from(terminal.0)))?;
            }
            Record::WaitingKeysTranslated { keys } => {
                for (name, key) in keys {
                    *self.waiting_mut(name).ok_or(missing_number("key that waits", 0))? = key.clone();
                }
            }
            _ => unreachable!("only records of keys that wait come here"),
        }
        Ok(())
    }
}
