//! What limits and risk rules count. The rules are those of the registry; the counters follow from the
//! transactions that came after them, so that a replay gives the same ones to the fen.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use switchyard_book::{SHARDS, Sharded};
use switchyard_domain::{
    Amount, BusinessDate, CardClass, CardHash, CardKind, Currency, MerchantIndex, RISK_SLIDING_MAX, RiskRule,
    RiskRules, RiskSubject, RiskTest, RiskWindow, Scope, StandInRules, TerminalIndex, Timestamp,
    TransactionId, TransactionKind,
};

/// Microseconds in a minute.
const MINUTE_MICROS: u64 = 60_000_000;

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) id: TransactionId,
    pub(crate) kind: TransactionKind,
    pub(crate) merchant: MerchantIndex,
    pub(crate) terminal: TerminalIndex,
    pub(crate) card_kind: CardKind,
    pub(crate) card: Option<CardHash>,
    pub(crate) amount: Amount,
    /// DE 22.
    pub(crate) entry_mode: Option<u16>,
    pub(crate) day: BusinessDate,
    pub(crate) around: Surroundings,
}

/// Where and when it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) mcc: u16,
    /// Digits 4 to 7 of DE 42.
    pub(crate) area: u16,
    pub(crate) at: Timestamp,
    /// Local minute of the day and day of the week, Monday 1.
    pub(crate) minute: u16,
    pub(crate) weekday: u8,
}

/// Whose counter of which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Meter {
    rule: u32,
    owner: Owner,
    /// Of a rule that counts equal amounts.
    minor: u64,
    /// Of a rule about amounts: those of different currencies are not added up.
    currency: Option<Currency>,
    /// Refunds are counted apart from what cardholders pay.
    refunds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Owner {
    Merchant(MerchantIndex),
    Terminal(TerminalIndex),
    Card(CardHash),
    CardAtMerchant(CardHash, MerchantIndex),
    ClassAtMerchant(CardClass, MerchantIndex),
    Class(CardClass),
}

/// Sum and number of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) minor: u64,
    pub(crate) count: u32,
}

/// What a card spent while its issuer was away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(crate) struct StoodIn {
    /// Sums by currency, in the order in which the card used them.
    sums: Vec<(Currency, u64)>,
    /// How many, in any currency.
    pub(crate) count: u32,
}

impl StoodIn {
    /// Minor units of a currency.
    pub(crate) fn minor(&self, currency: Currency) -> u64 {
        self.sums.iter().find(|(known, _)| *known == currency).map_or(0, |(_, minor)| *minor)
    }
    pub(crate) fn change(&mut self, amount: Amount, what: Count) {
        let place = self.sums.iter().position(|(known, _)| *known == amount.currency);
        let place = place.unwrap_or_else(|| {
            self.sums.push((amount.currency, 0));
            self.sums.len() - 1
        });
        let mut sum = Sum { minor: self.sums[place].1, count: self.count };
        sum.change(amount.minor, what);
        (self.sums[place].1, self.count) = (sum.minor, sum.count);
    }
}

/// One transaction in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Slid {
    at: Timestamp,
    id: TransactionId,
    minor: u64,
    area: u16,
}

/// The rules and what they have counted.
#[derive(Debug, Default)]
pub(crate) struct Risk {
    pub(crate) rules: RiskRules,
    /// The first transaction that a rule counts.
    pub(crate) since: BTreeMap<u32, TransactionId>,
    pub(crate) day: Sharded<Meter, Sum>,
    pub(crate) month: Sharded<Meter, Sum>,
    pub(crate) sliding: Sharded<Meter, Vec<Slid>>,
    /// What is approved while an issuer is away.
    pub(crate) stand_in: StandInRules,
    /// What each card spent so today.
    pub(crate) stood_in: Sharded<CardHash, StoodIn>,
    /// Transactions whose payout is held.
    pub(crate) held: BTreeMap<TransactionId, (MerchantIndex, Amount)>,
    /// Those of them that would take place, so that nobody has to look at every one to count them.
    pub(crate) held_standing: BTreeSet<TransactionId>,
}

