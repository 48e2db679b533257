//! Reads the records of the log, in order, for the sake of one business day.

use crate::blockers::OpenFacts;
use crate::error::SettleError;
use crate::held::Held;
use crate::line::{Line, Lines};
use crate::net;
use crate::plan::{DayPlan, Fence};
use crate::refunds::Refunds;
use crate::registry::{PerMerchant, Registry};
use std::collections::BTreeMap;
use switchyard_domain::{
    AccountId, AccountKind, AcquirerId, BusinessDate, Currency, Entry, FileDigest, MerchantIndex, Movement,
    Phase, Record, Stamped, Timestamp, TransactionId, TransactionKind, UtcOffset,
};

/// What the acquirer has agreed with its merchants and that no record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// A net below this many minor units is carried over instead of paid out.
    pub minimum_payout_minor: u64,
}

/// A net as the ledger already has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Netted {
    pub(crate) entry: Entry,
    pub(crate) lines: u64,
    pub(crate) net_minor: i64,
}

/// What the genesis record fixed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct House {
    pub(crate) partition: u8,
    pub(crate) acquirer: AcquirerId,
    pub(crate) offset: UtcOffset,
}

/// Observes the records of a partition and plans one day.
///
/// 1. [`observe`](Self::observe) every record from the genesis on, at least to the day's cut; records after
///    it tell which part of the plan is recorded already and which blockers have gone since.
/// 2. While [`needs_originals`](Self::needs_originals) says so, pass the records once more to
///    [`observe_original`](Self::observe_original).
/// 3. [`plan`](Self::plan).
#[derive(Debug, Clone)]
pub struct Planner {
    pub(crate) target: BusinessDate,
    pub(crate) terms: Terms,
    pub(crate) house: Option<House>,
    pub(crate) registry: Registry,
    pub(crate) lines: Lines,
    pub(crate) refunds: Refunds,
    pub(crate) open_facts: OpenFacts,
    /// Payable balances at the fence by postings, with the nets of earlier days.
    pub(crate) payable: PerMerchant<i128>,
    pub(crate) carry: PerMerchant<i64>,
    /// What is not paid out, although it is owed.
    pub(crate) held: Held,
    pub(crate) netted: BTreeMap<(MerchantIndex, Currency), Netted>,
    pub(crate) settled: BTreeMap<BusinessDate, Vec<FileDigest>>,
    pub(crate) fence: Option<Fence>,
    pub(crate) open: BusinessDate,
    day_first_sequence: u64,
    next_sequence: Option<u64>,
}

impl Planner {
    /// A planner for `day`.
    pub fn for_day(day: BusinessDate, terms: Terms) -> Self {
        Self {
            target: day,
            terms,
            house: None,
            registry: Registry::default(),
            lines: Lines::default(),
            refunds: Refunds::default(),
            open_facts: OpenFacts::default(),
            payable: PerMerchant::default(),
            carry: PerMerchant::default(),
            held: Held::default(),
            netted: BTreeMap::new(),
            settled: BTreeMap::new(),
            fence: None,
            open: BusinessDate(0),
            day_first_sequence: 0,
            next_sequence: None,
        }
    }
    /// Whether the day's own cut was observed.
    pub fn is_fenced(&self) -> bool {
        self.fence.is_some()
    }

