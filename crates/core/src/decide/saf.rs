//! Links and the store-and-forward queue behind each of them.

use crate::dialect::iso::link::SIGN_ON;
use crate::effect::{Effect, Stray, Upstream};
use crate::flight::{Asked, AskedAs, Backoff, Over, Waits};
use crate::input::Answer;
use crate::machine::{Core, Output};
use crate::state::Lane;
use switchyard_domain::{
    Actor, LinkIndex, LinkMode, Outcome, Record, ResponseCode, SafEntry, SafId, SafKind, Timestamp,
    TransactionId,
};

/// Milliseconds after which a sign-on that was not answered is sent again.
const SIGN_ON_RETRY_MS: u64 = 5_000;
/// The MTI of an answer to a network message.
pub(super) const NETWORK_ANSWER: u16 = 810;
/// No connection has this number: what is sent over it comes back.
pub(super) const NO_LINE: u32 = 0;
/// A send is recorded from this one on, and then each time that the count has doubled: what an issuer takes soon costs no
/// record.
const TRIES_RECORDED_FROM: u32 = 8;

impl Core {
    /// A connection stands: sign on before anything else.
    pub(crate) fn link_connected(&mut self, over: Over, now: Timestamp, out: &mut Output) {
        self.flight.link(over.link).connected(over.generation);
        self.sign_on_upstream(over, now, out);
    }

    /// A connection is gone. What waits for an answer goes on waiting until its deadline: the issuer may
    /// have done it.
    pub(crate) fn link_lost(&mut self, over: Over, out: &mut Output) {
        let Over { link, generation } = over;
        if self.flight.link(link).lost(generation) {
            for id in self.flight.link(link).saf.under_way_over(generation) {
                self.saf_came_back(link, id);
            }
            self.give_up_asking(link, Some(generation), out);
        }
    }

