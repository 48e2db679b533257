//! A load generator: sales whose cryptography was done beforehand, so that the switch is measured and not
//! the terminals.
//!
//! It is a closed loop: each connection keeps a window of requests in flight and sends the next when a
//! reply comes.

mod lane;
mod prepare;
mod run;

pub use run::{LOAD_CONNECTIONS_MAX, LOAD_REQUESTS_MAX, LoadConfig, LoadReport, run_load};
