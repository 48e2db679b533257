//! Terminals' connections: who is connected, and the way of an answer to its connection.

mod accept;
mod answer;
mod complaints;
mod intake;
mod slab;
mod socket;
mod tongue;

pub(crate) use accept::accept;
pub(crate) use tongue::Tongue;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use switchyard_core::Reply;
use tokio::sync::Notify;

use complaints::{Complaints, Verdict};

use crate::config::Terminals;
use crate::metrics::Closed;
use crate::shared::Shared;

/// Answers on their way to one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    replies: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    replies: Vec<(u64, Reply)>,
    /// Somebody is going to wake the connection already.
    to_be_woken: bool,
}

impl Outbox {
    /// Puts in an answer; true when the caller has to [`wake`](Self::wake) once it put in everything it has.
    pub(crate) fn put(&self, ticket: u64, reply: Reply) -> bool {
        let mut waiting = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.replies.push((ticket, reply));
        !std::mem::replace(&mut waiting.to_be_woken, true)
    }

    /// Tells the connection that there is something.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Takes everything into `replies`, which must be empty.
    fn take(&self, replies: &mut Vec<(u64, Reply)>) {
        let mut waiting = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.replies, replies);
        waiting.to_be_woken = false;
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).replies.len()
    }

    async fn filled(&self) {
        self.notify.notified().await;
    }
}

/// Numbers of connections are given by counting: they need no protection against collisions.
#[derive(Debug, Default)]
pub(crate) struct CountHasher(u64);
impl Hasher for CountHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, value: u64) {
        // The map takes the top bits too: an odd constant spreads the count over all of them.
        self.0 = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

pub(crate) type Outboxes = HashMap<u64, Arc<Outbox>, BuildHasherDefault<CountHasher>>;

/// Every open connection.
#[derive(Debug)]
pub(crate) struct Connections {
    outboxes: RwLock<Outboxes>,
    next: AtomicU64,
    per_ip: Mutex<HashMap<IpAddr, u32>>,
    complaints: Mutex<Complaints>,
    open_max: u32,
    per_ip_max: u32,
}

/// A place among the connections; free again when dropped.
struct Place {
    shared: Arc<Shared>,
    number: u64,
    ip: IpAddr,
    outbox: Arc<Outbox>,
}

impl Connections {
    pub(crate) fn new(limits: &Terminals) -> Self {
        Self {
            outboxes: RwLock::default(),
            next: AtomicU64::new(1),
            per_ip: Mutex::default(),
            complaints: Mutex::default(),
            open_max: limits.connections_max,
            per_ip_max: limits.connections_per_ip_max,
        }
    }

    /// Outboxes by the number of their connection, for as long as a release takes.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Outboxes> {
        self.outboxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the log of a connection that ended badly, or keeps it for a summary.
    fn complain(&self, peer: SocketAddr, reason: Closed) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = complaints.note(peer.ip(), Instant::now(), |address, count| match address {
            Some(address) => tracing::warn!(%address, count, "more connections from there ended badly"),
            None => tracing::warn!(count, "more connections from many addresses ended badly"),
        });
        if verdict == Verdict::Tell {
            tracing::warn!(%peer, reason = reason.label(), "connection closed; more from there are summed up");
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.read().len()
    }

    /// A connection without a socket.
    #[cfg(test)]
    pub(crate) fn insert_for_test(&self, number: u64) -> Arc<Outbox> {
        let outbox = Arc::<Outbox>::default();
        self.outboxes.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&outbox));
        outbox
    }

    /// Takes a place; nothing when there are too many connections, or too many from where this one comes.
    fn enter(shared: &Arc<Shared>, ip: IpAddr) -> Option<Place> {
        let (this, ip) = (&shared.connections, counted_as(ip));
        let mut per_ip = this.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outboxes = this.outboxes.write().unwrap_or_else(PoisonError::into_inner);
        let from_here = per_ip.entry(ip).or_default();
        if outboxes.len() >= this.open_max as usize || *from_here >= this.per_ip_max {
            if *from_here == 0 {
                per_ip.remove(&ip);
            }
            return None;
        }
        *from_here += 1;
        let number = this.next.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::<Outbox>::default();
        outboxes.insert(number, Arc::clone(&outbox));
        shared.metrics.connections_open.set(outboxes.len() as f64);
        Some(Place { shared: Arc::clone(shared), number, ip, outbox })
    }
}

/// The address that a connection counts for. Of IPv6 it is the network of 64 bits: one machine may have all of its addresses.
fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let this = &self.shared.connections;
        let mut per_ip = this.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                per_ip.remove(&self.ip);
            }
        }
        drop(per_ip);
        let mut outboxes = this.outboxes.write().unwrap_or_else(PoisonError::into_inner);
        outboxes.remove(&self.number);
        self.shared.metrics.connections_open.set(outboxes.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_counts_as_one_address_whatever_it_calls_itself() {
        for (from, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::1", "::"),
        ] {
            let ip = |text: &str| text.parse::<IpAddr>().unwrap();
            assert_eq!(counted_as(ip(from)), ip(counted), "{from}");
        }
    }
}
