//! The log and what is made of it, on files of their own. One binary, because each further one is linked with everything again.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by unwrapping")]

#[path = "../common/mod.rs"]
mod common;

mod archive;
mod codes;
mod committer;
mod contract;
mod copies;
mod damage;
mod faults;
mod index;
mod model;
mod parsing;
mod projections;
mod proofs;
mod range;
