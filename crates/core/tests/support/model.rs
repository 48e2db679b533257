//! The plainest account of what the records say, kept apart from the core's own.

use super::Ask;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_core::State;
use switchyard_domain::{
    BatchNumber, BatchSide, BatchSums, BatchTotals, Billing, CHIP_BYTES_MAX, CardClass, CaseId, ChipData,
    Currency, ExchangeRate, MerchantIndex, Movement, Outcome, Record, ReversalEffect, RiskSubject, RiskTest,
    RiskVerdict, RiskWindow, Rrn, SafEntry, SafFinding, SafId, SafKind, Scope, ScriptReport, Stamped,
    TerminalIndex, TransactionId, TransactionKind, TransactionOpened,
};

#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) opened: TransactionOpened,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) transactions: BTreeMap<TransactionId, Told>,
    payable: BTreeMap<(MerchantIndex, Currency), i128>,
    references: BTreeSet<Rrn>,
    saf: BTreeMap<SafId, SafEntry>,
    /// Taken back by the terminal before the issuer answered.
    wanted: BTreeSet<TransactionId>,
    pub(crate) dead: BTreeMap<SafId, SafEntry>,
    /// What operators found to stand at an issuer although it was to be undone.
    pub(crate) kept: BTreeSet<TransactionId>,
    /// Transactions whose issuers are told, or were, what became of their scripts.
    pub(crate) scripted: BTreeSet<TransactionId>,
    /// What the chips of transactions said that their issuers hear of later.
    pub(crate) chips: BTreeMap<TransactionId, ChipData>,
    /// What the messages about a transaction say of its cardholder's billing.
    billing: BTreeMap<TransactionId, Billing>,
    /// Rates in the order in which they were set.
    rates: Vec<ExchangeRate>,
    pub(crate) cases: BTreeSet<CaseId>,
    cases_next: u64,
    pub(crate) netted: bool,
    /// What one card may spend a day, where a rule says so.
    card_day_minor_max: Option<u64>,
}

impl Model {
    pub(crate) fn apply(&mut self, stamped: &Stamped) {
        match &stamped.record {
            Record::Opened(opened) => self.open(opened, Outcome::Pending),
            Record::Decided { opened, outcome, reply, movement, .. } => {
                assert_eq!(opened.rrn, reply.rrn);
                assert!(matches!(outcome, Outcome::Approved | Outcome::Declined));
                self.open(opened, *outcome);
                self.moved(opened.id, *outcome, movement.as_ref());
            }
            Record::Resolved { .. } => self.resolve(&stamped.record),
            Record::ReversalTaken { original, effect, reply, movement, saf, entry, .. } => {
                self.reference(reply.rrn);
                self.queue(saf.as_ref());
                if *effect == ReversalEffect::WhenResolved {
                    self.wanted.insert(original.unwrap());
                }
                if *effect == ReversalEffect::Undone {
                    let told = self.transactions.get_mut(&original.unwrap()).unwrap();
                    assert_eq!(told.outcome, Outcome::Approved, "only what stands is undone");
                    told.outcome = Outcome::Reversed;
                    let gain = |k: TransactionKind| k.batch_side() == Some(BatchSide::Debit);
                    let kind = told.opened.kind;
                    assert_eq!(movement.is_some(), kind.batch_side().is_some());
                    assert!(movement.is_none_or(|m| m.gain != gain(kind)));
                    self.book(movement.as_ref());
                } else {
                    assert!(movement.is_none() && entry.is_empty() && saf.is_none());
                }
            }
            Record::PartReversed { .. } => self.give_back(&stamped.record),
            Record::ReversalQueued { saf } => self.queue(Some(saf)),
            Record::ScriptReported { reply, .. } => self.reference(reply.rrn),
            Record::ScriptQueued { saf, report } => self.tell_scripts(saf, report),
            Record::SafDelivered { id, .. } => self.delivered(id),
            Record::SafDeadLettered { id, .. } => {
                let entry = self.saf.remove(id).expect("queued before");
                self.dead.insert(*id, entry);
            }
            Record::LateAnswer { transaction, cancels: Some(id), .. } => {
                self.saf.remove(id).expect("queued before");
                let told = self.transactions.get_mut(transaction).unwrap();
                assert_eq!(told.outcome, Outcome::Unknown);
                told.outcome = Outcome::Declined;
            }
            Record::BatchReconciled { terminal, batch, host_totals, reply, .. } => {
                self.reference(reply.rrn);
                let stands = alike(self.recount(*terminal, *batch), host_totals);
                assert_eq!(stands, *host_totals, "totals are those of what stands");
            }
            Record::BatchUploadEnded { reply, cases, .. } => {
                self.reference(reply.rrn);
                self.arise(cases.len());
            }
            Record::BatchCompared { cases, .. } => self.arise(cases.len()),
            Record::SignedOn { reply, .. } | Record::SignedOff { reply, .. } => self.reference(reply.rrn),
            other => {
                self.ordered(other);
                self.apply_rules(other);
            }
        }
    }

