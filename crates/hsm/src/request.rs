//! What an HSM is asked, and what it gives.

use std::fmt;

use switchyard_keys::emv::{CardRequest, CryptogramScheme};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::mac::MacAlgorithm;
use switchyard_keys::pin::{Ibm3624, PinFormat};

use crate::error::HsmError;
use crate::handle::KeyHandle;

/// Form of a PIN block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinBlockFormat {
    /// A block of 8 bytes under a DES key.
    Des(PinFormat),
    /// ISO 9564-1 format 4: 16 bytes under an AES key.
    Iso4,
}

impl PinBlockFormat {
    /// Format 0, which nearly everybody speaks.
    pub const ISO0: Self = Self::Des(PinFormat::Iso0);
}

/// The key of a PIN block or a MAC.
#[derive(Debug, Clone, Copy)]
pub enum KeySource<'a> {
    /// A terminal's or a zone's key.
    Key(&'a KeyHandle),
    /// The key of one transaction (DUKPT, triple DES); for a MAC, of the request.
    Dukpt {
        /// Base derivation key.
        base: &'a KeyHandle,
        /// Key serial number.
        ksn: [u8; 10],
    },
}

/// A PIN block to be brought under another key.
#[derive(Clone, Copy)]
pub struct TranslatePin<'a> {
    /// What it is enciphered under.
    pub source: KeySource<'a>,
    /// The zone PIN key that it is to be under.
    pub target: &'a KeyHandle,
    /// The enciphered block: 8 bytes, 16 in format 4.
    pub block: &'a [u8],
    /// Its form.
    pub from: PinBlockFormat,
    /// The form wanted.
    pub to: PinBlockFormat,
    /// Digits of the card number.
    pub pan: &'a [u8],
}

/// A PIN to be verified.
#[derive(Clone, Copy)]
pub struct VerifyPin<'a> {
    /// What the block is enciphered under.
    pub source: KeySource<'a>,
    /// The PIN verification key.
    pub key: &'a KeyHandle,
    /// The enciphered block.
    pub block: &'a [u8],
    /// Its form.
    pub format: PinBlockFormat,
    /// Digits of the card number.
    pub pan: &'a [u8],
    /// What it is compared with.
    pub method: PinMethod<'a>,
}

/// How an issuer verifies PINs.
#[derive(Clone, Copy)]
pub enum PinMethod<'a> {
    /// Visa PIN verification value.
    Pvv {
        /// Index of the verification key.
        index: u8,
        /// Four ASCII digits.
        pvv: [u8; 4],
    },
    /// IBM 3624.
    Ibm {
        /// Validation data and table.
        parameters: Ibm3624<'a>,
        /// The offset, ASCII digits, as long as the PIN.
        offset: &'a [u8],
    },
}

/// A card verification value to be checked.
#[derive(Clone, Copy)]
pub struct VerifyCvv<'a> {
    /// The card verification key.
    pub key: &'a KeyHandle,
    /// Digits of the card number.
    pub pan: &'a [u8],
    /// Expiry in the issuer's order.
    pub expiry: [u8; 4],
    /// Service code, `000` for a CVV2, `999` for an iCVV.
    pub service_code: [u8; 3],
    /// The value, three ASCII digits.
    pub value: &'a [u8],
}

/// A message to be authenticated.
#[derive(Clone, Copy)]
pub struct MacRequest<'a> {
    /// With what.
    pub source: KeySource<'a>,
    /// How.
    pub algorithm: MacAlgorithm,
    /// The bytes.
    pub data: &'a [u8],
}

/// A cryptogram of a chip card.
#[derive(Clone, Copy)]
pub struct ArqcRequest<'a> {
    /// The issuer master key for application cryptograms.
    pub key: &'a KeyHandle,
    /// How the scheme derives and pads.
    pub scheme: CryptogramScheme,
    /// What the cryptogram is over.
    pub card: CardRequest<'a>,
    /// The cryptogram that the card sent.
    pub arqc: [u8; 8],
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
redacted!(TranslatePin, VerifyPin, PinMethod, VerifyCvv, MacRequest, ArqcRequest);

/// A key to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// What for.
    pub usage: KeyUsage,
    /// Its cipher.
    pub algorithm: KeyAlgorithm,
    /// Its length in bytes.
    pub bytes: usize,
    /// Whether it may leave under a transport key.
    pub exportable: bool,
    /// Its version, 0 to 99.
    pub version: u8,
}

impl KeySpec {
    /// Version 0, not exportable.
    #[must_use]
    pub const fn new(usage: KeyUsage, algorithm: KeyAlgorithm, bytes: usize) -> Self {
        Self { usage, algorithm, bytes, exportable: false, version: 0 }
    }

    /// The same, exportable.
    #[must_use]
    pub const fn exportable(mut self) -> Self {
        self.exportable = true;
        self
    }
}

/// A new key.
#[derive(Debug, Clone)]
pub struct GeneratedKey {
    /// The key.
    pub handle: KeyHandle,
    /// The key enciphered block by block under the master key that was named, as UnionPay terminals get it.
    pub under: Option<Vec<u8>>,
}

/// An enciphered PIN block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EncryptedPin {
    bytes: [u8; 16],
    len: u8,
}

impl EncryptedPin {
    /// Takes 8 bytes, or the 16 of format 4.
    ///
    /// # Errors
    /// [`HsmError::Input`] for any other number of bytes.
    pub fn new(block: &[u8]) -> Result<Self, HsmError> {
        if !matches!(block.len(), 8 | 16) {
            return Err(HsmError::Input("length of a pin block"));
        }
        let mut bytes = [0; 16];
        bytes[..block.len()].copy_from_slice(block);
        Ok(Self { bytes, len: block.len() as u8 })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for EncryptedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptedPin(…)")
    }
}
