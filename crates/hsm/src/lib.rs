//! What a hardware security module does for a switch, and backends that do it.
//!
//! What it is: the trait [`Hsm`] with the work that needs a key (PIN translation and verification, card
//! values, MACs, cryptograms, key making and exchange), and its backends: [`SoftwareHsm`] over the key
//! library, [`payshield::PayShield`] over TCP and [`pkcs11::Pkcs11Hsm`] over a module's own library. One suite
//! of tests holds all of them to the same answers (`tests/conformance.rs`).
//!
//! What it deliberately is **not**: it keeps no registry of keys and decides nothing. Whoever asks holds the
//! [`KeyHandle`]s; they name a key and never carry its bytes.
//!
//! Start from [`Hsm`] and [`KeyHandle`]. Every backend fails closed: an error is never a yes, and nothing
//! that counts PIN tries is asked a second time.
//!
//! ```
//! use switchyard_hsm::{Hsm, KeySpec, SoftwareHsm};
//! use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage, Lmk};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let hsm = SoftwareHsm::new(Lmk::generate().expect("randomness"));
//! let made = hsm.generate_key(KeySpec::new(KeyUsage::Zpk, KeyAlgorithm::Tdes, 16), None).await?;
//! assert_eq!(hsm.kcv(&made.handle).await?, *made.handle.check_value());
//! # Ok::<(), switchyard_hsm::HsmError>(()) }).unwrap();
//! ```

mod api;
mod engine;
mod error;
mod fault;
mod handle;
mod hex;
mod open;
pub mod payshield;
pub mod pkcs11;
mod request;
mod software;

pub use api::{Answer, Health, Hsm};
pub use error::HsmError;
pub use handle::{KeyHandle, Validity};
pub use request::{
    ArqcRequest, EncryptedPin, GeneratedKey, KeySource, KeySpec, MacRequest, PinBlockFormat, PinMethod,
    TranslatePin, VerifyCvv, VerifyPin,
};
pub use software::SoftwareHsm;
