//! What is on its way to a link's host: messages, each meant for one connection, and the credit that all connections share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchyard_core::Upstream;
use tokio::sync::Notify;

/// Messages on their way to the connections of a link.
#[derive(Debug)]
pub(super) struct LinkQueue {
    /// The connections that stand.
    lines: Mutex<Vec<Line>>,
    /// The number of the last connection.
    generations: AtomicU32,
    /// Most messages that may wait for all of them.
    messages_max: usize,
    pub(super) credit: Credit,
}

/// A connection that stands.
#[derive(Debug)]
struct Line {
    generation: u32,
    waiting: VecDeque<Box<Upstream>>,
    filled: Arc<Notify>,
}

impl LinkQueue {
    pub(super) fn new(messages_max: usize) -> Self {
        let credit = Credit::default();
        Self { lines: Mutex::default(), generations: AtomicU32::new(0), messages_max, credit }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection stands: its number, which no connection before it had, and what says that something waits for it.
    pub(super) fn join(&self) -> (u32, Arc<Notify>) {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let filled = Arc::new(Notify::new());
        self.lines().push(Line { generation, waiting: VecDeque::new(), filled: Arc::clone(&filled) });
        (generation, filled)
    }

    /// A connection is gone: what waited for it comes back, and nothing is taken for it any more.
    pub(super) fn leave(&self, generation: u32, messages: &mut VecDeque<Box<Upstream>>) {
        let mut lines = self.lines();
        if let Some(place) = lines.iter().position(|line| line.generation == generation) {
            messages.append(&mut lines.remove(place).waiting);
        }
    }

    /// Hands a message over; it comes back when its connection is gone or too many wait.
    pub(super) fn put(&self, generation: u32, message: Box<Upstream>) -> Result<(), Box<Upstream>> {
        let mut lines = self.lines();
        if waiting(&lines) >= self.messages_max {
            return Err(message);
        }
        let Some(line) = lines.iter_mut().find(|line| line.generation == generation) else {
            return Err(message);
        };
        line.waiting.push_back(message);
        let filled = Arc::clone(&line.filled);
        drop(lines);
        filled.notify_one();
        Ok(())
    }

    /// Takes what waits for a connection.
    pub(super) fn take(&self, generation: u32, messages: &mut VecDeque<Box<Upstream>>) {
        if let Some(line) = self.lines().iter_mut().find(|line| line.generation == generation) {
            messages.append(&mut line.waiting);
        }
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        waiting(&self.lines())
    }
}

fn waiting(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.waiting.len()).sum()
}

/// How many requests a host may still be sent before it answers one, over whichever connection.
#[derive(Debug, Default)]
pub(super) struct Credit {
    unanswered: AtomicUsize,
    given_back: Notify,
}

impl Credit {
    /// Takes one, if not `max` are taken already.
    pub(super) fn take(&self, max: usize) -> bool {
        let more = |taken| (taken < max).then_some(taken + 1);
        self.unanswered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives some back, and lets a connection that waits for one try again.
    pub(super) fn give_back(&self, count: usize) {
        if count > 0 {
            self.unanswered.fetch_sub(count, Ordering::Relaxed);
            self.given_back.notify_one();
        }
    }

    /// Resolves when some was given back: perhaps to another connection.
    pub(super) async fn given_back(&self) {
        self.given_back.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{Stan, Timestamp};

    fn message(number: u64) -> Box<Upstream> {
        let stan = Stan::try_from(number).unwrap();
        Box::new(Upstream::Network { stan, at: Timestamp(0), code: 301 })
    }
    fn numbers(messages: &VecDeque<Box<Upstream>>) -> Vec<u32> {
        let number = |message: &Upstream| match message {
            Upstream::Network { stan, .. } => stan.get(),
            other => panic!("{other:?}"),
        };
        messages.iter().map(|message| number(message)).collect()
    }

    #[test]
    fn a_message_is_for_its_connection_and_there_is_an_end_to_what_waits() {
        let queue = LinkQueue::new(3);
        assert!(queue.put(1, message(1)).is_err(), "there is none yet");
        let ((first, _), (second, _)) = (queue.join(), queue.join());
        assert_eq!((first, second), (1, 2));
        for (generation, number) in [(first, 1), (second, 2), (first, 3)] {
            assert!(queue.put(generation, message(number)).is_ok());
        }
        assert!(queue.put(second, message(4)).is_err(), "one end for all of them");
        let mut taken = VecDeque::new();
        queue.take(second, &mut taken);
        assert_eq!((numbers(&taken), queue.waiting()), (vec![2], 2));
        queue.leave(first, &mut taken);
        assert_eq!((numbers(&taken), queue.waiting()), (vec![2, 1, 3], 0));
        assert!(queue.put(first, message(5)).is_err(), "it is gone");
        assert_eq!(queue.join().0, 3, "no number comes twice");
    }

    #[tokio::test]
    async fn credit_is_of_the_link_and_who_waits_for_it_is_told() {
        let credit = Credit::default();
        assert_eq!([(); 3].map(|()| credit.take(2)), [true, true, false]);
        credit.give_back(0);
        assert!(!credit.take(2));
        // Given back before anybody waits: it is not forgotten.
        credit.give_back(2);
        credit.given_back().await;
        assert!(credit.take(1) && !credit.take(1), "a smaller limit counts at once");
    }
}
