//! Requests that wait for their answers, kept by their connection.

use std::sync::Arc;
use std::time::Instant;

use switchyard_domain::Pan;
use switchyard_wire::Envelope;

use crate::keystore::{TerminalKeys, wipe};
use crate::keytable::TerminalEntry;

/// What an answer needs of its request.
#[derive(Debug)]
pub(super) struct Retained {
    /// The message from its MTI on.
    pub(super) body: Body,
    /// TPDU and header.
    pub(super) envelope: Envelope,
    /// The terminal, where it is registered.
    pub(super) terminal: Option<Arc<TerminalEntry>>,
    /// Whether the answer carries a MAC.
    pub(super) mac: bool,
    /// The keys that its MAC was right under: its answer ends under them, whatever sign-on came between.
    pub(super) keys: Option<Arc<TerminalKeys>>,
    /// The card number, where the request has it only in an enciphered track.
    pub(super) card: Option<Pan>,
    /// When the request was read.
    pub(super) read_at: Instant,
}

/// Bytes of a message, wiped on drop.
pub(super) struct Body(Box<[u8]>);
impl Body {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
impl Drop for Body {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Requests by ticket. A ticket names its place and how often the place was used before, so that an
/// answer that comes twice finds nothing.
#[derive(Debug)]
pub(super) struct Slab {
    places: Vec<(u32, Option<Retained>)>,
    free: Vec<u32>,
    count_max: usize,
}

impl Slab {
    pub(super) fn new(count_max: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), count_max }
    }
    pub(super) fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }
    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.count_max
    }

    /// Keeps a request.
    pub(super) fn keep(&mut self, request: Retained) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.1 = Some(request);
        u64::from(place.0) << 32 | u64::from(index)
    }

    /// Gives a request back, once.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Retained> {
        let index = ticket as u32;
        let place = self.places.get_mut(index as usize)?;
        if u64::from(place.0) != ticket >> 32 {
            return None;
        }
        let request = place.1.take()?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(index);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retained(byte: u8) -> Retained {
        Retained {
            body: Body::of(&[byte]),
            envelope: Envelope::default(),
            terminal: None,
            mac: false,
            keys: None,
            card: None,
            read_at: Instant::now(),
        }
    }

    #[test]
    fn a_ticket_is_good_once() {
        let mut slab = Slab::new(2);
        let (first, second) = (slab.keep(retained(1)), slab.keep(retained(2)));
        assert!(slab.is_full());
        assert_eq!(slab.take(first).unwrap().body.bytes(), [1]);
        assert!(slab.take(first).is_none());
        let third = slab.keep(retained(3));
        assert_ne!(third, first, "the same place under another ticket");
        assert!(slab.take(first).is_none() && slab.take(u64::MAX).is_none());
        assert_eq!(slab.take(third).unwrap().body.bytes(), [3]);
        assert_eq!(slab.take(second).unwrap().body.bytes(), [2]);
        assert!(slab.is_empty());
    }
}
