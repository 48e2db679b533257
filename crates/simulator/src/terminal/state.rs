//! What a terminal keeps over power loss: trace number, batch, what is in it, what it still has to say.

use super::compose::UploadItem;
use super::order::{AdminKind, FinalState, MessageKind, Order, Tamper};
use crate::journal::{JournalLine, LineKind, OriginalRef, is_reversal_over};
use crate::world::{Concealed, DemoCard, DemoTerminal};
use std::collections::BTreeMap;
use std::sync::Arc;
use switchyard_domain::{
    BatchNumber, BatchSide, BatchTotals, ResponseCode, Stan, Timestamp, TransactionKind,
};

/// F48 counts have three digits: a batch is closed before either side reaches this.
pub const BATCH_TRANSACTIONS_MAX: usize = 900;

/// A transaction in the open batch.
#[derive(Debug, Clone)]
struct BatchItem {
    side: BatchSide,
    amount_minor: u64,
    is_foreign: bool,
    pan: Concealed,
    at: Timestamp,
}

/// A reversal that has to be answered before anything else is sent.
#[derive(Debug, Clone)]
pub struct PendingReversal {
    /// What was asked.
    pub order: Order,
    /// In which batch.
    pub batch: BatchNumber,
    /// Under which trace number.
    pub stan: Stan,
    /// F39: 98, 96, A0 or 06.
    pub reason: &'static str,
    /// What is to stand, where only a part is taken back.
    pub stands_minor: Option<u64>,
}

/// A request of which a journal does not know the end.
#[derive(Debug, Clone)]
pub(crate) struct Unanswered {
    pub(crate) order: Order,
    pub(crate) batch: BatchNumber,
    pub(crate) stan: Stan,
    pub(crate) attempt: u32,
}

/// The state.
#[derive(Debug)]
pub struct TerminalState {
    /// The open batch.
    pub batch: BatchNumber,
    next_stan: u32,
    items: BTreeMap<Stan, BatchItem>,
    /// What has to be reversed before anything else is sent.
    pub pending: Option<PendingReversal>,
    /// A 0500 went out for the open batch: the host may take nothing but its upload until it is closed.
    pub is_closing: bool,
}

impl TerminalState {
    /// The state of a terminal that was never used.
    pub fn new(batch: BatchNumber) -> Self {
        Self { batch, next_stan: 1, items: BTreeMap::new(), pending: None, is_closing: false }
    }
    /// The next trace number: 000001 to 999999 and round again.
    pub fn take_stan(&mut self) -> Stan {
        let stan = Stan::try_from(u64::from(self.next_stan)).expect("kept between 1 and 999999");
        self.next_stan = self.next_stan % 999_999 + 1;
        stan
    }
    /// Counts an approved transaction.
    pub fn count(&mut self, order: &Order, stan: Stan) {
        if let Some(side) = order.kind.batch_side() {
            let item = BatchItem {
                side,
                amount_minor: order.amount_minor,
                is_foreign: order.card.is_foreign(),
                pan: order.card.pan.clone(),
                at: order.at,
            };
            self.items.insert(stan, item);
        }
    }
    /// Takes a reversed one out again.
    pub fn uncount(&mut self, stan: Stan) {
        self.items.remove(&stan);
    }
    /// Whether the batch has to be closed before more goes into it.
    pub fn is_batch_full(&self) -> bool {
        self.items.len() >= BATCH_TRANSACTIONS_MAX
    }
    /// The trace number of a sale that a faulty close can leave out.
    pub fn any_debit(&self) -> Option<Stan> {
        self.items.iter().find(|(_, item)| item.side == BatchSide::Debit).map(|(stan, _)| *stan)
    }
    /// Totals without the one left out.
    pub fn totals(&self, omitted: Option<Stan>) -> BatchTotals {
        let mut totals = BatchTotals::default();
        for (_, item) in self.items.iter().filter(|(stan, _)| Some(**stan) != omitted) {
            let sums = if item.is_foreign { &mut totals.foreign } else { &mut totals.domestic };
            let side = match item.side {
                BatchSide::Debit => &mut sums.debit,
                BatchSide::Credit => &mut sums.credit,
            };
            side.add(item.amount_minor);
        }
        totals
    }
    /// What goes up for the groups that do not balance.
    pub fn upload(&self, domestic: bool, foreign: bool, omitted: Option<Stan>) -> Vec<UploadItem> {
        self.items
            .iter()
            .filter(|(stan, item)| {
                Some(**stan) != omitted && if item.is_foreign { foreign } else { domestic }
            })
            .map(|(stan, item)| UploadItem {
                is_foreign: item.is_foreign,
                stan: *stan,
                pan: item.pan.clone(),
                amount_minor: item.amount_minor,
                at: item.at,
            })
            .collect()
    }
    /// Goes on in `batch`, which the host names; another batch starts empty.
    pub fn enter_batch(&mut self, batch: BatchNumber) {
        if batch != self.batch {
            self.batch = batch;
            self.items.clear();
            self.is_closing = false;
        }
    }

