//! How those who follow the log hear that more of it is durable: one number, and a thread to wake.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

/// The number of the last durable record, and whoever waits for it to grow.
///
/// Nothing else is ever queued for a follower: it reads the log itself, so it takes no memory when it falls behind,
/// and loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    durable: AtomicU64,
    waiting: AtomicBool,
    poked: AtomicBool,
    stop: AtomicBool,
    follower: OnceLock<Thread>,
}

impl Signal {
    pub(crate) fn new(durable: u64) -> Self {
        Self { durable: AtomicU64::new(durable), ..Self::default() }
    }

    /// Every record below `next_seq` is durable. A few nanoseconds while the follower is at work.
    pub(crate) fn advance(&self, next_seq: u64) {
        self.durable.fetch_max(next_seq, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.follower.get() {
            thread.unpark();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Has the follower look again although nothing more is durable.
    pub(crate) fn poke(&self) {
        self.poked.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if self.waiting.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.follower.get()
        {
            thread.unpark();
        }
    }

    /// Waits, on the follower's thread, until more than `reached` is durable or somebody pokes it; `false` when it
    /// is to stop.
    pub(crate) fn wait(&self, reached: u64) -> bool {
        let _ = self.follower.set(std::thread::current());
        loop {
            self.waiting.store(true, Ordering::SeqCst);
            if self.is_stopped() {
                return false;
            }
            if self.poked.swap(false, Ordering::SeqCst) || self.durable() > reached {
                break;
            }
            std::thread::park();
        }
        self.waiting.store(false, Ordering::SeqCst);
        !self.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_follower_wakes_for_more_and_for_the_end() {
        let signal = Arc::new(Signal::new(3));
        let thread = std::thread::spawn({
            let signal = Arc::clone(&signal);
            move || {
                let mut seen = vec![];
                while signal.wait(seen.last().copied().unwrap_or(0)) {
                    seen.push(signal.durable());
                }
                seen
            }
        });
        for number in 4..2_000 {
            signal.advance(number);
        }
        signal.advance(17);
        while !signal.waiting.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        signal.stop();
        let seen = thread.join().unwrap();
        assert_eq!(seen.last(), Some(&1_999));
        assert!(seen.is_sorted());
    }
}
