//! Links to issuers: one task each, which connects, sends, and hands answers to the core.

mod address;
mod backlog;
mod door;
mod outgoing;
mod session;
mod settings;
mod task;

pub use address::{LinkAddress, LinkAddressError};
pub use settings::{LinkSettingError, check_link_change};

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use switchyard_core::{KeyArrival, Stray, Upstream};
use switchyard_domain::{Link, LinkIndex, LinkSettings, ResponseCode};
use tokio::sync::{Notify, watch};

use crate::metrics::LinkMetrics;
use crate::shared::{Phase, Shared, reached, vital};

use self::settings::InForce;

/// Messages on their way to a link's task.
#[derive(Debug)]
pub(crate) struct LinkQueue {
    metrics: Arc<LinkMetrics>,
    waiting: Mutex<VecDeque<(u32, Box<Upstream>)>>,
    notify: Notify,
    messages_max: usize,
    /// Whether the link is to have a connection at all: an operator may want it down.
    wanted: watch::Sender<bool>,
    in_force: InForce,
}

/// Every link.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    queues: RwLock<Vec<Arc<LinkQueue>>>,
}

impl LinkQueue {
    fn take(&self, messages: &mut VecDeque<(u32, Box<Upstream>)>) {
        messages.append(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    }
    fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }
    /// Resolves when an operator wants the link up, or down.
    async fn until_wanted(&self, wanted: bool) {
        // The sender is this queue's own: the wait does not end in an error.
        let _ = self.wanted.subscribe().wait_for(|now| *now == wanted).await;
    }
    /// Resolves when the connection has to go: an operator wants none, or another than `known` says.
    async fn until_let_go(&self, known: &LinkSettings) {
        tokio::select! {
            () = self.until_wanted(false) => {}
            () = self.in_force.until_other(known) => {}
        }
    }
    async fn filled(&self) {
        self.notify.notified().await;
    }
}

impl LinkTable {
    /// Hands a message to its link; it comes back when the link does not exist or has too many waiting.
    pub(crate) fn send(
        &self,
        link: LinkIndex,
        generation: u32,
        message: Box<Upstream>,
    ) -> Result<(), Box<Upstream>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queues.get(usize::from(link.0)) else { return Err(message) };
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= queue.messages_max {
            return Err(message);
        }
        waiting.push_back((generation, message));
        drop(waiting);
        queue.notify.notify_one();
        Ok(())
    }

    /// Lets a link connect, or go without a connection.
    pub(crate) fn want(&self, link: LinkIndex, wanted: bool) {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(usize::from(link.0)) {
            queue.wanted.send_replace(wanted);
        }
    }

    /// Reaches or speaks to a link's host in another way from now on. What waits for the link is not touched.
    pub(crate) fn change(&self, link: LinkIndex, settings: LinkSettings) {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(usize::from(link.0)) {
            queue.in_force.change(settings);
        }
    }

    /// Notes how many messages wait for each link.
    pub(crate) fn measure(&self) {
        for queue in self.queues.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
            queue.metrics.queue.set(waiting as u64);
        }
    }

    /// Counts an answer that led to nothing.
    pub(crate) fn stray(&self, link: LinkIndex, why: Stray) {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(usize::from(link.0)) {
            queue.metrics.strayed(why);
        }
    }

    /// Shows whether a link's host has taken the sign-on, and whether the link rests.
    pub(crate) fn show(&self, link: LinkIndex, signed_on: bool, resting: bool) {
        if let Some(metrics) = self.metrics_of(link) {
            metrics.signed_on.store(signed_on, Ordering::Relaxed);
            if metrics.resting.swap(resting, Ordering::Relaxed) != resting {
                tracing::warn!(link = %metrics.name, resting, "a link that is not answered on rests, or rests no more");
            }
        }
    }

    /// Tells and counts a sign-on that a host did not take.
    pub(crate) fn sign_on_refused(&self, link: LinkIndex, code: ResponseCode) {
        if let Some(metrics) = self.metrics_of(link) {
            tracing::warn!(link = %metrics.name, %code, "the host refuses the sign-on: its cards hear 91");
            metrics.sign_on_refused(code);
        }
    }

    /// Tells and counts a key that came over a link, or did not.
    pub(crate) fn key_arrived(&self, link: LinkIndex, what: KeyArrival) {
        let Some(metrics) = self.metrics_of(link) else { return };
        let link = &metrics.name;
        // The host may say so as often as it likes.
        let line = || metrics.key_lines.note(Instant::now());
        match what {
            KeyArrival::Taken => tracing::info!(%link, "another PIN key of the link is in force"),
            KeyArrival::Repeated => {
                if let Some(untold) = line() {
                    tracing::info!(%link, untold, "the host sent its PIN key once more");
                }
            }
            KeyArrival::Refused(fault) => {
                if let Some(untold) = line() {
                    tracing::warn!(%link, error = %fault, untold, "no other PIN key: the one before stays in force");
                }
            }
        }
        metrics.key_arrived(what);
    }

    fn metrics_of(&self, link: LinkIndex) -> Option<Arc<LinkMetrics>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.get(usize::from(link.0)).map(|queue| Arc::clone(&queue.metrics))
    }

    /// Whether a link has a connection.
    pub(crate) fn any_up(&self) -> bool {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().any(|queue| queue.metrics.up.load(Ordering::Relaxed))
    }

    /// Names of the links and whether they have a connection.
    pub(crate) fn status(&self) -> Vec<(String, bool)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues
            .iter()
            .map(|queue| (queue.metrics.name.clone(), queue.metrics.up.load(Ordering::Relaxed)))
            .collect()
    }
}

/// A link is registered: its key is in force and its task starts, which connects when the link is `wanted`. Links come
/// in the order of their indices.
pub(crate) fn start(
    shared: &Arc<Shared>,
    runtime: &tokio::runtime::Handle,
    index: LinkIndex,
    link: Link,
    credit_max: Option<u32>,
    wanted: bool,
) {
    shared.keys.use_zone(index, &link.pin_key);
    let Link { name, address, dialect, framing, answer_timeout_ms, pin_key: _ } = link;
    let settings = LinkSettings { address, dialect, framing, answer_timeout_ms, credit_max };
    let queue = Arc::new(LinkQueue {
        metrics: shared.metrics.link(&name),
        waiting: Mutex::default(),
        notify: Notify::new(),
        messages_max: shared.config.links.queue_messages_max as usize,
        wanted: watch::channel(wanted).0,
        in_force: InForce::new(settings),
    });
    let mut queues = shared.links.queues.write().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(queues.len(), usize::from(index.0), "links are registered in order");
    queues.push(Arc::clone(&queue));
    drop(queues);
    let stop = reached(shared.phase.subscribe(), Phase::Stopping);
    let task = task::LinkTask::new(Arc::clone(shared), index, name, queue).run(stop);
    runtime.spawn(vital(Arc::clone(shared), "link", task));
}