/// What a transaction would make of a rule's counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) minor: u128,
    pub(crate) count: u32,
    pub(crate) areas: usize,
}

impl Risk {
    /// Replaces the rules. A rule that counts what it counted before keeps its counters.
    pub(crate) fn set(&mut self, rules: RiskRules, next: TransactionId) {
        let keeps = |rule: &RiskRule| self.rules.rules.iter().any(|before| rule.counts_as(before));
        let since = |rule: &RiskRule| self.since.get(&rule.number).copied().filter(|_| keeps(rule));
        let since: BTreeMap<u32, TransactionId> =
            rules.rules.iter().map(|rule| (rule.number, since(rule).unwrap_or(next))).collect();
        let stays = |meter: &Meter| since.get(&meter.rule).is_some_and(|first| *first != next);
        self.day.retain(|meter, _| stays(meter));
        self.month.retain(|meter, _| stays(meter));
        self.sliding.retain(|meter, _| stays(meter));
        self.since = since;
        self.rules = rules;
    }

    /// A new business day: what counts a day starts over, and a month where one begins.
    pub(crate) fn day_cut(&mut self, day: BusinessDate, next: BusinessDate, at: Timestamp) {
        self.stood_in = Sharded::default();
        if self.rules.rules.is_empty() {
            return;
        }
        self.day = Sharded::default();
        if month(day) != month(next) {
            self.month = Sharded::default();
        }
        // No window reaches further back.
        let oldest = Timestamp(at.0.saturating_sub(2 * 1_440 * MINUTE_MICROS));
        self.sliding.retain(|_, slid| slid.last().is_some_and(|last| last.at >= oldest));
    }

    /// Counts a transaction, or takes it out again. `today` is the business day that is open: what belongs to an
    /// earlier period is in no counter any more.
    pub(crate) fn count(&mut self, seen: &Seen, today: BusinessDate, what: Count) {
        let Self { rules, since, day, month: months, sliding, .. } = self;
        for rule in &rules.rules {
            let Some((of, window, attempts)) = rule.test.meter() else { continue };
            if attempts != (what == Count::Attempt) || !asks(rule, seen) {
                continue;
            }
            if since.get(&rule.number).is_none_or(|first| seen.id < *first) {
                continue;
            }
            let Some(meter) = meter(rule, of, seen) else { continue };
            match window {
                RiskWindow::Day if seen.day == today => {
                    day.get_or_default(meter).change(seen.amount.minor, what)
                }
                RiskWindow::Month if month(seen.day) == month(today) => {
                    months.get_or_default(meter).change(seen.amount.minor, what);
                }
                RiskWindow::Day | RiskWindow::Month => {}
                RiskWindow::Minutes(minutes) => {
                    slide(sliding.get_or_default(meter), seen, minutes, what);
                }
            }
        }
    }

    /// What the counters of a rule would be with this transaction.
    pub(crate) fn with(&self, rule: &RiskRule, seen: &Seen) -> Tally {
        let nothing = Tally { minor: u128::from(seen.amount.minor), count: 1, areas: 1 };
        let Some((of, window, _)) = rule.test.meter() else { return nothing };
        let Some(meter) = meter(rule, of, seen) else { return nothing };
        let of_period = |sum: Option<&Sum>| {
            let sum = sum.copied().unwrap_or_default();
            let minor = nothing.minor + u128::from(sum.minor);
            Tally { minor, count: sum.count.saturating_add(1), areas: 1 }
        };
        match window {
            RiskWindow::Day => of_period(self.day.get(&meter)),
            RiskWindow::Month => of_period(self.month.get(&meter)),
            RiskWindow::Minutes(minutes) => {
                let slid = self.sliding.get(&meter).map_or(&[][..], Vec::as_slice);
                // What falls out of a full list may have been inside the window still.
                let full = slid.len() >= RISK_SLIDING_MAX as usize;
                let inside = slid.iter().filter(|one| is_inside(one.at, seen.around.at, minutes));
                let (mut tally, mut areas) = (nothing, vec![seen.around.area]);
                for one in inside {
                    tally.minor += u128::from(one.minor);
                    tally.count += 1;
                    if !areas.contains(&one.area) {
                        areas.push(one.area);
                    }
                }
                tally.areas = areas.len();
                if full && slid.first().is_some_and(|first| is_inside(first.at, seen.around.at, minutes)) {
                    tally.minor = u128::MAX;
                }
                tally
            }
        }
    }

