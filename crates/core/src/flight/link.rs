//! One link and its connections. Each connection has what was asked over it: an answer is looked up there and nowhere
//! else.

use super::SafLine;
use crate::input::SlotId;
use crate::machine::NETWORK_STAN_FIRST;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::VecDeque;
use switchyard_domain::{KeyMessage, KeyName, LinkIndex, Rrn, SafId, Stan, Timestamp, TransactionId};

/// What a message on a link was about, by its trace number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Transaction(TransactionId),
    /// The same, once its issuer has refused it or did not know: it may approve yet.
    Refused(TransactionId),
    Saf(SafId),
    /// Sent when the host had signed off so many times.
    SignOn(u32),
    /// A new PIN key.
    NewKey,
    /// It has been answered.
    Answered,
}

/// What an answer has to carry to be looked at: the rest of the link's key is compared then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AskedAs {
    /// DE 11 and the answer's MTI. What is repeated for hours keeps its number, and others come round to it meanwhile.
    Stan(Stan, u16),
    /// DE 37 and the answer's MTI, on a link whose key has no DE 11: a request and its reversal share the reference.
    Rrn(Rrn, u16),
}

/// How a link is doing, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkStatus {
    Down,
    /// The hosts of all its connections have signed off.
    SignedOff,
    Connected,
    SignedOn,
}

/// A connection of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) link: LinkIndex,
    pub(crate) generation: u32,
}

/// A host is asked for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyAsked {
    pub(crate) generation: u32,
    pub(crate) place: AskedAs,
    pub(crate) until: Timestamp,
}

/// A key of a link is being opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyOpens {
    pub(crate) slot: SlotId,
    pub(crate) generation: u32,
    /// The host's message, which waits for an answer.
    pub(crate) message: Option<KeyMessage>,
    pub(crate) under: KeyName,
}

/// How many unanswered requests in a row make something rest, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RestRule {
    pub(crate) timeouts_max: u32,
    pub(crate) rest_ms: u64,
}

/// Whether it is any use to ask over a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Health {
    /// Requests in a row that nobody answered.
    timeouts: u32,
    /// Until then it takes no requests.
    rests_until: Option<Timestamp>,
}

impl Health {
    fn is_resting(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
    /// A request was sent: on probation it is the one that tries.
    fn asked(&mut self, now: Timestamp, rule: RestRule) {
        if self.timeouts >= rule.timeouts_max {
            self.rests_until = Some(now.plus_micros(rule.rest_ms * 1_000));
        }
    }
    /// Nobody answered in time.
    fn silent(&mut self, now: Timestamp, rule: RestRule) {
        self.timeouts = self.timeouts.saturating_add(1);
        self.asked(now, rule);
    }
}

/// One connection of a link, from its beginning to its end.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) generation: u32,
    /// Its host has taken the sign-on.
    pub(crate) is_signed_on: bool,
    /// Its host signed off: it is the host that speaks next.
    pub(crate) is_host_off: bool,
    /// How often it has: what it says to a sign-on of before does not undo that.
    pub(crate) host_offs: u32,
    /// When to sign on again if the host has not answered.
    pub(crate) sign_on_at: Option<Timestamp>,
    health: Health,
    asked: HashMap<AskedAs, Asked, FixedState>,
    /// What was answered, oldest first: an approval may still follow a refusal, and any answer may come twice. It stays in
    /// `asked` for so long.
    answered: VecDeque<(AskedAs, Asked)>,
    /// What nobody answered in time, oldest first, where the link's key has no DE 11 that would come round to it.
    unanswered: VecDeque<AskedAs>,
    /// Requests that wait for an answer.
    under_way: u32,
    /// The turn in which it was chosen last.
    turn: u64,
}

/// Most answered messages of a connection of which another answer is still understood.
const ANSWERED_MAX: usize = 4_096;
/// Most messages of a connection that were not answered in time and of which an answer is still understood.
const UNANSWERED_MAX: usize = 250_000;

