//! What was asked before: the table by which repeats are recognised.

use crate::state::rows::{Row, Rows};
use serde::{Deserialize, Serialize};
use switchyard_book::Sharded;
use switchyard_domain::{
    BatchNumber, Echo, Fingerprint, MessageClass, ReplyFacts, RequestKey, Stan, TransactionId,
};

/// A reversal that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ReversalTaken {
    pub(crate) key: RequestKey,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) echo: Echo,
    pub(crate) reply: ReplyFacts,
}

impl Row for ReversalTaken {
    /// They are only ever asked for by their number.
    type Summary = ();
    fn summary(_: &[Self]) {}
    fn is_numbered(&self, _: u64) -> bool {
        true
    }
}

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    /// A transaction: its fingerprint and reply are with it.
    Transaction(TransactionId),
    /// A reversal, by its number.
    Reversal(u64),
}

/// A request's key in twelve bytes. The merchant is left out: a terminal has one for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Place([u32; 3]);

impl From<&RequestKey> for Place {
    fn from(key: &RequestKey) -> Self {
        let class = match key.class {
            MessageClass::Authorization => 0,
            MessageClass::Financial => 1,
            MessageClass::Reversal => 2,
            MessageClass::PartReversal => 3,
        };
        // Six digits need twenty bits.
        Self([key.terminal.0, key.batch.get(), key.stan.get() << 2 | class])
    }
}

/// What stands under a key, in eight bytes: the highest bit tells the two kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Number([u32; 2]);

const REVERSAL: u64 = 1 << 63;

/// Bytes of a key and what stands under it in a snapshot.
pub(crate) const REQUEST_BYTES: usize = 20;

/// A key and what stands under it as a snapshot holds them: five numbers, little endian. There is one for every
/// request, and a start takes all of them apart.
pub(crate) fn request_bytes((place, number): &(Place, Number)) -> [u8; REQUEST_BYTES] {
    let mut bytes = [0; REQUEST_BYTES];
    let numbers = place.0.iter().chain(&number.0);
    bytes.chunks_exact_mut(4).zip(numbers).for_each(|(to, from)| to.copy_from_slice(&from.to_le_bytes()));
    bytes
}

/// The key and what stands under it of such bytes.
pub(crate) fn request_of(bytes: &[u8; REQUEST_BYTES]) -> (Place, Number) {
    let (numbers, _) = bytes.as_chunks::<4>();
    let number = |at: usize| u32::from_le_bytes(numbers[at]);
    (Place([number(0), number(1), number(2)]), Number([number(3), number(4)]))
}

impl From<Known> for Number {
    fn from(known: Known) -> Self {
        let number = match known {
            Known::Transaction(id) => id.0,
            Known::Reversal(number) => number | REVERSAL,
        };
        Self([(number >> 32) as u32, number as u32])
    }
}
impl From<Number> for Known {
    fn from(Number([high, low]): Number) -> Self {
        let number = u64::from(high) << 32 | u64::from(low);
        match number & REVERSAL {
            0 => Self::Transaction(TransactionId(number)),
            _ => Self::Reversal(number & !REVERSAL),
        }
    }
}

/// Requests by key, reversals, and the keys that a reversal without an original has shut.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) known: Sharded<Place, Number>,
    pub(crate) reversals: Rows<ReversalTaken>,
    pub(crate) tombstones: Sharded<Place, ()>,
}

impl Requests {
    pub(crate) fn get(&self, key: &RequestKey) -> Option<Known> {
        self.known.get(&Place::from(key)).map(|number| Known::from(*number))
    }
    pub(crate) fn insert(&mut self, key: &RequestKey, known: Known) {
        self.known.insert(Place::from(key), known.into());
    }
    pub(crate) fn reversal(&self, number: u64) -> Option<&ReversalTaken> {
        self.reversals.get(number)
    }
    pub(crate) fn take_reversal(&mut self, taken: ReversalTaken) {
        let number = self.reversals.len();
        self.insert(&taken.key, Known::Reversal(number));
        self.reversals.push(taken);
    }
    pub(crate) fn is_shut(&self, key: &RequestKey) -> bool {
        self.tombstones.contains(&Place::from(key))
    }
    pub(crate) fn shut(&mut self, key: &RequestKey) {
        self.tombstones.insert(Place::from(key), ());
    }
    /// The transaction under a key.
    pub(crate) fn transaction(&self, key: &RequestKey) -> Option<TransactionId> {
        match self.get(key)? {
            Known::Transaction(id) => Some(id),
            Known::Reversal(_) => None,
        }
    }
    /// The transaction of a terminal under a batch and trace number, whatever its class.
    pub(crate) fn transaction_at(
        &self,
        terminal: &RequestKey,
        batch: BatchNumber,
        stan: Stan,
    ) -> Option<TransactionId> {
        [MessageClass::Financial, MessageClass::Authorization]
            .into_iter()
            .find_map(|class| self.transaction(&RequestKey { batch, stan, class, ..*terminal }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_survives_its_eight_bytes() {
        for known in
            [Known::Transaction(TransactionId(u64::MAX >> 1)), Known::Reversal(7), Known::Reversal(0)]
        {
            assert_eq!(Known::from(Number::from(known)), known);
        }
    }

    #[test]
    fn a_request_survives_its_twenty_bytes() {
        let request = (Place([1, 0x0203_0405, u32::MAX]), Number::from(Known::Reversal(0x0607_0809_0a0b)));
        let bytes = request_bytes(&request);
        assert_eq!(bytes[..8], [1, 0, 0, 0, 5, 4, 3, 2]);
        assert_eq!(request_of(&bytes), request);
    }
}
