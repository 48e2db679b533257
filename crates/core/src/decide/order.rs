//! Operators' hands: links, terminals, merchants, queues, batches, cases, hot cards.

use crate::decide::change::Change;
use crate::decide::postings;
use crate::effect::{CommandError, CommandOutcome, Effect, LinkFacts};
use crate::flight::{LinkFlight, LinkStatus};
use crate::machine::{Core, Output};
use crate::order::Order;
use crate::state::BatchStage;
use std::collections::BTreeMap;
use switchyard_domain::{
    Actor, BatchNumber, BlockedCard, CardHash, CaseFinding, CaseId, Currency, Entry, FxError, KeyRecord,
    LinkIndex, LinkMode, LinkOrder, MerchantId, MerchantOrder, Outcome, Reason, Record, ResponseCode,
    SafFinding, SafId, SafKind, TerminalId, TerminalIndex, TerminalOrder, TerminalProfile, Timestamp,
    UpstreamRef,
};

/// What an order leads to.
pub(super) type Verdict = Result<CommandOutcome, CommandError>;

/// Who orders, and when: what every record of an order has besides itself.
pub(super) struct Desk<'o> {
    actor: Actor,
    now: Timestamp,
    out: &'o mut Output,
}

/// The highest batch number that an operator may set: a hundred thousand batches before the numbers start over, among
/// requests of before.
const BATCH_RESET_MAX: u32 = 900_000;

impl Desk<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }
    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }
    pub(super) fn out(&mut self) -> &mut Output {
        self.out
    }
}

impl Core {
    /// Carries out an order. What is so already is not recorded again.
    pub(super) fn order(&mut self, actor: Actor, order: Order, now: Timestamp, out: &mut Output) -> Verdict {
        let mut desk = Desk { actor, now, out };
        match order {
            Order::Link { link, what, reason } => self.order_link(&link, what, reason, &mut desk),
            Order::Terminal { terminal, what, reason } => {
                self.order_terminal(&terminal, what, reason, &mut desk)
            }
            Order::Merchant { merchant, what, reason } => {
                self.order_merchant(&merchant, what, reason, &mut desk)
            }
            Order::ChangeLink { link, change, reason, dry_run } => {
                self.change_link(&link, change, Change { dry_run, reason }, &mut desk)
            }
            Order::ChangeMerchant { merchant, change, reason, dry_run } => {
                self.change_merchant(&merchant, change, Change { dry_run, reason }, &mut desk)
            }
            Order::ChangeTerminal { terminal, change, reason, dry_run } => {
                self.change_terminal(&terminal, change, Change { dry_run, reason }, &mut desk)
            }
            Order::RetrySaf { saf, reason } => self.retry_saf(saf, reason, &mut desk),
            Order::ResolveSaf { saf, finding, reason } => self.resolve_saf(saf, finding, reason, &mut desk),
            Order::CloseBatch { terminal, batch, reason } => {
                self.close_batch(&terminal, batch, reason, &mut desk)
            }
            Order::ResolveCase { case, finding, reason } => {
                self.resolve_case(case, finding, reason, &mut desk)
            }
            Order::BlockCards { cards, reason } => self.block_cards(&cards, &reason, &mut desk),
            Order::UnblockCard { card, reason } => self.unblock_card(card, reason, &mut desk),
            Order::RemoveRoute { low, high, reason } => self.remove_route(low, high, reason, &mut desk),
            Order::AddProduct { product, reason } => self.add_product(product, reason, &mut desk),
            Order::ChangeProduct { product, change, reason, dry_run } => {
                self.change_product(&product, change, Change { dry_run, reason }, &mut desk)
            }
            Order::SetDownload { whose, download } => self.set_download(&whose, download, &mut desk),
            Order::RemoveDownload { whose, kind, name, reason } => {
                self.remove_download(&whose, kind, name, reason, &mut desk)
            }
            Order::SetRate { rate, reason } => self.set_rate(rate, reason, &mut desk),
        }
    }

    pub(super) fn ordered(&mut self, record: Record, desk: &mut Desk<'_>) -> Verdict {
        self.try_emit(record, desk.actor.clone(), desk.now, desk.out)?;
        Ok(CommandOutcome::Recorded)
    }

