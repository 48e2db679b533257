//! The command, run as its users run it. One binary, because each further one is linked with everything again.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by unwrapping")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod change;
mod configuration;
mod copies;
mod demo;
mod download;
mod hsm;
mod keys;
mod ledger;
mod link_dialects;
mod link_keys;
mod message;
mod operate;
mod products;
mod proofs;
mod query;
mod rate;
mod retention;
mod rules;
mod setup;
mod system_calls;
mod terminal_dialects;
mod token;
mod typed;
mod users;
