//! Persistent state: everything that follows from the records, and nothing else.
//!
//! [`State::apply`] is the only way in. It decides nothing: a record that does not fit is an error of
//! the log (or of whoever decided it) and is reported as such.

mod apply;
mod batches;
mod cases;
mod ceremonies;
mod changes;
pub(crate) mod devices;
mod image;
mod limits;
mod orders;
mod parts;
mod ranges;
mod rates;
mod references;
mod registry;
mod requests;
mod risk;
mod rows;
mod saf;
mod transactions;
mod users;
mod view;
mod waiting;

pub use cases::OpenCase;
pub use devices::DownloadStanding;
pub use image::{Digest, FORMAT, ImageError, Part, Restore, Section, SectionKind};
pub use registry::{LinkTerms, Registry};
pub use view::{BatchView, SafView};

pub(crate) use devices::Devices;

pub(crate) use batches::{BatchStage, LastClose};
pub(crate) use requests::{Known, ReversalTaken};
pub(crate) use risk::{Seen as RiskSeen, about, asks};
pub(crate) use saf::Lane;
pub(crate) use transactions::Transaction;
pub(crate) use users::{User, Users};

use crate::state::batches::Batches;
use crate::state::cases::Cases;
use crate::state::rates::Rates;
use crate::state::requests::Requests;
use crate::state::risk::Risk;
use crate::state::saf::Saf;
use crate::state::transactions::Transactions;
use serde::{Deserialize, Serialize};
use switchyard_book::{Book, BookError};
use switchyard_domain::{
    AcquirerId, Amount, BusinessDate, MerchantIndex, RiskRules, RoutingRules, StandInRules, Timestamp,
    TransactionId, UtcOffset,
};

/// A record that cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The first record must be the genesis, and only the first.
    #[error("genesis record {}", if *missing { "missing" } else { "repeated" })]
    Genesis {
        /// Which of the two.
        missing: bool,
    },
    /// It names something that no earlier record made.
    #[error("{what} {number} does not exist")]
    Missing {
        /// Kind of thing.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// Numbers are given in order; this one is not the next.
    #[error("{what} {have} where {need} is next")]
    Order {
        /// Kind of thing.
        what: &'static str,
        /// The number due.
        need: u64,
        /// The number found.
        have: u64,
    },
    /// Its entry does not apply.
    #[error("entry does not apply")]
    Book(#[from] BookError),
}

/// What the genesis record fixes, and the day that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) partition: u8,
    pub(crate) acquirer: AcquirerId,
    pub(crate) offset: UtcOffset,
    pub(crate) demo: bool,
}

/// Everything the switch knows.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) origin: Option<Origin>,
    pub(crate) day: Option<BusinessDate>,
    /// Days cut and not yet netted, in order.
    pub(crate) days_to_net: Vec<BusinessDate>,
    pub(crate) registry: Registry,
    pub(crate) batches: Batches,
    pub(crate) transactions: Transactions,
    pub(crate) requests: Requests,
    pub(crate) saf: Saf,
    pub(crate) cases: Cases,
    pub(crate) book: Book,
    pub(crate) risk: Risk,
    pub(crate) routing: RoutingRules,
    pub(crate) users: Users,
    pub(crate) devices: Devices,
    pub(crate) rates: Rates,
    /// Counts reference numbers given out.
    pub(crate) references: u64,
    /// The trace number given out last, per link.
    pub(crate) link_stans: Vec<u32>,
    pub(crate) records: u64,
    /// Time of the latest record: the next one is not earlier, whatever the clock says.
    pub(crate) last_at: Timestamp,
}

impl State {
    /// Makes rows small that nobody is likely to ask for. It changes nothing that can be observed.
    pub(crate) fn pack_some(&mut self) {
        self.transactions.all.pack_some();
        self.requests.reversals.pack_some();
    }
    /// Whether there is a genesis record.
    pub fn is_initialised(&self) -> bool {
        self.origin.is_some()
    }
    /// The acquirer's institution code.
    pub fn acquirer(&self) -> Option<AcquirerId> {
        self.origin.as_ref().map(|o| o.acquirer)
    }
    /// Local time of the switch.
    pub fn offset(&self) -> UtcOffset {
        self.origin.as_ref().map_or(UtcOffset::CHINA, |o| o.offset)
    }
    /// Whether this ledger was made for demonstration.
    pub fn is_demo(&self) -> bool {
        self.origin.as_ref().is_some_and(|o| o.demo)
    }
    /// The business day that is open.
    pub fn day(&self) -> BusinessDate {
        self.day.unwrap_or(BusinessDate(0))
    }
    /// Merchants, terminals, links, routes, keys, cards, fee plans.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
    /// Accounts and holds.
    pub fn book(&self) -> &Book {
        &self.book
    }
    /// Time of the latest record.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }
    /// The limits and risk rules in force.
    pub fn risk_rules(&self) -> &RiskRules {
        &self.risk.rules
    }
    /// The rules in force that choose among links.
    pub fn routing_rules(&self) -> &RoutingRules {
        &self.routing
    }
    /// What is approved while an issuer is away.
    pub fn stand_in_rules(&self) -> &StandInRules {
        &self.risk.stand_in
    }
    /// Transactions whose payout is held.
    pub fn held_payouts(&self) -> impl Iterator<Item = (TransactionId, MerchantIndex, Amount)> {
        self.risk.held.iter().map(|(id, (merchant, amount))| (*id, *merchant, *amount))
    }
    /// Records applied so far.
    pub fn records(&self) -> u64 {
        self.records
    }
    /// Store-and-forward entries that wait to be delivered.
    pub fn saf_waiting(&self) -> usize {
        self.saf.waiting()
    }
    /// Store-and-forward entries that gave up.
    pub fn saf_dead(&self) -> usize {
        self.saf.dead()
    }
    /// Transactions whose outcome nobody knows yet, pending ones included.
    pub fn unresolved(&self) -> usize {
        self.transactions.unresolved()
    }
}
