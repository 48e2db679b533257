//! Links and the store-and-forward queue behind each of them.

use crate::effect::{Effect, Stray, Upstream};
use crate::flight::{Asked, AskedAs, LinkStatus};
use crate::input::Answer;
use crate::machine::{Core, NETWORK_STAN_FIRST, Output};
use switchyard_domain::{
    Actor, LinkIndex, LinkMode, Outcome, Record, ResponseCode, SafEntry, SafId, SafKind, Stan, Timestamp,
};

/// Milliseconds after which a sign-on that was not answered is sent again.
const SIGN_ON_RETRY_MS: u64 = 5_000;
/// DE 70: sign-on.
const NETWORK_SIGN_ON: u16 = 1;

impl Core {
    /// A connection stands: sign on before anything else.
    pub(crate) fn link_connected(
        &mut self,
        link: LinkIndex,
        generation: u32,
        now: Timestamp,
        out: &mut Output,
    ) {
        let flight = self.flight.link(link);
        flight.generation = generation;
        flight.status = LinkStatus::Connected;
        // What was asked on the connection before is not answered on this one.
        flight.asked.clear();
        flight.answered.clear();
        flight.saf = None;
        self.sign_on_upstream(link, now, out);
    }

    /// The connection is gone. What waits for an answer goes on waiting until its deadline: the issuer may
    /// have done it.
    pub(crate) fn link_lost(&mut self, link: LinkIndex, generation: u32) {
        let flight = self.flight.link(link);
        if flight.generation == generation {
            flight.status = LinkStatus::Down;
            flight.saf = None;
            flight.sign_on_at = None;
        }
    }

