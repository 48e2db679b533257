//! Links to issuers: a task for each, and one for each of its connections, which sends and hands answers to the core.

mod address;
mod backlog;
mod door;
mod outgoing;
mod queue;
mod session;
mod settings;
mod task;

pub use address::{LinkAddress, LinkAddressError};
pub use settings::{LinkSettingError, check_link_change};

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use switchyard_core::{KeyArrival, Stray, Upstream};
use switchyard_domain::{Link, LinkIndex, LinkSettings, ResponseCode};
use tokio::sync::watch;

use crate::metrics::LinkMetrics;
use crate::shared::{Shared, vital};

use self::queue::LinkQueue;
use self::settings::InForce;
use self::task::LinkTask;

/// One link, as its tasks and those who want something of it share it.
#[derive(Debug)]
pub(crate) struct LinkHandle {
    metrics: Arc<LinkMetrics>,
    queue: LinkQueue,
    /// Whether the link is to have connections at all: an operator may want it down.
    wanted: watch::Sender<bool>,
    in_force: InForce,
}

/// Every link.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    links: RwLock<Vec<Arc<LinkHandle>>>,
}

impl LinkHandle {
    fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }
    /// Resolves when an operator wants the link up, or down.
    async fn until_wanted(&self, wanted: bool) {
        // The sender is this link's own: the wait does not end in an error.
        let _ = self.wanted.subscribe().wait_for(|now| *now == wanted).await;
    }
}

impl LinkTable {
    fn links(&self) -> RwLockReadGuard<'_, Vec<Arc<LinkHandle>>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a message to a connection of its link; it comes back when that is gone or too many wait.
    pub(crate) fn send(
        &self,
        link: LinkIndex,
        generation: u32,
        message: Box<Upstream>,
    ) -> Result<(), Box<Upstream>> {
        let links = self.links();
        let Some(link) = links.get(usize::from(link.0)) else { return Err(message) };
        let put = link.queue.put(generation, message);
        if let Err(message) = &put
            && matches!(**message, Upstream::Request(_))
        {
            link.metrics.unsent.increment(1);
        }
        put
    }

    /// Lets a link connect, or go without a connection.
    pub(crate) fn want(&self, link: LinkIndex, wanted: bool) {
        if let Some(link) = self.links().get(usize::from(link.0)) {
            link.wanted.send_replace(wanted);
        }
    }

    /// Reaches or speaks to a link's host in another way from now on. What waits for the link is not touched.
    pub(crate) fn change(&self, link: LinkIndex, settings: LinkSettings) {
        if let Some(link) = self.links().get(usize::from(link.0)) {
            link.in_force.change(settings);
        }
    }

    /// Notes how many messages wait for each link.
    pub(crate) fn measure(&self) {
        for link in self.links().iter() {
            link.metrics.queue.set(link.queue.waiting() as u64);
        }
    }

    /// Counts an answer that led to nothing.
    pub(crate) fn stray(&self, link: LinkIndex, why: Stray) {
        if let Some(link) = self.links().get(usize::from(link.0)) {
            link.metrics.strayed(why);
        }
    }

    /// Shows on how many connections a link's host has taken the sign-on, and whether the link rests.
    pub(crate) fn show(&self, link: LinkIndex, signed_on: u16, resting: bool) {
        if let Some(metrics) = self.metrics_of(link) {
            metrics.signed_on.set(u64::from(signed_on));
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
        self.links().get(usize::from(link.0)).map(|link| Arc::clone(&link.metrics))
    }

    /// Whether a link has a connection.
    pub(crate) fn any_up(&self) -> bool {
        self.links().iter().any(|link| link.metrics.is_up())
    }

    /// Names of the links and whether they have a connection.
    pub(crate) fn status(&self) -> Vec<(String, bool)> {
        self.links().iter().map(|link| (link.metrics.name.clone(), link.metrics.is_up())).collect()
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
    let Link { name, address, dialect, framing, answer_timeout_ms, connections, pin_key: _ } = link;
    let settings = LinkSettings { address, dialect, framing, answer_timeout_ms, connections, credit_max };
    let handle = Arc::new(LinkHandle {
        metrics: shared.metrics.link(&name),
        queue: LinkQueue::new(shared.config.links.queue_messages_max as usize),
        wanted: watch::channel(wanted).0,
        in_force: InForce::new(settings),
    });
    let mut links = shared.links.links.write().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(links.len(), usize::from(index.0), "links are registered in order");
    links.push(Arc::clone(&handle));
    drop(links);
    let task = LinkTask { shared: Arc::clone(shared), index, name, handle };
    runtime.spawn(vital(Arc::clone(shared), "link", Arc::new(task).run()));
}