    fn order_link(&mut self, name: &str, order: LinkOrder, reason: Reason, desk: &mut Desk<'_>) -> Verdict {
        let link = self.state.registry.link_named(name).ok_or(CommandError::Missing { what: "link" })?;
        let (mode, status) = (self.state.registry.link_mode(link), self.flight.link(link).status());
        let so_already = match order {
            LinkOrder::Up => mode == LinkMode::Up,
            LinkOrder::Drain => mode == LinkMode::Draining,
            LinkOrder::Down => mode == LinkMode::Down,
            LinkOrder::SignOn if status == LinkStatus::Down => {
                return Err(CommandError::NotNow { why: "the link has no connection to sign on over" });
            }
            LinkOrder::SignOn => false,
            LinkOrder::Bill(currency) => self.may_bill(link, currency)?,
            LinkOrder::Match(keys) => self.state.registry.link_terms(link).matching == keys,
            LinkOrder::KeyUnder(number) => self.may_come_under(link, number)?,
            LinkOrder::NewKey => {
                self.may_ask_for_key(link)?;
                false
            }
        };
        if order == LinkOrder::Drain && mode == LinkMode::Down {
            return Err(CommandError::NotNow { why: "the link is down: there is nothing to drain" });
        }
        if so_already {
            return Ok(CommandOutcome::RecordedBefore);
        }
        self.emit(Record::LinkOrdered { link, order, reason }, desk.actor.clone(), desk.now, desk.out);
        match order {
            LinkOrder::SignOn => self.sign_on_all(link, desk.now, desk.out),
            LinkOrder::NewKey => self.ask_for_key(link, desk.now, desk.out),
            LinkOrder::Up
            | LinkOrder::Down
            | LinkOrder::Drain
            | LinkOrder::Bill(_)
            | LinkOrder::Match(_)
            | LinkOrder::KeyUnder(_) => {}
        }
        Ok(CommandOutcome::Recorded)
    }

    /// Whether a link bills in this currency already. One whose minor unit is not certain is none to bill in.
    fn may_bill(&self, link: LinkIndex, currency: Option<Currency>) -> Result<bool, CommandError> {
        if let Some(unknown) = currency.filter(|currency| !currency.is_known()) {
            return Err(CommandError::Rate(FxError::Unknown(unknown)));
        }
        Ok(self.state.registry.link_terms(link).billing == currency)
    }

    fn terminal_of(&self, id: &TerminalId) -> Result<TerminalIndex, CommandError> {
        self.state.registry.terminal_named(id).ok_or(CommandError::Missing { what: "terminal" })
    }

    fn order_terminal(
        &mut self,
        id: &TerminalId,
        order: TerminalOrder,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let terminal = self.terminal_of(id)?;
        let state = self.state.registry.terminal(terminal).expect("an index of the registry");
        let so_already = match order {
            TerminalOrder::Disable => state.disabled,
            TerminalOrder::Enable => !state.disabled,
            // One that is not signed on gets new keys when it signs on.
            TerminalOrder::ForceSignOn | TerminalOrder::RenewKeys => !state.signed_on,
            TerminalOrder::ResetBatch(number) => self.may_reset(terminal, number)?,
            TerminalOrder::Speak(profile) => self.may_speak(terminal, profile)?,
        };
        if so_already {
            return Ok(CommandOutcome::RecordedBefore);
        }
        if let TerminalOrder::Speak(profile) = order {
            desk.out.effects.push(Effect::UseProfile { terminal, profile });
        }
        self.ordered(Record::TerminalOrdered { terminal, order, reason }, desk)
    }

    /// Another dialect names requests in another way: it takes an empty batch. True when the terminal speaks so already.
    fn may_speak(&self, terminal: TerminalIndex, profile: TerminalProfile) -> Result<bool, CommandError> {
        let before = self.state.registry.profile(terminal).unwrap_or_default();
        let batch = self.state.batches.get(terminal).expect("every terminal has a batch");
        let is_empty = batch.transactions.is_empty() && batch.stage == BatchStage::Open;
        if before.dialect != profile.dialect && !is_empty {
            return Err(CommandError::NotNow { why: "the batch is not empty: close it first" });
        }
        Ok(before == profile)
    }

    /// A batch number is used once: requests of the terminal are told apart by it. True when the batch has it
    /// already.
    fn may_reset(&self, terminal: TerminalIndex, number: BatchNumber) -> Result<bool, CommandError> {
        let batch = self.state.batches.get(terminal).expect("every terminal has a batch");
        if batch.number == number {
            return Ok(true);
        }
        if !batch.transactions.is_empty() || batch.stage != BatchStage::Open {
            return Err(CommandError::NotNow { why: "the batch is not empty: force-close it first" });
        }
        if number < batch.number {
            return Err(CommandError::NotNow {
                why: "the number is lower than the batch's: it was used before, and would make new requests repeats",
            });
        }
        if number.get() > BATCH_RESET_MAX {
            return Err(CommandError::NotNow {
                why: "the number is above 900000: after 999999 come numbers that were used before",
            });
        }
        Ok(false)
    }