impl Line {
    /// Remembers what was answered, for a while. When it is forgotten its number may have been given again: then another
    /// request stands under it, and stays.
    fn keep_answered(&mut self, place: AskedAs, asked: Asked) {
        self.asked.insert(place, asked);
        self.answered.push_back((place, asked));
        if self.answered.len() > ANSWERED_MAX
            && let Some((oldest, asked)) = self.answered.pop_front()
            && self.asked.get(&oldest) == Some(&asked)
        {
            self.asked.remove(&oldest);
        }
    }
    /// Nobody answered in time: an answer is understood for as long as there is room.
    fn keep_unanswered(&mut self, place: AskedAs) {
        if !matches!(place, AskedAs::Rrn(..)) {
            return;
        }
        self.unanswered.push_back(place);
        if self.unanswered.len() > UNANSWERED_MAX
            && let Some(oldest) = self.unanswered.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }
}

/// One link.
#[derive(Debug, Default)]
pub(crate) struct LinkFlight {
    /// Its connections, in the order in which they came about.
    lines: Vec<Line>,
    /// Which entries of its queue go when.
    pub(crate) saf: SafLine,
    network_stan: u32,
    /// Connections that are signed on and whether the link rests, as was said last.
    pub(crate) told: (u16, bool),
    /// What was seen of the last connection that was answered on, or was not.
    health: Health,
    pub(crate) key_asked: Option<KeyAsked>,
    pub(crate) key_opens: Option<KeyOpens>,
    turn: u64,
}

