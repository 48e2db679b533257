//! Everything that costs time before the clock runs: sign-on, PIN blocks, MACs.

use super::run::LoadConfig;
use crate::clock;
use crate::error::SimError;
use crate::journal::EntryMode;
use crate::random::Random;
use crate::terminal::{Order, Tamper, Terminal, TerminalOptions};
use crate::world::DemoCard;
use std::sync::Arc;
use switchyard_domain::{Stan, TransactionKind};
use tokio::task::JoinSet;

const AMOUNT_MINOR: (u64, u64) = (100, 5_000);
/// Cards with less are left alone: they would be empty soon.
const BALANCE_MINOR_MIN: u64 = 1_000_000;
/// Cards before this year count as expired.
const EXPIRED_BEFORE: &[u8; 4] = b"2501";

/// The requests of one connection. Request `i` is of terminal `i % terminals` and is that terminal's
/// request number `i / terminals`.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) terminals: Vec<Terminal>,
    /// First trace number of each terminal.
    pub(super) first: Vec<Stan>,
    /// All frames, one after another.
    pub(super) bytes: Vec<u8>,
    /// Where each frame ends.
    pub(super) ends: Vec<usize>,
    /// What each asks, for the check of its reply.
    pub(super) orders: Vec<Arc<Order>>,
}

/// Signs on and prepares, connections side by side.
pub(super) async fn prepare(config: &LoadConfig) -> Result<Vec<Prepared>, SimError> {
    let cards: Vec<Arc<DemoCard>> = config
        .world
        .cards
        .iter()
        .filter(|c| c.balance_minor >= BALANCE_MINOR_MIN && c.expiry.digits() >= EXPIRED_BEFORE)
        .filter(|c| c.on_us || !config.on_us_only)
        .cloned()
        .map(Arc::new)
        .collect();
    let connections = config.connections.min(config.world.terminals.len());
    if connections == 0 || cards.is_empty() {
        return Err(SimError::World { what: "terminal or usable card" });
    }
    let mut tasks = JoinSet::new();
    for index in 0..connections {
        let share = config.transactions / connections as u64
            + u64::from((index as u64) < config.transactions % connections as u64);
        let (config, cards) = (config.clone(), cards.clone());
        tasks.spawn(async move {
            let terminals = sign_on(&config, index, connections).await?;
            // Ciphers for seconds: off the threads that serve sockets.
            tokio::task::spawn_blocking(move || compose(terminals, &cards, share, &config, index))
                .await
                .map_err(|_| SimError::Limit { what: "preparation panicked" })?
        });
    }
    let mut all = Vec::with_capacity(connections);
    while let Some(ended) = tasks.join_next().await {
        all.push(ended.map_err(|_| SimError::Limit { what: "preparation panicked" })??);
    }
    Ok(all)
}

async fn sign_on(config: &LoadConfig, index: usize, connections: usize) -> Result<Vec<Terminal>, SimError> {
    let mut terminals = Vec::new();
    for spec in config.world.terminals.iter().skip(index).step_by(connections) {
        let options = TerminalOptions::new(config.target.clone());
        let mut terminal = Terminal::new(spec.clone(), options, None)?;
        terminal.sign_on().await?;
        terminal.hang_up();
        terminals.push(terminal);
    }
    Ok(terminals)
}

fn compose(
    mut terminals: Vec<Terminal>,
    cards: &[Arc<DemoCard>],
    share: u64,
    config: &LoadConfig,
    index: usize,
) -> Result<Prepared, SimError> {
    let mut random = Random::part(config.seed, index as u64);
    let mut prepared = Prepared {
        terminals: Vec::new(),
        first: Vec::with_capacity(terminals.len()),
        bytes: Vec::with_capacity(share as usize * 256),
        ends: Vec::with_capacity(share as usize),
        orders: Vec::with_capacity(share as usize),
    };
    let count = terminals.len() as u64;
    for number in 0..share {
        let card = random.pick(cards).ok_or(SimError::World { what: "usable card" })?;
        let order = Order {
            kind: TransactionKind::Sale,
            amount_minor: random.between(AMOUNT_MINOR.0, AMOUNT_MINOR.1),
            card: Arc::clone(card),
            entry: EntryMode::Stripe,
            pin: config.with_pin.then(|| card.pin.clone()),
            original: None,
            tamper: Tamper::None,
            at: clock::now(),
        };
        let (stan, frame) = terminals[(number % count) as usize].prepare(&order)?;
        if number < count {
            prepared.first.push(stan);
        }
        prepared.bytes.extend_from_slice(&frame);
        prepared.ends.push(prepared.bytes.len());
        prepared.orders.push(Arc::new(order));
    }
    prepared.terminals = terminals;
    Ok(prepared)
}
