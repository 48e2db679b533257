//! How each record changes the state.

use crate::state::registry::{IssuedCard, LinkTerms, TerminalState};
use crate::state::risk::Count;
use crate::state::saf::Lane;
use crate::state::transactions::Transaction;
use crate::state::{ApplyError, BatchStage, Known, LastClose, Origin, ReversalTaken, State};
use switchyard_domain::{
    AccountId, AccountKind, AdviceReason, BatchVerdict, BusinessDate, Entry, KeyUse, LinkIndex, LinkMode,
    Outcome, Record, ReplyFacts, ResponseCode, ReversalEffect, Rrn, SafEntry, SafKind, Stamped, Stan,
    TerminalIndex, TerminalProfile, Timestamp, TransactionId, TransactionKind, TransactionOpened,
};

impl State {
    /// Applies one record.
    ///
    /// # Errors
    /// [`ApplyError`] when the record cannot follow what came before; the state is then not to be used.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        self.apply_record(stamped)?;
        self.judge_held();
        Ok(())
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one line a kind of record, so that a new one does not compile without"
    )]
    fn apply_record(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        self.begins_with_genesis(&stamped.record)?;
        self.records += 1;
        self.last_at = self.last_at.max(stamped.at);
        match &stamped.record {
            Record::Opened(opened) => self.open(opened, stamped.at, None),
            Record::Decided { opened, outcome, reply, entry, movement: _ } => {
                self.open(opened, stamped.at, Some((*outcome, *reply)))?;
                self.settle(opened.id, *outcome, entry)
            }
            Record::Advised { .. } => self.apply_advice(stamped),
            Record::Rerouted { transaction, upstream } => self.reroute(*transaction, *upstream),
            Record::PartlyApproved { transaction, amount } => self.approve_part(*transaction, *amount),
            Record::Resolved { transaction, outcome, reply, entry, movement: _, saf } => {
                self.resolve(*transaction, *outcome, *reply, entry, saf.as_ref())
            }
            Record::ReversalTaken { .. } => self.apply_reversal(&stamped.record),
            Record::PartReversed { .. } => self.apply_part(&stamped.record),
            Record::SafDelivered { .. }
            | Record::ReversalQueued { .. }
            | Record::ScriptQueued { .. }
            | Record::ChipKept { .. }
            | Record::SafDeadLettered { .. }
            | Record::SafRetried { .. }
            | Record::SafTried { .. }
            | Record::SafResolved { .. } => self.apply_saf(&stamped.record),
            Record::LateAnswer { transaction, cancels, .. } => self.apply_late(*transaction, *cancels),
            Record::SignedOn { .. }
            | Record::SignedOff { .. }
            | Record::BatchReconciled { .. }
            | Record::TotalsDated { .. }
            | Record::BatchUploaded { .. }
            | Record::BatchUploadEnded { .. } => self.apply_terminal(stamped),
            Record::DayCut { day, next } => self.cut(*day, *next, stamped),
            Record::MerchantNetted { .. }
            | Record::AccountFunded { .. }
            | Record::AccountRulesSet { .. }
            | Record::Transferred(_)
            | Record::HoldsExpired { .. } => Ok(self.book.replay(&stamped.record)?),
            Record::FilesRendered { day, .. } => self.netted(*day),
            Record::HoldExpired { transaction, entry } => self.hold_expired(*transaction, entry),
            Record::RiskRulesSet(_)
            | Record::RoutingRulesSet(_)
            | Record::StandInRulesSet(_)
            | Record::RiskFlagged { .. }
            | Record::PayoutReleased { .. } => self.apply_rules(&stamped.record),
            Record::PinTried { card, right } => self.count_pin(*card, *right),
            Record::DownloadSet { .. }
            | Record::DownloadRemoved { .. }
            | Record::Downloaded { .. }
            | Record::TerminalReported { .. }
            | Record::ScriptReported { .. } => self.apply_device(stamped),
            Record::RateSet { .. } | Record::Converted { .. } | Record::IssuerBilled { .. } => {
                self.apply_rate(stamped)
            }
            Record::Started { .. } | Record::Refusals { .. } => Ok(()),
            Record::UserAdded { .. }
            | Record::UserOrdered { .. }
            | Record::PasswordSet { .. }
            | Record::LoginTried { .. } => self.users.apply(stamped),
            Record::KeyCeremonyBegun { .. }
            | Record::KeyComponentDrawn { .. }
            | Record::KeyComponentLoaded { .. }
            | Record::KeyCeremonyCancelled { .. }
            | Record::KeyMoved { .. }
            | Record::LmkChanged(_)
            | Record::KeysTranslated { .. }
            | Record::LmkRetired { .. }
            | Record::TerminalKeyOffered { .. }
            | Record::TerminalKeyTaken { .. }
            | Record::TerminalKeyWithdrawn { .. }
            | Record::WaitingKeysTranslated { .. }
            | Record::LinkKeyChanged(_) => self.registry.apply_ceremony(stamped),
            Record::LinkOrdered { .. }
            | Record::TerminalOrdered { .. }
            | Record::MacsFailed { .. }
            | Record::PinsMalformed { .. }
            | Record::MerchantOrdered { .. }
            | Record::BatchForceClosed { .. }
            | Record::CaseRaised { .. }
            | Record::BatchCompared { .. }
            | Record::CaseResolved { .. }
            | Record::CardBlocked { .. }
            | Record::CardUnblocked { .. }
            | Record::RouteRemoved { .. } => self.apply_order(stamped),
            Record::LinkChanged { .. }
            | Record::MerchantChanged { .. }
            | Record::TerminalChanged { .. }
            | Record::ProductAdded { .. }
            | Record::ProductChanged { .. } => self.apply_change(stamped),
            Record::Genesis { .. }
            | Record::KeyInstalled { .. }
            | Record::CardKeysShredded { .. }
            | Record::MerchantRegistered(_)
            | Record::TerminalRegistered(_)
            | Record::LinkRegistered(_)
            | Record::RouteAdded(_)
            | Record::FeePlanSet(_)
            | Record::CardIssued(_) => self.apply_registry(&stamped.record),
        }
    }

    /// The first record, and no other, says whose log it is.
    fn begins_with_genesis(&self, record: &Record) -> Result<(), ApplyError> {
        let missing = self.origin.is_none();
        let is_genesis = matches!(record, Record::Genesis { .. });
        if missing == is_genesis { Ok(()) } else { Err(ApplyError::Genesis { missing }) }
    }

    fn netted(&mut self, day: BusinessDate) -> Result<(), ApplyError> {
        self.days_to_net.retain(|other| *other != day);
        Ok(())
    }

    fn cut(&mut self, day: BusinessDate, next: BusinessDate, stamped: &Stamped) -> Result<(), ApplyError> {
        self.days_to_net.push(day);
        self.day = Some(next);
        self.risk.day_cut(day, next, stamped.at);
        Ok(self.book.replay(&stamped.record)?)
    }

    fn hold_expired(&mut self, id: TransactionId, entry: &Entry) -> Result<(), ApplyError> {
        self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?.voided = true;
        Ok(self.book.apply(entry)?)
    }

    fn apply_registry(&mut self, record: &Record) -> Result<(), ApplyError> {
        let registry = &mut self.registry;
        if !matches!(record, Record::KeyInstalled { .. } | Record::CardKeysShredded { .. }) {
            registry.version += 1;
        }
        match record {
            Record::Genesis { partition, acquirer, offset, day, demo } => {
                self.origin =
                    Some(Origin { partition: *partition, acquirer: *acquirer, offset: *offset, demo: *demo });
                self.day = Some(*day);
            }
            Record::KeyInstalled { name, key } => {
                registry.install(*name, key);
            }
            Record::CardKeysShredded { keys, .. } => {
                registry.keys.retain(|(name, _)| {
                    let shredded = keys.iter().any(|key| u32::from(*key) == name.owner);
                    name.usage != KeyUse::CardData || !shredded
                });
                self.transactions.card_keys.retain(|key, _| !keys.contains(key));
            }
            Record::MerchantRegistered(merchant) => {
                let index = switchyard_domain::MerchantIndex(registry.merchants.len() as u32);
                registry.merchant_by_id.insert(merchant.id, index);
                registry.merchants.push(merchant.clone());
            }
            Record::TerminalRegistered(terminal) => {
                let merchant = terminal.merchant;
                registry.merchant(merchant).ok_or(missing_number("merchant", u64::from(merchant.0)))?;
                let index = TerminalIndex(registry.terminals.len() as u32);
                registry.terminal_by_id.insert(terminal.id, index);
                registry.terminals.push(TerminalState {
                    terminal: terminal.clone(),
                    keys: None,
                    signed_on: false,
                    signed_off: None,
                    disabled: false,
                    profile: TerminalProfile::default(),
                    wrong_macs: 0,
                    malformed_pins: (0, Timestamp(0)),
                    renews_keys: false,
                    keys_spent: 0,
                });
                self.batches.by_terminal.push(Default::default());
            }
            Record::LinkRegistered(link) => {
                registry.links.push(link.clone());
                registry.link_modes.push(LinkMode::Up);
                registry.link_terms.push(LinkTerms::default());
                self.link_stans.push(0);
            }
            Record::RouteAdded(route) => {
                registry.ranges.take();
                registry.routes.push(route.clone());
                registry.routes.sort_by_key(|r| (r.high.saturating_sub(r.low), r.low));
            }
            Record::FeePlanSet(plan) => registry.fee_plans.push(plan.clone()),
            Record::CardIssued(card) => {
                registry.card_by_hash.insert(card.card.hash, registry.cards.len() as u32);
                registry.cards.push(IssuedCard { card: card.clone(), pin_failures: 0 });
            }
            _ => unreachable!("only registry records come here"),
        }
        Ok(())
    }

    /// A transaction begins, and with `decided` ends in the same step.
    pub(super) fn open(
        &mut self,
        opened: &TransactionOpened,
        at: Timestamp,
        decided: Option<(Outcome, ReplyFacts)>,
    ) -> Result<(), ApplyError> {
        let need = self.transactions.next_id();
        if opened.id != need {
            return Err(ApplyError::Order { what: "transaction", need: need.0, have: opened.id.0 });
        }
        self.used_reference(&opened.rrn);
        if let Some(upstream) = &opened.upstream {
            self.used_stan(upstream.link, upstream.stan);
        }
        let source = self.source_of(opened)?;
        let (outcome, reply) = match decided {
            Some((outcome, reply)) => (outcome, Some(reply)),
            None => (Outcome::Pending, None),
        };
        self.requests.insert(&opened.key, Known::Transaction(opened.id));
        self.transactions.insert(Transaction {
            opened: opened.clone(),
            at,
            outcome,
            day: opened.day,
            reply,
            source,
            advice: None,
            reversal_wanted: false,
            unfound: false,
            voided: false,
            completed: false,
            refunded_minor: 0,
            tipped_minor: 0,
            asked_minor: None,
            billing: None,
            scripts_told: false,
            taken_minor: 0,
        });
        if let Some(batch) = self.batches.get_mut(opened.key.terminal)
            && batch.number == opened.key.batch
        {
            batch.transactions.push(opened.id);
        }
        self.count_risk(opened.id, Count::Attempt);
        if outcome != Outcome::Declined {
            self.count_risk(opened.id, Count::Stands);
        }
        if outcome == Outcome::Pending {
            self.claim(opened, true)?;
        }
        Ok(())
    }

    /// The account that pays for (or gets back from) a transaction.
    fn source_of(&self, opened: &TransactionOpened) -> Result<AccountId, ApplyError> {
        let currency = opened.amount.currency;
        if let Some(original) = opened.original {
            let original =
                self.transactions.get(original).ok_or(missing_number("transaction", original.0))?;
            return Ok(original.source);
        }
        if let Some(upstream) = &opened.upstream {
            return Ok(AccountId::of(AccountKind::NetworkReceivable, u32::from(upstream.link.0), currency));
        }
        let owner =
            opened.card.as_ref().and_then(|card| self.registry.issued(&card.hash)).map(|(owner, _)| owner);
        Ok(match owner {
            Some(owner) => AccountId::of(AccountKind::Cardholder, owner, currency),
            None => AccountId::own(AccountKind::Suspense, currency),
        })
    }

    /// Marks (or with `take` false, frees) what a follow-up takes of its original, so that two follow-ups
    /// cannot take the same thing while one of them is on its way to the issuer.
    fn claim(&mut self, opened: &TransactionOpened, take: bool) -> Result<(), ApplyError> {
        let Some(id) = opened.original else { return Ok(()) };
        let original = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        match opened.kind {
            TransactionKind::Void | TransactionKind::PreAuthVoid | TransactionKind::CompletionVoid => {
                original.voided = take;
            }
            // A sale with a tip is not voided any more: what is given back then is a refund, of the tip as well.
            TransactionKind::Completion | TransactionKind::CompletionAdvice | TransactionKind::Tip => {
                original.completed = take
            }
            TransactionKind::Refund => {
                let minor = opened.amount.minor;
                original.refunded_minor = if take {
                    original.refunded_minor.saturating_add(minor)
                } else {
                    original.refunded_minor.saturating_sub(minor)
                };
            }
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::BalanceInquiry
            | TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice => {}
        }
        Ok(())
    }

    /// What an outcome does besides being one: postings, batch totals, claims.
    pub(super) fn settle(
        &mut self,
        id: TransactionId,
        outcome: Outcome,
        entry: &Entry,
    ) -> Result<(), ApplyError> {
        self.book.apply(entry)?;
        let transaction = self.transactions.get(id).ok_or(missing_number("transaction", id.0))?;
        let opened = transaction.opened.clone();
        // A transaction that waited for its outcome has its claim already.
        let waited = self.transactions.unresolved.contains(&id);
        match outcome {
            Outcome::Approved => {
                if !waited {
                    self.claim(&opened, true)?;
                }
                if let Some(original) = opened.original.filter(|_| opened.kind.voids()) {
                    self.count_risk(original, Count::Gone);
                    self.count_stood_in(original, Count::Gone);
                }
                self.tip(&opened, true);
                self.paid_by(id, entry);
                if let Some(batch) = self.batches.get_mut(opened.key.terminal)
                    && batch.number == opened.key.batch
                {
                    batch.count(opened.kind, opened.card_class.class, opened.amount.minor);
                }
            }
            // Until an unknown outcome is known, what it may have taken stays taken.
            Outcome::Pending | Outcome::Unknown => {}
            Outcome::Declined | Outcome::Reversed => {
                if waited {
                    self.claim(&opened, false)?;
                    self.count_risk(id, Count::Gone);
                }
            }
        }
        self.transactions.settle_indexes(id);
        Ok(())
    }

    /// A tip that stands, or does no longer, is part of what its sale may be refunded of.
    fn tip(&mut self, opened: &TransactionOpened, stands: bool) {
        let original = opened.original.filter(|_| opened.kind == TransactionKind::Tip);
        let Some(sale) = original.and_then(|id| self.transactions.get_mut(id)) else { return };
        let minor = opened.amount.minor;
        sale.tipped_minor = match stands {
            true => sale.tipped_minor.saturating_add(minor),
            false => sale.tipped_minor.saturating_sub(minor),
        };
    }

    fn count_pin(&mut self, hash: switchyard_domain::CardHash, right: bool) -> Result<(), ApplyError> {
        let owner = self.registry.card_by_hash.get(&hash);
        if let Some(issued) = owner.and_then(|owner| self.registry.cards.get_mut(*owner as usize)) {
            issued.pin_failures = if right { 0 } else { issued.pin_failures.saturating_add(1) };
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        id: TransactionId,
        outcome: Outcome,
        reply: ReplyFacts,
        entry: &Entry,
        saf: Option<&SafEntry>,
    ) -> Result<(), ApplyError> {
        let day = self.day();
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.outcome = outcome;
        transaction.day = day;
        transaction.reply = Some(reply);
        self.queue(saf)?;
        self.settle(id, outcome, entry)?;
        if saf.is_some_and(|entry| entry.kind == SafKind::Advice) {
            self.advised(id, AdviceReason::IssuerAway);
        }
        Ok(())
    }

    pub(super) fn queue(&mut self, saf: Option<&SafEntry>) -> Result<(), ApplyError> {
        let Some(entry) = saf else { return Ok(()) };
        let need = self.saf.next_id();
        if entry.id != need {
            return Err(ApplyError::Order {
                what: "store-and-forward entry",
                need: need.0,
                have: entry.id.0,
            });
        }
        self.used_stan(entry.upstream.link, entry.upstream.stan);
        let transaction = self.transactions.get(entry.transaction);
        let card_key = transaction.and_then(Transaction::card_key);
        let lane = Lane::of(entry, transaction.and_then(Transaction::card_hash));
        self.saf.push(*entry, card_key, lane);
        Ok(())
    }

    fn apply_reversal(&mut self, record: &Record) -> Result<(), ApplyError> {
        let Record::ReversalTaken { key, fingerprint, echo, original, effect, reply, entry, saf, .. } =
            record
        else {
            unreachable!("only reversals come here")
        };
        self.used_reference(&reply.rrn);
        let (fingerprint, echo, reply) = (*fingerprint, *echo, *reply);
        self.requests.take_reversal(ReversalTaken { key: *key, fingerprint, echo, reply });
        self.book.apply(entry)?;
        self.queue(saf.as_ref())?;
        match (effect, original) {
            (ReversalEffect::Tombstone, _) => {
                for class in [
                    switchyard_domain::MessageClass::Financial,
                    switchyard_domain::MessageClass::Authorization,
                ] {
                    self.requests.shut(&switchyard_domain::RequestKey { class, ..*key });
                }
                Ok(())
            }
            (ReversalEffect::WhenResolved, Some(id)) => {
                let transaction =
                    self.transactions.get_mut(*id).ok_or(missing_number("transaction", id.0))?;
                transaction.reversal_wanted = true;
                Ok(())
            }
            (ReversalEffect::Undone, Some(id)) => self.undo(*id),
            _ => Ok(()),
        }
    }

    /// An approved transaction is undone: out of the batch, its claim on an original is freed.
    fn undo(&mut self, id: TransactionId) -> Result<(), ApplyError> {
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.outcome = Outcome::Reversed;
        let opened = transaction.opened.clone();
        if let Some(batch) = self.batches.get_mut(opened.key.terminal)
            && batch.number == opened.key.batch
        {
            batch.uncount(opened.kind, opened.card_class.class, opened.amount.minor);
        }
        self.claim(&opened, false)?;
        self.tip(&opened, false);
        self.count_stood_in(id, Count::Gone);
        self.count_risk(id, Count::Gone);
        if let Some(original) = opened.original.filter(|_| opened.kind.voids()) {
            self.count_risk(original, Count::Stands);
            self.count_stood_in(original, Count::Stands);
        }
        self.transactions.settle_indexes(id);
        Ok(())
    }

    /// The issuer acknowledged a reversal: an unknown outcome is now known.
    pub(super) fn reversed_upstream(
        &mut self,
        id: TransactionId,
        code: ResponseCode,
    ) -> Result<(), ApplyError> {
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.unfound = code == ResponseCode::ORIGINAL_NOT_FOUND;
        if transaction.outcome == Outcome::Unknown {
            transaction.outcome = Outcome::Reversed;
            let opened = transaction.opened.clone();
            self.claim(&opened, false)?;
            self.count_risk(id, Count::Gone);
            self.transactions.settle_indexes(id);
        }
        Ok(())
    }

    /// The issuer keeps what was to be undone: for the merchant it is undone all the same. What it took of its original
    /// and of limits stays taken, or is taken again where it was free since the terminal took it back.
    pub(super) fn kept_upstream(&mut self, id: TransactionId) -> Result<(), ApplyError> {
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        let was = std::mem::replace(&mut transaction.outcome, Outcome::Reversed);
        let opened = transaction.opened.clone();
        if was != Outcome::Unknown {
            self.claim(&opened, true)?;
            self.count_stood_in(id, Count::Stands);
            self.count_risk(id, Count::Stands);
        }
        self.transactions.settle_indexes(id);
        Ok(())
    }

    fn apply_late(
        &mut self,
        id: TransactionId,
        cancels: Option<switchyard_domain::SafId>,
    ) -> Result<(), ApplyError> {
        let Some(saf) = cancels else { return Ok(()) };
        self.saf.remove(saf).ok_or(missing_number("store-and-forward entry", saf.0))?;
        let transaction = self.transactions.get_mut(id).ok_or(missing_number("transaction", id.0))?;
        transaction.outcome = Outcome::Declined;
        let opened = transaction.opened.clone();
        self.claim(&opened, false)?;
        self.count_risk(id, Count::Gone);
        self.transactions.settle_indexes(id);
        Ok(())
    }

    fn apply_terminal(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        match &stamped.record {
            Record::SignedOn { terminal, keys, reply, .. } => {
                self.used_reference(&reply.rrn);
                let state = self.terminal_mut(*terminal)?;
                state.keys = Some(keys.clone());
                state.signed_on = true;
                state.signed_off = None;
                state.renews_keys = false;
            }
            Record::SignedOff { terminal, reply, .. } => {
                self.used_reference(&reply.rrn);
                let state = self.terminal_mut(*terminal)?;
                state.signed_on = false;
                state.signed_off = Some(*reply);
            }
            Record::BatchReconciled {
                terminal,
                batch,
                stan,
                terminal_totals,
                host_totals,
                verdict,
                reply,
            } => {
                self.used_reference(&reply.rrn);
                let state = self.batch_mut(*terminal)?;
                state.remember(LastClose {
                    batch: *batch,
                    stan: Some(*stan),
                    terminal_totals: *terminal_totals,
                    host_totals: *host_totals,
                    verdict: *verdict,
                    reply: *reply,
                    ended: None,
                    moment: 0,
                });
                match verdict {
                    BatchVerdict::Balanced => state.advance(),
                    BatchVerdict::Unbalanced => {
                        state.stage = BatchStage::Uploading { items: Default::default() }
                    }
                    BatchVerdict::Error => {}
                }
            }
            Record::TotalsDated { terminal, batch, moment } => {
                let last = self.batch_mut(*terminal)?.last.as_mut().filter(|last| last.batch == *batch);
                last.ok_or(missing_number("close", u64::from(batch.get())))?.moment = *moment;
            }
            Record::BatchUploaded { terminal, items, .. } => {
                if let BatchStage::Uploading { items: known } = &mut self.batch_mut(*terminal)?.stage {
                    known.extend(items.iter().map(|item| (item.stan, *item)));
                }
            }
            Record::BatchUploadEnded { terminal, batch, cases, reply, .. } => {
                self.used_reference(&reply.rrn);
                self.cases.arise(*terminal, *batch, cases, stamped.at);
                let state = self.batch_mut(*terminal)?;
                if let Some(last) = &mut state.last {
                    last.ended = Some(*reply);
                }
                state.advance();
            }
            _ => unreachable!("only terminal records come here"),
        }
        Ok(())
    }

    pub(super) fn terminal_mut(&mut self, index: TerminalIndex) -> Result<&mut TerminalState, ApplyError> {
        let missing = missing_number("terminal", u64::from(index.0));
        self.registry.terminals.get_mut(index.0 as usize).ok_or(missing)
    }
    pub(super) fn batch_mut(
        &mut self,
        index: TerminalIndex,
    ) -> Result<&mut crate::state::batches::Batch, ApplyError> {
        self.batches.get_mut(index).ok_or(missing_number("terminal", u64::from(index.0)))
    }

    /// Reference numbers carry the counter in their last eight digits: whoever sees one knows the next.
    pub(super) fn used_reference(&mut self, rrn: &Rrn) {
        let counter =
            rrn.as_bytes()[4..].iter().fold(0, |n, b| n * 10 + u64::from(b.wrapping_sub(b'0') % 10));
        self.references = counter + 1;
    }
    pub(super) fn used_stan(&mut self, link: LinkIndex, stan: Stan) {
        if let Some(last) = self.link_stans.get_mut(usize::from(link.0)) {
            *last = stan.get();
        }
    }
}

pub(super) fn missing_number(what: &'static str, number: u64) -> ApplyError {
    ApplyError::Missing { what, number }
}
