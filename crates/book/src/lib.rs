//! Double-entry accounts, postings and holds, without I/O.
