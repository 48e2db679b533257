//! The running switch: sockets, links, committer, HTTP.
pub mod config;
