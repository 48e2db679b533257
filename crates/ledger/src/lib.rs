//! The append-only log: durable blocks, recovery, proofs.
