//! DUKPT: a fresh key per transaction, derived from one base key and a counter.

pub mod aes;
pub mod tdes;
