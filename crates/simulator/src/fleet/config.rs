//! What a fleet does.

use crate::world::DemoWorld;
use std::path::PathBuf;
use std::time::Duration;

/// How often each kind of work is done, relative to the others. Work that needs an original for which
/// there is none becomes a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Sales.
    pub sale: u32,
    /// Balance inquiries.
    pub inquiry: u32,
    /// Voids of sales in the open batch.
    pub void: u32,
    /// Refunds of part of a sale.
    pub refund: u32,
    /// Pre-authorizations.
    pub pre_auth: u32,
    /// Their voids.
    pub pre_auth_void: u32,
    /// Their completions, up to 115 %.
    pub completion: u32,
    /// Voids of completions.
    pub completion_void: u32,
    /// Cash advances.
    pub cash_advance: u32,
    /// Sales that the terminal approved offline and tells of.
    pub offline: u32,
    /// Completions that it tells of.
    pub completion_advice: u32,
    /// Tips on sales of the open batch.
    pub tip: u32,
    /// Repayments of cards.
    pub card_repayment: u32,
    /// Top-ups of telephones.
    pub top_up: u32,
    /// Holds that the terminal has approved and tells of: asked for in a dialect that has no such message.
    pub pre_auth_advice: u32,
    /// Echo tests.
    pub echo: u32,
}
impl Default for Mix {
    fn default() -> Self {
        Self {
            sale: 60,
            inquiry: 5,
            void: 7,
            refund: 6,
            pre_auth: 10,
            pre_auth_void: 3,
            completion: 6,
            completion_void: 2,
            cash_advance: 0,
            offline: 0,
            completion_advice: 0,
            tip: 0,
            card_repayment: 0,
            top_up: 0,
            pre_auth_advice: 0,
            echo: 1,
        }
    }
}
impl Mix {
    /// Every kind that a terminal can ask for, the rare ones among them.
    pub fn every_kind() -> Self {
        Self {
            sale: 46,
            cash_advance: 4,
            offline: 4,
            completion_advice: 3,
            tip: 3,
            card_repayment: 2,
            top_up: 2,
            pre_auth_advice: 3,
            ..Self::default()
        }
    }
}

/// How often something is done wrong on purpose, per mille of the transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mischief {
    /// F64 is wrong: A0.
    pub bad_mac: u16,
    /// The customer mistypes: 55.
    pub wrong_pin: u16,
    /// The card has no money: 51.
    pub poor_card: u16,
    /// The card has expired: 54.
    pub expired_card: u16,
    /// A card that its issuer never issued: 14.
    pub unknown_card: u16,
    /// A card that nobody routes: 15.
    pub unknown_issuer: u16,
    /// F41 is nobody's: 97.
    pub unknown_terminal: u16,
    /// A field is cut: 30.
    pub truncated: u16,
    /// The terminal hangs up before the reply and reverses.
    pub lost_reply: u16,
    /// The same request twice.
    pub repeat: u16,
    /// Whether each kind is done at least once, if there are transactions enough, and a request is tried
    /// after sign-off.
    pub each_once: bool,
}
impl Default for Mischief {
    fn default() -> Self {
        Self {
            bad_mac: 4,
            wrong_pin: 6,
            poor_card: 6,
            expired_card: 4,
            unknown_card: 4,
            unknown_issuer: 4,
            unknown_terminal: 3,
            truncated: 3,
            lost_reply: 10,
            repeat: 10,
            each_once: true,
        }
    }
}
impl Mischief {
    /// Nothing wrong at all.
    pub const NONE: Self = Self {
        bad_mac: 0,
        wrong_pin: 0,
        poor_card: 0,
        expired_card: 0,
        unknown_card: 0,
        unknown_issuer: 0,
        unknown_terminal: 0,
        truncated: 0,
        lost_reply: 0,
        repeat: 0,
        each_once: false,
    };
}

/// A run of many terminals.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// `host:port` of the switch.
    pub target: String,
    /// Who takes part.
    pub world: DemoWorld,
    /// Orders over all terminals; reversals, sign-ons and closes come on top.
    pub transactions: u64,
    /// Terminals used, at most those of the world.
    pub terminals: usize,
    /// Terminals connected at one time; `None` is all of them.
    pub connections: Option<usize>,
    /// What is done.
    pub mix: Mix,
    /// What is done wrong.
    pub mischief: Mischief,
    /// One seed is one sequence of orders at each terminal.
    pub seed: u64,
    /// No new orders after this; batches are still closed.
    pub time_limit: Option<Duration>,
    /// Where the terminals write their journal.
    pub journal: Option<PathBuf>,
    /// Goes on from that journal instead of from nothing.
    pub resume: bool,
    /// Pause of a terminal between two orders.
    pub pace: Option<Duration>,
    /// Terminals that leave one sale out of their close.
    pub unbalanced: usize,
    /// How long a terminal waits for an answer.
    pub answer_timeout: Duration,
    /// How long it tries to connect.
    pub connect_patience: Duration,
    /// Whether batches are closed and terminals signed off at the end.
    pub close_at_end: bool,
}

impl FleetConfig {
    /// Every terminal of `world` against a switch at `target`, with the default mix and mischief.
    pub fn new(target: impl Into<String>, world: DemoWorld, transactions: u64) -> Self {
        Self {
            target: target.into(),
            terminals: world.terminals.len(),
            world,
            transactions,
            connections: None,
            mix: Mix::default(),
            mischief: Mischief::default(),
            seed: 1,
            time_limit: None,
            journal: None,
            resume: false,
            pace: None,
            unbalanced: 1,
            answer_timeout: Duration::from_secs(30),
            connect_patience: Duration::from_secs(30),
            close_at_end: true,
        }
    }
}
