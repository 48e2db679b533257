//! The keys that seal cards: numbered in order, never replaced, destroyed when nothing needs them.

use crate::effect::CommandError;
use crate::machine::Core;
use switchyard_domain::{Actor, KeyName, KeyRecord, KeyUse};

/// Longest reason for destroying keys, characters.
const REASON_CHARACTERS_MAX: usize = 200;
const CARD_KEY: &str = "card data key";

impl Core {
    /// A key for card data is new and the next in order: replacing one would close every card that it sealed, and
    /// a number that was destroyed must not come back.
    /// Other keys are nobody's alone outside a demonstration: they come out of a ceremony, or under a transport key.
    pub(super) fn check_key(&self, name: KeyName, actor: &Actor) -> Result<(), CommandError> {
        if name.usage == KeyUse::Transport && *actor != Actor::Installer {
            return Err(CommandError::Invalid { what: "installing a transport key without a ceremony" });
        }
        if name.usage != KeyUse::CardData {
            return self.check_one_persons_key(actor);
        }
        let Some(last) = self.state.registry.card_keys().map(|(number, _)| number).max() else {
            return Ok(());
        };
        if name.owner <= last {
            return Err(CommandError::Exists { what: CARD_KEY });
        }
        let next = name.owner == last + 1 && u16::try_from(name.owner).is_ok();
        if next { Ok(()) } else { Err(CommandError::Invalid { what: CARD_KEY }) }
    }

    /// Whether a key may come along with what it is for.
    pub(super) fn check_brought(&self, key: &KeyRecord, actor: &Actor) -> Result<(), CommandError> {
        if key.is_to_come() { Ok(()) } else { self.check_one_persons_key(actor) }
    }

    /// Split knowledge and dual control (PCI DSS 3.7.6): nobody brings a whole key, unless everybody knows it anyway.
    fn check_one_persons_key(&self, actor: &Actor) -> Result<(), CommandError> {
        if self.state.is_demo() || *actor == Actor::Installer {
            return Ok(());
        }
        Err(CommandError::OnePersonsKey)
    }

    /// Keys can go once they seal no more, the ledger holds no wrapped copy of them, and no message that may have to
    /// be sent carries a card that they sealed.
    pub(super) fn check_shred(&self, keys: &[u16], reason: &str) -> Result<(), CommandError> {
        let said = !reason.trim().is_empty() && reason.chars().count() <= REASON_CHARACTERS_MAX;
        if keys.is_empty() || !said || reason.contains(char::is_control) {
            return Err(CommandError::Invalid { what: "shredding" });
        }
        let last = self.state.registry.card_keys().map(|(number, _)| number).max();
        for (place, key) in keys.iter().enumerate() {
            if keys[..place].contains(key) {
                return Err(CommandError::Invalid { what: "shredding a key twice" });
            }
            let owner = u32::from(*key);
            let Some((_, record)) = self.state.registry.card_keys().find(|(number, _)| *number == owner)
            else {
                return Err(CommandError::Missing { what: CARD_KEY });
            };
            if Some(owner) == last {
                return Err(CommandError::InUse { what: "the card data key in use" });
            }
            if !record.wrapped.0.is_empty() {
                return Err(CommandError::Invalid {
                    what: "shredding a key whose wrapped copy the ledger holds",
                });
            }
        }
        if self.may_send(keys) { Err(CommandError::InUse { what: CARD_KEY }) } else { Ok(()) }
    }

    /// Whether a message with a card of these keys is queued, under way, or can still be asked for: a terminal may
    /// reverse what stands in the open business day.
    fn may_send(&self, keys: &[u16]) -> bool {
        let today = self.state.day();
        let asked = keys.iter().filter_map(|key| self.state.transactions.card_keys.get(key));
        let mut queued = self.state.saf.card_keys.values();
        asked.into_iter().any(|used| used.unresolved > 0 || used.day >= today)
            || queued.any(|key| keys.contains(key))
    }
}