    /// The counters of one table, for a snapshot.
    pub(crate) fn shard(&self, shard: usize) -> RiskShard {
        let mut tables = RiskShard {
            day: self.day.shard(shard).copied().collect(),
            month: self.month.shard(shard).copied().collect(),
            sliding: self.sliding.shard(shard).cloned().collect(),
            stood_in: self.stood_in.shard(shard).cloned().collect(),
        };
        tables.stood_in.sort_unstable_by_key(|(card, _)| *card);
        tables.day.sort_unstable_by_key(order);
        tables.month.sort_unstable_by_key(order);
        tables.sliding.sort_unstable_by_key(order);
        tables
    }

    /// Puts the counters of a table back.
    pub(crate) fn set_shard(&mut self, shard: usize, tables: RiskShard) -> Option<()> {
        self.day.set_table(shard, Sharded::table(shard, tables.day)?)?;
        self.month.set_table(shard, Sharded::table(shard, tables.month)?)?;
        self.sliding.set_table(shard, Sharded::table(shard, tables.sliding)?)?;
        self.stood_in.set_table(shard, Sharded::table(shard, tables.stood_in)?)
    }
    /// Whether nothing is counted.
    pub(crate) fn counts_nothing(&self) -> bool {
        self.rules.rules.is_empty()
    }
    /// Numbers of the tables.
    pub(crate) fn shards(&self) -> std::ops::Range<usize> {
        let counts = !self.counts_nothing() || !self.stand_in.rules.is_empty();
        // What cards spent under rules that were taken away counts for those that come on the same day.
        if counts || !self.stood_in.is_empty() { 0..SHARDS } else { 0..0 }
    }
}

/// The counters of one table, in an order of their own: the digest must not depend on how they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RiskShard {
    day: Vec<(Meter, Sum)>,
    month: Vec<(Meter, Sum)>,
    sliding: Vec<(Meter, Vec<Slid>)>,
    stood_in: Vec<(CardHash, StoodIn)>,
}

impl RiskShard {
    pub(crate) fn is_empty(&self) -> bool {
        self.day.is_empty() && self.month.is_empty() && self.sliding.is_empty() && self.stood_in.is_empty()
    }
}

fn order<V>((meter, _): &(Meter, V)) -> (u32, u64, Option<u16>, bool, [u8; 24]) {
    let mut owner = [0; 24];
    let mut put = |at: usize, bytes: &[u8]| owner[at..at + bytes.len()].copy_from_slice(bytes);
    match meter.owner {
        Owner::Merchant(merchant) => put(0, &merchant.0.to_be_bytes()),
        Owner::Terminal(terminal) => put(0, &terminal.0.to_be_bytes()),
        Owner::Card(card) => put(0, &card.0),
        Owner::CardAtMerchant(card, merchant) => {
            put(0, &card.0);
            put(16, &merchant.0.to_be_bytes());
        }
        Owner::ClassAtMerchant(class, merchant) => {
            put(0, &[class as u8]);
            put(16, &merchant.0.to_be_bytes());
        }
        Owner::Class(class) => put(0, &[class as u8]),
    }
    (meter.rule, meter.minor, meter.currency.map(Currency::numeric), meter.refunds, owner)
}

/// Why a transaction is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// It was tried, whatever becomes of it.
    Attempt,
    /// It stands, or may.
    Stands,
    /// It stands no more.
    Gone,
}

