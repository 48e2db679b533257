//! Payment cryptography and the software key store.
//!
//! What it is: PIN blocks and their translation, the MACs of the field, card verification
//! values, EMV cryptograms, DUKPT, key blocks, the UnionPay sign-on keys, and the sealing of
//! card numbers at rest. Every algorithm is held to published or doubly computed answers
//! (`tests/known_answers.rs`).
//!
//! What it deliberately is **not**: it opens no socket or file, reads no clock, writes no log
//! and knows no ISO 8583 message. It is software: keys are wiped when dropped, but it does
//! not claim PCI PIN compliance, which needs a hardware module.
//!
//! Start from [`TdesCipher`] and [`mac::MacKey`]: both keep the expanded key, because
//! expanding it costs more than using it once.
//!
//! ```
//! use switchyard_keys::mac::{MacAlgorithm, MacKey};
//!
//! let mak = MacKey::new(MacAlgorithm::CupEcb, &[0x33; 8])?;
//! let field_64 = mak.compute(b"0200...");
//! assert!(mak.verify(b"0200...", field_64.as_bytes()));
//! assert!(!mak.verify(b"0201...", field_64.as_bytes()));
//! # Ok::<(), switchyard_keys::KeyError>(())
//! ```

mod block;
pub mod card;
pub mod card_values;
pub mod components;
mod des_key;
mod des_rounds;
pub mod dukpt;
pub mod emv;
mod error;
pub mod lmk;
pub mod mac;
pub mod master_key;
pub mod password;
pub mod pin;
mod secret;
pub mod selftest;
pub mod signing;
pub mod tr31;
pub mod track;
pub mod working_keys;

pub use block::{AesCipher, ExternalCipher, Sm4Cipher, TdesCipher};
pub use des_key::{DES_KEY_BYTES_MAX, DesKey, kcv, set_odd_parity, wrap_des_ecb};
pub use error::{KeyError, UsageCode, Weakness};
pub use secret::{SecretBytes, constant_time_eq};