    pub(super) fn sign_on_upstream(&mut self, over: Over, now: Timestamp, out: &mut Output) {
        let Over { link, generation } = over;
        let flight = self.flight.link(link);
        let stan = flight.next_network_stan();
        let Some(line) = flight.line(generation) else { return };
        line.sign_on_at = Some(now.plus_micros(SIGN_ON_RETRY_MS * 1_000));
        let asked = Asked::SignOn(line.host_offs);
        flight.note_asked(generation, AskedAs::Stan(stan, NETWORK_ANSWER), asked);
        let message = Box::new(Upstream::Network { stan, at: now, code: SIGN_ON });
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// Signs every connection on anew.
    pub(super) fn sign_on_all(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        let lines = self.flight.link(link).lines();
        for generation in lines.iter().map(|line| line.generation).collect::<Vec<_>>() {
            self.sign_on_upstream(Over { link, generation }, now, out);
        }
    }

    /// The host answered the sign-on.
    pub(crate) fn signed_on_upstream(
        &mut self,
        over: Over,
        (place, offs): (AskedAs, u32),
        answer: &Answer,
        out: &mut Output,
    ) -> Option<Stray> {
        let flight = self.flight.link(over.link);
        flight.forget(over.generation, place);
        let line = flight.line(over.generation)?;
        if offs != line.host_offs {
            // It took the sign-on and then signed off, in whichever order its messages came.
            return Some(Stray::Unmatched);
        }
        if answer.code == Some(ResponseCode::APPROVED) {
            line.is_signed_on = true;
            line.is_host_off = false;
            line.sign_on_at = None;
        } else {
            // An answer without a code refuses as well as one that says why.
            let code = answer.code.unwrap_or(ResponseCode::SYSTEM_MALFUNCTION);
            out.effects.push(Effect::SignOnRefused { link: over.link, code });
        }
        None
    }

    /// A host says whether it takes requests on this connection. One that comes back is signed on to anew: its sign-off may
    /// have ended what the two had agreed.
    pub(crate) fn host_signed(&mut self, over: Over, on: bool, now: Timestamp, out: &mut Output) {
        let line = self.flight.link(over.link).line(over.generation);
        let Some(line) = line.filter(|line| line.is_host_off == on) else { return };
        line.is_host_off = !on;
        if on {
            self.sign_on_upstream(over, now, out);
        } else {
            line.is_signed_on = false;
            line.sign_on_at = None;
            line.host_offs = line.host_offs.wrapping_add(1);
        }
    }

    /// Says what has changed of a link since it was said last.
    fn tell_link(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        let flight = self.flight.link(link);
        let state = (flight.signed_on() as u16, flight.is_resting(now));
        if std::mem::replace(&mut flight.told, state) != state {
            let (signed_on, resting) = state;
            out.effects.push(Effect::LinkState { link, signed_on, resting });
        }
    }

    /// Sends what is due on every link.
    pub(crate) fn drive_links(&mut self, now: Timestamp, out: &mut Output) {
        for index in 0..self.flight.links.len() {
            let link = LinkIndex(index as u16);
            if self.flight.links[index].key_asked.is_some_and(|asked| asked.until <= now) {
                self.give_up_asking(link, None, out);
            }
            let unsigned = self.flight.links[index].lines().iter().filter(|line| {
                let is_due = line.sign_on_at.is_none_or(|at| at <= now);
                !line.is_signed_on && !line.is_host_off && is_due
            });
            for generation in unsigned.map(|line| line.generation).collect::<Vec<_>>() {
                self.sign_on_upstream(Over { link, generation }, now, out);
            }
            if self.flight.links[index].is_signed_on() {
                self.drive_saf(link, now, out);
            }
            self.tell_link(link, now, out);
        }
    }

    /// Sends an entry that was just queued, if its link is free for it: the sooner an issuer hears of a
    /// reversal, the shorter anybody is in doubt.
    pub(crate) fn hurry(&mut self, entry: Option<&SafEntry>, now: Timestamp, out: &mut Output) {
        if let Some(link) = entry.map(|e| e.upstream.link).filter(|link| self.flight.is_signed_on(*link)) {
            self.drive_saf(link, now, out);
        }
    }

    /// Sends what may go: one of a card at a time, a window of them at once.
    fn drive_saf(&mut self, link: LinkIndex, now: Timestamp, out: &mut Output) {
        if self.state.registry.link_mode(link) == LinkMode::Down {
            return;
        }
        while let Some(id) = self.flight.link(link).saf.overdue(now) {
            self.saf_came_back(link, id);
            self.give_up_if_hopeless(link, id, now, out);
        }
        while let Some(id) = self.flight.link(link).saf.pick(now) {
            let entry = *self.state.saf.waiting.get(&id).expect("what is no more waited for is forgotten");
            self.send_saf(link, entry, now, out);
        }
    }

    /// It waits for its next time: the host may have it, or may never.
    fn saf_came_back(&mut self, link: LinkIndex, id: SafId) {
        if let Some(lane) = self.flight.link(link).saf.came_back(id) {
            let head = self.state.saf.head(lane);
            self.flight.link(link).saf.follow(lane, head);
        }
    }

    /// A record moved an entry: what may go next in its lane is another.
    pub(crate) fn saf_moved(&mut self, id: SafId, lane: Lane) {
        let line = &mut self.flight.link(lane.link).saf;
        if !self.state.saf.waiting.contains_key(&id) {
            line.forget(id, lane);
        }
        line.follow(lane, self.state.saf.head(lane));
    }

    /// Every lane of the queues that a process finds when it begins.
    pub(crate) fn resume_saf(&mut self, now: Timestamp) {
        self.state.saf.take_moved();
        for (id, count) in &self.state.saf.tries {
            if let Some(lane) = self.state.saf.lane_of(*id) {
                self.flight.link(lane.link).saf.remember(*id, *count, now);
            }
        }
        for lane in self.state.saf.lanes() {
            self.flight.link(lane.link).saf.follow(lane, self.state.saf.head(lane));
        }
    }

    fn send_saf(&mut self, link: LinkIndex, entry: SafEntry, now: Timestamp, out: &mut Output) {
        let repeat = self.was_sent(&entry);
        let generation = self.line_for(link, entry.transaction, now);
        self.note_try(Over { link, generation }, entry.id, now, out);
        let Some(transaction) = self.state.transactions.get(entry.transaction) else { return };
        let registry = &self.state.registry;
        let key = transaction.opened.key;
        let (Some(terminal), Some(merchant)) =
            (registry.terminal(key.terminal), registry.merchant(key.merchant))
        else {
            return;
        };
        let mut opened = Box::new(transaction.opened.clone());
        opened.amount = match entry.kind {
            // What is undone is the message as it was sent.
            SafKind::Reversal | SafKind::PartReversal => transaction.asked(),
            // A repeat says what was said before, whatever has been taken back meanwhile.
            SafKind::Advice => transaction.approved(),
            SafKind::Script => opened.amount,
        };
        let stands = (entry.kind == SafKind::PartReversal).then_some(transaction.opened.amount);
        let (terminal, merchant) = (terminal.terminal.id, merchant.id);
        let billing = transaction.billing;
        let message = Box::new(match entry.kind {
            SafKind::Reversal | SafKind::PartReversal => {
                Upstream::Reversal { saf: entry, opened, stands, terminal, merchant, billing, repeat }
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
                    auth_code,
                    original,
                    chip: self.state.saf.chips.get(&entry.transaction).cloned(),
                    billing,
                    repeat,
                }
            }
        });
        let place = self.asked_as(&entry.upstream, transaction.opened.rrn);
        self.flight.link(link).note_asked(generation, place, Asked::Saf(entry.id));
        out.effects.push(Effect::Send { link, generation, message });
    }

