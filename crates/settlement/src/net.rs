//! From the day's lines to a net per merchant.

use crate::error::SettleError;
use crate::fee;
use crate::invariant;
use crate::line::{Line, Lines};
use crate::plan::{DayPlan, MerchantNet, Tally, Totals};
use crate::planner::{Netted, Planner};
use crate::refunds::{Refunds, Share};
use crate::registry::{PerMerchant, Registry};
use std::collections::BTreeMap;
use switchyard_domain::{Currency, MerchantIndex, TransactionKind};

/// Sums of one merchant while the lines go by; wide enough that no day overflows it.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    sales_count: i64,
    refunds_count: i64,
    cancelled_count: i64,
    sales: i128,
    refunds: i128,
    cancelled: i128,
    fees: i128,
    lines: u32,
    /// Where the merchant's next line goes in the grouped order.
    cursor: u32,
}

pub(crate) fn plan(planner: Planner) -> Result<DayPlan, SettleError> {
    let day = planner.target;
    let (Some(house), Some(fence)) = (planner.house, planner.fence) else {
        let passed = day < planner.open && !planner.registry.is_cut(day);
        return Err(if passed { SettleError::NoSuchDay { day } } else { SettleError::DayOpen { day } });
    };
    if let Some(earlier) = planner.registry.day_before(day)
        && !planner.settled.contains_key(&earlier)
    {
        return Err(SettleError::EarlierDayUnsettled { day: earlier });
    }
    let blockers = planner.open_facts.counts();
    let mut lines = planner.lines;
    let mut sums = price(&mut lines, &planner.registry, &planner.refunds)?;
    // A balance without movements needs a net as well: a carry to pay, or a contradiction to find.
    for (merchant, currency, _) in planner.payable.sorted() {
        sums.slot(merchant, currency);
    }
    for (merchant, currency, _) in planner.carry.sorted() {
        sums.slot(merchant, currency);
    }
    let held = planner.held.sums();
    let mut merchants = Vec::new();
    let mut starts = Vec::new();
    let mut first = 0;
    for (merchant, currency, sum) in sums.sorted() {
        let carry_in = planner.carry.cell(merchant, currency);
        let payable = planner.payable.cell(merchant, currency);
        if sum.lines == 0 && carry_in == 0 && payable == 0 {
            continue;
        }
        let held = held.cell(merchant, currency);
        let keep = Keep { minimum_minor: planner.terms.minimum_payout_minor, held_minor: held };
        let mut net = net_of(&planner.registry, keep, merchant, sum, carry_in)?;
        net.currency = currency;
        net.first = first;
        net.payable_minor = payable;
        starts.push((merchant, currency, first));
        first += sum.lines;
        net.is_recorded = is_recorded(&net, &planner.netted)?;
        merchants.push(net);
    }
    for (merchant, currency, start) in starts {
        sums.slot(merchant, currency).cursor = start;
    }
    let order = group(&lines, &mut sums);
    let mut settled = planner.settled;
    let plan = DayPlan {
        day,
        fence,
        house,
        totals: totals(&merchants),
        merchants,
        blockers,
        lines,
        order,
        registry: planner.registry,
        files_recorded: settled.remove(&day),
    };
    invariant::check(&plan)?;
    Ok(plan)
}

/// Prices every line and adds it up.
fn price(
    lines: &mut Lines,
    registry: &Registry,
    refunds: &Refunds,
) -> Result<PerMerchant<Sums>, SettleError> {
    for (index, shares) in refunds.lines() {
        let line = lines.get_mut(index);
        let terms = registry.terms(line.merchant, line.plan_place, line.priced)?;
        if !terms.refund_returns_fee {
            continue;
        }
        let untraced = SettleError::RefundUntraced { merchant: line.merchant, transaction: line.transaction };
        let shares = shares.ok_or(untraced)?;
        let back = |share: Share| fee::refund(terms, line.class, share.taken_minor, share.left_minor);
        let fee = shares.map(back).iter().sum();
        line.fee_minor = signed(fee, line)?;
    }
    let mut sums: PerMerchant<Sums> = PerMerchant::default();
    for line in lines.iter_mut() {
        registry.terminal(line.terminal)?;
        if line.kind != TransactionKind::Refund {
            let terms = registry.terms(line.merchant, line.plan_place, line.priced)?;
            line.fee_minor = signed(fee::price(terms, line.class, line.amount_minor), line)?;
        }
        sums.slot(line.merchant, line.currency).add(line);
    }
    Ok(sums)
}

/// The merchant pays for what it gains and gets the fee back for what is undone or refunded.
fn signed(fee: u64, line: &Line) -> Result<i64, SettleError> {
    let fee = i64::try_from(fee).map_err(|_| SettleError::Range { merchant: line.merchant })?;
    Ok(if line.gain { fee } else { -fee })
}