    fn resolve(&mut self, record: &Record) {
        let Record::Resolved { transaction, outcome, reply, movement, saf, .. } = record else {
            unreachable!()
        };
        let told = self.transactions.get_mut(transaction).expect("opened before");
        assert_eq!(told.outcome, Outcome::Pending, "{transaction} is resolved once");
        assert_ne!(*outcome, Outcome::Pending);
        assert_eq!(told.opened.rrn, reply.rrn);
        told.outcome = *outcome;
        let inquiry = told.opened.kind == TransactionKind::BalanceInquiry;
        let undone = matches!(outcome, Outcome::Unknown | Outcome::Reversed) && !inquiry;
        let advised = saf.is_some_and(|saf| saf.kind == SafKind::Advice);
        assert!(!advised || *outcome == Outcome::Approved, "what is told of was approved");
        let upstream = told.opened.upstream;
        assert!(!advised || saf.map(|saf| saf.upstream) == upstream, "in the place of the request");
        assert_eq!(
            undone,
            saf.is_some() && !advised,
            "whatever may stand upstream is taken back, nothing else"
        );
        self.queue(saf.as_ref());
        self.moved(*transaction, *outcome, movement.as_ref());
    }

    /// Less was needed than was approved: the rest stands.
    fn give_back(&mut self, record: &Record) {
        let Record::PartReversed { original, stands, reply, entry, movements, saf, .. } = record else {
            return;
        };
        self.reference(reply.rrn);
        self.queue(saf.as_ref());
        let told = self.transactions.get_mut(original).expect("opened before");
        assert_eq!(told.outcome, Outcome::Approved, "only what stands is made less");
        let whole = std::mem::replace(&mut told.opened.amount, *stands);
        assert!((1..whole.minor).contains(&stands.minor) && whole.currency == stands.currency);
        assert_eq!(movements.is_some(), told.opened.kind.batch_side().is_some());
        if let Some([gone, left]) = movements {
            assert!(!gone.gain && left.gain);
            assert_eq!((gone.amount, left.amount), (whole, *stands));
            let given_back: u64 = entry.0.iter().map(|posting| posting.amount_minor).sum();
            assert_eq!(given_back, whole.minor - stands.minor);
            self.book(Some(gone));
            self.book(Some(left));
        }
    }

    /// Whether an issuer is still to be told of what was approved without it.
    pub(crate) fn is_advised(&self, id: TransactionId) -> bool {
        let mut entries = self.saf.values().chain(self.dead.values());
        entries.any(|entry| entry.kind == SafKind::Advice && entry.transaction == id)
    }