    /// The connection for what follows a transaction out of the queue: the one that its request went over, as long as that
    /// stands, because there nothing overtakes it.
    fn line_for(&mut self, link: LinkIndex, transaction: TransactionId, now: Timestamp) -> u32 {
        let asked = self.state.transactions.get(transaction).and_then(|transaction| {
            let upstream = transaction.opened.upstream.filter(|upstream| upstream.link == link)?;
            let place = self.asked_as(&upstream, transaction.opened.rrn);
            self.flight.links.get(usize::from(link.0))?.asked_over(place)
        });
        asked.or_else(|| self.flight.link(link).choose(&[], now)).unwrap_or(NO_LINE)
    }

    /// Counts a send. One in so many is recorded, so that a process that begins knows what has been tried for long.
    fn note_try(&mut self, over: Over, id: SafId, now: Timestamp, out: &mut Output) {
        let timeout_ms = u64::from(self.timeout_ms(over.link));
        let until = now.plus_micros(timeout_ms * 1_000);
        let backoff = Backoff { first_ms: self.config.saf_retry_ms, most_ms: self.config.saf_retry_ms_max };
        let Some(lane) = self.state.saf.lane_of(id) else { return };
        let waits = Waits { generation: over.generation, until };
        let count = self.flight.link(over.link).saf.sent(id, lane, now, waits, backoff);
        if count >= TRIES_RECORDED_FROM && count.is_power_of_two() {
            self.emit(Record::SafTried { id, count }, Actor::Switch, now, out);
        }
    }

    /// Whether the issuer may have seen this entry: sent by this process, or queued by one before.
    pub(crate) fn was_sent(&self, entry: &SafEntry) -> bool {
        let link = self.flight.links.get(usize::from(entry.upstream.link.0));
        entry.id.0 < self.flight.saf_from_before || link.is_some_and(|l| l.saf.was_tried(entry.id))
    }

    /// The issuer answered an entry: done, once more, or to the operator. Says why, where it leads to nothing.
    pub(crate) fn saf_answered(
        &mut self,
        (over, place): (Over, AskedAs),
        id: SafId,
        answer: &Answer,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Stray> {
        let Over { link, generation } = over;
        let Some(entry) = self.state.saf.waiting.get(&id).copied() else { return Some(Stray::Late) };
        let transaction = self.state.transactions.get(entry.transaction);
        let is_answer = match entry.kind {
            SafKind::Reversal | SafKind::PartReversal => matches!(answer.mti, 430 | 431 | 410),
            SafKind::Advice | SafKind::Script => answer.mti == entry.upstream.mti + 10,
        };
        let fits = is_answer && transaction.is_some_and(|t| self.fits(&entry.upstream, &t.opened, answer));
        let Some(code) = answer.code.filter(|_| fits) else { return Some(Stray::Unmatched) };
        // The issuer never saw what nobody knew the outcome of: that is an outcome too.
        let outcome = transaction.map(|t| t.outcome);
        let never_seen = entry.kind == SafKind::Reversal
            && code == ResponseCode::ORIGINAL_NOT_FOUND
            && outcome == Some(Outcome::Unknown);
        if code.is_approval() || never_seen {
            self.flight.link(link).keep_answered(generation, place, Asked::Answered);
            self.emit(Record::SafDelivered { id, code }, Actor::Link(link), now, out);
            // A host that has signed off meanwhile answers what it had, and is sent nothing more.
            if self.flight.is_signed_on(link) {
                self.drive_saf(link, now, out);
            }
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
            self.saf_came_back(link, id);
            self.give_up_if_hopeless(link, id, now, out);
        } else {
            self.dead_letter(link, id, now, out);
        }
        None
    }

    fn give_up_if_hopeless(&mut self, link: LinkIndex, id: SafId, now: Timestamp, out: &mut Output) {
        if self.flight.link(link).saf.tries(id) >= self.config.saf_attempts_max {
            self.dead_letter(link, id, now, out);
        }
    }

    fn dead_letter(&mut self, link: LinkIndex, id: SafId, now: Timestamp, out: &mut Output) {
        if !self.state.saf.waiting.contains_key(&id) {
            return;
        }
        let attempts = self.flight.link(link).saf.tries(id);
        self.emit(Record::SafDeadLettered { id, attempts }, Actor::Switch, now, out);
    }
}
