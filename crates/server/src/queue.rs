//! The way into the core: inputs are handed over in batches, and there is an end to it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use switchyard_core::{Body, Input, Request};
use tokio::sync::Notify;

/// Inputs on their way to the core.
///
/// Only terminals' requests are limited: results and commands are bounded by what asked for them, and what comes over a
/// link by the link (`links::backlog`).
#[derive(Debug)]
pub(crate) struct CoreQueue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    room: Notify,
    requests_max: usize,
    reserved_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    inputs: Vec<Input>,
    requests: usize,
    /// How often what waited was taken.
    takes: u64,
    closed: bool,
    core_sleeps: bool,
}

/// What became of an offer that did not fit whole.
#[derive(Debug, Default)]
pub(crate) struct NotTaken {
    /// To be answered 96.
    pub(crate) shed: Vec<Box<Request>>,
    /// To be offered again when there is room: these are never refused.
    pub(crate) held: Vec<Box<Request>>,
}

impl CoreQueue {
    pub(crate) fn new(requests_max: usize, reserved_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            room: Notify::new(),
            requests_max,
            reserved_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over terminals' requests, in order. Those beyond the limit are left in `not_taken`.
    pub(crate) fn offer(&self, requests: &mut Vec<Box<Request>>, not_taken: &mut NotTaken) {
        let mut waiting = self.lock();
        for request in requests.drain(..) {
            let reserved = is_reserved(&request.body);
            let limit = self.requests_max + if reserved { self.reserved_max } else { 0 };
            if waiting.requests < limit && !waiting.closed {
                waiting.requests += 1;
                waiting.inputs.push(Input::Request(request));
            } else if reserved {
                not_taken.held.push(request);
            } else {
                not_taken.shed.push(request);
            }
        }
        self.wake(waiting);
    }

    /// Hands over anything else; refused, by false, only when the queue is closed.
    pub(crate) fn push(&self, inputs: impl IntoIterator<Item = Input>) -> bool {
        self.push_marked(inputs).is_some()
    }

    /// As [`push`](Self::push); says how often what waited had been taken before. See [`taken_since`](Self::taken_since).
    pub(crate) fn push_marked(&self, inputs: impl IntoIterator<Item = Input>) -> Option<u64> {
        let mut waiting = self.lock();
        if waiting.closed {
            return None;
        }
        waiting.inputs.extend(inputs);
        let takes = waiting.takes;
        self.wake(waiting);
        Some(takes)
    }

    /// How often what waited was taken; nothing of a closed queue, which keeps nobody waiting.
    pub(crate) fn takes(&self) -> Option<u64> {
        let waiting = self.lock();
        (!waiting.closed).then_some(waiting.takes)
    }

    /// Resolves when what waited at that mark was taken.
    pub(crate) async fn taken_since(&self, takes: u64) {
        loop {
            // Before the look: it hears of what is taken from here on.
            let taken = self.room.notified();
            if self.takes() != Some(takes) {
                return;
            }
            taken.await;
        }
    }

    fn wake(&self, waiting: MutexGuard<'_, Waiting>) {
        let wake = waiting.core_sleeps && !waiting.inputs.is_empty();
        drop(waiting);
        if wake {
            self.work.notify_one();
        }
    }

    /// Takes everything that waits into `inputs`, which must be empty; waits until `deadline` for the first.
    /// False when the queue is closed and empty.
    pub(crate) fn take(&self, inputs: &mut Vec<Input>, deadline: Instant) -> bool {
        let mut waiting = self.lock();
        while waiting.inputs.is_empty() && !waiting.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            waiting.core_sleeps = true;
            let woken = self.work.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
            waiting.core_sleeps = false;
        }
        std::mem::swap(&mut waiting.inputs, inputs);
        waiting.requests = 0;
        waiting.takes += 1;
        let open = !waiting.closed;
        drop(waiting);
        self.room.notify_waiters();
        open || !inputs.is_empty()
    }

    /// How many inputs wait.
    pub(crate) fn depth(&self) -> usize {
        self.lock().inputs.len()
    }

    /// Resolves when the core took what waited.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }

    /// Nothing more is taken; what waits is still worked on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_waiters();
    }
}

/// Sorts requests that the core must not see now: the ledger could not keep what they lead to.
pub(crate) fn refuse_all(requests: &mut Vec<Box<Request>>, not_taken: &mut NotTaken) {
    for request in requests.drain(..) {
        if is_reserved(&request.body) {
            not_taken.held.push(request);
        } else {
            not_taken.shed.push(request);
        }
    }
}

/// What is never answered 96: a terminal that cannot get rid of a reversal or of what it approved by itself cannot sell,
/// and a batch that is being closed must come to its end.
fn is_reserved(body: &Body) -> bool {
    match body {
        Body::Reversal(_) | Body::BatchTotals { .. } | Body::BatchUpload { .. } | Body::ScriptResult(_) => {
            true
        }
        Body::Financial(financial) => financial.kind.is_advice(),
        Body::SignOn { .. }
        | Body::SignOff { .. }
        | Body::Echo
        | Body::Status { .. }
        | Body::Download { .. }
        | Body::MasterKey(_)
        | Body::Unsupported { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_core::{MacCheck, Origin};
    use switchyard_domain::{BatchNumber, BatchTotals, Stan};

    fn request(ticket: u64, reserved: bool) -> Box<Request> {
        let totals = BatchTotals::default();
        let stan = Stan::try_from(1).unwrap();
        Box::new(Request {
            origin: Origin { connection: 1, ticket },
            terminal: "T1".parse().unwrap(),
            merchant: "M1".parse().unwrap(),
            mac: MacCheck::NotRequired,
            body: if reserved {
                Body::BatchTotals { stan, batch: BatchNumber::FIRST, totals, closes: false, moment: 0 }
            } else {
                Body::Echo
            },
        })
    }

    #[test]
    fn beyond_the_limit_requests_are_shed_and_reserved_ones_held() {
        let queue = CoreQueue::new(2, 1);
        let mut not_taken = NotTaken::default();
        let mut offer =
            vec![request(1, false), request(2, true), request(3, false), request(4, true), request(5, true)];
        queue.offer(&mut offer, &mut not_taken);
        let tickets =
            |requests: &[Box<Request>]| requests.iter().map(|r| r.origin.ticket).collect::<Vec<_>>();
        assert_eq!((tickets(&not_taken.shed), tickets(&not_taken.held)), (vec![3], vec![5]));
        queue.push([Input::Tick]);
        let mut inputs = Vec::new();
        assert!(queue.take(&mut inputs, Instant::now()));
        assert_eq!(inputs.len(), 4);
        inputs.clear();
        queue.offer(&mut not_taken.held, &mut NotTaken::default());
        queue.close();
        assert!(queue.take(&mut inputs, Instant::now()));
        inputs.clear();
        assert!(!queue.push([Input::Tick]));
        assert!(!queue.take(&mut inputs, Instant::now() + Duration::from_secs(60)));
    }
}
