//! When the entries of a link's store-and-forward queue go: several at a time, one of a card, and what was not taken waits
//! longer each time while others pass.

use crate::state::Lane;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{SafEntry, SafId, SafKind, Timestamp};

/// Most entries of one link under way at a time.
pub(crate) const SAF_WINDOW: usize = 8;
/// Most of them that were sent before: however many a host does not answer, the rest of the window is for others.
pub(crate) const SAF_RETRIES_UNDER_WAY_MAX: usize = SAF_WINDOW / 2;

/// Reversals first: somebody's money is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Reversal,
    Advice,
    Script,
}

impl Rank {
    fn of(entry: &SafEntry) -> Self {
        match entry.kind {
            SafKind::Reversal | SafKind::PartReversal => Self::Reversal,
            SafKind::Advice => Self::Advice,
            SafKind::Script => Self::Script,
        }
    }
}

/// How often an entry was sent, and when it may be sent again.
#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    due: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    lane: Lane,
    rank: Rank,
    waits: Waits,
    is_retry: bool,
}

/// Where an answer is waited for, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// The connection that it went over.
    pub(crate) generation: u32,
    pub(crate) until: Timestamp,
}

/// The waits between two sends of one entry: each twice as long as the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first_ms: u64,
    pub(crate) most_ms: u64,
}

impl Backoff {
    fn after(self, count: u32) -> u64 {
        let doubled = self.first_ms.saturating_mul(1 << count.saturating_sub(1).min(32));
        doubled.min(self.most_ms.max(self.first_ms)).saturating_mul(1_000)
    }
}

/// The first entry of each lane of one link, as it is doing. Everything here is found in place: no tick looks at more
/// entries than it sends.
#[derive(Debug, Default)]
pub(crate) struct SafLine {
    heads: BTreeMap<Lane, (SafId, Rank)>,
    /// Not sent yet, the most urgent and oldest first.
    fresh: BTreeSet<(Rank, SafId, Lane)>,
    /// Sent and not taken, by when they may go again.
    later: BTreeSet<(Timestamp, Rank, SafId, Lane)>,
    under_way: BTreeMap<SafId, UnderWay>,
    tries: BTreeMap<SafId, Tries>,
    /// Entries looked at so far: what a test holds to its bounds.
    #[cfg(test)]
    looked: u64,
}

impl SafLine {
    /// Whether an entry was sent by this process, or had been when this one began.
    pub(crate) fn was_tried(&self, id: SafId) -> bool {
        self.tries.contains_key(&id)
    }
    pub(crate) fn tries(&self, id: SafId) -> u32 {
        self.tries.get(&id).map_or(0, |tries| tries.count)
    }
    /// What is known of an entry from before; it may go at once.
    pub(crate) fn remember(&mut self, id: SafId, count: u32, now: Timestamp) {
        self.tries.insert(id, Tries { count, due: now });
    }

    /// `head` may go next in its lane. What went before it and is under way is waited for.
    pub(crate) fn follow(&mut self, lane: Lane, head: Option<&SafEntry>) {
        let before = self.heads.get(&lane).copied();
        let next = head.map(|entry| (entry.id, Rank::of(entry)));
        if before == next || before.is_some_and(|(id, _)| self.under_way.contains_key(&id)) {
            return;
        }
        if let Some((id, rank)) = before {
            self.retract(id, rank, lane);
        }
        let Some((id, rank)) = next else {
            self.heads.remove(&lane);
            return;
        };
        self.heads.insert(lane, (id, rank));
        match self.tries.get(&id) {
            Some(tries) => self.later.insert((tries.due, rank, id, lane)),
            None => self.fresh.insert((rank, id, lane)),
        };
    }
    fn retract(&mut self, id: SafId, rank: Rank, lane: Lane) {
        self.fresh.remove(&(rank, id, lane));
        if let Some(tries) = self.tries.get(&id) {
            self.later.remove(&(tries.due, rank, id, lane));
        }
    }
    /// An entry waits no more.
    pub(crate) fn forget(&mut self, id: SafId, lane: Lane) {
        if let Some((_, rank)) = self.heads.get(&lane).copied().filter(|(head, _)| *head == id) {
            self.retract(id, rank, lane);
            self.heads.remove(&lane);
        }
        self.under_way.remove(&id);
        self.tries.remove(&id);
    }
    /// An operator does not want it to wait.
    pub(crate) fn hurry(&mut self, id: SafId, lane: Lane, now: Timestamp) {
        let Some(tries) = self.tries.get_mut(&id) else { return };
        let due = std::mem::replace(&mut tries.due, now);
        if let Some((_, rank)) = self.heads.get(&lane).copied().filter(|(head, _)| *head == id)
            && self.later.remove(&(due, rank, id, lane))
        {
            self.later.insert((now, rank, id, lane));
        }
    }