    /// Takes the next record of the log.
    ///
    /// # Errors
    /// [`SettleError`] where the log has a gap or contradicts itself; the planner is of no use after that.
    pub fn observe(&mut self, sequence: u64, stamped: &Stamped) -> Result<(), SettleError> {
        self.count(sequence, stamped)?;
        let fenced = self.is_fenced();
        match &stamped.record {
            Record::Genesis { partition, acquirer, offset, day, .. } => {
                self.house = Some(House { partition: *partition, acquirer: *acquirer, offset: *offset });
                self.open = *day;
                self.day_first_sequence = sequence;
            }
            Record::FeePlanSet(terms) => self.registry.fee_plan_set(terms, self.open),
            Record::DayCut { day, next } => self.day_cut(sequence, stamped.at, *day, *next)?,
            Record::MerchantNetted { day, merchant, entry, lines, net_minor } => {
                let netted = Netted { entry: entry.clone(), lines: *lines, net_minor: *net_minor };
                self.merchant_netted(sequence, *day, *merchant, netted)?;
            }
            Record::FilesRendered { day, files } => {
                self.settled.insert(*day, files.clone());
            }
            Record::MerchantChanged { merchant, change, .. } => {
                self.registry.merchant_changes += 1;
                // A payout goes where the merchant wants it when the day is settled, and files that are recorded stay.
                if !self.settled.contains_key(&self.target) {
                    self.registry.merchant_changed(stamped.at, *merchant, change);
                }
            }
            record if !fenced => self.before_fence(sequence, stamped.at, record)?,
            _ => {}
        }
        self.open_facts.observe(&stamped.record, fenced);
        Ok(())
    }

    /// Whether a refund of the day returns a fee, so that its original has to be looked up. True at most
    /// twice: where a refund of an earlier day is undone, one reading finds its original, the next follows
    /// it.
    pub fn needs_originals(&self) -> bool {
        self.refunds.may_read_again()
            && self.refunds.lines().any(|(line, remaining)| {
                let line = self.lines.get(line);
                let terms = self.registry.terms(line.merchant, line.plan_place, line.priced);
                remaining.is_none() && terms.is_ok_and(|terms| terms.refund_returns_fee)
            })
    }
    /// Takes a record once more, after the fence was observed. All of them may be passed, or only
    /// those about the originals of the day's refunds, in the order of the log.
    pub fn observe_original(&mut self, sequence: u64, stamped: &Stamped) {
        let fence = self.fence.map_or(0, |fence| fence.sequence);
        if sequence <= fence && !self.refunds.is_empty() {
            self.refunds.trace(sequence, &stamped.record);
        }
    }

    /// Prices and nets the day.
    ///
    /// # Errors
    /// [`SettleError`] by what the operator does next.
    pub fn plan(self) -> Result<DayPlan, SettleError> {
        net::plan(self)
    }

    fn count(&mut self, sequence: u64, stamped: &Stamped) -> Result<(), SettleError> {
        match self.next_sequence {
            None if !matches!(stamped.record, Record::Genesis { .. }) => {
                return Err(SettleError::NoGenesis { sequence });
            }
            Some(need) if need != sequence => return Err(SettleError::Sequence { need, have: sequence }),
            _ => {}
        }
        self.next_sequence = Some(sequence + 1);
        Ok(())
    }

    fn day_cut(
        &mut self,
        sequence: u64,
        at: Timestamp,
        day: BusinessDate,
        next: BusinessDate,
    ) -> Result<(), SettleError> {
        if day != self.open || next <= day {
            return Err(SettleError::DayOrder { sequence, open: self.open, have: day });
        }
        self.registry.day_cut(at, day);
        if day == self.target {
            self.fence = Some(Fence { first: self.day_first_sequence, sequence, at, next });
        }
        self.open = next;
        self.day_first_sequence = sequence + 1;
        Ok(())
    }

    fn merchant_netted(
        &mut self,
        sequence: u64,
        day: BusinessDate,
        merchant: MerchantIndex,
        netted: Netted,
    ) -> Result<(), SettleError> {
        if !self.registry.knows(merchant) {
            // A merchant that registered after the fence has no part in the day.
            return if self.is_fenced() {
                Ok(())
            } else {
                Err(SettleError::UnknownMerchant { sequence, merchant })
            };
        }
        // The planner always names the account, even when nothing moves; see `MerchantNet::entry`.
        let currency = netted.entry.0.first().map_or(Currency::CNY, |posting| posting.debit.currency);
        if day < self.target {
            let account = AccountId::of(AccountKind::MerchantPayable, merchant.0, currency);
            let paid: i128 = (netted.entry.0.iter())
                .filter(|posting| {
                    posting.debit == account && posting.credit.kind == AccountKind::PayoutClearing
                })
                .map(|posting| i128::from(posting.amount_minor))
                .sum();
            let carry = i128::from(netted.net_minor) - paid;
            *self.carry.slot(merchant, currency) =
                i64::try_from(carry).map_err(|_| SettleError::Range { merchant })?;
            self.post(sequence, &netted.entry)?;
        } else if day == self.target {
            self.netted.insert((merchant, currency), netted);
        }
        Ok(())
    }

