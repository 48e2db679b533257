//! The trait.

use std::fmt::Debug;
use std::pin::Pin;

use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::mac::Mac;

use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::request::{
    ArqcRequest, EncryptedPin, GeneratedKey, KeySpec, MacRequest, TranslatePin, VerifyCvv, VerifyPin,
};

/// What an HSM will say. A backend in this process has its answer ready at the first poll.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, HsmError>> + Send + 'a>>;

/// How an HSM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which backend it is.
    pub backend: &'static str,
    /// Modules that take commands, and how many there are.
    pub available: usize,
    /// How many modules there are.
    pub configured: usize,
    /// What they say of themselves: firmware, check value of their master key.
    pub detail: String,
}

/// Work that needs a key. Every method checks first that its keys are for it and valid now.
pub trait Hsm: Send + Sync + Debug {
    /// Name of the backend as configuration spells it.
    fn backend(&self) -> &'static str;

    /// Brings a PIN block under another key and format, for the same card.
    fn translate_pin<'a>(&'a self, request: TranslatePin<'a>) -> Answer<'a, EncryptedPin>;

    /// Whether a PIN block holds the right PIN. Asked once: whoever counts tries must not be miscounted.
    fn verify_pin<'a>(&'a self, request: VerifyPin<'a>) -> Answer<'a, bool>;

    /// Whether a card verification value is right.
    fn verify_cvv<'a>(&'a self, request: VerifyCvv<'a>) -> Answer<'a, bool>;

    /// A message authentication code.
    fn generate_mac<'a>(&'a self, request: MacRequest<'a>) -> Answer<'a, Mac>;

    /// Whether `mac` is the code over a message.
    fn verify_mac<'a>(&'a self, request: MacRequest<'a>, mac: &'a [u8]) -> Answer<'a, bool>;

    /// Whether a card's cryptogram is right.
    fn verify_arqc<'a>(&'a self, request: ArqcRequest<'a>) -> Answer<'a, bool>;

    /// The issuer's answer to a cryptogram (method 1), with the response code that the card is told.
    fn generate_arpc<'a>(&'a self, request: ArqcRequest<'a>, response_code: [u8; 2]) -> Answer<'a, [u8; 8]>;

    /// Takes in a key from a TR-31 block under `transport`, for `usage`.
    fn import<'a>(
        &'a self,
        block: &'a [u8],
        transport: &'a KeyHandle,
        usage: KeyUsage,
    ) -> Answer<'a, KeyHandle>;

    /// Gives out an exportable key as a TR-31 block under `transport`.
    fn export<'a>(&'a self, key: &'a KeyHandle, transport: &'a KeyHandle) -> Answer<'a, Vec<u8>>;

    /// Makes a key; with `under`, a terminal or zone master key, also enciphered block by block under it.
    fn generate_key<'a>(&'a self, spec: KeySpec, under: Option<&'a KeyHandle>) -> Answer<'a, GeneratedKey>;

    /// The first bytes of a key's check value, by the key's own cipher.
    fn kcv<'a>(&'a self, key: &'a KeyHandle) -> Answer<'a, [u8; 4]>;

    /// How it is.
    fn health(&self) -> Answer<'_, Health>;
}
