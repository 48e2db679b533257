//! The running switch: sockets, links, committer, HTTP.
pub mod config;
mod data;
mod keystore;
mod keytable;
pub mod metrics;
mod queue;
pub use data::{DataDir, DataError};
pub use keystore::*;
