//! Many terminals at work: every transaction, every fault, every batch closed.

mod config;
mod deck;
mod originals;
mod report;
mod run;
mod scenario;
mod worker;

pub use config::{FleetConfig, KeyKeeper, Mischief, Mix};
pub use report::{FAULTS_KEPT_MAX, FleetFault, FleetOutcome, FleetReport, Percentiles};
pub use run::run_fleet;
pub use scenario::Scenario;