    /// Rebuilds the state from a terminal's journal. `cards` are found by their masks.
    pub(crate) fn resume(
        terminal: &DemoTerminal,
        lines: &[JournalLine],
        cards: &[Arc<DemoCard>],
    ) -> (Self, Vec<Unanswered>) {
        let mut state = Self::new(terminal.batch);
        let mut open: BTreeMap<Stan, Unanswered> = BTreeMap::new();
        let mut answered: BTreeMap<Stan, Order> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.tid == terminal.tid) {
            state.see(line);
            match (line.t, line.kind) {
                (LineKind::Req, MessageKind::Transaction(kind)) => {
                    if let Some(order) = order_of(line, kind, cards) {
                        let entry =
                            Unanswered { order, batch: line.batch, stan: line.stan, attempt: line.attempt };
                        open.insert(line.stan, entry);
                    }
                }
                (LineKind::Rep, MessageKind::Transaction(_)) => {
                    let Some(entry) = open.remove(&line.stan) else { continue };
                    if line.code.is_some_and(ResponseCode::is_approval) {
                        state.count(&entry.order, line.stan);
                    }
                    answered.insert(line.stan, entry.order);
                }
                (LineKind::Req, MessageKind::Admin(AdminKind::Reversal)) => {
                    let order = open.remove(&line.stan).map(|entry| entry.order);
                    let order = order.or_else(|| answered.get(&line.stan).cloned());
                    // A repeat of it names the same order, which the first one has taken already.
                    let repeated = state.pending.take().filter(|pending| pending.stan == line.stan);
                    let order = order.or_else(|| repeated.map(|pending| pending.order));
                    state.pending = order.map(|order| PendingReversal {
                        order,
                        batch: line.batch,
                        stan: line.stan,
                        reason: reason_of(line.code),
                        stands_minor: None,
                    });
                }
                (LineKind::Rep, MessageKind::Admin(AdminKind::Reversal)) => {
                    if line.code.is_some_and(is_reversal_over) {
                        state.pending = None;
                        state.uncount(line.stan);
                    }
                }
                (LineKind::Req | LineKind::Rep, MessageKind::Admin(_)) => {}
            }
        }
        (state, open.into_values().collect())
    }
    /// Trace number and batch of one line.
    fn see(&mut self, line: &JournalLine) {
        let is_reversal = line.kind == MessageKind::Admin(AdminKind::Reversal);
        let is_echo = line.kind == MessageKind::Admin(AdminKind::EchoTest);
        if line.t == LineKind::Req && !is_reversal && !is_echo && line.attempt == 1 {
            self.next_stan = line.stan.get() % 999_999 + 1;
        }
        if !is_reversal {
            self.enter_batch(if line.closed { line.batch.next() } else { line.batch });
        }
        if line.kind == MessageKind::Admin(AdminKind::Settlement) && !line.closed {
            self.is_closing = true;
        }
    }
}

/// F39 of a reversal as the journal has it: a repeat says the same.
fn reason_of(code: Option<ResponseCode>) -> &'static str {
    match code.as_ref().map(ResponseCode::as_bytes) {
        Some(b"A0") => "A0",
        Some(b"96") => "96",
        Some(b"06") => "06",
        _ => "98",
    }
}

/// The order that a journal line tells of, if its card is still there.
fn order_of(line: &JournalLine, kind: TransactionKind, cards: &[Arc<DemoCard>]) -> Option<Order> {
    let mask = line.pan_masked.as_deref()?;
    let card = cards.iter().find(|card| card.masked().is_ok_and(|m| m.to_string() == mask))?;
    let original: Option<OriginalRef> = line.original.clone();
    Some(Order {
        kind,
        amount_minor: line.amount,
        card: Arc::clone(card),
        entry: line.entry?,
        pin: line.pin.then(|| card.pin.clone()),
        original,
        tamper: Tamper::None,
        at: line.at.unwrap_or_default(),
    })
}

/// A final state from a code alone.
pub(crate) fn state_of(code: Option<ResponseCode>) -> FinalState {
    match code {
        Some(code) if code.is_approval() => FinalState::Approved,
        Some(_) => FinalState::Declined,
        None => FinalState::Unknown,
    }
}
