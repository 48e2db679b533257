//! Prices, nets and pays the merchants of a business day.
//!
//! A business day is the range of ledger records that ends with its [`DayCut`]: no clock is asked, no
//! terminal has to pause. A [`Planner`] reads the records in order and answers with a [`DayPlan`]: what
//! every merchant sold, what that costs, what is paid out and what is carried over. From the plan come the
//! bank's file and the statements ([`files::render`]), the same bytes each time.
//!
//! What it deliberately is **not**: it appends nothing. [`DayPlan::records`] and
//! [`files::files_rendered`] say what is to be recorded; the partition's writer records it. It reads no
//! clock, no environment and no card number.
//!
//! Start from [`Planner`] and [`DayPlan`].
//!
//! ```
//! use switchyard_domain::*;
//! use switchyard_settlement::{Planner, Terms};
//! let day = BusinessDate(20_000);
//! let genesis = Record::Genesis {
//!     partition: 0,
//!     acquirer: "12345678".parse()?,
//!     offset: UtcOffset::CHINA,
//!     day,
//!     demo: true,
//! };
//! let mut planner = Planner::for_day(day, Terms::default());
//! for (sequence, record) in [genesis, Record::DayCut { day, next: day.next() }].into_iter().enumerate() {
//!     planner.observe(sequence as u64, &Stamped { at: Timestamp(0), actor: Actor::Switch, record })?;
//! }
//! let plan = planner.plan()?;
//! assert_eq!((plan.first_sequence(), plan.fence_sequence()), (0, 1));
//! assert!(plan.merchants().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`DayCut`]: switchyard_domain::Record::DayCut

mod blockers;
mod error;
pub mod fee;
pub mod files;
mod held;
pub mod invariant;
mod line;
mod net;
mod plan;
mod planner;
mod refunds;
mod registry;

pub use blockers::Blockers;
pub use error::SettleError;
pub use line::Line;
pub use plan::{DayPlan, MerchantNet, Tally, Totals};
pub use planner::{Planner, Terms};