    fn order_merchant(
        &mut self,
        id: &MerchantId,
        order: MerchantOrder,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let merchant = self.state.registry.merchant_by_id.get(id).copied();
        let merchant = merchant.ok_or(CommandError::Missing { what: "merchant" })?;
        if self.state.registry.is_merchant_disabled(merchant) == (order == MerchantOrder::Disable) {
            return Ok(CommandOutcome::RecordedBefore);
        }
        self.ordered(Record::MerchantOrdered { merchant, order, reason }, desk)
    }

    fn retry_saf(&mut self, id: SafId, reason: Reason, desk: &mut Desk<'_>) -> Verdict {
        let missing = CommandError::Missing { what: "store-and-forward entry" };
        let entry = *self.state.saf.get(id).ok_or(missing)?;
        let was_dead = self.state.saf.dead.contains_key(&id);
        let line = &mut self.flight.link(entry.upstream.link).saf;
        if was_dead {
            // It was sent before it gave up: whatever goes out now is a repeat.
            line.remember(id, 0, desk.now);
        } else if let Some(lane) = self.state.saf.lane_of(id) {
            line.hurry(id, lane, desk.now);
        }
        if was_dead {
            self.emit(Record::SafRetried { id, reason }, desk.actor.clone(), desk.now, desk.out);
        }
        self.hurry(Some(&entry), desk.now, desk.out);
        Ok(if was_dead { CommandOutcome::Recorded } else { CommandOutcome::RecordedBefore })
    }

    fn resolve_saf(
        &mut self,
        id: SafId,
        finding: SafFinding,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let missing = CommandError::Missing { what: "store-and-forward entry" };
        let saf = *self.state.saf.get(id).ok_or(missing)?;
        let transaction = self.state.transactions.get(saf.transaction);
        let transaction = transaction.ok_or(CommandError::Missing { what: "transaction" })?;
        if saf.kind == SafKind::Advice && finding != SafFinding::Stands {
            return Err(CommandError::NotNow {
                why: "an advice tells of what has taken place: have the issuer take it, then resolve it as stands",
            });
        }
        let takes_back = matches!(saf.kind, SafKind::Reversal | SafKind::PartReversal);
        if takes_back && self.state.saf.is_advised(saf.transaction) {
            return Err(CommandError::NotNow {
                why: "the advice of that transaction has not reached its issuer: it would stand there afterwards",
            });
        }
        let entry = match finding {
            // What an advice tells of has taken place, whatever became of the advice; what a chip did with scripts has too.
            _ if !takes_back => Entry::NONE,
            SafFinding::Undone | SafFinding::NeverTaken => Entry::NONE,
            SafFinding::Stands => {
                let mut kept = transaction.opened.clone();
                if saf.kind == SafKind::PartReversal {
                    // All that it keeps beside what stands for the merchant.
                    kept.amount.minor = transaction.taken_minor;
                }
                postings::kept(&kept, transaction.source)
            }
        };
        self.state.book.check(&entry).map_err(|_| CommandError::Entry)?;
        self.ordered(Record::SafResolved { id, finding, entry, reason }, desk)
    }

    fn close_batch(
        &mut self,
        id: &TerminalId,
        number: BatchNumber,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let terminal = self.terminal_of(id)?;
        let batch = self.state.batches.get(terminal).expect("every terminal has a batch");
        if batch.number != number {
            return Err(CommandError::NotNow {
                why: "another batch of the terminal is open: see `batch show`",
            });
        }
        let outcome = |id| self.state.transactions.get(id).map(|t| t.outcome);
        if batch.transactions.iter().any(|id| outcome(*id) == Some(Outcome::Pending)) {
            return Err(CommandError::NotNow {
                why: "an issuer has not answered a transaction of the batch: try again in a moment",
            });
        }
        if batch.transactions.is_empty() && batch.stage == BatchStage::Open {
            return Err(CommandError::NotNow { why: "the batch is empty: there is nothing to close" });
        }
        let cases = match (&batch.stage, &batch.last) {
            (BatchStage::Uploading { .. }, Some(last)) => self.compare(terminal, last),
            (BatchStage::Open | BatchStage::Uploading { .. }, _) => Vec::new(),
        };
        let (batch, totals) = (batch.number, batch.totals);
        let (actor, now) = (desk.actor.clone(), desk.now);
        let cases = self.raise_most(terminal, cases, &actor, now, desk.out);
        let reply = self.facts(ResponseCode::APPROVED, desk.now);
        self.ordered(Record::BatchForceClosed { terminal, batch, totals, cases, reply, reason }, desk)
    }