    /// The entry to send now, if there is one and the window has room.
    pub(crate) fn pick(&mut self, now: Timestamp) -> Option<SafId> {
        if self.under_way.len() >= SAF_WINDOW {
            return None;
        }
        #[cfg(test)]
        {
            self.looked += 2 + self.under_way.len() as u64;
        }
        let retries = self.under_way.values().filter(|entry| entry.is_retry).count();
        let fresh = self.fresh.first();
        let again = self.later.first().filter(|(due, ..)| *due <= now);
        let again = again.filter(|_| retries < SAF_RETRIES_UNDER_WAY_MAX);
        match (fresh, again) {
            (Some((rank, id, _)), Some((_, other, ..))) if rank < other => Some(*id),
            (_, Some((_, _, id, _))) | (Some((_, id, _)), None) => Some(*id),
            (None, None) => None,
        }
    }
    /// It goes, and its answer is waited for. Says how often it has gone.
    pub(crate) fn sent(
        &mut self,
        id: SafId,
        lane: Lane,
        now: Timestamp,
        waits: Waits,
        backoff: Backoff,
    ) -> u32 {
        let Some((_, rank)) = self.heads.get(&lane).copied() else { return 0 };
        self.retract(id, rank, lane);
        let before = self.tries.get(&id);
        let (count, is_retry) = (before.map_or(0, |tries| tries.count).saturating_add(1), before.is_some());
        self.tries.insert(id, Tries { count, due: now.plus_micros(backoff.after(count)) });
        self.under_way.insert(id, UnderWay { lane, rank, waits, is_retry });
        count
    }
    /// An entry whose answer is not waited for any more.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<SafId> {
        #[cfg(test)]
        {
            self.looked += self.under_way.len() as u64;
        }
        self.under_way.iter().find(|(_, entry)| entry.waits.until <= now).map(|(id, _)| *id)
    }
    /// It was not taken: it waits for its next time. Says whose lane it is, where it was under way.
    pub(crate) fn came_back(&mut self, id: SafId) -> Option<Lane> {
        let UnderWay { lane, rank, .. } = self.under_way.remove(&id)?;
        let due = self.tries.get(&id)?.due;
        self.later.insert((due, rank, id, lane));
        Some(lane)
    }
    /// What is under way over a connection.
    pub(crate) fn under_way_over(&self, generation: u32) -> Vec<SafId> {
        let over = self.under_way.iter().filter(|(_, entry)| entry.waits.generation == generation);
        over.map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{CardHash, LinkIndex, ReversalReason, Stan, TransactionId, UpstreamRef};

    const BACKOFF: Backoff = Backoff { first_ms: 2_000, most_ms: 60_000 };

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000)
    }
    fn entry(number: u64, kind: SafKind) -> SafEntry {
        let stan = Stan::try_from(number % 999_000 + 1).unwrap();
        let upstream = UpstreamRef { link: LinkIndex(0), stan, transmitted_at: at(0), mti: 420 };
        let (id, transaction) = (SafId(number), TransactionId(number));
        SafEntry { id, kind, transaction, upstream, reason: ReversalReason::NoAnswer }
    }
    fn lane(number: u64) -> Lane {
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        Lane::of(&entry(number, SafKind::Reversal), Some(CardHash(hash)))
    }
    fn line(count: u64, kind: SafKind) -> SafLine {
        let mut line = SafLine::default();
        (0..count).for_each(|number| line.follow(lane(number), Some(&entry(number, kind))));
        line
    }
    fn waits(generation: u32, until: u64) -> Waits {
        Waits { generation, until: at(until) }
    }
    /// Sends whatever may go.
    fn send(line: &mut SafLine, now: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some(id) = line.pick(at(now)) {
            line.sent(id, lane(id.0), at(now), waits(1, now + 10_000), BACKOFF);
            sent.push(id.0);
        }
        sent
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..9).map(|count| BACKOFF.after(count) / 1_000).collect();
        assert_eq!(waits, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        assert_eq!(BACKOFF.after(u32::MAX), 60_000_000);
        assert_eq!(
            Backoff { first_ms: 5_000, most_ms: 1 }.after(9),
            5_000_000,
            "the first wait is the least"
        );
    }

    #[test]
    fn what_a_host_does_not_answer_takes_half_of_the_window_and_no_more() {
        let mut line = line(20, SafKind::Reversal);
        assert_eq!(send(&mut line, 0), (0..8).collect::<Vec<_>>(), "a window");
        (0..8).for_each(|number| assert!(line.came_back(SafId(number)).is_some()));
        // Those that failed are due again and four of them may go; the others are new.
        assert_eq!(send(&mut line, 2_000), [0, 1, 2, 3, 8, 9, 10, 11]);
        // A fresh reversal goes before an advice that was sent before.
        let mut line = SafLine::default();
        line.follow(lane(0), Some(&entry(0, SafKind::Advice)));
        assert_eq!(send(&mut line, 0), [0]);
        line.came_back(SafId(0));
        line.follow(lane(1), Some(&entry(1, SafKind::Reversal)));
        line.follow(lane(2), Some(&entry(2, SafKind::Advice)));
        assert_eq!(send(&mut line, 5_000), [1, 0, 2]);
    }

    #[test]
    fn a_tick_looks_at_no_more_entries_than_it_sends() {
        const QUEUED: u64 = 100_000;
        const TICKS: u64 = 1_000;
        let mut line = line(QUEUED, SafKind::Advice);
        // Every one of them fails once, so that all of them back off.
        let mut now = 0;
        while !line.fresh.is_empty() {
            send(&mut line, now);
            line.under_way_over(1).into_iter().for_each(|id| assert!(line.came_back(id).is_some()));
            now += 1;
        }
        assert_eq!(line.later.len(), QUEUED as usize);
        // All are due, and nobody answers.
        let from = now + 120_000;
        line.looked = 0;
        for tick in 0..TICKS {
            assert_eq!(line.overdue(at(from + tick)), None);
            let sent = send(&mut line, from + tick).len();
            assert!(sent <= SAF_WINDOW);
        }
        let most = TICKS * 2 * (SAF_WINDOW as u64 + 1) + (SAF_WINDOW as u64 + 2) * SAF_WINDOW as u64;
        assert!(line.looked <= most, "{} looks in {TICKS} ticks", line.looked);
    }

    #[test]
    fn a_connection_that_ends_gives_back_what_went_over_it() {
        let mut line = line(3, SafKind::Reversal);
        for (number, generation) in [(0, 1), (1, 2), (2, 1)] {
            line.sent(SafId(number), lane(number), at(0), waits(generation, 10_000), BACKOFF);
        }
        assert_eq!(line.under_way_over(1), [SafId(0), SafId(2)]);
        assert_eq!((line.under_way_over(2), line.under_way_over(3)), (vec![SafId(1)], vec![]));
    }

    #[test]
    fn what_came_back_to_its_place_goes_before_what_had_passed_it() {
        let (first, second) = (entry(0, SafKind::Reversal), entry(1, SafKind::Reversal));
        let place = lane(0);
        let mut line = SafLine::default();
        line.follow(place, Some(&first));
        line.forget(first.id, place);
        line.follow(place, Some(&second));
        // Revived: the one behind it steps back.
        line.remember(first.id, 0, at(0));
        line.follow(place, Some(&first));
        assert_eq!(line.pick(at(0)), Some(first.id));
        line.sent(first.id, place, at(0), waits(1, 10_000), BACKOFF);
        line.follow(place, Some(&second));
        assert_eq!(line.pick(at(0)), None, "one of a card at a time");
        line.forget(first.id, place);
        line.follow(place, Some(&second));
        assert_eq!(line.pick(at(0)), Some(second.id));
    }
}
