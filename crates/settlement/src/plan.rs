//! A day as it is to be settled.

use crate::blockers::Blockers;
use crate::line::{Line, Lines};
use crate::planner::House;
use crate::registry::Registry;
use serde::Serialize;
use switchyard_domain::{
    AccountId, AccountKind, AcquirerId, BankAccount, BusinessDate, Currency, Entry, FileDigest, MerchantId,
    MerchantIndex, Phase, Posting, Record, TerminalId, TerminalIndex, Timestamp, UtcOffset,
};

/// How many and how much. Both are signed: an undoing that comes a day later counts against the later day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Transactions.
    pub count: i64,
    /// Minor units.
    pub minor: i128,
}

/// What a day comes to for one merchant in one currency. All sums are minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantNet {
    /// The merchant.
    pub merchant: MerchantIndex,
    /// DE 42.
    pub id: MerchantId,
    /// Its name.
    pub name: String,
    /// Where its payouts go.
    pub account: BankAccount,
    /// The currency.
    pub currency: Currency,
    /// Sales and completions that stood: a void or a reversal takes its original out again.
    pub sales: Tally,
    /// Refunds that stood.
    pub refunds: Tally,
    /// Movements that undid another one: voids and reversals. Already taken out of the two above.
    pub cancelled: Tally,
    /// Fees, less the fees that came back.
    pub fees_minor: i64,
    /// What earlier days carried over.
    pub carry_in_minor: i64,
    /// Carry-in + sales − refunds − fees.
    pub net_minor: i64,
    /// What is paid out: the net less what risk rules hold, or nothing where that is negative or below the
    /// minimum payout.
    pub payout_minor: u64,
    /// What is carried over: the net less the payout.
    pub carry_out_minor: i64,
    /// Movements in the statement.
    pub lines: u64,
    /// Whether the ledger has this net already.
    pub is_recorded: bool,
    pub(crate) first: u32,
    /// The payable account at the fence, by postings.
    pub(crate) payable_minor: i128,
}

impl MerchantNet {
    /// The postings of the net: fees and payout leave the payable account, and the carry-out stays on it.
    /// Where neither moves anything, a posting of zero names the account and with it the currency.
    pub fn entry(&self) -> Entry {
        let payable = AccountId::of(AccountKind::MerchantPayable, self.merchant.0, self.currency);
        let income = AccountId::own(AccountKind::FeeIncome, self.currency);
        let clearing = AccountId::own(AccountKind::PayoutClearing, self.currency);
        let posted =
            |debit, credit, amount_minor| Posting { debit, credit, amount_minor, phase: Phase::Posted };
        let fees = self.fees_minor.unsigned_abs();
        let mut entry = Entry(Vec::with_capacity(2));
        if self.fees_minor < 0 {
            entry.0.push(posted(income, payable, fees));
        } else if self.fees_minor > 0 || self.payout_minor == 0 {
            entry.0.push(posted(payable, income, fees));
        }
        if self.payout_minor > 0 {
            entry.0.push(posted(payable, clearing, self.payout_minor));
        }
        entry
    }
}

/// A day's sums in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The currency.
    #[serde(serialize_with = "currency_code")]
    pub currency: Currency,
    /// Merchants with a net.
    pub merchants: u64,
    /// Payouts.
    pub payouts: u64,
    /// Movements.
    pub lines: u64,
    /// Sales and completions that stood.
    pub sales: Tally,
    /// Refunds that stood.
    pub refunds: Tally,
    /// Voids and reversals.
    pub cancelled: Tally,
    /// Fees.
    pub fees_minor: i128,
    /// Carried over from earlier days.
    pub carry_in_minor: i128,
    /// The sum of the nets.
    pub net_minor: i128,
    /// The control sum of the payouts.
    pub payout_minor: u128,
    /// Carried over to later days.
    pub carry_out_minor: i128,
}

fn currency_code<S: serde::Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(currency)
}

/// The record that ended a day, and where the day began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fence {
    pub(crate) first: u64,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) next: BusinessDate,
}

/// A business day, priced and netted. Everything but [`blockers`](Self::blockers) and what is recorded
/// already follows from the records up to the fence, so it is the same whenever it is made.
#[derive(Debug, Clone)]
pub struct DayPlan {
    pub(crate) day: BusinessDate,
    pub(crate) fence: Fence,
    pub(crate) house: House,
    pub(crate) merchants: Vec<MerchantNet>,
    pub(crate) totals: Vec<Totals>,
    pub(crate) blockers: Blockers,
    pub(crate) lines: Lines,
    /// Line numbers grouped by net, in the order of the log within each.
    pub(crate) order: Vec<u32>,
    pub(crate) registry: Registry,
    pub(crate) files_recorded: Option<Vec<FileDigest>>,
}

impl DayPlan {
    /// The business day.
    pub fn day(&self) -> BusinessDate {
        self.day
    }
    /// Sequence of the first record of the day.
    pub fn first_sequence(&self) -> u64 {
        self.fence.first
    }
    /// Sequence of the day's own cut, its last record.
    pub fn fence_sequence(&self) -> u64 {
        self.fence.sequence
    }
    /// When the day was cut: the time inside its files.
    pub fn cut_at(&self) -> Timestamp {
        self.fence.at
    }
    /// The business day after it.
    pub fn next_day(&self) -> BusinessDate {
        self.fence.next
    }
    /// Number of the partition.
    pub fn partition(&self) -> u8 {
        self.house.partition
    }
    /// The acquirer.
    pub fn acquirer(&self) -> AcquirerId {
        self.house.acquirer
    }
    /// The local time of its records.
    pub fn offset(&self) -> UtcOffset {
        self.house.offset
    }
    /// How many changes of merchants the log had: the plan is none to be recorded when there are more by then.
    pub fn merchant_changes(&self) -> u64 {
        self.registry.merchant_changes
    }
    /// The nets, by merchant, then by currency. A merchant without movements and without carry has none.
    pub fn merchants(&self) -> &[MerchantNet] {
        &self.merchants
    }
    /// The sums, by currency.
    pub fn totals(&self) -> &[Totals] {
        &self.totals
    }
    /// What stands in the way of releasing the day.
    pub fn blockers(&self) -> Blockers {
        self.blockers
    }
    /// Movements of the day.
    pub fn lines_count(&self) -> usize {
        self.lines.len()
    }
    /// The movements behind a net of this plan, in the order of the log.
    pub fn lines_of(&self, net: &MerchantNet) -> impl Iterator<Item = &Line> {
        let first = net.first as usize;
        self.order[first..first + net.lines as usize].iter().map(|index| self.lines.get(*index))
    }
    /// DE 41 of a line's terminal.
    pub fn terminal_id(&self, terminal: TerminalIndex) -> Option<TerminalId> {
        self.registry.terminals.get(terminal.0 as usize).copied()
    }
    /// What is still to be recorded of the nets, in order. Rendered files come after it: their record says
    /// that the day is settled, and the next day waits for it.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.merchants.iter().filter(|net| !net.is_recorded).map(|net| Record::MerchantNetted {
            day: self.day,
            merchant: net.merchant,
            entry: net.entry(),
            lines: net.lines,
            net_minor: net.net_minor,
        })
    }
    /// The digests that the ledger has of the day's files, once they were recorded.
    pub fn files_recorded(&self) -> Option<&[FileDigest]> {
        self.files_recorded.as_deref()
    }
}