    fn resolve_case(
        &mut self,
        case: CaseId,
        finding: CaseFinding,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        if !self.state.cases.open.contains_key(&case) {
            return Err(CommandError::Missing { what: "open case" });
        }
        self.ordered(Record::CaseResolved { case, finding, reason }, desk)
    }

    fn block_cards(&mut self, cards: &[BlockedCard], reason: &Reason, desk: &mut Desk<'_>) -> Verdict {
        if cards.len() > Order::CARDS_MAX {
            return Err(CommandError::TooMany { what: "cards", have: cards.len(), max: Order::CARDS_MAX });
        }
        let mut count = 0;
        for blocked in cards {
            if self.state.registry.blocked.get(&blocked.card) != Some(&blocked.cause) {
                let record = Record::CardBlocked { blocked: *blocked, reason: reason.clone() };
                self.emit(record, desk.actor.clone(), desk.now, desk.out);
                count += 1;
            }
        }
        Ok(CommandOutcome::Changed { count, unchanged: cards.len() - count })
    }

    fn unblock_card(&mut self, card: CardHash, reason: Reason, desk: &mut Desk<'_>) -> Verdict {
        if !self.state.registry.blocked.contains(&card) {
            return Err(CommandError::Missing { what: "blocked card" });
        }
        self.ordered(Record::CardUnblocked { card, reason }, desk)
    }

    fn remove_route(&mut self, low: u64, high: u64, reason: Reason, desk: &mut Desk<'_>) -> Verdict {
        let route = self.state.registry.routes.iter().find(|r| (r.low, r.high) == (low, high));
        let route = route.cloned().ok_or(CommandError::Missing { what: "route" })?;
        self.ordered(Record::RouteRemoved { route, reason }, desk)
    }

    /// How each link is doing.
    pub(super) fn link_facts(&self, now: Timestamp) -> Vec<LinkFacts> {
        let under_way = self.flight.upstream.keys().filter_map(|id| self.state.transactions.get(*id));
        // Gone through once: many may be under way, and the core waits.
        let in_flight = counted(under_way.filter_map(|transaction| transaction.opened.upstream));
        let facts = self.state.registry.links().map(|(index, link)| {
            let flight = self.flight.links.get(usize::from(index.0));
            let saf = self.state.saf.of_link(index);
            LinkFacts {
                name: link.name.clone(),
                address: link.address.clone(),
                dialect: link.dialect,
                framing: link.framing.clone(),
                answer_timeout_ms: link.answer_timeout_ms,
                credit_max: self.state.registry.link_terms(index).credit_max,
                mode: self.state.registry.link_mode(index),
                connections: link.connections,
                connections_up: flight.map_or(0, |flight| flight.lines().len()),
                connections_signed_on: flight.map_or(0, LinkFlight::signed_on),
                status: match flight.map_or(LinkStatus::Down, LinkFlight::status) {
                    LinkStatus::Down => "down",
                    LinkStatus::SignedOff => "signed-off",
                    LinkStatus::Connected => "connected",
                    LinkStatus::SignedOn => "signed-on",
                },
                resting: flight.is_some_and(|flight| flight.is_resting(now)),
                in_flight: in_flight.get(&index).copied().unwrap_or_default(),
                saf_waiting: saf.waiting,
                saf_dead: saf.dead,
                matches_by: self.state.registry.link_terms(index).matching.to_string(),
                keys_under: self.state.registry.link_terms(index).key_under.map(|n| format!("transport/{n}")),
                pin_key: shown(&link.pin_key),
                bills_in: self.state.registry.link_terms(index).billing.map(|currency| currency.to_string()),
            }
        });
        facts.collect()
    }
}

/// A check value as people compare it; nothing of a key that is still to come.
fn shown(key: &KeyRecord) -> Option<String> {
    let [first, second, third, _] = key.check_value;
    (!key.is_to_come()).then(|| format!("{first:02X}{second:02X}{third:02X}"))
}

/// How many there are of each link.
fn counted(of: impl Iterator<Item = UpstreamRef>) -> BTreeMap<LinkIndex, usize> {
    let mut counts = BTreeMap::new();
    of.for_each(|upstream| *counts.entry(upstream.link).or_default() += 1);
    counts
}