    pub(super) fn sign_on_upstream(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        let flight = self.flight.link(link);
        flight.network_stan = (flight.network_stan + 1) % 1_000;
        let stan = Stan::try_from(u64::from(NETWORK_STAN_FIRST + flight.network_stan)).expect("six digits");
        flight.asked.insert(AskedAs::Stan(stan), Asked::SignOn);
        flight.sign_on_at = Some(now.plus_micros(SIGN_ON_RETRY_MS * 1_000));
        let generation = flight.generation;
        let message = Box::new(Upstream::Network { stan, at: now, code: NETWORK_SIGN_ON });
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// The host answered the sign-on.
    pub(crate) fn signed_on_upstream(
        &mut self,
        link: LinkIndex,
        place: AskedAs,
        answer: &Answer,
        now: Timestamp,
    ) -> Option<Stray> {
        let flight = self.flight.link(link);
        flight.asked.remove(&place);
        if answer.mti == 810 && answer.code == Some(ResponseCode::APPROVED) {
            flight.status = LinkStatus::SignedOn;
            flight.sign_on_at = None;
            flight.saf_after = Some(now);
        }
        (answer.mti != 810).then_some(Stray::Unmatched)
    }

    /// Sends what is due on every link.
    pub(crate) fn drive_links(&mut self, now: Timestamp, out: &mut Output) {
        for index in 0..self.flight.links.len() {
            let link = LinkIndex(index as u16);
            let flight = &self.flight.links[index];
            match flight.status {
                LinkStatus::Down => {}
                LinkStatus::Connected => {
                    if flight.sign_on_at.is_none_or(|at| at <= now) {
                        self.sign_on_upstream(link, now, out);
                    }
                }
                LinkStatus::SignedOn => self.drive_saf(link, now, out),
            }
        }
    }

    /// Sends an entry that was just queued, if its link is free for it: the sooner an issuer hears of a
    /// reversal, the shorter anybody is in doubt.
    pub(crate) fn hurry(&mut self, entry: Option<&SafEntry>, now: Timestamp, out: &mut Output) {
        if let Some(link) = entry.map(|e| e.upstream.link).filter(|link| self.flight.is_signed_on(*link)) {
            self.drive_saf(link, now, out);
        }
    }

    /// One entry at a time and in order: the next waits until this one is acknowledged.
    fn drive_saf(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        if self.state.registry.link_mode(link) == LinkMode::Down {
            return;
        }
        let flight = self.flight.link(link);
        if let Some((id, deadline)) = flight.saf {
            if deadline > now {
                return;
            }
            flight.saf = None;
            self.give_up_if_hopeless(link, id, now, out);
        }
        if self.flight.link(link).saf_after.is_some_and(|after| after > now) {
            return;
        }
        let Some(entry) = self.state.saf.first_for(link).copied() else { return };
        self.send_saf(link, entry, now, out);
    }

    fn send_saf(&mut self, link: LinkIndex, entry: SafEntry, now: Timestamp, out: &mut Output) {
        let Some(transaction) = self.state.transactions.get(entry.transaction) else { return };
        let registry = &self.state.registry;
        let key = transaction.opened.key;
        let (Some(terminal), Some(merchant)) =
            (registry.terminal(key.terminal), registry.merchant(key.merchant))
        else {
            return;
        };
        let timeout_ms = registry.link(link).map_or(0, |l| u64::from(l.answer_timeout_ms));
        let mut opened = Box::new(transaction.opened.clone());
        if entry.kind == SafKind::Reversal {
            // What is undone is the message as it was sent.
            opened.amount = transaction.asked();
        }
        let (terminal, merchant, mcc) = (terminal.terminal.id, merchant.id, merchant.mcc);
        let (repeat, billing) = (self.was_sent(&entry), transaction.billing);
        let message = Box::new(match entry.kind {
            SafKind::Reversal => {
                Upstream::Reversal { saf: entry, opened, terminal, merchant, billing, repeat }
            }
            SafKind::Script => {
                let Some(report) = self.state.saf.scripts.get(&entry.id).cloned() else { return };
                Upstream::Script { saf: entry, opened, terminal, merchant, report, repeat }
            }
            SafKind::Advice => {
                let original = opened.original.and_then(|id| self.state.transactions.get(id));
                let original = original.and_then(|t| t.opened.upstream);
                let auth_code = transaction.reply.and_then(|reply| reply.auth_code);
                Upstream::Advice {
                    saf: entry,
                    opened,
                    terminal,
                    merchant,
                    mcc,
                    auth_code,
                    original,
                    billing,
                    repeat,
                }
            }
        });
        let place = self.asked_as(&entry.upstream, transaction.opened.rrn);
        let retry_ms = self.config.saf_retry_ms;
        let flight = self.flight.link(link);
        *flight.saf_attempts.entry(entry.id).or_default() += 1;
        flight.saf = Some((entry.id, now.plus_micros(timeout_ms * 1_000)));
        flight.saf_after = Some(now.plus_micros(retry_ms * 1_000));
        flight.asked.insert(place, Asked::Saf(entry.id));
        let generation = flight.generation;
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// Whether the issuer may have seen this entry: sent by this process, or queued by one before.
    pub(crate) fn was_sent(&self, entry: &SafEntry) -> bool {
        let link = self.flight.links.get(usize::from(entry.upstream.link.0));
        entry.id.0 < self.flight.saf_from_before
            || link.is_some_and(|l| l.saf_attempts.contains_key(&entry.id))
    }

    /// The issuer answered an entry: done, once more, or to the operator. Says why, where it leads to nothing.
    pub(crate) fn saf_answered(
        &mut self,
        (link, place): (LinkIndex, AskedAs),
        id: SafId,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Stray> {
        let Some(entry) = self.state.saf.waiting.get(&id).copied() else { return Some(Stray::Late) };
        let transaction = self.state.transactions.get(entry.transaction);
        let is_answer = match entry.kind {
            SafKind::Reversal => matches!(answer.mti, 430 | 431 | 410),
            SafKind::Advice | SafKind::Script => answer.mti == entry.upstream.mti + 10,
        };
        let fits = is_answer && transaction.is_some_and(|t| self.fits(&entry.upstream, &t.opened, answer));
        let Some(code) = answer.code.filter(|_| fits) else { return Some(Stray::Unmatched) };
        // The issuer never saw what nobody knew the outcome of: that is an outcome too.
        let outcome = transaction.map(|t| t.outcome);
        let never_seen = entry.kind == SafKind::Reversal
            && code == ResponseCode::ORIGINAL_NOT_FOUND
            && outcome == Some(Outcome::Unknown);
        let flight = self.flight.link(link);
        flight.saf = None;
        if code.is_approval() || never_seen {
            flight.keep_answered(place, Asked::Answered);
            flight.saf_attempts.remove(&id);
            // Acknowledged: the next may go at once.
            flight.saf_after = Some(now);
            self.emit(Record::SafDelivered { id, code }, Actor::Link(link), now, out);
            self.drive_saf(link, now, out);
            return None;
        }
        let busy = matches!(
            code,
            ResponseCode::ISSUER_INOPERATIVE
                | ResponseCode::SYSTEM_MALFUNCTION
                | ResponseCode::ISSUER_TIMEOUT
                | ResponseCode::CUT_OFF
        );
        if busy || code.is_unknown() {
            self.give_up_if_hopeless(link, id, now, out);
        } else {
            self.dead_letter(link, id, now, out);
        }
        None
    }

    fn give_up_if_hopeless(&mut self, link: LinkIndex, id: SafId, now: Timestamp, out: &mut Output) {
        let attempts = self.flight.link(link).saf_attempts.get(&id).copied().unwrap_or(0);
        if attempts >= self.config.saf_attempts_max {
            self.dead_letter(link, id, now, out);
        }
    }

    fn dead_letter(&mut self, link: LinkIndex, id: SafId, now: Timestamp, out: &mut Output) {
        if !self.state.saf.waiting.contains_key(&id) {
            return;
        }
        let attempts = self.flight.link(link).saf_attempts.remove(&id).unwrap_or(0);
        self.emit(Record::SafDeadLettered { id, attempts }, Actor::Switch, now, out);
    }
}
