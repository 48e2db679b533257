//! A payment HSM with the payShield command set over TCP, honest in what it computes and seeded in what goes
//! wrong.
//!
//! Keys come and go as key blocks under its own local master key (`S` and a TR-31 version D block); the
//! published clear test keys of real modules are not in it. It shares no code with the client: each is held to
//! the published frames by itself.

mod cards;
mod device;
mod faults;
mod fields;
mod host;
mod keys;
mod pins;

pub use device::HsmDevice;
pub use faults::HsmFaults;
pub use host::HsmHost;