    fn delivered(&mut self, id: &SafId) {
        let entry = self.saf.remove(id).expect("queued before");
        if entry.kind == SafKind::Script {
            assert!(!self.is_advised(entry.transaction), "nothing overtakes an advice");
        }
        if entry.kind != SafKind::Reversal {
            return;
        }
        let told = self.transactions.get_mut(&entry.transaction).unwrap();
        if told.outcome == Outcome::Unknown {
            told.outcome = Outcome::Reversed;
        }
        // What had been refused stays refused: only the issuer's late approval was taken back.
        assert!(matches!(told.outcome, Outcome::Reversed | Outcome::Declined));
    }

    /// An issuer hears once what became of its scripts, and of nothing that it did not answer.
    fn tell_scripts(&mut self, saf: &SafEntry, report: &ScriptReport) {
        let told = &self.transactions[&saf.transaction];
        assert_eq!((saf.kind, report.transaction), (SafKind::Script, Some(saf.transaction)));
        assert_eq!(told.opened.upstream.map(|upstream| upstream.link), Some(saf.upstream.link));
        assert!(!matches!(told.outcome, Outcome::Pending | Outcome::Unknown));
        assert!(self.scripted.insert(saf.transaction), "{} is told of twice", saf.transaction);
        self.saf.insert(saf.id, *saf);
    }

    /// What the messages about a transaction have to say of its billing.
    pub(crate) fn billing(&self, id: TransactionId) -> Option<Billing> {
        self.billing.get(&id).copied()
    }

    /// What follows is billed at the rate of its original, what is new at one that is in force, and the product is right.
    fn convert(&mut self, id: TransactionId, billing: &Billing) {
        let opened = &self.transactions[&id].opened;
        match opened.original.and_then(|original| self.billing.get(&original)) {
            Some(original) => {
                let terms = (original.rate, original.rate_day, original.amount.currency);
                assert_eq!((billing.rate, billing.rate_day, billing.amount.currency), terms, "{id}");
            }
            None => {
                let pair = (opened.amount.currency, billing.amount.currency);
                let mut rates = self.rates.iter().filter(|rate| (rate.from, rate.to) == pair);
                assert!(rates.any(|rate| rate.billed_rate() == Ok(billing.rate)), "{id}: a rate of nobody");
            }
        }
        // In integers: DE 10 says how many of its seven digits are decimals.
        let (rate, to) = (u128::from(billing.rate.de10()), billing.amount.currency);
        let numerator = u128::from(opened.amount.minor) * (rate % 10_000_000) * 10_u128.pow(to.exponent());
        let denominator = 10_u128.pow((rate / 10_000_000) as u32 + opened.amount.currency.exponent());
        let (whole, rest) = (numerator / denominator, numerator % denominator * 2);
        let up = rest > denominator || (rest == denominator && whole % 2 == 1);
        assert_eq!(
            u128::from(billing.amount.minor),
            whole + u128::from(up),
            "{id}: DE 6 is DE 4 times DE 10"
        );
        assert!(self.billing.insert(id, *billing).is_none(), "{id} is converted once");
    }

    /// What operators did.
    fn ordered(&mut self, record: &Record) {
        match record {
            Record::SafRetried { id, .. } => {
                let entry = self.dead.remove(id).expect("given up before");
                self.saf.insert(*id, entry);
            }
            Record::SafResolved { id, finding, .. } => self.resolve_saf(*id, *finding),
            Record::BatchForceClosed { terminal, batch, totals, cases, reply, .. } => {
                self.reference(reply.rrn);
                assert_eq!(self.recount(*terminal, *batch), *totals, "totals are those of what stands");
                self.arise(cases.len());
            }
            Record::CaseRaised { transaction, terminal, batch, case } => {
                let told = &self.transactions[transaction];
                let key = &told.opened.key;
                assert_eq!((key.terminal, key.batch, key.stan), (*terminal, *batch, case.stan));
                assert_eq!(told.opened.amount.minor, case.host_minor);
                assert!(matches!(told.outcome, Outcome::Approved | Outcome::Pending), "what may stand");
                self.arise(1);
            }
            Record::CaseResolved { case, .. } => {
                assert!(self.cases.remove(case), "a case is settled once");
            }
            _ => {}
        }
    }

