//! How operators' records change the state.

use crate::state::apply::missing_number;
use crate::state::{ApplyError, LastClose, State};
use switchyard_domain::{
    BatchVerdict, LinkIndex, LinkMode, LinkOrder, MerchantOrder, Record, ResponseCode, SafFinding, SafId,
    SafKind, Stamped, TerminalIndex, TerminalOrder, Timestamp, TransactionId,
};

impl State {
    fn order_link(&mut self, link: LinkIndex, order: LinkOrder) -> Option<()> {
        let place = usize::from(link.0);
        let mode = self.registry.link_modes.get_mut(place)?;
        let terms = self.registry.link_terms.get_mut(place)?;
        match order {
            LinkOrder::Up => *mode = LinkMode::Up,
            LinkOrder::Drain => *mode = LinkMode::Draining,
            LinkOrder::Down => *mode = LinkMode::Down,
            // What is asked for has a record of its own when it comes.
            LinkOrder::SignOn | LinkOrder::NewKey => {}
            LinkOrder::KeyUnder(number) => terms.key_under = number,
            LinkOrder::Bill(currency) => terms.billing = currency,
            LinkOrder::Match(keys) => terms.matching = keys,
        }
        Some(())
    }

    pub(super) fn apply_order(&mut self, stamped: &Stamped) -> Result<(), ApplyError> {
        match &stamped.record {
            Record::LinkOrdered { link, order, .. } => {
                self.order_link(*link, *order).ok_or(missing_number("link", u64::from(link.0)))?;
            }
            Record::TerminalOrdered { terminal, order, .. } => self.order_terminal(*terminal, *order)?,
            Record::MacsFailed { terminal, in_a_row } => self.terminal_mut(*terminal)?.wrong_macs = *in_a_row,
            Record::PinsMalformed { terminal, count, since } => {
                self.terminal_mut(*terminal)?.malformed_pins = (*count, *since);
            }
            Record::MerchantOrdered { merchant, order, .. } => {
                let number = u64::from(merchant.0);
                self.registry.merchant(*merchant).ok_or(missing_number("merchant", number))?;
                self.registry.version += 1;
                match order {
                    MerchantOrder::Disable => self.registry.disabled_merchants.insert(*merchant),
                    MerchantOrder::Enable => self.registry.disabled_merchants.remove(merchant),
                };
            }
            Record::BatchForceClosed { terminal, batch, totals, cases, reply, .. } => {
                self.used_reference(&reply.rrn);
                self.cases.arise(*terminal, *batch, cases, stamped.at);
                let state = self.batch_mut(*terminal)?;
                state.remember(LastClose {
                    batch: *batch,
                    stan: None,
                    terminal_totals: *totals,
                    host_totals: *totals,
                    verdict: BatchVerdict::Balanced,
                    reply: *reply,
                    ended: Some(*reply),
                    moment: 0,
                });
                state.advance();
            }
            Record::CaseRaised { terminal, batch, case, .. } => {
                self.cases.arise(*terminal, *batch, std::slice::from_ref(case), stamped.at);
                let open = self.batch_mut(*terminal)?;
                if open.number == *batch {
                    open.cases_raised.insert(case.stan);
                }
            }
            Record::BatchCompared { terminal, batch, cases } => {
                self.cases.arise(*terminal, *batch, cases, stamped.at);
                self.batch_mut(*terminal)?.cases_raised.extend(cases.iter().map(|case| case.stan));
            }
            Record::CaseResolved { case, .. } => {
                self.cases.close(*case).ok_or(missing_number("case", case.0))?;
            }
            Record::CardBlocked { blocked, .. } => self.registry.blocked.insert(blocked.card, blocked.cause),
            Record::CardUnblocked { card, .. } => {
                self.registry.blocked.remove(card).ok_or(missing_number("blocked card", 0))?;
            }
            Record::RouteRemoved { route, .. } => {
                let place = self.registry.routes.iter().position(|known| known == route);
                self.registry.routes.remove(place.ok_or(missing_number("route", route.low))?);
                self.registry.ranges.take();
                self.registry.version += 1;
            }
            _ => unreachable!("only operators' records come here"),
        }
        Ok(())
    }

