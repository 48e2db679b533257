//! The local master key: every key at rest is a key block under it.
//!
//! The caller stores what [`Lmk::wrap`] gives and brings the LMK back at start from its
//! components; this crate touches no file.

use zeroize::Zeroize;

use crate::error::{KeyError, UsageCode, Weakness};
use crate::mac::aes_cmac;
use crate::secret::SecretBytes;
use crate::tr31::{AesProtection, Header, Version};

/// Length of the LMK, in bytes: AES-256.
pub const LMK_BYTES: usize = 32;

/// What a key is for. A key opens for its own usage only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyUsage {
    /// Terminal master key: wraps a terminal's working keys.
    Tmk,
    /// Zone master key: wraps keys exchanged with a network or an issuer.
    Zmk,
    /// PIN key of a terminal (PIK, TPK).
    Pik,
    /// PIN key of a zone (ZPK).
    Zpk,
    /// MAC key of a terminal or link (MAK, TAK).
    Mak,
    /// Track data key of a terminal.
    Tdk,
    /// PIN verification key, Visa PVV.
    Pvk,
    /// PIN verification key, IBM 3624.
    PvkIbm,
    /// Card verification key (CVK pair).
    Cvk,
    /// Key that seals card numbers at rest.
    DataKey,
    /// Key of the card hash.
    CardHash,
    /// DUKPT base derivation key.
    Bdk,
    /// EMV issuer master key for application cryptograms.
    EmvAc,
    /// EMV issuer master key for secure messaging, confidentiality.
    EmvSmc,
    /// EMV issuer master key for secure messaging, integrity.
    EmvSmi,
}

impl KeyUsage {
    /// Every usage.
    pub const ALL: [Self; 15] = [
        Self::Tmk,
        Self::Zmk,
        Self::Pik,
        Self::Zpk,
        Self::Mak,
        Self::Tdk,
        Self::Pvk,
        Self::PvkIbm,
        Self::Cvk,
        Self::DataKey,
        Self::CardHash,
        Self::Bdk,
        Self::EmvAc,
        Self::EmvSmc,
        Self::EmvSmi,
    ];

    /// The usage under our own LMK. Where TR-31 has one code for two of ours (a TMK and a
    /// ZMK are both `K0`), the numeric codes it leaves to the maker keep them apart.
    #[must_use]
    pub const fn stored_code(self) -> UsageCode {
        UsageCode(match self {
            Self::Tmk => *b"51",
            Self::Zmk => *b"52",
            Self::Pik => *b"71",
            Self::Zpk => *b"72",
            Self::DataKey => *b"21",
            Self::Tdk => *b"23",
            Self::Mak => *b"M0",
            Self::Pvk => *b"V2",
            Self::PvkIbm => *b"V1",
            Self::Cvk => *b"C0",
            Self::CardHash => *b"M7",
            Self::Bdk => *b"B0",
            Self::EmvAc => *b"E0",
            Self::EmvSmc => *b"E1",
            Self::EmvSmi => *b"E2",
        })
    }

    /// The TR-31 code for a block that leaves the house.
    #[must_use]
    pub const fn tr31_code(self) -> UsageCode {
        match self {
            Self::Tmk | Self::Zmk => UsageCode(*b"K0"),
            Self::Pik | Self::Zpk => UsageCode(*b"P0"),
            Self::Tdk | Self::DataKey => UsageCode(*b"D0"),
            other => other.stored_code(),
        }
    }

    /// Mode of use: what the holder may do with the key.
    #[must_use]
    pub const fn mode_of_use(self) -> u8 {
        match self {
            Self::Tmk | Self::Zmk | Self::Pik | Self::Zpk | Self::Tdk | Self::DataKey => b'B',
            Self::Mak | Self::Pvk | Self::PvkIbm | Self::Cvk | Self::CardHash => b'C',
            Self::Bdk | Self::EmvAc | Self::EmvSmc | Self::EmvSmi => b'X',
        }
    }

    /// The name as configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tmk => "tmk",
            Self::Zmk => "zmk",
            Self::Pik => "pik",
            Self::Zpk => "zpk",
            Self::Mak => "mak",
            Self::Tdk => "tdk",
            Self::Pvk => "pvk",
            Self::PvkIbm => "pvk-ibm",
            Self::Cvk => "cvk",
            Self::DataKey => "data-key",
            Self::CardHash => "card-hash",
            Self::Bdk => "bdk",
            Self::EmvAc => "emv-ac",
            Self::EmvSmc => "emv-smc",
            Self::EmvSmi => "emv-smi",
        }
    }
}

/// Which cipher a wrapped key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// Single DES: 8 bytes.
    Des,
    /// Triple DES: 16 or 24 bytes.
    Tdes,
    /// AES: 16, 24 or 32 bytes.
    Aes,
    /// HMAC: 16 to 64 bytes.
    Hmac,
    /// SM4: 16 bytes.
    Sm4,
}

impl KeyAlgorithm {
    /// The character of a key block; `4` is our own for SM4.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Des => b'D',
            Self::Tdes => b'T',
            Self::Aes => b'A',
            Self::Hmac => b'H',
            Self::Sm4 => b'4',
        }
    }

    fn takes(self, bytes: usize) -> bool {
        match self {
            Self::Des => bytes == 8,
            Self::Tdes => matches!(bytes, 16 | 24),
            Self::Aes => matches!(bytes, 16 | 24 | 32),
            Self::Hmac => (16..=64).contains(&bytes),
            Self::Sm4 => bytes == 16,
        }
    }
}

