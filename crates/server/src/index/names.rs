//! From the names of merchants and terminals to their numbers in the registry and back, read off the ledger.

use switchyard_domain::{Merchant, MerchantId, MerchantIndex, Record, Terminal, TerminalId, TerminalIndex};
use switchyard_ledger::Sequence;
use switchyard_ledger::index::{Fetch, Index, IndexError, Key, Query};

use super::{merchant_named, merchants, terminal_named, terminals};

/// Who is registered, as far as it is asked for. A number in the registry is the place of a registration among all
/// of its kind.
#[derive(Debug)]
pub struct Names<'a> {
    index: &'a Index,
    fetch: Fetch<'a>,
    merchants: Option<Vec<Sequence>>,
    terminals: Option<Vec<Sequence>>,
}

impl<'a> Names<'a> {
    /// Nobody has been asked for yet.
    pub fn new(index: &'a Index) -> Self {
        Self { index, fetch: index.fetch(), merchants: None, terminals: None }
    }

    /// A merchant by its number.
    ///
    /// # Errors
    /// [`IndexError`] when the ledger has to be read and cannot be.
    pub fn merchant(&mut self, index: MerchantIndex) -> Result<Option<Merchant>, IndexError> {
        let Some(sequence) = list(self.index, &mut self.merchants, merchants())?.get(index.0 as usize) else {
            return Ok(None);
        };
        match super::record(&mut self.fetch, *sequence)?.record {
            Record::MerchantRegistered(merchant) => Ok(Some(merchant)),
            _ => Err(IndexError::Unreadable { sequence: *sequence }),
        }
    }

    /// A terminal by its number.
    ///
    /// # Errors
    /// As [`merchant`](Self::merchant).
    pub fn terminal(&mut self, index: TerminalIndex) -> Result<Option<Terminal>, IndexError> {
        let Some(sequence) = list(self.index, &mut self.terminals, terminals())?.get(index.0 as usize) else {
            return Ok(None);
        };
        match super::record(&mut self.fetch, *sequence)?.record {
            Record::TerminalRegistered(terminal) => Ok(Some(terminal)),
            _ => Err(IndexError::Unreadable { sequence: *sequence }),
        }
    }

    /// The number of a merchant, of the newest registration under its name.
    ///
    /// # Errors
    /// As [`merchant`](Self::merchant).
    pub fn merchant_index(&mut self, id: &MerchantId) -> Result<Option<MerchantIndex>, IndexError> {
        let Some(newest) = self.index.find(merchant_named(id))?.pop() else { return Ok(None) };
        let place = list(self.index, &mut self.merchants, merchants())?.binary_search(&newest);
        Ok(place.ok().map(|place| MerchantIndex(place as u32)))
    }

    /// The number of a terminal, of the newest registration under its name.
    ///
    /// # Errors
    /// As [`merchant`](Self::merchant).
    pub fn terminal_index(&mut self, id: &TerminalId) -> Result<Option<TerminalIndex>, IndexError> {
        let Some(newest) = self.index.find(terminal_named(id))?.pop() else { return Ok(None) };
        let place = list(self.index, &mut self.terminals, terminals())?.binary_search(&newest);
        Ok(place.ok().map(|place| TerminalIndex(place as u32)))
    }
}

/// All registrations of a kind, read once: eight bytes each.
fn list<'l>(
    index: &Index,
    kept: &'l mut Option<Vec<Sequence>>,
    key: Key,
) -> Result<&'l [Sequence], IndexError> {
    if kept.is_none() {
        let (mut all, mut query) = (Vec::new(), Query::new(key));
        loop {
            let page = index.page(&query)?;
            query.after = page.cursor();
            all.extend(page.sequences);
            if !page.more {
                break;
            }
        }
        *kept = Some(all);
    }
    Ok(kept.as_deref().unwrap_or_default())
}