    /// What happens to the entries of the queues.
    pub(super) fn apply_saf(&mut self, record: &Record) -> Result<(), ApplyError> {
        let missing = |id: &SafId| missing_number("store-and-forward entry", id.0);
        match record {
            Record::SafDelivered { id, code } => self.delivered(*id, *code),
            Record::ReversalQueued { saf } => self.queue(Some(saf)),
            Record::ScriptQueued { saf, report } => self.tell_scripts(saf, report),
            Record::ChipKept { transaction, chip } => {
                let missing = missing_number("transaction", transaction.0);
                self.transactions.get(*transaction).ok_or(missing)?;
                self.saf.chips.insert(*transaction, chip.clone());
                Ok(())
            }
            Record::SafDeadLettered { id, .. } => self.saf.give_up(*id).ok_or(missing(id)),
            Record::SafRetried { id, .. } => self.saf.revive(*id).ok_or(missing(id)),
            Record::SafTried { id, count } => {
                self.saf.waiting.contains_key(id).then_some(()).ok_or(missing(id))?;
                self.saf.tries.insert(*id, *count);
                Ok(())
            }
            Record::SafResolved { id, finding, entry, .. } => {
                self.book.apply(entry)?;
                let ended = self.saf.end(*id).ok_or(missing(id))?;
                match ended.kind {
                    SafKind::Reversal => self.end_saf(ended.transaction, *finding),
                    // What an advice tells of has taken place; the issuer knows it by other ways now. What stands here
                    // does so with the rest, whatever the issuer made of the part.
                    SafKind::Advice | SafKind::Script | SafKind::PartReversal => Ok(()),
                }
            }
            _ => unreachable!("only records of the queues come here"),
        }
    }

    fn order_terminal(&mut self, terminal: TerminalIndex, order: TerminalOrder) -> Result<(), ApplyError> {
        match order {
            TerminalOrder::Disable | TerminalOrder::Enable => {
                let state = self.terminal_mut(terminal)?;
                state.disabled = order == TerminalOrder::Disable;
                state.wrong_macs = 0;
                state.malformed_pins = (0, Timestamp(0));
                self.registry.version += 1;
            }
            TerminalOrder::ForceSignOn => self.terminal_mut(terminal)?.signed_on = false,
            TerminalOrder::Speak(profile) => {
                let state = self.terminal_mut(terminal)?;
                state.profile = profile;
                // Without a MAC there is no key to wait for: it may speak at once.
                state.signed_on |= !profile.carries_mac;
                self.registry.version += 1;
            }
            // What it is asked for stands in the answers that the server writes.
            TerminalOrder::RenewKeys => self.terminal_mut(terminal)?.renews_keys = true,
            TerminalOrder::ResetBatch(number) => {
                // It learns the number at its next sign-on, and must not go on without it.
                self.terminal_mut(terminal)?.signed_on = false;
                self.batch_mut(terminal)?.number = number;
            }
        }
        Ok(())
    }

    /// What an operator learned stands for the acknowledgement that did not come. Where the issuer keeps the
    /// transaction, what a follow-up took of its original stays taken: it must not be taken a second time.
    fn end_saf(&mut self, transaction: TransactionId, finding: SafFinding) -> Result<(), ApplyError> {
        match finding {
            SafFinding::Undone => self.reversed_upstream(transaction, ResponseCode::APPROVED),
            SafFinding::NeverTaken => self.reversed_upstream(transaction, ResponseCode::ORIGINAL_NOT_FOUND),
            SafFinding::Stands => self.kept_upstream(transaction),
        }
    }
}