impl Sums {
    fn add(&mut self, line: &Line) {
        let minor = i128::from(line.amount_minor);
        let step = if line.gain { 1 } else { -1 };
        let undoes = match line.kind {
            TransactionKind::Refund => {
                self.refunds_count -= i64::from(step);
                self.refunds -= line.signed_minor();
                line.gain
            }
            TransactionKind::Void | TransactionKind::CompletionVoid => {
                self.sales_count += i64::from(step);
                self.sales += line.signed_minor();
                true
            }
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::Tip
            | TransactionKind::Completion
            | TransactionKind::CompletionAdvice
            | TransactionKind::BalanceInquiry
            | TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice
            | TransactionKind::PreAuthVoid => {
                self.sales_count += i64::from(step);
                self.sales += line.signed_minor();
                !line.gain
            }
        };
        if undoes {
            self.cancelled_count += 1;
            self.cancelled += minor;
        }
        self.fees += i128::from(line.fee_minor);
        self.lines += 1;
    }
}

/// Why a net is not paid out whole.
struct Keep {
    minimum_minor: u64,
    held_minor: i128,
}

fn net_of(
    registry: &Registry,
    keep: Keep,
    merchant: MerchantIndex,
    sums: &Sums,
    carry_in: i64,
) -> Result<MerchantNet, SettleError> {
    let narrow = |wide: i128| i64::try_from(wide).map_err(|_| SettleError::Range { merchant });
    let net = narrow(i128::from(carry_in) + sums.sales - sums.refunds - sums.fees)?;
    let free = i128::from(net) - keep.held_minor;
    let payout = u64::try_from(free).unwrap_or(0);
    let payout = if payout >= keep.minimum_minor { payout } else { 0 };
    let party = registry.party(merchant);
    Ok(MerchantNet {
        merchant,
        id: party.id,
        name: party.name.clone(),
        account: party.account.clone(),
        currency: Currency::CNY,
        sales: Tally { count: sums.sales_count, minor: sums.sales },
        refunds: Tally { count: sums.refunds_count, minor: sums.refunds },
        cancelled: Tally { count: sums.cancelled_count, minor: sums.cancelled },
        fees_minor: narrow(sums.fees)?,
        carry_in_minor: carry_in,
        net_minor: net,
        payout_minor: payout,
        carry_out_minor: narrow(i128::from(net) - i128::from(payout))?,
        lines: u64::from(sums.lines),
        is_recorded: false,
        first: 0,
        payable_minor: 0,
    })
}

fn is_recorded(
    net: &MerchantNet,
    netted: &BTreeMap<(MerchantIndex, Currency), Netted>,
) -> Result<bool, SettleError> {
    let Some(recorded) = netted.get(&(net.merchant, net.currency)) else { return Ok(false) };
    let planned = Netted { entry: net.entry(), lines: net.lines, net_minor: net.net_minor };
    if *recorded == planned {
        Ok(true)
    } else {
        Err(SettleError::RecordedDiffers { merchant: net.merchant, currency: net.currency })
    }
}

/// A counting sort: stable, so that a statement follows the log.
fn group(lines: &Lines, sums: &mut PerMerchant<Sums>) -> Vec<u32> {
    let mut order = vec![0; lines.len()];
    for (index, line) in (0_u32..).zip(lines.iter()) {
        let cursor = &mut sums.slot(line.merchant, line.currency).cursor;
        order[*cursor as usize] = index;
        *cursor += 1;
    }
    order
}

fn totals(merchants: &[MerchantNet]) -> Vec<Totals> {
    let mut totals: BTreeMap<Currency, Totals> = BTreeMap::new();
    for net in merchants {
        let total = totals.entry(net.currency).or_insert_with(|| Totals::zero(net.currency));
        total.add(net);
    }
    totals.into_values().collect()
}

impl Tally {
    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.minor += other.minor;
    }
}

impl Totals {
    fn zero(currency: Currency) -> Self {
        Self {
            currency,
            merchants: 0,
            payouts: 0,
            lines: 0,
            sales: Tally::default(),
            refunds: Tally::default(),
            cancelled: Tally::default(),
            fees_minor: 0,
            carry_in_minor: 0,
            net_minor: 0,
            payout_minor: 0,
            carry_out_minor: 0,
        }
    }
    fn add(&mut self, net: &MerchantNet) {
        self.merchants += 1;
        self.payouts += u64::from(net.payout_minor > 0);
        self.lines += net.lines;
        self.sales.absorb(net.sales);
        self.refunds.absorb(net.refunds);
        self.cancelled.absorb(net.cancelled);
        self.fees_minor += i128::from(net.fees_minor);
        self.carry_in_minor += i128::from(net.carry_in_minor);
        self.net_minor += i128::from(net.net_minor);
        self.payout_minor += u128::from(net.payout_minor);
        self.carry_out_minor += i128::from(net.carry_out_minor);
    }
}
