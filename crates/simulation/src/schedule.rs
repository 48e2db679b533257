//! What is going to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds since the simulation began. It only goes forward; the wall clocks that parties read may jump.
pub(crate) type Micros = u64;

/// Milliseconds as [`Micros`].
pub(crate) const fn millis(count: u64) -> Micros {
    count * 1_000
}

/// Seconds as [`Micros`].
pub(crate) const fn seconds(count: u64) -> Micros {
    count * 1_000_000
}

/// Events by time, and among those of one time by the order in which they were planned: nothing is left to chance.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    now: Micros,
    planned: u64,
    heap: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: Micros,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self { now: 0, planned: 0, heap: BinaryHeap::new() }
    }
    pub(crate) fn now(&self) -> Micros {
        self.now
    }
    /// Plans an event `delay` from now.
    pub(crate) fn after(&mut self, delay: Micros, event: E) {
        self.planned += 1;
        let (at, number) = (self.now.saturating_add(delay), self.planned);
        self.heap.push(Reverse(Entry { at, number, event }));
    }
    /// The next event; its time is now.
    pub(crate) fn next(&mut self) -> Option<E> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }
    /// Events that are planned.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_planned() {
        let mut schedule = Schedule::new();
        for (delay, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            schedule.after(delay, event);
        }
        let order: String = std::iter::from_fn(|| schedule.next()).collect();
        assert_eq!((order.as_str(), schedule.now(), schedule.len()), ("abcd", 5, 0));
    }
}
