//! What must hold before a fen leaves the house. [`check`] runs on every plan; the others stand alone so
//! that an auditor, a test or a second program can ask one question at a time.

use crate::files::Leg;
use crate::plan::{DayPlan, MerchantNet};
use switchyard_book::{Book, BookError, TrialBalance};
use switchyard_domain::{AccountId, AccountKind, Currency, Entry, MerchantIndex, Phase};

/// The invariant that does not hold, with the numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum Broken {
    /// Net equation.
    #[error("merchant {merchant}: net {net} is not carry-in + sales - refunds - fees = {sum}")]
    Net { merchant: MerchantIndex, net: i128, sum: i128 },
    /// Net and carry-out.
    #[error("merchant {merchant}: payout {payout} and carry-out {carry_out} do not make up the net {net}")]
    CarryOut { merchant: MerchantIndex, net: i128, payout: u64, carry_out: i64 },
    /// Statement and net.
    #[error(
        "merchant {merchant}: the lines sum up to {lines} with fees of {line_fees}, the net says {gross} and {fees}"
    )]
    Lines { merchant: MerchantIndex, lines: i128, line_fees: i128, gross: i128, fees: i64 },
    /// Postings and movements.
    #[error("merchant {merchant}: the payable account ends at {payable}, the carry-out is {carry_out}")]
    Payable { merchant: MerchantIndex, payable: i128, carry_out: i64 },
    /// The book refuses an entry.
    #[error("merchant {merchant}: the book refuses the entry")]
    Entry {
        merchant: MerchantIndex,
        #[source]
        source: BookError,
    },
    /// Debits and credits.
    #[error("debits and credits of {currency} differ")]
    TrialBalance { currency: Currency },
    /// Control sums.
    #[error(
        "{currency}: {have_count} legs over {have_minor}, the control sums are {need_count} over {need_minor}"
    )]
    Legs { currency: Currency, have_count: u64, have_minor: u128, need_count: u64, need_minor: u128 },
    /// A line in no net or in two.
    #[error("{have} of {need} movements stand in a statement exactly once")]
    Coverage { have: u64, need: u64 },
}

/// All of them.
///
/// # Errors
/// The first [`Broken`] one.
pub fn check(plan: &DayPlan) -> Result<(), Broken> {
    for net in plan.merchants() {
        net_equation(net)?;
        lines_make_up(plan, net)?;
    }
    every_line_once(plan)?;
    legs_make_up_control_sums(plan)?;
    entries_balance(plan)
}

/// Carry-in + sales − refunds − fees = net = payout + carry-out.
///
/// # Errors
/// [`Broken::Net`] or [`Broken::CarryOut`].
pub fn net_equation(net: &MerchantNet) -> Result<(), Broken> {
    let MerchantNet { merchant, payout_minor: payout, carry_out_minor: carry_out, .. } = *net;
    let sum =
        i128::from(net.carry_in_minor) + net.sales.minor - net.refunds.minor - i128::from(net.fees_minor);
    let total = i128::from(net.net_minor);
    if sum != total {
        return Err(Broken::Net { merchant, net: total, sum });
    }
    if i128::from(payout) + i128::from(carry_out) != total {
        return Err(Broken::CarryOut { merchant, net: total, payout, carry_out });
    }
    Ok(())
}

/// The lines of a statement sum up to its sales less refunds, their fees to its fees.
///
/// # Errors
/// [`Broken::Lines`].
pub fn lines_make_up(plan: &DayPlan, net: &MerchantNet) -> Result<(), Broken> {
    let (mut lines, mut line_fees, mut own) = (0, 0, true);
    for line in plan.lines_of(net) {
        lines += line.signed_minor();
        line_fees += i128::from(line.fee_minor);
        own &= line.merchant == net.merchant && line.currency == net.currency;
    }
    let gross = net.sales.minor - net.refunds.minor;
    if lines != gross || line_fees != i128::from(net.fees_minor) || !own {
        let MerchantNet { merchant, fees_minor: fees, .. } = *net;
        return Err(Broken::Lines { merchant, lines, line_fees, gross, fees });
    }
    Ok(())
}

/// Each movement of the day stands in exactly one statement.
///
/// # Errors
/// [`Broken::Coverage`].
pub fn every_line_once(plan: &DayPlan) -> Result<(), Broken> {
    let need = plan.lines.len() as u64;
    let mut seen = vec![false; plan.lines.len()];
    let mut have = 0;
    for index in &plan.order {
        have += u64::from(!std::mem::replace(&mut seen[*index as usize], true));
    }
    let counted: u64 = plan.merchants().iter().map(|net| net.lines).sum();
    if have == need && counted == need { Ok(()) } else { Err(Broken::Coverage { have, need }) }
}

/// Count and sum of the payment legs are the control count and the control sum of their currency.
///
/// # Errors
/// [`Broken::Legs`].
pub fn legs_make_up_control_sums(plan: &DayPlan) -> Result<(), Broken> {
    for totals in plan.totals() {
        let (mut have_count, mut have_minor) = (0, 0);
        for leg in Leg::all(plan, totals.currency) {
            have_count += 1;
            have_minor += u128::from(leg.net.payout_minor);
        }
        let (need_count, need_minor) = (totals.payouts, totals.payout_minor);
        if (have_count, have_minor) != (need_count, need_minor) {
            let currency = totals.currency;
            return Err(Broken::Legs { currency, have_count, have_minor, need_count, need_minor });
        }
    }
    Ok(())
}

/// Posted to a book that holds the payable balances of the ledger, every entry applies, each merchant is
/// left with exactly its carry-out, and debits equal credits.
///
/// # Errors
/// [`Broken::Entry`], [`Broken::Payable`] or [`Broken::TrialBalance`].
pub fn entries_balance(plan: &DayPlan) -> Result<(), Broken> {
    let mut book = Book::new();
    for net in plan.merchants() {
        let merchant = net.merchant;
        let account = AccountId::of(AccountKind::MerchantPayable, merchant.0, net.currency);
        let rest = AccountId::own(AccountKind::Suspense, net.currency);
        let minor = u64::try_from(net.payable_minor.unsigned_abs()).unwrap_or(u64::MAX);
        let (debit, credit) = if net.payable_minor < 0 { (account, rest) } else { (rest, account) };
        for entry in [Entry::one(debit, credit, minor, Phase::Posted), net.entry()] {
            book.apply(&entry).map_err(|source| Broken::Entry { merchant, source })?;
        }
        let payable = book.balance(account).net_credit_minor();
        if payable != i128::from(net.carry_out_minor) {
            return Err(Broken::Payable { merchant, payable, carry_out: net.carry_out_minor });
        }
    }
    match book.trial_balance().iter().find(|(_, sums)| !TrialBalance::is_balanced(sums)) {
        Some((currency, _)) => Err(Broken::TrialBalance { currency: *currency }),
        None => Ok(()),
    }
}