impl LinkFlight {
    pub(crate) fn status(&self) -> LinkStatus {
        if self.lines.is_empty() {
            LinkStatus::Down
        } else if self.is_signed_on() {
            LinkStatus::SignedOn
        } else if self.lines.iter().all(|line| line.is_host_off) {
            LinkStatus::SignedOff
        } else {
            LinkStatus::Connected
        }
    }
    /// Whether another key was asked for and not answered yet, or is being looked at, over any of its connections.
    pub(crate) fn has_key_under_way(&self) -> bool {
        self.key_asked.is_some() || self.key_opens.is_some()
    }
    /// Whether one of its connections is signed on.
    pub(crate) fn is_signed_on(&self) -> bool {
        self.lines.iter().any(|line| line.is_signed_on)
    }
    /// How many of its connections are.
    pub(crate) fn signed_on(&self) -> usize {
        self.lines.iter().filter(|line| line.is_signed_on).count()
    }
    /// Its connections, oldest first.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }
    pub(crate) fn line(&mut self, generation: u32) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.generation == generation)
    }
    /// A connection stands. Nothing has been asked over it; of a host that answers on no other one, it is to be seen whether
    /// it does on this.
    pub(crate) fn connected(&mut self, generation: u32) {
        self.lost(generation);
        let is_answered = self.lines.iter().any(|line| line.health.rests_until.is_none());
        let health = if is_answered { Health::default() } else { self.health };
        self.lines.push(Line { generation, health, ..Line::default() });
    }
    /// A connection is gone, and what was asked over it is not answered any more. Says whether there was one.
    pub(crate) fn lost(&mut self, generation: u32) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| line.generation != generation);
        self.lines.len() < before
    }
    /// Whether it takes no requests, because too many were not answered on any connection.
    pub(crate) fn is_resting(&self, now: Timestamp) -> bool {
        let mut usable = self.lines.iter().filter(|line| line.is_signed_on).peekable();
        match usable.peek() {
            Some(_) => usable.all(|line| line.health.is_resting(now)),
            None => self.health.is_resting(now),
        }
    }
    /// A request goes out over a connection: while that is on probation, this is the one that tries it.
    pub(crate) fn asked(&mut self, generation: u32, now: Timestamp, rule: RestRule) {
        if let Some(line) = self.line(generation) {
            line.health.asked(now, rule);
        }
    }
    /// Something goes out over a connection, whose host answers it there or nowhere.
    pub(crate) fn note_asked(&mut self, generation: u32, place: AskedAs, asked: Asked) {
        if let Some(line) = self.line(generation) {
            line.asked.insert(place, asked);
        }
    }
    /// What an answer over a connection is about.
    pub(crate) fn asked_at(&self, generation: u32, place: AskedAs) -> Option<Asked> {
        let line = self.lines.iter().find(|line| line.generation == generation)?;
        line.asked.get(&place).copied()
    }
    /// What went out over a connection is not answered any more: it never left, or has been answered for good.
    pub(crate) fn forget(&mut self, generation: u32, place: AskedAs) {
        if let Some(line) = self.line(generation) {
            line.asked.remove(&place);
        }
    }
    /// It has been answered, and may be once more.
    pub(crate) fn keep_answered(&mut self, generation: u32, place: AskedAs, asked: Asked) {
        if let Some(line) = self.line(generation) {
            line.keep_answered(place, asked);
        }
    }
    /// It was not answered in time, and may be yet.
    pub(crate) fn keep_unanswered(&mut self, generation: u32, place: AskedAs) {
        if let Some(line) = self.line(generation) {
            line.keep_unanswered(place);
        }
    }
    /// Nobody answered in time what went over a connection. Where the link has another one in its place, and that alone, it
    /// is that one's: a host may end connections instead of answering.
    pub(crate) fn silent(&mut self, generation: u32, now: Timestamp, rule: RestRule) {
        let place = self.lines.iter().position(|line| line.generation == generation);
        let only = (self.lines.len() == 1).then_some(0);
        match place.or(only) {
            Some(place) => {
                self.lines[place].health.silent(now, rule);
                self.health = self.lines[place].health;
            }
            None if self.lines.is_empty() => self.health.silent(now, rule),
            None => {}
        }
    }
    /// The host answers over a connection.
    pub(crate) fn answered(&mut self, generation: u32) {
        self.health = Health::default();
        if let Some(line) = self.line(generation) {
            line.health = Health::default();
        }
    }
    /// The connection for the next message: of those that are signed on the one with the fewest requests under way, and of
    /// equals the one that has waited longest for its turn. One that nobody answers on is chosen when there is no other.
    pub(crate) fn choose(&mut self, not: &[u32], now: Timestamp) -> Option<u32> {
        let usable = |line: &&mut Line| line.is_signed_on && !not.contains(&line.generation);
        let by = |line: &&mut Line| (line.health.is_resting(now), line.under_way, line.turn);
        let line = self.lines.iter_mut().filter(usable).min_by_key(by)?;
        self.turn += 1;
        line.turn = self.turn;
        Some(line.generation)
    }
    /// The connection over which this was asked, where it stands and is signed on.
    pub(crate) fn asked_over(&self, place: AskedAs) -> Option<u32> {
        let line = self.lines.iter().find(|line| line.is_signed_on && line.asked.contains_key(&place))?;
        Some(line.generation)
    }
    /// The next number of a message of the link's own.
    pub(crate) fn next_network_stan(&mut self) -> Stan {
        self.network_stan = (self.network_stan + 1) % 1_000;
        Stan::try_from(u64::from(NETWORK_STAN_FIRST + self.network_stan)).expect("six digits")
    }
    /// A request goes out over a connection, or does not wait on it any more.
    pub(super) fn count(&mut self, generation: u32, goes_out: bool) {
        if let Some(line) = self.line(generation) {
            line.under_way = if goes_out { line.under_way + 1 } else { line.under_way.saturating_sub(1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_on(generations: &[u32]) -> LinkFlight {
        let mut flight = LinkFlight::default();
        for generation in generations {
            flight.connected(*generation);
            flight.line(*generation).unwrap().is_signed_on = true;
        }
        flight
    }
    fn choose(flight: &mut LinkFlight, not: &[u32]) -> u32 {
        flight.choose(not, Timestamp(0)).unwrap_or(0)
    }

    #[test]
    fn the_connection_with_the_fewest_requests_is_chosen_and_equals_take_turns() {
        let mut flight = signed_on(&[1, 2, 3]);
        assert_eq!([(); 6].map(|()| choose(&mut flight, &[])), [1, 2, 3, 1, 2, 3]);
        for generation in [1, 1, 3] {
            flight.count(generation, true);
        }
        assert_eq!([(); 2].map(|()| choose(&mut flight, &[])), [2, 2]);
        assert_eq!(choose(&mut flight, &[2]), 3);
        assert_eq!(choose(&mut flight, &[1, 2, 3]), 0);
        flight.count(1, false);
        flight.count(1, false);
        flight.count(1, false);
        assert_eq!(choose(&mut flight, &[2]), 1, "what was never counted is not counted back");
        flight.line(1).unwrap().is_signed_on = false;
        assert!(flight.lost(2) && !flight.lost(2));
        assert_eq!(choose(&mut flight, &[]), 3);
        assert_eq!((flight.signed_on(), flight.status()), (1, LinkStatus::SignedOn));
    }

    #[test]
    fn a_connection_that_nobody_answers_on_is_the_last_choice_until_it_may_be_tried_again() {
        let rule = RestRule { timeouts_max: 2, rest_ms: 1_000 };
        let mut flight = signed_on(&[1, 2]);
        flight.count(2, true);
        flight.silent(1, Timestamp(0), rule);
        assert_eq!(flight.choose(&[], Timestamp(1)), Some(1));
        flight.silent(1, Timestamp(0), rule);
        assert_eq!(flight.choose(&[], Timestamp(1)), Some(2));
        assert_eq!(flight.choose(&[2], Timestamp(1)), Some(1), "there is no other");
        let later = Timestamp(1_000_000);
        assert_eq!(flight.choose(&[], later), Some(1));
        // It is tried once, and rests again until that is answered.
        flight.asked(1, later, rule);
        assert_eq!(flight.choose(&[], later), Some(2));
        flight.answered(1);
        assert_eq!(flight.choose(&[], later), Some(1));
    }

    #[test]
    fn a_link_rests_when_all_its_connections_do() {
        let rule = RestRule { timeouts_max: 1, rest_ms: 1_000 };
        let (now, mut flight) = (Timestamp(1), signed_on(&[1, 2]));
        flight.silent(1, now, rule);
        flight.silent(9, now, rule);
        assert!(!flight.is_resting(now), "of one that is gone, nothing is said of those that stand");
        flight.silent(2, now, rule);
        assert!(flight.is_resting(now));
        // Whoever ends connections instead of answering is not asked the more for it.
        flight.lost(1);
        flight.lost(2);
        flight.connected(3);
        flight.line(3).unwrap().is_signed_on = true;
        assert!(flight.is_resting(now));
        flight.answered(3);
        flight.silent(2, now, rule);
        assert!(flight.is_resting(now), "what the one before did not answer");
        flight.answered(3);
        flight.connected(4);
        flight.line(4).unwrap().is_signed_on = true;
        assert!(!flight.is_resting(now));
    }

    #[test]
    fn a_link_is_what_the_best_of_its_connections_is() {
        let mut flight = signed_on(&[1, 2]);
        let off = |flight: &mut LinkFlight, generation| {
            let line = flight.line(generation).unwrap();
            (line.is_signed_on, line.is_host_off) = (false, true);
        };
        off(&mut flight, 1);
        assert_eq!(flight.status(), LinkStatus::SignedOn);
        off(&mut flight, 2);
        assert_eq!(flight.status(), LinkStatus::SignedOff);
        flight.connected(3);
        assert_eq!(flight.status(), LinkStatus::Connected);
        assert_eq!([1, 2, 3].map(|generation| flight.lost(generation)), [true; 3]);
        assert_eq!(flight.status(), LinkStatus::Down);
    }

    #[test]
    fn what_was_not_answered_in_time_is_understood_as_long_as_there_is_room() {
        let mut line = Line::default();
        let place = |number: u64| AskedAs::Rrn(format!("{number:012}").parse().unwrap(), 210);
        for number in 0..=UNANSWERED_MAX as u64 {
            line.asked.insert(place(number), Asked::Transaction(TransactionId(number)));
            line.keep_unanswered(place(number));
        }
        assert_eq!((line.asked.len(), line.unanswered.len()), (UNANSWERED_MAX, UNANSWERED_MAX));
        assert!(!line.asked.contains_key(&place(0)) && line.asked.contains_key(&place(1)));
    }
}
