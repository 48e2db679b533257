//! How a change of what is registered changes the state: the whole of what it says, and nothing that was opened before.

use crate::state::apply::missing_number;
use crate::state::{ApplyError, Registry, State};
use switchyard_domain::{LinkIndex, LinkSettings, Product, Record, Stamped, TerminalIndex, TerminalSettings};

impl Registry {
    /// What of a link can be changed.
    pub fn link_settings(&self, link: LinkIndex) -> Option<LinkSettings> {
        let known = self.link(link)?;
        Some(LinkSettings {
            address: known.address.clone(),
            dialect: known.dialect,
            framing: known.framing.clone(),
            answer_timeout_ms: known.answer_timeout_ms,
            connections: known.connections,
            credit_max: self.link_terms(link).credit_max,
        })
    }
    /// What of a terminal can be changed.
    pub fn terminal_settings(&self, terminal: TerminalIndex) -> Option<TerminalSettings> {
        let state = self.terminal(terminal)?;
        Some(TerminalSettings {
            merchant: state.terminal.merchant,
            mac: state.terminal.mac,
            takes_partial: state.profile.takes_partial,
        })
    }
    /// Counts the changes of merchants: a settlement run that was planned before the last of them is refused.
    pub fn merchant_changes(&self) -> u64 {
        self.merchant_changes
    }
    /// Version of the working keys that a terminal was given last; 0 before its first sign-on.
    pub(crate) fn key_version(&self, terminal: TerminalIndex) -> u32 {
        let state = self.terminal(terminal);
        state.map_or(0, |state| state.keys.as_ref().map_or(state.keys_spent, |keys| keys.version))
    }

    fn change_link(&mut self, link: LinkIndex, settings: &LinkSettings) -> Option<()> {
        let place = usize::from(link.0);
        let (known, terms) = (self.links.get_mut(place)?, self.link_terms.get_mut(place)?);
        let LinkSettings { address, dialect, framing, answer_timeout_ms, connections, credit_max } =
            settings.clone();
        known.address = address;
        known.dialect = dialect;
        known.framing = framing;
        known.answer_timeout_ms = answer_timeout_ms;
        known.connections = connections;
        terms.credit_max = credit_max;
        Some(())
    }

    fn change_terminal(&mut self, terminal: TerminalIndex, settings: &TerminalSettings) -> Option<()> {
        let spent = self.key_version(terminal);
        let state = self.terminals.get_mut(terminal.0 as usize)?;
        let TerminalSettings { merchant, mac, takes_partial } = *settings;
        // A terminal that carries no MAC has no key to wait for.
        if state.terminal.merchant != merchant || state.terminal.mac != mac {
            state.signed_on = !state.profile.carries_mac;
        }
        if state.terminal.mac != mac {
            // Keys for one algorithm are none for another; the next ones count on from these.
            state.keys = None;
            state.keys_spent = spent;
        }
        state.terminal.merchant = merchant;
        state.terminal.mac = mac;
        state.profile.takes_partial = takes_partial;
        Some(())
    }
}

impl State {
    pub(super) fn apply_change(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        let registry = &mut self.registry;
        registry.version += 1;
        match &stamped.record {
            Record::LinkChanged { link, change, .. } => {
                let changed = registry.change_link(*link, &change.after);
                changed.ok_or(missing_number("link", u64::from(link.0)))
            }
            Record::MerchantChanged { merchant, change, .. } => {
                let missing = missing_number("merchant", u64::from(merchant.0));
                let known = registry.merchants.get_mut(merchant.0 as usize).ok_or(missing)?;
                known.clone_from(&change.after);
                registry.merchant_changes += 1;
                Ok(())
            }
            Record::TerminalChanged { terminal, change, .. } => {
                let owner = change.after.merchant;
                registry.merchant(owner).ok_or(missing_number("merchant", u64::from(owner.0)))?;
                let changed = registry.change_terminal(*terminal, &change.after);
                changed.ok_or(missing_number("terminal", u64::from(terminal.0)))
            }
            Record::ProductAdded { product, .. } => {
                registry.products.push(Product::clone(product));
                Ok(())
            }
            Record::ProductChanged { product, change, .. } => {
                let missing = missing_number("product", u64::from(product.0));
                let known = registry.products.get_mut(usize::from(product.0)).ok_or(missing)?;
                known.terms.clone_from(&change.after);
                Ok(())
            }
            _ => unreachable!("only changes come here"),
        }
    }
}
