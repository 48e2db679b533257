//! Criterion benches of Switchyard.
