//! Who the merchants are, what they pay, and which day a time belongs to.

use crate::error::SettleError;
use std::collections::BTreeMap;
use switchyard_domain::{
    BankAccount, BusinessDate, Changed, Currency, FeePlan, Merchant, MerchantId, MerchantIndex, TerminalId,
    TerminalIndex, Timestamp,
};

/// A merchant as settlement needs it.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) id: MerchantId,
    pub(crate) name: String,
    pub(crate) account: BankAccount,
}

/// A version of a fee plan with the first day that it really prices.
#[derive(Debug, Clone)]
struct Version {
    effective: BusinessDate,
    terms: FeePlan,
}

/// The registry up to the fence; fee plans beyond it, because a missing one may be supplied later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    pub(crate) parties: Vec<Party>,
    pub(crate) terminals: Vec<TerminalId>,
    /// The merchants' fee plans, apart from their names: pricing reads one a line.
    plan_numbers: Vec<u32>,
    /// The plans that merchants changed to, each with the moment after which it prices.
    plan_changes: BTreeMap<MerchantIndex, Vec<(Timestamp, u32)>>,
    /// How many changes of merchants the log has.
    pub(crate) merchant_changes: u64,
    plans: BTreeMap<u32, Vec<Version>>,
    cuts: Vec<(Timestamp, BusinessDate)>,
}

impl Registry {
    pub(crate) fn merchant_registered(&mut self, merchant: &Merchant) {
        self.parties.push(Party {
            id: merchant.id,
            name: merchant.name.clone(),
            account: merchant.account.clone(),
        });
        self.plan_numbers.push(merchant.fee_plan);
    }
    /// Who a merchant is from here on. What it pays counts for transactions after this moment; those before it, and
    /// whatever follows them, keep the plan that they were made under.
    pub(crate) fn merchant_changed(
        &mut self,
        at: Timestamp,
        merchant: MerchantIndex,
        change: &Changed<Merchant>,
    ) {
        let Some(party) = self.parties.get_mut(merchant.0 as usize) else { return };
        party.name.clone_from(&change.after.name);
        party.account.clone_from(&change.after.account);
        if change.before.fee_plan != change.after.fee_plan {
            self.plan_changes.entry(merchant).or_default().push((at, change.after.fee_plan));
        }
    }
    /// How many times the merchant had changed its fee plan before a transaction of this moment.
    pub(crate) fn plan_place(&self, merchant: MerchantIndex, at: Timestamp) -> u16 {
        let changes = self.plan_changes.get(&merchant).map_or(&[][..], Vec::as_slice);
        u16::try_from(changes.partition_point(|(changed, _)| *changed < at)).unwrap_or(u16::MAX)
    }
    /// A later version never reaches back into a day that was cut before it was recorded: what is priced
    /// stays priced, and a reversal of it comes to the same fee. A plan's first version may reach back,
    /// because nothing was priced by the plan before.
    pub(crate) fn fee_plan_set(&mut self, terms: &FeePlan, open: BusinessDate) {
        let versions = self.plans.entry(terms.plan).or_default();
        let effective = if versions.is_empty() { terms.from } else { terms.from.max(open) };
        let at = versions.partition_point(|version| version.effective <= effective);
        versions.insert(at, Version { effective, terms: terms.clone() });
    }
    /// Times in the log never go back; should a cut's time do so, the day ends where the one before ended.
    pub(crate) fn day_cut(&mut self, at: Timestamp, day: BusinessDate) {
        let at = self.cuts.last().map_or(at, |(last, _)| at.max(*last));
        self.cuts.push((at, day));
    }
    pub(crate) fn is_cut(&self, day: BusinessDate) -> bool {
        self.cuts.binary_search_by_key(&day, |(_, day)| *day).is_ok()
    }
    pub(crate) fn day_before(&self, day: BusinessDate) -> Option<BusinessDate> {
        let index = self.cuts.partition_point(|(_, cut)| *cut < day);
        index.checked_sub(1).map(|index| self.cuts[index].1)
    }
    /// The business day of `at`, by the cuts so far; `open` after the last of them.
    pub(crate) fn day_of(&self, at: Timestamp, open: BusinessDate) -> BusinessDate {
        match self.cuts.last() {
            Some((last, _)) if at <= *last => self.cuts[self.cuts.partition_point(|(cut, _)| *cut < at)].1,
            _ => open,
        }
    }
    /// The version that prices `day` of the merchant's plan at a place among all that it had.
    pub(crate) fn terms(
        &self,
        merchant: MerchantIndex,
        place: u16,
        day: BusinessDate,
    ) -> Result<&FeePlan, SettleError> {
        let changes = self.plan_changes.get(&merchant);
        let change = usize::from(place).checked_sub(1).and_then(|place| changes?.get(place));
        let plan = change.map_or(self.plan_numbers[merchant.0 as usize], |(_, plan)| *plan);
        let versions = self.plans.get(&plan).map_or(&[][..], Vec::as_slice);
        let version = versions.iter().rev().find(|version| version.effective <= day);
        version.map(|version| &version.terms).ok_or(SettleError::NoFeePlan { merchant, plan, day })
    }
    pub(crate) fn party(&self, merchant: MerchantIndex) -> &Party {
        &self.parties[merchant.0 as usize]
    }
    pub(crate) fn terminal(&self, terminal: TerminalIndex) -> Result<TerminalId, SettleError> {
        self.terminals.get(terminal.0 as usize).copied().ok_or(SettleError::UnknownTerminal { terminal })
    }
    pub(crate) fn knows(&self, merchant: MerchantIndex) -> bool {
        (merchant.0 as usize) < self.parties.len()
    }
}