/// What is bound to a key beside its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAttributes {
    /// Cipher the key is for.
    pub algorithm: KeyAlgorithm,
    /// Version within its slot, 0 to 99.
    pub version: u8,
    /// Whether it may leave under another key block protection key.
    pub exportable: bool,
}

impl KeyAttributes {
    /// Version 0, not exportable.
    #[must_use]
    pub const fn new(algorithm: KeyAlgorithm) -> Self {
        Self { algorithm, version: 0, exportable: false }
    }
}

/// A key under the LMK: a TR-31 version D block in ASCII. No secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// Takes the text of a key block as it was stored; it is checked when unwrapped.
    #[must_use]
    pub const fn from_bytes(ascii: Vec<u8>) -> Self {
        Self(ascii)
    }

    /// The text of the key block.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The local master key, with the keys of its blocks expanded.
pub struct Lmk {
    bytes: [u8; LMK_BYTES],
    protection: AesProtection,
}

impl Lmk {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`KeyError::Entropy`] without randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let bytes = SecretBytes::random(LMK_BYTES)?;
        Self::from_slice(bytes.expose())
    }

    /// Takes 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless there are 32, [`KeyError::Weak`] when all are equal.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; LMK_BYTES] =
            bytes.try_into().map_err(|_| KeyError::Length { need: "32", have: bytes.len() })?;
        if bytes.iter().all(|b| b == &bytes[0]) {
            return Err(KeyError::Weak(Weakness::AllZero));
        }
        Ok(Self { bytes: *bytes, protection: AesProtection::new(bytes)? })
    }

    /// The exclusive or of 2 or 3 components of 32 bytes, each entered by another person.
    ///
    /// # Errors
    /// [`KeyError::Input`] unless there are 2 or 3, [`KeyError::Weak`] when two are equal,
    /// else as [`Lmk::from_slice`].
    pub fn from_components(components: &[&[u8]]) -> Result<Self, KeyError> {
        let sum = crate::components::combine(components)?;
        Self::from_slice(sum.expose())
    }

    /// Draws `count` (2 or 3) components whose exclusive or is this key, for its custodians.
    ///
    /// # Errors
    /// [`KeyError::Input`] unless `count` is 2 or 3, [`KeyError::Entropy`] without randomness.
    pub fn split(&self, count: usize) -> Result<Vec<SecretBytes>, KeyError> {
        crate::components::split(&self.bytes, count)
    }

    /// Check value: the first 5 bytes of the CMAC of a zero block (X9.24-1 for AES).
    #[must_use]
    pub fn kcv(&self) -> [u8; 5] {
        aes_kcv(&self.bytes).expect("an LMK has 32 bytes")
    }

    /// Wraps `key` for storage.
    ///
    /// # Errors
    /// [`KeyError::Length`] when `key` does not fit its algorithm, [`KeyError::Input`] for a
    /// version over 99, [`KeyError::Entropy`] without randomness.
    pub fn wrap(
        &self,
        key: &[u8],
        usage: KeyUsage,
        attributes: KeyAttributes,
    ) -> Result<WrappedKey, KeyError> {
        if !attributes.algorithm.takes(key.len()) {
            return Err(KeyError::Length { need: "as its algorithm says", have: key.len() });
        }
        if attributes.version > 99 {
            return Err(KeyError::Input("key version"));
        }
        let mut header = Header::new(
            Version::D,
            usage.stored_code(),
            attributes.algorithm.code(),
            usage.mode_of_use(),
            if attributes.exportable { b'E' } else { b'N' },
        );
        header.key_version = [b'0' + attributes.version / 10, b'0' + attributes.version % 10];
        self.protection.seal(&header, key).map(WrappedKey)
    }

    /// Opens `wrapped` for `usage` and no other.
    ///
    /// # Errors
    /// [`KeyError::Authentication`] under another LMK or when altered, [`KeyError::Usage`]
    /// when the key is for something else, [`KeyError::Malformed`] when it is no key block.
    pub fn unwrap(&self, wrapped: &WrappedKey, usage: KeyUsage) -> Result<SecretBytes, KeyError> {
        let unwrapped = self.protection.unwrap(&wrapped.0)?;
        let have = unwrapped.header.usage;
        if have != usage.stored_code() || unwrapped.header.mode_of_use != usage.mode_of_use() {
            return Err(KeyError::Usage { need: usage.name(), have });
        }
        Ok(unwrapped.key)
    }

    /// Exports a stored key as a TR-31 version D block under the AES key `kbpk`, if it was
    /// wrapped as exportable.
    ///
    /// # Errors
    /// As [`Lmk::unwrap`], and [`KeyError::Input`] when the key is not exportable.
    pub fn export(&self, wrapped: &WrappedKey, usage: KeyUsage, kbpk: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.unwrap(wrapped, usage)?;
        let mut header = self.protection.unwrap(&wrapped.0)?.header;
        if header.exportability != b'E' {
            return Err(KeyError::Input("exportability"));
        }
        header.usage = usage.tr31_code();
        AesProtection::new(kbpk)?.seal(&header, key.expose())
    }
}

impl Drop for Lmk {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl std::fmt::Debug for Lmk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lmk(…)")
    }
}

/// Check value of an AES key: the first 5 bytes of the CMAC of a zero block.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16, 24 or 32 bytes.
pub fn aes_kcv(key: &[u8]) -> Result<[u8; 5], KeyError> {
    let mac = aes_cmac(key, &[0; 16])?;
    Ok([mac[0], mac[1], mac[2], mac[3], mac[4]])
}
