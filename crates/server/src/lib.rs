//! The running switch: sockets, links, committer, HTTP.
pub mod config;
mod data;
mod keystore;
pub use data::{DataDir, DataError};
pub use keystore::*;
