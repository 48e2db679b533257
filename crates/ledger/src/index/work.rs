//! What waits for the thread that writes sealed indexes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::hot::HotSegment;
use super::limits::HOT_WAITING_MAX;
use crate::SegmentNumber;

/// One index to be made.
#[derive(Debug)]
pub(crate) enum Job {
    /// Of a segment that memory holds.
    Seal(Arc<HotSegment>),
    /// Of a segment that has to be read.
    Rebuild(SegmentNumber),
}

/// Segments to be indexed; those that take up memory come first.
#[derive(Debug, Default)]
pub(crate) struct Work {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    hot: VecDeque<Arc<HotSegment>>,
    /// Segments in memory that are being written or wait for it.
    held: usize,
    rebuild: VecDeque<SegmentNumber>,
    closed: bool,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a segment over; waits while [`HOT_WAITING_MAX`] of them are in memory.
    pub(crate) fn seal(&self, segment: Arc<HotSegment>) {
        let mut queue = self.lock();
        while queue.held >= HOT_WAITING_MAX && !queue.closed {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.held += 1;
        queue.hot.push_back(segment);
        self.changed.notify_all();
    }

    /// Asks for a segment to be read and indexed; asking twice changes nothing.
    pub(crate) fn rebuild(&self, segment: SegmentNumber) {
        let mut queue = self.lock();
        if !queue.rebuild.contains(&segment) {
            queue.rebuild.push_back(segment);
            self.changed.notify_all();
        }
    }

    /// The next job; `None` once there is an end to it.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = pick(&mut queue) {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next job, if there is one now.
    pub(crate) fn try_next(&self) -> Option<Job> {
        pick(&mut self.lock())
    }

    /// A segment that memory held is done with.
    pub(crate) fn done(&self) {
        self.lock().held -= 1;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

fn pick(queue: &mut Queue) -> Option<Job> {
    let hot = queue.hot.pop_front().map(Job::Seal);
    hot.or_else(|| queue.rebuild.pop_front().map(Job::Rebuild))
}
