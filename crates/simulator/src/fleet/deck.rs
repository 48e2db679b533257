//! The cards that a fleet plays with.

use crate::error::SimError;
use crate::world::{Concealed, DemoCard, DemoWorld, ON_US_BIN, ON_US_ISSUER, luhn_digit};
use std::collections::HashSet;
use std::sync::Arc;
use switchyard_domain::CardClass;

/// A published test number of a scheme that no demo route knows.
const UNROUTED: &str = "3530111333300000";
/// A card with less than this is for the decline 51.
const POOR_MINOR_MAX: u64 = 1_000;
/// Cards before this year count as expired; the good ones run until 2030.
const EXPIRED_BEFORE: &[u8; 4] = b"2501";

/// Cards by what they are good for.
#[derive(Debug)]
pub(super) struct Deck {
    /// Every card that a journal can name, those that nobody issued included.
    pub(super) all: Vec<Arc<DemoCard>>,
    /// Money, valid, known.
    pub(super) good: Vec<Arc<DemoCard>>,
    pub(super) poor: Option<Arc<DemoCard>>,
    pub(super) expired: Option<Arc<DemoCard>>,
    /// Only ever used with a wrong PIN: an issuer may block it.
    pub(super) mistyped: Option<Arc<DemoCard>>,
    pub(super) unknown: Arc<DemoCard>,
    pub(super) unrouted: Arc<DemoCard>,
}

impl Deck {
    pub(super) fn of(world: &DemoWorld) -> Result<Self, SimError> {
        let mut all: Vec<Arc<DemoCard>> = world.cards.iter().cloned().map(Arc::new).collect();
        let is_poor = |card: &DemoCard| card.balance_minor < POOR_MINOR_MAX;
        let is_expired = |card: &DemoCard| card.expiry.digits() < EXPIRED_BEFORE;
        let mut good: Vec<_> = all.iter().filter(|c| !is_poor(c) && !is_expired(c)).cloned().collect();
        if good.is_empty() {
            return Err(SimError::World { what: "usable card" });
        }
        let last_on_us = good.iter().rposition(|card| card.on_us);
        let mistyped = last_on_us.filter(|_| good.len() > 1).map(|at| good.remove(at));
        let unknown = Arc::new(stranger(&good[0], &unknown_on_us(world)?, ON_US_ISSUER));
        let unrouted = Arc::new(stranger(&good[0], UNROUTED, "nobody"));
        all.extend([Arc::clone(&unknown), Arc::clone(&unrouted)]);
        Ok(Self {
            poor: all.iter().find(|c| is_poor(c) && !is_expired(c)).cloned(),
            expired: all.iter().find(|c| is_expired(c)).cloned(),
            mistyped,
            unknown,
            unrouted,
            good,
            all,
        })
    }
}

/// A number of the on-us range that no card has; if possible one whose last four digits no card has
/// either, because a journal names cards by their masks.
fn unknown_on_us(world: &DemoWorld) -> Result<String, SimError> {
    const TRIES_MAX: u32 = 100_000;
    let candidate = |index: u32| {
        let body = format!("{ON_US_BIN}{:09}", 999_999_999 - index);
        let check = luhn_digit(&body);
        format!("{body}{check}")
    };
    let numbers: HashSet<&str> = world.cards.iter().map(|card| card.pan.expose()).collect();
    let endings: HashSet<&str> = numbers.iter().filter_map(|pan| pan.get(pan.len() - 4..)).collect();
    let mut free = (0..TRIES_MAX).map(candidate).filter(|pan| !numbers.contains(pan.as_str())).peekable();
    let first = free.peek().cloned();
    free.find(|pan| !endings.contains(&pan[12..]))
        .or(first)
        .ok_or(SimError::World { what: "unused card number" })
}

fn stranger(like: &DemoCard, pan: &str, issuer: &str) -> DemoCard {
    DemoCard {
        pan: Concealed::new(pan),
        issuer: issuer.to_owned(),
        on_us: issuer == ON_US_ISSUER,
        class: CardClass::Debit,
        ..like.clone()
    }
}
