//! A switch in one process, from its sockets to its disk. One binary, because each further one is linked with everything again.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by unwrapping")]

#[path = "../support/mod.rs"]
mod support;

mod derived;
mod disk;
mod end_to_end;
mod intake;
mod link_change;
mod links;
mod listening;
mod master_key;
mod metrics;
mod pools;
mod snapshots;
mod threats;
mod tls;