/// A number per merchant and currency. Nearly every merchant has one currency, so a dense row for each.
#[derive(Debug, Clone)]
pub(crate) struct PerMerchant<T> {
    rows: Vec<(Currency, Vec<T>)>,
}
impl<T> Default for PerMerchant<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}
impl<T: Default + Clone> PerMerchant<T> {
    /// The caller has checked that the merchant is registered: that bounds the row.
    pub(crate) fn slot(&mut self, merchant: MerchantIndex, currency: Currency) -> &mut T {
        let row = match self.rows.iter().position(|(key, _)| *key == currency) {
            Some(row) => row,
            None => {
                self.rows.push((currency, Vec::new()));
                self.rows.len() - 1
            }
        };
        let cells = &mut self.rows[row].1;
        let index = merchant.0 as usize;
        if index >= cells.len() {
            cells.resize(index + 1, T::default());
        }
        &mut cells[index]
    }
    pub(crate) fn cell(&self, merchant: MerchantIndex, currency: Currency) -> T {
        let row = self.rows.iter().find(|(key, _)| *key == currency);
        row.and_then(|(_, cells)| cells.get(merchant.0 as usize)).cloned().unwrap_or_default()
    }
    /// Every cell, by merchant, then by currency.
    pub(crate) fn sorted(&self) -> Vec<(MerchantIndex, Currency, &T)> {
        let mut cells = Vec::new();
        for (currency, row) in &self.rows {
            let numbered = (0_u32..).zip(row);
            cells.extend(numbered.map(|(index, cell)| (MerchantIndex(index), *currency, cell)));
        }
        cells.sort_by_key(|(merchant, currency, _)| (*merchant, *currency));
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_the_day_whose_cut_follows_it() {
        let mut registry = Registry::default();
        let open = BusinessDate(12);
        assert_eq!(registry.day_of(Timestamp(5), open), open);
        registry.day_cut(Timestamp(100), BusinessDate(10));
        registry.day_cut(Timestamp(90), BusinessDate(11));
        let table = [(0, 10), (100, 10), (101, 12)];
        for (at, day) in table {
            assert_eq!(registry.day_of(Timestamp(at), open), BusinessDate(day), "{at}");
        }
        registry.day_cut(Timestamp(200), open);
        assert_eq!(registry.day_of(Timestamp(150), BusinessDate(13)), open);
        assert!(registry.is_cut(open) && !registry.is_cut(BusinessDate(13)));
        assert_eq!(registry.day_before(open), Some(BusinessDate(11)));
        assert_eq!(registry.day_before(BusinessDate(10)), None);
    }
}