    fn before_fence(&mut self, sequence: u64, at: Timestamp, record: &Record) -> Result<(), SettleError> {
        match record {
            Record::MerchantRegistered(merchant) => self.registry.merchant_registered(merchant),
            Record::TerminalRegistered(terminal) => self.registry.terminals.push(terminal.id),
            Record::AccountFunded { entry } => self.post(sequence, entry)?,
            Record::Opened(opened) => self.held.opened(opened),
            Record::Decided { opened, entry, movement, .. }
            | Record::Advised { opened, entry, movement, .. } => {
                self.post(sequence, entry)?;
                self.held.opened(opened);
                self.moved(sequence, at, movement.as_ref(), (opened.id, opened.original))?;
            }
            Record::Resolved { transaction, entry, movement, .. } => {
                self.post(sequence, entry)?;
                let original = self.open_facts.original_of(*transaction);
                self.moved(sequence, at, movement.as_ref(), (*transaction, original))?;
            }
            Record::ReversalTaken { original, entry, movement, .. } => {
                self.post(sequence, entry)?;
                let undone = original.or(movement.map(|movement| movement.transaction));
                self.moved(sequence, at, movement.as_ref(), (undone.unwrap_or(TransactionId(0)), None))?;
            }
            Record::PartReversed { original, entry, movements, .. } => {
                self.post(sequence, entry)?;
                for movement in movements.iter().flatten() {
                    self.moved(sequence, at, Some(movement), (*original, None))?;
                }
            }
            Record::RiskFlagged { .. } | Record::PayoutReleased { .. } => self.held.observe(record),
            _ => {}
        }
        Ok(())
    }

    /// What the entry does to merchants' payable accounts.
    fn post(&mut self, sequence: u64, entry: &Entry) -> Result<(), SettleError> {
        for posting in &entry.0 {
            if !matches!(posting.phase, Phase::Posted | Phase::PostPending(_)) {
                continue;
            }
            let minor = i128::from(posting.amount_minor);
            for (account, change) in [(posting.debit, -minor), (posting.credit, minor)] {
                if account.kind != AccountKind::MerchantPayable {
                    continue;
                }
                let merchant = MerchantIndex(account.owner);
                if !self.registry.knows(merchant) {
                    return Err(SettleError::UnknownMerchant { sequence, merchant });
                }
                *self.payable.slot(merchant, account.currency) += change;
            }
        }
        Ok(())
    }

    fn moved(
        &mut self,
        sequence: u64,
        at: Timestamp,
        movement: Option<&Movement>,
        (refund, original): (TransactionId, Option<TransactionId>),
    ) -> Result<(), SettleError> {
        movement.iter().for_each(|movement| self.held.moved(movement));
        let Some(movement) = movement.filter(|_| self.open == self.target) else { return Ok(()) };
        if !self.registry.knows(movement.merchant) {
            return Err(SettleError::UnknownMerchant { sequence, merchant: movement.merchant });
        }
        if movement.kind.batch_side().is_none() {
            return Err(SettleError::IdleMovement { sequence });
        }
        if movement.kind == TransactionKind::Refund {
            self.refunds.want(sequence, self.lines.len() as u32, refund, original);
        }
        let priced = self.registry.day_of(movement.priced_at, self.open);
        let place = self.registry.plan_place(movement.merchant, movement.priced_at);
        self.lines.push(Line::new(at, movement, priced, place))
    }
}