impl Sum {
    pub(crate) fn change(&mut self, minor: u64, what: Count) {
        match what {
            Count::Attempt | Count::Stands => {
                self.minor = self.minor.saturating_add(minor);
                self.count = self.count.saturating_add(1);
            }
            Count::Gone => {
                self.minor = self.minor.saturating_sub(minor);
                self.count = self.count.saturating_sub(1);
            }
        }
    }
}

fn slide(list: &mut Vec<Slid>, seen: &Seen, minutes: u32, what: Count) {
    if what == Count::Gone {
        return list.retain(|one| one.id != seen.id);
    }
    list.retain(|one| is_inside(one.at, seen.around.at, minutes));
    if list.len() >= RISK_SLIDING_MAX as usize {
        list.remove(0);
    }
    // What stands again because its void was taken back goes to where it was.
    let place = list.partition_point(|one| one.at <= seen.around.at);
    list.insert(
        place,
        Slid { at: seen.around.at, id: seen.id, minor: seen.amount.minor, area: seen.around.area },
    );
}

fn is_inside(at: Timestamp, now: Timestamp, minutes: u32) -> bool {
    now.micros_since(at) < u64::from(minutes) * MINUTE_MICROS
}

fn month(day: BusinessDate) -> (i16, i8) {
    let date = day.civil();
    (date.year(), date.month())
}

fn meter(rule: &RiskRule, of: RiskSubject, seen: &Seen) -> Option<Meter> {
    let owner = match of {
        RiskSubject::Merchant => Owner::Merchant(seen.merchant),
        RiskSubject::Terminal => Owner::Terminal(seen.terminal),
        RiskSubject::Card => Owner::Card(seen.card?),
        RiskSubject::CardAtMerchant => Owner::CardAtMerchant(seen.card?, seen.merchant),
        RiskSubject::ClassAtMerchant => Owner::ClassAtMerchant(seen.card_kind.class, seen.merchant),
        RiskSubject::Class => Owner::Class(seen.card_kind.class),
    };
    let minor = if matches!(rule.test, RiskTest::SameAmount { .. }) { seen.amount.minor } else { 0 };
    let amounts = matches!(rule.test, RiskTest::Sum { .. } | RiskTest::SameAmount { .. });
    let currency = amounts.then_some(seen.amount.currency);
    Some(Meter { rule: rule.number, owner, minor, currency, refunds: !seen.kind.is_limited() })
}

/// Whether a risk rule looks at this transaction.
pub(crate) fn asks(rule: &RiskRule, seen: &Seen) -> bool {
    rule.asks_about(seen.kind) && about(&rule.about, seen)
}

/// Whether a scope holds this transaction.
pub(crate) fn about(scope: &Scope, seen: &Seen) -> bool {
    fn among<T: PartialEq>(list: &[T], value: &T) -> bool {
        list.is_empty() || list.contains(value)
    }
    fn within(list: &[(u16, u16)], value: u16) -> bool {
        list.is_empty() || list.iter().any(|(from, to)| (*from..=*to).contains(&value))
    }
    let mode = seen.entry_mode.map(|mode| (mode / 10) as u8);
    let minutes = scope.minutes.is_none_or(|(from, to)| {
        let (from_passed, before_to) = (seen.around.minute >= from, seen.around.minute < to);
        if from < to { from_passed && before_to } else { from_passed || before_to }
    });
    minutes
        && among(&scope.merchants, &seen.merchant)
        && among(&scope.terminals, &seen.terminal)
        && (scope.classes.is_empty() || scope.classes.iter().any(|group| group.holds(seen.card_kind)))
        && among(&scope.kinds, &seen.kind)
        && within(&scope.mcc, seen.around.mcc)
        && within(&scope.areas, seen.around.area)
        && (scope.entry_modes.is_empty() || mode.is_some_and(|mode| scope.entry_modes.contains(&mode)))
        && among(&scope.weekdays, &seen.around.weekday)
        && scope.currency.is_none_or(|currency| currency == seen.amount.currency)
        && seen.amount.minor >= scope.minor_min
}