    /// Advices, other ways, rules and what they found.
    fn apply_rules(&mut self, record: &Record) {
        match record {
            Record::Advised { opened, movement, saf, .. } => {
                self.open(opened, Outcome::Approved);
                self.moved(opened.id, Outcome::Approved, movement.as_ref());
                assert_eq!((saf.kind, Some(saf.upstream)), (SafKind::Advice, opened.upstream));
                self.saf.insert(saf.id, *saf);
            }
            Record::Rerouted { transaction, upstream } => {
                let told = self.transactions.get_mut(transaction).expect("opened before");
                assert_eq!(told.outcome, Outcome::Pending, "only what waits goes another way");
                told.opened.upstream = Some(*upstream);
                self.billing.remove(transaction);
            }
            Record::PartlyApproved { transaction, amount } => {
                let told = self.transactions.get_mut(transaction).expect("opened before");
                assert_eq!(told.outcome, Outcome::Pending, "only what waits is approved in part");
                assert!(amount.minor > 0 && amount.minor < told.opened.amount.minor);
                told.opened.amount = *amount;
            }
            Record::RateSet { rate, .. } => self.rates.push(*rate),
            Record::ChipKept { transaction, chip } => {
                assert!(chip.objects.len() <= CHIP_BYTES_MAX);
                let again = self.chips.insert(*transaction, chip.clone());
                assert!(again.is_none(), "a chip speaks once in a transaction");
            }
            Record::Converted { transaction, billing } => self.convert(*transaction, billing),
            Record::MerchantNetted { .. } => self.netted = true,
            Record::RiskRulesSet(rules) => {
                // Only where nothing else is in force, and from the first transaction on.
                self.card_day_minor_max = match (&rules.rules[..], rules.version) {
                    ([rule], 1) if rule.about == Scope::default() => match rule.test {
                        RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max } => {
                            Some(minor_max)
                        }
                        _ => None,
                    },
                    _ => None,
                };
            }
            Record::RiskFlagged { transaction, finding, .. } => {
                if let (Some(max), RiskVerdict::Decline(_)) = (self.card_day_minor_max, finding.verdict) {
                    let opened = &self.transactions[transaction].opened;
                    let with = self.spent(opened) + u128::from(opened.amount.minor);
                    assert!(with > u128::from(max), "declined within the limit");
                }
            }
            _ => {}
        }
    }

    fn arise(&mut self, count: usize) {
        for _ in 0..count {
            self.cases.insert(CaseId(self.cases_next));
            self.cases_next += 1;
        }
    }
    fn resolve_saf(&mut self, id: SafId, finding: SafFinding) {
        let entry = self.saf.remove(&id).or_else(|| self.dead.remove(&id)).expect("queued before");
        if entry.kind != SafKind::Reversal {
            return;
        }
        let told = self.transactions.get_mut(&entry.transaction).unwrap();
        assert!(matches!(told.outcome, Outcome::Unknown | Outcome::Reversed));
        told.outcome = Outcome::Reversed;
        if finding == SafFinding::Stands {
            self.kept.insert(entry.transaction);
        }
    }
    /// What stands of a card's spending on the day of `opened`.
    fn spent(&self, opened: &TransactionOpened) -> u128 {
        let voided: BTreeSet<TransactionId> = (self.transactions.values())
            .filter(|t| t.outcome == Outcome::Approved && t.opened.kind.voids())
            .filter_map(|t| t.opened.original)
            .collect();
        let stands = |t: &&Told| {
            let undone = !matches!(t.outcome, Outcome::Pending | Outcome::Approved | Outcome::Unknown);
            // What an issuer keeps has been taken from its card, whatever the merchant has of it.
            (!undone || self.kept.contains(&t.opened.id))
                && t.opened.kind.is_limited()
                && t.opened.day == opened.day
                && t.opened.amount.currency == opened.amount.currency
                && t.opened.card.as_ref().map(|c| c.hash) == opened.card.as_ref().map(|c| c.hash)
                && !voided.contains(&t.opened.id)
        };
        self.transactions.values().filter(stands).map(|t| u128::from(t.opened.amount.minor)).sum()
    }
    fn open(&mut self, opened: &TransactionOpened, outcome: Outcome) {
        self.reference(opened.rrn);
        if let Some(max) = self.card_day_minor_max.filter(|_| outcome != Outcome::Declined)
            && opened.kind.is_limited()
            && !opened.kind.is_advice()
        {
            let with = self.spent(opened) + u128::from(opened.amount.minor);
            assert!(with <= u128::from(max), "approved or sent above the limit of the day");
        }
        assert_eq!(opened.id.0, self.transactions.len() as u64);
        self.transactions.insert(opened.id, Told { opened: opened.clone(), outcome });
    }
    fn reference(&mut self, rrn: Rrn) {
        assert!(self.references.insert(rrn), "reference {rrn} was given out before");
    }
    fn queue(&mut self, saf: Option<&SafEntry>) {
        if let Some(entry) = saf {
            assert!(
                self.saf.values().all(|e| e.transaction != entry.transaction || e.kind != entry.kind),
                "one reversal each"
            );
            self.saf.insert(entry.id, *entry);
        }
    }
    fn moved(&mut self, id: TransactionId, outcome: Outcome, movement: Option<&Movement>) {
        assert!(outcome != Outcome::Approved || !self.wanted.contains(&id), "{id} was taken back");
        let opened = &self.transactions[&id].opened;
        let moves = outcome == Outcome::Approved && opened.kind.batch_side().is_some();
        assert_eq!(moves, movement.is_some(), "{outcome:?} {:?}", opened.kind);
        if let Some(movement) = movement {
            assert_eq!((movement.amount, movement.transaction), (opened.amount, id));
            assert_eq!(movement.gain, opened.kind.batch_side() == Some(BatchSide::Debit));
        }
        self.book(movement);
    }
    fn book(&mut self, movement: Option<&Movement>) {
        if let Some(m) = movement {
            let minor = i128::from(m.amount.minor);
            *self.payable.entry((m.merchant, m.amount.currency)).or_default() +=
                if m.gain { minor } else { -minor };
        }
    }

    /// What a terminal's batch adds up to.
    pub(crate) fn recount(&self, terminal: TerminalIndex, batch: BatchNumber) -> BatchTotals {
        let mut totals = BatchTotals::default();
        for told in self.transactions.values() {
            let key = told.opened.key;
            if told.outcome != Outcome::Approved || (key.terminal, key.batch) != (terminal, batch) {
                continue;
            }
            let sums = match told.opened.card_class.class {
                CardClass::Foreign => &mut totals.foreign,
                CardClass::Debit | CardClass::Credit => &mut totals.domestic,
            };
            match told.opened.kind.batch_side() {
                Some(BatchSide::Debit) => sums.debit.add(told.opened.amount.minor),
                Some(BatchSide::Credit) => sums.credit.add(told.opened.amount.minor),
                None => {}
            }
        }
        totals
    }

    /// What merchants are owed by movements alone.
    pub(crate) fn payable(&self) -> impl Iterator<Item = ((MerchantIndex, Currency), i128)> + '_ {
        self.payable.iter().filter(|_| !self.netted).map(|(k, v)| (*k, *v))
    }
    pub(crate) fn unresolved(&self) -> usize {
        let open = |t: &&Told| matches!(t.outcome, Outcome::Pending | Outcome::Unknown);
        self.transactions.values().filter(open).count()
    }
    pub(crate) fn saf_waiting(&self) -> usize {
        self.saf.len()
    }
    pub(crate) fn outcome(&self, id: u64) -> Outcome {
        self.transactions[&TransactionId(id)].outcome
    }
    /// Whether a transaction stands under the key of a request.
    pub(crate) fn knows(&self, ask: &Ask) -> bool {
        let wanted = (ask.terminal as u32, u64::from(ask.batch), u64::from(ask.stan), ask.class());
        self.transactions.values().any(|t| {
            let key = t.opened.key;
            (key.terminal.0, u64::from(key.batch.get()), u64::from(key.stan.get()), key.class) == wanted
        })
    }
    /// Sales that stand and were not voided, with what is left to refund of each.
    pub(crate) fn refundable(&self) -> Vec<(TransactionOpened, u64)> {
        let stands = |t: &&Told| t.outcome == Outcome::Approved;
        let change = |id| {
            let of = |t: &&Told| t.opened.original == Some(id);
            let followers = self.transactions.values().filter(stands).filter(of);
            // A tip adds to what there is to give back.
            followers.fold(0, |left: i64, t| match t.opened.kind {
                TransactionKind::Tip => left + t.opened.amount.minor as i64,
                _ => left - t.opened.amount.minor as i64,
            })
        };
        let sales = self.transactions.values().filter(stands);
        let sales = sales.filter(|t| t.opened.kind == TransactionKind::Sale);
        sales
            .map(|t| (t.opened.clone(), t.opened.amount.minor.saturating_add_signed(change(t.opened.id))))
            .collect()
    }
    pub(crate) fn last(&self) -> &Told {
        self.transactions.values().next_back().unwrap()
    }

    /// What is counted in the state is what the records say.
    pub(crate) fn agrees_with(&self, state: &State) {
        assert_eq!(state.unresolved(), self.unresolved(), "transactions without a final outcome");
        assert_eq!(state.saf_waiting(), self.saf_waiting());
        assert_eq!(state.saf_dead(), self.dead.len());
        assert!(state.open_cases().map(|(id, _)| id).eq(self.cases.iter().copied()));
    }

    /// Nobody gives back more than was taken.
    pub(crate) fn verify(&self) {
        let mut back: BTreeMap<TransactionId, u64> = BTreeMap::new();
        let mut tips: BTreeMap<TransactionId, u64> = BTreeMap::new();
        for told in self.transactions.values() {
            let Some(original) = told.opened.original else { continue };
            if told.outcome != Outcome::Approved {
                continue;
            }
            let first = &self.transactions[&original];
            assert_eq!(first.outcome, Outcome::Approved, "{} follows what does not stand", told.opened.id);
            assert_eq!(first.opened.key.merchant, told.opened.key.merchant);
            match told.opened.kind {
                TransactionKind::Tip => *tips.entry(original).or_default() += told.opened.amount.minor,
                TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                    assert!(told.opened.amount.minor * 100 <= first.opened.amount.minor * 115);
                    assert!(!back.contains_key(&original), "a hold is used once");
                    back.insert(original, first.opened.amount.minor);
                }
                _ => *back.entry(original).or_default() += told.opened.amount.minor,
            }
        }
        for (id, minor) in back {
            let whole = self.transactions[&id].opened.amount.minor + tips.get(&id).copied().unwrap_or(0);
            assert!(minor <= whole, "{id} gave back {minor}");
        }
    }
}

/// Totals as a terminal has them that does not tell cards apart, where the host's are so: all on one side.
fn alike(mut stands: BatchTotals, host: &BatchTotals) -> BatchTotals {
    if host.foreign == BatchSums::default() {
        let foreign = std::mem::take(&mut stands.foreign);
        for (one, other) in
            [(&mut stands.domestic.debit, foreign.debit), (&mut stands.domestic.credit, foreign.credit)]
        {
            one.count += other.count;
            one.amount_minor += other.amount_minor;
        }
    }
    stands
}
